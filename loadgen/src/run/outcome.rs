//! What the threads recorded, added up to a result.

use std::collections::BTreeMap;
use std::env;
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::Histogram;
use tidemill::ring::Capabilities;
use tidemill::sys::clock::{self, Wall};

use super::gathering::Gathered;
use super::problems::problems;
use crate::check::{self, Evidence, Lives, Load};
use crate::cli::Idle;
use crate::environment::{HostCounters, Neighbours, Room, clock_read_ns};
use crate::plan::{End, Pace, Plan};
use crate::record::{Counts, ErrorClass, Histograms, Window, add, new_histogram};
use crate::result::{
    self, Confidence, Config, Generator, Interval, LatencySet, LoopModel, Requests, RunResult, SCHEMA, Stall,
    Throughput, Tls, worst,
};
use crate::server_side::Source;
use crate::worker::Done;

/// Pauses that a result has.
const STALLS_KEPT: usize = 64;

/// What is known of a run before its threads have ended.
pub(super) struct Facts {
    environment: result::Environment,
    neighbours: Neighbours,
    drops: HostCounters,
    room: Room,
    clock_read_ns: f64,
    window: Window,
    started_at: String,
    /// Whether a signal ended it.
    pub(super) interrupted: bool,
}

/// What all threads recorded together.
struct Sum {
    counts: Counts,
    requests: Requests,
    nanos: Histograms,
    lateness: Histogram<u64>,
    measured: Duration,
    fell_silent: bool,
    connections: u64,
    schedule_hash: Option<u64>,
    workers: Vec<check::WorkerEvidence>,
}

impl Facts {
    /// What is known before anything has begun.
    pub(super) fn before(plan: &Plan, capabilities: Capabilities) -> Self {
        let pid = plan.server.as_ref().and_then(Source::pid);
        let sources = if plan.target.listen.ip().is_some() { plan.sources.len().max(1) as u64 } else { 0 };
        Self {
            environment: result::Environment::look(&plan.cores, capabilities.tier().name().to_owned()),
            neighbours: Neighbours::find(&plan.target.listen, pid),
            drops: HostCounters::read(),
            room: Room::look(sources),
            clock_read_ns: clock_read_ns(),
            window: Window::ALWAYS,
            started_at: String::new(),
            interrupted: false,
        }
    }

    /// The load begins.
    pub(super) fn begin(&mut self, window: Window) {
        self.window = window;
        let now = clock::now();
        let start = Duration::from_secs(Wall::default().seconds(now)) + window.from.saturating_since(now);
        self.started_at = humantime::format_rfc3339_seconds(UNIX_EPOCH + start).to_string();
    }

    /// All threads have ended, after so much measured time.
    pub(super) fn conclude(
        mut self,
        plan: &Plan,
        done: Vec<Done>,
        measured: Duration,
        gathered: Gathered,
    ) -> RunResult {
        let measured_s = measured.as_secs_f64();
        let Gathered { series, sampler } = gathered;
        self.environment.shared_cores = self.neighbours.shared_cores(&plan.cores);
        let sum = Sum::of(done);
        let checks = check::all(&self.evidence(plan, &sum, &series));
        let mut problems = problems(plan, &sum.counts, sum.requests, sum.fell_silent);
        problems.extend(sampler.as_ref().and_then(|sampler| sampler.problem(self.window.from)));
        let until = self.window.from.saturating_add(measured);
        let server = sampler.and_then(|sampler| sampler.server(self.window.from, until, sum.counts.measured));
        RunResult {
            schema: SCHEMA.to_owned(),
            verdict: worst(checks.iter().map(|check| check.status)),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: config(plan, sum.schedule_hash),
            throughput: throughput(plan, &sum, measured_s),
            requests: sum.requests,
            counts: counts(plan, &sum, self.interrupted),
            latency: LatencySet {
                response_ci: Confidence::of(&sum.nanos.response, &series),
                ..sum.nanos.latencies()
            },
            tls: tls(plan, &sum.counts),
            generator: self.generator(&sum, measured_s),
            server,
            checks,
            problems,
            series,
            environment: self.environment,
            started_at: self.started_at,
        }
    }

    fn evidence<'a>(&'a self, plan: &Plan, sum: &'a Sum, series: &'a [Interval]) -> Evidence<'a> {
        let (loop_model, arrivals, rate) = pace(plan);
        let wanted = u64::from(plan.connections);
        // A run that ended early, without a connection left, never reached the rest of its schedule.
        let is_whole = !matches!(plan.end, End::After(time) if sum.measured < time);
        Evidence {
            load: Load {
                loop_model,
                arrivals: arrivals.unwrap_or_default(),
                rate: rate.filter(|[from, to]| from.total_cmp(to).is_eq()).map(|[from, _]| from),
                depth: plan.depth,
                spins: plan.idle == Idle::Spin,
                verify: plan.verify && plan.target.is_echo(), // Other content is not known beforehand.
            },
            measured_s: sum.measured.as_secs_f64(),
            requests: sum.requests,
            expected: plan.expected().filter(|_| sum.schedule_hash.is_some() && is_whole),
            answers: sum.counts.measured,
            response: &sum.nanos.response,
            service: &sum.nanos.service,
            generator_lag: &sum.nanos.generator_lag,
            queue_wait: &sum.nanos.queue_wait,
            lateness: &sum.lateness,
            workers: &sum.workers,
            series,
            environment: &self.environment,
            drops: HostCounters::read() - self.drops,
            room: self.room,
            lives: Lives {
                wanted,
                at_start: wanted, // It would not have begun otherwise.
                at_end: sum.connections,
                reconnects: sum.counts.reconnects,
                churn: plan.requests_per_connection.is_some(),
            },
            clock_read_ns: self.clock_read_ns,
            verification_errors: sum.counts.verification_errors,
            lost: if plan.target.is_stream() { 0 } else { sum.counts.given_up },
            sent: sum.counts.sent,
        }
    }

    fn generator(&self, sum: &Sum, measured_s: f64) -> Generator {
        let total: Duration = sum.workers.iter().map(|worker| worker.processor.total).sum();
        let answers = sum.counts.measured;
        let mut stalls: Vec<Stall> = sum
            .workers
            .iter()
            .enumerate()
            .flat_map(|(worker, evidence)| {
                evidence.pauses.iter().map(move |pause| Stall {
                    worker,
                    at_s: pause.at_s,
                    length_ms: pause.length_s * 1e3,
                })
            })
            .collect();
        stalls.sort_by(|one, two| two.length_ms.total_cmp(&one.length_ms));
        stalls.truncate(STALLS_KEPT);
        let percent =
            |time: Duration| if 0.0 < measured_s { time.as_secs_f64() / measured_s * 100.0 } else { 0.0 };
        let worker = |evidence: &check::WorkerEvidence| result::Worker {
            core: evidence.core,
            ok: evidence.ok,
            cpu_percent: (percent(evidence.processor.total) * 10.0).round() / 10.0,
            involuntary_switches: evidence.involuntary_switches,
            p50_us: evidence.response.value_at_quantile(0.5) as f64 / 1e3,
            p99_us: evidence.response.value_at_quantile(0.99) as f64 / 1e3,
        };
        Generator {
            cpu_user_s: sum.workers.iter().map(|worker| worker.processor.user.as_secs_f64()).sum(),
            cpu_system_s: sum.workers.iter().map(|worker| worker.processor.system.as_secs_f64()).sum(),
            cpu_us_per_request: (answers != 0).then(|| total.as_secs_f64() * 1e6 / answers as f64),
            clock_read_ns: self.clock_read_ns,
            lateness: result::Latency::of(&sum.lateness),
            stalls,
            stall_count: sum.workers.iter().map(|worker| worker.pause_count).sum(),
            workers: sum.workers.iter().map(worker).collect(),
        }
    }
}

impl Sum {
    fn of(done: Vec<Done>) -> Self {
        let mut sum = Self {
            counts: Counts::default(),
            requests: Requests::default(),
            nanos: Histograms::new(),
            lateness: new_histogram(),
            measured: Duration::ZERO,
            fell_silent: false,
            connections: 0,
            schedule_hash: Some(0),
            workers: Vec::with_capacity(done.len()),
        };
        for done in done {
            sum.counts.add(done.record.counts);
            sum.requests.add(done.record.requests);
            sum.nanos.add(&done.record.nanos);
            add(&mut sum.lateness, &done.record.lateness);
            sum.measured = sum.measured.max(done.record.measured);
            sum.fell_silent |= done.fell_silent;
            sum.connections += done.connections as u64;
            // The order of threads does not matter; each hash knows its thread.
            sum.schedule_hash = sum.schedule_hash.zip(done.schedule_hash).map(|(one, two)| one ^ two);
            sum.workers.push(done.record.evidence);
        }
        sum.schedule_hash = sum.schedule_hash.filter(|_| !sum.workers.is_empty());
        sum
    }
}

fn pace(plan: &Plan) -> (LoopModel, Option<result::Arrivals>, Option<[f64; 2]>) {
    match plan.pace {
        Pace::Closed => (LoopModel::Closed, None, None),
        Pace::Open { rate, arrivals, .. } => (LoopModel::Open, Some(arrivals), Some([rate.from, rate.to])),
    }
}

fn config(plan: &Plan, schedule_hash: Option<u64>) -> Config {
    let (loop_model, arrivals, rate) = pace(plan);
    Config {
        argv: env::args().collect(),
        url: plan.target.to_string(),
        protocol: plan.target.protocol().name().to_owned(),
        loop_model,
        arrivals,
        rate: rate.map(|[from, _]| from),
        rate_to: rate.filter(|[from, to]| from.total_cmp(to).is_ne()).map(|[_, to]| to),
        connections: plan.connections,
        depth: plan.depth,
        size: plan.size,
        duration_s: if let End::After(time) = plan.end { Some(time.as_secs_f64()) } else { None },
        count: if let End::Count(count) = plan.end { Some(count) } else { None },
        warmup_s: plan.warmup.as_secs_f64(),
        timeout_s: plan.timeout.as_secs_f64(),
        queue: if let Pace::Open { queue, .. } = plan.pace { queue } else { 0 },
        requests_per_connection: plan.requests_per_connection,
        sources: if plan.sources.len() < 16 {
            plan.sources.iter().map(ToString::to_string).collect()
        } else {
            let (first, last) = (plan.sources[0], plan.sources[plan.sources.len() - 1]);
            vec![format!("{first} to {last}, {} addresses", plan.sources.len())]
        },
        seed: plan.seed,
        schedule_hash: schedule_hash.map(|hash| format!("{hash:016x}")),
        idle: plan.idle.name().to_owned(),
        threads: plan.cores.len(),
        cores: plan.cores.clone(),
        verify: plan.verify,
        congestion: plan.congestion.clone(),
    }
}

fn throughput(plan: &Plan, sum: &Sum, measured_s: f64) -> Throughput {
    let answers = sum.counts.measured;
    let per_second = |count: u64| if 0.0 < measured_s { count as f64 / measured_s } else { 0.0 };
    let body_bytes =
        if plan.target.is_echo() { plan.size as u64 } else { sum.counts.content_bytes.unwrap_or_default() };
    let requests_per_second = per_second(answers);
    let connections = |most: u64| requests_per_second / most as f64;
    Throughput {
        duration_s: measured_s,
        answers,
        requests_per_second,
        bytes_per_second: requests_per_second * body_bytes as f64,
        body_bytes,
        connections_per_second: plan.requests_per_connection.map(connections),
    }
}

fn counts(plan: &Plan, sum: &Sum, interrupted: bool) -> result::Counts {
    let counts = &sum.counts;
    let class = |class: ErrorClass| {
        let count = counts.errors.counts.get(&class).copied().unwrap_or(0);
        (class.name().to_owned(), count)
    };
    result::Counts {
        sent: counts.sent,
        received: counts.received,
        outstanding: counts.outstanding(),
        errors: ErrorClass::ALL.into_iter().map(class).collect(),
        first_error: counts.errors.first.clone(),
        verified_bytes: counts.verified_bytes,
        verification_errors: counts.verification_errors,
        first_mismatch: counts.mismatch.map(|mismatch| result::Mismatch {
            connection: mismatch.connection,
            position: mismatch.position,
            expected: mismatch.expected,
            found: mismatch.found,
        }),
        lost: if plan.target.is_stream() { 0 } else { counts.given_up },
        late: counts.late,
        duplicated: counts.duplicated,
        reordered: counts.reordered,
        delayed: counts.delayed,
        connections_at_start: u64::from(plan.connections),
        connections_at_end: sum.connections,
        dialed: counts.dialed,
        reconnects: counts.reconnects,
        repeated: counts.repeated,
        statuses: counts.statuses.clone(),
        fell_silent: sum.fell_silent,
        interrupted,
    }
}

fn tls(plan: &Plan, counts: &Counts) -> Option<Tls> {
    let security = plan.security.as_ref()?;
    let name =
        |((version, cipher), count): (&(&str, &str), &u64)| (format!("{version} with {cipher}"), *count);
    Some(Tls {
        insecure: security.authorities.is_none(),
        resumption: security.resumption,
        handshakes: counts.handshakes.iter().map(name).collect::<BTreeMap<_, _>>(),
        resumed: counts.resumed,
    })
}
