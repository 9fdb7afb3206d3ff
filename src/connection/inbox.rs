//! Bytes that came in and are not yet consumed.
//!
//! A frame that lies within one receive is read where the kernel put it. Only what a reader leaves over is copied, and
//! joined with what comes next. The bytes go from the ring, or from the TLS filter, through here to
//! the service, which says how many it used.

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

    /// Keeps bytes back that nobody is to see yet.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
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
    /// What came last; only when nothing was carried.
    fresh: Fresh<'a>,
}

/// Bytes that came last, where they are.
#[derive(Debug)]
enum Fresh<'a> {
    /// Joined with what was carried, or there is nothing.
    None,
    /// In the buffer they were received in.
    Received(RecvBuf),
    /// In the shard's memory for what was decrypted.
    Decrypted(&'a mut [u8]),
}

/// More would have to be carried over than [`limits::INBOX_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxFull;

impl<'a> Inbox<'a> {
    /// What was carried over, and what was received. What the reader leaves is to be carried over again.
    #[inline]
    pub(crate) fn received(carried: &'a mut Carried, bytes: RecvBuf) -> Self {
        if carried.is_empty() {
            return Self { carried, fresh: Fresh::Received(bytes) };
        }
        carried.bytes.extend_from_slice(&bytes);
        Self { carried, fresh: Fresh::None }
    }

    /// What was carried over, and what was decrypted.
    pub(crate) fn decrypted(carried: &'a mut Carried, bytes: &'a mut [u8]) -> Self {
        if carried.is_empty() {
            return Self { carried, fresh: Fresh::Decrypted(bytes) };
        }
        carried.bytes.extend_from_slice(bytes);
        Self { carried, fresh: Fresh::None }
    }

    /// What was carried over.
    pub(crate) fn carried(carried: &'a mut Carried) -> Self {
        Self { carried, fresh: Fresh::None }
    }

    /// All that is there, in order.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match &self.fresh {
            Fresh::Received(bytes) => bytes,
            Fresh::Decrypted(bytes) => bytes,
            Fresh::None => &self.carried.bytes[self.carried.consumed..],
        }
    }

    /// All that is there, to be changed in place: unmasked, for example.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.fresh {
            Fresh::Received(bytes) => bytes,
            Fresh::Decrypted(bytes) => bytes,
            Fresh::None => &mut self.carried.bytes[self.carried.consumed..],
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
    #[inline]
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.bytes().len(), "no more is consumed than there is");
        match &mut self.fresh {
            Fresh::Received(bytes) => bytes.advance(count),
            Fresh::Decrypted(bytes) => *bytes = &mut std::mem::take(bytes)[count..],
            Fresh::None => self.carried.consumed += count,
        }
    }

    /// Takes all that is there, in the very buffer it was received in; `None` when it was joined or decrypted, or there
    /// is nothing: then read [`bytes`](Self::bytes).
    #[inline]
    pub fn take(&mut self) -> Option<RecvBuf> {
        match std::mem::replace(&mut self.fresh, Fresh::None) {
            Fresh::Received(bytes) => Some(bytes),
            other => {
                self.fresh = other;
                None
            }
        }
    }

    /// Frees the receive buffer: copies what the reader left.
    #[inline]
    pub(crate) fn carry(self) -> Result<(), InboxFull> {
        let Self { carried, fresh } = self;
        match fresh {
            Fresh::Received(bytes) => carried.bytes.extend_from_slice(&bytes),
            Fresh::Decrypted(bytes) => carried.bytes.extend_from_slice(bytes),
            Fresh::None => {}
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
        let mut inbox = Inbox::received(&mut carried, test_buffer(b"frame"));
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
                    let mut inbox = Inbox::received(&mut carried, test_buffer(piece));
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
        let mut inbox = Inbox::received(&mut carried, test_buffer(b"ab"));
        assert_eq!(inbox.take().as_deref(), Some(&b"ab"[..]));
        assert!(inbox.is_empty());
        inbox.carry().unwrap();
        Inbox::received(&mut carried, test_buffer(b"cd")).carry().unwrap();
        let mut inbox = Inbox::received(&mut carried, test_buffer(b"ef"));
        assert!(inbox.take().is_none());
        assert_eq!(inbox.bytes(), b"cdef");
    }

    /// What was decrypted is read like what was received.
    #[test]
    fn decrypted_bytes_are_carried_and_changed_in_place() {
        let mut carried = Carried::default();
        let mut bytes = *b"abcd";
        let mut inbox = Inbox::decrypted(&mut carried, &mut bytes);
        assert!(inbox.take().is_none());
        inbox.bytes_mut()[1] = b'B';
        inbox.consume(1);
        assert_eq!(inbox.bytes(), b"Bcd");
        inbox.carry().unwrap();
        let mut inbox = Inbox::carried(&mut carried);
        assert_eq!(inbox.bytes(), b"Bcd");
        inbox.consume(3);
        inbox.carry().unwrap();
        assert!(carried.is_empty());
    }

    #[test]
    fn more_than_the_limit_is_not_carried() {
        let mut carried = Carried::default();
        let piece = vec![0; 16 * 1024];
        for _ in 0..limits::INBOX_BYTES_MAX / piece.len() {
            Inbox::received(&mut carried, test_buffer(&piece)).carry().unwrap();
        }
        assert_eq!(Inbox::received(&mut carried, test_buffer(b"x")).carry(), Err(InboxFull));
    }
}
