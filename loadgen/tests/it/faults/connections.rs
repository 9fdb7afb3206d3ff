//! Connections that come and go, from many addresses, and many of them.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};
use std::sync::mpsc::channel;
use std::thread;

use loadgen::result::Status;
use tidemill::sys::descriptors;

use crate::peer::Peer;
use crate::truth::{assert_conserved, check, say, typed};

/// A connection for each 10 requests: as many as arithmetic says, each measured.
#[test]
fn connections_that_come_and_go_are_counted() {
    for url in ["tcp://127.0.0.1:0", "http://127.0.0.1:0"] {
        let peer = Peer::start(url, "");
        let line = "-c 8 --rate 1000 --count 1000 --requests-per-connection 10";
        let (code, result) = typed(&peer.url, line);
        let counts = peer.stop();
        assert_eq!(code, 0, "{url}: {:?}", result.problems);
        assert_conserved(&result, 1000);
        assert_eq!((result.requests.ok, result.counts.received), (1000, 1000), "{url}");
        // 1000 requests need 100 connections; at the end up to 7 more have not carried all of theirs. The first 8, which
        // showed that the server is there, carry none.
        let dialed = result.counts.dialed;
        assert!((100..=107).contains(&dialed), "{url}: {dialed}");
        assert_eq!(counts["connections"], 8 + dialed, "{url}: {counts}");
        assert_eq!(result.latency.connect.count, 8 + dialed, "{url}: each was measured");
        assert_eq!(
            (result.counts.reconnects, check(&result, "connections").status),
            (0, Status::Pass),
            "{url}"
        );
    }
}

/// A server that closes behind every 10th answer, as HTTP allows: a new connection goes on, and nothing is lost. That answer
/// says that it is the last; the test once failed when a request had left before the close was seen, which is a loss.
#[test]
fn a_server_that_closes_is_met_again() {
    let peer = Peer::start("http://127.0.0.1:0", "--close-after 10");
    let (code, result) = typed(&peer.url, "-c 8 --rate 1000 --count 1000");
    let counts = peer.stop();
    assert_eq!(code, 0, "{:?}", result.problems);
    assert_conserved(&result, 1000);
    assert_eq!(result.requests.ok, 1000);
    let (reconnects, closed) = (result.counts.reconnects, counts["closed"].as_u64().unwrap());
    assert_eq!(counts["connections"].as_u64(), Some(8 + reconnects));
    assert!((92..=100).contains(&reconnects), "{reconnects}");
    // Each that is closed has carried 10, and the last 8 up to 9 each; nobody comes again for what is not due any more.
    assert!(
        (93..=100).contains(&closed) && (closed - 8..=closed).contains(&reconnects),
        "{counts}: {reconnects}"
    );
}

/// One connection after the other, there is no chance in it: 1005 requests fill 100 connections, and the last carries 5.
#[test]
fn a_server_that_closes_is_met_again_each_time() {
    let peer = Peer::start("http://127.0.0.1:0", "--close-after 10");
    let (code, result) = typed(&peer.url, "-c 1 --rate 1000 --count 1005");
    let counts = peer.stop();
    assert_eq!(code, 0, "{:?}", result.problems);
    assert_conserved(&result, 1005);
    assert_eq!((result.requests.ok, result.counts.reconnects), (1005, 100));
    assert_eq!((&counts["closed"], &counts["connections"]), (&100.into(), &101.into()), "{counts}");
}

/// The server sees as many addresses as were given. Linux takes all of 127.0.0.0/8 as its own.
#[test]
fn connections_come_from_the_addresses_that_were_given() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let (seeing, seen) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = seeing.send(stream.peer_addr().unwrap().ip()); // The test listens until its end.
            thread::spawn(move || {
                let mut buffer = [0; 64];
                while stream.read_exact(&mut buffer).is_ok() && stream.write_all(&buffer).is_ok() {}
            });
        }
    });
    let (code, result) = typed(&url, "-c 12 --rate 500 --count 24 --source 127.0.1.1,127.0.2.0/31,127.3.0.9");
    assert_eq!((code, result.requests.ok), (0, 24), "{:?}", result.problems);
    let seen: Vec<IpAddr> = seen.try_iter().collect();
    let addresses: BTreeSet<IpAddr> = seen.iter().copied().collect();
    let expected = ["127.0.1.1", "127.0.2.0", "127.0.2.1", "127.3.0.9"].map(|text| text.parse().unwrap());
    assert_eq!(addresses, BTreeSet::from(expected));
    for address in expected {
        assert_eq!(seen.iter().filter(|seen| **seen == address).count(), 3, "{address}: in turns");
    }
}

#[test]
fn thousands_of_connections_are_open_at_once() {
    // Both processes need one for each connection, and some besides.
    if let Err(error) = descriptors::raise_limit(2100) {
        say(&format!("skipped: {error}"));
        return;
    }
    let peer = Peer::start("tcp://127.0.0.1:0", "");
    let (code, result) = typed(&peer.url, "-c 2000 --rate 2000 --count 4000");
    assert_eq!(code, 0, "{:?}", result.problems);
    assert_conserved(&result, 4000);
    let counts = &result.counts;
    assert_eq!((counts.connections_at_start, counts.connections_at_end, counts.dialed), (2000, 2000, 0));
    assert_eq!((result.requests.ok, result.latency.connect.count), (4000, 2000));
    assert_eq!(peer.stop()["connections"], 2000);
}
