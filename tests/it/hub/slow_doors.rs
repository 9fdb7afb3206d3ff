//! Listeners that leave messages out for those who do not keep up (`slow`): NATS, plain WebSocket, JSON commands and events
//! miss the same, and who can be told is told how many.

use std::net::{SocketAddr, TcpStream};

use tungstenite::Message;
use tungstenite::client::IntoClientRequest;

use super::doors_kit::{Events, Socket};
use crate::support::http::{ADMIN, figure, row};
use crate::support::nats::{Client, payload, publish};
use crate::support::server::Server;
use crate::support::web::serve;
use crate::support::{Folder, streams};

/// Few enough that a stalled client's share of the kernel's memory is soon full.
const KERNEL_BYTES: usize = 16 * 1024;
/// Bytes of what fills that memory.
const FILL_BYTES: usize = 8 * 1024;

/// A server of one shard, so that what is published one by one arrives one by one, with this policy of both its listeners.
#[track_caller]
fn start(policy: &str) -> Server {
    let listeners = ["nats", "http"].map(|service| {
        format!(
            "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"{service}\"\nslow = \"{policy}\"\n"
        )
    });
    serve(&Folder::new(), "", &(listeners.concat() + ADMIN), &["--shards", "1"])
}

/// One that listens to `s.>` and does not read, however it is spoken to.
enum Stalled {
    Nats(Client<TcpStream>),
    Plain(Socket),
    Commands(Socket),
    Events(Events),
}

/// What one of them finds when it reads again.
#[derive(Debug, Default)]
struct Found {
    /// The word and the number of each message.
    heard: Vec<(String, usize)>,
    /// How many messages it was told that it misses, in all.
    told: u64,
}

impl Stalled {
    /// One of each kind, and where it comes from.
    #[track_caller]
    fn all(server: &Server) -> Vec<(Self, SocketAddr)> {
        let (nats, http) = (server.addresses("nats://")[0], server.http_address());
        let stream = |to| {
            let stream = streams::tcp_with_buffers(to, KERNEL_BYTES);
            let local = stream.local_addr().expect("it is connected");
            (stream, local)
        };
        let mut all = Vec::new();
        let (one, local) = stream(nats);
        all.push((Self::Nats(Client::open(one, Some("s.>"))), local));
        let (one, local) = stream(http);
        all.push((Self::Plain(socket(one, http, None)), local));
        let (one, local) = stream(http);
        all.push((Self::Commands(socket(one, http, Some("tidemill.v1"))), local));
        let (one, local) = stream(http);
        let mut events = Events::begin_on(one, "subject=s.%3E", "");
        events.await_listening();
        all.push((Self::Events(events), local));
        all
    }

    /// Reads to the message that says `end`.
    #[track_caller]
    fn read_to_end(&mut self) -> Found {
        let mut found = Found::default();
        loop {
            let (said, missed) = self.read();
            found.told += missed;
            let Some(said) = said else { continue };
            let (word, number) = said.trim_end().split_once(' ').expect("a word and a number");
            if word == "end" {
                return found;
            }
            found.heard.push((word.to_owned(), number.trim().parse().expect("it is a number")));
        }
    }

    /// The next payload, or the number of messages that are missing.
    #[track_caller]
    fn read(&mut self) -> (Option<String>, u64) {
        match self {
            Self::Nats(client) => (Some(client.message().expect("nobody is cut").1), 0),
            Self::Plain(socket) => match socket.read() {
                Message::Text(text) => (Some(text.to_string()), 0),
                other => panic!("{other:?} is no text"),
            },
            Self::Commands(socket) => {
                let json = socket.json();
                match json["type"].as_str() {
                    Some("dropped") => (None, json["messages"].as_u64().expect("it is a number")),
                    Some("message") => (json["data"].as_str().map(str::to_owned), 0),
                    _ => panic!("{json} is neither"),
                }
            }
            Self::Events(events) => {
                let event = events.block().expect("nobody is cut");
                let data = event.data.join("\n");
                match event.name.as_deref() {
                    Some("dropped") => (None, data.parse().expect("it is a number")),
                    None if event.id.is_some() => (Some(data), 0),
                    _ => (None, 0),
                }
            }
        }
    }

    /// Whether its protocol can say that messages are missing.
    fn is_told(&self) -> bool {
        matches!(self, Self::Commands(_) | Self::Events(_))
    }
}

#[track_caller]
fn socket(stream: TcpStream, address: SocketAddr, subprotocol: Option<&str>) -> Socket {
    let mut request = format!("ws://{address}/ws/s.%3E").into_client_request().expect("it is a URL");
    if let Some(name) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", name.parse().expect("it is a value"));
    }
    let mut socket = Socket(tungstenite::client(request, stream).expect("the server agrees").0);
    socket.settle();
    socket
}

/// How many messages were left out for the connection from there.
#[track_caller]
fn dropped(server: &Server, address: SocketAddr) -> u64 {
    let row = row(server, address);
    row["hub"]["messages_dropped"].as_u64().unwrap_or_else(|| panic!("no messages_dropped: {row:#}"))
}

/// Says `fill` until messages are left out for all, then these, one by one, and the end. Hands what each finds, and how often
/// `fill` was said, to `check`.
#[track_caller]
fn run(policy: &str, last: &[(&str, usize)], check: impl Fn(&[(String, usize)], usize)) {
    let server = start(policy);
    let mut all = Stalled::all(&server);
    let mut publisher = Client::open(streams::tcp(server.addresses("nats://")[0]), None);
    let mut said = 0;
    while !all.iter().all(|(_, address)| 0 < dropped(&server, *address)) {
        assert!(said < 20_000, "some are left out at last");
        for _ in 0..16 {
            publisher.say(&publish("s.fill", &format!("fill {}", payload(said, FILL_BYTES))));
            said += 1;
        }
        publisher.flush();
    }
    for (subject, number) in last.iter().copied().chain([("end", 0)]) {
        publisher.say(&publish(&format!("s.{subject}"), &format!("{subject} {number}")));
        publisher.flush();
    }
    for (stalled, address) in &mut all {
        let dropped = dropped(&server, *address);
        let found = stalled.read_to_end();
        check(&found.heard, said);
        assert_eq!(
            dropped,
            (said + last.len() - found.heard.len()) as u64,
            "each that is missing is counted"
        );
        if stalled.is_told() {
            assert_eq!(found.told, dropped, "and told");
        }
    }
    assert_eq!(figure(&server, "tidemill_hub_slow_consumers_total"), 0, "nobody is cut");
    drop((all, publisher));
    server.stop_clean();
}

/// The oldest give way: what is heard has one gap, behind what was under way, and ends with the last.
#[test]
fn a_listener_may_drop_the_oldest_at_each_door() {
    run("drop-oldest", &[], |heard, said| {
        let numbers: Vec<usize> = heard.iter().map(|(_, number)| *number).collect();
        let gaps = numbers.windows(2).filter(|two| two[1] != two[0] + 1).count();
        assert_eq!((numbers.first(), numbers.last(), gaps), (Some(&0), Some(&(said - 1)), 1), "{numbers:?}");
        assert!(numbers.is_sorted());
    });
}

/// The latest of each subject is kept, in the place of the first that was held back.
#[test]
fn a_listener_may_keep_the_latest_at_each_door() {
    let last = [("c", 1), ("a", 1), ("b", 1), ("a", 2), ("c", 2), ("a", 3)];
    run("keep-latest", &last, |heard, said| {
        let (fill, rest): (Vec<_>, Vec<_>) = heard.iter().cloned().partition(|(word, _)| word == "fill");
        let latest = [("c", 2), ("a", 3), ("b", 1)].map(|(word, number)| (word.to_owned(), number));
        assert_eq!(rest, latest, "each subject in its place, with its latest");
        assert!(fill.is_sorted_by(|one, next| one.1 < next.1), "never backwards: {fill:?}");
        assert_eq!(fill.last().map(|last| last.1), Some(said - 1), "the latest is there");
    });
}
