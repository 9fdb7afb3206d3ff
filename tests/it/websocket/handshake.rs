//! How a WebSocket is opened (RFC 6455, 4.2): who may, what is agreed, and what wrong requests are told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::streams;
use crate::support::web::{
    self, Frame, Head, KEY, Pacer, TEXT, close, frame, next_frame, read_answer, read_upgraded, serve_http,
    upgrade,
};

/// Sends a request and returns the head of the answer, and the connection.
#[track_caller]
fn ask(address: SocketAddr, request: &str) -> (Head, TcpStream) {
    let mut stream = streams::tcp(address);
    stream.write_all(request.as_bytes()).expect("the server reads");
    let head = web::read_head(&mut stream);
    (head, stream)
}

// --- Requests that are wrong ---------------------------------------------------------------------------------------

/// Checks that a request for an upgrade is answered so, and that the connection is good for another request.
#[track_caller]
fn check_wrong(address: SocketAddr, request: &str, status: u16, field: Option<(&str, &str)>) {
    let mut stream = streams::tcp(address);
    stream.write_all(request.as_bytes()).expect("the server reads");
    let (head, content) = read_answer(&mut stream);
    assert_eq!(head.status, status, "{request} {head:?}");
    assert!(content.ends_with(b".\n"), "a sentence: {content:?}");
    if let Some((name, element)) = field {
        assert!(head.lists(name, element), "{name}: {element}: {head:?}");
    }
    stream.write_all(upgrade("").as_bytes()).expect("the server reads");
    read_upgraded(&mut stream);
}

/// A request without one of its lines, or with another line in its place.
fn with(line: &str, other: &str) -> String {
    let good = upgrade("");
    assert!(good.contains(line), "{line}");
    good.replace(line, other)
}

#[test]
fn wrong_requests_are_told_what_is_wrong() {
    let server = serve_http("", "");
    let address = server.http_address();
    let check = |request: &str, status, field| check_wrong(address, request, status, field);
    let version = "Sec-WebSocket-Version: 13\r\n";
    let key = format!("Sec-WebSocket-Key: {KEY}\r\n");
    // RFC 6455, 4.4, and RFC 9110, 15.5.22.
    let versions = Some(("Sec-WebSocket-Version", "13"));
    check(&with(version, "Sec-WebSocket-Version: 8\r\n"), 426, versions);
    check(&with(version, "Sec-WebSocket-Version: 14\r\n"), 426, versions);
    check(&with(version, ""), 426, versions);
    check(&with(&key, ""), 400, None);
    check(&with(KEY, "dGhlIHNhbXBsZSBub25jZQ="), 400, None);
    check(&with(KEY, "c2hvcnQ="), 400, None);
    check(&with(&key, &key.repeat(2)), 400, None);
    check(&with("Connection: Upgrade\r\n", ""), 400, None);
    check(&with("Connection: Upgrade\r\n", "Connection: keep-alive\r\n"), 400, None);
    check(&with("Upgrade: websocket\r\n", ""), 426, Some(("Upgrade", "websocket")));
    check(&with("Upgrade: websocket\r\n", "Upgrade: h2c\r\n"), 426, Some(("Upgrade", "websocket")));
    check(&with("GET", "POST"), 405, Some(("Allow", "GET")));
    check(&upgrade("Sec-WebSocket-Extensions: a;\r\n"), 400, None);
    check(&upgrade("Sec-WebSocket-Protocol: a b\r\n"), 400, None);
    assert_eq!(server.counters().total("websocket_failures"), 0);
    server.stop_clean();
}

/// Whoever is told 426 is told what to upgrade to (RFC 9110, 15.5.22: Upgrade must be there; 7.8: Connection must name
/// it). It once stood alone, and was missing beside Sec-WebSocket-Version.
#[test]
fn a_426_says_what_to_upgrade_to() {
    let server = serve_http("", "");
    for request in [with("Version: 13", "Version: 8"), with("Upgrade: websocket\r\n", "")] {
        let (head, _) = ask(server.http_address(), &request);
        assert_eq!(head.status, 426);
        assert!(head.lists("Upgrade", "websocket") && head.lists("Connection", "upgrade"), "{head:?}");
    }
    server.stop_clean();
}

/// HTTP/1.0 cannot be upgraded, and a request without a Host is none.
#[test]
fn old_or_nameless_requests_are_refused() {
    let server = serve_http("", "");
    for request in [with("HTTP/1.1", "HTTP/1.0"), with("Host: example.org\r\n", "")] {
        let (head, mut stream) = ask(server.http_address(), &request);
        assert_eq!(head.status, 400, "{head:?}");
        stream.read_to_end(&mut Vec::new()).expect("an end, and no reset");
    }
    server.stop_clean();
}

/// Names and values are compared without case, in lists (RFC 6455, 4.2.1), as real browsers send them.
#[test]
fn requests_of_browsers_are_understood() {
    let server = serve_http("", "");
    let firefox = with("Connection: Upgrade", "Connection: keep-alive, UPGRADE");
    let other = with("Upgrade: websocket", "uPGRADE:   WebSocket, other");
    for request in [firefox, other] {
        let mut stream = streams::tcp(server.http_address());
        stream.write_all(request.as_bytes()).expect("the server reads");
        read_upgraded(&mut stream);
    }
    server.stop_clean();
}

// --- Who may -------------------------------------------------------------------------------------------------------

#[track_caller]
fn check_origin(address: SocketAddr, origin: &str, status: u16) {
    let lines = if origin.is_empty() { String::new() } else { format!("Origin: {origin}\r\n") };
    let (head, _) = ask(address, &upgrade(&lines).replace("Host: example.org\r\n", "Host: localhost\r\n"));
    assert_eq!(head.status, status, "{origin}: {head:?}");
}

/// By default a page of another host may not connect; programs that are no browsers say no origin, and may.
#[test]
fn pages_of_other_hosts_are_refused_unless_they_are_allowed() {
    let server = serve_http("", "");
    let check = |origin, status| check_origin(server.http_address(), origin, status);
    check("", 101);
    check("http://localhost", 101);
    check("https://localhost", 101);
    check("http://evil.example", 403);
    check("http://localhost.evil.example", 403);
    check("http://localhost:8080", 403);
    check("null", 403);
    server.await_count("refused_origin", 4);
    server.stop_clean();

    let server = serve_http("", "origins = [\"https://example.com\", \"http://localhost:3000\"]");
    let check = |origin, status| check_origin(server.http_address(), origin, status);
    check("https://example.com", 101);
    check("http://localhost:3000", 101);
    check("", 101);
    check("http://example.com", 403);
    check("http://localhost:3001", 403);
    check("http://localhost", 403);
    server.stop_clean();

    let server = serve_http("", "origins = [\"*\"]");
    check_origin(server.http_address(), "http://evil.example", 101);
    check_origin(server.http_address(), "null", 101);
    server.stop_clean();
}

// --- What is agreed ------------------------------------------------------------------------------------------------

#[track_caller]
fn check_subprotocol(address: SocketAddr, lines: &str, chosen: Option<&str>) {
    let (head, _) = ask(address, &upgrade(lines));
    assert_eq!((head.status, head.get("Sec-WebSocket-Protocol").as_deref()), (101, chosen), "{lines}");
}

/// The first of ours that the peer offers is spoken; none if it offers none of ours (RFC 6455, 4.2.2).
#[test]
fn a_subprotocol_is_chosen_by_the_servers_preference() {
    let server = serve_http("", "subprotocols = [\"chat\", \"plain\"]");
    let check = |lines, chosen| check_subprotocol(server.http_address(), lines, chosen);
    check("", None);
    check("Sec-WebSocket-Protocol: other\r\n", None);
    check("Sec-WebSocket-Protocol: plain\r\n", Some("plain"));
    check("Sec-WebSocket-Protocol: other, plain , chat\r\n", Some("chat"));
    check("Sec-WebSocket-Protocol: plain\r\nSec-WebSocket-Protocol: chat\r\n", Some("chat"));
    check("Sec-WebSocket-Protocol: CHAT\r\n", None);
    server.stop_clean();
}

// --- On the same connection ----------------------------------------------------------------------------------------

/// After ordinary requests, one of them with content, the same connection becomes a WebSocket.
#[test]
fn a_connection_that_is_kept_alive_is_upgraded() {
    let server = serve_http("", "");
    let mut stream = streams::tcp(server.http_address());
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").expect("the server reads");
    assert_eq!(read_answer(&mut stream).1, b"ok\n");
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    stream.write_all(post.as_bytes()).expect("the server reads");
    assert_eq!(read_answer(&mut stream).1, b"hello");
    let (mut socket, _) = web::open_with(stream, "");
    check_talk(&mut socket);
    drop(socket);
    server.stop_clean();
}

/// Sends a message and a goodbye, and reads both back.
#[track_caller]
fn check_talk(socket: &mut TcpStream) {
    socket.write_all(&[frame(TEXT, b"Hello"), close(1000, "")].concat()).expect("the server reads");
    check_told(socket);
}

#[track_caller]
fn check_told(socket: &mut TcpStream) {
    assert_eq!(next_frame(socket), Frame::new(TEXT, b"Hello"));
    assert_eq!(next_frame(socket).code(), Some(1000));
    assert_eq!(web::read_frame(socket), None);
}

/// A request, the request for the upgrade, and the first frames behind it, in one write or cut at any byte.
#[test]
fn frames_right_behind_the_handshake_are_read() {
    let server = serve_http("", "");
    let ordinary = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut bytes = format!("{ordinary}{}", upgrade("")).into_bytes();
    bytes.extend(frame(TEXT, b"Hello"));
    bytes.extend(close(1000, ""));
    let mut pacer = Pacer::new(server.http_address());
    for cut in 0..bytes.len() {
        let mut stream = streams::tcp(server.http_address());
        stream.write_all(&bytes[..cut]).expect("the server reads");
        pacer.pace();
        stream.write_all(&bytes[cut..]).expect("the server reads");
        assert_eq!(read_answer(&mut stream).1, b"ok\n", "cut at {cut}");
        read_upgraded(&mut stream);
        check_told(&mut stream);
    }
    drop(pacer);
    server.stop_clean();
}

/// A peer that ends its side without a goodbye gets its answers, and the connection ends.
#[test]
fn an_end_without_a_goodbye_is_an_end() {
    let server = serve_http("", "");
    let mut socket = web::open(server.http_address());
    socket.write_all(&frame(TEXT, b"Hello")).expect("the server reads");
    socket.shutdown(std::net::Shutdown::Write).expect("it is connected");
    assert_eq!(web::read_frames(&mut socket), [Frame::new(TEXT, b"Hello")]);
    drop(socket);
    server.await_count("closed", 1);
    assert_eq!(server.counters().total("websockets_open"), 0);
    server.stop_clean();
}
