//! Good runs, of which tests spoil one thing each.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::evidence::{Evidence, Lives, Load, WorkerEvidence};
use super::finding::Finding;
use crate::environment::{HostCounters, Room};
use crate::record::new_histogram;
use crate::record::processor::ProcessorTime;
use crate::result::{Arrivals, Environment, Interval, Latency, LoopModel, Requests, Status};

/// All that the evidence of a run is made of: 10 s, 2 threads, 10,000 requests that take 400 µs.
pub(super) struct Example {
    pub(super) load: Load,
    pub(super) measured_s: f64,
    pub(super) requests: Requests,
    pub(super) expected: Option<u64>,
    pub(super) answers: u64,
    pub(super) response: Histogram<u64>,
    pub(super) service: Histogram<u64>,
    pub(super) generator_lag: Histogram<u64>,
    pub(super) queue_wait: Histogram<u64>,
    pub(super) lateness: Histogram<u64>,
    pub(super) workers: Vec<WorkerEvidence>,
    pub(super) series: Vec<Interval>,
    pub(super) environment: Environment,
    pub(super) drops: HostCounters,
    pub(super) room: Room,
    pub(super) lives: Lives,
    pub(super) clock_read_ns: f64,
    pub(super) verification_errors: u64,
    pub(super) lost: u64,
    pub(super) sent: u64,
}

/// Runs a check on an example that is spoiled before.
pub(super) fn check(
    judge: fn(&Evidence<'_>) -> Finding,
    mut example: Example,
    spoil: impl FnOnce(&mut Example),
    status: Status,
    words: &str,
) {
    spoil(&mut example);
    let found = judge(&example.evidence());
    assert!(
        found.status == status && found.sentence.contains(words),
        "{found:?} is not {status:?}, {words:?}"
    );
}

/// So many equal values.
pub(super) fn constant(nanos: u64, count: u64) -> Histogram<u64> {
    let mut histogram = new_histogram();
    histogram.saturating_record_n(nanos, count);
    histogram
}

/// Numbers between 0 and 1, neither included: splitmix64 (Steele, Lea and Flood 2014).
pub(super) fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }
}

/// Without what stands behind the point.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is a small number of nanoseconds"
)]
pub(super) fn whole(value: f64) -> u64 {
    value as u64
}

/// Times with gaps of an exponential law of this mean.
pub(super) fn poisson(seed: u64, mean: f64, count: usize) -> Vec<u64> {
    let mut random = random(seed);
    let mut at = 0.0;
    std::iter::repeat_with(|| {
        at -= mean * random().ln();
        whole(at)
    })
    .take(count)
    .collect()
}

impl Example {
    /// An open loop at 1000/s, evenly spaced.
    pub(super) fn open() -> Self {
        let load = Load {
            loop_model: LoopModel::Open,
            arrivals: Arrivals::Constant,
            rate: Some(1000.0),
            depth: 1,
            spins: false,
            verify: true,
        };
        let environment = Environment {
            cores_online: Some(2),
            clock_source: Some("tsc".to_owned()),
            governor: Some("performance".to_owned()),
            load_average: Some(0.1),
            shared_cores: Some(Vec::new()),
            ..Environment::default()
        };
        Self {
            load,
            measured_s: 10.0,
            requests: Requests { scheduled: 10_000, ok: 10_000, ..Requests::default() },
            expected: Some(10_000),
            answers: 10_000,
            response: constant(420_000, 10_000),
            service: constant(400_000, 10_000),
            generator_lag: constant(20_000, 10_000),
            queue_wait: constant(0, 10_000),
            lateness: constant(15_000, 10_000),
            workers: (0..2).map(worker).collect(),
            series: (-1..10).map(interval).collect(),
            environment,
            drops: HostCounters::default(),
            room: Room { descriptors: Some(1024), ports: Some(28_232), sources: 1 },
            lives: Lives { wanted: 10, at_start: 10, at_end: 10, ..Lives::default() },
            clock_read_ns: 25.0,
            verification_errors: 0,
            lost: 0,
            sent: 11_000,
        }
    }

    /// The same with independent requests.
    pub(super) fn poisson() -> Self {
        let mut example = Self::open();
        example.load.arrivals = Arrivals::Poisson;
        for (worker, seed) in example.workers.iter_mut().zip(1..) {
            worker.intended = poisson(seed, 2e6, 4096);
            worker.departures = late(&worker.intended, seed);
        }
        example
    }

    /// A closed loop.
    pub(super) fn closed() -> Self {
        let mut example = Self::open();
        example.load = Load { loop_model: LoopModel::Closed, rate: None, ..example.load };
        example.expected = None;
        example.generator_lag = new_histogram();
        example.queue_wait = new_histogram();
        example.lateness = new_histogram();
        for worker in &mut example.workers {
            worker.departures.clear();
            worker.intended.clear();
        }
        example
    }

    /// Nothing was scheduled, sent, answered or measured.
    pub(super) fn forget_everything(&mut self) {
        let load = self.load;
        for histogram in [
            &mut self.response,
            &mut self.service,
            &mut self.generator_lag,
            &mut self.queue_wait,
            &mut self.lateness,
        ] {
            histogram.reset();
        }
        self.requests = Requests::default();
        (self.load, self.measured_s, self.answers, self.sent) = (load, 0.0, 0, 0);
        for worker in &mut self.workers {
            worker.response.reset();
            worker.residual.reset();
            worker.departures.clear();
            worker.intended.clear();
            worker.ok = 0;
        }
        self.series.clear();
        self.environment = Environment::default();
        self.lives = Lives::default();
    }

    pub(super) fn evidence(&self) -> Evidence<'_> {
        Evidence {
            load: self.load,
            measured_s: self.measured_s,
            requests: self.requests,
            expected: self.expected,
            answers: self.answers,
            response: &self.response,
            service: &self.service,
            generator_lag: &self.generator_lag,
            queue_wait: &self.queue_wait,
            lateness: &self.lateness,
            workers: &self.workers,
            series: &self.series,
            environment: &self.environment,
            drops: self.drops,
            room: self.room,
            lives: self.lives,
            clock_read_ns: self.clock_read_ns,
            verification_errors: self.verification_errors,
            lost: self.lost,
            sent: self.sent,
        }
    }
}

/// The same times, each up to 30 µs later.
fn late(times: &[u64], seed: u64) -> Vec<u64> {
    let mut random = random(seed ^ 77);
    times.iter().map(|time| time + whole(30_000.0 * random())).collect()
}

fn worker(number: u64) -> WorkerEvidence {
    // 1000/s over two threads: each has every second request.
    let intended: Vec<u64> = (0..4096).map(|index| (2 * index + number) * 1_000_000).collect();
    WorkerEvidence {
        core: usize::try_from(number).unwrap(),
        processor: ProcessorTime { total: Duration::from_secs(2), ..ProcessorTime::default() },
        involuntary_switches: 10,
        ok: 5000,
        response: constant(420_000, 5000),
        pauses: Vec::new(),
        pause_count: 0,
        // 500/s that take 400 µs each, for 10 s.
        in_flight_seconds: 2.0,
        taken_seconds: 2.0,
        departures: late(&intended, number),
        intended,
        residual: constant(5000, 100),
        no_buffers: 0,
    }
}

fn interval(number: i32) -> Interval {
    Interval {
        start_s: f64::from(number),
        length_s: 1.0,
        sent: 1000,
        ok: 1000,
        response: Latency::of(&constant(420_000, 1000)),
        service: Latency::of(&constant(400_000, 1000)),
        ..Interval::default()
    }
}
