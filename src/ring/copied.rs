//! Bytes that are copied for one peer, in memory that is used again.
//!
//! A small message costs each of its receivers a copy of their own. That the memory comes from the allocator each time would
//! show; so every thread, that is every shard, keeps what its sends have brought home.

use std::cell::RefCell;
use std::ops::Deref;

use crate::limits;

/// Copied bytes, from a mark on. When they are dropped, their memory is kept for others of this thread.
#[derive(Debug)]
pub struct Copied {
    bytes: Vec<u8>,
    start: usize,
}

impl Copied {
    /// No bytes yet, and room for so many.
    pub fn with_room(bytes: usize) -> Self {
        Self { bytes: take(bytes), start: 0 }
    }

    /// These bytes, from a mark on.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn from_mark(bytes: Vec<u8>, start: usize) -> Self {
        assert!(start <= bytes.len(), "a mark is among the bytes");
        Self { bytes, start }
    }

    /// The memory, with all that was written to it, for whoever keeps it himself.
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Appends a copy.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            self.grow(self.bytes.len() + bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Moves to memory with room for so many bytes, or twice as much as there is.
    fn grow(&mut self, bytes: usize) {
        let larger = take(bytes.max(2 * self.bytes.capacity()));
        let smaller = std::mem::replace(&mut self.bytes, larger);
        self.bytes.extend_from_slice(&smaller);
        give(smaller);
    }

    /// Has `write` append something.
    pub fn push_with<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let before = self.bytes.len();
        let result = write(&mut self.bytes);
        debug_assert!(before <= self.bytes.len(), "what was written stays");
        result
    }

    /// Forgets the first so many bytes.
    pub(super) fn advance(&mut self, count: usize) {
        self.start += count;
    }
}

impl From<Vec<u8>> for Copied {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_mark(bytes, 0)
    }
}

impl From<&[u8]> for Copied {
    fn from(bytes: &[u8]) -> Self {
        let mut copied = Self::with_room(bytes.len());
        copied.push(bytes);
        copied
    }
}

impl Deref for Copied {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.bytes));
    }
}

/// An empty vector with room for so many bytes.
fn take(room: usize) -> Vec<u8> {
    // A thread that ends has nothing any more.
    let kept = KEPT.try_with(|kept| kept.borrow_mut().take(room));
    let mut vector = kept.ok().flatten().unwrap_or_default();
    vector.reserve_exact(room);
    vector
}

/// Keeps the memory of a vector.
fn give(vector: Vec<u8>) {
    // A thread that ends keeps nothing.
    let _ = KEPT.try_with(|kept| kept.borrow_mut().give(vector));
}

thread_local! {
    static KEPT: RefCell<Kept> =
        const { RefCell::new(Kept { small: Vec::new(), large: Vec::new(), bytes: 0 }) };
}

/// Empty vectors whose memory is kept, the last that came home on top: the cache knows it best.
struct Kept {
    /// With room for at most [`limits::COPY_SMALL_BYTES`].
    small: Vec<Vec<u8>>,
    /// With room for at most [`limits::COPY_PART_BYTES`].
    large: Vec<Vec<u8>>,
    bytes: usize,
}

impl Kept {
    fn take(&mut self, room: usize) -> Option<Vec<u8>> {
        let vector = self.kind(room)?.pop()?;
        self.bytes -= vector.capacity();
        Some(vector)
    }

    fn give(&mut self, mut vector: Vec<u8>) {
        let bytes = vector.capacity();
        if bytes == 0 || limits::COPIES_KEPT_BYTES < self.bytes + bytes {
            return;
        }
        let Some(kind) = self.kind(bytes) else { return };
        vector.clear();
        kind.push(vector);
        self.bytes += bytes;
    }

    /// Those with room for so many bytes; `None`, no such are kept.
    fn kind(&mut self, room: usize) -> Option<&mut Vec<Vec<u8>>> {
        if room <= limits::COPY_SMALL_BYTES {
            Some(&mut self.small)
        } else if room <= limits::COPY_PART_BYTES {
            Some(&mut self.large)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a thread of its own, which has kept nothing yet.
    fn alone(test: impl FnOnce() + Send + 'static) {
        std::thread::spawn(test).join().unwrap();
    }

    fn kept() -> (usize, usize) {
        KEPT.with_borrow(|kept| (kept.small.len() + kept.large.len(), kept.bytes))
    }

    #[test]
    fn the_memory_of_what_was_sent_is_used_again() {
        alone(|| {
            let first = Copied::from(&b"some bytes"[..]);
            let place = first.as_ptr();
            drop(first);
            let second = Copied::from(&b"others"[..]);
            assert_eq!((&*second, second.as_ptr()), (&b"others"[..], place));
            assert_eq!(kept(), (0, 0));
        });
    }

    #[test]
    fn bytes_are_forgotten_from_the_front() {
        let mut bytes = Copied::from(b"abcdef".to_vec());
        bytes.advance(2);
        bytes.push(b"g");
        bytes.push_with(|out| out.push(b'h'));
        assert_eq!(&*bytes, b"cdefgh");
    }

    /// What grows beyond the small ones takes a large one, and leaves its own for the next.
    #[test]
    fn what_grows_moves_to_larger_memory() {
        alone(|| {
            drop(Copied::with_room(limits::COPY_PART_BYTES));
            let mut grows = Copied::from(&[1; 900][..]);
            let place = grows.as_ptr();
            (0..30).for_each(|_| grows.push(&[1; 100]));
            assert_eq!(&*grows, [1; 3900]);
            assert_eq!(Copied::from(&b"small"[..]).as_ptr(), place);
            drop(grows);
            assert_eq!(kept(), (2, 900 + limits::COPY_PART_BYTES));
        });
    }

    /// What is kept has a bound, and nothing large is kept at all.
    #[test]
    fn kept_memory_has_a_bound() {
        alone(|| {
            drop(Copied::from(vec![0; limits::COPY_PART_BYTES + 1]));
            assert_eq!(kept(), (0, 0));
            let most = limits::COPIES_KEPT_BYTES / limits::COPY_PART_BYTES;
            let many: Vec<_> = (0..most + 9).map(|_| Copied::with_room(limits::COPY_PART_BYTES)).collect();
            drop(many);
            assert_eq!(kept(), (most, limits::COPIES_KEPT_BYTES));
        });
    }
}
