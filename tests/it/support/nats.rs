//! A client of the NATS protocol that says exactly what a test tells it to, line by line.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::server::Server;

/// A listener for clients of NATS on a port that the system chooses.
pub(crate) const NATS: &str = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"nats\"\n";

/// One client, who says and reads what a test wants.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    /// Comes in, subscribes to something, and waits until that is in force on all shards.
    #[track_caller]
    pub(crate) fn open(stream: TcpStream, subject: Option<&str>) -> Self {
        let mut client = Self { stream };
        assert!(client.line().starts_with("INFO "));
        client.say("CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
        if let Some(subject) = subject {
            client.say(&format!("SUB {subject} 1\r\n"));
        }
        client.flush();
        client
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).expect("the server reads");
    }

    /// Waits until all that was said is done.
    #[track_caller]
    pub(crate) fn flush(&mut self) {
        self.say("PING\r\n");
        assert_eq!(self.line(), "PONG\r\n");
    }

    /// One line; what was read of it if the stream ends.
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") && self.stream.read(&mut byte).expect("it comes in time") != 0 {
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("lines are text")
    }

    /// The subject and the payload of the next message, or the line that came instead.
    pub(crate) fn message(&mut self) -> Result<(String, String), String> {
        let line = self.line();
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let ["MSG", subject, "1", size] = words[..] else { return Err(line) };
        let mut payload = vec![0; size.parse::<usize>().expect("a size is a number") + 2];
        self.stream.read_exact(&mut payload).expect("a message is whole");
        assert!(payload.ends_with(b"\r\n"), "a payload ends with CRLF");
        payload.truncate(payload.len() - 2);
        Ok((subject.to_owned(), String::from_utf8(payload).expect("it was text")))
    }
}

/// The lines that publish this.
pub(crate) fn publish(subject: &str, payload: &str) -> String {
    format!("PUB {subject} {}\r\n{payload}\r\n", payload.len())
}

/// Where a server listens for clients of NATS.
pub(crate) fn nats(server: &Server) -> SocketAddr {
    server.addresses("nats://")[0]
}
