//! NATS within WebSocket, by an independent client of WebSocket: the same session as on TCP, its bytes cut by frames.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;

use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Error, Message, WebSocket};

use crate::nats::tokens;
use crate::support::web::{self, serve_http};
use crate::support::{Folder, streams};

/// A client that has read the greeting.
#[track_caller]
fn connect(address: SocketAddr, bearer: Option<&str>) -> Result<WebSocket<TcpStream>, u16> {
    let bearer = bearer.map(|bearer| ("Authorization", format!("Bearer {bearer}")));
    connect_with(address, "", bearer)
}

/// The same with this query and this field.
#[track_caller]
fn connect_with(
    address: SocketAddr,
    query: &str,
    field: Option<(&'static str, String)>,
) -> Result<WebSocket<TcpStream>, u16> {
    let mut request = format!("ws://{address}/nats{query}").into_client_request().expect("a request");
    if let Some((name, value)) = field {
        request.headers_mut().insert(name, value.parse().expect("a field"));
    }
    match tungstenite::client(request, streams::tcp(address)) {
        Ok((mut socket, _)) => {
            let greeting = await_bytes(&mut socket, b" \r\n");
            assert!(greeting.starts_with(b"INFO {"), "{}", greeting.escape_ascii());
            Ok(socket)
        }
        Err(tungstenite::HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

/// Reads binary messages until their bytes end like this.
#[track_caller]
fn await_bytes(socket: &mut WebSocket<TcpStream>, end: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        match socket.read().unwrap_or_else(|error| panic!("{error} behind {}", bytes.escape_ascii())) {
            Message::Binary(piece) => bytes.extend_from_slice(&piece),
            Message::Ping(_) => {}
            other => panic!("{other:?} behind {}", bytes.escape_ascii()),
        }
    }
    bytes
}

/// What nats-server 2.15.1 answered on TCP, with PONG at the end.
const SAID: &[u8] =
    b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB a.> 1\r\nSUB r 2\r\n\
    PUB a.b 2\r\nhi\r\nHPUB a.c x 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPUB nobody r 0\r\n\r\nPING\r\n";
const HEARD: &[u8] = b"MSG a.b 1 2\r\nhi\r\nHMSG a.c 1 x 12 14\r\nNATS/1.0\r\n\r\nhi\r\n\
    HMSG r 2 38 38\r\nNATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n\r\nPONG\r\n";

/// A frame is no unit of the protocol: one may hold many operations, or a piece of one, as text or as bytes.
#[test]
fn a_session_reads_the_same_however_frames_cut_it() {
    let server = serve_http("", "");
    for size in [SAID.len(), 100, 7, 1] {
        let mut socket = connect(server.http_address(), None).expect("everybody may come");
        for piece in SAID.chunks(size) {
            let text = std::str::from_utf8(piece).expect("it is ASCII");
            let message = if size == 7 { Message::text(text) } else { Message::binary(piece.to_vec()) };
            socket.send(message).expect("the server reads");
        }
        let heard = await_bytes(&mut socket, b"PONG\r\n");
        assert_eq!(heard.escape_ascii().to_string(), HEARD.escape_ascii().to_string(), "by {size}");
        socket.close(None).expect("the server reads");
    }
    server.await_count("closed", 4);
    assert_eq!(server.counters().total("nats_open"), 0);
    server.stop_clean();
}

/// What one says the other hears, and who breaks the protocol is told so in both protocols.
#[test]
fn an_error_ends_the_session_and_the_websocket() {
    let server = serve_http("", "");
    let mut one = connect(server.http_address(), None).expect("everybody may come");
    let mut other = connect(server.http_address(), None).expect("everybody may come");
    one.send(Message::binary("CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPING\r\n")).expect("it is read");
    assert_eq!(await_bytes(&mut one, b"PONG\r\n"), b"PONG\r\n");
    other.send(Message::binary("PUB a 1\r\nx\r\nNONSENSE\r\n")).expect("it is read");
    assert_eq!(await_bytes(&mut other, b"'\r\n"), b"+OK\r\n-ERR 'Unknown Protocol Operation'\r\n");
    assert!(matches!(other.read(), Ok(Message::Close(_))), "and then the close");
    assert_eq!(await_bytes(&mut one, b"x\r\n"), b"MSG a 1 1\r\nx\r\n");
    drop((one, other));
    server.await_count("closed", 2);
    server.stop_clean();
}

/// A token in the request says who it is; without one CONNECT has to, and a wrong one is refused at once.
#[test]
fn a_token_in_the_request_or_in_connect_lets_in() {
    const TOKEN: &str = "a-secret-of-many-letters-0123456789";
    let folder = Folder::new();
    let path = folder.write("tokens", &format!("alice:{TOKEN}\n"));
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("it is ours");
    let listener = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"http\"\n\
        [listener.auth]\ntokens = \"tokens\"\n";
    let server = web::serve(&folder, "", listener, &["--shards", "1"]);
    let address = server.http_address();
    let mut bearer = connect(address, Some(TOKEN)).expect("it is good");
    bearer.send(Message::binary("CONNECT {\"verbose\":false}\r\nPING\r\n")).expect("it is read");
    assert_eq!(await_bytes(&mut bearer, b"\r\n"), b"PONG\r\n");
    assert_eq!(connect(address, Some("another-secret-0123456789")).err(), Some(401));
    let mut silent = connect(address, None).expect("it may say so in CONNECT");
    let connect_line = format!("CONNECT {{\"verbose\":false,\"auth_token\":\"{TOKEN}\"}}\r\nPING\r\n");
    silent.send(Message::binary(connect_line)).expect("it is read");
    assert_eq!(await_bytes(&mut silent, b"\r\n"), b"PONG\r\n");
    let mut stranger = connect(address, None).expect("it may say so in CONNECT");
    stranger.send(Message::binary("CONNECT {}\r\nPING\r\n")).expect("it is read");
    assert_eq!(await_bytes(&mut stranger, b"\r\n"), b"-ERR 'Authorization Violation'\r\n");
    drop((bearer, silent, stranger));
    server.stop_clean();
}

/// The credential of the request may be a cookie, a parameter of the query or a JSON Web Token, where the listener has it so; a
/// wrong one is refused at once, in each of these places, and so are two that differ.
#[test]
fn a_credential_may_stand_wherever_the_listener_has_it() {
    const TOKEN: &str = "a-secret-of-many-letters-0123456789";
    const OTHER: &str = "another-secret-of-letters-0123456789";
    let folder = Folder::new();
    for (name, text) in [("tokens", &format!("alice:{TOKEN}\n")[..]), ("secret", tokens::SECRET)] {
        let path = folder.write(name, text);
        fs::set_permissions(path, Permissions::from_mode(0o600)).expect("it is ours");
    }
    let listener = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"http\"\n\
        [listener.auth]\ntokens = \"tokens\"\njwt_secret = \"secret\"\ncookie = \"session\"\nquery = \"access_token\"\n";
    let server = web::serve(&folder, "", listener, &["--shards", "1"]);
    let cookie = |token: &str| Some(("Cookie", format!("theme=dark; session={token}")));
    let query = |token: &str| format!("?access_token={token}");
    let bearer = |token: &str| Some(("Authorization", format!("Bearer {token}")));
    let connect = |query: &str, field| connect_with(server.http_address(), query, field);
    for (query, field) in [
        ("", cookie(TOKEN)),
        (&*query(TOKEN), None),
        ("", bearer(tokens::GOOD)),
        (&*query(tokens::GOOD), None),
        ("", cookie(tokens::GOOD)),
        (&*query(TOKEN), cookie(TOKEN)),
    ] {
        let place = format!("{query:?} {field:?}");
        let mut socket = connect(query, field).unwrap_or_else(|status| panic!("{status}: {place}"));
        socket.send(Message::binary("CONNECT {\"verbose\":false}\r\nPING\r\n")).expect("it is read");
        assert_eq!(await_bytes(&mut socket, b"\r\n"), b"PONG\r\n", "{place}");
    }
    for (query, field) in [
        ("", cookie(OTHER)),
        (&*query(OTHER), None),
        ("", bearer(tokens::EXPIRED)),
        ("", bearer(tokens::FORGED)),
        (&*query(TOKEN), cookie(tokens::GOOD)),
        (&*query(OTHER), bearer(TOKEN)),
    ] {
        let place = format!("{query:?} {field:?}");
        assert_eq!(connect(query, field).err(), Some(401), "{place}");
    }
    let counters = server.counters();
    assert_eq!(counters.total("refused_credential_bad") + counters.total("refused_credential_expired"), 6);
    server.stop();
}

/// A frame may hold the largest payload with its line, and more than that, as with nats-server; a message of several frames is
/// the same. Beyond eight payloads it is refused.
#[test]
fn a_message_may_hold_more_than_the_largest_payload() {
    const MOST: usize = 1 << 20;
    let server = serve_http("", "");
    let mut socket = connect(server.http_address(), None).expect("everybody may come");
    socket.send(Message::binary("CONNECT {\"verbose\":false}\r\nSUB a 1\r\n")).expect("it is read");
    let publish = [format!("PUB a {MOST}\r\n").as_bytes(), &vec![b'x'; MOST], b"\r\n"].concat();
    let heard = [format!("MSG a 1 {MOST}\r\n").as_bytes(), &vec![b'x'; MOST], b"\r\n"].concat();
    for count in [1, 3] {
        let message = [publish.repeat(count), b"PING\r\n".to_vec()].concat();
        socket.send(Message::binary(message)).expect("it is read");
        assert!(
            await_bytes(&mut socket, b"PONG\r\n") == [heard.repeat(count), b"PONG\r\n".to_vec()].concat()
        );
    }
    let frame = |opcode, is_final, payload: &[u8]| {
        Message::Frame(Frame::message(payload.to_vec(), OpCode::Data(opcode), is_final))
    };
    let (head, tail) = publish.split_at(MOST / 2);
    socket.send(frame(Data::Binary, false, head)).expect("it is read");
    socket.send(Message::Ping(b"between"[..].into())).expect("it is read");
    socket.send(frame(Data::Continue, false, tail)).expect("it is read");
    socket.send(frame(Data::Continue, true, b"PING\r\n")).expect("it is read");
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"PONG\r\n") {
        match socket.read().expect("it is answered") {
            Message::Binary(piece) => bytes.extend_from_slice(&piece),
            other => assert_eq!(other, Message::Pong(b"between"[..].into())),
        }
    }
    assert!(bytes == [heard, b"PONG\r\n".to_vec()].concat());
    // The server may be gone before all of it is written.
    let _ = socket.send(Message::binary(vec![b'\n'; 8 * MOST + 1]));
    server.await_count("refused_too_large", 1);
    drop(socket);
    server.await_count("closed", 1);
    server.stop_clean();
}

/// A message costs what one costs that comes by TCP, however frames cut it: as many as may come at once are not slowed.
#[test]
fn messages_are_charged_once() {
    const MESSAGES: usize = 20;
    let server = serve_http("message_rate = \"20/h burst 20\"\n", "");
    let mut socket = connect(server.http_address(), None).expect("everybody may come");
    socket.send(Message::binary("CONNECT {\"verbose\":false}\r\n")).expect("it is read");
    for _ in 0..MESSAGES / 2 {
        socket.send(Message::binary("PUB a 1\r\nx\r\nPUB ")).expect("it is read");
        socket.send(Message::binary("a 1\r\nx\r\n")).expect("it is read");
    }
    socket.send(Message::binary("PING\r\n")).expect("it is read");
    assert_eq!(await_bytes(&mut socket, b"PONG\r\n"), b"PONG\r\n");
    let counters = server.counters();
    assert_eq!((counters.total("nats_messages_received"), counters.total("throttled")), (20, 0));
    // One more is one too many: what comes behind it waits.
    socket.send(Message::binary("PUB a 1\r\nx\r\n")).expect("it is read");
    server.await_count("throttled", 1);
}
