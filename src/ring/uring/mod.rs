//! The real kernel, through io_uring.
//!
//! One ring per thread, made and used by that thread alone. `push.rs` turns operations into submission entries and
//! parks what they lend; `translate.rs` turns completion entries into completions and brings home what was lent.

#![allow(unsafe_code, reason = "gives the kernel addresses")]

mod push;
mod quiet;
mod seal;
mod translate;

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use io_uring::squeue::Entry;
use io_uring::{IoUring, cqueue};

use self::push::Loans;
use self::quiet::Quiet;
use super::buffers::Pool;
use super::completion::{Completion, Errno};
use super::features::{Capabilities, SetupFlags};
use super::files::Descriptor;
use super::op::{Bell, Op, Place, Refused};
use super::provided::Provided;
use super::raw::{self, Entrance, Waiting};
use super::token::{Generation, Kind, Token};
use super::{BufferLevel, Kernel, RingCounts, RingError, Wait};
use crate::limits;
use crate::sys::clock::{self, Time};

/// The group of stream receive buffers.
const STREAM_GROUP: u16 = 0;
/// The group of datagram buffers.
const DATAGRAM_GROUP: u16 = 1;
/// How long a closing ring waits for the kernel to let go of its memory before that memory is given up.
const QUIET_TIMEOUT: Duration = Duration::from_secs(1);

/// How a ring is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Entries of the submission queue.
    pub submissions: u32,
    /// Entries of the completion queue.
    pub completions: u32,
    /// Places for direct descriptors.
    pub files: u32,
    /// Stream receive buffers: their number, a power of two, and their bytes.
    pub stream_buffers: (u16, u32),
    /// Datagram buffers: their number, a power of two, and their bytes; none when no datagram will be received.
    pub datagram_buffers: Option<(u16, u32)>,
    /// What the kernel was found to be able to do.
    pub capabilities: Capabilities,
    /// Whether it is to be [sealed](super::Host::seal), and does nothing before.
    pub sealed: bool,
}

impl Setup {
    /// The ring of a shard: for this many connections and listeners, with or without datagrams.
    pub fn shard(capabilities: Capabilities, files: u32, datagrams: bool) -> Self {
        let stream_buffers = if capabilities.incremental_buffers {
            (limits::RECEIVE_BUFFERS, limits::RECEIVE_BUFFER_BYTES)
        } else {
            (limits::RECEIVE_BUFFERS_WHOLE, limits::RECEIVE_BUFFER_BYTES_WHOLE)
        };
        let datagram_buffers = (limits::DATAGRAM_BUFFERS, limits::DATAGRAM_BUFFER_BYTES);
        Self {
            submissions: limits::SUBMISSIONS,
            completions: limits::COMPLETIONS,
            files,
            stream_buffers,
            datagram_buffers: datagrams.then_some(datagram_buffers),
            capabilities,
            sealed: false,
        }
    }
}

/// A ring of this thread.
///
/// When it is dropped it first ends all operations, and memory that the kernel does not let go of is leaked rather
/// than freed.
pub struct Uring {
    /// Closed first (see `drop`): the fields below hold memory that the kernel knows.
    ring: ManuallyDrop<IoUring>,
    memory: ManuallyDrop<Memory>,
    entrance: Entrance,
    capabilities: Capabilities,
    /// Whether it waits to be sealed.
    unsealed: bool,
    counts: RingCounts,
    /// Operations that the kernel has and that will still answer.
    in_flight: usize,
    /// Completions that the next wait does not end with.
    expected: u32,
    /// Entries that were ever pushed.
    pushed: u64,
    /// Entries that the kernel has ever taken.
    taken: u64,
    /// Sends that answer only if they fail.
    quiet: Quiet,
}

/// Memory that the kernel knows the addresses of.
struct Memory {
    streams: Provided,
    datagrams: Option<Provided>,
    loans: Loans,
    /// Descriptors that must be received from one by one, by their place: accepted Unix sockets. A multishot receive
    /// there can miss the peer's end for ever, when it comes right behind the last bytes (Linux to this day, found on
    /// 6.18; axboe/liburing#1549). TCP tells the kernel that more is to come, and a single receive looks again.
    one_by_one: Box<[bool]>,
}

impl Uring {
    /// Makes a ring for this thread.
    ///
    /// # Errors
    /// Says which step the kernel refused, and why.
    pub fn new(setup: &Setup) -> Result<Self, RingError> {
        let capabilities = setup.capabilities;
        let ring = build(setup)?;
        let submitter = ring.submitter();
        submitter.register_files_sparse(setup.files).map_err(registering("direct descriptors"))?;
        let group = |(count, bytes), group, incremental| {
            let pool = Pool::new(count, bytes)?;
            Provided::register(&submitter, pool, group, incremental)
        };
        let registering = registering("receive buffers");
        let streams = group(setup.stream_buffers, STREAM_GROUP, capabilities.incremental_buffers);
        let streams = streams.map_err(&registering)?;
        let datagrams = setup.datagram_buffers.map(|buffers| group(buffers, DATAGRAM_GROUP, false));
        let datagrams = datagrams.transpose().map_err(&registering)?;
        let descriptor = ring.as_raw_fd();
        let entrance = match capabilities.registered_ring {
            true => raw::register_ring(descriptor).unwrap_or(Entrance::Descriptor(descriptor)),
            false => Entrance::Descriptor(descriptor),
        };
        let one_by_one = vec![false; setup.files as usize].into_boxed_slice();
        let memory = Memory { streams, datagrams, loans: Loans::new(), one_by_one };
        Ok(Self {
            ring: ManuallyDrop::new(ring),
            memory: ManuallyDrop::new(memory),
            entrance,
            capabilities,
            unsealed: setup.sealed,
            counts: RingCounts::default(),
            in_flight: 0,
            expected: 0,
            pushed: 0,
            taken: 0,
            quiet: Quiet::default(),
        })
    }

    /// Whether the ring is entered by its registered index.
    pub fn is_registered(&self) -> bool {
        matches!(self.entrance, Entrance::Registered(_))
    }

    /// Has the next wait end with one completion more than so many: with what is waited for, and not with sends that
    /// are taken at once and are no news. A wait that began with fewer still ends at its deadline.
    pub fn expect(&mut self, completions: u32) {
        self.expected = completions;
    }

    /// Takes a socket into the ring's table, at this place. From now on the table owns it.
    ///
    /// # Errors
    /// What the kernel says: the place does not exist.
    pub fn adopt(&mut self, socket: OwnedFd, place: u32) -> io::Result<Descriptor> {
        // A non-blocking socket would make operations fail where they should wait.
        let socket = socket2::Socket::from(socket);
        socket.set_nonblocking(false)?;
        self.ring.submitter().register_files_update(place, &[socket.as_raw_fd()])?;
        Ok(Descriptor::new(place))
    }

    /// Takes away from a ring that is to be sealed all that a server does not ask of it, and lets it begin. Sockets are
    /// [adopted](Self::adopt) before.
    ///
    /// # Errors
    /// When the kernel does not know how.
    pub fn seal(&mut self) -> Result<(), RingError> {
        if std::mem::take(&mut self.unsealed) { seal::seal(&self.ring) } else { Ok(()) }
    }

    /// The datagram buffers.
    pub fn datagram_buffers(&self) -> Option<&Pool> {
        self.memory.datagrams.as_ref().map(|datagrams| &datagrams.pool)
    }

    /// The stream buffers.
    pub fn stream_buffers(&self) -> &Pool {
        &self.memory.streams.pool
    }

    /// Makes room for so many entries, by submitting what is queued if need be.
    fn make_room(&mut self, entries: usize) -> bool {
        if self.room() < entries {
            self.counts.queue_full += 1;
            // An error shows again, and is reported, when the turn submits.
            let _ = self.enter(Waiting::No);
        }
        entries <= self.room()
    }

    fn room(&mut self) -> usize {
        let queue = self.ring.submission();
        queue.capacity() - queue.len()
    }

    fn enter(&mut self, waiting: Waiting) -> Result<(), Errno> {
        self.memory.streams.publish();
        if let Some(datagrams) = &mut self.memory.datagrams {
            datagrams.publish();
        }
        let queued = self.ring.submission().len();
        let queued = u32::try_from(queued).expect("a queue has at most 32768 entries");
        self.counts.enters += 1;
        let result = raw::enter(self.entrance, queued, waiting);
        let taken = u64::from(*result.as_ref().unwrap_or(&0));
        self.counts.submissions += taken;
        self.taken += taken;
        self.look_at_quiet();
        result.map(drop)
    }

    /// The kernel has taken entries: sends among them that were to answer only if they fail have done so, or are done.
    fn look_at_quiet(&mut self) {
        // What found the queue full is not seen yet.
        if !self.quiet.is_empty() && !self.ring.submission().cq_overflow() {
            self.quiet.entered(self.taken, self.ring.completion().len());
        }
    }

    fn push_entry(&mut self, entry: &Entry) {
        // SAFETY: `push` needs every address in `entry` to stay valid until its last completion. All addresses point
        // into `self.memory`: to parts and headers parked in `loans` under this token, which only `translate` takes
        // out, after that completion; `drop` closes the ring before it frees, or leaks, the rest.
        let pushed = unsafe { self.ring.submission().push(entry) };
        pushed.expect("there is room: `make_room` came first");
        self.in_flight += 1;
        self.pushed += 1;
    }

    /// Ends everything the kernel works on, and waits until it has let go. Returns whether it has.
    fn quiet(&mut self) -> bool {
        let deadline = clock::now().saturating_add(QUIET_TIMEOUT);
        let mut home = VecDeque::new();
        if 0 < self.in_flight && self.make_room(1) {
            let all = io_uring::types::CancelBuilder::any();
            let token = Token::new(Kind::Cancel, 0, Generation::default());
            let entry = io_uring::opcode::AsyncCancel2::new(all).build();
            self.push_entry(&entry.user_data(token.bits()));
        }
        while 0 < self.in_flight {
            let left = deadline.saturating_since(clock::now());
            if left.is_zero() {
                return false;
            }
            let _ = self.enter(Waiting::AtMost(1, left));
            while 0 < self.collect(&mut home, limits::COMPLETIONS_PER_TURN) {
                home.clear();
            }
        }
        true
    }
}

impl Kernel for Uring {
    #[inline]
    fn push(&mut self, op: Op) -> Result<(), Refused> {
        if !self.make_room(op.entries()) {
            return Err(Refused(op));
        }
        self.push_op(op);
        Ok(())
    }

    fn submit_and_wait(&mut self, wait: Wait) -> Result<(), RingError> {
        if self.ring.submission().cq_overflow() {
            self.counts.overflows += 1;
        }
        let wanted = 1 + std::mem::take(&mut self.expected);
        let waiting = match wait {
            Wait::Until(_) if !self.ring.completion().is_empty() || self.quiet.is_pressing() => Waiting::No,
            Wait::No => Waiting::No,
            Wait::Until(None) => Waiting::Forever(wanted),
            Wait::Until(Some(deadline)) => Waiting::AtMost(wanted, deadline.saturating_since(clock::now())),
        };
        match self.enter(waiting) {
            Ok(()) => Ok(()),
            // Time is up; a signal came; or the kernel wants its completions collected before it takes more.
            Err(Errno(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)) => Ok(()),
            Err(errno) => Err(RingError::Enter(errno)),
        }
    }

    fn collect(&mut self, ready: &mut VecDeque<Completion>, max: usize) -> usize {
        let mut collected = 0;
        for entry in self.ring.completion().take(max) {
            collected += 1;
            if let Some(completion) = self.memory.translate(&entry) {
                let ours = completion.token.kind() != Kind::Doorbell;
                self.in_flight -= usize::from(ours && !completion.more);
                ready.push_back(completion);
            }
        }
        self.quiet.collected(collected);
        while collected < max
            && let Some((token, entry)) = self.quiet.next_done()
        {
            if let Some(outcome) = self.memory.sent_quietly(token.slot(), entry) {
                self.in_flight -= 1;
                collected += 1;
                ready.push_back(Completion { token, more: false, outcome });
            }
        }
        collected
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn buffers(&self) -> BufferLevel {
        let pool = &self.memory.streams.pool;
        BufferLevel { free: pool.free(), total: pool.count() }
    }

    fn counts(&self) -> RingCounts {
        self.counts
    }

    fn bell(&self) -> Bell {
        Bell::of_ring(self.ring.as_raw_fd())
    }

    fn now(&self) -> Time {
        clock::now()
    }

    fn cpu(&self) -> Duration {
        clock::thread_cpu()
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        let quiet = self.quiet();
        raw::unregister_ring(self.ring.as_raw_fd(), self.entrance);
        // SAFETY: `ring` is dropped here only, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.ring) };
        if quiet {
            // SAFETY: `memory` is dropped here only. The kernel has answered every operation and the ring is closed,
            // so that nobody else knows these addresses.
            unsafe { ManuallyDrop::drop(&mut self.memory) };
        }
    }
}

/// Makes a ring, with the flags that the kernel was found to know.
fn build(setup: &Setup) -> Result<IoUring, RingError> {
    let mut builder = IoUring::builder();
    builder.dontfork().setup_clamp().setup_submit_all().setup_cqsize(setup.completions);
    if setup.sealed {
        builder.setup_r_disabled();
    }
    match setup.capabilities.setup_flags {
        SetupFlags::DeferredNoArray => {
            builder.setup_single_issuer().setup_defer_taskrun().setup_no_sqarray();
        }
        SetupFlags::Deferred => {
            builder.setup_single_issuer().setup_defer_taskrun();
        }
        SetupFlags::Cooperative => {
            builder.setup_coop_taskrun();
        }
    }
    builder.build(setup.submissions).map_err(|error| RingError::Setup(errno_of(&error)))
}

fn registering(what: &'static str) -> impl Fn(io::Error) -> RingError {
    move |error| RingError::Register { what, errno: errno_of(&error) }
}

fn errno_of(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(libc::EIO))
}

/// The token for a completion that answers nobody: the ring's own bookkeeping.
pub(super) fn token_of(entry: &cqueue::Entry) -> Option<Token> {
    Token::from_bits(entry.user_data())
}

/// The descriptor by which other threads ring at a ring. What is no ring has none, and the kernel says so.
pub(super) fn bell_descriptor(bell: &Bell) -> RawFd {
    match bell.0 {
        Place::Ring(descriptor) => descriptor,
        Place::Event(_) => -1,
    }
}

#[cfg(test)]
mod tests;
