//! HTTP and WebSocket by hand, byte by byte as RFC 9112 and RFC 6455 have them: for what no well-behaved client would
//! send, and to see exactly what comes back. Nothing of the server's own code is used.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::server::Server;
use super::{Folder, streams, text};

/// The key of RFC 6455, 1.3, and what it says the answer is.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Limits so long that no slow machine meets them. A test may say otherwise for those that it is about.
const LONG: &[&str] = &[
    "drain_timeout",
    "handshake_timeout",
    "header_timeout",
    "idle_timeout",
    "keep_alive_timeout",
    "linger_timeout",
    "ping_interval",
    "stall_timeout",
];

/// A configuration file: these limits over [`LONG`] ones, and these listeners.
pub(crate) fn configuration(limits: &str, listeners: &str) -> String {
    let is_free = |name: &&&str| !limits.lines().any(|line| line.starts_with(**name));
    let long: String = LONG.iter().filter(is_free).map(|name| format!("{name} = \"5m\"\n")).collect();
    format!("[limits]\n{long}{limits}\n{listeners}")
}

/// A server with this configuration, and these flags over it.
#[track_caller]
pub(crate) fn serve(folder: &Folder, limits: &str, listeners: &str, flags: &[&str]) -> Server {
    let file = folder.write("server.toml", &configuration(limits, listeners));
    Server::start(&[&["--config", text(&file)], flags].concat())
}

/// A server of pages and WebSocket, with these limits and these keys of its listener.
#[track_caller]
pub(crate) fn serve_http(limits: &str, keys: &str) -> Server {
    let listener = format!("[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"http\"\n{keys}\n");
    serve(&Folder::new(), limits, &listener, &["--shards", "1"])
}

// --- HTTP ----------------------------------------------------------------------------------------------------------

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
}

impl Head {
    /// The values of a field, joined as RFC 9110, 5.2, has it; nothing if there is none.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let values = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        let values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Whether a field that is a list has this element.
    pub(crate) fn lists(&self, name: &str, element: &str) -> bool {
        let value = self.get(name).unwrap_or_default();
        value.split(',').any(|each| each.trim().eq_ignore_ascii_case(element))
    }
}

/// Reads a head and not one byte more.
#[track_caller]
pub(crate) fn read_head(stream: &mut (impl Read + ?Sized)) -> Head {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap_or_else(|error| {
            panic!("no whole head came: {error}: {:?}", String::from_utf8_lossy(&bytes))
        });
        bytes.push(byte[0]);
    }
    let text = String::from_utf8(bytes).expect("heads are ASCII");
    let mut lines = text.trim_end().split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let status = status.and_then(|line| line.get(..3)?.parse().ok());
    let fields = lines.map(|line| line.split_once(": ").expect("a field has a colon"));
    Head {
        status: status.unwrap_or_else(|| panic!("no status line: {text}")),
        fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    }
}

/// Reads a whole answer that says its length.
#[track_caller]
pub(crate) fn read_answer(stream: &mut (impl Read + ?Sized)) -> (Head, Vec<u8>) {
    let head = read_head(stream);
    let length = head.get("Content-Length").and_then(|length| length.parse().ok()).expect("it has a length");
    let mut content = vec![0; length];
    stream.read_exact(&mut content).expect("the content follows");
    (head, content)
}

/// A request for an upgrade, with these lines more.
pub(crate) fn upgrade(lines: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    )
}

/// Reads the answer to an upgrade that is to succeed.
#[track_caller]
pub(crate) fn read_upgraded(stream: &mut (impl Read + ?Sized)) -> Head {
    let head = read_head(stream);
    assert_eq!(head.status, 101, "{head:?}");
    assert_eq!(head.get("Sec-WebSocket-Accept").as_deref(), Some(ACCEPT));
    assert!(head.lists("Upgrade", "websocket") && head.lists("Connection", "upgrade"), "{head:?}");
    head
}

/// A WebSocket, opened by hand.
#[track_caller]
pub(crate) fn open(address: SocketAddr) -> TcpStream {
    open_with(streams::tcp(address), "").0
}

/// A WebSocket on this connection, opened by hand, with the head of the answer.
#[track_caller]
pub(crate) fn open_with<S: Read + Write>(mut stream: S, lines: &str) -> (S, Head) {
    stream.write_all(upgrade(lines).as_bytes()).expect("the server reads");
    let head = read_upgraded(&mut stream);
    (stream, head)
}

// --- Frames --------------------------------------------------------------------------------------------------------

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
/// The last frame of a message.
pub(crate) const FIN: u8 = 0x80;
/// A compressed message (RFC 7692, 6).
pub(crate) const RSV1: u8 = 0x40;

/// A whole, masked frame of this kind (RFC 6455, 5.2).
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    masked(FIN | opcode, payload)
}

/// A masked frame with this first byte.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(0x80 | u8::try_from(length).expect("it is short")),
        length @ ..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).expect("it fits").to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A close frame with this code.
pub(crate) fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// A frame of the server's.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

/// Long ones by their length.
impl std::fmt::Debug for Frame {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = &self.payload[..self.payload.len().min(40)];
        write!(formatter, "{:#04x} {} {:?}", self.first, self.payload.len(), String::from_utf8_lossy(start))
    }
}

impl Frame {
    pub(crate) fn new(opcode: u8, payload: &[u8]) -> Self {
        Self { first: FIN | opcode, payload: payload.to_vec() }
    }

    /// The code of a close frame.
    #[track_caller]
    pub(crate) fn code(&self) -> Option<u16> {
        assert_eq!(self.first, FIN | CLOSE, "{self:?}");
        let code = self.payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        assert!(str::from_utf8(self.payload.get(2..).unwrap_or_default()).is_ok(), "{self:?}");
        code
    }
}

/// Reads a frame, which must not be masked and must tell its length in as few bytes as possible; none at the end.
#[track_caller]
pub(crate) fn read_frame(stream: &mut (impl Read + ?Sized)) -> Option<Frame> {
    let mut start = [0; 2];
    if stream.read(&mut start[..1]).expect("an end, and no error") == 0 {
        return None;
    }
    let mut fill = |bytes: &mut [u8]| stream.read_exact(bytes).expect("the frame is whole");
    fill(&mut start[1..]);
    let length = match start[1] {
        length @ ..126 => u64::from(length),
        126 => {
            let mut bytes = [0; 2];
            fill(&mut bytes);
            u64::from(u16::from_be_bytes(bytes))
        }
        127 => {
            let mut bytes = [0; 8];
            fill(&mut bytes);
            u64::from_be_bytes(bytes)
        }
        _ => panic!("a server does not mask"),
    };
    let told_bytes = match length {
        ..126 => 0,
        126..65_536 => 126,
        65_536.. => 127,
    };
    assert!(start[1] == told_bytes || length < 126, "{length} bytes are told by {}", start[1]);
    let mut payload = vec![0; usize::try_from(length).expect("it is no more than was sent")];
    fill(&mut payload);
    Some(Frame { first: start[0], payload })
}

/// Reads a frame that must come.
#[track_caller]
pub(crate) fn next_frame(stream: &mut (impl Read + ?Sized)) -> Frame {
    read_frame(stream).expect("a frame comes, and not the end")
}

/// Reads all frames until the end.
#[track_caller]
pub(crate) fn read_frames(stream: &mut (impl Read + ?Sized)) -> Vec<Frame> {
    std::iter::from_fn(|| read_frame(stream)).collect()
}

/// Has the only shard of a server do something else, so that what was written before has been read by it: so a cut is
/// a cut for the server, too.
pub(crate) struct Pacer(TcpStream);

impl Pacer {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self(open(address))
    }

    #[track_caller]
    pub(crate) fn pace(&mut self) {
        self.0.write_all(&frame(PING, b"")).expect("the server reads");
        while next_frame(&mut self.0) != Frame::new(PONG, b"") {}
    }
}
