//! A group of provided buffers, as the kernel keeps it: first provided, first filled.

use std::collections::VecDeque;

use crate::ring::buffers::{Pool, RecvBuf};

/// A pool and the queue of its buffers that are provided.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) pool: Pool,
    provided: VecDeque<u16>,
    /// Whether a receive takes only the part of a buffer that it fills.
    incremental: bool,
}

impl Group {
    pub(super) fn new((count, bytes): (u16, u32), incremental: bool) -> Self {
        let pool = Pool::new(count, bytes).expect("there is memory for the buffers");
        Self { pool, provided: VecDeque::with_capacity(usize::from(count)), incremental }
    }

    /// Provides what has come home.
    pub(super) fn publish(&mut self) {
        while let Some((id, _)) = self.pool.take_returned() {
            self.provided.push_back(id);
        }
    }

    /// Room in the buffer that is filled next; `None` when none is provided.
    pub(super) fn room(&self) -> Option<usize> {
        self.provided.front().map(|id| self.pool.room(*id))
    }

    /// Fills the next buffer with these bytes, for which there is room, and at least one.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> RecvBuf {
        let id = *self.provided.front().expect("who asked for room has a buffer");
        let partly = self.incremental && bytes.len() < self.pool.room(id);
        self.pool.write(id, bytes);
        if !partly {
            self.provided.pop_front();
        }
        let length = u32::try_from(bytes.len()).expect("a buffer is shorter than 4 GiB");
        self.pool.receive(id, length, partly)
    }

    /// Takes the next buffer for a receive that ends with nothing in it: a whole one goes round, of an incremental
    /// one nothing is used up (`io_kbuf_commit` in io_uring/kbuf.c).
    pub(super) fn pass_over(&mut self) {
        if self.incremental {
            return;
        }
        let id = self.provided.pop_front().expect("who asked for room has a buffer");
        self.pool.give_back(id, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(incremental: bool) -> Group {
        let mut group = Group::new((2, 8), incremental);
        group.publish();
        group
    }

    #[test]
    fn whole_buffers_take_one_receive_each_and_go_round() {
        let mut group = group(false);
        let (first, second) = (group.fill(b"a"), group.fill(b"b"));
        assert_eq!((&first[..], &second[..], group.room()), (&b"a"[..], &b"b"[..], None));
        drop(second);
        assert_eq!(group.room(), None, "it is not provided yet");
        group.publish();
        assert_eq!(group.room(), Some(8));
        group.pass_over();
        assert_eq!(group.room(), None);
    }

    #[test]
    fn incremental_buffers_are_filled_to_the_brim() {
        let mut group = group(true);
        let first = group.fill(b"abc");
        assert_eq!(group.room(), Some(5));
        group.pass_over();
        let second = group.fill(b"defgh");
        assert_eq!(group.room(), Some(8));
        drop((first, second));
        group.publish();
        group.pool.assert_all_home();
    }
}
