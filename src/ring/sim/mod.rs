//! A kernel in memory: a test instrument, for whole-shard tests with seeds, for benchmarks, and for tests of services.
//!
//! [`Sim`] is the simulated form of [`Kernel`]. On one side stands the server, which pushes operations and collects
//! completions as from a real ring; on the other the test, which plays all peers: it connects, writes, reads and
//! resets ([`Sim::connect`] and what follows it). Nothing happens by itself: a peer acts between two turns, and time
//! moves only within [`Kernel::submit_and_wait`]. The same [`SimSetup::seed`] gives the same run.
//!
//! What [`Faults`] may do is what a real kernel does on a bad day: answers late and out of order, short receives and
//! sends, multishots that end, refusals. What must never happen makes it panic: an operation on a descriptor that is
//! closed or being closed, two operations of a kind in flight for one slot, operations of two owners on one stream.
//! A real kernel would carry them out on whatever stands there.
//!
//! ```
//! use std::collections::VecDeque;
//! use tidemill::ring::sim::{Faults, Sim, SimSetup};
//! use tidemill::ring::{Capabilities, Generation, Kernel, Kind, Op, Outcome, Setup, Token, Wait};
//! use tidemill::tier::RingTier;
//!
//! let capabilities = Capabilities::of_tier(RingTier::V6_17);
//! let setup = Setup::shard(capabilities, 4, false);
//! let mut kernel = Sim::new(&SimSetup::like(&setup, 1, Faults::none()));
//! let listener = kernel.listen();
//! let token = Token::new(Kind::Accept, 0, Generation::default());
//! kernel.push(Op::Accept { token, listener }).expect("without faults nothing is refused");
//!
//! let peer = kernel.connect(listener, Some("192.0.2.1:4000".parse().unwrap()));
//! let mut ready = VecDeque::new();
//! kernel.submit_and_wait(Wait::No).unwrap();
//! kernel.collect(&mut ready, 16);
//! assert!(matches!(ready[0].outcome, Outcome::Accepted(Ok(_))));
//! assert!(kernel.peer_state(peer).accepted);
//! ```

mod answers;
mod faults;
mod group;
mod peers;
mod pipe;
mod places;
mod random;
mod server;
mod sockets;
mod stream;

use std::collections::VecDeque;
use std::time::Duration;

use self::answers::{Answers, Event};
use self::faults::Dice;
pub use self::faults::Faults;
use self::group::Group;
pub use self::peers::{PeerId, PeerState};
use self::places::Places;
pub use self::random::Random;
use self::sockets::{Datagrams, Listener};
use self::stream::Stream;
use super::buffers::Pool;
use super::completion::{Completion, Outcome};
use super::datagram::HEADER_BYTES;
use super::features::Capabilities;
use super::op::{Bell, Op, Refused};
use super::token::{Generation, Kind, Token};
use super::uring::Setup;
use super::{BufferLevel, Kernel, RingCounts, RingError, Wait};
use crate::limits;
use crate::sys::clock::Time;

/// How a simulated kernel is to be made.
#[derive(Clone, Copy, Debug)]
pub struct SimSetup {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Places for direct descriptors.
    pub files: u32,
    /// What the kernel is to be able to do.
    pub capabilities: Capabilities,
    /// Stream receive buffers: their number and their bytes.
    pub stream_buffers: (u16, u32),
    /// Datagram buffers: their number and their bytes; none when no datagram will be received.
    pub datagram_buffers: Option<(u16, u32)>,
    /// Entries of the completion queue.
    pub completions: u32,
    /// What goes wrong.
    pub faults: Faults,
}

impl SimSetup {
    /// As a real ring with this setup.
    pub fn like(setup: &Setup, seed: u64, faults: Faults) -> Self {
        Self {
            seed,
            files: setup.files,
            capabilities: setup.capabilities,
            stream_buffers: setup.stream_buffers,
            datagram_buffers: setup.datagram_buffers,
            completions: setup.completions,
            faults,
        }
    }
}

/// A kernel in memory.
#[derive(Debug)]
pub struct Sim {
    capabilities: Capabilities,
    counts: RingCounts,
    bell: Bell,
    now: Time,
    dice: Dice,
    /// Pushed, and not yet carried out.
    pushed: Vec<Op>,
    /// Submission entries that `pushed` takes.
    pushed_entries: usize,
    stream_buffers: Group,
    datagram_buffers: Option<Group>,
    places: Places,
    listeners: Vec<Listener>,
    /// All connections that ever were; a [`PeerId`] is an index.
    streams: Vec<Stream>,
    sockets: Vec<Datagrams>,
    /// What has news for an operation that waits, each once.
    news: Vec<News>,
    answers: Answers,
    /// Bells of others that were rung.
    rung: Vec<Bell>,
    /// Bytes that a stream takes from a new peer before the server reads them, and the other way.
    window: usize,
    /// Memory to put a datagram together in.
    scratch: Vec<u8>,
}

/// Something happened to this listener, stream or datagram socket.
#[derive(Clone, Copy, Debug)]
enum News {
    Listener(usize),
    Stream(usize),
    Datagrams(usize),
}

impl Sim {
    /// Makes a kernel.
    ///
    /// # Panics
    /// When datagram buffers have no room for a datagram's header.
    pub fn new(setup: &SimSetup) -> Self {
        let fits = setup.datagram_buffers.is_none_or(|(_, bytes)| HEADER_BYTES < bytes as usize);
        assert!(fits, "a datagram buffer has room for {HEADER_BYTES} bytes and a payload");
        let capabilities = setup.capabilities;
        Self {
            capabilities,
            counts: RingCounts::default(),
            bell: bell_of(setup.seed),
            now: Time::ZERO,
            dice: Dice { random: Random::new(setup.seed), faults: setup.faults },
            pushed: Vec::new(),
            pushed_entries: 0,
            stream_buffers: Group::new(setup.stream_buffers, capabilities.incremental_buffers),
            datagram_buffers: setup.datagram_buffers.map(|buffers| Group::new(buffers, false)),
            places: Places::new(setup.files),
            listeners: Vec::new(),
            streams: Vec::new(),
            sockets: Vec::new(),
            news: Vec::new(),
            answers: Answers::new(setup.completions),
            rung: Vec::new(),
            window: WINDOW_BYTES,
            scratch: Vec::new(),
        }
    }

    /// What goes wrong from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.dice.faults = faults;
    }

    /// Lets time pass between two turns.
    pub fn advance(&mut self, duration: Duration) {
        self.now = self.now.saturating_add(duration);
    }

    /// Operations that were pushed and whose last answer has not been collected.
    pub fn in_flight(&self) -> usize {
        self.answers.in_flight()
    }

    /// Places that are taken in the table of direct descriptors.
    pub fn open_files(&self) -> usize {
        self.places.taken()
    }

    /// The stream receive buffers.
    pub fn stream_pool(&self) -> &Pool {
        &self.stream_buffers.pool
    }

    /// The datagram buffers.
    pub fn datagram_pool(&self) -> Option<&Pool> {
        self.datagram_buffers.as_ref().map(|group| &group.pool)
    }

    /// Whether nothing will happen unless the server or a peer acts: nothing pushed, late, or to be collected.
    pub fn is_idle(&self) -> bool {
        self.pushed.is_empty() && self.news.is_empty() && self.answers.is_quiet()
    }

    /// Rings at this ring, as another thread does.
    pub fn ring(&mut self) {
        let token = Token::new(Kind::Doorbell, 0, Generation::new(0));
        self.answer(token, Outcome::Doorbell);
    }

    /// Takes the bells of others that were rung, in order.
    pub fn take_rung(&mut self) -> Vec<Bell> {
        std::mem::take(&mut self.rung)
    }

    /// Submits: carries out what was pushed, then attends to what the peers did.
    fn enter(&mut self) {
        self.stream_buffers.publish();
        if let Some(group) = &mut self.datagram_buffers {
            group.publish();
        }
        self.pushed_entries = 0;
        let mut pushed = std::mem::take(&mut self.pushed);
        pushed.drain(..).for_each(|op| self.carry_out(op));
        self.pushed = pushed;
    }

    /// Attends to all that has news; what comes up meanwhile waits for the next turn.
    fn attend(&mut self) {
        let mut news = std::mem::take(&mut self.news);
        let last = news.len();
        for at in 0..last {
            if self.dice.falls(|faults| faults.reorder) {
                let other = at + self.dice.random.index(last - at);
                news.swap(at, other);
            }
            self.attend_to(news[at]);
        }
        news.drain(..last);
        news.append(&mut self.news);
        self.news = news;
    }

    /// Remembers that there is news, once until it is attended to.
    fn wake(&mut self, news: News) {
        let woken = match news {
            News::Listener(index) => &mut self.listeners[index].woken,
            News::Stream(index) => &mut self.streams[index].woken,
            News::Datagrams(index) => &mut self.sockets[index].woken,
        };
        if !std::mem::replace(woken, true) {
            self.news.push(news);
        }
    }

    /// Answers an operation for the last time.
    fn answer(&mut self, token: Token, outcome: Outcome) {
        self.post(token, false, outcome);
    }

    fn post(&mut self, token: Token, more: bool, outcome: Outcome) {
        self.answers.post(Completion { token, more, outcome }, self.now, &mut self.dice);
    }

    // --- Time ---------------------------------------------------------------------------------------------------

    /// Lets the time of a turn pass, and what is due by then arrive.
    fn pass(&mut self, wait: Wait) {
        let work = Duration::from_nanos(REORDER_NANOS + self.dice.random.below(WORK_NANOS));
        let soon = self.now.saturating_add(work);
        let nothing = !self.answers.is_ready() && self.news.is_empty();
        let nothing_soon = nothing && self.answers.next_due().is_none_or(|due| soon < due);
        self.now = match wait {
            Wait::Until(deadline) if nothing_soon => self.wake_up(deadline).unwrap_or(soon),
            Wait::Until(_) | Wait::No => soon,
        };
        while let Some(event) = self.answers.next_event(self.now) {
            match event {
                Event::Arrival(completion) => self.answers.arrive(completion),
                Event::Shutdown(index) => self.shut_down(index),
            }
        }
    }

    /// When a sleep that begins now ends; `None` when it ends at once.
    fn wake_up(&mut self, deadline: Option<Time>) -> Option<Time> {
        let farthest = self.now.saturating_add(SLEEP_MAX);
        let due = self.answers.next_due().unwrap_or(farthest);
        let mut until = deadline.unwrap_or(farthest).min(farthest).min(due);
        if self.now < until && self.dice.falls(|faults| faults.early_wake) {
            let length = until.as_nanos() - self.now.as_nanos();
            until = Time::from_nanos(self.now.as_nanos() + self.dice.random.below(length));
        }
        (self.now < until).then_some(until)
    }
}

impl Kernel for Sim {
    fn push(&mut self, op: Op) -> Result<(), Refused> {
        if self.dice.falls(|faults| faults.refuse_push) {
            self.counts.queue_full += 1;
            return Err(Refused(op));
        }
        if (limits::SUBMISSIONS as usize) < self.pushed_entries + op.entries() {
            self.counts.queue_full += 1;
            self.counts.enters += 1;
            self.enter();
        }
        self.check(&op);
        self.pushed_entries += op.entries();
        self.pushed.push(op);
        Ok(())
    }

    fn submit_and_wait(&mut self, wait: Wait) -> Result<(), RingError> {
        self.counts.enters += 1;
        self.counts.overflows += u64::from(self.answers.flush_overflow());
        self.enter();
        self.attend();
        self.pass(wait);
        Ok(())
    }

    fn collect(&mut self, ready: &mut VecDeque<Completion>, max: usize) -> usize {
        for collected in 0..max {
            let Some(completion) = self.answers.collect() else { return collected };
            if let Some(descriptor) = answers::announced(&completion) {
                self.places.make_known(descriptor);
            }
            ready.push_back(completion);
        }
        max
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn buffers(&self) -> BufferLevel {
        let pool = self.stream_pool();
        BufferLevel { free: pool.free(), total: pool.count() }
    }

    fn counts(&self) -> RingCounts {
        self.counts
    }

    fn bell(&self) -> Bell {
        self.bell.clone()
    }

    fn now(&self) -> Time {
        self.now
    }

    /// Nothing takes time here but what the script says.
    fn cpu(&self) -> Duration {
        Duration::ZERO
    }
}

/// The bell of the kernel with this seed: a negative number, so that it never names a real ring.
fn bell_of(seed: u64) -> Bell {
    let number = i32::try_from(seed & 0x7fff_ffff).expect("31 bits");
    Bell::of_ring(-1 - number)
}

/// Bytes that a stream takes in one direction before they are read, unless the test says otherwise.
const WINDOW_BYTES: usize = 64 * 1024;
/// Longest sleep: then the test's peers can act.
const SLEEP_MAX: Duration = Duration::from_millis(50);
/// Within this time completions change places. A turn takes at least as long, so that they stay in their turn.
const REORDER_NANOS: u64 = 1000;
/// The work of a turn takes up to so much more.
const WORK_NANOS: u64 = 4000;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod truth;
