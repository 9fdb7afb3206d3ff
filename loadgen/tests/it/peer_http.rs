//! `loadgen serve` over HTTP, asked by a client that writes its requests by hand.

use std::io::{Read, Write};

use super::peer::{Peer, exchange};
use super::run;

const GET: &str = "GET /any/path?at=all HTTP/1.1\r\nHost: a\r\n\r\n";
const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!";

fn post(content: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{content}", content.len())
}

fn ok(content: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{content}", content.len())
}

fn ask(peer: &Peer, requests: &str) -> String {
    String::from_utf8(exchange(peer.connect(), requests.as_bytes())).unwrap()
}

#[test]
fn requests_in_a_pipeline_are_answered_in_order() {
    let peer = Peer::start("http://127.0.0.1:0", "--law mix:50%@0s,50%@5ms");
    let requests: Vec<String> = (0..100).map(|number| post(&format!("content {number}"))).collect();
    let expected: Vec<String> = (0..100).map(|number| ok(&format!("content {number}"))).collect();
    assert_eq!(ask(&peer, &requests.concat()), expected.concat());
    assert_eq!(ask(&peer, &(GET.to_owned() + &post("x") + GET)), HELLO.to_owned() + &ok("x") + HELLO);
    let counts = peer.stop();
    assert_eq!((&counts["messages"], &counts["connections"]), (&103.into(), &2.into()), "{counts}");
}

#[test]
fn a_connection_stays_open_between_requests_and_ends_when_it_is_asked_to() {
    let peer = Peer::start("http://127.0.0.1:0", "");
    let mut stream = peer.connect();
    let mut answer = vec![0; HELLO.len()];
    for _ in 0..3 {
        stream.write_all(GET.as_bytes()).unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, HELLO.as_bytes());
    }
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut last = String::new();
    stream.read_to_string(&mut last).unwrap();
    assert!(last.contains("\r\nConnection: close\r\n") && last.ends_with("Hello, world!"), "{last}");
    let counts = peer.stop();
    assert_eq!((&counts["messages"], &counts["closed"]), (&4.into(), &0.into()), "{counts}");
}

/// A corrupt answer is framed as before, so that the client finds a wrong byte and not a broken connection.
#[test]
fn faults_leave_the_framing_as_it_is() {
    let peer = Peer::start("http://127.0.0.1:0", "--drop 1/4 --corrupt 1/3");
    let requests: Vec<String> = ["one", "two", "six", "ten"].map(post).to_vec();
    let answers = exchange(peer.connect(), requests.concat().as_bytes());
    let mut expected = (ok("one") + &ok("two") + &ok("six")).into_bytes();
    *expected.last_mut().unwrap() ^= 0xff;
    assert_eq!(answers, expected);
    let counts = peer.stop();
    assert_eq!((&counts["dropped"], &counts["corrupted"]), (&1.into(), &1.into()), "{counts}");
}

#[test]
fn what_is_no_request_is_refused_and_counted() {
    let peer = Peer::start("http://127.0.0.1:0", "");
    let answer = ask(&peer, "this is no HTTP\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    let counts = peer.stop();
    assert_eq!((&counts["messages"], &counts["refused"]), (&0.into(), &1.into()), "{counts}");
}

/// The load generator as its own peer's client, over every protocol that both speak.
#[test]
fn loads_are_answered_whole() {
    for (url, path, line) in [
        ("tcp://127.0.0.1:0", "", "-c 8 -d 4 --count 5000"),
        ("udp://127.0.0.1:0", "", "-c 2 -d 2 --count 1000"),
        ("http://127.0.0.1:0", "/", "-c 4 -d 8 --count 5000"),
        ("http://127.0.0.1:0", "/echo", "-c 4 -d 8 --size 1KiB --count 5000"),
    ] {
        let peer = Peer::start(url, "");
        let run = run(&format!("{}{path}", peer.url), line);
        assert_eq!(run.code, 0, "{url}{path}: {} {}", run.stdout, run.stderr);
        let counts = peer.stop();
        assert_eq!(counts["messages"], counts["answered"], "{url}{path}: {counts}");
    }
}
