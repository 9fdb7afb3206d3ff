//! WebSocket servers that misbehave in one way each. The handshake is that of another implementation.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use super::{number, result, run};

fn serve(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, serve) = (stream.unwrap(), Arc::clone(&serve));
            thread::spawn(move || serve(stream));
        }
    });
    url
}

/// A server that acts on the n-th message of each connection; it ends the connection when that says so.
fn websocket(
    act: impl Fn(&mut WebSocket<TcpStream>, u64, Vec<u8>) -> bool + Send + Sync + 'static,
) -> String {
    serve(move |stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        let mut number = 0;
        // Whatever ends the connection ends the thread: the test looks at the other side.
        while let Ok(message) = socket.read() {
            if let Message::Binary(bytes) = message {
                if !act(&mut socket, number, bytes.to_vec()) {
                    return;
                }
                number += 1;
            }
        }
    })
}

fn echo(socket: &mut WebSocket<TcpStream>, bytes: Vec<u8>) -> bool {
    socket.send(Message::Binary(bytes.into())).is_ok()
}

/// Exactly one error of this class, with these words, and exit code 1.
fn check_error(url: &str, (class, words): (&str, &str)) -> Value {
    let run = run(url, "-c 1 --count 10 --json -");
    let json: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}", run.stderr));
    assert_eq!((run.code, number(&json["counts"]["errors"], class)), (1, 1), "{json} {}", run.stderr);
    assert!(run.stderr.contains(words), "{words} is missing in {}", run.stderr);
    json
}

/// The handshake fails, so that nothing is measured.
fn check_no_start(answer: &'static str, words: &str) {
    let url = serve(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(answer.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let run = run(&url, "-c 1 --count 10");
    assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains(words), "{words} is missing in {}", run.stderr);
}

#[test]
fn a_handshake_that_is_not_proven_is_refused() {
    check_no_start(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        "The response does not prove that our key was read.",
    );
    check_no_start(
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "answered with status 404, not 101",
    );
    check_no_start("HTTP/1.1 101 Switching Protocols\r\n\r\n", "The response has no Upgrade: websocket.");
    check_no_start("Hello!\r\n\r\n", "no HTTP answer to the handshake");
    check_no_start("HTTP/1.1 101 Swi", "the server closed it within the handshake");
}

#[test]
fn a_corrupted_message_is_found() {
    let url = websocket(|socket, number, mut bytes| {
        bytes[20] ^= if number == 3 { 0xff } else { 0 };
        echo(socket, bytes)
    });
    let (code, json) = result(&url, "-c 1 -d 4 --count 10 -s 100");
    assert_eq!(
        (code, number(&json, "counts.verification_errors"), number(&json, "counts.received")),
        (1, 1, 10),
        "{json}"
    );
    assert_eq!(number(&json["counts"]["first_mismatch"], "position"), 320);
}

#[test]
fn messages_of_another_length_are_errors() {
    let url = websocket(|socket, number, bytes| echo(socket, bytes[usize::from(number == 3)..].to_vec()));
    let json = check_error(&url, ("length", "64 bytes were sent, and 63 came back"));
    assert_eq!(number(&json, "counts.received"), 10);
}

#[test]
fn what_is_no_echo_is_an_error() {
    let url = websocket(|socket, _, _| socket.send(Message::text("x".repeat(64))).is_ok());
    check_error(&url, ("protocol", "a binary message came back as text"));
    let url = websocket(|socket, _, bytes| echo(socket, bytes.clone()) && echo(socket, bytes));
    let (code, json) = result(&url, "-c 1 --count 10");
    let is_found =
        0 < number(&json["counts"]["errors"], "protocol") + number(&json, "counts.verification_errors");
    assert!(code == 1 && is_found, "{json}");
}

#[test]
fn broken_frames_are_errors() {
    for (frame, words) in [
        (&[0x82, 0x80, 1, 2, 3, 4][..], "A server's frame that is masked."),
        (&[0xf2, 0x01, 0][..], "A reserved bit is set."),
        (&[0x82, 0x7f, 0, 0, 0, 1, 0, 0, 0, 0][..], "A frame that is longer than is taken."),
    ] {
        let url = websocket(move |socket, _, _| socket.get_mut().write_all(frame).is_ok());
        check_error(&url, ("protocol", words));
    }
}

#[test]
fn a_server_that_closes_early_is_an_error() {
    let url = websocket(|socket, number, bytes| {
        let frame = CloseFrame { code: CloseCode::Away, reason: "enough".into() };
        if number < 3 { echo(socket, bytes) } else { socket.close(Some(frame)).is_ok() }
    });
    let json = check_error(&url, ("closed_early", "the server closed it with code 1001 (\"enough\")"));
    assert_eq!((number(&json, "counts.received"), number(&json, "requests.failed")), (3, 1), "{json}");
    let url = websocket(|socket, number, bytes| number < 3 && echo(socket, bytes));
    check_error(&url, ("closed_early", "the server closed it without a close frame"));
}

#[test]
fn pings_are_answered() {
    let url = websocket(|socket, number, bytes| {
        socket.send(Message::Ping(number.to_le_bytes().to_vec().into())).unwrap();
        match socket.read() {
            Ok(Message::Pong(payload)) if payload[..] == number.to_le_bytes() => echo(socket, bytes),
            _ => false,
        }
    });
    let (code, json) = result(&url, "-c 2 --count 20");
    assert_eq!((code, number(&json, "counts.received")), (0, 20), "{json}");
}

/// Who pings and never reads would have the answers wait without end.
#[test]
fn a_server_that_pings_and_never_reads_is_given_up() {
    let url = websocket(|socket, _, _| {
        while socket.send(Message::Ping(vec![7; 100].into())).is_ok() {}
        false
    });
    let json =
        check_error(&url, ("protocol", "the server asks for ever more answers and reads none of them"));
    assert_eq!(number(&json, "requests.failed"), 1, "{json}");
}

#[test]
fn it_says_goodbye() {
    let (said, heard) = channel();
    let url = serve(move |stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        loop {
            match socket.read() {
                Ok(Message::Close(frame)) => {
                    let _ = socket.flush();
                    let _ = said.send(frame.map(|frame| u16::from(frame.code)));
                    return;
                }
                Ok(message @ Message::Binary(_)) => socket.send(message).unwrap(),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    let (code, json) = result(&url, "-c 3 --count 30");
    assert_eq!(code, 0, "{json}");
    for _ in 0..3 {
        assert_eq!(heard.recv_timeout(Duration::from_secs(10)), Ok(Some(1000)));
    }
}

#[test]
fn a_goodbye_that_is_not_answered_is_an_error() {
    let url = serve(|stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        for _ in 0..5 {
            let Ok(message) = socket.read() else { return };
            socket.send(message).unwrap();
        }
        // It reads on and says nothing.
        let _ = socket.get_mut().read_to_end(&mut Vec::new());
    });
    let run = run(&url, "-c 1 --count 5");
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("the server did not answer the close frame"), "{}", run.stderr);
}
