//! A worker watches itself: how late it wakes, how long it does not look, when it did not run at all.

use hdrhistogram::Histogram;
use tidemill::sys::clock::Time;

use super::{Window, new_histogram};
use crate::check::Pause;

/// A pause from this length on is told: nothing that a worker does by itself takes as long.
const PAUSE_NANOS: u64 = 1_000_000;
/// Pauses that are kept, the longest ones.
const PAUSES_KEPT: usize = 64;

/// What a worker saw of itself within the window.
#[derive(Debug)]
pub struct Vigil {
    window: Window,
    /// From the moment that was asked for to the one when it woke, in nanoseconds.
    pub lateness: Histogram<u64>,
    /// Time in a turn during which nothing that came could be seen, in nanoseconds: what a stamp may be wrong by.
    pub residual: Histogram<u64>,
    /// The longest pauses, the longest first.
    pub pauses: Vec<Pause>,
    /// All of them.
    pub pause_count: u64,
    /// Nanoseconds of pauses since it was asked last.
    paused: u64,
    /// Requests in flight, summed over nanoseconds.
    in_flight_nanos: f64,
}

impl Vigil {
    /// Of this window.
    pub fn new(window: Window) -> Self {
        Self {
            window,
            lateness: new_histogram(),
            residual: new_histogram(),
            pauses: Vec::new(),
            pause_count: 0,
            paused: 0,
            in_flight_nanos: 0.0,
        }
    }

    /// It asked to be woken at `until`, and it is `now`. A wake-up by a completion comes before that.
    pub fn woke(&mut self, until: Time, now: Time) {
        if now < until {
            return;
        }
        if self.window.contains(until) {
            self.lateness.saturating_record(now.as_nanos() - until.as_nanos());
        }
        self.pause(until, now);
    }

    /// It did not look for completions from `from` to `until`, since it worked.
    pub fn worked(&mut self, from: Time, until: Time) {
        if self.window.contains(from) {
            self.residual.saturating_record(until.as_nanos().saturating_sub(from.as_nanos()));
        }
        self.pause(from, until);
    }

    /// So many requests were in flight from `from` to `until`.
    pub fn in_flight(&mut self, requests: u64, from: Time, until: Time) {
        self.in_flight_nanos += requests as f64 * until.saturating_since(from).as_nanos() as f64;
    }

    /// The sum over time of the requests in flight, in request-seconds.
    pub fn in_flight_seconds(&self) -> f64 {
        self.in_flight_nanos / 1e9
    }

    /// Nanoseconds of pauses since this was asked last.
    pub fn take_paused(&mut self) -> u64 {
        std::mem::take(&mut self.paused)
    }

    fn pause(&mut self, from: Time, until: Time) {
        let nanos = until.as_nanos().saturating_sub(from.as_nanos());
        if nanos < PAUSE_NANOS {
            return;
        }
        self.paused += nanos;
        if !self.window.contains(from) && !self.window.contains(until) {
            return;
        }
        self.pause_count += 1;
        let pause = Pause { at_s: self.window.seconds_at(from), length_s: nanos as f64 / 1e9 };
        let place = self.pauses.partition_point(|longer| pause.length_s <= longer.length_s);
        self.pauses.insert(place, pause);
        self.pauses.truncate(PAUSES_KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Time {
        Time::from_nanos(micros * 1000)
    }

    fn vigil() -> Vigil {
        Vigil::new(Window { from: at(1_000_000), until: Some(at(2_000_000)) })
    }

    #[test]
    fn waking_late_is_noticed_and_waking_early_is_not_late() {
        let mut vigil = vigil();
        vigil.woke(at(1_000_100), at(1_000_050));
        vigil.woke(at(1_000_100), at(1_000_160));
        assert_eq!((vigil.lateness.len(), vigil.lateness.max() / 100), (1, 600));
        assert_eq!(vigil.pause_count, 0);
    }

    #[test]
    fn a_stop_is_a_pause_wherever_it_falls() {
        let mut vigil = vigil();
        vigil.woke(at(1_100_000), at(1_300_000));
        vigil.worked(at(1_400_000), at(1_402_000));
        vigil.woke(at(500_000), at(600_000)); // In the warm-up.
        vigil.worked(at(999_000), at(1_004_000)); // It reaches into the window.
        let lengths: Vec<f64> = vigil.pauses.iter().map(|pause| pause.length_s).collect();
        assert_eq!((lengths, vigil.pause_count), (vec![0.2, 0.005, 0.002], 3));
        assert!((vigil.pauses[0].at_s - 0.1).abs() < 1e-9 && (vigil.pauses[1].at_s + 0.001).abs() < 1e-9);
        assert_eq!((vigil.take_paused(), vigil.take_paused()), (307_000_000, 0));
    }

    #[test]
    fn pauses_are_bounded_and_the_longest_stay() {
        let mut vigil = vigil();
        for millis in 1..=200_u64 {
            vigil.worked(at(1_500_000), at(1_500_000 + millis * 1000));
        }
        assert_eq!((vigil.pauses.len(), vigil.pause_count), (PAUSES_KEPT, 200));
        assert!((vigil.pauses[0].length_s - 0.2).abs() < 1e-9);
        assert!((vigil.pauses[63].length_s - 0.137).abs() < 1e-9);
    }

    #[test]
    fn what_is_in_flight_is_summed_over_the_whole_run() {
        let mut vigil = vigil();
        vigil.in_flight(4, at(900_000), at(1_250_000));
        vigil.in_flight(2, at(1_500_000), at(3_000_000));
        assert!((vigil.in_flight_seconds() - (4.0 * 0.35 + 2.0 * 1.5)).abs() < 1e-9);
    }
}
