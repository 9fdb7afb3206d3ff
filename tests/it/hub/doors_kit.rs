//! Clients of the hub without a library: WebSockets of tungstenite's, and streams of events read by hand as the HTML
//! standard has them (section 9.2.6).

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use tungstenite::client::IntoClientRequest;
use tungstenite::{Bytes, Message, WebSocket};

use crate::support::http::{Answer, Client};
use crate::support::server::Server;
use crate::support::streams;
use crate::support::web::{self, Head};

/// Two shards, so that what is said may have to cross.
#[track_caller]
pub(super) fn serve() -> Server {
    Server::listen(&["http://127.0.0.1:0"], &["--shards", "2"])
}

/// A WebSocket at this path.
pub(super) struct Socket(pub(super) WebSocket<TcpStream>);

impl Socket {
    /// Opens one, and waits until whatever is published anywhere is heard there: a pong says so.
    #[track_caller]
    pub(super) fn open(address: SocketAddr, path: &str) -> Self {
        let url = format!("ws://{address}{path}");
        let (socket, _) = tungstenite::client(url, streams::tcp(address)).expect("the server agrees");
        let mut socket = Self(socket);
        socket.settle();
        socket
    }

    /// Opens one that gives commands.
    #[track_caller]
    pub(super) fn command(address: SocketAddr, path: &str) -> Self {
        let mut request = format!("ws://{address}{path}").into_client_request().expect("it is a URL");
        let fields = request.headers_mut();
        fields.insert("sec-websocket-protocol", "tidemill.v1".parse().expect("it is a value"));
        let (socket, answer) =
            tungstenite::client(request, streams::tcp(address)).expect("the server agrees");
        assert_eq!(answer.headers()["sec-websocket-protocol"], "tidemill.v1");
        Self(socket)
    }

    #[track_caller]
    pub(super) fn settle(&mut self) {
        self.0.send(Message::Ping(Bytes::from_static(b"known?"))).expect("the server reads");
        assert_eq!(self.read(), Message::Pong(Bytes::from_static(b"known?")));
    }

    #[track_caller]
    pub(super) fn send(&mut self, message: impl Into<Message>) {
        self.0.send(message.into()).expect("the server reads");
    }

    #[track_caller]
    pub(super) fn read(&mut self) -> Message {
        self.0.read().expect("a message comes")
    }

    /// The next text, which must come.
    #[track_caller]
    pub(super) fn text(&mut self) -> String {
        match self.read() {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?} is no text"),
        }
    }

    /// The next message, as JSON.
    #[track_caller]
    pub(super) fn json(&mut self) -> serde_json::Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The code and the reason of the close frame, which comes next.
    #[track_caller]
    pub(super) fn closed(&mut self) -> (u16, String) {
        match self.read() {
            Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("{other:?} is no close"),
        }
    }
}

/// A stream of events.
pub(super) struct Events {
    stream: BufReader<TcpStream>,
    pub(super) head: Head,
}

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) data: Vec<String>,
    pub(super) retry: Option<u64>,
    pub(super) comments: Vec<String>,
}

impl Events {
    /// Opens one, and waits until whatever is published anywhere is heard there.
    #[track_caller]
    pub(super) fn open(address: SocketAddr, query: &str) -> Self {
        let mut events = Self::begin(address, query, "");
        events.await_listening();
        events
    }

    /// Reads how a stream begins.
    #[track_caller]
    pub(super) fn await_listening(&mut self) {
        let retry = self.block().expect("it begins").retry.expect("it begins with a time");
        assert!((2000..=5000).contains(&retry), "{retry} ms");
        assert_eq!(self.block().expect("it goes on").comments, ["listening"]);
    }

    /// Asks for one, with these lines more, and reads the head of the answer.
    #[track_caller]
    pub(super) fn begin(address: SocketAddr, query: &str, lines: &str) -> Self {
        Self::begin_on(streams::tcp(address), query, lines)
    }

    /// The same on this connection.
    #[track_caller]
    pub(super) fn begin_on(stream: TcpStream, query: &str, lines: &str) -> Self {
        let address = stream.peer_addr().expect("it is connected");
        let mut stream = BufReader::new(stream);
        let request = format!("GET /sse?{query} HTTP/1.1\r\nHost: {address}\r\n{lines}\r\n");
        stream.get_mut().write_all(request.as_bytes()).expect("the server reads");
        let head = web::read_head(&mut stream);
        Self { stream, head }
    }

    /// The lines up to the next empty one, whatever they say; `None` at the end.
    #[track_caller]
    pub(super) fn block(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let line = self.line()?;
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match name {
                "" if line.is_empty() => return Some(event),
                "" => event.comments.push(value),
                "id" => event.id = Some(value),
                "event" => event.name = Some(value),
                "data" => event.data.push(value),
                "retry" => event.retry = value.parse().ok(),
                other => panic!("nothing is called {other:?}"),
            }
        }
    }

    /// Sends something that nobody reads. Returns whether the server has had enough.
    pub(super) fn chatter(&mut self) -> bool {
        self.stream.get_mut().write_all(&[b'x'; 4096]).is_err()
    }

    /// The next line; `None` at the end.
    #[track_caller]
    pub(super) fn line(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        loop {
            let mut byte = [0];
            if self.stream.read(&mut byte).expect("it goes on or ends") == 0 {
                assert!(bytes.is_empty(), "it ended within a line");
                return None;
            }
            match byte[0] {
                b'\n' => return Some(String::from_utf8(bytes).expect("events are UTF-8")),
                byte => bytes.push(byte),
            }
        }
    }

    /// The next event; comments are not heard by pages.
    #[track_caller]
    pub(super) fn next(&mut self) -> Event {
        loop {
            let event = self.block().expect("an event comes");
            if !event.data.is_empty() {
                assert!(event.id.is_some(), "{event:?}");
                return event;
            }
        }
    }

    /// The data of the next event.
    #[track_caller]
    pub(super) fn data(&mut self) -> String {
        self.next().data.join("\n")
    }
}

/// Sends a request with these lines more and this content.
#[track_caller]
pub(super) fn ask(address: SocketAddr, method: &str, target: &str, lines: &str, content: &[u8]) -> Answer {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n{lines}\r\n",
        content.len()
    );
    let mut client = Client::to(address);
    client.send([head.as_bytes(), content].concat());
    client.answer()
}

/// Publishes something by a request.
#[track_caller]
pub(super) fn publish(address: SocketAddr, subject: &str, content: &str) -> Answer {
    let answer = ask(address, "POST", &format!("/publish/{subject}"), "", content.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}
