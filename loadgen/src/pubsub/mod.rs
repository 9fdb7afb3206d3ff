//! Publish and subscribe: the load of a hub, and what every subscriber got of it.
//!
//! From the top: a [`plan`] follows from the flags; the [`engine`] opens the connections and drives them in one thread;
//! what is published and what comes is written into a [`ledger`], which a [`result`] is made of. Pure are the names of
//! [`subjects`], the [`stamp`] in each payload, a [`track`] that finds what is missing, twice or late, the [`samples`] that
//! are timed, and the readers in [`input`]. It stands beside the runs of [`crate::run`] and shares with them the ring's
//! [`link`](crate::link), schedules, histograms, and the watch on the server.

pub mod checks;
pub mod connection;
pub mod endpoint;
pub mod engine;
pub mod flow;
pub mod input;
pub mod ledger;
pub mod listener;
pub mod open;
pub mod outgoing;
pub mod plan;
pub mod result;
pub mod samples;
pub mod shape;
pub mod stamp;
pub mod stuck;
pub mod subjects;
mod table;
pub mod track;

use std::time::{Duration, UNIX_EPOCH};
use std::{env, io};

use tidemill::limits::DESCRIPTORS_RESERVE;
use tidemill::ring::{Capabilities, RingError};
use tidemill::sys::clock::{self, Time, Wall};
use tidemill::sys::cpu::{self, PinError};
use tidemill::sys::descriptors::{self, DescriptorsError};
use tidemill::sys::signal::{Signals, Waker, Woken};
use tidemill::sys::timer;
use tidemill::tier::RingTier;

use self::checks::Evidence;
use self::engine::{Done, Engine, EngineError, Moment};
use self::ledger::Ledger;
use self::plan::Plan;
use self::result::{Config, Counts, Generator, Latencies, PubsubResult, SCHEMA, Server, Stuck, Throughput};
use crate::plan::End;
use crate::result::{Environment, Latency, worst};
use crate::server_side::{Sampler, SourceError};

/// How often the server is looked at.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Why a run did not take place, or could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PubsubError {
    /// The load.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The ring failed.
    #[error("the ring failed: {0}")]
    Ring(#[from] RingError),
    /// The thread could not be pinned.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// There are fewer descriptors than connections.
    #[error(transparent)]
    Descriptors(#[from] DescriptorsError),
    /// Signals could not be watched.
    #[error("signals cannot be watched: {0}")]
    Signals(io::Error),
    /// The server cannot be watched.
    #[error(transparent)]
    Server(#[from] SourceError),
}

/// Carries the plan out.
///
/// # Errors
/// When the run could not take place.
pub fn run(plan: &Plan) -> Result<PubsubResult, PubsubError> {
    let signals = Signals::watch().map_err(PubsubError::Signals)?;
    let waker = Waker::new().map_err(PubsubError::Signals)?;
    descriptors::raise_limit(plan.descriptors() + u64::from(DESCRIPTORS_RESERVE))?;
    let capabilities = Capabilities::probe(RingTier::V6_17).map_err(EngineError::NoRing)?;
    let environment = Environment::look(&[plan.core], capabilities.tier().name().to_owned());
    cpu::pin(plan.core)?;
    timer::wake_precisely();
    let sampler = plan.server.clone().map(|source| Sampler::start(source, clock::now())).transpose()?;
    let mut attendant = Attendant { signals, waker, sampler, next_sample: Time::from_nanos(u64::MAX) };
    let mut engine = Engine::open(plan, capabilities)?;
    engine.prepare(&mut attendant)?;
    let done = engine.run(&mut attendant)?;
    Ok(conclude(plan, environment, engine.ledger(), done, attendant.sampler))
}

/// Looks for signals and at the server while the load goes on.
struct Attendant {
    signals: Signals,
    waker: Waker,
    sampler: Option<Sampler>,
    next_sample: Time,
}

impl engine::Attendant for Attendant {
    fn tick(&mut self, now: Time) -> bool {
        if self.next_sample <= now {
            self.mark(now);
        }
        matches!(self.signals.wait(&self.waker, Some(Duration::ZERO)), Ok(Woken::Stop(_)))
    }

    fn mark(&mut self, now: Time) {
        self.next_sample = now.saturating_add(SAMPLE_INTERVAL);
        if let Some(sampler) = &mut self.sampler {
            sampler.sample(now);
        }
    }
}

/// What came of it all.
fn conclude(
    plan: &Plan,
    environment: Environment,
    ledger: &Ledger,
    done: Done,
    sampler: Option<Sampler>,
) -> PubsubResult {
    let [first, last] = done.measured;
    let throughput = throughput(plan, first, last);
    let generator = generator(first, last, &throughput);
    let counts = counts(ledger, done);
    let stuck = (plan.stuck != 0).then(|| Stuck {
        subscribers: plan.stuck,
        cut: done.stuck.cut,
        first_cut_s: done.stuck.first.map(|time| time.as_secs_f64()),
        last_cut_s: done.stuck.last.map(|time| time.as_secs_f64()),
    });
    let latencies = &ledger.latencies;
    let latency = Latencies {
        first: Latency::of(&latencies.first),
        last: Latency::of(&latencies.last),
        every: Latency::of(&latencies.every),
        lag: Latency::of(&latencies.lag),
    };
    let mut problems = counts.problems(plan.is_request_reply);
    problems.extend(sampler.as_ref().and_then(|sampler| sampler.problem(first.at)));
    let server = sampler.and_then(|sampler| server(&sampler, first.at, last.at, throughput.deliveries));
    let (rate, server_seen) = (plan.rate, server.as_ref());
    let checks = checks::all(&Evidence {
        counts: &counts,
        throughput: &throughput,
        latency: &latency,
        generator: &generator,
        server: server_seen,
        rate,
    });
    PubsubResult {
        schema: SCHEMA.to_owned(),
        verdict: worst(checks.iter().map(|check| check.status)),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: started_at(first.at),
        config: config(plan),
        environment,
        throughput,
        counts,
        latency,
        generator,
        server,
        stuck,
        checks,
        problems,
    }
}

fn throughput(plan: &Plan, first: Moment, last: Moment) -> Throughput {
    let duration_s = last.at.saturating_since(first.at).as_secs_f64();
    let (published, deliveries) = (last.published - first.published, last.delivered - first.delivered);
    let per_second = |count: u64| if duration_s == 0.0 { 0.0 } else { count as f64 / duration_s };
    Throughput {
        duration_s,
        published,
        deliveries,
        published_per_second: per_second(published),
        deliveries_per_second: per_second(deliveries),
        bytes_per_second: per_second(deliveries) * plan.size as f64,
    }
}

fn generator(first: Moment, last: Moment, throughput: &Throughput) -> Generator {
    let cpu = last.cpu - first.cpu;
    let used = cpu.total.as_secs_f64();
    Generator {
        cpu_user_s: cpu.user.as_secs_f64(),
        cpu_system_s: cpu.system.as_secs_f64(),
        cpu_percent: if throughput.duration_s == 0.0 { 0.0 } else { used / throughput.duration_s * 100.0 },
        cpu_ns_per_delivery: (throughput.deliveries != 0).then(|| used * 1e9 / throughput.deliveries as f64),
    }
}

fn counts(ledger: &Ledger, done: Done) -> Counts {
    let tally = ledger.tally;
    Counts {
        published: ledger.published_total(),
        expected: done.expected,
        delivered: tally.delivered,
        lost: tally.lost,
        duplicated: tally.duplicated,
        reordered: tally.reordered,
        corrupt: tally.corrupt,
        unsent: done.unsent,
        disconnected: done.disconnected,
        stalls: done.stalls,
        errors: ledger.errors.iter().map(|(class, count)| ((*class).to_owned(), *count)).collect(),
        first_error: ledger.first_error.clone(),
        interrupted: done.is_interrupted,
    }
}

fn server(sampler: &Sampler, from: Time, until: Time, deliveries: u64) -> Option<Server> {
    let seen = sampler.server(from, until, deliveries)?;
    let is_known = deliveries != 0 && 0.0 < seen.cpu_s;
    Some(Server {
        source: seen.source,
        cpu_s: seen.cpu_s,
        cpu_ns_per_delivery: is_known.then(|| seen.cpu_s * 1e9 / deliveries as f64),
        deliveries_per_cpu_second: is_known.then(|| deliveries as f64 / seen.cpu_s),
        rss_bytes: seen.rss_bytes,
        voluntary_switches: seen.voluntary_switches,
        involuntary_switches: seen.involuntary_switches,
    })
}

fn config(plan: &Plan) -> Config {
    let (duration_s, count) = match plan.end {
        End::After(time) => (Some(time.as_secs_f64()), None),
        End::Count(count) => (None, Some(count)),
    };
    Config {
        argv: env::args().collect(),
        url: plan.endpoint.to_string(),
        publish_url: plan.publish_to.to_string(),
        publishers: plan.publishers,
        subscribers: plan.audience.subscribers + plan.stuck,
        stuck: plan.stuck,
        wildcards: plan.audience.wildcards,
        subjects: plan.subjects,
        size: plan.size,
        rate: plan.rate,
        arrivals: plan.rate.map(|_| plan.arrivals),
        window: plan.window,
        sids: plan.sids.name().to_owned(),
        request_reply: plan.is_request_reply,
        duration_s,
        count,
        warmup_s: plan.warmup.as_secs_f64(),
        seed: plan.seed,
        sampled: 1 << plan.skipped_bits(),
        core: plan.core,
        idle: plan.idle.name().to_owned(),
    }
}

/// A moment of the run as people write it.
fn started_at(moment: Time) -> String {
    let now = clock::now();
    let start =
        Duration::from_secs(Wall::default().seconds(now)).saturating_sub(now.saturating_since(moment));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + start).to_string()
}
