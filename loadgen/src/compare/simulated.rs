//! Results of runs that never took place, for tests: with figures that are known because they were chosen.

use hdrhistogram::Histogram;

use crate::random::Random;
use crate::record::new_histogram;
use crate::result::{
    Check, Config, Counts, Environment, Generator, Interval, Latency, LatencySet, LoopModel, Requests,
    RunResult, SCHEMA, Status, Throughput,
};

/// A run at this rate, in which all requests were answered, and nothing is known of their latencies.
pub(crate) fn run(rate: f64) -> RunResult {
    let answers = count(rate * 10.0);
    RunResult {
        schema: SCHEMA.to_owned(),
        verdict: Status::Pass,
        version: "0".to_owned(),
        started_at: "2026-01-01T00:00:00Z".to_owned(),
        config: config(rate),
        environment: Environment::default(),
        throughput: Throughput {
            duration_s: 10.0,
            answers,
            requests_per_second: rate,
            bytes_per_second: rate * 64.0,
            body_bytes: 64,
            connections_per_second: None,
        },
        requests: Requests { scheduled: answers, ok: answers, ..Requests::default() },
        counts: Counts::default(),
        latency: LatencySet::default(),
        tls: None,
        generator: Generator::default(),
        server: None,
        checks: ["schedule-fidelity", "offered-rate", "own-cpu", "connections"].map(passed).to_vec(),
        problems: Vec::new(),
        series: Vec::new(),
    }
}

/// A run whose response and service times are exponential with this mean, in microseconds, in so many seconds of a
/// thousand requests each. Seconds differ in their mean by `scatter`, a standard deviation.
pub(crate) fn exponential(random: &mut Random, mean_us: f64, seconds: u32, scatter: f64) -> RunResult {
    let mut whole = new_histogram();
    let mut series = Vec::new();
    for second in 0..seconds {
        let mean = mean_us * (scatter * normal(random)).exp();
        let mut part = new_histogram();
        (0..1000).for_each(|_| part.saturating_record(count(random.exponential(mean * 1000.0)).max(1)));
        whole.add(&part).unwrap();
        series.push(interval(f64::from(second), &part));
    }
    let latency = Latency::of(&whole);
    let set = LatencySet { response: latency.clone(), service: latency, ..LatencySet::default() };
    RunResult { latency: set, series, ..run(1000.0) }
}

/// A check that holds.
pub(crate) fn passed(name: &str) -> Check {
    Check { name: name.to_owned(), status: Status::Pass, sentence: String::new() }
}

/// A number of the normal distribution, by Box and Muller.
pub(crate) fn normal(random: &mut Random) -> f64 {
    (-2.0 * random.unit().ln()).sqrt() * (std::f64::consts::TAU * random.unit()).cos()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts and times are small")]
fn count(value: f64) -> u64 {
    value as u64
}

fn interval(start_s: f64, response: &Histogram<u64>) -> Interval {
    Interval {
        start_s,
        length_s: 1.0,
        sent: response.len(),
        ok: response.len(),
        response: Latency::of(response),
        service: Latency::of(response),
        ..Interval::default()
    }
}

fn config(rate: f64) -> Config {
    Config {
        argv: Vec::new(),
        url: "tcp://127.0.0.1:7000".to_owned(),
        protocol: "echo".to_owned(),
        loop_model: LoopModel::Open,
        arrivals: None,
        rate: Some(rate),
        rate_to: None,
        connections: 64,
        depth: 1,
        size: 64,
        duration_s: Some(10.0),
        count: None,
        warmup_s: 1.0,
        timeout_s: 10.0,
        queue: 1_000_000,
        requests_per_connection: None,
        sources: Vec::new(),
        seed: 1,
        schedule_hash: None,
        idle: "sleep".to_owned(),
        threads: 1,
        cores: vec![0],
        verify: true,
        congestion: None,
    }
}
