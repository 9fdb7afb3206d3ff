//! What pages and their clients see of a stop.

use std::io::Write;

use rustix::process::Signal;

use crate::support::http::{Client, PAGES, configured, get, post};
use crate::support::server::Server;
use crate::support::web::{self, Frame, TEXT, frame, next_frame};

/// A stop with so much patience that no slow machine reaches its end.
#[track_caller]
fn patient() -> Server {
    configured("drain_timeout = \"5m\"\nlinger_timeout = \"5m\"\nheader_timeout = \"5m\"", &[PAGES])
}

/// Asks it to stop, and waits until connections between two requests have been ended.
#[track_caller]
fn begin_to_stop(server: &Server) {
    let mut idle = Client::to(server.http_address());
    assert_eq!(idle.get("/healthz").status, 200);
    server.signal(Signal::TERM);
    idle.check_end();
}

/// Connections between two requests end in order, those that never asked, too, and the process ends well.
#[test]
fn connections_between_requests_end_at_a_stop() {
    let server = patient();
    let mut clients: Vec<Client> = (0..10).map(|_| Client::to(server.http_address())).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/healthz").status, 200));
    let mut silent = Client::to(server.http_address());
    server.await_count("accepted", 11);
    server.signal(Signal::TERM);
    clients.iter_mut().for_each(Client::check_end);
    silent.check_end();
    drop((clients, silent));
    assert_eq!(server.wait().code, Some(0));
}

/// A request that was half here at the stop is answered when its rest has come, as the last of its connection; and
/// whoever asks for readiness learns that there is none.
#[test]
fn a_request_that_was_coming_is_answered_and_told_that_it_is_the_last() {
    let server = patient();
    let mut asks = Client::to(server.http_address());
    asks.send("GET /readyz HTTP/1.1\r\nHost: a");
    let mut posts = Client::to(server.http_address());
    posts.send(&post("/echo", &[b'x'; 1000])[..500]);
    server.await_count("http_requests", 1);
    begin_to_stop(&server);
    asks.send("\r\n\r\n");
    let answer = asks.answer();
    assert_eq!((answer.status, answer.closes()), (503, true));
    assert_eq!(answer.text(), "The server is stopping.\n");
    asks.check_end();
    posts.send(&post("/echo", &[b'x'; 1000])[500..]);
    let answer = posts.answer();
    assert_eq!((answer.status, answer.body.len(), answer.closes()), (200, 1000, true));
    posts.check_end();
    drop((asks, posts));
    assert_eq!(server.wait().code, Some(0));
}

/// An answer that takes its time is given in time for the stop, and says that it is the last. (It once did not, and the
/// next request was lost with the connection.)
#[test]
fn a_late_answer_says_that_it_is_the_last() {
    let server = patient();
    let mut client = Client::to(server.http_address());
    client.send(get("/delay/500"));
    server.await_count("http_requests", 1);
    begin_to_stop(&server);
    let answer = client.answer();
    assert_eq!((answer.status, answer.closes()), (200, true));
    client.check_end();
    drop(client);
    assert_eq!(server.wait().code, Some(0));
}

/// A long answer that is on its way at the stop arrives whole.
#[test]
fn a_long_answer_arrives_whole() {
    let server =
        configured("drain_timeout = \"5m\"\nlinger_timeout = \"5m\"\nstall_timeout = \"5m\"", &[PAGES]);
    let mut client = Client::to(server.http_address());
    client.send(get("/bytes/50000000"));
    client.head();
    begin_to_stop(&server);
    assert!(client.read_exactly(50_000_000).iter().all(|byte| *byte == 0));
    client.check_end();
    drop(client);
    assert_eq!(server.wait().code, Some(0));
}

/// Who has sent too many messages is not read from for a while; but at a stop it is told to go and then heard, also if it
/// had taken leave before. It once was not, was cut at the deadline, and the process ended with a complaint.
#[test]
fn a_websocket_over_its_rate_ends_in_order() {
    for has_taken_leave in [false, true] {
        let server =
            configured("drain_timeout = \"8s\"\nlinger_timeout = \"5m\"\nmessage_rate = \"1/m\"", &[PAGES]);
        let mut socket = web::open(server.http_address());
        let messages: Vec<u8> = std::iter::repeat_n(frame(TEXT, b"hello"), 5).flatten().collect();
        socket.write_all(&messages).expect("the server reads");
        (0..5).for_each(|_| assert_eq!(next_frame(&mut socket), Frame::new(TEXT, b"hello")));
        let leave = web::close(1000, "");
        if has_taken_leave {
            socket.write_all(&leave).expect("the kernel takes it");
        }
        server.signal(Signal::TERM);
        // 1001: it goes away (RFC 6455, section 7.4.1).
        assert_eq!(next_frame(&mut socket).code(), Some(1001));
        if !has_taken_leave {
            socket.write_all(&leave).expect("the server reads");
        }
        assert_eq!(web::read_frame(&mut socket), None);
        drop(socket);
        assert_eq!(server.wait().code, Some(0));
    }
}
