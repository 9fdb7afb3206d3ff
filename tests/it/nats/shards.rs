//! Several shards are one server: what a client may count on holds wherever the others are.

use std::net::SocketAddr;

use super::peer::{Hub, Settings};
use super::raw::{Raw, Said};
use super::seeds::Dice;

/// Rounds of each thread.
const ROUNDS: u32 = 1_000;
/// Connections of each thread: more than shards, so that some share one.
const CONNECTIONS: usize = 6;
/// What is published in a round, with the subscriptions that hear it.
const SPOKEN: [(&str, &[&str]); 5] =
    [("a.c", &["1", "2"]), ("b.c", &["1", "2"]), ("b.d", &["2"]), ("", &[]), ("end", &["2", "3"])];

/// Whoever has got the PONG to a PING behind its SUB hears all that is published from then on, wherever it is published; and
/// so does who has heard itself, which takes another way. The subscriptions overlap, come and go, while others do the same.
#[test]
fn whoever_knows_that_it_listens_hears_everything() {
    for shards in [2, 3] {
        let Some(hub) = Hub::start(&Settings { shards, ..Settings::default() }) else { return };
        let address = hub.address();
        std::thread::scope(|scope| {
            for name in ["v", "w", "x"] {
                scope.spawn(move || rounds(name, address));
            }
        });
    }
}

fn rounds(name: &str, address: SocketAddr) {
    let mut dice = Dice::new(u64::from(name.as_bytes()[0]));
    let mut connections: Vec<Raw> = (0..CONNECTIONS).map(|number| connect(name, number, address)).collect();
    for round in 0..ROUNDS {
        let (one, other) = (dice.below(CONNECTIONS), dice.below(CONNECTIONS));
        let waits_for_itself = dice.one_in(2);
        let listener = &mut connections[one];
        listener.send(format!("SUB {name}.*.c 1\r\nSUB {name}.> 2\r\nSUB {name}.end 3\r\n"));
        if waits_for_itself {
            listener.send(format!("PUB inbox.{name}.{one} 0\r\n\r\n"));
            let heard = listener.next();
            assert!(matches!(&heard, Some(Said::Delivery(own)) if own.sid == "0"), "{round}: {heard:?}");
        } else {
            listener.send("PING\r\n");
            assert_eq!(listener.until("PONG\r\n"), [], "{round}");
        }
        for (tail, _) in SPOKEN {
            let dot = if tail.is_empty() { "" } else { "." };
            let payload = round.to_string();
            connections[other].send(format!("PUB {name}{dot}{tail} {}\r\n{payload}\r\n", payload.len()));
        }
        let mut expected: Vec<(String, String)> = SPOKEN
            .iter()
            .flat_map(|(tail, sids)| {
                sids.iter().map(move |sid| (format!("{name}.{tail}"), (*sid).to_owned()))
            })
            .collect();
        let mut heard = Vec::new();
        while heard.len() < expected.len() {
            match connections[one].next() {
                Some(Said::Delivery(said)) if said.payload == round.to_string().as_bytes() => {
                    heard.push((said.subject, said.sid));
                }
                said => panic!("{round}, from {other} to {one}: {said:?} behind {heard:?}"),
            }
        }
        expected.sort();
        heard.sort();
        assert_eq!(heard, expected, "{round}, from {other} to {one}");
        connections[one].send("UNSUB 1\r\nUNSUB 2\r\nUNSUB 3\r\nPING\r\n");
        assert_eq!(connections[one].until("PONG\r\n"), [], "{round}: nothing comes twice");
    }
    for connection in &mut connections {
        connection.send("PING\r\n");
        assert_eq!(connection.until("PONG\r\n"), [], "nobody else heard anything");
    }
}

/// A connection that hears what it says to itself.
fn connect(name: &str, number: usize, address: SocketAddr) -> Raw {
    let mut raw = Raw::open(address);
    raw.send(format!("CONNECT {{\"verbose\":false}}\r\nSUB inbox.{name}.{number} 0\r\nPING\r\n"));
    assert_eq!(raw.until("PONG\r\n"), []);
    raw
}
