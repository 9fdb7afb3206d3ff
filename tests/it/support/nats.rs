//! A client of the NATS protocol that says exactly what a test tells it to, over any stream, and reads line by line.
//!
//! Payloads begin with a number, so that it is seen what is missing, and where.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;

use super::server::Server;

/// A listener for clients of NATS on a port that the system chooses.
pub(crate) const NATS: &str = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"nats\"\n";

/// One client.
pub(crate) struct Client<S> {
    stream: BufReader<S>,
}

impl<S: Read + Write> Client<S> {
    /// Comes in, subscribes to something, and waits until that is in force on all shards.
    #[track_caller]
    pub(crate) fn open(stream: S, subject: Option<&str>) -> Self {
        Self::open_as(stream, "", subject)
    }

    /// The same as somebody: with these fields more in CONNECT, each behind a comma.
    #[track_caller]
    pub(crate) fn open_as(stream: S, fields: &str, subject: Option<&str>) -> Self {
        let mut client = Self::greeted(stream);
        client.say(&format!("CONNECT {{\"verbose\":false,\"pedantic\":false{fields}}}\r\n"));
        if let Some(subject) = subject {
            client.say(&format!("SUB {subject} 1\r\n"));
        }
        client.flush();
        client
    }

    /// One who has been greeted, and has said nothing yet.
    #[track_caller]
    pub(crate) fn greeted(stream: S) -> Self {
        let mut client = Self { stream: BufReader::new(stream) };
        assert!(client.line().starts_with("INFO "));
        client
    }

    /// Its stream. What has been read from it stands in the client's own memory.
    pub(crate) fn stream(&self) -> &S {
        self.stream.get_ref()
    }

    #[track_caller]
    pub(crate) fn say(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).expect("the server reads");
    }

    /// Waits until all that was said is done.
    #[track_caller]
    pub(crate) fn flush(&mut self) {
        self.say("PING\r\n");
        assert_eq!(self.line(), "PONG\r\n");
    }

    /// One line; what was read of it if the stream ends. A ping of the server's, which comes when a client has been there for two
    /// seconds, is passed over.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("it comes in time, and is text");
            if line != "PING\r\n" {
                return line;
            }
        }
    }

    /// The subject and the payload of the next message, or the line that came instead.
    #[track_caller]
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

    /// Checks what somebody finds who was cut for being slow while so many numbered messages were said: whole ones from the
    /// first on without a gap, then why, and nothing behind that.
    #[track_caller]
    pub(crate) fn check_cut(&mut self, said: usize) {
        let mut heard = 0;
        let last = loop {
            match self.message() {
                Ok((_, payload)) => assert_eq!(number(&payload), heard, "without a gap"),
                Err(line) => break line,
            }
            heard += 1;
        };
        assert_eq!(last, "-ERR 'Slow Consumer'\r\n");
        assert!(0 < heard && heard < said, "{heard} of {said}");
        assert_eq!(self.line(), "", "and nothing comes behind that");
    }
}

/// What publishes this.
pub(crate) fn publish(subject: &str, payload: &str) -> String {
    format!("PUB {subject} {}\r\n{payload}\r\n", payload.len())
}

/// A payload of this length that begins with its number.
pub(crate) fn payload(number: usize, length: usize) -> String {
    format!("{number:<length$}")
}

/// The number that a payload begins with.
#[track_caller]
pub(crate) fn number(payload: &str) -> usize {
    payload.trim_end().parse().expect("a payload begins with its number")
}

/// Where a server listens for clients of NATS.
pub(crate) fn nats(server: &Server) -> SocketAddr {
    server.addresses("nats://")[0]
}
