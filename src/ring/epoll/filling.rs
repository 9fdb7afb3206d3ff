//! Receive buffers as the twin fills them: itself, one after the other, the last one that came home first.

use std::mem::MaybeUninit;

use crate::ring::buffers::{Pool, RecvBuf};

/// A pool, and the buffer of it that is being filled.
#[derive(Debug)]
pub(super) struct Filling {
    pub(super) pool: Pool,
    current: Option<u16>,
    /// Whether a receive takes only the part of a buffer that it fills.
    incremental: bool,
}

impl Filling {
    pub(super) fn new(pool: Pool, incremental: bool) -> Self {
        Self { pool, current: None, incremental }
    }

    /// Whether there is a buffer to fill.
    pub(super) fn has_room(&mut self) -> bool {
        if self.current.is_none() {
            self.current = self.pool.take_returned().map(|(id, _)| id);
        }
        self.current.is_some()
    }

    /// Has at most so many bytes written to the current buffer, and takes them over: those that were written, and how many
    /// could have been. Of nothing no buffer is used up.
    pub(super) fn fill<T>(
        &mut self,
        most: usize,
        fill: impl FnOnce(&mut [MaybeUninit<u8>]) -> Result<usize, T>,
    ) -> Result<Filled, T> {
        let id = self.current.expect("who asked for room has a buffer");
        let room = self.pool.room(id);
        let count = self.pool.fill(id, most, fill)?;
        if count == 0 {
            return Ok(Filled { bytes: None, is_full: false });
        }
        let partly = self.incremental && count < room;
        if !partly {
            self.current = None;
        }
        let length = u32::try_from(count).expect("a buffer is shorter than 4 GiB");
        let bytes = self.pool.receive(id, length, partly);
        Ok(Filled { bytes: Some(bytes), is_full: count == room.min(most) })
    }
}

/// What was written to a buffer.
#[derive(Debug)]
pub(super) struct Filled {
    /// The bytes, if there are any.
    pub(super) bytes: Option<RecvBuf>,
    /// Whether no more of them would have fitted.
    pub(super) is_full: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filling(incremental: bool) -> Filling {
        Filling::new(Pool::new(2, 8).unwrap(), incremental)
    }

    fn fill(filling: &mut Filling, count: usize) -> Filled {
        assert!(filling.has_room());
        filling.fill(usize::MAX, |room| Ok::<_, ()>(count.min(room.len()))).unwrap()
    }

    #[test]
    fn a_whole_buffer_takes_one_receive() {
        let mut filling = filling(false);
        let (first, second) = (fill(&mut filling, 1), fill(&mut filling, 8));
        assert_eq!((first.is_full, second.is_full), (false, true));
        assert!(!filling.has_room());
        drop(second);
        assert!(filling.has_room());
        drop(first);
        filling.pool.assert_all_home();
    }

    #[test]
    fn an_incremental_buffer_is_filled_to_the_brim() {
        let mut filling = filling(true);
        let first = fill(&mut filling, 3);
        let second = fill(&mut filling, 9);
        assert_eq!(second.bytes.as_deref().map(<[u8]>::len), Some(5));
        assert_eq!((first.is_full, second.is_full), (false, true));
        let third = fill(&mut filling, 8);
        assert!(!filling.has_room());
        drop((first, second, third));
        filling.pool.assert_all_home();
    }

    #[test]
    fn what_brings_nothing_uses_no_buffer_up() {
        let mut filling = filling(false);
        assert!(fill(&mut filling, 0).bytes.is_none());
        assert_eq!(filling.pool.free(), 2);
        assert!(filling.has_room());
        assert_eq!(filling.fill(8, |_| Err("nothing is there")).unwrap_err(), "nothing is there");
        filling.pool.assert_all_home();
    }
}
