//! What happened in a run: counts, errors by class, and the whole histogram of latencies.
//!
//! Each worker records for itself and nothing is shared; the records are added up, without loss, when all have ended.
//! Recording a message allocates nothing. What a record means in words is the [report](crate::report)'s business.

pub mod processor;

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use tidemill::ring::{ConnectError, ReceiveError, SendError};
use tidemill::sys::clock::Time;

use crate::record::processor::ProcessorTime;
use crate::report::live::Feed;
use crate::traffic::verify::Mismatch;

/// Longest latency that is told apart; longer ones count as this.
pub const LATENCY_MAX: Duration = Duration::from_secs(60);

/// The part of a run that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The end of the warm-up.
    pub from: Time,
    /// The end of the load; unknown beforehand when messages are counted.
    pub until: Option<Time>,
}

/// Why a connection, or a datagram's way, failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// Nobody listens there.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// The peer closed the connection while answers were due.
    ClosedEarly,
    /// No answer in time.
    TimedOut,
    /// The network has no way there, or no local port is left.
    Network,
    /// More than a datagram may carry.
    TooLarge,
    /// An answer with a status that says that the request failed.
    Status,
    /// An answer of another length than it should have had.
    Length,
    /// What came is not the protocol that was to be spoken.
    Protocol,
    /// TLS failed: the certificate, the handshake, a record.
    Tls,
    /// Anything else; the sentence says what.
    Other,
}

/// The errors of a run, none of which is dropped silently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// How many of each class.
    pub counts: BTreeMap<ErrorClass, u64>,
    /// The first one in words.
    pub first: Option<String>,
}

/// What is counted. Unless it says otherwise, over the whole run, with warm-up and grace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages given to the kernel.
    pub sent: u64,
    /// Messages that came back, right or wrong.
    pub received: u64,
    /// Of these, the ones that came back within the measured time.
    pub measured: u64,
    /// Bytes that were compared and as they were sent.
    pub verified_bytes: u64,
    /// Messages with a byte that was not.
    pub verification_errors: u64,
    /// The first such byte.
    pub mismatch: Option<Mismatch>,
    /// Datagrams that did not come back in time.
    pub lost: u64,
    /// Of these, the ones that came back after all.
    pub late: u64,
    /// Datagrams that came back once more.
    pub duplicated: u64,
    /// Datagrams that came back after one that was sent later.
    pub reordered: u64,
    /// Datagrams that the socket did not take at once, and that were sent again.
    pub delayed: u64,
    /// Answers by status, for those that say that the request failed.
    pub statuses: BTreeMap<u16, u64>,
    /// Bytes of content that each answer had.
    pub content_bytes: Option<u64>,
    /// Connections that were opened anew because the server had ended one in order.
    pub reconnects: u64,
    /// Requests that were sent again because of that.
    pub repeated: u64,
    /// Connections that were opened after the start.
    pub dialed: u64,
    /// TLS handshakes that were completed, by version and cipher.
    pub handshakes: BTreeMap<(&'static str, &'static str), u64>,
    /// Of these, the ones that went on from an earlier session.
    pub resumed: u64,
    /// What failed.
    pub errors: Errors,
}

/// A worker's book.
#[derive(Debug)]
pub struct Recorder {
    /// What is counted.
    pub counts: Counts,
    window: Window,
    /// Nanoseconds.
    latency: Histogram<u64>,
    /// TLS handshakes, in nanoseconds.
    handshake: Histogram<u64>,
    last_answer: Option<Time>,
    feed: Option<Feed>,
    /// Processor time at the start and at the end of the window.
    processor: [Option<ProcessorTime>; 2],
}

/// All that a worker, or all workers together, recorded.
#[derive(Clone, Debug)]
pub struct Record {
    /// What is counted.
    pub counts: Counts,
    /// Latencies in nanoseconds.
    pub latency: Histogram<u64>,
    /// Times of TLS handshakes, in nanoseconds.
    pub handshake: Histogram<u64>,
    /// How long it was measured.
    pub measured_time: Duration,
    /// When the last answer came.
    pub last_answer: Option<Time>,
    /// Processor time of each worker in the measured time.
    pub processor: Vec<ProcessorTime>,
}

/// A histogram from 1 ns to [`LATENCY_MAX`], to three digits, in memory that never grows.
#[expect(clippy::missing_panics_doc, reason = "the bounds are constants, and valid")]
pub fn new_histogram() -> Histogram<u64> {
    let max = u64::try_from(LATENCY_MAX.as_nanos()).expect("a minute has few nanoseconds");
    Histogram::new_with_bounds(1, max, 3).expect("the bounds are valid")
}

impl ErrorClass {
    /// All classes.
    pub const ALL: [Self; 11] = [
        Self::Refused,
        Self::Reset,
        Self::ClosedEarly,
        Self::TimedOut,
        Self::Network,
        Self::TooLarge,
        Self::Status,
        Self::Length,
        Self::Protocol,
        Self::Tls,
        Self::Other,
    ];

    /// Its name in a result.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::ClosedEarly => "closed_early",
            Self::TimedOut => "timed_out",
            Self::Network => "network",
            Self::TooLarge => "too_large",
            Self::Status => "status",
            Self::Length => "length",
            Self::Protocol => "protocol",
            Self::Tls => "tls",
            Self::Other => "other",
        }
    }
}

impl From<&ConnectError> for ErrorClass {
    fn from(error: &ConnectError) -> Self {
        match error {
            ConnectError::Refused => Self::Refused,
            ConnectError::TimedOut => Self::TimedOut,
            ConnectError::Unreachable | ConnectError::NoLocalPort => Self::Network,
            _ => Self::Other,
        }
    }
}

impl From<&ReceiveError> for ErrorClass {
    fn from(error: &ReceiveError) -> Self {
        match error {
            ReceiveError::PeerGone => Self::Reset,
            ReceiveError::NobodyThere => Self::Refused,
            _ => Self::Other,
        }
    }
}

impl From<&SendError> for ErrorClass {
    fn from(error: &SendError) -> Self {
        match error {
            SendError::PeerGone => Self::Reset,
            SendError::NobodyThere => Self::Refused,
            SendError::TooLarge => Self::TooLarge,
            _ => Self::Other,
        }
    }
}

impl Errors {
    /// Counts an error; the sentence is kept if it is the first.
    pub fn count(&mut self, class: ErrorClass, sentence: impl FnOnce() -> String) {
        *self.counts.entry(class).or_default() += 1;
        self.first.get_or_insert_with(sentence);
    }

    /// All errors.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    fn add(&mut self, other: Self) {
        for (class, count) in other.counts {
            *self.counts.entry(class).or_default() += count;
        }
        self.first = self.first.take().or(other.first);
    }
}

impl Counts {
    /// Messages that were sent and never answered, and that are not known to be lost.
    pub fn outstanding(&self) -> u64 {
        self.sent.saturating_sub(self.received + self.lost)
    }

    /// Counts messages of `size` bytes that were looked at, of which so many were wrong.
    pub fn verified(&mut self, messages: u64, wrong: u64, mismatch: Option<Mismatch>, size: usize) {
        self.verified_bytes += messages.saturating_sub(wrong) * size as u64;
        self.verification_errors += wrong;
        self.mismatch = self.mismatch.or(mismatch);
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.measured += other.measured;
        self.verified_bytes += other.verified_bytes;
        self.verification_errors += other.verification_errors;
        self.mismatch = self.mismatch.or(other.mismatch);
        self.lost += other.lost;
        self.late += other.late;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.delayed += other.delayed;
        self.reconnects += other.reconnects;
        self.repeated += other.repeated;
        self.dialed += other.dialed;
        self.resumed += other.resumed;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (agreed, count) in other.handshakes {
            *self.handshakes.entry(agreed).or_default() += count;
        }
        if let (Some(one), Some(two)) = (self.content_bytes, other.content_bytes)
            && one != two
        {
            let sentence = || format!("answers to one thread had {one} bytes of content, to another {two}");
            self.errors.count(ErrorClass::Length, sentence);
        }
        self.content_bytes = self.content_bytes.or(other.content_bytes);
        self.errors.add(other.errors);
    }
}

impl Recorder {
    /// An empty book. Latencies also go to the feed, if somebody watches.
    pub fn new(window: Window, feed: Option<Feed>) -> Self {
        Self {
            counts: Counts::default(),
            window,
            latency: new_histogram(),
            handshake: new_histogram(),
            last_answer: None,
            feed,
            processor: [None, None],
        }
    }

    /// Begins with this window; what was recorded before, while connections were prepared, stays.
    pub fn begin(&mut self, window: Window) {
        self.window = window;
    }

    /// A message came back in a form that cannot be measured.
    pub fn refused(&mut self, now: Time) {
        self.counts.received += 1;
        self.last_answer = Some(now);
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
        if self.window.from <= started {
            self.handshake.saturating_record(now.as_nanos().saturating_sub(started.as_nanos()));
        }
    }

    /// So many messages that were put into a send at `started` have come back.
    pub fn answered(&mut self, started: Time, now: Time, messages: u64) {
        self.counts.received += messages;
        self.counts.measured += if self.window.contains(now) { messages } else { 0 };
        self.last_answer = Some(now);
        let nanos = now.as_nanos().saturating_sub(started.as_nanos());
        if self.window.from <= started {
            self.latency.saturating_record_n(nanos, messages);
        }
        if let Some(feed) = &mut self.feed {
            feed.record(nanos, messages);
        }
    }

    /// When the last message came back.
    pub fn last_answer(&self) -> Option<Time> {
        self.last_answer
    }

    /// Does what is due at this time: reads the processor time at the ends of the window, feeds who watches.
    pub fn tick(&mut self, now: Time) {
        if self.processor[0].is_none() && self.window.from <= now {
            self.processor[0] = Some(ProcessorTime::of_this_thread());
        }
        if self.processor[1].is_none() && self.window.until.is_some_and(|until| until <= now) {
            self.processor[1] = Some(ProcessorTime::of_this_thread());
        }
        if let Some(feed) = &mut self.feed {
            feed.tick(now);
        }
    }

    /// Closes the book, when the load ended at `ended`: at the end of the window, or before.
    pub fn finish(self, ended: Time) -> Record {
        let end = match self.window.until {
            Some(until) => until.min(ended),
            None => self.last_answer.unwrap_or(ended),
        };
        let [first, last] = self.processor;
        let last = last.unwrap_or_else(ProcessorTime::of_this_thread);
        Record {
            counts: self.counts,
            latency: self.latency,
            handshake: self.handshake,
            measured_time: end.saturating_since(self.window.from),
            last_answer: self.last_answer,
            processor: vec![last - first.unwrap_or(last)],
        }
    }
}

impl Window {
    fn contains(self, time: Time) -> bool {
        self.from <= time && self.until.is_none_or(|until| time < until)
    }
}

impl Record {
    /// A record of nothing.
    pub fn empty() -> Self {
        Self {
            counts: Counts::default(),
            latency: new_histogram(),
            handshake: new_histogram(),
            measured_time: Duration::ZERO,
            last_answer: None,
            processor: Vec::new(),
        }
    }

    /// Adds another worker's record. The time is the longer one: workers run side by side.
    ///
    /// # Panics
    /// Never: all histograms have the same bounds.
    pub fn add(&mut self, other: Self) {
        self.counts.add(other.counts);
        self.latency.add(&other.latency).expect("all histograms have the same bounds");
        self.handshake.add(&other.handshake).expect("all histograms have the same bounds");
        self.measured_time = self.measured_time.max(other.measured_time);
        self.last_answer = self.last_answer.max(other.last_answer);
        self.processor.extend(other.processor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    fn recorder(from: u64, until: Option<u64>) -> Recorder {
        Recorder::new(Window { from: at(from), until: until.map(at) }, None)
    }

    #[test]
    fn percentiles_are_those_of_the_values() {
        let mut recorder = recorder(0, None);
        for microseconds in 1..=100_000 {
            recorder.answered(at(0), at(microseconds * 1000), 1);
        }
        let record = recorder.finish(at(SECOND));
        let check = |quantile: f64, microseconds: f64| {
            let found = record.latency.value_at_quantile(quantile) as f64 / 1000.0;
            assert!((found / microseconds - 1.0).abs() <= 0.001, "{quantile}: {found} is not {microseconds}");
        };
        check(0.5, 50_000.0);
        check(0.9, 90_000.0);
        check(0.99, 99_000.0);
        check(0.999, 99_900.0);
        check(0.9999, 99_990.0);
        check(1.0, 100_000.0);
        assert!((record.latency.mean() / 50_000_500.0 - 1.0).abs() <= 0.001);
        assert!((990..=1000).contains(&record.latency.min()), "{}", record.latency.min());
        assert_eq!(record.latency.len(), 100_000);
    }

    #[test]
    fn a_latency_beyond_a_minute_counts_as_a_minute() {
        let mut recorder = recorder(0, None);
        recorder.answered(at(0), at(300 * SECOND), 1);
        let record = recorder.finish(at(300 * SECOND));
        assert_eq!(record.latency.len(), 1);
        assert!((60.0..60.1).contains(&(record.latency.max() as f64 / SECOND as f64)));
    }

    #[test]
    fn warm_up_and_what_comes_after_the_end_are_cut_away() {
        let mut recorder = recorder(10 * SECOND, Some(20 * SECOND));
        recorder.answered(at(8 * SECOND), at(9 * SECOND), 1); // Warm-up.
        recorder.answered(at(9 * SECOND), at(11 * SECOND), 1); // Throughput only.
        recorder.answered(at(10 * SECOND), at(12 * SECOND), 1); // Both.
        recorder.answered(at(19 * SECOND), at(20 * SECOND), 1); // Latency only.
        let record = recorder.finish(at(21 * SECOND));
        assert_eq!((record.counts.received, record.counts.measured, record.latency.len()), (4, 2, 2));
        assert_eq!(record.measured_time, Duration::from_secs(10));
    }

    #[test]
    fn a_run_that_ended_early_was_measured_for_less() {
        let ended = |recorder: Recorder| recorder.finish(at(13 * SECOND)).measured_time;
        assert_eq!(ended(recorder(10 * SECOND, Some(20 * SECOND))), Duration::from_secs(3));
        let mut counting = recorder(10 * SECOND, None);
        counting.answered(at(10 * SECOND), at(12 * SECOND), 1);
        assert_eq!(ended(counting), Duration::from_secs(2));
    }

    #[test]
    fn records_are_added_without_loss() {
        let mut sum = Record::empty();
        for worker in 0..2_u64 {
            let mut recorder = recorder(0, Some(10 * SECOND));
            for message in 0..100 {
                recorder.counts.sent += 1;
                recorder.answered(at(0), at((1 + worker) * 1000 * message), 1);
            }
            recorder.counts.lost = worker;
            recorder.counts.errors.count(ErrorClass::Reset, || format!("worker {worker}"));
            sum.add(recorder.finish(at(10 * SECOND)));
        }
        assert_eq!((sum.counts.sent, sum.counts.received, sum.counts.lost), (200, 200, 1));
        assert_eq!((sum.latency.len(), sum.processor.len()), (200, 2));
        assert_eq!(sum.counts.errors.counts, BTreeMap::from([(ErrorClass::Reset, 2)]));
        assert_eq!((sum.counts.errors.total(), sum.counts.errors.first.as_deref()), (2, Some("worker 0")));
    }

    #[test]
    fn what_is_neither_answered_nor_lost_is_outstanding() {
        let counts = Counts { sent: 10, received: 6, lost: 1, ..Counts::default() };
        assert_eq!(counts.outstanding(), 3);
    }
}
