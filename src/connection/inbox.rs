//! Bytes that came in and are not yet consumed.
//!
//! A frame that lies within one receive is read where the kernel put it. Only what a reader leaves over is copied, and
//! joined with what comes next. The bytes go from the ring through here to the service, which says how many it used.

use crate::limits;
use crate::ring::RecvBuf;

/// What one peer sent and nobody consumed.
#[derive(Debug, Default)]
pub struct Inbox {
    /// What was left over from earlier receives. It comes before `fresh`.
    carried: Vec<u8>,
    /// Bytes of `carried` that are consumed already.
    consumed: usize,
    /// What came last, where it was received.
    fresh: Option<RecvBuf>,
}

/// More would have to be carried over than [`limits::INBOX_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxFull;

impl Inbox {
    /// Puts in what was received. The reader is asked right afterwards; what it leaves is [`carried over`](Self::carry).
    pub(crate) fn receive(&mut self, bytes: RecvBuf) {
        debug_assert!(self.fresh.is_none(), "`carry` comes between two receives");
        if self.carried.is_empty() {
            self.fresh = Some(bytes);
        } else {
            self.carried.extend_from_slice(&bytes);
        }
    }

    /// All that is there, in order.
    pub fn bytes(&self) -> &[u8] {
        match &self.fresh {
            Some(bytes) => bytes,
            None => &self.carried[self.consumed..],
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Forgets the first `count` bytes.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn consume(&mut self, count: usize) {
        match &mut self.fresh {
            Some(bytes) => bytes.advance(count),
            None => {
                assert!(count <= self.carried.len() - self.consumed, "no more is consumed than there is");
                self.consumed += count;
            }
        }
    }

    /// Takes all that is there, in the very buffer it was received in; `None` when it had to be joined, or there is
    /// nothing: then read [`bytes`](Self::bytes).
    pub fn take(&mut self) -> Option<RecvBuf> {
        self.fresh.take()
    }

    /// Bytes that were copied to wait for the rest of their frame.
    pub fn carried_bytes(&self) -> usize {
        self.carried.len()
    }

    /// Frees the receive buffer: copies what the reader left.
    pub(crate) fn carry(&mut self) -> Result<(), InboxFull> {
        if let Some(bytes) = self.fresh.take() {
            self.carried.extend_from_slice(&bytes);
        }
        if self.carried.is_empty() {
            return Ok(());
        }
        self.carried.drain(..self.consumed);
        self.consumed = 0;
        if self.carried.is_empty() {
            // An idle connection keeps no memory for a frame that it once had.
            self.carried = Vec::new();
        }
        if self.carried.len() <= limits::INBOX_BYTES_MAX { Ok(()) } else { Err(InboxFull) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::buffers::test_buffer;

    #[test]
    fn what_is_consumed_whole_is_never_copied() {
        let mut inbox = Inbox::default();
        inbox.receive(test_buffer(b"frame"));
        assert_eq!(inbox.bytes(), b"frame");
        inbox.consume(5);
        inbox.carry().unwrap();
        assert_eq!(inbox.carried.capacity(), 0);
        assert!(inbox.is_empty());
    }

    /// A stream cut at every pair of bytes reads the same.
    #[test]
    fn frames_of_three_bytes_come_out_whole_wherever_they_are_cut() {
        let stream = b"abcdefghi";
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let mut inbox = Inbox::default();
                let mut frames = Vec::new();
                for piece in [&stream[..first], &stream[first..second], &stream[second..]] {
                    inbox.receive(test_buffer(piece));
                    while 3 <= inbox.bytes().len() {
                        frames.push(inbox.bytes()[..3].to_vec());
                        inbox.consume(3);
                    }
                    inbox.carry().unwrap();
                }
                assert_eq!(frames, [b"abc", b"def", b"ghi"], "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn the_received_buffer_can_be_taken_only_when_nothing_was_carried() {
        let mut inbox = Inbox::default();
        inbox.receive(test_buffer(b"ab"));
        assert_eq!(inbox.take().as_deref(), Some(&b"ab"[..]));
        assert!(inbox.is_empty());
        inbox.receive(test_buffer(b"cd"));
        inbox.carry().unwrap();
        inbox.receive(test_buffer(b"ef"));
        assert!(inbox.take().is_none());
        assert_eq!(inbox.bytes(), b"cdef");
    }

    #[test]
    fn more_than_the_limit_is_not_carried() {
        let mut inbox = Inbox::default();
        let piece = vec![0; 16 * 1024];
        for _ in 0..limits::INBOX_BYTES_MAX / piece.len() {
            inbox.receive(test_buffer(&piece));
            inbox.carry().unwrap();
        }
        inbox.receive(test_buffer(b"x"));
        assert_eq!(inbox.carry(), Err(InboxFull));
    }
}
