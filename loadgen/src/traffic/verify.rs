//! Checks that a stream brings back what was sent, byte after byte, however it is cut.
//!
//! It knows the pattern and the place it has reached in the stream; it stores no message. What arrives goes in, and how
//! many messages it completed comes out, with the first byte that was wrong.

use crate::traffic::pattern::{Message, Pattern};

/// How far one connection's stream has been read.
#[derive(Clone, Copy, Debug)]
pub struct StreamVerifier {
    next: Message,
    /// Bytes of the next message that have come.
    at: usize,
    /// Whether one of them was wrong.
    is_wrong: bool,
}

/// What some bytes of a stream came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Messages whose last byte was among them.
    pub messages: u64,
    /// Of these, the ones with a wrong byte.
    pub wrong_messages: u64,
    /// The first wrong byte.
    pub mismatch: Option<Mismatch>,
}

/// A byte that did not come back as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// On which connection.
    pub connection: u32,
    /// Its position among all bytes sent there.
    pub position: u64,
    /// What was sent.
    pub expected: u8,
    /// What came back.
    pub found: u8,
}

impl StreamVerifier {
    /// The start of this connection's stream.
    pub fn new(connection: u32) -> Self {
        Self::from(Message { connection, lane: 0, sequence: 0 })
    }

    /// The rest of a connection's stream, from this message on.
    pub fn from(next: Message) -> Self {
        Self { next, at: 0, is_wrong: false }
    }

    /// Takes the next bytes of the stream. With `compare` it looks at each, without it only counts.
    pub fn feed(&mut self, pattern: &Pattern, mut bytes: &[u8], compare: bool) -> Checked {
        let mut checked = Checked::default();
        while !bytes.is_empty() {
            let left = pattern.size() - self.at;
            let (piece, rest) = bytes.split_at(left.min(bytes.len()));
            if compare && !self.is_wrong {
                self.compare(pattern, piece, &mut checked);
            }
            self.at += piece.len();
            if self.at == pattern.size() {
                checked.messages += 1;
                checked.wrong_messages += u64::from(self.is_wrong);
                self.next.sequence += 1;
                (self.at, self.is_wrong) = (0, false);
            }
            bytes = rest;
        }
        checked
    }

    fn compare(&mut self, pattern: &Pattern, piece: &[u8], checked: &mut Checked) {
        let Some(wrong) = pattern.compare(self.next, self.at, piece) else { return };
        self.is_wrong = true;
        let position = self.next.sequence * pattern.size() as u64 + wrong.at as u64;
        let (expected, found) = (wrong.expected, wrong.found);
        checked.mismatch.get_or_insert(Mismatch {
            connection: self.next.connection,
            position,
            expected,
            found,
        });
    }
}

/// Checks one message that a protocol delimits. How long it was is the protocol's business: bytes beyond the message
/// are not looked at.
#[derive(Clone, Copy, Debug)]
pub struct MessageVerifier {
    message: Message,
    /// Bytes that have come.
    at: usize,
    mismatch: Option<Mismatch>,
}

impl MessageVerifier {
    /// Nothing of this message has come.
    pub fn new(message: Message) -> Self {
        Self { message, at: 0, mismatch: None }
    }

    /// Takes the next bytes of the message.
    pub fn feed(&mut self, pattern: &Pattern, bytes: &[u8]) {
        let left = pattern.size().saturating_sub(self.at);
        let bytes = &bytes[..bytes.len().min(left)];
        if self.mismatch.is_none()
            && let Some(wrong) = pattern.compare(self.message, self.at, bytes)
        {
            self.mismatch = Some(Mismatch {
                connection: self.message.connection,
                position: self.message.sequence * pattern.size() as u64 + wrong.at as u64,
                expected: wrong.expected,
                found: wrong.found,
            });
        }
        self.at += bytes.len();
    }

    /// The first wrong byte.
    pub fn mismatch(&self) -> Option<Mismatch> {
        self.mismatch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: u64 = 4;

    fn stream(pattern: &Pattern) -> Vec<u8> {
        let mut bytes = Vec::new();
        for sequence in 0..MESSAGES {
            pattern.append(Message { connection: 6, lane: 0, sequence }, &mut bytes);
        }
        bytes
    }

    /// Feeds the pieces and adds up what they came to.
    fn feed<'a>(pattern: &Pattern, pieces: impl IntoIterator<Item = &'a [u8]>, compare: bool) -> Checked {
        let mut verifier = StreamVerifier::new(6);
        let mut sum = Checked::default();
        for piece in pieces {
            let checked = verifier.feed(pattern, piece, compare);
            sum.messages += checked.messages;
            sum.wrong_messages += checked.wrong_messages;
            sum.mismatch = sum.mismatch.or(checked.mismatch);
        }
        sum
    }

    #[test]
    fn a_correct_stream_is_correct_in_every_cut() {
        for size in [1, 5, 16, 40] {
            let pattern = Pattern::new(1, size);
            let bytes = stream(&pattern);
            let expected = Checked { messages: MESSAGES, ..Checked::default() };
            for cut in 0..=bytes.len() {
                let (head, tail) = bytes.split_at(cut);
                assert_eq!(feed(&pattern, [head, tail], true), expected, "size {size}, cut at {cut}");
            }
            assert_eq!(feed(&pattern, bytes.chunks(1), true), expected, "size {size}, byte by byte");
        }
    }

    #[test]
    fn every_wrong_byte_is_found_at_its_position_and_counted_once() {
        let pattern = Pattern::new(1, 20);
        let good = stream(&pattern);
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] = !bytes[at];
            let mismatch =
                Mismatch { connection: 6, position: at as u64, expected: good[at], found: bytes[at] };
            let expected = Checked { messages: 4, wrong_messages: 1, mismatch: Some(mismatch) };
            assert_eq!(feed(&pattern, [&bytes[..]], true), expected, "byte {at}");
            assert_eq!(feed(&pattern, bytes.chunks(1), true), expected, "byte {at}, byte by byte");
            let unchecked = Checked { messages: 4, ..Checked::default() };
            assert_eq!(feed(&pattern, [&bytes[..]], false), unchecked);
        }
    }

    #[test]
    fn a_lost_byte_makes_the_rest_wrong() {
        let pattern = Pattern::new(1, 20);
        let mut bytes = stream(&pattern);
        bytes.remove(30);
        let checked = feed(&pattern, [&bytes[..]], true);
        // The first is right, the second and third are not, and the fourth lacks its end.
        assert_eq!((checked.messages, checked.wrong_messages), (3, 2));
    }

    #[test]
    fn every_wrong_byte_of_one_message_is_found_in_every_cut() {
        let pattern = Pattern::new(1, 20);
        let message = Message { connection: 6, lane: 0, sequence: 3 };
        let mut good = Vec::new();
        pattern.append(message, &mut good);
        for wrong in 0..good.len() {
            let mut bad = good.clone();
            bad[wrong] = !bad[wrong];
            for cut in 0..=good.len() {
                let found = |bytes: &[u8]| {
                    let mut verifier = MessageVerifier::new(message);
                    verifier.feed(&pattern, &bytes[..cut]);
                    verifier.feed(&pattern, &bytes[cut..]);
                    verifier.feed(&pattern, b"too much");
                    verifier.mismatch()
                };
                assert_eq!(found(&good), None);
                let (expected, found_byte) = (good[wrong], bad[wrong]);
                let position = 60 + wrong as u64;
                let mismatch = Mismatch { connection: 6, position, expected, found: found_byte };
                assert_eq!(found(&bad), Some(mismatch), "byte {wrong}, cut at {cut}");
            }
        }
    }
}
