//! Bytes that came in and are not yet consumed.
//!
//! A frame that lies within one receive is read where the kernel put it. Only what a reader leaves over is copied, and
//! joined with what comes next. The bytes go from the ring through here to the service, which says how many it used.

use crate::limits;
use crate::ring::RecvBuf;

/// What was left over from earlier receives: all that a connection keeps of what came in.
#[derive(Debug, Default)]
pub struct Carried {
    bytes: Vec<u8>,
    /// Bytes that are consumed already, from the first on.
    consumed: usize,
}

impl Carried {
    /// How many bytes wait for the rest of their frame.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// What one peer sent and nobody consumed. It exists while its reader is asked, and not longer.
#[derive(Debug)]
pub struct Inbox<'a> {
    /// It comes before `fresh`.
    carried: &'a mut Carried,
    /// What came last, where it was received.
    fresh: Option<RecvBuf>,
}

/// More would have to be carried over than [`limits::INBOX_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxFull;

impl<'a> Inbox<'a> {
    /// What was carried over, and what was received. What the reader leaves is to be carried over again.
    #[inline]
    pub(crate) fn new(carried: &'a mut Carried, bytes: RecvBuf) -> Self {
        if carried.is_empty() {
            return Self { carried, fresh: Some(bytes) };
        }
        carried.bytes.extend_from_slice(&bytes);
        Self { carried, fresh: None }
    }

    /// All that is there, in order.
    pub fn bytes(&self) -> &[u8] {
        match &self.fresh {
            Some(bytes) => bytes,
            None => &self.carried.bytes[self.carried.consumed..],
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
        assert!(count <= self.bytes().len(), "no more is consumed than there is");
        match &mut self.fresh {
            Some(bytes) => bytes.advance(count),
            None => self.carried.consumed += count,
        }
    }

    /// Takes all that is there, in the very buffer it was received in; `None` when it had to be joined, or there is
    /// nothing: then read [`bytes`](Self::bytes).
    #[inline]
    pub fn take(&mut self) -> Option<RecvBuf> {
        self.fresh.take()
    }

    /// Frees the receive buffer: copies what the reader left.
    #[inline]
    pub(crate) fn carry(self) -> Result<(), InboxFull> {
        let Self { carried, fresh } = self;
        if let Some(bytes) = fresh {
            carried.bytes.extend_from_slice(&bytes);
        }
        if carried.is_empty() {
            return Ok(());
        }
        carried.bytes.drain(..carried.consumed);
        carried.consumed = 0;
        if carried.is_empty() {
            // An idle connection keeps no memory for a frame that it once had.
            *carried = Carried::default();
        }
        if carried.len() <= limits::INBOX_BYTES_MAX { Ok(()) } else { Err(InboxFull) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::buffers::test_buffer;

    #[test]
    fn what_is_consumed_whole_is_never_copied() {
        let mut carried = Carried::default();
        let mut inbox = Inbox::new(&mut carried, test_buffer(b"frame"));
        assert_eq!(inbox.bytes(), b"frame");
        inbox.consume(5);
        assert!(inbox.is_empty());
        inbox.carry().unwrap();
        assert_eq!(carried.bytes.capacity(), 0);
    }

    /// A stream cut at every pair of bytes reads the same.
    #[test]
    fn frames_of_three_bytes_come_out_whole_wherever_they_are_cut() {
        let stream = b"abcdefghi";
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let mut carried = Carried::default();
                let mut frames = Vec::new();
                for piece in [&stream[..first], &stream[first..second], &stream[second..]] {
                    let mut inbox = Inbox::new(&mut carried, test_buffer(piece));
                    while 3 <= inbox.bytes().len() {
                        frames.push(inbox.bytes()[..3].to_vec());
                        inbox.consume(3);
                    }
                    inbox.carry().unwrap();
                }
                assert_eq!(frames, [b"abc", b"def", b"ghi"], "cut at {first} and {second}");
                assert!(carried.is_empty());
            }
        }
    }

    #[test]
    fn the_received_buffer_can_be_taken_only_when_nothing_was_carried() {
        let mut carried = Carried::default();
        let mut inbox = Inbox::new(&mut carried, test_buffer(b"ab"));
        assert_eq!(inbox.take().as_deref(), Some(&b"ab"[..]));
        assert!(inbox.is_empty());
        inbox.carry().unwrap();
        Inbox::new(&mut carried, test_buffer(b"cd")).carry().unwrap();
        let mut inbox = Inbox::new(&mut carried, test_buffer(b"ef"));
        assert!(inbox.take().is_none());
        assert_eq!(inbox.bytes(), b"cdef");
    }

    #[test]
    fn more_than_the_limit_is_not_carried() {
        let mut carried = Carried::default();
        let piece = vec![0; 16 * 1024];
        for _ in 0..limits::INBOX_BYTES_MAX / piece.len() {
            Inbox::new(&mut carried, test_buffer(&piece)).carry().unwrap();
        }
        assert_eq!(Inbox::new(&mut carried, test_buffer(b"x")).carry(), Err(InboxFull));
    }
}
