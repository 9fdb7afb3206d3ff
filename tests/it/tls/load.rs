//! Many at once: handshakes in parallel, and connections that only stay.

use super::Place;
use crate::support::tls::{self, Stream};
use crate::support::{has_descriptors, say, skip, streams};

/// Connects so many, all in the midst of their handshakes at once, and then finishes these.
#[track_caller]
fn connect_all(place: &Place, count: usize) -> Vec<Stream> {
    let configs = place.clients();
    let begin = |number: usize| {
        let mut stream = tls::begin(streams::tcp(place.echo()), &configs[number % 2], "localhost");
        stream.conn.write_tls(&mut stream.sock).expect("the server listens");
        stream
    };
    let mut clients: Vec<Stream> = (0..count).map(begin).collect();
    for client in &mut clients {
        tls::shake(client).expect("the server agrees");
    }
    clients
}

/// 500 handshakes that all have begun before the first is done.
#[test]
fn many_handshakes_at_once_all_succeed() {
    let place = Place::with("", "", &["--shards", "2"]);
    let (before, descriptors) = (place.server.counters(), place.server.descriptors());
    let mut clients = connect_all(&place, 500);
    for client in &mut clients {
        streams::ping(client, b"Hello");
    }
    place.server.await_count("tls_handshakes", 500);
    drop(clients);
    place.server.check_all_clean(&before, descriptors);
    place.server.stop_clean();
}

/// What an idle connection behind TLS takes is told to whoever watches, and has a generous bound; when they have gone,
/// nothing is left of them.
#[test]
fn idle_connections_behind_tls_are_small() {
    const COUNT: usize = 1_000;
    if !has_descriptors(COUNT as u64) {
        return skip("1,000 connections need more descriptors than this process may have");
    }
    let place = Place::with("", "", &["--shards", "2"]);
    let (counters, descriptors) = (place.server.counters(), place.server.descriptors());
    // Whatever is needed once is there.
    drop(connect_all(&place, 20));
    place.server.await_count("closed", 20);
    let before = place.server.resident_bytes();
    let mut clients = connect_all(&place, COUNT);
    for client in &mut clients {
        streams::ping(client, b"Hello");
    }
    let growth = place.server.resident_bytes().saturating_sub(before);
    say(&format!("{} bytes for each of {COUNT} idle connections behind TLS", growth / COUNT as u64));
    // Receive buffers of two shards, in use for the first time, and 40 KiB for each connection.
    assert!(growth < 2 * 128 * (16 << 10) + COUNT as u64 * (40 << 10), "{growth} bytes");
    drop(clients);
    place.server.check_all_clean(&counters, descriptors);
    place.server.stop_clean();
}
