//! What is spoken over a connection: requests go out, answers come back in order, each is checked.
//!
//! A [`Talk`] is one connection's side of a protocol. It takes bytes and gives bytes; it knows no socket, no TLS and no
//! clock. What came back it writes into a [`Book`], which knows when it was asked for.

mod book;
mod echo;
mod http;
mod websocket;

pub use book::{Book, Due};
pub use echo::{Echo, EchoCommon};
pub use http::{Http, HttpCommon};
pub use websocket::{WebSocket, WebSocketCommon};

use crate::record::ErrorClass;
use crate::traffic::pattern::Message;

/// One connection's conversation, from its first byte to its last.
pub trait Talk: Sized {
    /// What all conversations of a worker share.
    type Common;

    /// A conversation that has not begun, whose first request will be this message.
    fn new(first: Message) -> Self;

    /// Appends what must be said before the first request.
    fn open(&mut self, common: &mut Self::Common, out: &mut Vec<u8>);

    /// Whether requests may be sent.
    fn is_open(&self) -> bool;

    /// Bytes of a request, at most.
    fn request_bytes(common: &Self::Common) -> usize;

    /// Most requests for one send; the others follow when it has been taken.
    fn requests_per_send(common: &Self::Common) -> u64 {
        let requests = JOINED_BYTES_MAX / Self::request_bytes(common).max(1);
        requests.max(1) as u64
    }

    /// Appends `count` requests, the first of which is `first`.
    fn ask(&mut self, common: &mut Self::Common, first: Message, count: u64, out: &mut Vec<u8>);

    /// Reads what has come and returns how much of it is done with; the rest comes again, with more behind it. Answers
    /// to what is not a request are appended to `out`.
    ///
    /// # Errors
    /// When the conversation cannot go on.
    fn receive(
        &mut self,
        common: &mut Self::Common,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        book: &mut Book<'_>,
    ) -> Result<usize, Fault>;

    /// The server has ended its side.
    ///
    /// # Errors
    /// When it should not have.
    fn end(&mut self, common: &mut Self::Common, book: &mut Book<'_>) -> Result<(), Fault>;

    /// Whether the server has said that it takes no further request: then it ends the connection.
    fn is_over(&self) -> bool;

    /// Appends what is to be said before we end. Returns whether the server then ends the connection.
    fn part(&mut self, common: &mut Self::Common, out: &mut Vec<u8>) -> bool;

    /// Whether the server owes nothing to the one who parts.
    fn has_parted(&self) -> bool;
}

/// Why a conversation cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What to count it as.
    pub class: ErrorClass,
    /// What happened, without the connection's number.
    pub sentence: String,
}

impl Fault {
    /// A fault of this class.
    pub fn new(class: ErrorClass, sentence: impl Into<String>) -> Self {
        Self { class, sentence: sentence.into() }
    }

    /// The server broke the protocol.
    pub fn protocol(sentence: impl Into<String>) -> Self {
        Self::new(ErrorClass::Protocol, sentence)
    }

    /// The server ended the connection and should not have.
    pub fn closed_early() -> Self {
        Self::new(ErrorClass::ClosedEarly, "the server closed it")
    }
}

/// Most bytes of small requests in one send.
const JOINED_BYTES_MAX: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tidemill::sys::clock::Time;

    use super::*;
    use crate::load::Asked;
    use crate::record::Recorder;
    use crate::record::part::feed;

    /// What came of a conversation: answers, wrong ones, errors by class, and whether it could go on.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub(super) struct Outcome {
        pub(super) received: u64,
        pub(super) wrong: u64,
        pub(super) errors: BTreeMap<ErrorClass, u64>,
        pub(super) fault: Option<ErrorClass>,
        pub(super) is_over: bool,
    }

    fn hear<T: Talk>((mut talk, mut common): (T, T::Common), due: u64, pieces: &[&[u8]]) -> Outcome {
        let mut recorder = Recorder::new(feed().0);
        let mut requests = Due::default();
        requests.add(Asked { intended: Time::ZERO, sent: Time::ZERO }, due);
        let (mut carry, mut out, mut fault) = (Vec::new(), Vec::new(), None);
        for piece in pieces {
            carry.extend_from_slice(piece);
            let mut book = Book::new(0, &mut requests, &mut recorder, Time::from_nanos(1));
            match talk.receive(&mut common, &mut carry, &mut out, &mut book) {
                Ok(used) => drop(carry.drain(..used)),
                Err(found) => {
                    fault = Some(found.class);
                    break;
                }
            }
        }
        let counts = recorder.counts;
        Outcome {
            received: counts.received,
            wrong: counts.verification_errors,
            errors: counts.errors.counts,
            fault,
            is_over: talk.is_over(),
        }
    }

    /// However the bytes are cut, the same comes of them.
    pub(super) fn check<T: Talk>(
        make: impl Fn() -> (T, T::Common),
        due: u64,
        bytes: &[u8],
        expected: &Outcome,
    ) {
        for cut in 0..=bytes.len() {
            let pieces = [&bytes[..cut], &bytes[cut..]];
            let pieces: Vec<&[u8]> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
            assert_eq!(&hear(make(), due, &pieces), expected, "cut at {cut}");
        }
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(&hear(make(), due, &pieces), expected, "byte by byte");
    }
}
