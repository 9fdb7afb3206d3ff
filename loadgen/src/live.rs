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
pub struct Exchange(Arc<Mutex<Histogram<u64>>>);

/// The worker's side.
#[derive(Debug)]
pub struct Feed {
    exchange: Exchange,
    recent: Histogram<u64>,
    next: Time,
}

/// The watcher's side.
#[derive(Debug)]
pub struct Line {
    exchanges: Vec<Exchange>,
    recent: Histogram<u64>,
    last: Time,
    is_dirty: bool,
}

impl Exchange {
    /// A place without anything.
    #[expect(clippy::new_without_default, reason = "it is made in one place, deliberately")]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(new_histogram())))
    }
}

impl Feed {
    /// A feed into this place.
    pub fn new(exchange: Exchange) -> Self {
        Self { exchange, recent: new_histogram(), next: Time::ZERO }
    }

    /// Takes a latency.
    pub fn record(&mut self, nanos: u64) {
        self.recent.saturating_record(nanos);
    }

    /// Hands over when it is time and the watcher has taken the last part. It never waits.
    pub fn tick(&mut self, now: Time) {
        if now < self.next {
            return;
        }
        self.next = now.saturating_add(EXCHANGE);
        if let Ok(mut place) = self.exchange.0.try_lock()
            && place.is_empty()
        {
            std::mem::swap(&mut *place, &mut self.recent);
        }
    }
}

impl Line {
    /// A line about the workers that feed these places.
    pub fn new(exchanges: Vec<Exchange>, now: Time) -> Self {
        Self { exchanges, recent: new_histogram(), last: now, is_dirty: false }
    }

    /// Writes the line anew. What cannot be written is not important.
    pub fn write(&mut self, now: Time) {
        for exchange in &self.exchanges {
            let mut place = exchange.0.lock().unwrap_or_else(PoisonError::into_inner);
            let added = self.recent.add(&*place);
            debug_assert!(added.is_ok(), "all histograms have the same bounds");
            place.reset();
        }
        let line = describe(&self.recent, now.saturating_since(self.last));
        // Back to the start, clear to the end (ECMA-48, CR and EL).
        let _ = write!(io::stderr(), "\r{line}\x1b[K");
        self.recent.reset();
        self.last = now;
        self.is_dirty = true;
    }

    /// Takes the line away, so that the result stands alone.
    pub fn clear(&mut self) {
        if self.is_dirty {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn describe(recent: &Histogram<u64>, time: Duration) -> String {
    if recent.is_empty() || time.is_zero() {
        return "no answers yet".to_owned();
    }
    let rate = recent.len() as f64 / time.as_secs_f64();
    let [p50, p99] = [0.5, 0.99].map(|quantile| show_nanos(recent.value_at_quantile(quantile) as f64));
    format!("{} messages/s, p50 {p50}, p99 {p99}", show_count(rate.round()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_hands_over_what_the_watcher_has_room_for() {
        let exchange = Exchange::new();
        let mut feed = Feed::new(exchange.clone());
        feed.record(1000);
        feed.tick(Time::from_nanos(1));
        assert_eq!((exchange.0.lock().unwrap().len(), feed.recent.len()), (1, 0));
        feed.record(2000);
        feed.tick(Time::from_nanos(2)); // Too early.
        feed.tick(Time::from_nanos(1_000_000_000)); // Not taken yet: it stays for the next time.
        assert_eq!((exchange.0.lock().unwrap().len(), feed.recent.len()), (1, 1));
        exchange.0.lock().unwrap().reset();
        feed.tick(Time::from_nanos(2_000_000_000));
        assert_eq!((exchange.0.lock().unwrap().len(), feed.recent.len()), (1, 0));
    }

    #[test]
    fn the_line_says_rate_and_latency() {
        let mut recent = new_histogram();
        assert_eq!(describe(&recent, Duration::from_secs(1)), "no answers yet");
        for _ in 0..2_000 {
            recent.record(15_000).unwrap();
        }
        assert_eq!(describe(&recent, Duration::from_secs(2)), "1,000 messages/s, p50 15.0 µs, p99 15.0 µs");
    }
}
