//! A provided-buffer ring: the queue through which buffers go to the kernel.

#![allow(unsafe_code, reason = "writes to a queue that is shared with the kernel")]

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

use super::buffers::Pool;
use crate::sys::memory::Region;

/// `IOU_PBUF_RING_INC`: a receive takes only the part of a buffer that it fills.
const INCREMENTAL: u16 = 2;

/// One group of buffers and its queue.
pub(super) struct Provided {
    /// The buffers. Dropped after the ring is closed, as all of [`super::Uring`]'s memory.
    pub(super) pool: Pool,
    /// Whether a receive takes only the part of a buffer that it fills.
    pub(super) incremental: bool,
    queue: Region,
    tail: u16,
}

impl Provided {
    /// Registers an empty queue for `pool` under the number `group`.
    pub(super) fn register(
        submitter: &Submitter<'_>,
        pool: Pool,
        group: u16,
        incremental: bool,
    ) -> io::Result<Self> {
        let count = pool.count();
        let queue = Region::new(usize::from(count) * size_of::<BufRingEntry>())?;
        let flags = if incremental { INCREMENTAL } else { 0 };
        let address = queue.base().as_ptr() as u64;
        // SAFETY: the queue is page-aligned, zeroed, has room for `count` entries, and lives until `Uring` has
        // closed the ring (the order of its fields); nobody else has this group.
        unsafe { submitter.register_buf_ring_with_flags(address, count, group, flags) }?;
        Ok(Self { pool, incremental, queue, tail: 0 })
    }

    /// Provides all buffers that have come home, with one store of the tail.
    pub(super) fn publish(&mut self) {
        if !self.pool.has_returned() {
            return;
        }
        while let Some((id, address)) = self.pool.take_returned() {
            self.write_entry(id, address.as_ptr() as u64);
            self.tail = self.tail.wrapping_add(1);
        }
        let first = self.queue.base().cast::<BufRingEntry>();
        // SAFETY: the queue holds at least one entry, and the tail of the queue lies in the first one's reserved field.
        let tail = unsafe { BufRingEntry::tail(first.as_ptr()) };
        // SAFETY: `tail` is an aligned u16 within the queue; the kernel only reads it.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        // Pairs with the kernel's acquire: it sees the entries before it sees the tail.
        tail.store(self.tail, Ordering::Release);
    }

    fn write_entry(&mut self, id: u16, address: u64) {
        let place = usize::from(self.tail & (self.pool.count() - 1));
        let entries = self.queue.base().cast::<BufRingEntry>();
        // SAFETY: `place` is below the number of entries, because the count is a power of two.
        let entry = unsafe { entries.add(place) };
        // SAFETY: the entry lies in the queue, and the kernel does not read it before the tail passes it: there are
        // as many places as buffers, and this buffer is not in the queue.
        let entry = unsafe { &mut *entry.as_ptr() };
        entry.set_addr(address);
        entry.set_len(self.pool.buffer_bytes());
        entry.set_bid(id);
    }
}
