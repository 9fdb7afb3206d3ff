//! What a worker drives: one kind of client, for streams or for datagrams.
//!
//! The worker owns time and the ring, and the client its sockets. Completions go in with the time of the turn;
//! operations come out through the [`Link`], and what happened goes into the [`Recorder`].

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
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

    /// Has the next wait end with one completion more than so many.
    fn expect(&mut self, completions: u32);
}

impl Sockets for Uring {
    fn adopt(&mut self, socket: OwnedFd, place: u32) -> io::Result<Descriptor> {
        Self::adopt(self, socket, place)
    }

    fn expect(&mut self, completions: u32) {
        Self::expect(self, completions);
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

    /// Does what connections are waiting for, before requests are handed out.
    fn attend<K: Sockets>(&mut self, _: &mut Turn<'_, K>) {}

    /// Connections that may be able to take a request, each once; those first that have been so for longest.
    fn free(&mut self) -> &mut VecDeque<u32>;

    /// Sends what is due on a connection, as many requests as it has room for and `share` allows, in at most `sends`
    /// sends. Returns how many sends it were.
    fn fill_one<K: Sockets>(&mut self, slot: u32, share: u64, sends: usize, turn: &mut Turn<'_, K>) -> usize;

    /// Sends what is due on connections that are free; at most [`SENDS_PER_TURN`] sends in an open loop.
    fn fill<K: Sockets>(&mut self, turn: &mut Turn<'_, K>) {
        self.attend(turn);
        let mut sends = notice(turn.demand, turn.now, self.free().len());
        while sends != 0
            && turn.demand.is_due(turn.now)
            && let Some(slot) = self.free().pop_front()
        {
            let share = turn.demand.share(self.free().len() + 1);
            sends -= self.fill_one(slot, share, sends, turn);
        }
        if self.free().is_empty() {
            notice(turn.demand, turn.now, 0);
        }
    }

    /// Whether there is something to do as soon as a send is taken, if more is due or not: else the worker need not wake
    /// for that.
    fn follows_sends(&self, more_is_due: bool) -> bool;

    /// Does what is due every [`TICK`].
    fn tick<K: Sockets>(&mut self, turn: &mut Turn<'_, K>);

    /// Records what has no answer, at the end: no more is waited for it.
    fn give_up<K: Sockets>(&mut self, turn: &mut Turn<'_, K>);

    /// Messages that are sent, and neither answered nor given up.
    fn in_flight(&self) -> u64;

    /// Connections that still work.
    fn open(&self) -> usize;

    /// Whether it turned out, before anything came back, that nobody listens: what a datagram's connect cannot tell.
    fn found_nobody(&self) -> bool {
        false // Connecting would have failed.
    }

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
const SWEEP_TICKS: usize = 10;
/// Bytes that a socket takes at once, unless its peer has not read for long: a send of no more has no rest to follow.
pub const TAKEN_AT_ONCE: usize = 4096;
/// Most sends that an open loop submits together: on a loopback, the n-th leaves only when those before it have arrived.
pub const SENDS_PER_TURN: usize = 16;

/// Where the search for requests that have waited too long goes on.
#[derive(Debug, Default)]
pub struct Sweep {
    from: usize,
}

impl Sweep {
    /// The connections to look at in this tick, of so many.
    pub fn next(&mut self, connections: usize) -> Range<usize> {
        let range = self.from..(self.from + connections.div_ceil(SWEEP_TICKS)).min(connections);
        self.from = if range.end == connections { 0 } else { range.end };
        range
    }
}

/// How many sends one turn may have, and how many requests may be noticed for them, when so many connections are free.
///
/// What no free connection can take is noticed at once: from then on it waits for a connection, and before that for us.
fn notice(demand: &mut Demand, now: Time, free: usize) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_comes_to_every_connection_in_ten_ticks() {
        for connections in [1, 9, 10, 11, 1000] {
            let mut sweep = Sweep::default();
            let seen: Vec<usize> = (0..SWEEP_TICKS).flat_map(|_| sweep.next(connections)).collect();
            assert!((0..connections).all(|number| seen.contains(&number)), "{connections}");
        }
    }
}
