//! A connection that says exactly what a test tells it to, and cuts what comes back into protocol messages.
//!
//! It knows where a message ends, and nothing of what one should be.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::seeds::Dice;
use crate::support::streams;

/// What a server of the NATS protocol is spoken to by.
pub(super) struct Raw {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The server has ended it.
    pub(super) is_over: bool,
}

/// One message of the server's, with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Said {
    /// A line without a payload, with its end.
    Line(Vec<u8>),
    /// `MSG` or `HMSG`.
    Delivery(Delivery),
}

/// A message that was delivered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Delivery {
    pub(super) subject: String,
    pub(super) sid: String,
    pub(super) reply: Option<String>,
    /// With their first line and their empty one; nothing if it came by `MSG`.
    pub(super) headers: Vec<u8>,
    pub(super) payload: Vec<u8>,
    /// All bytes, from `MSG` to the last CRLF.
    pub(super) whole: Vec<u8>,
}

impl Said {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Line(line) => line,
            Self::Delivery(delivery) => &delivery.whole,
        }
    }

    pub(super) fn is(&self, line: &str) -> bool {
        self.bytes() == line.as_bytes()
    }
}

impl Raw {
    /// Connects, and takes the first INFO away.
    #[track_caller]
    pub(super) fn open(address: SocketAddr) -> Self {
        let mut raw = Self { stream: streams::tcp(address), buffer: Vec::new(), is_over: false };
        let info = raw.next().expect("a server speaks first");
        assert!(info.is(INFO), "{info:?}");
        raw
    }

    /// Writes, though the server may have ended the connection meanwhile.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // Whether it is over shows when it is read.
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Writes in one piece or in two.
    pub(super) fn send_cut(&mut self, bytes: &[u8], dice: &mut Dice) {
        let (one, two) = bytes.split_at(dice.below(bytes.len()));
        self.send(one);
        self.send(two);
    }

    /// Ends our side.
    pub(super) fn finish(&self) {
        // The server may have reset it.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next message, but no `PING` of the server's; none at the end. What INFO says is left out, since it
    /// differs from server to server.
    #[track_caller]
    pub(super) fn next(&mut self) -> Option<Said> {
        loop {
            let said = self.next_of_any_kind()?;
            if said.is("PING\r\n") {
                self.send("PONG\r\n");
            } else if said.bytes().starts_with(b"INFO {") {
                return Some(Said::Line(INFO.into()));
            } else {
                return Some(said);
            }
        }
    }

    /// What is said up to this line, without it, or up to the end.
    #[track_caller]
    pub(super) fn until(&mut self, line: &str) -> Vec<Said> {
        let mut all = Vec::new();
        while let Some(said) = self.next() {
            let is_silence = said.is(SILENCE);
            if said.is(line) {
                break;
            }
            all.push(said);
            if is_silence {
                break;
            }
        }
        all
    }

    /// At least so many bytes of whole messages, or what came before the end.
    #[track_caller]
    pub(super) fn hear(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let Some(said) = self.next() else { break };
            bytes.extend_from_slice(said.bytes());
            if said.is(SILENCE) {
                break;
            }
        }
        bytes
    }

    /// What comes before a silence as long as the patience. Only to record: on a slow machine it may be too little.
    #[track_caller]
    pub(super) fn hear_for_a_while(&mut self) -> Vec<u8> {
        self.until(SILENCE).iter().flat_map(|said| said.bytes().to_vec()).collect()
    }

    /// How long a missing answer is waited for.
    pub(super) fn set_patience(&self, patience: Duration) {
        self.stream.set_read_timeout(Some(patience)).expect("it is not zero");
    }

    fn next_of_any_kind(&mut self) -> Option<Said> {
        loop {
            if let Some(said) = self.take() {
                return Some(said);
            }
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return self.rest(),
                Ok(count) => self.buffer.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return self.rest(),
                // The caller says what was missing.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Some(Said::Line(SILENCE.into()));
                }
                Err(error) => panic!("it cannot be read: {error}"),
            }
        }
    }

    /// A whole message of those that have been read.
    fn take(&mut self) -> Option<Said> {
        let end = 1 + self.buffer.iter().position(|byte| *byte == b'\n')?;
        let line = self.buffer[..end].to_vec();
        let Some((mut delivery, sizes)) = delivery(&line) else {
            self.buffer.drain(..end);
            return Some(Said::Line(line));
        };
        let whole = end + sizes.1 + 2;
        if self.buffer.len() < whole {
            return None;
        }
        delivery.whole = self.buffer.drain(..whole).collect();
        delivery.headers = delivery.whole[end..end + sizes.0].to_vec();
        delivery.payload = delivery.whole[end + sizes.0..whole - 2].to_vec();
        Some(Said::Delivery(delivery))
    }

    /// It is over; what was begun and not ended is something, too.
    fn rest(&mut self) -> Option<Said> {
        self.is_over = true;
        let rest = std::mem::take(&mut self.buffer);
        (!rest.is_empty()).then_some(Said::Line(rest))
    }
}

/// Stands for an answer that did not come in time.
pub(super) const SILENCE: &str = "(silence)";
/// Stands for any INFO.
pub(super) const INFO: &str = "INFO {}\r\n";

/// What the first line of a delivery says: itself, and the sizes of the headers and of all; none if it is another line.
fn delivery(line: &[u8]) -> Option<(Delivery, (usize, usize))> {
    let line = String::from_utf8_lossy(line);
    let words: Vec<&str> = line.split_whitespace().collect();
    let (verb, words) = words.split_first()?;
    let sizes = match *verb {
        "MSG" => 1,
        "HMSG" => 2,
        _ => return None,
    };
    let (names, sizes) = words.split_at_checked(words.len().checked_sub(sizes)?)?;
    let (subject, sid, reply) = match names {
        [subject, sid] => (subject, sid, None),
        [subject, sid, reply] => (subject, sid, Some((*reply).to_owned())),
        _ => return None,
    };
    let sizes: Vec<usize> = sizes.iter().map(|size| size.parse().ok()).collect::<Option<_>>()?;
    let headers = if sizes.len() == 2 { sizes[0] } else { 0 };
    let (subject, sid) = ((*subject).to_owned(), (*sid).to_owned());
    let empty = Vec::new;
    let delivery = Delivery { subject, sid, reply, headers: empty(), payload: empty(), whole: empty() };
    Some((delivery, (headers, *sizes.last()?)))
}
