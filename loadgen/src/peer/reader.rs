//! What a stream says, cut into messages, and the answer that each one gets.
//!
//! Bytes go in as they come, answers come out; nothing here knows a socket or the time.

use tidemill::protocol::http1::Table;

use super::http::HttpReader;

/// What was found in the bytes of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A message.
    Message(Answer),
    /// Not a message, but it wants these bytes before it becomes one: an HTTP client that waits for 100 Continue.
    Interim(&'static [u8]),
    /// Nothing that could be read, and what to say about it before the connection ends.
    Refused(Vec<u8>),
}

/// What a message is answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The whole answer.
    pub bytes: Vec<u8>,
    /// A byte of it whose change leaves the framing as it is.
    pub corruptible: Option<usize>,
    /// Whether the client expects the connection to end behind it.
    pub ends: bool,
}

/// Cuts one connection's bytes into messages.
#[derive(Debug)]
pub enum Reader {
    /// Messages of one size, which come back as they are.
    Echo {
        /// Bytes of a message.
        size: usize,
        /// The beginning of one whose end is still to come.
        partial: Vec<u8>,
    },
    /// HTTP/1.1.
    Http(Box<HttpReader>),
}

impl Reader {
    /// A reader for a new connection: of messages of this size, or of HTTP. The connection is closed behind so many of them, if
    /// it is.
    pub fn new(size: Option<usize>, close_after: Option<u64>) -> Self {
        match size {
            Some(size) => Self::Echo { size, partial: Vec::new() },
            None => Self::Http(Box::new(HttpReader::new(close_after))),
        }
    }

    /// Takes what came, and tells what is in it.
    pub fn read(&mut self, bytes: &[u8], table: &mut Table, found: &mut Vec<Found>) {
        match self {
            Self::Echo { size, partial } => echo(*size, partial, bytes, found),
            Self::Http(http) => http.read(bytes, table, found),
        }
    }

    /// Bytes of an unfinished message that are kept.
    pub fn held(&self) -> usize {
        match self {
            Self::Echo { partial, .. } => partial.len(),
            Self::Http(http) => http.held(),
        }
    }
}

fn echo(size: usize, partial: &mut Vec<u8>, mut bytes: &[u8], found: &mut Vec<Found>) {
    if !partial.is_empty() {
        let (rest, next) = bytes.split_at(bytes.len().min(size - partial.len()));
        partial.extend_from_slice(rest);
        bytes = next;
        if partial.len() < size {
            return;
        }
        found.push(message(std::mem::take(partial)));
    }
    let mut messages = bytes.chunks_exact(size);
    found.extend(messages.by_ref().map(|bytes| message(bytes.to_vec())));
    partial.extend_from_slice(messages.remainder());
}

/// A message that comes back. Its last byte may be changed: the first ones may say which message it is.
fn message(bytes: Vec<u8>) -> Found {
    Found::Message(Answer { corruptible: bytes.len().checked_sub(1), bytes, ends: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_in_every_cut() {
        let text = b"aaabbbcccdd";
        for one in 0..=text.len() {
            for two in one..=text.len() {
                let mut reader = Reader::new(Some(3), None);
                let (mut found, mut table) = (Vec::new(), Table::new());
                for piece in [&text[..one], &text[one..two], &text[two..]] {
                    reader.read(piece, &mut table, &mut found);
                }
                let expected: Vec<Found> =
                    ["aaa", "bbb", "ccc"].iter().map(|text| message(text.as_bytes().to_vec())).collect();
                assert_eq!(found, expected, "cut at {one} and {two}");
                assert_eq!(reader.held(), 2);
            }
        }
    }
}
