//! A listening socket of one shard: which of its accepts are in flight, and when it pauses.

use std::time::Duration;

use crate::limits;
use crate::ring::{Descriptor, Generation, Kind, Token};
use crate::sys::clock::Time;

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    /// Its place in the ring's table of descriptors.
    pub descriptor: Descriptor,
    /// Its place among the shard's sockets.
    pub index: u16,
    /// The number of the listener that it belongs to: there may be several sockets of one.
    pub number: u16,
    /// Accepts that are not in flight.
    idle: Vec<u32>,
    /// Pauses while descriptors are short.
    pub backoff: Backoff,
    state: State,
    /// Turns since all accepts are in flight and none was answered.
    quiet_turns: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Closing(u8),
    Closed,
}

impl Listener {
    /// A listener that accepts nothing yet.
    pub fn new(descriptor: Descriptor, index: u16) -> Self {
        let first = u32::from(index) * limits::ACCEPTS_IN_FLIGHT;
        let idle = (first..first + limits::ACCEPTS_IN_FLIGHT).collect();
        let backoff = Backoff::default();
        Self { descriptor, index, number: index, idle, backoff, state: State::Open, quiet_turns: 0 }
    }

    /// The same, of the listener with this number.
    pub fn of_number(self, number: u16) -> Self {
        Self { number, ..self }
    }

    /// Whose accept this slot is.
    pub fn index_of(slot: u32) -> usize {
        (slot / limits::ACCEPTS_IN_FLIGHT) as usize
    }

    /// The next accept to push, unless all are in flight or the listener pauses.
    pub fn next_accept(&mut self, now: Time) -> Option<Token> {
        if self.state != State::Open || self.backoff.is_paused(now) {
            return None;
        }
        let slot = self.idle.pop()?;
        Some(Token::new(Kind::Accept, slot, Generation::default()))
    }

    /// An accept answered.
    pub fn handle_accept(&mut self, slot: u32) {
        debug_assert!(!self.idle.contains(&slot), "an accept answers once");
        self.quiet_turns = 0;
        self.idle.push(slot);
    }

    /// Counts a turn. Returns for how many turns in a row all accepts have been in flight and none was answered.
    pub fn count_quiet_turn(&mut self) -> u32 {
        self.quiet_turns = if self.idle.is_empty() { self.quiet_turns + 1 } else { 0 };
        self.quiet_turns
    }

    /// Whether it is neither closed nor closing.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// The token to close it with, once.
    pub fn close(&mut self) -> Option<Token> {
        if self.state != State::Open {
            return None;
        }
        self.state = State::Closing(2);
        Some(Token::new(Kind::Close, LISTENER_SLOTS | u32::from(self.index), Generation::default()))
    }

    /// A half of the close answered.
    pub fn handle_close(&mut self) {
        self.state = match self.state {
            State::Closing(2) => State::Closing(1),
            State::Closing(_) | State::Closed => State::Closed,
            State::Open => unreachable!("a close is answered after it was asked for"),
        };
    }

    /// Whether it is closed and nothing of it is in flight.
    pub fn is_over(&self) -> bool {
        self.state == State::Closed && self.idle.len() == limits::ACCEPTS_IN_FLIGHT as usize
    }
}

/// Set in the slot of a close that is a listener's. Connections have far fewer slots.
pub const LISTENER_SLOTS: u32 = 1 << 31;

const _: () = assert!(limits::CONNECTIONS_PER_SHARD_MAX * 2 < LISTENER_SLOTS);

/// Pauses that double: for errors that last, such as a lack of descriptors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    until: Option<Time>,
    last: Duration,
}

impl Backoff {
    /// Starts a pause, twice as long as the last one.
    pub fn pause(&mut self, now: Time) {
        self.last = (self.last * 2).clamp(limits::ACCEPT_PAUSE, limits::ACCEPT_PAUSE_MAX);
        self.until = Some(now.saturating_add(self.last));
    }

    /// It works again: the next pause is the shortest.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// When the pause is over.
    pub fn until(&self) -> Option<Time> {
        self.until
    }

    /// Whether it still pauses.
    pub fn is_paused(&mut self, now: Time) -> bool {
        self.until = self.until.filter(|until| now < *until);
        self.until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second_and_start_over_when_it_works() {
        let mut backoff = Backoff::default();
        let mut now = Time::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            backoff.pause(now);
            let until = backoff.until().unwrap();
            pauses.push(until.saturating_since(now).as_millis());
            assert!(backoff.is_paused(now));
            assert!(!backoff.is_paused(until));
            now = until;
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        backoff.reset();
        backoff.pause(now);
        assert_eq!(backoff.until().unwrap().saturating_since(now).as_millis(), 10);
    }

    #[test]
    fn each_accept_is_in_flight_once_and_found_by_its_slot() {
        let mut listener = Listener::new(Descriptor::new(0), 3);
        let tokens: Vec<_> = std::iter::from_fn(|| listener.next_accept(Time::ZERO)).collect();
        let mut slots: Vec<_> = tokens.iter().map(|token| token.slot()).collect();
        slots.sort_unstable();
        assert_eq!(slots, (96..128).collect::<Vec<_>>());
        assert!(slots.iter().all(|slot| Listener::index_of(*slot) == 3));
        assert_eq!((listener.count_quiet_turn(), listener.count_quiet_turn()), (1, 2));
        listener.handle_accept(100);
        assert_eq!(listener.count_quiet_turn(), 0);
        assert_eq!(listener.next_accept(Time::ZERO).map(Token::slot), Some(100));
    }

    #[test]
    fn a_closed_listener_is_over_when_its_accepts_have_answered() {
        let mut listener = Listener::new(Descriptor::new(0), 0);
        let slot = listener.next_accept(Time::ZERO).unwrap().slot();
        assert!(listener.close().is_some());
        assert!(listener.close().is_none(), "it is closed once");
        assert!(listener.next_accept(Time::ZERO).is_none());
        listener.handle_close();
        listener.handle_close();
        assert!(!listener.is_over());
        listener.handle_accept(slot);
        assert!(listener.is_over());
    }
}
