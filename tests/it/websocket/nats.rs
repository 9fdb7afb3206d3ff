//! NATS within WebSocket, by an independent client of WebSocket: the same session as on TCP, its bytes cut by frames.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;

use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, Message, WebSocket};

use crate::support::web::{self, serve_http};
use crate::support::{Folder, streams};

/// A client that has read the greeting.
#[track_caller]
fn connect(address: SocketAddr, bearer: Option<&str>) -> Result<WebSocket<TcpStream>, u16> {
    let mut request = format!("ws://{address}/nats").into_client_request().expect("a request");
    if let Some(bearer) = bearer {
        let value = format!("Bearer {bearer}").parse().expect("a field");
        request.headers_mut().insert("Authorization", value);
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
