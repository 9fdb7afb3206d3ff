//! A result without a run: what tables, files, pages and comparisons are tried on.
//!
//! It is the same every time, and hangs together as that of a real run does: an open loop against a server that is
//! the slower the nearer the rate comes to its capacity, ten seconds after one of warm-up, one pause of the generator,
//! and one check that says so.

use hdrhistogram::Histogram;

use super::{
    Arrivals, Check, Confidence, Config, Counts, Environment, Generator, Interval, Latency, LatencySet,
    LoopModel, Requests, RunResult, SCHEMA, Server, Stall, Status, Throughput, Worker,
};
use crate::record::new_histogram;

/// Requests per second that the server of the example could answer at most.
pub const CAPACITY: f64 = 25_000.0;
/// Requests per second of [`example`].
pub const RATE: f64 = 10_000.0;

const SECONDS: u32 = 10;
const STALL: Stall = Stall { worker: 1, at_s: 6.4, length_ms: 12.0 };
const BODY_BYTES: u64 = 64;

/// The result of a run at [`RATE`].
pub fn example() -> RunResult {
    example_at(RATE)
}

/// The result of a run at another rate, below [`CAPACITY`].
pub fn example_at(rate: f64) -> RunResult {
    let mut chance = Chance(42);
    let seconds: Vec<Second> =
        (-1..i64::from(SECONDS)).map(|start| Second::new(start as f64, rate, &mut chance)).collect();
    let measured = || seconds.iter().filter(|second| 0.0 <= second.start_s);
    let merged = |part: fn(&Second) -> &Histogram<u64>| {
        let mut all = new_histogram();
        measured().for_each(|second| all.add(part(second)).expect("all have the same bounds"));
        all
    };
    let (response, service, lag) =
        (merged(|second| &second.response), merged(|second| &second.service), merged(|second| &second.lag));
    let total = response.len();
    let series: Vec<Interval> = seconds.iter().map(Second::interval).collect();
    let sent = seconds.iter().map(|second| second.response.len()).sum();
    RunResult {
        schema: SCHEMA.to_owned(),
        verdict: Status::Warn,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: "2026-01-31T12:00:00.250Z".to_owned(),
        config: config(rate),
        environment: environment(),
        throughput: Throughput {
            duration_s: f64::from(SECONDS),
            answers: total,
            requests_per_second: total as f64 / f64::from(SECONDS),
            bytes_per_second: total as f64 / f64::from(SECONDS) * BODY_BYTES as f64,
            body_bytes: BODY_BYTES,
            connections_per_second: None,
        },
        requests: Requests { scheduled: total, ok: total, ..Requests::default() },
        counts: Counts {
            sent,
            received: sent,
            verified_bytes: sent * BODY_BYTES,
            connections_at_start: 200,
            connections_at_end: 200,
            ..Counts::default()
        },
        latency: LatencySet {
            response: Latency::of(&response),
            response_ci: Confidence::of(&response, &series),
            service: Latency::of(&service),
            lag: Latency::of(&lag),
            generator_lag: Latency::of(&lag),
            queue_wait: Latency::default(),
            all: Latency::of(&response),
            ..LatencySet::default()
        },
        tls: None,
        generator: generator(total, &response),
        server: Some(Server {
            source: "pid 4242".to_owned(),
            cpu_s: total as f64 * 31e-6,
            cpu_us_per_request: Some(31.0),
            rss_bytes: 12_345_344,
            voluntary_switches: Some(total / 2),
            involuntary_switches: Some(17),
        }),
        checks: checks(),
        problems: Vec::new(),
        series,
    }
}

fn config(rate: f64) -> Config {
    let argv =
        format!("loadgen tcp://127.0.0.1:7000 --connections 200 --rate {rate} --duration 10s --seed 42");
    Config {
        argv: argv.split(' ').map(str::to_owned).collect(),
        url: "tcp://127.0.0.1:7000".to_owned(),
        protocol: "echo".to_owned(),
        loop_model: LoopModel::Open,
        arrivals: Some(Arrivals::Poisson),
        rate: Some(rate),
        rate_to: None,
        connections: 200,
        depth: 1,
        size: 64,
        duration_s: Some(f64::from(SECONDS)),
        count: None,
        warmup_s: 1.0,
        timeout_s: 5.0,
        queue: 100_000,
        requests_per_connection: None,
        sources: Vec::new(),
        seed: 42,
        schedule_hash: Some("9f86d081884c7d65".to_owned()),
        idle: "hybrid".to_owned(),
        threads: 2,
        cores: vec![2, 3],
        verify: true,
        congestion: None,
    }
}

fn environment() -> Environment {
    Environment {
        kernel: Some("6.17.0".to_owned()),
        processor: Some("Example Processor 9000 <8 cores>".to_owned()),
        cores_online: Some(8),
        clock_source: Some("tsc".to_owned()),
        governor: Some("performance".to_owned()),
        load_average: Some(0.21),
        tier: "6.17".to_owned(),
        shared_cores: Some(Vec::new()),
    }
}

fn generator(total: u64, response: &Histogram<u64>) -> Generator {
    let worker = |core| Worker {
        core,
        ok: total / 2,
        cpu_percent: 38.5,
        involuntary_switches: 3,
        p50_us: response.value_at_quantile(0.5) as f64 / 1000.0,
        p99_us: response.value_at_quantile(0.99) as f64 / 1000.0,
    };
    let mut lateness = new_histogram();
    (1..=1000_u64).for_each(|at| lateness.saturating_record(at * 20));
    Generator {
        cpu_user_s: 2.1,
        cpu_system_s: 5.6,
        cpu_us_per_request: Some(7.7e6 / total as f64),
        clock_read_ns: 24.0,
        lateness: Latency::of(&lateness),
        stalls: vec![STALL],
        stall_count: 1,
        workers: vec![worker(2), worker(3)],
    }
}

fn checks() -> Vec<Check> {
    let pass = |name: &str, sentence: &str| Check {
        name: name.to_owned(),
        status: Status::Pass,
        sentence: sentence.to_owned(),
    };
    vec![
        pass("conservation", "every scheduled request is in one class"),
        pass("schedule-fidelity", "99 % of requests were sent within 5.1 µs of their time; at most 50 µs"),
        Check {
            name: "stalls".to_owned(),
            status: Status::Warn,
            sentence: "the generator paused once, for 12.0 ms at 6.4 s; p99.9 and above may be its own"
                .to_owned(),
        },
        pass("little", "requests in flight and rate times response time are 0.3 % apart"),
        Check {
            name: "departures".to_owned(),
            status: Status::Skipped,
            sentence: "there are too few departures to judge their law by".to_owned(),
        },
    ]
}

/// What was recorded in one second.
struct Second {
    start_s: f64,
    response: Histogram<u64>,
    service: Histogram<u64>,
    lag: Histogram<u64>,
}

impl Second {
    /// Requests come at even times; each waits as in a queue whose server is busy for `rate / CAPACITY` of the time.
    fn new(start_s: f64, rate: f64, chance: &mut Chance) -> Self {
        let mean_s = 1.0 / (CAPACITY - rate).max(1.0);
        let (mut response, mut service, mut lag) = (new_histogram(), new_histogram(), new_histogram());
        let count = whole(rate);
        for n in 0..count {
            let intended_s = start_s + n as f64 / count as f64;
            let stall_end_s = STALL.at_s + STALL.length_ms / 1e3;
            let is_stalled = (STALL.at_s..stall_end_s).contains(&intended_s);
            let stalled_s = if is_stalled { stall_end_s - intended_s } else { 0.0 };
            let lag_ns = whole((stalled_s + 1e-6 + chance.exponential(0.9e-6)) * 1e9);
            let service_ns = whole((40e-6 + chance.exponential(mean_s)) * 1e9);
            response.saturating_record(lag_ns + service_ns);
            service.saturating_record(service_ns);
            lag.saturating_record(lag_ns);
        }
        Self { start_s, response, service, lag }
    }

    fn interval(&self) -> Interval {
        let count = self.response.len();
        let has_stall = (self.start_s..self.start_s + 1.0).contains(&STALL.at_s);
        Interval {
            start_s: self.start_s,
            length_s: 1.0,
            sent: count,
            ok: count,
            in_flight: whole(count as f64 * self.response.mean() / 1e9),
            response: Latency::of(&self.response),
            service: Latency::of(&self.service),
            lag: Latency::of(&self.lag),
            stalled_ms: if has_stall { STALL.length_ms } else { 0.0 },
            server_cpu_s: Some(count as f64 * 31e-6),
            server_rss_bytes: Some(12_345_344),
            server_switches: Some(812),
            ..Interval::default()
        }
    }
}

/// SplitMix64: numbers that look like chance, and are the same every time.
struct Chance(u64);

impl Chance {
    /// An exponential time with this mean.
    fn exponential(&mut self, mean: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        -mean * (1.0 - unit).ln()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the example has small positive numbers"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_every_time_and_survives_its_journey() {
        let json = serde_json::to_string(&example()).unwrap();
        assert_eq!(serde_json::from_str::<RunResult>(&json).unwrap(), example());
    }

    #[test]
    fn service_is_the_closed_form_that_it_was_made_from() {
        // Exponential with a mean of 1/(capacity - rate), after 40 µs: the 99th percentile is 4.605 means.
        let service = example().latency.service;
        let mean_us = 1e6 / (CAPACITY - RATE);
        assert!((service.mean_us / (40.0 + mean_us) - 1.0).abs() < 0.01, "{}", service.mean_us);
        assert!((service.p99_us / (40.0 + 4.605 * mean_us) - 1.0).abs() < 0.02, "{}", service.p99_us);
        assert_eq!((service.count, example().series.len()), (100_000, 11));
    }
}
