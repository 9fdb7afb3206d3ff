//! Receive buffers: memory that the kernel fills, and the move-only handles through which the rest reads it.
//!
//! A buffer goes round: it is provided to the kernel, filled by one receive (or, incrementally, by several), read
//! through one [`RecvBuf`] per receive, and provided again when the kernel is done with it and the last handle is
//! dropped. Dropping is the only way to return a handle, and a handle cannot be copied: so a buffer can be returned
//! neither twice nor never. One `Pool` belongs to one shard; handles do not leave their thread.

#![allow(unsafe_code, reason = "reads and writes memory that is shared with the kernel")]

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::slice;

use crate::sys::memory::Region;

/// The buffers of one group.
#[derive(Debug)]
pub struct Pool(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    region: Region,
    buffer_bytes: u32,
    buffers: Box<[Buffer]>,
    /// Buffers that have come home and are to be provided to the kernel again.
    returned: RefCell<Vec<u16>>,
    /// Buffers that the kernel has, or can have at its next turn.
    free: Cell<u16>,
}

/// What is known of one buffer.
#[derive(Debug, Default)]
struct Buffer {
    /// Bytes that the kernel has filled since the buffer was provided.
    filled: Cell<u32>,
    /// Handles that read from it.
    handles: Cell<u16>,
    /// Whether the kernel may still write to it, behind `filled`.
    provided: Cell<bool>,
}

impl Pool {
    /// Maps `count` buffers of `buffer_bytes` each, all of them returned: the first look at what was returned yields
    /// them all.
    ///
    /// # Errors
    /// What `mmap(2)` says.
    pub fn new(count: u16, buffer_bytes: u32) -> io::Result<Self> {
        let region = Region::new(usize::from(count) * buffer_bytes as usize)?;
        let buffers = (0..count).map(|_| Buffer::default()).collect();
        let returned = RefCell::new((0..count).rev().collect());
        Ok(Self(Rc::new(Shared { region, buffer_bytes, buffers, returned, free: Cell::new(count) })))
    }

    /// How many buffers there are.
    pub fn count(&self) -> u16 {
        u16::try_from(self.0.buffers.len()).expect("`new` takes a u16")
    }

    /// Bytes of one buffer.
    pub fn buffer_bytes(&self) -> u32 {
        self.0.buffer_bytes
    }

    /// Buffers that nobody holds.
    pub fn free(&self) -> u16 {
        self.0.free.get()
    }

    /// Whether buffers wait to be provided again.
    pub(super) fn has_returned(&self) -> bool {
        !self.0.returned.borrow().is_empty()
    }

    /// The next buffer to provide to the kernel, with its address; the last one returned comes first, because it is
    /// the likeliest to be in the cache.
    pub(super) fn take_returned(&self) -> Option<(u16, NonNull<u8>)> {
        let id = self.0.returned.borrow_mut().pop()?;
        let buffer = self.0.buffer(id);
        assert!(!buffer.provided.get(), "buffer {id} is provided twice");
        assert_eq!(buffer.handles.get(), 0, "buffer {id} is provided while it is read");
        buffer.filled.set(0);
        buffer.provided.set(true);
        Some((id, self.0.address(id, 0)))
    }

    /// Takes over the `bytes` bytes that the kernel has just written to buffer `id`. With `partly` the kernel goes
    /// on filling the same buffer behind them (`IORING_CQE_F_BUF_MORE`).
    pub(super) fn receive(&self, id: u16, bytes: u32, partly: bool) -> RecvBuf {
        let buffer = self.0.buffer(id);
        assert!(buffer.provided.get(), "the kernel filled buffer {id}, which it does not have");
        let offset = buffer.filled.get();
        let filled = offset.checked_add(bytes).filter(|filled| *filled <= self.0.buffer_bytes);
        buffer.filled.set(filled.expect("the kernel stays within the buffer"));
        buffer.handles.set(buffer.handles.get().checked_add(1).expect("a handle takes a byte of the buffer"));
        if !partly {
            buffer.provided.set(false);
            self.0.free.set(self.0.free.get() - 1);
        }
        RecvBuf { pool: Rc::clone(&self.0), id, offset, bytes }
    }

    /// Gives back a buffer that a receive ended with and put nothing into.
    pub(super) fn give_back(&self, id: u16, partly: bool) {
        drop(self.receive(id, 0, partly));
    }

    /// Writes to the part of a provided buffer that is still unfilled: what a simulated kernel does.
    pub(super) fn write(&self, id: u16, bytes: &[u8]) {
        let buffer = self.0.buffer(id);
        assert!(buffer.provided.get(), "only a provided buffer may be written");
        let room = (self.0.buffer_bytes - buffer.filled.get()) as usize;
        assert!(bytes.len() <= room, "a write stays within the buffer");
        let target = self.0.address(id, buffer.filled.get());
        // SAFETY: `target` starts the unfilled rest of buffer `id`, which has room for `bytes` (asserted above). No
        // handle reads it, since handles cover filled bytes only, and `bytes` is a reference, so it does not overlap
        // memory that no reference covers.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target.as_ptr(), bytes.len()) };
    }

    /// Lets `fill` write to the unfilled part of a provided buffer, to at most so many bytes of it; it answers with how many
    /// it has written. What it says otherwise is passed on.
    pub(super) fn fill<T>(
        &self,
        id: u16,
        most: usize,
        fill: impl FnOnce(&mut [MaybeUninit<u8>]) -> Result<usize, T>,
    ) -> Result<usize, T> {
        let buffer = self.0.buffer(id);
        // Nobody else may write to it meanwhile: what is not provided is not written.
        assert!(buffer.provided.replace(false), "only a provided buffer may be written");
        let room = self.room(id).min(most);
        let start = self.0.address(id, buffer.filled.get()).cast::<MaybeUninit<u8>>();
        // SAFETY: `start` starts the unfilled rest of buffer `id`, which has at least `room` bytes and belongs to the mapping
        // that `self` keeps. No handle reads it, since handles cover filled bytes only; nobody else writes it, since `write`
        // and `fill` assert that it is provided, which it is not until this call ends. Zeroed memory is initialised.
        let unfilled = unsafe { slice::from_raw_parts_mut(start.as_ptr(), room) };
        let result = fill(unfilled);
        buffer.provided.set(true);
        result.inspect(|count| assert!(*count <= room, "no more is written than there is room"))
    }

    /// Bytes that still fit into a provided buffer.
    pub(super) fn room(&self, id: u16) -> usize {
        (self.0.buffer_bytes - self.0.buffer(id).filled.get()) as usize
    }

    /// Asserts that every buffer is at home: none filled and none read.
    ///
    /// # Panics
    /// When a handle is still held somewhere.
    pub fn assert_all_home(&self) {
        assert_eq!(self.free(), self.count(), "a receive buffer is still held");
        for (id, buffer) in self.0.buffers.iter().enumerate() {
            assert_eq!(buffer.handles.get(), 0, "receive buffer {id} is still read");
        }
    }
}

impl Shared {
    fn buffer(&self, id: u16) -> &Buffer {
        &self.buffers[usize::from(id)]
    }

    fn address(&self, id: u16, offset: u32) -> NonNull<u8> {
        assert!(usize::from(id) < self.buffers.len(), "buffer {id} exists");
        assert!(offset <= self.buffer_bytes, "an offset stays within the buffer");
        let start = usize::from(id) * self.buffer_bytes as usize + offset as usize;
        // SAFETY: the region has `count * buffer_bytes` bytes, and `id` and `offset` were checked against both, so
        // the sum stays within (or one past the end of) that one mapping.
        unsafe { self.region.base().add(start) }
    }

    fn release(&self, id: u16) {
        let buffer = self.buffer(id);
        let handles = buffer.handles.get().checked_sub(1).expect("a handle is released once");
        buffer.handles.set(handles);
        if handles == 0 && !buffer.provided.get() {
            self.returned.borrow_mut().push(id);
            self.free.set(self.free.get() + 1);
        }
    }
}

/// Bytes that one receive brought, where the kernel put them. Dropping it gives the memory back.
pub struct RecvBuf {
    pool: Rc<Shared>,
    id: u16,
    offset: u32,
    bytes: u32,
}

impl RecvBuf {
    /// Plants the bug that handles make impossible: the buffer is returned although it is still read.
    #[cfg(test)]
    pub(crate) fn plant_double_return(&self) {
        self.pool.returned.borrow_mut().push(self.id);
    }

    /// Forgets the first `count` bytes, as after they were parsed or sent.
    ///
    /// # Panics
    /// When there are fewer.
    #[expect(clippy::cast_possible_truncation, reason = "count is at most `bytes`, a u32")]
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.len(), "cannot advance by {count} of {} bytes", self.len());
        self.offset += count as u32;
        self.bytes -= count as u32;
    }

    /// Keeps the first `count` bytes only.
    pub fn truncate(&mut self, count: usize) {
        self.bytes = self.bytes.min(u32::try_from(count).unwrap_or(u32::MAX));
    }
}

impl Deref for RecvBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let start = self.pool.address(self.id, self.offset);
        // SAFETY: the `bytes` bytes at `start` lie within buffer `id` (checked by `receive`, narrowed since), were
        // written before the completion that made this handle, and are written again only after the buffer was
        // provided again, which waits for this handle's drop. The mapping lives as long as `self.pool`.
        unsafe { slice::from_raw_parts(start.as_ptr(), self.bytes as usize) }
    }
}

impl DerefMut for RecvBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        let start = self.pool.address(self.id, self.offset);
        // SAFETY: as for `deref`; and no other reference covers these bytes: `receive` gives each filled byte to one
        // handle, handles can only be narrowed and not copied, and this one is borrowed mutably. The kernel writes behind
        // `filled` only.
        unsafe { slice::from_raw_parts_mut(start.as_ptr(), self.bytes as usize) }
    }
}

impl Drop for RecvBuf {
    fn drop(&mut self) {
        self.pool.release(self.id);
    }
}

impl fmt::Debug for RecvBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The bytes are the peer's; logs never show them.
        write!(f, "RecvBuf(buffer {}, {} bytes at {})", self.id, self.bytes, self.offset)
    }
}

/// A received buffer with these bytes, as a kernel would have filled it.
#[cfg(test)]
pub(crate) fn test_buffer(bytes: &[u8]) -> RecvBuf {
    let length = u32::try_from(bytes.len()).expect("test data is short");
    let pool = Pool::new(1, length.max(1)).expect("memory for a test");
    let (id, _) = pool.take_returned().expect("a new pool has its buffers");
    pool.write(id, bytes);
    pool.receive(id, length, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provided(pool: &Pool) -> Vec<u16> {
        std::iter::from_fn(|| pool.take_returned()).map(|(id, _)| id).collect()
    }

    #[test]
    fn a_buffer_is_provided_again_only_when_its_handle_is_dropped() {
        let pool = Pool::new(2, 64).unwrap();
        assert_eq!(provided(&pool).len(), 2);
        pool.write(1, b"hello");
        let bytes = pool.receive(1, 5, false);
        assert_eq!(&bytes[..], b"hello");
        assert_eq!((pool.free(), provided(&pool)), (1, vec![]));
        drop(bytes);
        assert_eq!((pool.free(), provided(&pool)), (2, vec![1]));
    }

    #[test]
    fn an_incremental_buffer_waits_for_its_last_byte_and_its_last_handle() {
        let pool = Pool::new(1, 8).unwrap();
        provided(&pool);
        pool.write(0, b"abc");
        let first = pool.receive(0, 3, true);
        pool.write(0, b"defgh");
        let second = pool.receive(0, 5, false);
        assert_eq!((&first[..], &second[..]), (&b"abc"[..], &b"defgh"[..]));
        drop(second);
        assert!(provided(&pool).is_empty(), "the first handle still reads");
        drop(first);
        assert_eq!(provided(&pool), [0]);
        pool.assert_all_home();
    }

    /// Each handle changes its own bytes, also where the kernel fills one buffer several times.
    #[test]
    fn handles_of_one_buffer_are_changed_alone() {
        let pool = Pool::new(1, 8).unwrap();
        provided(&pool);
        pool.write(0, b"abc");
        let mut first = pool.receive(0, 3, true);
        pool.write(0, b"defgh");
        let mut second = pool.receive(0, 5, false);
        first.fill(b'1');
        second[0] = b'2';
        assert_eq!((&first[..], &second[..]), (&b"111"[..], &b"2efgh"[..]));
    }

    #[test]
    fn what_fills_a_buffer_gets_its_unfilled_part() {
        let pool = Pool::new(1, 8).unwrap();
        provided(&pool);
        let write = |bytes: &'static [u8]| {
            move |room: &mut [MaybeUninit<u8>]| {
                room.iter_mut().zip(bytes).for_each(|(place, byte)| _ = place.write(*byte));
                Ok::<_, ()>(bytes.len().min(room.len()))
            }
        };
        assert_eq!(pool.fill(0, 3, write(b"abcd")), Ok(3));
        let first = pool.receive(0, 3, true);
        assert_eq!(pool.fill(0, 100, write(b"defghijk")), Ok(5));
        let second = pool.receive(0, 5, false);
        assert_eq!((&first[..], &second[..]), (&b"abc"[..], &b"defgh"[..]));
    }

    #[test]
    #[should_panic(expected = "only a provided buffer may be written")]
    fn a_buffer_that_is_being_filled_is_filled_by_nobody_else() {
        let pool = Pool::new(1, 8).unwrap();
        provided(&pool);
        let again = |_: &mut [MaybeUninit<u8>]| pool.fill(0, 8, |_| Ok::<_, ()>(1));
        let _ = pool.fill(0, 8, again);
    }

    #[test]
    fn advancing_and_truncating_narrow_the_view() {
        let pool = Pool::new(1, 8).unwrap();
        provided(&pool);
        pool.write(0, b"abcdefgh");
        let mut bytes = pool.receive(0, 8, false);
        bytes.advance(3);
        bytes.truncate(2);
        assert_eq!(&bytes[..], b"de");
    }

    #[test]
    fn the_pool_may_go_before_its_handles() {
        let pool = Pool::new(1, 8).unwrap();
        provided(&pool);
        pool.write(0, b"abc");
        let bytes = pool.receive(0, 3, false);
        drop(pool);
        assert_eq!(&bytes[..], b"abc");
    }

    #[test]
    #[should_panic(expected = "provided twice")]
    fn a_planted_double_return_is_caught() {
        let pool = Pool::new(2, 8).unwrap();
        provided(&pool);
        let bytes = pool.receive(0, 3, false);
        bytes.plant_double_return();
        drop(bytes);
        provided(&pool);
    }

    #[test]
    #[should_panic(expected = "which it does not have")]
    fn a_completion_for_a_buffer_that_is_read_is_caught() {
        let pool = Pool::new(1, 8).unwrap();
        provided(&pool);
        let _held = pool.receive(0, 8, false);
        drop(pool.receive(0, 1, false));
    }
}
