//! One run, for the commands that make several.

use tidemill::sys::cpu;

use super::{Failure, NO_START, USAGE};
use crate::cli::LoadFlags;
use crate::plan::{End, Plan};
use crate::report::Outcome;
use crate::result::{
    Config, Counts, Environment, Generator, Latency, LatencySet, LoopModel, Requests, RunResult, SCHEMA,
    Status, Throughput,
};
use crate::run;
use crate::target::Target;

/// What makes a run: the real one, or one that a test thought of.
pub(super) type Measure<'a> = dyn FnMut(&Target, &LoadFlags) -> Result<RunResult, Failure> + 'a;

/// Loads a server once, and says nothing of it.
pub(super) fn measure(target: &Target, load: &LoadFlags) -> Result<RunResult, Failure> {
    if load.rate.is_some() {
        return Err(Failure::new(USAGE, "a run is a closed loop so far, and --rate asks for an open one"));
    }
    let plan = Plan::new(target, load, &cpu::allowed_cores()).map_err(|error| Failure::new(USAGE, error))?;
    let outcome = run::run(&plan, false).map_err(|error| Failure::new(NO_START, error))?;
    Ok(result_of(&outcome))
}

/// The result of a closed loop, as far as it is known: its latency is both service and response time.
fn result_of(outcome: &Outcome) -> RunResult {
    let (json, record) = (outcome.json(), &outcome.record);
    let latency = Latency::of(&record.latency);
    let cpu_us = (json.cpu.user_s + json.cpu.system_s) * 1e6;
    RunResult {
        schema: SCHEMA.to_owned(),
        verdict: Status::Skipped,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: String::new(),
        config: config_of(&outcome.plan),
        environment: Environment { tier: json.tier.to_owned(), ..Environment::default() },
        throughput: Throughput {
            duration_s: json.duration_s,
            answers: json.messages,
            requests_per_second: json.messages_per_second,
            bytes_per_second: json.bytes_per_second,
            body_bytes: json.body_bytes,
            connections_per_second: json.connections_per_second,
        },
        requests: Requests { scheduled: json.messages, ok: json.messages, ..Requests::default() },
        counts: Counts {
            sent: json.sent,
            received: json.received,
            interrupted: json.interrupted,
            ..Counts::default()
        },
        latency: LatencySet { response: latency.clone(), service: latency, ..LatencySet::default() },
        tls: None,
        generator: Generator {
            cpu_us_per_request: (0 < json.messages).then(|| cpu_us / json.messages as f64),
            ..Generator::default()
        },
        server: None,
        checks: Vec::new(),
        problems: if outcome.is_fine() { Vec::new() } else { vec!["the run had errors".to_owned()] },
        series: Vec::new(),
    }
}

fn config_of(plan: &Plan) -> Config {
    let (duration_s, count) = match plan.end {
        End::After(time) => (Some(time.as_secs_f64()), None),
        End::Count(count) => (None, Some(count)),
    };
    Config {
        argv: Vec::new(),
        url: plan.target.to_string(),
        protocol: plan.target.protocol().name().to_owned(),
        loop_model: LoopModel::Closed,
        arrivals: None,
        rate: None,
        rate_to: None,
        connections: plan.connections,
        depth: plan.depth,
        size: plan.size,
        duration_s,
        count,
        warmup_s: plan.warmup.as_secs_f64(),
        timeout_s: 0.0,
        queue: 0,
        requests_per_connection: plan.reconnect.then_some(1),
        sources: Vec::new(),
        seed: plan.seed,
        schedule_hash: None,
        idle: "sleep".to_owned(),
        threads: plan.cores.len(),
        cores: plan.cores.clone(),
        verify: plan.verify,
        congestion: plan.congestion.clone(),
    }
}
