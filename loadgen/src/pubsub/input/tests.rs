//! Each reader against the bytes that its protocol has for the same messages, cut at every byte.

use tidemill::protocol::http1::BodyLength;
use tidemill::protocol::websocket::{Kind, sender};

use super::*;

/// Writes down what came.
#[derive(Debug, Default, PartialEq, Eq)]
struct Notes(Vec<String>);

impl Sink for Notes {
    fn message(&mut self, delivery: Delivery<'_>) {
        self.0.push(String::from_utf8_lossy(delivery.payload).into_owned());
    }

    fn ready(&mut self) {
        self.0.push("(ready)".to_owned());
    }

    fn error(&mut self, words: &str) {
        self.0.push(format!("({words})"));
    }
}

/// The same comes of these bytes however they are cut, and the same is answered.
fn check(new: impl Fn() -> Input, bytes: &[u8], expected: &[&str], answered: (&[u8], &[u8])) {
    for at in 0..bytes.len() {
        let (mut input, mut notes, mut out) = (new(), Notes::default(), Outgoing::default());
        for part in [&bytes[..at], &bytes[at..]] {
            input.read(&mut part.to_vec(), &mut notes, &mut out).unwrap();
        }
        assert_eq!(notes.0, expected, "cut at {at}");
        assert_eq!((&*out.raw, &*out.words), answered, "cut at {at}");
    }
}

fn check_refused(new: impl Fn() -> Input, bytes: &[u8], words: &str) {
    let read = new().read(&mut bytes.to_vec(), &mut Notes::default(), &mut Outgoing::default());
    assert!(read.as_ref().is_err_and(|sentence| sentence.contains(words)), "{read:?}");
}

const NATS: &[u8] =
    b"INFO {}\r\n+OK\r\nPONG\r\nMSG a 1 3\r\none\r\nPING\r\n-ERR 'no'\r\nMSG a 1 2\r\n\r\n\r\n";

#[test]
fn nats_is_read() {
    let new = || Input::Nats(Nats::default());
    check(new, NATS, &["(ready)", "one", "(no)", "\r\n"], (b"", b"PONG\r\n"));
    check_refused(new, b"HTTP/1.1 400 Bad Request\r\n\r\n", "neither INFO, MSG");
}

/// The messages of WebSocket mean nothing to the stream within: here they are of seven bytes each.
#[test]
fn nats_is_read_out_of_websocket_messages() {
    let mut bytes = Vec::new();
    NATS.chunks(7).for_each(|part| sender::message(&mut bytes, Kind::Binary, part, None));
    let new = || Input::NatsOverWebSocket(Box::default(), Nats::default());
    check(new, &bytes, &["(ready)", "one", "(no)", "\r\n"], (b"", b"PONG\r\n"));
}

#[test]
fn websocket_messages_are_deliveries() {
    let mut bytes = Vec::new();
    sender::message(&mut bytes, Kind::Binary, b"one", None);
    sender::ping(&mut bytes, b"?", None);
    sender::message(&mut bytes, Kind::Text, &[b'x'; 300], None);
    let new = || Input::WebSocket(Box::default());
    // A pong is masked with zeros: 0x8a, 0x81, the mask, the payload (RFC 6455, 5.2).
    check(new, &bytes, &["one", &"x".repeat(300)], (b"\x8a\x81\0\0\0\0?", b""));
    check_refused(new, b"\x88\x02\x03\xe8", "closed it with 1000");
    check_refused(new, b"\xff\x00", "");
}

/// The example of the specification, and what is around it: comments, other fields, both ends of lines.
#[test]
fn events_are_read() {
    let events =
        b": hello\nretry: 10\n\ndata: one\n\nid: 7\r\ndata:two\r\ndata:  lines\r\n\r\n\n: beat\n\ndata\n\n";
    let expected = ["one", "two\n lines"];
    check(
        || Input::Events(Box::new(Events::new(BodyLength::UntilClose).unwrap())),
        events,
        &expected,
        (b"", b""),
    );
    let mut chunked = Vec::new();
    for part in events.chunks(5) {
        chunked.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        chunked.extend_from_slice(part);
        chunked.extend_from_slice(b"\r\n");
    }
    let new = || Input::Events(Box::new(Events::new(BodyLength::Chunked).unwrap()));
    check(new, &chunked, &expected, (b"", b""));
    check_refused(new, b"0\r\n\r\n", "ended");
}
