//! Whether two sides may be compared: the same load, and nothing that stands against their figures.

use std::collections::BTreeSet;

use crate::plan::Plan;
use crate::report::counted;
use crate::result::{Config, RunResult, Status};

/// A part of a load: its name, and what it was in a run.
type Part = (&'static str, fn(&RunResult) -> String);

/// The same of a plan.
type Planned = (&'static str, fn(&Plan) -> String);

/// What makes a load.
const PARTS: [Part; 9] = [
    ("protocol", |run| run.config.protocol.clone()),
    ("loop", |run| run.config.loop_model.to_string()),
    ("arrivals", |run| run.config.arrivals.map_or("none".to_owned(), |law| law.to_string())),
    ("rate", |run| show_rate(&run.config)),
    ("connections", |run| run.config.connections.to_string()),
    ("depth", |run| run.config.depth.to_string()),
    ("size", |run| run.config.size.to_string()),
    ("requests per connection", |run| {
        run.config.requests_per_connection.map_or("any number".to_owned(), |count| count.to_string())
    }),
    ("TLS", |run| {
        let resumption = run.tls.as_ref().map(|tls| tls.resumption);
        resumption.map_or("off", |is_on| if is_on { "resumed" } else { "whole" }).to_owned()
    }),
];

/// In what the loads of any two runs differ, in words; empty when they are all the same.
pub fn differences(a: &[RunResult], b: &[RunResult]) -> Vec<String> {
    let values = |runs: &[RunResult], of: fn(&RunResult) -> String| -> BTreeSet<String> {
        runs.iter().map(of).collect()
    };
    let show = |values: BTreeSet<String>| values.into_iter().collect::<Vec<_>>().join(" or ");
    let parts = PARTS.map(|(name, of)| (name, values(a, of), values(b, of)));
    let differ = parts.into_iter().filter(|(_, a, b)| a != b || 1 < a.len());
    differ.map(|(name, a, b)| format!("{name} {} against {}", show(a), show(b))).collect()
}

/// In what the loads of two plans with the same flags differ, which only their targets can bring about.
pub fn planned_differences(a: &Plan, b: &Plan) -> Vec<String> {
    let parts: [Planned; 4] = [
        ("protocol", |plan| plan.target.protocol().name().to_owned()),
        ("depth", |plan| plan.depth.to_string()),
        ("size", |plan| plan.size.to_string()),
        ("TLS", |plan| if plan.security.is_some() { "on" } else { "off" }.to_owned()),
    ];
    let differ = parts.into_iter().map(|(name, of)| (name, of(a), of(b))).filter(|(_, a, b)| a != b);
    differ.map(|(name, a, b)| format!("{name} {a} against {b}")).collect()
}

/// How many of these runs failed their own checks, and which checks those are; `None` when all came through.
pub fn own_failures(runs: &[&RunResult]) -> Option<String> {
    let failed: Vec<_> = runs.iter().filter(|run| run.verdict == Status::Fail).collect();
    let checks = failed.iter().flat_map(|run| &run.checks).filter(|check| check.status == Status::Fail);
    let names = checks.map(|check| check.name.as_str()).collect::<BTreeSet<_>>();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    let names = if names.is_empty() { "their verdict says so" } else { &names };
    let whole = counted(runs.len() as u64, "run");
    (!failed.is_empty()).then(|| format!("{} of {whole} failed their own checks ({names})", failed.len()))
}

/// What stands against the figures of each side, in sentences.
pub fn doubts(a: &[RunResult], b: &[RunResult]) -> Vec<String> {
    [("A", a), ("B", b)].into_iter().flat_map(|(side, runs)| doubts_of(side, runs)).collect()
}

fn doubts_of(side: &str, runs: &[RunResult]) -> Vec<String> {
    let wrong = runs.iter().filter(|run| !run.is_fine()).count();
    let mut doubts = Vec::new();
    if let Some(failures) = own_failures(&runs.iter().collect::<Vec<_>>()) {
        doubts.push(format!("{side}: {failures}, so that their figures are not those of the server."));
    }
    if 0 < wrong {
        doubts.push(format!("{side}: {wrong} of {} had errors.", counted(runs.len() as u64, "run")));
    }
    doubts
}

fn show_rate(config: &Config) -> String {
    match (config.rate, config.rate_to) {
        (None, _) => "as answers come".to_owned(),
        (Some(from), Some(to)) if (from - to).abs() > 0.0 => format!("{from}..{to}/s"),
        (Some(rate), _) => format!("{rate}/s"),
    }
}
