//! What a worker drives: one kind of client, for streams or for datagrams.
//!
//! The worker owns time and the ring, and the client its sockets. Completions go in with the time of the turn;
//! operations come out through the [`Link`], and what happened goes into the [`Recorder`].

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tidemill::ring::{Completion, Descriptor, Generation, Kernel, Kind, Token, Uring};
use tidemill::sys::clock::Time;

use crate::link::Link;
use crate::load::Demand;
use crate::record::Recorder;

/// What a client works with during one turn.
#[derive(Debug)]
pub struct Turn<'a, K> {
    /// The time of the turn: when completions were seen or, in [`Client::fill`], the moment before requests leave.
    pub now: Time,
    /// What may be sent.
    pub demand: &'a mut Demand,
    /// Where operations go.
    pub link: &'a mut Link<K>,
    /// Where it is written what happened.
    pub recorder: &'a mut Recorder,
}

/// A kernel that also takes sockets which were made outside of it, for connections that are opened later.
pub trait Sockets: Kernel {
    /// Takes a socket into this place of the ring's table, which must be free.
    ///
    /// # Errors
    /// What the operating system says.
    fn adopt(&mut self, socket: OwnedFd, place: u32) -> io::Result<Descriptor>;
}

impl Sockets for Uring {
    fn adopt(&mut self, socket: OwnedFd, place: u32) -> io::Result<Descriptor> {
        Self::adopt(self, socket, place)
    }
}

/// All connections of one kind in one worker.
pub trait Client {
    /// Arms the receives, and begins what handshakes there are.
    fn start<K: Sockets>(&mut self, turn: &mut Turn<'_, K>);

    /// Whether the load may begin: no handshake is under way.
    fn is_ready(&self) -> bool {
        true
    }

    /// Connections that are ready.
    fn ready(&self) -> usize {
        self.open()
    }

    /// Takes one completion.
    fn handle<K: Sockets>(&mut self, completion: Completion, turn: &mut Turn<'_, K>);

    /// Sends what is due on connections that are free, those first that have been free for longest; at most
    /// [`SENDS_PER_TURN`] sends in an open loop.
    fn fill<K: Sockets>(&mut self, turn: &mut Turn<'_, K>);

    /// Whether a connection may be able to take a request.
    fn has_free(&self) -> bool;

    /// Does what is due every [`TICK`].
    fn tick<K: Sockets>(&mut self, turn: &mut Turn<'_, K>);

    /// Records what has no answer, at the end: no more is waited for it.
    fn give_up<K: Sockets>(&mut self, turn: &mut Turn<'_, K>);

    /// Messages that are sent, and neither answered nor given up.
    fn in_flight(&self) -> u64;

    /// Connections that still work.
    fn open(&self) -> usize;

    /// Whether it turned out, before anything came back, that nobody listens: what a datagram's connect cannot tell.
    fn found_nobody(&self) -> bool;

    /// Closes all connections that are open.
    fn close<K: Sockets>(&mut self, turn: &mut Turn<'_, K>);

    /// Connections that were asked to close, after [`Client::close`], and are not closed.
    fn closing(&self) -> usize;

    /// Counts what has not come to its end although there was time.
    fn overdue(&mut self, _: &mut Recorder) {}
}

/// How often a client looks for what is due.
pub const TICK: Duration = Duration::from_millis(10);
/// Ticks in which every connection has been looked at once for requests that have waited too long.
pub const SWEEP_TICKS: usize = 10;
/// Most sends that an open loop submits together: on a loopback, the n-th leaves only when those before it have arrived.
pub const SENDS_PER_TURN: usize = 16;

/// How many sends one turn may have, and how many requests may be noticed for them, when so many connections are free.
///
/// What no free connection can take is noticed at once: from then on it waits for a connection, and before that for us.
pub fn notice(demand: &mut Demand, now: Time, free: usize) -> usize {
    if !demand.is_open() {
        return usize::MAX;
    }
    demand.notice(now, if free == 0 { usize::MAX } else { SENDS_PER_TURN });
    SENDS_PER_TURN
}

/// A connection that is ready to be used: its number in the run and its place in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Counted over all threads.
    pub number: u32,
    /// In this thread's table.
    pub file: Descriptor,
}

/// The token of an operation of this slot. A slot has one owner for the whole run, so its generation stays.
pub fn token(kind: Kind, slot: u32) -> Token {
    Token::new(kind, slot, Generation::new(0))
}

/// An index for the memory's side.
pub(crate) fn index(slot: u32) -> usize {
    slot as usize
}

/// A slot for the token's side.
pub(crate) fn slot(index: usize) -> u32 {
    u32::try_from(index).expect("slots are counted in 32 bits")
}
