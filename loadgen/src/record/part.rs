//! The run second by second: what a worker measured in each, handed over while it goes on measuring.
//!
//! A worker fills one part and, when its second is over, sends it away and takes another that has come home. It never
//! waits: when the receiver does not keep up, the part grows over the next second too.

use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};

use hdrhistogram::Histogram;
use tidemill::sys::clock::Time;

use super::{Window, new_histogram};

/// Length of a part in nanoseconds.
const PART_NANOS: u64 = 1_000_000_000;
/// The second of what came after the end of the load, however long that took.
pub const DRAIN: i64 = i64::MAX;
/// Parts that may be on their way from one worker.
const PARTS_WAITING: usize = 16;

/// What one worker measured in one second.
#[derive(Debug)]
pub struct Part {
    /// Its second, counted from the start of the measured time; negative in the warm-up, [`DRAIN`] after the end.
    pub second: i64,
    /// Response times of the good answers that came in it, in nanoseconds.
    pub response: Histogram<u64>,
    /// Service times of the same.
    pub service: Histogram<u64>,
    /// Lag of the requests that were sent in it.
    pub lag: Histogram<u64>,
    /// Requests sent in it.
    pub sent: u64,
    /// Requests that failed in it.
    pub failed: u64,
    /// Requests given up in it.
    pub timed_out: u64,
    /// Requests in flight at its end.
    pub in_flight: u64,
    /// How long the worker itself paused in it, in nanoseconds.
    pub paused: u64,
}

/// The worker's side.
#[derive(Debug)]
pub struct Feed {
    to: SyncSender<Box<Part>>,
    back: Receiver<Box<Part>>,
    window: Window,
    current: Box<Part>,
    /// When the current part is over.
    over: Time,
}

/// The side of the one who watches.
#[derive(Debug)]
pub struct Feeder {
    from: Receiver<Box<Part>>,
    back: Sender<Box<Part>>,
}

/// Both ends for one worker.
pub fn feed() -> (Feed, Feeder) {
    let (to, from) = sync_channel(PARTS_WAITING);
    let (home, back) = channel();
    let feed = Feed {
        to,
        back,
        window: Window::ALWAYS,
        current: Box::new(Part::new()),
        over: Time::from_nanos(u64::MAX),
    };
    (feed, Feeder { from, back: home })
}

impl Part {
    fn new() -> Self {
        Self {
            second: 0,
            response: new_histogram(),
            service: new_histogram(),
            lag: new_histogram(),
            sent: 0,
            failed: 0,
            timed_out: 0,
            in_flight: 0,
            paused: 0,
        }
    }

    fn reset(&mut self) {
        self.response.reset();
        self.service.reset();
        self.lag.reset();
        (self.sent, self.failed, self.timed_out, self.in_flight, self.paused) = (0, 0, 0, 0, 0);
    }
}

impl Feed {
    /// Begins to cut time into seconds of this window; it is `now`.
    pub fn begin(&mut self, window: Window, now: Time) {
        self.window = window;
        self.current.reset();
        self.enter(now);
    }

    /// The part that is being filled.
    pub fn part(&mut self) -> &mut Part {
        &mut self.current
    }

    /// What was not handed over.
    pub fn into_part(self) -> Box<Part> {
        self.current
    }

    /// Whether the current part is over.
    pub fn is_over(&self, now: Time) -> bool {
        self.over <= now
    }

    /// Sends the current part away, and begins the one of `now`.
    pub fn next(&mut self, now: Time) {
        let fresh = self.back.try_recv().unwrap_or_else(|_| Box::new(Part::new()));
        match self.to.try_send(std::mem::replace(&mut self.current, fresh)) {
            Ok(()) => self.current.reset(),
            // Nobody waits for it: it takes in the next second too.
            Err(TrySendError::Full(part) | TrySendError::Disconnected(part)) => self.current = part,
        }
        self.enter(now);
    }

    fn enter(&mut self, now: Time) {
        let until = self.window.until.map_or(u64::MAX, Time::as_nanos);
        let (now, from) = (now.as_nanos(), self.window.from.as_nanos());
        let (second, over) = if until <= now {
            (DRAIN, u64::MAX)
        } else if from <= now {
            let whole = (now - from) / PART_NANOS;
            let over = from.saturating_add((whole + 1).saturating_mul(PART_NANOS));
            (i64::try_from(whole).unwrap_or(DRAIN), over)
        } else {
            let left = (from - now).div_ceil(PART_NANOS);
            (-i64::try_from(left).unwrap_or(DRAIN), from - (left - 1) * PART_NANOS)
        };
        self.current.second = second;
        self.over = Time::from_nanos(over.min(if now < until { until } else { u64::MAX }));
    }
}

impl Feeder {
    /// The next part that has come, if one has.
    pub fn take(&self) -> Option<Box<Part>> {
        self.from.try_recv().ok()
    }

    /// Gives a part home, to be filled again.
    pub fn give_back(&self, part: Box<Part>) {
        let _ = self.back.send(part); // A worker that has ended needs none.
    }
}

/// A part of this second with so many answers, all of 1 µs.
#[cfg(test)]
pub(crate) fn part_of(second: i64, answers: u64) -> Part {
    let mut part = Part { second, ..Part::new() };
    part.response.record_n(1000, answers).expect("a microsecond is within the bounds");
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    fn begun(warmup_millis: u64) -> (Feed, Feeder) {
        let (mut feed, feeder) = feed();
        feed.begin(Window { from: at(10_000 + warmup_millis), until: None }, at(10_000));
        (feed, feeder)
    }

    #[test]
    fn seconds_count_from_the_start_of_the_measured_time() {
        let (mut feed, feeder) = begun(1500);
        let mut second = |now| {
            assert!(feed.is_over(at(now)) && !feed.is_over(at(now - 1)), "{now}");
            feed.next(at(now));
            feeder.take().unwrap().second
        };
        assert_eq!([10_500, 11_500, 12_500, 13_500].map(&mut second), [-2, -1, 0, 1]);
    }

    #[test]
    fn the_load_ends_within_a_second_and_all_that_follows_is_one_part() {
        let (mut feed, feeder) = feed();
        feed.begin(Window { from: at(10_000), until: Some(at(11_300)) }, at(10_000));
        let mut second = |now| {
            assert!(feed.is_over(at(now)) && !feed.is_over(at(now - 1)), "{now}");
            feed.next(at(now));
            feeder.take().unwrap().second
        };
        assert_eq!([11_000, 11_300].map(&mut second), [0, 1]);
        assert!(!feed.is_over(at(1_000_000)));
        assert_eq!(feed.into_part().second, DRAIN);
    }

    #[test]
    fn parts_come_home_empty() {
        let (mut feed, feeder) = begun(0);
        for round in 0..5 {
            feed.part().sent = 7;
            feed.part().response.record(1000).unwrap();
            feed.next(at(11_000 + round * 1000));
            let part = feeder.take().unwrap();
            assert_eq!((part.sent, part.response.len()), (7, 1));
            feeder.give_back(part);
        }
    }

    #[test]
    fn a_receiver_that_does_not_keep_up_loses_nothing() {
        let (mut feed, feeder) = begun(0);
        for second in 1..=30 {
            feed.part().sent += 1;
            feed.next(at(10_000 + second * 1000));
        }
        let sum = |feeder: &Feeder| std::iter::from_fn(|| feeder.take()).map(|part| part.sent).sum::<u64>();
        assert_eq!((sum(&feeder), feed.part().sent), (16, 14));
        feed.next(at(41_000));
        assert_eq!(sum(&feeder), 14);
    }
}
