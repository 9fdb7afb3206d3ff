//! Compressed messages (RFC 7692), made and read by hand with flate2's raw deflate.

use std::io::Write;
use std::net::TcpStream;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::support::Random;
use crate::support::server::Server;
use crate::support::web::{
    self, BINARY, CONTINUATION, FIN, Frame, RSV1, TEXT, close, frame, masked, next_frame, read_frames,
    serve_http,
};

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// What every message ends with, and what is not sent (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Compresses the next message of a stream.
fn deflate(stream: &mut Compress, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.len() + 1_000);
    stream.compress_vec(message, &mut bytes, FlushCompress::Sync).expect("it can be compressed");
    assert!(bytes.ends_with(&TAIL) && bytes.len() < bytes.capacity(), "it is whole");
    bytes.truncate(bytes.len() - TAIL.len());
    bytes
}

fn deflate_alone(message: &[u8]) -> Vec<u8> {
    deflate(&mut Compress::new(Compression::best(), false), message)
}

/// What a message that refers to no other holds.
#[track_caller]
fn inflate(payload: &[u8], length: usize) -> Vec<u8> {
    let mut message = Vec::with_capacity(length + 1_000);
    let whole = [payload, &TAIL].concat();
    let mut stream = Decompress::new(false);
    stream.decompress_vec(&whole, &mut message, FlushDecompress::Sync).expect("it is raw deflate");
    message
}

/// A server that may compress, and a WebSocket with which that was agreed.
#[track_caller]
fn open(server: &Server) -> TcpStream {
    let (socket, head) = web::open_with(crate::support::streams::tcp(server.http_address()), OFFER);
    assert!(head.get("Sec-WebSocket-Extensions").is_some(), "{head:?}");
    socket
}

fn deflating() -> Server {
    serve_http("", "deflate = true")
}

/// Sends these bytes, and checks that they are refused with this code.
#[track_caller]
fn check_refused(socket: &mut TcpStream, bytes: &[u8], code: u16) {
    let _ = socket.write_all(bytes);
    let frames = read_frames(socket);
    let last = frames.last().expect("a close frame comes");
    assert_eq!((frames.len(), last.code()), (1, Some(code)), "{frames:?}");
}

/// The parameters of what was agreed, in the order of the alphabet.
fn agreed(server: &Server, lines: &str) -> Option<Vec<String>> {
    let (_, head) = web::open_with(crate::support::streams::tcp(server.http_address()), lines);
    let value = head.get("Sec-WebSocket-Extensions")?;
    let mut elements = value.split(';').map(|element| element.trim().to_owned());
    assert_eq!(elements.next().as_deref(), Some("permessage-deflate"));
    let mut parameters: Vec<String> = elements.collect();
    parameters.sort();
    Some(parameters)
}

/// It is agreed upon only when it is offered and enabled. By default no message refers to another, so that an idle
/// connection needs no window.
#[test]
fn compression_is_agreed_upon_when_it_is_enabled() {
    let server = deflating();
    let alone = ["client_no_context_takeover", "server_no_context_takeover"];
    let check = |offer: &str, expected: Option<&[&str]>| {
        let lines =
            if offer.is_empty() { String::new() } else { format!("Sec-WebSocket-Extensions: {offer}\r\n") };
        let expected = expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(agreed(&server, &lines), expected, "{offer}");
    };
    check("", None);
    check("x-webkit-deflate-frame", None);
    check("permessage-deflate", Some(&alone));
    check("permessage-deflate; client_max_window_bits", Some(&alone));
    check("permessage-deflate; unknown, permessage-deflate", Some(&alone));
    check(
        "permessage-deflate; server_max_window_bits=10",
        Some(&[alone[0], "server_max_window_bits=10", alone[1]]),
    );
    check("permessage-deflate; server_max_window_bits=7", None);
    server.stop_clean();
    let server = serve_http("", "");
    assert_eq!(agreed(&server, OFFER), None, "it is not enabled");
    server.stop_clean();
}

/// Where nothing was agreed, a compressed message is a protocol error.
#[test]
fn compression_that_was_not_agreed_upon_is_refused() {
    for (server, lines) in [(serve_http("", ""), OFFER), (deflating(), "")] {
        let (mut socket, _) = web::open_with(crate::support::streams::tcp(server.http_address()), lines);
        check_refused(&mut socket, &masked(FIN | RSV1 | TEXT, &deflate_alone(b"Hello")), 1002);
        drop(socket);
        server.stop_clean();
    }
}

/// Messages come back whether they were compressed, in one frame or in several, or not. Each of the server's stands
/// alone; long ones are compressed.
#[test]
fn compressed_messages_come_back() {
    let server = deflating();
    let mut socket = open(&server);
    let mut random = Random::new();
    let mut messages: Vec<Vec<u8>> =
        [0, 1, 125, 126, 300, 65_536, 1 << 20].map(|length| vec![b'x'; length]).into();
    // Bytes that cannot be compressed.
    messages.push(random.bytes(100_000));
    for message in &messages {
        let payload = deflate_alone(message);
        let (head, tail) = payload.split_at(payload.len() / 2);
        let whole = masked(FIN | RSV1 | BINARY, &payload);
        let parts = [masked(RSV1 | BINARY, head), masked(FIN | CONTINUATION, tail)].concat();
        for bytes in [whole, parts, frame(BINARY, message)] {
            socket.write_all(&bytes).expect("the server reads");
            let answer = next_frame(&mut socket);
            let told = if answer.first & RSV1 == 0 {
                answer.payload
            } else {
                inflate(&answer.payload, message.len())
            };
            assert!(told == *message, "another message of {} bytes came back", message.len());
            assert_eq!(answer.first & !RSV1, FIN | BINARY);
        }
    }
    socket.write_all(&frame(TEXT, "long words, ".repeat(1_000).as_bytes())).expect("the server reads");
    let answer = next_frame(&mut socket);
    assert!(answer.first == FIN | RSV1 | TEXT && answer.payload.len() < 1_000, "{answer:?}");
    socket.write_all(&close(1000, "")).expect("the server reads");
    assert_eq!(read_frames(&mut socket).last().and_then(Frame::code), Some(1000));
    drop(socket);
    server.stop_clean();
}

/// A message that refers to the one before it breaks what was agreed: it cannot be inflated.
#[test]
fn a_message_that_refers_to_another_is_refused() {
    let server = deflating();
    let mut socket = open(&server);
    let mut stream = Compress::new(Compression::best(), false);
    let message = Random::new().bytes(1_000);
    let first = deflate(&mut stream, &message);
    let second = deflate(&mut stream, &message);
    assert!(second.len() < 100, "it refers to the first");
    socket.write_all(&masked(FIN | RSV1 | BINARY, &first)).expect("the server reads");
    next_frame(&mut socket);
    check_refused(&mut socket, &masked(FIN | RSV1 | BINARY, &second), 1007);
    drop(socket);
    server.stop_clean();
}

/// Where the context is kept, a message may refer to the one before it, in both directions: of random bytes, the second
/// time costs next to nothing.
#[test]
fn messages_refer_to_one_another_where_they_may() {
    let server = serve_http("", "deflate = true\ndeflate_context = true");
    let takeover = agreed(&server, OFFER).expect("it is agreed");
    assert!(takeover.iter().all(|parameter| !parameter.contains("no_context_takeover")), "{takeover:?}");
    let mut socket = open(&server);
    let (mut stream, mut back) = (Compress::new(Compression::best(), false), Decompress::new(false));
    let message = Random::new().bytes(1_000);
    for round in 0..3 {
        let payload = deflate(&mut stream, &message);
        socket.write_all(&masked(FIN | RSV1 | BINARY, &payload)).expect("the server reads");
        let echo = next_frame(&mut socket);
        assert_eq!(payload.len() < 100, 0 < round, "ours refers to the one before");
        assert_eq!(echo.payload.len() < 100, 0 < round, "and so does the server's");
        let mut inflated = Vec::with_capacity(2_000);
        let whole = [&echo.payload[..], &TAIL].concat();
        back.decompress_vec(&whole, &mut inflated, FlushDecompress::Sync).expect("it is raw deflate");
        assert_eq!(inflated, message, "round {round}");
    }
    drop(socket);
    server.stop_clean();
}

/// What is no deflate, what is no text when it is inflated, and the mark of compression where it must not be.
#[test]
fn wrong_compressed_messages_are_refused() {
    let server = deflating();
    // RFC 1951, 3.2.3: a block of the type that is reserved.
    check_refused(&mut open(&server), &masked(FIN | RSV1 | BINARY, &[0x07, 1, 2, 3]), 1007);
    check_refused(&mut open(&server), &masked(FIN | RSV1 | TEXT, &deflate_alone(b"no text: \xff")), 1007);
    let second = [masked(RSV1 | TEXT, b""), masked(FIN | RSV1 | CONTINUATION, b"")].concat();
    check_refused(&mut open(&server), &second, 1002);
    check_refused(&mut open(&server), &masked(FIN | RSV1 | 9, b""), 1002);
    server.stop_clean();
}

/// A message that inflates to 64 times what is taken is refused with 1009, and never takes more memory than one that is
/// taken: 20 of them at once take less than one of them would.
#[test]
fn a_bomb_is_refused_and_takes_no_memory() {
    const BYTES: usize = 64 << 20;
    let server = deflating();
    let bomb = masked(FIN | RSV1 | BINARY, &deflate_alone(&vec![0; BYTES]));
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    let mut sockets: Vec<TcpStream> = (0..20).map(|_| open(&server)).collect();
    let before = server.peak_bytes();
    for socket in &mut sockets {
        check_refused(socket, &bomb, 1009);
    }
    let growth = server.peak_bytes() - before;
    assert!(growth < BYTES as u64, "{growth} bytes");
    drop(sockets);
    server.await_count("refused_too_large", 20);
    server.stop_clean();
}
