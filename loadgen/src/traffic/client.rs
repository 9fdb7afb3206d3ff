//! What a worker drives: one kind of client, for streams or for datagrams.
//!
//! The worker owns time and the ring, and the client its sockets. Completions go in with the time of the turn;
//! operations come out through the [`Link`], and what happened goes into the [`Recorder`].

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tidemill::ring::{Completion, Descriptor, Generation, Kernel, Kind, Token, Uring};
use tidemill::sys::clock::Time;

use crate::record::Recorder;
use crate::traffic::link::Link;

/// What a client works with during one turn.
#[derive(Debug)]
pub struct Turn<'a, K> {
    /// The time of the turn.
    pub now: Time,
    /// What may still be sent.
    pub budget: &'a mut Budget,
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

    /// Sends all that depth and budget allow, on the connections where something has changed.
    fn fill<K: Sockets>(&mut self, turn: &mut Turn<'_, K>);

    /// Does what is due every [`TICK`].
    fn tick<K: Sockets>(&mut self, turn: &mut Turn<'_, K>);

    /// Gives up what has waited too long, at the end.
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

/// A connection that is ready to be used: its number in the run and its place in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Counted over all threads.
    pub number: u32,
    /// In this thread's table.
    pub file: Descriptor,
}

/// How many messages may still be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// After the warm-up; `None` is without end.
    left: Option<u64>,
    /// The end of the warm-up, during which messages cost nothing.
    free_until: Time,
    /// Whether the load is over.
    is_over: bool,
}

impl Budget {
    /// So many messages after the warm-up, or without end.
    pub fn new(left: Option<u64>, free_until: Time) -> Self {
        Self { left, free_until, is_over: false }
    }

    /// Takes at most `wanted` messages.
    pub fn take(&mut self, wanted: u64, now: Time) -> u64 {
        match &mut self.left {
            _ if self.is_over => 0,
            Some(left) if self.free_until <= now => {
                let taken = wanted.min(*left);
                *left -= taken;
                taken
            }
            Some(_) | None => wanted,
        }
    }

    /// Gives back a message that was taken at this time and not sent.
    pub fn give_back(&mut self, taken_at: Time) {
        if let Some(left) = &mut self.left
            && self.free_until <= taken_at
        {
            *left += 1;
        }
    }

    /// Allows nothing any more.
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// Whether nothing may be sent any more.
    pub fn is_spent(&self, now: Time) -> bool {
        self.is_over || self.left == Some(0) && self.free_until <= now
    }
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
    fn a_budget_is_spent_after_the_warm_up_only() {
        let at = Time::from_nanos;
        let mut budget = Budget::new(Some(5), at(100));
        assert_eq!(budget.take(50, at(99)), 50);
        assert_eq!((budget.take(3, at(100)), budget.is_spent(at(100))), (3, false));
        budget.give_back(at(99)); // It had cost nothing.
        budget.give_back(at(100));
        assert_eq!((budget.take(5, at(101)), budget.is_spent(at(101))), (3, true));
        budget.give_back(at(101));
        assert_eq!(budget.take(5, at(102)), 1);
    }

    #[test]
    fn an_endless_budget_ends_when_it_is_told() {
        let at = Time::from_nanos;
        let mut budget = Budget::new(None, at(100));
        assert_eq!(budget.take(1 << 40, at(200)), 1 << 40);
        assert!(!budget.is_spent(at(200)));
        budget.end();
        assert_eq!((budget.take(1, at(1)), budget.is_spent(at(1))), (0, true));
    }
}
