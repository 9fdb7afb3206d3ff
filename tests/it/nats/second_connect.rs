//! A client that says CONNECT again in the middle of its session changes what it names there, and nothing else; over TCP and
//! within WebSocket, as nats-server has it.

use std::net::TcpStream;

use tungstenite::{Message, WebSocket};

use super::peer::{Hub, Settings, nats_server_is_tested};
use super::raw::Raw;
use crate::support::{skip, streams};

/// What one says, and what it hears up to the PONG of the PING behind it.
type Turn = (&'static str, &'static str);

/// As nats-server 2.15.1 answers. It delivers nothing any more to what was subscribed to before (see `known.rs`), so that is
/// said again, too.
const TURNS: &[Turn] = &[
    ("CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB a 1\r\n", ""),
    ("PUB a 1\r\nx\r\n", "MSG a 1 1\r\nx\r\n"),
    // Its own messages are kept from it, and it is still not told of what is done.
    ("CONNECT {\"echo\":false}\r\nUNSUB 1\r\nSUB a 1\r\nPUB a 1\r\nx\r\n", ""),
    (WITH_HEADERS, ""),
    (BY_ANOTHER, "HMSG a 1 12 13\r\nNATS/1.0\r\n\r\nh\r\n"),
    ("CONNECT {\"echo\":true}\r\nUNSUB 1\r\nSUB a 1\r\nPUB a 1\r\ny\r\n", "MSG a 1 1\r\ny\r\n"),
    (WITH_HEADERS, "HMSG a 1 12 13\r\nNATS/1.0\r\n\r\nh\r\n"),
    // It is told of everything from its CONNECT on.
    ("CONNECT {\"verbose\":true,\"echo\":false}\r\nUNSUB 1\r\nPUB a 1\r\nx\r\n", "+OK\r\n+OK\r\n+OK\r\n"),
    ("SUB a 1\r\n", "+OK\r\n"),
    (
        "CONNECT {\"verbose\":false,\"pedantic\":true}\r\nPUB a.* 0\r\n\r\n",
        "-ERR 'Invalid Publish Subject'\r\n",
    ),
    // What others send with headers comes without them.
    ("CONNECT {\"headers\":false,\"pedantic\":false}\r\nUNSUB 1\r\nSUB a 1\r\n", ""),
    (BY_ANOTHER, "MSG a 1 1\r\nh\r\n"),
    ("CONNECT {\"headers\":true}\r\nUNSUB 1\r\nSUB a 1\r\n", ""),
    (BY_ANOTHER, "HMSG a 1 12 13\r\nNATS/1.0\r\n\r\nh\r\n"),
];

/// What only Tidemill does: what was subscribed to before stays, in queue groups and with a number of messages, too, and it is
/// heard as the last CONNECT has it. (Headers once came to who had said that it knows none.)
const OURS: &[Turn] = &[
    ("CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB a 1\r\nSUB a q 2\r\nSUB a 3\r\nUNSUB 3 3\r\n", ""),
    (
        BY_ANOTHER,
        "HMSG a 1 12 13\r\nNATS/1.0\r\n\r\nh\r\nHMSG a 2 12 13\r\nNATS/1.0\r\n\r\nh\r\nHMSG a 3 12 13\r\nNATS/1.0\r\n\r\nh\r\n",
    ),
    ("CONNECT {\"headers\":false}\r\n", ""),
    (BY_ANOTHER, "MSG a 1 1\r\nh\r\nMSG a 2 1\r\nh\r\nMSG a 3 1\r\nh\r\n"),
    ("CONNECT {\"headers\":true}\r\nUNSUB 1\r\nUNSUB 2\r\n", ""),
    (BY_ANOTHER, "HMSG a 3 12 13\r\nNATS/1.0\r\n\r\nh\r\n"),
    (BY_ANOTHER, ""),
    ("SUB a 3\r\nPUB a 1\r\nx\r\n", "MSG a 3 1\r\nx\r\n"),
    ("CONNECT {\"echo\":false}\r\nPUB a 1\r\nx\r\n", ""),
];

const WITH_HEADERS: &str = "HPUB a 12 13\r\nNATS/1.0\r\n\r\nh\r\n";
/// Stands for the same, published by another connection.
const BY_ANOTHER: &str = "by another";

/// One connection of either kind.
enum Line {
    Tcp(Raw),
    WebSocket(Box<WebSocket<TcpStream>>),
}

impl Line {
    #[track_caller]
    fn open(url: &str) -> Self {
        let address = url.split("//").nth(1).and_then(|rest| rest.split('/').next()).expect("it is a URL");
        let address = address.parse().expect("it has an address");
        if url.starts_with("nats:") {
            return Self::Tcp(Raw::open(address));
        }
        let (mut socket, _) = tungstenite::client(url, streams::tcp(address)).expect("it is a WebSocket");
        let greeting = read_to(&mut socket, b" \r\n");
        assert!(greeting.starts_with(b"INFO {"), "{}", greeting.escape_ascii());
        Self::WebSocket(Box::new(socket))
    }

    /// What comes back up to the PONG, without it.
    #[track_caller]
    fn ask(&mut self, words: &str) -> String {
        let words = format!("{words}PING\r\n");
        let heard = match self {
            Self::Tcp(raw) => {
                raw.send(words);
                raw.until("PONG\r\n").iter().flat_map(|said| said.bytes().to_vec()).collect()
            }
            Self::WebSocket(socket) => {
                socket.send(Message::binary(words)).expect("the server reads");
                let mut heard = read_to(socket, b"PONG\r\n");
                heard.truncate(heard.len() - b"PONG\r\n".len());
                heard
            }
        };
        String::from_utf8(heard).expect("it is ASCII")
    }
}

/// Reads binary messages until their bytes end like this.
#[track_caller]
fn read_to(socket: &mut WebSocket<TcpStream>, end: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        match socket.read().unwrap_or_else(|error| panic!("{error} behind {}", bytes.escape_ascii())) {
            Message::Binary(piece) => bytes.extend_from_slice(&piece),
            Message::Ping(_) => {}
            other => panic!("{other:?} behind {}", bytes.escape_ascii()),
        }
    }
    bytes
}

/// Which of several subscriptions to one message is sent it first is not said.
fn in_order(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> =
        text.split_inclusive("\r\nh\r\n").map(|piece| piece.escape_default().to_string()).collect();
    pieces.sort();
    pieces
}

#[track_caller]
fn check(hub: &Hub, turns: &[Turn], name: &str) {
    for url in hub.urls() {
        let (mut line, mut another) = (Line::open(&url), Line::open(&url));
        another.ask("CONNECT {\"verbose\":false,\"headers\":true}\r\n");
        for (turn, (words, expected)) in turns.iter().enumerate() {
            let heard = match *words {
                BY_ANOTHER => {
                    another.ask(WITH_HEADERS);
                    line.ask("")
                }
                words => line.ask(words),
            };
            let (heard, expected) = (in_order(&heard), in_order(expected));
            assert_eq!(heard, expected, "{name}, {url}, turn {turn}: {words:?}");
        }
    }
}

/// The server under test, and nats-server where it is installed.
#[test]
fn a_second_connect_changes_what_it_names() {
    if let Some(hub) = Hub::start(&Settings::default()) {
        check(&hub, TURNS, "the server under test");
    }
    if let Some(hub) = Hub::nats_server(&Settings::default()) {
        check(&hub, TURNS, "nats-server");
    }
}

#[test]
fn a_second_connect_keeps_what_was_subscribed_to() {
    if nats_server_is_tested() {
        return skip("nats-server keeps it in another way");
    }
    for shards in [1, 2] {
        if let Some(hub) = Hub::start(&Settings { shards, ..Settings::default() }) {
            check(&hub, OURS, "the server under test");
        }
    }
}
