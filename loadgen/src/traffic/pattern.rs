//! What the messages say: bytes that follow from the seed, the connection and the sequence number alone.
//!
//! A message of at least [`HEADER_BYTES`] starts with its connection, lane and sequence number; the rest is a piece of
//! one table of random bytes, from a place that depends on all three. Smaller messages have no room for that: their
//! byte at position `p` of the stream is the table's byte at `p` modulo [`PERIOD`]. So writing a message is a copy and
//! checking one is a comparison, and nothing is stored per message. Nothing here knows a socket.

use std::ops::Range;
use std::sync::Arc;

use crate::random::mix;

/// Bytes in front of a message that say which one it is.
pub const HEADER_BYTES: usize = 16;
/// Places in the table where a message may start. A prime, so that a server which loses or repeats a block whose size
/// is a power of two never fits by chance.
pub const PERIOD: usize = 4093;

/// Which message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The connection, counted over the whole run.
    pub connection: u32,
    /// Which of the messages that may be in flight at once; a stream has one lane only.
    pub lane: u32,
    /// Its number on its connection, from 0.
    pub sequence: u64,
}

/// The bytes of all messages of a run.
#[derive(Clone, Debug)]
pub struct Pattern {
    table: Arc<Vec<u8>>,
    size: usize,
    seed: u64,
}

/// The first byte of a message that is not as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its place in the message.
    pub at: usize,
    /// What was sent.
    pub expected: u8,
    /// What came back.
    pub found: u8,
}

impl Message {
    /// This message and those behind it, `count` of them.
    pub fn and_following(self, count: u64) -> impl Iterator<Item = Self> {
        (0..count).map(move |offset| Self { sequence: self.sequence + offset, ..self })
    }
}

impl Pattern {
    /// Messages of `size` bytes. The same seed gives the same bytes.
    ///
    /// # Panics
    /// When `size` is 0.
    pub fn new(seed: u64, size: usize) -> Self {
        assert!(0 < size, "a message has at least one byte");
        let words = (0u64..).map(|number| mix(seed.wrapping_add(number)));
        let mut table: Vec<u8> = words.flat_map(u64::to_le_bytes).take(PERIOD + size).collect();
        if size < HEADER_BYTES {
            table.copy_within(..size, PERIOD); // So that a message which starts at the end goes on at the start.
        }
        Self { table: Arc::new(table), size, seed }
    }

    /// The same bytes in memory of their own, so that threads do not share a reference count.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self { table: Arc::new(self.table.to_vec()), ..*self }
    }

    /// Bytes of a message.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The numbers in front of a message; see [`parse`] for the way back.
    pub fn header(&self, message: Message) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&message.connection.to_le_bytes());
        header[4..8].copy_from_slice(&message.lane.to_le_bytes());
        header[8..].copy_from_slice(&message.sequence.to_le_bytes());
        header
    }

    /// What follows the header: some of the table, to share instead of to copy.
    pub fn body(&self, message: Message) -> (&Arc<Vec<u8>>, Range<usize>) {
        let start = self.start(message);
        (&self.table, start..start + self.size - self.header_bytes())
    }

    /// Appends a whole message.
    pub fn append(&self, message: Message, target: &mut Vec<u8>) {
        target.extend_from_slice(&self.header(message)[..self.header_bytes()]);
        let (table, range) = self.body(message);
        target.extend_from_slice(&table[range]);
    }

    /// Writes a whole message over `target`.
    ///
    /// # Panics
    /// When `target` has another size.
    pub fn write(&self, message: Message, target: &mut [u8]) {
        let (head, rest) = target.split_at_mut(self.header_bytes());
        head.copy_from_slice(&self.header(message)[..head.len()]);
        let (table, range) = self.body(message);
        rest.copy_from_slice(&table[range]);
    }

    /// Compares `bytes` with the message from its byte `at` on; the bytes stay within the message.
    pub fn compare(&self, message: Message, at: usize, bytes: &[u8]) -> Option<Wrong> {
        let header_left = self.header_bytes().saturating_sub(at).min(bytes.len());
        let (head, body) = bytes.split_at(header_left);
        let header = self.header(message);
        if !head.is_empty()
            && let Some(wrong) = difference(at, &header[at..at + head.len()], head)
        {
            return Some(wrong);
        }
        if body.is_empty() {
            return None;
        }
        let at = at + head.len();
        let start = self.start(message) + at - self.header_bytes();
        difference(at, &self.table[start..start + body.len()], body)
    }

    fn header_bytes(&self) -> usize {
        if self.size < HEADER_BYTES { 0 } else { HEADER_BYTES }
    }

    /// Where in the table the message's body starts.
    #[expect(clippy::cast_possible_truncation, reason = "what is below PERIOD fits")]
    fn start(&self, message: Message) -> usize {
        let stream = mix(self.seed ^ u64::from(message.connection) << 32 ^ u64::from(message.lane));
        if self.header_bytes() == 0 {
            let sequence = (message.sequence % PERIOD as u64) as usize;
            let origin = (stream % PERIOD as u64) as usize;
            return (origin + sequence * self.size) % PERIOD;
        }
        (mix(stream ^ message.sequence) % PERIOD as u64) as usize
    }
}

/// Reads the header of a message; `None` when it is too short to have one.
pub fn parse(bytes: &[u8]) -> Option<Message> {
    let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let (connection, rest) = header.split_first_chunk()?;
    let (lane, rest) = rest.split_first_chunk()?;
    let (sequence, _) = rest.split_first_chunk()?;
    Some(Message {
        connection: u32::from_le_bytes(*connection),
        lane: u32::from_le_bytes(*lane),
        sequence: u64::from_le_bytes(*sequence),
    })
}

/// The first difference of two slices of one length, whose first byte is the message's byte `at`.
fn difference(at: usize, expected: &[u8], found: &[u8]) -> Option<Wrong> {
    if expected == found {
        return None; // One comparison of the whole, which is all that a correct server costs.
    }
    let offset = expected.iter().zip(found).position(|(one, two)| one != two)?;
    Some(Wrong { at: at + offset, expected: expected[offset], found: found[offset] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(connection: u32, lane: u32, sequence: u64) -> Message {
        Message { connection, lane, sequence }
    }

    fn bytes(pattern: &Pattern, message: Message) -> Vec<u8> {
        let mut bytes = Vec::new();
        pattern.append(message, &mut bytes);
        bytes
    }

    #[test]
    fn a_message_says_who_it_is() {
        let pattern = Pattern::new(1, 64);
        let sent = message(7, 3, 0x0102_0304_0506_0708);
        let bytes = bytes(&pattern, sent);
        assert_eq!(bytes.len(), 64);
        assert_eq!(bytes[..16], [7, 0, 0, 0, 3, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(parse(&bytes), Some(sent));
        assert_eq!(parse(&bytes[..15]), None);
    }

    #[test]
    fn seed_connection_lane_and_sequence_change_the_bytes() {
        let body = |seed, sent| bytes(&Pattern::new(seed, 64), sent)[16..].to_vec();
        let first = body(1, message(1, 1, 1));
        for (seed, sent) in
            [(2, message(1, 1, 1)), (1, message(2, 1, 1)), (1, message(1, 2, 1)), (1, message(1, 1, 2))]
        {
            assert_ne!(first, body(seed, sent), "{seed} {sent:?}");
        }
        assert_eq!(first, body(1, message(1, 1, 1)));
    }

    #[test]
    fn small_messages_continue_one_stream() {
        for size in 1..HEADER_BYTES {
            let pattern = Pattern::new(9, size);
            let stream: Vec<u8> = (0..2 * PERIOD as u64)
                .flat_map(|sequence| bytes(&pattern, message(5, 0, sequence)))
                .collect();
            assert!(stream.iter().zip(&stream[PERIOD..]).all(|(one, two)| one == two), "size {size}");
            assert_ne!(stream[..PERIOD / 2], stream[PERIOD / 2..PERIOD - 1], "size {size}");
        }
    }

    #[test]
    fn every_wrong_byte_is_found_in_every_cut() {
        for size in [1, 15, 16, 17, 64] {
            let pattern = Pattern::new(3, size);
            let sent = message(2, 0, 12);
            let good = bytes(&pattern, sent);
            for wrong in 0..size {
                let mut bad = good.clone();
                bad[wrong] ^= 0x40;
                for cut in 0..=size {
                    assert_eq!(pattern.compare(sent, 0, &good[..cut]), None);
                    assert_eq!(pattern.compare(sent, cut, &good[cut..]), None);
                    let found = pattern.compare(sent, 0, &bad[..cut]);
                    let found = found.or_else(|| pattern.compare(sent, cut, &bad[cut..]));
                    let expected = Wrong { at: wrong, expected: good[wrong], found: bad[wrong] };
                    assert_eq!(found, Some(expected), "size {size}, byte {wrong}, cut at {cut}");
                }
            }
        }
    }

    /// Its body starts so near the table's start that a place within the header would lie before it.
    #[test]
    fn a_piece_that_ends_within_the_header_needs_no_body() {
        let pattern = Pattern::new(3, 64);
        let sent =
            (0..).map(|sequence| message(2, 0, sequence)).find(|sent| pattern.start(*sent) == 0).unwrap();
        let good = bytes(&pattern, sent);
        for cut in 0..=HEADER_BYTES {
            assert_eq!(pattern.compare(sent, 0, &good[..cut]), None, "cut at {cut}");
            assert_eq!(pattern.compare(sent, cut, &good[cut..]), None, "cut at {cut}");
        }
    }

    #[test]
    fn written_appended_and_shared_bytes_are_the_same() {
        for size in [1, 16, 100] {
            let pattern = Pattern::new(4, size).duplicate();
            let sent = message(1, 2, 3);
            let mut written = vec![0; size];
            pattern.write(sent, &mut written);
            assert_eq!(written, bytes(&pattern, sent));
            let (table, range) = pattern.body(sent);
            assert!(written.ends_with(&table[range]));
        }
    }
}
