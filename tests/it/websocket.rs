//! WebSocket on the wire: an independent client (tungstenite) is served, and bytes made by hand, right ones and wrong
//! ones, get the answers that RFC 6455 asks for, however they are cut.

mod alive;
mod deflate;
mod frames;
mod handshake;
mod nats;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use rustix::process::Signal;
use tungstenite::error::ProtocolError;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::{Bytes, Error, Message, WebSocket};

use crate::support::server::Server;
use crate::support::web::{self, serve_http};
use crate::support::{Random, streams};

/// A WebSocket of tungstenite's.
#[track_caller]
fn connect(address: SocketAddr) -> WebSocket<TcpStream> {
    let (socket, answer) =
        tungstenite::client(format!("ws://{address}/ws"), streams::tcp(address)).expect("the server agrees");
    assert_eq!(answer.status(), 101);
    socket
}

/// Sends a message and checks that it comes back as it was.
#[track_caller]
fn echo(socket: &mut WebSocket<TcpStream>, message: &Message) {
    socket.send(message.clone()).expect("the server reads");
    assert!(socket.read().expect("the server answers") == *message, "another message came back");
}

/// The lengths at which the form of a frame changes (RFC 6455, 5.2), and the longest message of the defaults.
const LENGTHS: &[usize] = &[0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20];

/// Text and bytes of every length come back, to an independent client, with an orderly end.
#[test]
fn messages_of_every_length_come_back() {
    let server = serve_http("", "");
    let mut socket = connect(server.http_address());
    let mut random = Random::new();
    for &length in LENGTHS {
        echo(&mut socket, &Message::Binary(random.bytes(length).into()));
        // Characters of two bytes, so that each length is cut within one; the odd byte is a letter.
        let words = "ä".repeat(length / 2) + &"a".repeat(length % 2);
        echo(&mut socket, &Message::text(words));
    }
    socket.send(Message::Ping(Bytes::from_static(b"are you there?"))).expect("the server reads");
    assert_eq!(socket.read().expect("an answer"), Message::Pong(Bytes::from_static(b"are you there?")));
    check_close(&mut socket);
    let counters = server.counters();
    let messages = 2 * LENGTHS.len() as u64;
    assert_eq!(counters.total("websocket_messages_received"), messages);
    assert_eq!(counters.total("websocket_messages_sent"), messages);
    assert_eq!(counters.total("websocket_failures"), 0);
    drop(socket);
    server.await_count("closed", 1);
    assert_eq!(server.counters().total("websockets_open"), 0);
    server.stop_clean();
}

/// Closes with a code and waits for the server's end.
#[track_caller]
fn check_close(socket: &mut WebSocket<TcpStream>) {
    let frame = CloseFrame { code: 3210.into(), reason: "enough".into() };
    socket.close(Some(frame)).expect("the server reads");
    match socket.read().expect("the close is answered") {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 3210),
        other => panic!("no close: {other:?}"),
    }
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
}

/// A message of one byte more than `message_bytes` is refused with 1009, whole or in fragments; one of that many is not.
#[test]
fn a_message_that_is_too_long_is_refused() {
    for (limits, most) in [("", 1 << 20), ("message_bytes = \"1KiB\"", 1024)] {
        let server = serve_http(limits, "");
        let mut socket = connect(server.http_address());
        echo(&mut socket, &Message::Binary(vec![7; most].into()));
        socket.send(Message::Binary(vec![7; most + 1].into())).expect("it is read, or thrown away");
        check_refused(socket, 1009);
        let mut raw = web::open(server.http_address());
        let first = web::masked(web::BINARY, &vec![7; most / 2]);
        let second = web::masked(web::CONTINUATION, &vec![7; most / 2]);
        let third = web::frame(web::CONTINUATION, &[7]);
        raw.write_all(&[first, second, third].concat()).expect("the server reads");
        let frames = web::read_frames(&mut raw);
        assert_eq!(frames.iter().map(web::Frame::code).collect::<Vec<_>>(), [Some(1009)]);
        drop(raw);
        server.await_count("refused_too_large", 2);
        server.stop_clean();
    }
}

/// What comes is a close frame with this code, and then the end.
#[track_caller]
fn check_refused(mut socket: WebSocket<TcpStream>, code: u16) {
    match socket.read().expect("a close frame comes") {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), code),
        other => panic!("no close: {other:?}"),
    }
    let end = socket.read();
    let is_end = |error: &Error| {
        matches!(
            error,
            Error::ConnectionClosed | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        )
    };
    assert!(end.as_ref().is_err_and(is_end), "{end:?}");
}

/// SIGTERM says goodbye with 1001 to every peer; when all have answered, the process ends with 0.
#[test]
fn a_stop_says_goodbye_to_everybody() {
    let server = serve_http("", "");
    let mut sockets: Vec<_> = (0..10).map(|_| connect(server.http_address())).collect();
    for socket in &mut sockets {
        echo(socket, &Message::text("before the stop"));
    }
    server.signal(Signal::TERM);
    for socket in &mut sockets {
        match socket.read().expect("a close frame comes") {
            Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1001),
            other => panic!("no close: {other:?}"),
        }
        assert!(matches!(socket.read(), Err(Error::ConnectionClosed)), "tungstenite has answered");
    }
    drop(sockets);
    let farewell = server.wait();
    assert_eq!(farewell.code, Some(0), "{farewell:#?}");
    let counters = farewell.counters();
    assert_eq!((counters.total("cut_drain"), counters.total("cut_linger")), (0, 0), "{counters:#?}");
}

/// Operators see which connections speak WebSocket.
#[test]
fn operators_see_a_websocket_as_such() {
    let server = Server::listen(&["http://127.0.0.1:0", "admin://127.0.0.1:0"], &[]);
    let mut socket = connect(server.http_address());
    echo(&mut socket, &Message::text("seen"));
    let mut operator = streams::tcp(server.admin_address());
    operator.write_all(b"GET /connz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the server reads");
    let (head, content) = web::read_answer(&mut operator);
    let content = String::from_utf8(content).expect("JSON is UTF-8");
    assert!(head.status == 200 && content.contains("\"websocket\""), "{head:?} {content}");
    let address = socket.get_ref().local_addr().expect("it is connected").to_string();
    assert!(content.contains(&address), "{address}: {content}");
    drop((socket, operator));
    server.stop_clean();
}

/// A peer that does not answer our close frame is ended after a time of its own, long before the drain time-out.
#[test]
fn who_does_not_answer_a_goodbye_is_ended() {
    let server = serve_http("", "");
    let mut socket = web::open(server.http_address());
    server.signal(Signal::TERM);
    assert_eq!(web::next_frame(&mut socket).code(), Some(1001));
    assert_eq!(web::read_frame(&mut socket), None, "an end, and no reset");
    drop(socket);
    let farewell = server.wait();
    assert_eq!(farewell.code, Some(0), "{farewell:#?}");
    assert_eq!(farewell.counters().total("cut_drain"), 0);
}
