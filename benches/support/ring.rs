//! A ring and a ring of buffers, with nothing around them: what the bare server and the bare client share.
//!
//! It knows no protocol and no connection. Entries go in by [`Ring::push`], one system call per turn sends them and
//! waits ([`Ring::turn`]), and completions come out by [`Ring::next`].
#![expect(unsafe_code, reason = "entries of a bare ring hold addresses")]

use std::alloc::{Layout, alloc_zeroed};
use std::io;
use std::num::NonZeroU16;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, SubmitArgs, Timespec};
use io_uring::{
    CompletionQueue, EnterFlags, IoUring, SubmissionQueue, Submitter, cqueue, squeue,
    types::IOU_PBUF_RING_INC,
};

/// How the ring is set up. The default is the best that was measured; the rest is there to be measured again.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) defer_taskrun: bool,
    pub(crate) coop_taskrun: bool,
    pub(crate) sq_array: bool,
    pub(crate) registered_fd: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { defer_taskrun: true, coop_taskrun: false, sq_array: false, registered_fd: true }
    }
}

/// When a turn's wait is over.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wait {
    /// Completions to wait for.
    pub(crate) want: usize,
    /// With this set, one completion is enough once so many microseconds are over.
    pub(crate) min_wait_us: u32,
    /// Longest wait in milliseconds; zero is for ever.
    pub(crate) timeout_ms: u32,
}

impl Setup {
    pub(crate) fn build(self) -> io::Result<IoUring> {
        let mut builder = IoUring::builder();
        builder.setup_single_issuer().setup_submit_all().setup_clamp().setup_cqsize(COMPLETIONS);
        if self.defer_taskrun {
            builder.setup_defer_taskrun();
        }
        if self.coop_taskrun {
            builder.setup_coop_taskrun();
        }
        if !self.sq_array {
            builder.setup_no_sqarray();
        }
        builder.build(SUBMISSIONS)
    }
}

/// The three parts of a ring, kept apart for its whole life, so that the registered descriptor stays in use.
pub(crate) struct Ring<'ring> {
    pub(crate) submitter: Submitter<'ring>,
    submissions: SubmissionQueue<'ring>,
    completions: CompletionQueue<'ring>,
    /// System calls made.
    pub(crate) enters: u64,
    /// Completions read.
    pub(crate) completed: u64,
}

impl<'ring> Ring<'ring> {
    pub(crate) fn new(memory: &'ring mut IoUring, setup: Setup) -> io::Result<Self> {
        let (mut submitter, submissions, completions) = memory.split();
        if setup.registered_fd {
            submitter.register_ring_fd()?;
        }
        Ok(Self { submitter, submissions, completions, enters: 0, completed: 0 })
    }

    /// Queues one entry; when the queue is full it is submitted at once.
    ///
    /// # Safety
    ///
    /// Every address in `entry` must stay valid until its last completion.
    pub(crate) unsafe fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: the caller keeps every address in `entry` valid until its last completion.
        while unsafe { self.submissions.push(entry) }.is_err() {
            self.enter(Wait::default());
        }
    }

    /// Submits what was pushed and waits; afterwards the completions can be read.
    pub(crate) fn turn(&mut self, wait: Wait) {
        self.enter(wait);
        self.completions.sync();
    }

    pub(crate) fn next(&mut self) -> Option<cqueue::Entry> {
        let completion = self.completions.next();
        self.completed += u64::from(completion.is_some());
        completion
    }

    fn enter(&mut self, wait: Wait) {
        self.completions.sync();
        self.submissions.sync();
        let pending = u32::try_from(self.submissions.len()).unwrap_or(u32::MAX);
        let want = u32::try_from(wait.want).unwrap_or(u32::MAX);
        let result = if wait.min_wait_us == 0 && wait.timeout_ms == 0 {
            let flags = EnterFlags::GETEVENTS.bits();
            // SAFETY: no argument is passed, so there is no address to keep valid.
            unsafe { self.submitter.enter::<libc::sigset_t>(pending, want, flags, None) }
        } else {
            let flags = (EnterFlags::GETEVENTS | EnterFlags::EXT_ARG).bits();
            let longest = if wait.timeout_ms == 0 { 100 } else { wait.timeout_ms };
            let timespec = Timespec::new().nsec(longest % 1000 * 1_000_000).sec(u64::from(longest / 1000));
            let args = SubmitArgs::new().min_wait_usec(wait.min_wait_us).timespec(&timespec);
            // SAFETY: `args` and the `timespec` that it points to outlive this synchronous call.
            unsafe { self.submitter.enter(pending, want, flags, Some(&args)) }
        };
        self.enters += 1;
        if let Err(error) = result {
            let harmless = [libc::EINTR, libc::ETIME, libc::EBUSY, libc::EAGAIN];
            assert!(error.raw_os_error().is_some_and(|errno| harmless.contains(&errno)), "enter: {error}");
        }
        self.submissions.sync();
    }
}

/// A ring of provided buffers. Its memory is never freed: it lives as long as the process that measures.
pub(crate) struct Buffers {
    ring: NonNull<BufRingEntry>,
    storage: NonNull<u8>,
    count: u16,
    tail: u16,
    bytes: u32,
}

impl Buffers {
    /// Registers `count` (a power of two) buffers of `bytes` each as group 0, and provides them all.
    pub(crate) fn register(
        ring: &Ring<'_>,
        count: NonZeroU16,
        bytes: u32,
        incremental: bool,
    ) -> io::Result<Self> {
        assert!(count.is_power_of_two(), "the kernel masks the index of a buffer");
        let entries = zeroed(usize::from(count.get()) * size_of::<BufRingEntry>()).cast::<BufRingEntry>();
        let storage = zeroed(usize::from(count.get()) * bytes as usize);
        let flags = if incremental { INCREMENTAL } else { 0 };
        let address = entries.as_ptr() as u64;
        // SAFETY: `address` is page-aligned zeroed memory for `count` entries, and it is never freed.
        unsafe { ring.submitter.register_buf_ring_with_flags(address, count.get(), GROUP, flags) }?;
        let mut buffers = Self { ring: entries, storage, count: count.get(), tail: 0, bytes };
        for id in 0..count.get() {
            buffers.give(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// Where buffer `id` starts.
    pub(crate) fn address(&self, id: u16) -> NonNull<u8> {
        assert!(id < self.count, "the kernel chooses among the buffers that we gave");
        let offset = usize::from(id) * self.bytes as usize;
        // SAFETY: `id` is below `count`, so the offset is inside the allocation of `count * bytes`.
        unsafe { self.storage.add(offset) }
    }

    /// Gives a buffer back; the kernel sees it after [`Buffers::publish`].
    pub(crate) fn give(&mut self, id: u16) {
        let address = self.address(id).as_ptr() as u64;
        let index = usize::from(self.tail & (self.count - 1));
        // SAFETY: the index is masked by the power of two `count`, so it is inside the ring.
        let mut slot = unsafe { self.ring.add(index) };
        // SAFETY: the kernel reads entries only up to the published tail, and this one lies beyond it. The memory
        // was zeroed, which is a valid entry.
        let entry = unsafe { slot.as_mut() };
        entry.set_addr(address);
        entry.set_len(self.bytes);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel every buffer that was given back, by one store.
    pub(crate) fn publish(&mut self) {
        // SAFETY: `ring` is the address of the first entry of an initialised ring.
        let tail = unsafe { BufRingEntry::tail(self.ring.as_ptr()) };
        // SAFETY: `tail` is aligned, lives as long as the ring, and we write it only by this atomic store.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release); // Pairs with the kernel's acquiring load of the tail.
    }
}

/// Zeroed memory at the start of a page.
fn zeroed(bytes: usize) -> NonNull<u8> {
    let layout = Layout::from_size_align(bytes, PAGE_BYTES).expect("a size that fits the address space");
    assert!(layout.size() > 0, "a ring without memory");
    // SAFETY: the size of the layout is not zero.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).expect("memory for the buffers")
}

/// The one buffer group.
pub(crate) const GROUP: u16 = 0;
/// The flag of the crate, as wide as its function takes it.
const INCREMENTAL: u16 = 2;
const _: () = assert!(INCREMENTAL as u32 == IOU_PBUF_RING_INC);
const SUBMISSIONS: u32 = 4096;
const COMPLETIONS: u32 = 32_768;
const PAGE_BYTES: usize = 4096;
