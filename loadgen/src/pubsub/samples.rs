//! Latency from publication to delivery: who gets a message first, who gets it last, and everybody.
//!
//! When a message was meant to be sent is remembered here and not in the message, since publishers and subscribers are one
//! process with one clock. In an open loop that is every message, in a saturated run one in some: recording costs more
//! than reading does.

use hdrhistogram::Histogram;
use tidemill::sys::clock::Time;

use super::subjects::place;
use crate::record::{LATENCY_MAX, new_histogram};

/// Fibonacci hashing: which messages are sampled does not depend on their subject.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// From the intended time of a message to its deliveries.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// To the first subscriber that got it.
    pub first: Histogram<u64>,
    /// To the last one, of messages that all got.
    pub last: Histogram<u64>,
    /// To every subscriber.
    pub every: Histogram<u64>,
    /// To the moment before it was sent: what the generator added.
    pub lag: Histogram<u64>,
}

/// The messages of one publisher that are sampled and under way.
#[derive(Clone, Debug)]
pub struct Samples {
    slots: Box<[Slot]>,
    /// Bits of a message's hash that must be zero.
    skipped: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    number: u64,
    intended: Time,
    /// Subscribers that do not have it yet; none when the slot is free.
    left: u32,
    is_seen: bool,
    /// Whether it belongs to the measured time.
    is_measured: bool,
}

impl Latencies {
    /// Without a sample.
    pub fn new() -> Self {
        let [first, last, every, lag] = [(); 4].map(|()| new_histogram());
        Self { first, last, every, lag }
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

impl Samples {
    /// For at most so many messages under way, of which one in 2^`skipped` is sampled.
    pub fn new(window: u64, skipped: u32) -> Self {
        let slots = usize::try_from(window.next_power_of_two()).expect("a window fits into memory");
        Self { slots: vec![Slot::default(); slots].into(), skipped }
    }

    /// Whether this message is sampled.
    #[inline]
    pub fn takes(&self, number: u64) -> bool {
        self.skipped == 0 || number.wrapping_mul(SPREAD) >> (u64::BITS - self.skipped) == 0
    }

    /// A message that is sampled leaves, and so many are to get it.
    pub fn leaves(&mut self, number: u64, intended: Time, takers: u32, is_measured: bool) {
        *self.slot(number) = Slot { number, intended, left: takers, is_seen: false, is_measured };
    }

    /// Whether a message can be remembered: the one in its place, if there is one, is not waited for any more, or was sent
    /// before `forgiven`. Only for messages that may be overtaken by many.
    pub fn has_room(&self, number: u64, forgiven: u64) -> bool {
        let slot = self.slots[place(number & (self.slots.len() as u64 - 1))];
        slot.left == 0 || slot.number < forgiven
    }

    /// A message does not come any more. Returns whether it was under way.
    pub fn forget(&mut self, number: u64) -> bool {
        let slot = self.slot(number);
        slot.number == number && std::mem::take(&mut slot.left) != 0
    }

    /// A message that may be sampled has come. Returns whether it was under way.
    pub fn comes(&mut self, number: u64, now: Time, latencies: &mut Latencies) -> bool {
        let slot = self.slot(number);
        if slot.number != number || slot.left == 0 {
            return false;
        }
        let (is_first, is_last) = (!slot.is_seen, slot.left == 1);
        slot.is_seen = true;
        slot.left -= 1;
        if slot.is_measured {
            let nanos = nanos_between(slot.intended, now);
            latencies.every.saturating_record(nanos);
            if is_first {
                latencies.first.saturating_record(nanos);
            }
            if is_last {
                latencies.last.saturating_record(nanos);
            }
        }
        true
    }

    fn slot(&mut self, number: u64) -> &mut Slot {
        let at = place(number & (self.slots.len() as u64 - 1));
        &mut self.slots[at]
    }
}

/// From one moment to another, as histograms take it.
pub fn nanos_between(from: Time, to: Time) -> u64 {
    let nanos = to.saturating_since(from).min(LATENCY_MAX).as_nanos();
    u64::try_from(nanos).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_the_last_and_everybody_are_told_apart() {
        let (mut samples, mut latencies) = (Samples::new(4, 0), Latencies::new());
        let at = |micros: u64| Time::from_nanos(micros * 1000);
        samples.leaves(5, at(100), 3, true);
        for (micros, is_known) in [(110, true), (130, true), (190, true), (200, false)] {
            assert_eq!(samples.comes(5, at(micros), &mut latencies), is_known);
        }
        assert!(!samples.comes(9, at(300), &mut latencies), "it was never sampled");
        // A histogram keeps three digits.
        let micros = |nanos: u64| (nanos as f64 / 1000.0).round();
        let figures =
            |histogram: &Histogram<u64>| (histogram.len(), micros(histogram.min()), micros(histogram.max()));
        assert_eq!(figures(&latencies.first), (1, 10.0, 10.0));
        assert_eq!(figures(&latencies.last), (1, 90.0, 90.0));
        assert_eq!(figures(&latencies.every), (3, 10.0, 90.0));
    }

    /// A place is taken again when what was there has come, or does not come any more.
    #[test]
    fn a_request_that_waits_keeps_its_place() {
        let (mut samples, mut latencies) = (Samples::new(4, 0), Latencies::new());
        samples.leaves(1, Time::ZERO, 1, true);
        assert!(samples.has_room(2, 0) && !samples.has_room(5, 0) && !samples.has_room(5, 1));
        assert!(samples.has_room(5, 2), "what was sent before 2 is not waited for");
        assert!(!samples.forget(5) && samples.forget(1) && !samples.forget(1));
        assert!(samples.has_room(5, 0) && !samples.comes(1, Time::ZERO, &mut latencies));
    }

    /// One in 64, and of every 64th subject as well as of any other.
    #[test]
    fn samples_are_spread_over_all_messages() {
        let samples = Samples::new(1, 6);
        for stride in [1, 3, 64, 100, 10_000] {
            let taken =
                (0..640_000_u64).step_by(stride).filter(|number| samples.takes(*number)).count() as f64;
            let expected = 10_000.0 / stride as f64;
            assert!(
                (taken - expected).abs() < 4.0 * expected.sqrt() + 2.0,
                "{stride}: {taken}, not {expected}"
            );
        }
    }
}
