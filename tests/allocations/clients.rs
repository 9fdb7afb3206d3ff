//! Clients that allocate nothing once they are connected.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) const DEADLINE: Option<Duration> = Some(Duration::from_secs(20));

/// What every message says.
pub(crate) const PAYLOAD: &[u8] = b"hello";

/// A client that knows how often it was told the payload, in whatever form.
pub(crate) struct Client {
    stream: TcpStream,
    /// How many bytes of one payload came last.
    begun: usize,
    buffer: Box<[u8]>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(DEADLINE).expect("a time-out");
        Self { stream, begun: 0, buffer: vec![0; 64 << 10].into() }
    }

    /// One who speaks the NATS protocol: these lines were heard.
    pub(crate) fn nats(address: SocketAddr, lines: &str) -> Self {
        let mut client = Self::connect(address);
        client.say(format!("CONNECT {{\"verbose\":false}}\r\n{lines}PING\r\n").as_bytes());
        client.read_until("PONG\r\n");
        client
    }

    /// One who has asked for a page that does not end.
    pub(crate) fn events(address: SocketAddr, target: &str) -> Self {
        let mut client = Self::connect(address);
        client.say(format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes());
        client.read_until("\r\n\r\n");
        client
    }

    /// One who has opened a WebSocket. The key is that of RFC 6455, section 1.3.
    pub(crate) fn websocket(address: SocketAddr, target: &str, subprotocol: Option<&str>) -> Self {
        let mut client = Self::connect(address);
        let subprotocol = subprotocol.map_or(String::new(), |it| format!("Sec-WebSocket-Protocol: {it}\r\n"));
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{subprotocol}\r\n"
        );
        client.say(request.as_bytes());
        client.read_until("\r\n\r\n");
        client
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("it is taken");
    }

    /// Byte by byte, so that nothing behind it is taken.
    fn read_until(&mut self, end: &str) {
        let mut all = Vec::new();
        while !all.ends_with(end.as_bytes()) {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).expect("it answers");
            all.extend(byte);
        }
    }

    /// Reads until the payload was told so many times more.
    pub(crate) fn hear(&mut self, mut times: usize) {
        while times != 0 {
            let count = match self.stream.read(&mut self.buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other.expect("it comes"),
            };
            assert_ne!(count, 0, "it stays");
            for byte in &self.buffer[..count] {
                self.begun = if *byte == PAYLOAD[self.begun] {
                    self.begun + 1
                } else {
                    // Only its first letter begins it.
                    usize::from(*byte == PAYLOAD[0])
                };
                if self.begun == PAYLOAD.len() {
                    self.begun = 0;
                    times = times.checked_sub(1).expect("nobody is told more than was said");
                }
            }
        }
    }
}
