//! What happened in a run: counts, errors by class, and whole histograms of latencies.
//!
//! Each worker records for itself and nothing is shared; the records are added up, without loss, when all have ended.
//! Recording a message allocates nothing. What a record means in words is the [result](crate::result)'s business.
//!
//! A request belongs to the measured time when its *intended* time does, whenever it was answered; throughput counts
//! the answers that came within it.

mod counts;
mod errors;
mod histograms;
pub mod part;
pub mod processor;
mod vigil;
mod window;

use std::time::Duration;

use tidemill::sys::clock::Time;

pub use counts::Counts;
pub use errors::{ErrorClass, Errors};
pub use histograms::{Histograms, LATENCY_MAX, add, new_histogram};
pub use vigil::Vigil;
pub use window::Window;

use crate::check::WorkerEvidence;
use crate::load::{Asked, Batch};
use crate::record::part::{Feed, Part};
use crate::record::processor::ProcessorTime;
use crate::result::Requests;

/// Requests whose intended and real departures are kept.
const DEPARTURES_KEPT: usize = 8192;

/// A worker's book.
#[derive(Debug)]
pub struct Recorder {
    /// What is counted.
    pub counts: Counts,
    /// What the worker sees of itself.
    pub vigil: Vigil,
    window: Window,
    requests: Requests,
    nanos: Histograms,
    feed: Feed,
    last_sent: Option<Time>,
    last_answer: Option<Time>,
    /// Processor time at the start and at the end of the window.
    processor: [Option<ProcessorTime>; 2],
    /// What all requests took from their sending to their end, in nanoseconds.
    taken_nanos: f64,
    /// Intended and real departures, in nanoseconds after the start of the window.
    departures: Vec<[u64; 2]>,
}

/// All that one worker recorded.
#[derive(Debug)]
pub struct Record {
    /// What is counted over the whole run.
    pub counts: Counts,
    /// What became of the requests of the measured time.
    pub requests: Requests,
    /// How long everything took.
    pub nanos: Histograms,
    /// What the worker saw of itself.
    pub evidence: WorkerEvidence,
    /// How late it woke.
    pub lateness: hdrhistogram::Histogram<u64>,
    /// How long it was measured.
    pub measured: Duration,
    /// The last second, which was not handed over.
    pub last_part: Box<Part>,
}

impl Recorder {
    /// An empty book, whose seconds go to this feed.
    pub fn new(feed: Feed) -> Self {
        Self {
            counts: Counts::default(),
            vigil: Vigil::new(Window::ALWAYS),
            window: Window::ALWAYS,
            requests: Requests::default(),
            nanos: Histograms::new(),
            feed,
            last_sent: None,
            last_answer: None,
            processor: [None, None],
            taken_nanos: 0.0,
            departures: Vec::new(),
        }
    }

    /// Begins with this window; what was recorded before, while connections were prepared, stays.
    pub fn begin(&mut self, window: Window, now: Time) {
        self.window = window;
        self.vigil = Vigil::new(window);
        self.feed.begin(window, now);
        // Without warm-up; else it is read when the warm-up is over.
        self.processor[0] = (window.from <= now).then(ProcessorTime::of_this_thread);
        self.departures.reserve_exact(DEPARTURES_KEPT);
    }

    /// A TCP or Unix connection that was begun at `started` is made.
    pub fn connected(&mut self, started: Time, now: Time) {
        if self.window.contains(started) {
            self.nanos.connect.saturating_record(between(started, now));
        }
    }

    /// A TLS handshake that was begun at `started` is done.
    pub fn shaken(
        &mut self,
        started: Time,
        now: Time,
        agreed: (&'static str, &'static str),
        is_resumed: bool,
    ) {
        *self.counts.handshakes.entry(agreed).or_default() += 1;
        self.counts.resumed += u64::from(is_resumed);
        if self.window.contains(started) {
            self.nanos.handshake.saturating_record(between(started, now));
        }
    }

    /// Requests leave, in this moment.
    pub fn sent(&mut self, batch: Batch, now: Time) {
        let count = batch.count;
        self.counts.sent += count;
        self.last_sent = Some(now);
        let part = self.feed.part();
        part.sent += count;
        let lag = between(batch.intended, now);
        part.lag.saturating_record_n(lag, count);
        if self.window.contains(batch.intended) {
            self.nanos.lag.saturating_record_n(lag, count);
            self.nanos.generator_lag.saturating_record_n(between(batch.intended, batch.noticed), count);
            self.nanos.queue_wait.saturating_record_n(between(batch.noticed, now), count);
            if self.departures.len() < DEPARTURES_KEPT {
                self.departures
                    .push([between(self.window.from, batch.intended), between(self.window.from, now)]);
            }
        }
    }

    /// So many requests were answered well.
    pub fn answered(&mut self, asked: Asked, now: Time, count: u64) {
        if count == 0 {
            return;
        }
        self.counts.received += count;
        self.counts.measured += if self.window.contains(now) { count } else { 0 };
        self.last_answer = Some(now);
        self.took(asked, now, count);
        let (response, service) = (between(asked.intended, now), between(asked.sent, now));
        let part = self.feed.part();
        part.response.saturating_record_n(response, count);
        part.service.saturating_record_n(service, count);
        if self.window.contains(asked.intended) {
            self.requests.ok += count;
            self.nanos.response.saturating_record_n(response, count);
            self.nanos.service.saturating_record_n(service, count);
        }
    }

    /// So many requests got an answer that says that they failed, that is wrong, or that cannot be measured.
    pub fn refused(&mut self, asked: Asked, now: Time, count: u64) {
        if count != 0 {
            self.counts.received += count;
            self.last_answer = Some(now);
            self.failed(asked, now, count);
        }
    }

    /// So many requests were lost with their connection.
    pub fn gone(&mut self, asked: Asked, now: Time, count: u64) {
        self.counts.gone += count;
        self.failed(asked, now, count);
    }

    /// So many requests got no answer in time.
    pub fn given_up(&mut self, asked: Asked, now: Time, count: u64) {
        self.counts.given_up += count;
        self.took(asked, now, count);
        self.feed.part().timed_out += count;
        if self.window.contains(asked.intended) {
            self.requests.timed_out += count;
            self.nanos.unanswered.saturating_record_n(between(asked.intended, now), count);
        }
    }

    /// The run is over, and so many requests have no answer.
    pub fn outstanding(&mut self, asked: Asked, now: Time, count: u64) {
        self.took(asked, now, count);
        if self.window.contains(asked.intended) {
            self.requests.outstanding += count;
            self.nanos.unanswered.saturating_record_n(between(asked.intended, now), count);
        }
    }

    /// So many requests of the measured time became due. Those that were never sent are recorded by `abandon`, which
    /// returns how many they are.
    pub fn demanded(
        &mut self,
        scheduled: u64,
        abandon: impl FnOnce(&mut hdrhistogram::Histogram<u64>) -> u64,
    ) {
        self.requests.scheduled = scheduled;
        self.requests.unsent = abandon(&mut self.nanos.unanswered);
    }

    /// When the last message was sent.
    pub fn last_sent(&self) -> Option<Time> {
        self.last_sent
    }

    /// When the last message came back.
    pub fn last_answer(&self) -> Option<Time> {
        self.last_answer
    }

    /// Begins a turn: hands the last second over when it is past, reads the processor time at the ends of the window.
    pub fn turn(&mut self, now: Time, in_flight: u64) {
        if !self.feed.is_over(now) {
            return;
        }
        // Seconds are cut at the ends of the window, too.
        if self.processor[0].is_none() && self.window.from <= now {
            self.processor[0] = Some(ProcessorTime::of_this_thread());
        }
        if self.processor[1].is_none() && self.window.until.is_some_and(|until| until <= now) {
            self.processor[1] = Some(ProcessorTime::of_this_thread());
        }
        self.close_part(in_flight);
        self.feed.next(now);
    }

    /// Closes the book, when the load ended at `ended`: at the end of the window, or before.
    pub fn finish(mut self, ended: Time, core: usize) -> Record {
        let end = match self.window.until {
            Some(until) => until.min(ended),
            None => self.last_answer.unwrap_or(ended),
        };
        let [first, last] = self.processor;
        let last = last.unwrap_or_else(ProcessorTime::of_this_thread);
        self.close_part(0);
        let in_flight_seconds = self.vigil.in_flight_seconds();
        let evidence = WorkerEvidence {
            core,
            processor: last - first.unwrap_or(last),
            involuntary_switches: (last - first.unwrap_or(last)).involuntary_switches,
            ok: self.requests.ok,
            response: self.nanos.response.clone(),
            pauses: self.vigil.pauses,
            pause_count: self.vigil.pause_count,
            in_flight_seconds,
            taken_seconds: self.taken_nanos / 1e9,
            departures: self.departures.iter().map(|[_, departed]| *departed).collect(),
            intended: self.departures.iter().map(|[intended, _]| *intended).collect(),
            residual: self.vigil.residual,
            no_buffers: 0,
        };
        Record {
            counts: self.counts,
            requests: self.requests,
            nanos: self.nanos,
            evidence,
            lateness: self.vigil.lateness,
            measured: end.saturating_since(self.window.from),
            last_part: self.feed.into_part(),
        }
    }

    fn took(&mut self, asked: Asked, now: Time, count: u64) {
        self.taken_nanos += between(asked.sent, now) as f64 * count as f64;
    }

    fn failed(&mut self, asked: Asked, now: Time, count: u64) {
        self.took(asked, now, count);
        self.feed.part().failed += count;
        if self.window.contains(asked.intended) {
            self.requests.failed += count;
            self.nanos.failed.saturating_record_n(between(asked.intended, now), count);
        }
    }

    fn close_part(&mut self, in_flight: u64) {
        let paused = self.vigil.take_paused();
        let part = self.feed.part();
        (part.in_flight, part.paused) = (in_flight, paused);
    }
}

/// Nanoseconds between two moments; nothing when the first is the later one.
fn between(from: Time, until: Time) -> u64 {
    until.as_nanos().saturating_sub(from.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::part::feed;

    const SECOND: u64 = 1_000_000_000;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    /// Sent when it was due.
    fn asked(nanos: u64) -> Asked {
        Asked { intended: at(nanos), sent: at(nanos) }
    }

    fn recorder(from: u64, until: Option<u64>) -> Recorder {
        let mut recorder = Recorder::new(feed().0);
        recorder.begin(Window { from: at(from), until: until.map(at) }, at(0));
        recorder
    }

    #[test]
    fn percentiles_are_those_of_the_values() {
        let mut recorder = recorder(0, None);
        for microseconds in 1..=100_000 {
            recorder.answered(asked(0), at(microseconds * 1000), 1);
        }
        let response = recorder.finish(at(SECOND), 0).nanos.response;
        let check = |quantile: f64, microseconds: f64| {
            let found = response.value_at_quantile(quantile) as f64 / 1000.0;
            assert!((found / microseconds - 1.0).abs() <= 0.001, "{quantile}: {found} is not {microseconds}");
        };
        check(0.5, 50_000.0);
        check(0.9, 90_000.0);
        check(0.99, 99_000.0);
        check(0.999, 99_900.0);
        check(0.9999, 99_990.0);
        check(1.0, 100_000.0);
        assert!((response.mean() / 50_000_500.0 - 1.0).abs() <= 0.001);
        assert!((990..=1000).contains(&response.min()), "{}", response.min());
        assert_eq!(response.len(), 100_000);
    }

    #[test]
    fn a_latency_beyond_an_hour_counts_as_an_hour() {
        let mut recorder = recorder(0, None);
        recorder.answered(asked(0), at(9000 * SECOND), 1);
        let response = recorder.finish(at(9000 * SECOND), 0).nanos.response;
        assert_eq!(response.len(), 1);
        assert!((3600.0..3605.0).contains(&(response.max() as f64 / SECOND as f64)));
    }

    #[test]
    fn three_clocks_add_up() {
        // Due at 10 ms, seen at 11 ms, sent at 14 ms, answered at 20 ms.
        let millis = |millis: u64| at(millis * 1_000_000);
        let mut recorder = recorder(0, None);
        recorder.sent(Batch { intended: millis(10), noticed: millis(11), count: 1 }, millis(14));
        recorder.answered(Asked { intended: millis(10), sent: millis(14) }, millis(20), 1);
        let nanos = recorder.finish(at(SECOND), 0).nanos;
        let millis = |histogram: &hdrhistogram::Histogram<u64>| (histogram.max() as f64 / 1e6).round();
        let found = [&nanos.response, &nanos.service, &nanos.lag, &nanos.generator_lag, &nanos.queue_wait]
            .map(millis);
        assert_eq!(found, [10.0, 6.0, 4.0, 1.0, 3.0]);
    }

    #[test]
    fn what_was_intended_within_the_window_is_measured() {
        let mut recorder = recorder(10 * SECOND, Some(20 * SECOND));
        recorder.answered(asked(8 * SECOND), at(9 * SECOND), 1); // Warm-up.
        recorder.answered(asked(9 * SECOND), at(11 * SECOND), 1); // Throughput only.
        recorder.answered(asked(10 * SECOND), at(12 * SECOND), 1); // Both.
        recorder.answered(asked(19 * SECOND), at(20 * SECOND), 1); // Latency only.
        recorder.answered(asked(20 * SECOND), at(21 * SECOND), 1); // Neither.
        let record = recorder.finish(at(21 * SECOND), 0);
        assert_eq!((record.counts.received, record.counts.measured), (5, 2));
        assert_eq!((record.nanos.response.len(), record.requests.ok), (2, 2));
        assert_eq!(record.measured, Duration::from_secs(10));
    }

    #[test]
    fn every_end_of_a_request_has_its_class() {
        let mut recorder = recorder(0, None);
        recorder.counts.sent = 9;
        recorder.answered(asked(0), at(1000), 2);
        recorder.refused(asked(0), at(2000), 1);
        recorder.gone(asked(0), at(3000), 2);
        recorder.given_up(asked(0), at(4000), 1);
        recorder.outstanding(asked(0), at(5000), 3);
        recorder.demanded(11, |ages| {
            ages.record_n(6000, 2).unwrap();
            2
        });
        let record = recorder.finish(at(6000), 0);
        let expected = Requests { scheduled: 11, ok: 2, failed: 3, timed_out: 1, outstanding: 3, unsent: 2 };
        assert_eq!(record.requests, expected);
        assert_eq!(record.counts.outstanding(), 3);
        let lens =
            [&record.nanos.response, &record.nanos.failed, &record.nanos.unanswered].map(|nanos| nanos.len());
        assert_eq!(lens, [2, 3, 6]);
        assert_eq!(record.nanos.latencies().all.count, 11);
    }

    #[test]
    fn a_run_that_ended_early_was_measured_for_less() {
        let ended = |recorder: Recorder| recorder.finish(at(13 * SECOND), 0).measured;
        assert_eq!(ended(recorder(10 * SECOND, Some(20 * SECOND))), Duration::from_secs(3));
        let mut counting = recorder(10 * SECOND, None);
        counting.answered(asked(10 * SECOND), at(12 * SECOND), 1);
        assert_eq!(ended(counting), Duration::from_secs(2));
    }

    #[test]
    fn records_are_added_without_loss() {
        let (mut nanos, mut counts) = (Histograms::new(), Counts::default());
        for worker in 0..2_u64 {
            let mut recorder = recorder(0, Some(10 * SECOND));
            for message in 0..100 {
                recorder.counts.sent += 1;
                recorder.answered(asked(0), at((1 + worker) * 1000 * message), 1);
            }
            recorder.counts.given_up = worker;
            recorder.counts.errors.count(ErrorClass::Reset, || format!("worker {worker}"));
            let record = recorder.finish(at(10 * SECOND), 0);
            nanos.add(&record.nanos);
            counts.add(record.counts);
        }
        assert_eq!((counts.sent, counts.received, counts.given_up, nanos.response.len()), (200, 200, 1, 200));
        assert_eq!(counts.errors.counts, std::collections::BTreeMap::from([(ErrorClass::Reset, 2)]));
        assert_eq!((counts.errors.total(), counts.errors.first.as_deref()), (2, Some("worker 0")));
    }
}
