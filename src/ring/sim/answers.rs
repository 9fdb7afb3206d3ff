//! Completions on their way: which operations are in flight, which answers are late, which are in the queue.
//!
//! Answers to one operation keep their order; those of different operations do not when the faults say so. Lateness
//! is a matter of the simulated time, so a shard that waits sleeps until the next late answer.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use super::faults::{Dice, Faults};
use crate::ring::completion::{Completion, Outcome};
use crate::ring::files::Descriptor;
use crate::ring::token::{Kind, Token};
use crate::sys::clock::Time;

/// What happens at its time.
#[derive(Debug)]
pub(super) enum Event {
    /// A completion reaches the queue.
    Arrival(Completion),
    /// Our side of a stream, with this number, is shut down.
    Shutdown(usize),
}

#[derive(Debug)]
struct Scheduled {
    due: Time,
    /// Breaks ties by age, so that answers to one operation that are due together keep their order.
    age: u64,
    event: Event,
}

/// An operation that is in flight.
#[derive(Debug)]
struct Flight {
    token: Token,
    file: Option<Descriptor>,
    /// When its last answer is due; the next is not earlier.
    due: Time,
}

/// Completions on their way.
#[derive(Debug)]
pub(super) struct Answers {
    flights: HashMap<u64, Flight, BuildHasherDefault<Mixer>>,
    in_flight: usize,
    scheduled: BinaryHeap<Scheduled>,
    ages: u64,
    ring: VecDeque<Completion>,
    /// What found the ring full.
    overflow: VecDeque<Completion>,
    ring_size: usize,
    /// What is done and ends no wait: it is told behind all else when a wait is over.
    silent: VecDeque<Completion>,
}

impl Answers {
    pub(super) fn new(ring_size: u32) -> Self {
        Self {
            flights: HashMap::default(),
            in_flight: 0,
            scheduled: BinaryHeap::new(),
            ages: 0,
            ring: VecDeque::new(),
            overflow: VecDeque::new(),
            ring_size: ring_size as usize,
            silent: VecDeque::new(),
        }
    }

    /// An operation is pushed, which answers so many times at the least.
    ///
    /// # Panics
    /// When its owner has one of the kind in flight already.
    pub(super) fn begin(&mut self, token: Token, file: Option<Descriptor>, answers: usize) {
        self.in_flight += answers;
        if !is_single(token.kind()) {
            return;
        }
        let flight = Flight { token, file, due: Time::ZERO };
        if let Some(other) = self.flights.insert(flight_key(token), flight) {
            let (kind, slot) = (token.kind(), token.slot());
            panic!(
                "two operations of kind {kind:?} in flight for slot {slot}: {token:?} and {:?}",
                other.token
            );
        }
    }

    /// The descriptor of this very operation, if its last answer has not been collected.
    pub(super) fn file_of(&self, token: Token) -> Option<Descriptor> {
        self.flights.get(&flight_key(token)).filter(|flight| flight.token == token)?.file
    }

    /// Operations whose last answer has not been collected.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether a multishot operation that answers now has to end, because the queue is full
    /// (`io_req_post_cqe` in io_uring/io_uring.c).
    pub(super) fn ring_is_full(&self) -> bool {
        self.ring_size <= self.ring.len()
    }

    /// Answers an operation.
    pub(super) fn post(&mut self, completion: Completion, now: Time, dice: &mut Dice) {
        let Faults { late, reorder, .. } = dice.faults;
        if late == 0 && reorder == 0 {
            return self.arrive(completion);
        }
        let drawn = lateness(now, dice);
        let flight = self.flights.get_mut(&flight_key(completion.token));
        let due = flight.map_or(drawn, |flight| {
            flight.due = flight.due.max(drawn);
            flight.due
        });
        self.schedule(due, Event::Arrival(completion));
    }

    /// Answers an operation whose success is no news.
    pub(super) fn post_silently(&mut self, completion: Completion) {
        self.silent.push_back(completion);
    }

    /// Lets something happen at this time.
    pub(super) fn schedule(&mut self, due: Time, event: Event) {
        self.ages += 1;
        self.scheduled.push(Scheduled { due, age: self.ages, event });
    }

    /// A completion reaches the queue, or finds it full.
    pub(super) fn arrive(&mut self, completion: Completion) {
        if self.ring_is_full() || !self.overflow.is_empty() {
            self.overflow.push_back(completion);
        } else {
            self.ring.push_back(completion);
        }
    }

    /// The next thing that is due by now.
    pub(super) fn next_event(&mut self, now: Time) -> Option<Event> {
        self.scheduled.peek().filter(|scheduled| scheduled.due <= now)?;
        self.scheduled.pop().map(|scheduled| scheduled.event)
    }

    /// When the next thing is due.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.scheduled.peek().map(|scheduled| scheduled.due)
    }

    /// Moves what found the ring full into it, as far as there is room. Returns whether there was anything.
    pub(super) fn flush_overflow(&mut self) -> bool {
        let overflowed = !self.overflow.is_empty();
        let room = self.ring_size.saturating_sub(self.ring.len()).min(self.overflow.len());
        self.ring.extend(self.overflow.drain(..room));
        overflowed
    }

    /// Whether there is something to collect.
    pub(super) fn is_ready(&self) -> bool {
        !self.ring.is_empty()
    }

    /// Whether nothing is to be collected, now or later, unless something happens.
    pub(super) fn is_quiet(&self) -> bool {
        self.ring.is_empty() && self.overflow.is_empty() && self.scheduled.is_empty()
    }

    /// Takes the next completion: out of the ring, or, when that is empty, of what was done silently.
    pub(super) fn collect(&mut self) -> Option<Completion> {
        let completion = self.ring.pop_front().or_else(|| self.silent.pop_front())?;
        let kind = completion.token.kind();
        if !completion.more && kind != Kind::Doorbell {
            self.in_flight -= 1;
            if is_single(kind) {
                self.flights.remove(&flight_key(completion.token));
            }
        }
        Some(completion)
    }
}

/// When an answer that is given now arrives.
pub(super) fn lateness(now: Time, dice: &mut Dice) -> Time {
    let mut nanos = 0;
    if dice.falls(|faults| faults.reorder) {
        nanos += dice.random.below(super::REORDER_NANOS);
    }
    if dice.falls(|faults| faults.late) {
        nanos += dice.random.below(u64::from(dice.faults.late_us_max.max(1)) * 1000);
    }
    now.saturating_add(Duration::from_nanos(nanos))
}

/// Whether an owner has one operation of this kind in flight at most. Cancels and bells may be several: they carry
/// nothing, and a second one is harmless.
fn is_single(kind: Kind) -> bool {
    match kind {
        Kind::Cancel | Kind::CloseCancel | Kind::Doorbell | Kind::DoorbellSent => false,
        Kind::Accept
        | Kind::Connect
        | Kind::Receive
        | Kind::Send
        | Kind::ReceiveFrom
        | Kind::SendTo
        | Kind::Shutdown
        | Kind::Close => true,
    }
}

/// The owner and the kind, without the generation. Both halves of a close are one operation: they are linked, so that
/// the close never answers before its cancel.
fn flight_key(token: Token) -> u64 {
    let kind = if token.kind() == Kind::CloseCancel { Kind::Close } else { token.kind() };
    (kind as u64) << 32 | u64::from(token.slot())
}

/// Whether a completion tells of a place that its owner does not know yet.
pub(super) fn announced(completion: &Completion) -> Option<Descriptor> {
    match &completion.outcome {
        Outcome::Accepted(Ok(accepted)) => Some(accepted.descriptor),
        _ => None,
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    /// The earliest is the greatest: a heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.age).cmp(&(self.due, self.age))
    }
}

/// Hashes one number by one multiplication: nobody attacks a simulation with chosen slots.
#[derive(Debug, Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing; the upper bits are the good ones, and a table looks at both ends.
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}
