//! Memory for what many connections are sent, used again when the last of them has it.

use std::collections::VecDeque;
use std::sync::Arc;

/// Buffers that are lent to sends, and come back by themselves: one is free again when nobody else holds it.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Lent, the longest first.
    lent: VecDeque<Arc<Vec<u8>>>,
    /// Their memory.
    lent_bytes: usize,
    /// How many of them, from the oldest on, are to be looked at because some may have come home.
    due: usize,
    /// How many were lent since they were looked at.
    fresh: usize,
    /// Empty ones.
    free: Vec<Vec<u8>>,
    /// Their memory.
    free_bytes: usize,
    /// What counted the readers of buffers that came home.
    shells: Vec<Arc<Vec<u8>>>,
}

/// Memory of empty buffers that is kept.
const FREE_BYTES_MAX: usize = 16 << 20;
/// Empty buffers that are kept.
const FREE_MAX: usize = 16 << 10;
/// Lent buffers that are looked at in each turn, beside as many as it has lent itself: so those whose readers are slow
/// pass by, and none is looked at for nothing very often.
const LOOKED_AT: usize = 4;

impl Buffers {
    /// An empty buffer to write to.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let buffer = self.free.pop().unwrap_or_default();
        self.free_bytes -= buffer.capacity();
        buffer
    }

    /// Gives a buffer back that was not lent.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        if 0 < bytes && self.free.len() < FREE_MAX && self.free_bytes + bytes <= FREE_BYTES_MAX {
            buffer.clear();
            self.free_bytes += bytes;
            self.free.push(buffer);
        }
    }

    /// Lends a written buffer to any number of sends.
    pub(super) fn lend(&mut self, buffer: Vec<u8>) -> Arc<Vec<u8>> {
        let shared = match self.shells.pop() {
            Some(mut shell) => {
                *Arc::get_mut(&mut shell).expect("nobody else holds it") = buffer;
                shell
            }
            None => Arc::new(buffer),
        };
        self.fresh += 1;
        self.lent_bytes += shared.capacity();
        self.lent.push_back(Arc::clone(&shared));
        shared
    }

    /// Takes back those that nobody holds any more, from the oldest on.
    pub(super) fn collect(&mut self) {
        let count = 2 * std::mem::take(&mut self.fresh) + LOOKED_AT;
        self.look_at(count);
    }

    /// Sends have ended: some that were lent may have come home.
    #[inline]
    pub(super) fn may_be_home(&mut self) {
        self.due = self.lent.len();
    }

    /// Whether some may have come home that were not looked at since.
    pub(super) fn has_due(&self) -> bool {
        self.due != 0
    }

    /// Takes back those that have come home of at most so many.
    pub(super) fn collect_due(&mut self, most: usize) {
        self.look_at(self.due.min(most));
    }

    fn look_at(&mut self, count: usize) {
        let count = count.min(self.lent.len());
        for _ in 0..count {
            let Some(mut shared) = self.lent.pop_front() else { break };
            match Arc::get_mut(&mut shared) {
                Some(buffer) => {
                    let buffer = std::mem::take(buffer);
                    self.lent_bytes -= buffer.capacity();
                    self.give(buffer);
                    if self.shells.len() < FREE_MAX {
                        self.shells.push(shared);
                    }
                }
                None => self.lent.push_back(shared),
            }
        }
        self.due = self.due.saturating_sub(count).min(self.lent.len());
    }

    /// Bytes that are lent, as far as is known.
    pub(super) fn lent_bytes(&self) -> usize {
        self.lent_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_the_last_reader_has_it() {
        let mut buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.extend_from_slice(b"some bytes");
        let place = buffer.as_ptr();
        let (one, other) = (buffers.lend(buffer), ());
        buffers.collect();
        assert_eq!(buffers.take().capacity(), 0, "it is lent");
        drop((one, other));
        buffers.collect();
        let again = buffers.take();
        assert!(again.is_empty());
        assert_eq!((again.as_ptr(), buffers.lent_bytes()), (place, 0));
    }

    #[test]
    fn kept_memory_has_a_bound() {
        let mut buffers = Buffers::default();
        for _ in 0..32 {
            buffers.give(Vec::with_capacity(1 << 20));
        }
        assert_eq!(buffers.free.len(), 16);
    }

    /// One reader is slow: what it holds does not keep others from coming home.
    #[test]
    fn slow_readers_pass_by() {
        let mut buffers = Buffers::default();
        let _slow: Vec<_> = (0..10).map(|_| buffers.lend(vec![1])).collect();
        for _ in 0..100 {
            drop(buffers.lend(vec![2]));
            buffers.collect();
        }
        assert!(buffers.lent.len() <= 12, "{} are still lent", buffers.lent.len());
    }
    /// What is lent is counted, whoever brings it home, and in whatever order.
    #[test]
    fn the_count_of_lent_bytes_is_exact() {
        let mut buffers = Buffers::default();
        let mut held: VecDeque<_> =
            (1..=100).map(|length| buffers.lend(Vec::with_capacity(length))).collect();
        let sum = |held: &VecDeque<Arc<Vec<u8>>>| held.iter().map(|one| one.capacity()).sum::<usize>();
        while !held.is_empty() {
            assert_eq!(buffers.lent_bytes(), sum(&held));
            held.rotate_left(7 % held.len());
            held.truncate(held.len().saturating_sub(3));
            buffers.may_be_home();
            while buffers.has_due() {
                buffers.collect_due(8);
            }
        }
        assert_eq!((buffers.lent_bytes(), buffers.lent.len()), (0, 0));
    }
}
