//! What every peer does with a message, whatever it came in: decide when its answer leaves and what befalls it, count
//! it, and measure how late the answer really left.

use hdrhistogram::Histogram;
use tidemill::sys::clock::Time;

use super::fault::{Dice, Fate, Faults};
use super::law::{Departures, Law};
use super::summary::{Counts, Lateness};

/// Longest lateness that is told from longer ones, in nanoseconds: a minute.
const LATENESS_MAX: u64 = 60_000_000_000;
/// Digits of a lateness that are kept.
const LATENESS_DIGITS: u8 = 3;

/// The law, the faults, and what came of them.
#[derive(Debug)]
pub struct Desk {
    departures: Departures,
    dice: Dice,
    /// What happened so far.
    pub counts: Counts,
    lateness: Histogram<u64>,
    /// When the answers were to leave that are being handed to the kernel.
    leaving: Vec<Time>,
}

impl Desk {
    /// A desk where nothing has happened.
    ///
    /// # Panics
    /// Never: the bounds of the histogram are constants that it takes.
    pub fn new(law: Law, faults: Faults, seed: u64) -> Self {
        let lateness = Histogram::new_with_bounds(1, LATENESS_MAX, LATENESS_DIGITS);
        Self {
            departures: Departures::new(law, seed),
            dice: Dice::new(faults, seed),
            counts: Counts::default(),
            lateness: lateness.expect("these bounds are valid"),
            leaving: Vec::new(),
        }
    }

    /// A message arrived. Returns when its answer leaves, and what befalls it; an answer without a byte that may be
    /// changed is not corrupted.
    pub fn arrive(&mut self, now: Time, is_corruptible: bool) -> (Time, Fate) {
        let counts = &mut self.counts;
        counts.messages += 1;
        let fate = match self.dice.cast() {
            Fate::Corrupted if !is_corruptible => Fate::Whole,
            fate => fate,
        };
        match fate {
            Fate::Whole => {}
            Fate::Dropped => counts.dropped += 1,
            Fate::Duplicated => counts.duplicated += 1,
            Fate::Corrupted => counts.corrupted += 1,
        }
        // A dropped answer has cost the server as much as any other.
        (self.departures.departure(now), fate)
    }

    /// An answer that was to leave then is handed to the kernel in this turn.
    pub fn leave(&mut self, asked: Time) {
        self.counts.answered += 1;
        self.leaving.push(asked);
    }

    /// Whether answers were handed to the kernel since [`left`](Self::left).
    pub fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// The kernel has taken now what was handed to it.
    pub fn left(&mut self, now: Time) {
        for asked in self.leaving.drain(..) {
            let late = now.saturating_since(asked).as_nanos();
            self.lateness.saturating_record(u64::try_from(late).unwrap_or(u64::MAX));
        }
    }

    /// How late answers left.
    pub fn lateness(&self) -> Lateness {
        let at = |percent| micros(self.lateness.value_at_quantile(percent));
        Lateness { p50_us: at(0.5), p99_us: at(0.99), max_us: micros(self.lateness.max()) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a minute in nanoseconds is exact in a double")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::fault::Often;

    #[test]
    fn what_cannot_be_changed_is_not_counted_as_changed() {
        let faults = Faults { corrupt: Often::Every(1), ..Faults::default() };
        let mut desk = Desk::new(Law::None, faults, 1);
        assert_eq!(desk.arrive(Time::ZERO, false).1, Fate::Whole);
        assert_eq!(desk.arrive(Time::ZERO, true).1, Fate::Corrupted);
        assert_eq!((desk.counts.messages, desk.counts.corrupted), (2, 1));
    }

    /// 98 answers are 10 µs late, one 1 ms and one 5 ms.
    #[test]
    fn lateness_is_from_the_asked_to_the_real_departure() {
        let mut desk = Desk::new(Law::None, Faults::default(), 1);
        let now = Time::from_nanos(1_000_000_000);
        for late in [10_000; 98].into_iter().chain([1_000_000, 5_000_000]) {
            desk.leave(Time::from_nanos(now.as_nanos() - late));
        }
        assert!(desk.is_leaving());
        desk.left(now);
        assert!(!desk.is_leaving());
        let lateness = desk.lateness();
        let check =
            |found: f64, expected: f64| assert!((found - expected).abs() <= 0.001 * expected, "{found}");
        check(lateness.p50_us, 10.0);
        check(lateness.p99_us, 1000.0);
        check(lateness.max_us, 5000.0);
    }
}
