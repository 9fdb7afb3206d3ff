//! The faults of `loadgen serve`: a plain client finds exactly as many as were asked for, and as the peer counted.

use std::io::Write;
use std::net::UdpSocket;

use serde_json::Value;

use super::DEADLINE;
use super::peer::{Peer, exchange, messages};

/// Of ten messages the 10th is dropped, the last of the nine left duplicated, and the last of the eight left corrupted.
const FAULTS: &str = "--drop 1/10 --duplicate 1/9 --corrupt 1/8";

/// What comes back for the message with this number.
fn expected(number: u64) -> Vec<Vec<u8>> {
    let message = [number.to_le_bytes(), [7; 8]].concat();
    let mut changed = message.clone();
    changed[15] = 0xf8; // 7 with every bit turned around.
    match number % 10 {
        0 => Vec::new(),
        9 => vec![message; 2],
        8 => vec![changed],
        _ => vec![message],
    }
}

/// After a thousand messages, and so many more behind the last fault.
fn check_counts(counts: &Value, more: u64) {
    let (messages, answered) = (1000 + more, 900 + more);
    for (key, expected) in [
        ("messages", messages),
        ("dropped", 100),
        ("duplicated", 100),
        ("corrupted", 100),
        ("answered", answered),
    ] {
        assert_eq!(counts[key], expected, "{key} in {counts}");
    }
}

#[test]
fn every_nth_fault_is_exact_on_a_stream() {
    let peer = Peer::start("tcp://127.0.0.1:0", &format!("--size 16 {FAULTS}"));
    let answers = exchange(peer.connect(), &messages(1000));
    let expected: Vec<u8> = (1..=1000).flat_map(expected).flatten().collect();
    assert_eq!(answers, expected);
    check_counts(&peer.stop(), 0);
}

/// One by one, because a datagram that does not fit a socket's buffer is lost, and that is no fault of the peer's.
#[test]
fn every_nth_fault_is_exact_on_datagrams() {
    let peer = Peer::start("udp://127.0.0.1:0", FAULTS);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(peer.address()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut buffer = [0; 64];
    // The thousandth has no answer: that of the next one says that it was counted.
    for number in 1..=1001u64 {
        socket.send(&[number.to_le_bytes(), [7; 8]].concat()).unwrap();
        for expected in expected(number) {
            let count = socket.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..count], expected, "message {number}");
        }
    }
    check_counts(&peer.stop(), 1);
}

/// With the same seed the same messages, and with another seed others.
#[test]
fn chances_follow_from_the_seed() {
    let answers = |seed: u64| {
        let line = format!("--size 16 --drop 10% --corrupt 10% --seed {seed}");
        let peer = Peer::start("tcp://127.0.0.1:0", &line);
        let answers = exchange(peer.connect(), &messages(2000));
        let counts = peer.stop();
        let count = |key: &str| counts[key].as_u64().unwrap();
        assert_eq!(answers.len() as u64, 16 * (2000 - count("dropped")), "{counts}");
        let corrupted = answers.chunks(16).filter(|answer| answer[15] == 0xf8).count() as u64;
        assert_eq!(corrupted, count("corrupted"), "{counts}");
        assert!(0 < corrupted && 0 < count("dropped"), "{counts}");
        answers
    };
    let one = answers(1);
    assert!(one == answers(1) && one != answers(2));
}

/// The client gets all answers and then the end, and no reset, although it had sent more.
#[test]
fn a_connection_is_closed_behind_the_message_that_was_named() {
    for law in ["none", "fixed:10ms"] {
        let peer = Peer::start("tcp://127.0.0.1:0", &format!("--size 16 --close-after 5 --law {law}"));
        for _ in 0..3 {
            assert_eq!(exchange(peer.connect(), &messages(8)), messages(5));
        }
        let counts = peer.stop();
        assert_eq!((&counts["messages"], &counts["closed"]), (&15.into(), &3.into()), "{counts}");
    }
}

/// A dropped last answer still ends its connection.
#[test]
fn a_connection_is_closed_where_its_last_answer_is_dropped() {
    let peer = Peer::start("tcp://127.0.0.1:0", "--size 16 --close-after 2 --drop 1/2");
    let mut stream = peer.connect();
    stream.write_all(&messages(1)).unwrap();
    assert_eq!(exchange(stream, &messages(1)), messages(1));
    let counts = peer.stop();
    assert_eq!((&counts["dropped"], &counts["closed"]), (&1.into(), &1.into()), "{counts}");
}
