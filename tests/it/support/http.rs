//! A client of HTTP that says exactly what a test tells it to, and reads answers with a parser that is not ours.
//!
//! It knows where an answer ends, and nothing of what one should be.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::server::Server;
use super::{Folder, streams, text};

/// A listener of pages on a port that the system chooses.
pub(crate) const PAGES: &str = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"http\"\n";
/// A listener for operators on a port that the system chooses.
pub(crate) const ADMIN: &str = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"admin\"\n";

/// Starts a server of one shard with these lines of limits, and these listeners.
#[track_caller]
pub(crate) fn configured(limits: &str, listeners: &[&str]) -> Server {
    let folder = Folder::new();
    let toml = format!("[server]\nshards = 1\n\n[limits]\n{limits}\n\n{}", listeners.join("\n"));
    let file = folder.write("t.toml", &toml);
    Server::start(&["--config", text(&file)])
}

/// A connection that speaks HTTP.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// What came behind the last answer.
    rest: Vec<u8>,
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a field, which must not stand there twice.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands there twice: {self:?}");
        value
    }

    pub(crate) fn closes(&self) -> bool {
        self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("it is text")
    }
}

impl From<TcpStream> for Client {
    fn from(stream: TcpStream) -> Self {
        Self { stream, rest: Vec::new() }
    }
}

impl Client {
    #[track_caller]
    pub(crate) fn to(address: SocketAddr) -> Self {
        streams::tcp(address).into()
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server reads");
    }

    /// Writes, though the server may have ended the connection meanwhile.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Ends our side.
    pub(crate) fn finish(&self) {
        // The server may have reset it.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Asks for a path, and reads the answer.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(get(path));
        self.answer()
    }

    /// Reads an answer with its content.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        if let Some(length) = answer.field("content-length") {
            let length: usize = length.parse().expect("a length is a number");
            while self.rest.len() < length {
                assert!(self.read_more() != 0, "it ended within {answer:?}");
            }
            answer.body = self.rest.drain(..length).collect();
        }
        answer
    }

    /// Reads the head of an answer.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Answer {
        loop {
            if let Some(answer) = self.take_head() {
                return answer;
            }
            assert!(self.read_more() != 0, "it ended without an answer: {}", self.rest.escape_ascii());
        }
    }

    /// Reads an answer if there is one before the end.
    #[track_caller]
    pub(crate) fn last_answer(&mut self) -> Option<Answer> {
        let rest = std::mem::take(&mut self.rest);
        self.rest = [rest, self.read_to_end()].concat();
        if self.rest.is_empty() { None } else { Some(self.answer()) }
    }

    fn take_head(&mut self) -> Option<Answer> {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(&self.rest);
        let parsed = parsed.unwrap_or_else(|error| panic!("{error}: {}", self.rest.escape_ascii()));
        let httparse::Status::Complete(length) = parsed else { return None };
        assert_eq!(response.version, Some(1), "a server of HTTP/1.1 says so");
        let text = |value| String::from_utf8(value).expect("our fields are text");
        let fields = response.headers.iter().map(|field| (field.name.to_owned(), text(field.value.to_vec())));
        let status = response.code.expect("it is complete");
        let answer = Answer { status, fields: fields.collect(), body: Vec::new() };
        self.rest.drain(..length);
        Some(answer)
    }

    /// Reads some more; zero at the end.
    #[track_caller]
    fn read_more(&mut self) -> usize {
        let mut buffer = vec![0; 64 * 1024];
        let count = self.stream.read(&mut buffer).expect("it answers or ends");
        self.rest.extend_from_slice(&buffer[..count]);
        count
    }

    /// Reads so many bytes.
    #[track_caller]
    pub(crate) fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.rest);
        let had = bytes.len().min(count);
        self.rest = bytes.split_off(had);
        bytes.resize(count, 1);
        self.stream.read_exact(&mut bytes[had..]).expect("it all comes");
        bytes
    }

    /// Reads what is left, to the end or to a reset.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.rest);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return bytes,
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return bytes,
                Err(error) => panic!("it was not ended: {error}"),
            }
        }
    }

    /// Checks that the server has said everything and ended the connection.
    #[track_caller]
    pub(crate) fn check_end(&mut self) {
        let left = self.read_to_end();
        assert!(left.is_empty(), "there was more: {}", left.escape_ascii());
    }
}

/// A request without content.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// A request with content of a known length.
pub(crate) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Asks for one page on a connection of its own.
#[track_caller]
pub(crate) fn fetch(address: SocketAddr, path: &str) -> Answer {
    Client::to(address).get(path)
}

/// The value of a figure of an admin listener: of one series, named with its label, or without one of all series of that name
/// together.
#[track_caller]
pub(crate) fn figure(server: &Server, name: &str) -> u64 {
    let page = fetch(server.admin_address(), "/metrics");
    let of = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        let is_it = series == name || series.split_once('{').is_some_and(|(base, _)| base == name);
        is_it.then(|| value.parse::<u64>().expect("a counter is a number"))
    };
    let values: Vec<u64> = page.text().lines().filter_map(of).collect();
    assert!(!values.is_empty(), "there is no {name}: {}", page.text());
    values.iter().sum()
}

/// What `/connz` says of the connection that comes from this address.
#[track_caller]
pub(crate) fn row(server: &Server, address: SocketAddr) -> Value {
    let rows = rows(server);
    let found = rows.iter().find(|row| row["address"] == address.to_string());
    found.unwrap_or_else(|| panic!("{address} is missing: {rows:#?}")).clone()
}

/// What `/connz` says of the thousand oldest connections.
#[track_caller]
pub(crate) fn rows(server: &Server) -> Vec<Value> {
    let page = fetch(server.admin_address(), "/connz?limit=1000");
    let page: Value = serde_json::from_slice(&page.body).expect("it is JSON");
    page["connections"].as_array().expect("there is a list").clone()
}

/// How often something was refused for this reason.
#[track_caller]
pub(crate) fn refused(server: &Server, reason: &str) -> u64 {
    figure(server, &format!("tidemill_refused_total{{reason=\"{reason}\"}}"))
}

/// Connects from another address of the loopback.
#[track_caller]
pub(crate) fn from(source: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).expect("a descriptor is free");
    socket.bind(&SocketAddr::new(source, 0).into()).expect("the loopback has many addresses");
    socket.connect(&to.into()).expect("the server listens");
    streams::patient(socket.into())
}
