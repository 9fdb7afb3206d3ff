//! A stop that sends connections away one after the other: each kind of client is told in its own way, in the order in which
//! they came, and no sooner than its turn.
//!
//! A slow machine makes turns later, never sooner: so times are asked for their least, and for nothing else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use tidemill::sys::clock;

use crate::support::server::Server;
use crate::support::web::{self, next_frame};
use crate::support::{Folder, streams};

/// Echo, pages and NATS on one shard, so that there is one order; and so much time that no slow machine needs more.
fn serve(limits: &str) -> Server {
    let listener =
        |service| format!("[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"{service}\"\n");
    let listeners = ["echo", "http", "nats"].map(listener).concat();
    web::serve(&Folder::new(), limits, &listeners, &["--shards", "1"])
}

/// A NATS client that takes INFO at any time, and was answered.
fn nats(server: &Server) -> BufReader<TcpStream> {
    let mut client = BufReader::new(streams::tcp(server.addresses("nats://")[0]));
    client.get_mut().write_all(b"CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n").expect("it reads");
    // Its greeting, the answer, and what holds for it (nats-server says so, too).
    for word in ["INFO ", "PONG", "INFO "] {
        let mut line = String::new();
        client.read_line(&mut line).expect("it says something");
        assert!(line.starts_with(word), "{line}");
    }
    client
}

/// 20 connections each of four kinds over at most 10 s, of which so few need 10 ms each. All end in order, and none before
/// its turn.
#[test]
fn each_is_told_in_its_own_way_when_it_is_its_turn() {
    let server = serve("drain_spread = \"10s\"");
    let mut echoes: Vec<TcpStream> = (0..20).map(|_| streams::tcp(server.tcp_address())).collect();
    echoes.iter_mut().for_each(|client| streams::ping(client, b"hello"));
    let mut sockets: Vec<TcpStream> = (0..20).map(|_| web::open(server.http_address())).collect();
    let mut events: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = streams::tcp(server.http_address());
            stream.write_all(b"GET /sse?subject=a HTTP/1.1\r\nHost: a\r\n\r\n").expect("the server reads");
            assert_eq!(web::read_head(&mut stream).status, 200);
            stream
        })
        .collect();
    let mut clients: Vec<_> = (0..20).map(|_| nats(&server)).collect();
    let begun = clock::now();
    server.signal(Signal::TERM);
    let since = || clock::now().saturating_since(begun);
    // 50 ms of grace, and 10 ms for each one before.
    let check = |place: u64| {
        let least = Duration::from_millis(50 + 10 * place);
        assert!(least <= since(), "{place} ended after {:?}", since());
    };
    // As with nats-server, they learn of it when it begins, and are ended later.
    for client in &mut clients {
        let mut info = String::new();
        client.read_line(&mut info).expect("it says something");
        assert!(info.starts_with("INFO {") && info.contains("\"ldm\":true"), "{info}");
    }
    for (place, client) in (0..).zip(&mut echoes) {
        assert_eq!(client.read(&mut [0; 8]).expect("an end, and no reset"), 0);
        check(place);
    }
    for (place, socket) in (20..).zip(&mut sockets) {
        // 1001: it goes away (RFC 6455, section 7.4.1).
        assert_eq!(next_frame(socket).code(), Some(1001));
        check(place);
        socket.write_all(&web::close(1001, "")).expect("the server reads");
        assert_eq!(web::read_frame(socket), None);
    }
    for (place, stream) in (40..).zip(&mut events) {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).expect("an end, and no reset");
        assert_eq!(rest.matches("retry: ").count(), 2, "when it begins, and when it ends: {rest}");
        check(place);
    }
    for (place, client) in (60..).zip(&mut clients) {
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).expect("an end, and no reset");
        check(place);
        // Besides its turn each has time of its own.
        assert!(Duration::from_secs(4) <= since());
    }
    drop((echoes, sockets, events, clients));
    let farewell = server.wait();
    assert_eq!(farewell.code, Some(0), "{farewell:#?}");
    let counters = farewell.counters();
    assert_eq!((counters.total("accepted"), counters.total("closed")), (80, 80));
    assert_eq!((counters.total("cut_drain"), counters.total("cut_linger")), (0, 0), "{counters:#?}");
}

/// While it is not their turn, connections are served: an answer of HTTP is the last one of its connection, and a NATS client
/// hears what another one publishes.
#[test]
fn until_its_turn_each_is_served() {
    let server = serve("drain_spread = \"4m\"");
    // These have their turn before the others.
    let mut first: Vec<TcpStream> = (0..100).map(|_| streams::tcp(server.tcp_address())).collect();
    first.iter_mut().for_each(|client| streams::ping(client, b"hello"));
    let mut page = streams::tcp(server.http_address());
    let ask = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    page.write_all(ask).expect("the server reads");
    assert!(!web::read_answer(&mut page).0.lists("Connection", "close"));
    let mut clients = [nats(&server), nats(&server)];
    clients[0].get_mut().write_all(b"SUB a 1\r\nPING\r\n").expect("the server reads");
    let mut line = String::new();
    clients[0].read_line(&mut line).expect("it says something");
    assert_eq!(line, "PONG\r\n");
    server.signal(Signal::TERM);
    server.await_line("connections are sent away within 4m, and answers have 5m to finish");
    page.write_all(ask).expect("the server reads");
    assert!(web::read_answer(&mut page).0.lists("Connection", "close"));
    assert_eq!(page.read(&mut [0]).expect("an end, and no reset"), 0);
    clients[1].get_mut().write_all(b"PUB a 5\r\nhello\r\n").expect("the server reads");
    for word in ["INFO ", "MSG a 1 5", "hello"] {
        line.clear();
        clients[0].read_line(&mut line).expect("it says something");
        assert!(line.starts_with(word), "{line}");
    }
    drop((first, page, clients));
    assert_eq!(server.wait().code, Some(0));
}
