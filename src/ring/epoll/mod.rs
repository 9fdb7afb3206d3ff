//! The twin by readiness, through epoll(7): the same operations, completed by system calls of our own when their sockets
//! are ready. For hosts that refuse io_uring, and as the baseline of benchmarks.
//!
//! `ops.rs` begins operations: what can be done is done at once, and what has to wait is left with its file (`files.rs`);
//! `attend.rs` goes on with it when the kernel tells of a change. No memory is ever lent beyond a system call, so there is
//! nothing here that could be freed too early. What handlers see is what they see of a ring: bursts end and go on in the next
//! turn, a receive ends with its credit, an empty datagram ends a multishot. `ring/sim/truth` holds all three kernels to it.
//!
//! The kernel tells each change once. So a file is taken for ready until a call says that it is not, and only then the next
//! change is waited for.

mod attend;
mod files;
mod filling;
mod ops;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use hashbrown::HashMap;
use socket2::Socket;

use self::files::{BELL, File, Files};
use self::filling::Filling;
use super::buffers::Pool;
use super::completion::{Completion, Errno, Outcome};
use super::datagram::HEADER_BYTES;
use super::features::Capabilities;
use super::files::Descriptor;
use super::op::{Bell, Op, Place, Refused};
use super::token::{Generation, Kind, Token};
use super::uring::Setup;
use super::{BufferLevel, Kernel, RingCounts, RingError, Wait};
use crate::limits;
use crate::sys::clock::{self, Time};
use crate::sys::epoll::{Events, Interest, Poll};
use crate::sys::signal::Waker;

/// A twin of a ring, of this thread.
pub struct Epoll {
    poll: Poll,
    events: Events,
    bell: Waker,
    files: Files,
    streams: Filling,
    datagrams: Option<Filling>,
    /// Where an operation waits: for those who cancel it.
    waiting: HashMap<Token, u32>,
    /// Places where something may be possible that waits, each once.
    ready: VecDeque<u32>,
    /// Places that this wait has brought news of.
    fresh: VecDeque<u32>,
    answers: VecDeque<Completion>,
    /// Answers that no wait ends with, told behind the others.
    quiet: VecDeque<Completion>,
    /// Answers that may wait before no more is attended to.
    answers_max: usize,
    /// Whether there is an answer that a wait ends with.
    has_news: bool,
    counts: RingCounts,
    capabilities: Capabilities,
}

impl Epoll {
    /// Makes a twin for this thread. It has no queues that could be full, so it is told the number of places and buffers only.
    ///
    /// # Errors
    /// Says which step the kernel refused, and why.
    pub fn new(setup: &Setup) -> Result<Self, RingError> {
        let poll = Poll::new().map_err(failing("epoll_create1"))?;
        let bell = Waker::new().map_err(failing("eventfd"))?;
        poll.watch(bell.as_fd(), BELL, Interest::Reading).map_err(failing("epoll_ctl"))?;
        let capabilities = setup.capabilities;
        let filling = |(count, bytes), incremental| {
            let pool = Pool::new(count, bytes).map_err(failing("mmap"))?;
            Ok(Filling::new(pool, incremental))
        };
        let fits = setup.datagram_buffers.is_none_or(|(_, bytes)| HEADER_BYTES < bytes as usize);
        assert!(fits, "a datagram buffer has room for {HEADER_BYTES} bytes and a payload");
        Ok(Self {
            poll,
            events: Events::with_capacity(limits::EVENTS_PER_WAIT),
            bell,
            files: Files::new(setup.files),
            streams: filling(setup.stream_buffers, capabilities.incremental_buffers)?,
            datagrams: setup.datagram_buffers.map(|buffers| filling(buffers, false)).transpose()?,
            waiting: HashMap::new(),
            ready: VecDeque::new(),
            fresh: VecDeque::new(),
            answers: VecDeque::new(),
            quiet: VecDeque::new(),
            answers_max: setup.completions as usize,
            has_news: false,
            counts: RingCounts::default(),
            capabilities,
        })
    }

    /// Takes a socket into the table, at this place. From now on the table owns it.
    ///
    /// # Errors
    /// When the place does not exist.
    pub fn adopt(&mut self, socket: OwnedFd, place: u32) -> io::Result<Descriptor> {
        let socket = Socket::from(socket);
        // Accepts and connects have no flag of their own that says they do not wait.
        socket.set_nonblocking(true)?;
        let is_unix = socket.local_addr()?.is_unix();
        self.files.put(place, File::new(socket, is_unix))?;
        Ok(Descriptor::new(place))
    }

    /// The datagram buffers.
    pub fn datagram_buffers(&self) -> Option<&Pool> {
        self.datagrams.as_ref().map(|datagrams| &datagrams.pool)
    }

    /// The stream buffers.
    pub fn stream_buffers(&self) -> &Pool {
        &self.streams.pool
    }

    /// Answers an operation for the last time.
    fn answer(&mut self, token: Token, outcome: Outcome) {
        self.post(token, false, outcome);
    }

    fn post(&mut self, token: Token, more: bool, outcome: Outcome) {
        self.answers.push_back(Completion { token, more, outcome });
        self.has_news = true;
    }

    /// Has a place attended to in the next turn.
    fn list(&mut self, place: u32) {
        if self.files.list(place) {
            self.ready.push_back(place);
        }
    }

    /// Waits for changes and notes them. Returns whether there were any.
    fn wait(&mut self, timeout: Option<Duration>) -> Result<bool, RingError> {
        self.counts.enters += 1;
        match self.poll.wait(&mut self.events, timeout) {
            Ok(()) => {}
            // A signal came.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            Err(error) => return Err(failing("epoll_wait")(error)),
        }
        for index in 0..self.events.len() {
            let Some(event) = self.events.get(index) else { break };
            if event.key == BELL {
                // It is not read: each wake is a change, whatever the count is, and nobody lives to see 2^64 of them.
                let token = Token::new(Kind::Doorbell, 0, Generation::new(0));
                self.answer(token, Outcome::Doorbell);
            } else if let Some(place) = self.files.note(event)
                && self.files.list(place)
            {
                self.fresh.push_back(place);
            }
        }
        Ok(!self.events.is_empty())
    }

    /// How long to wait for changes: not at all when there is something to tell, or to do.
    fn timeout(&self, wait: Wait) -> Option<Duration> {
        match wait {
            Wait::Until(deadline) if !self.has_news && self.ready.is_empty() => {
                deadline.map(|deadline| deadline.saturating_since(clock::now()))
            }
            Wait::Until(_) | Wait::No => Some(Duration::ZERO),
        }
    }
}

impl Kernel for Epoll {
    #[inline]
    fn push(&mut self, op: Op) -> Result<(), Refused> {
        self.counts.submissions += op.entries() as u64;
        self.begin(op);
        Ok(())
    }

    fn submit_and_wait(&mut self, wait: Wait) -> Result<(), RingError> {
        self.attend_to_ready();
        loop {
            let timeout = self.timeout(wait);
            let has_changed = self.wait(timeout)?;
            self.attend_to_fresh();
            // Of a change that nothing waited for nobody is told.
            if !has_changed || self.has_news || timeout == Some(Duration::ZERO) {
                return Ok(());
            }
        }
    }

    fn collect(&mut self, ready: &mut VecDeque<Completion>, max: usize) -> usize {
        let count = self.answers.len().min(max);
        ready.extend(self.answers.drain(..count));
        let quiet = self.quiet.len().min(max - count);
        ready.extend(self.quiet.drain(..quiet));
        // What is left is told late already.
        self.has_news = !self.answers.is_empty() || !self.quiet.is_empty();
        count + quiet
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn buffers(&self) -> BufferLevel {
        let pool = &self.streams.pool;
        BufferLevel { free: pool.free(), total: pool.count() }
    }

    fn counts(&self) -> RingCounts {
        self.counts
    }

    fn bell(&self) -> Bell {
        Bell(Place::Event(self.bell.clone()))
    }

    fn now(&self) -> Time {
        clock::now()
    }

    fn cpu(&self) -> Duration {
        clock::thread_cpu()
    }
}

impl fmt::Debug for Epoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoll({:?}, {} answers)", self.files, self.answers.len())
    }
}

fn failing(what: &'static str) -> impl Fn(io::Error) -> RingError {
    move |error| RingError::Epoll { what, errno: errno_of(&error) }
}

/// The number of an error of a system call.
fn errno_of(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(libc::EIO))
}
