//! What a run shows while it runs: one line on the terminal, rewritten each second.
//!
//! Workers hand over the latencies of about a second at a time by exchanging histograms, so that they never wait for
//! the terminal and allocate nothing. Nobody watches unless standard error is a terminal.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tidemill::sys::clock::Time;

use crate::record::new_histogram;
use crate::report::{show_count, show_nanos};

/// How often workers hand over: somewhat more often than the line is written.
const EXCHANGE: Duration = Duration::from_millis(250);

/// Where a worker leaves what it measured since the last exchange.
#[derive(Clone, Debug)]
pub struct Exchange(Arc<Mutex<Recent>>);

/// Latencies of the time since the last exchange.
#[derive(Debug)]
struct Recent {
    latency: Histogram<u64>,
    /// How long it was measured.
    time: Duration,
}

/// The worker's side.
#[derive(Debug)]
pub struct Feed {
    exchange: Exchange,
    recent: Recent,
    /// When it handed over last.
    last: Time,
}

/// The watcher's side.
#[derive(Debug)]
pub struct Line {
    exchanges: Vec<Exchange>,
    is_dirty: bool,
}

impl Exchange {
    /// A place without anything.
    #[expect(clippy::new_without_default, reason = "it is made in one place, deliberately")]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Recent::new())))
    }
}

impl Recent {
    fn new() -> Self {
        Self { latency: new_histogram(), time: Duration::ZERO }
    }

    fn reset(&mut self) {
        self.latency.reset();
        self.time = Duration::ZERO;
    }
}

impl Feed {
    /// A feed into this place, which measures from now on.
    pub fn new(exchange: Exchange, now: Time) -> Self {
        Self { exchange, recent: Recent::new(), last: now }
    }

    /// Takes the latency of so many messages.
    pub fn record(&mut self, nanos: u64, messages: u64) {
        self.recent.latency.saturating_record_n(nanos, messages);
    }

    /// Hands over when it is time and the watcher has taken the last part. It never waits.
    pub fn tick(&mut self, now: Time) {
        let time = now.saturating_since(self.last);
        if time < EXCHANGE {
            return;
        }
        if let Ok(mut place) = self.exchange.0.try_lock()
            && place.time.is_zero()
        {
            self.recent.time = time;
            std::mem::swap(&mut *place, &mut self.recent);
            self.last = now;
        }
    }
}

impl Line {
    /// A line about the workers that feed these places.
    pub fn new(exchanges: Vec<Exchange>) -> Self {
        Self { exchanges, is_dirty: false }
    }

    /// Writes the line anew. What cannot be written is not important.
    pub fn write(&mut self) {
        // Back to the start, clear to the end (ECMA-48, CR and EL).
        let _ = write!(io::stderr(), "\r{}\x1b[K", self.take());
        self.is_dirty = true;
    }

    /// Takes what the workers left, and says it.
    fn take(&self) -> String {
        let mut latency = new_histogram();
        let mut rate = 0.0;
        for exchange in &self.exchanges {
            let mut place = exchange.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !place.time.is_zero() {
                rate += place.latency.len() as f64 / place.time.as_secs_f64();
            }
            let added = latency.add(&place.latency);
            debug_assert!(added.is_ok(), "all histograms have the same bounds");
            place.reset();
        }
        if latency.is_empty() {
            return "no answers in the last second".to_owned();
        }
        let [p50, p99] = [0.5, 0.99].map(|quantile| show_nanos(latency.value_at_quantile(quantile) as f64));
        format!("{} messages/s, p50 {p50}, p99 {p99}", show_count(rate.round()))
    }

    /// Takes the line away, so that the result stands alone.
    pub fn clear(&mut self) {
        if self.is_dirty {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Time {
        Time::from_nanos(milliseconds * 1_000_000)
    }

    #[test]
    fn a_worker_hands_over_what_the_watcher_has_room_for() {
        let exchange = Exchange::new();
        let mut feed = Feed::new(exchange.clone(), at(0));
        let line = Line::new(vec![exchange.clone()]);
        let place = || exchange.0.lock().unwrap().latency.len();
        feed.record(1000, 1);
        feed.tick(at(249));
        assert_eq!((place(), feed.recent.latency.len()), (0, 1), "it is too early");
        feed.tick(at(250));
        assert_eq!((place(), feed.recent.latency.len()), (1, 0));
        feed.record(2000, 1);
        feed.tick(at(1000));
        assert_eq!((place(), feed.recent.latency.len()), (1, 1), "it was not taken yet");
        assert!(line.take().starts_with("4 messages/s"));
        feed.tick(at(1250));
        assert_eq!((place(), feed.recent.latency.len()), (1, 0));
        assert!(line.take().starts_with("1 messages/s"), "one in the second since the last exchange");
    }

    #[test]
    fn the_line_says_rate_and_latency_of_all_workers() {
        let exchanges = vec![Exchange::new(), Exchange::new()];
        let line = Line::new(exchanges.clone());
        assert_eq!(line.take(), "no answers in the last second");
        for exchange in exchanges {
            let mut feed = Feed::new(exchange, at(0));
            feed.record(15_000, 2000);
            feed.tick(at(2000));
        }
        assert_eq!(line.take(), "2,000 messages/s, p50 15.0 µs, p99 15.0 µs");
    }
}
