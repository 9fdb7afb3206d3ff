//! Checks that a stream brings back what was sent, byte after byte, however it is cut.
//!
//! It knows the pattern and the place it has reached in the stream; it stores no message. What arrives goes in, and how
//! many messages it completed comes out, with the first byte that was wrong.

use crate::pattern::{Message, Pattern};

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
    /// Messages of which a first wrong byte was among them.
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
        let next = Message { connection, lane: 0, sequence: 0 };
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
        checked.wrong_messages += 1;
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
        assert_eq!((checked.messages, checked.wrong_messages), (3, 3));
    }
}
