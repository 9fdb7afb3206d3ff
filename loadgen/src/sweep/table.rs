//! A sweep for a person: a row for each run.

use std::fmt;

use super::{Axis, Point};
use crate::report::table::cell;
use crate::report::{counted, show_count};
use crate::result::{Config, RunResult, Status};

/// Most names of checks in a row.
const NAMES_MAX: usize = 3;

/// The lines above the rows: what is the same in all runs, and the names of the columns.
pub fn header(axis: &Axis, config: &Config) -> String {
    let connections = counted(u64::from(config.connections), "connection");
    let (first, connections) = match axis {
        Axis::Rates(_) => ("rate/s", format!(", {connections}")),
        Axis::Connections(_) => ("connections", String::new()),
    };
    let length = match (config.count, config.duration_s) {
        (Some(count), _) => counted(count, "request"),
        (None, Some(seconds)) => format!("{seconds} s"),
        (None, None) => "no time".to_owned(),
    };
    format!(
        "{}{connections}, {length} in each run\n{first:>11} {:>11} {:>10} {:>10} {:>10} {:>10}  {:<7} {}",
        config.url, "answers/s", "p50", "p99", "p99.9", "not ok", "checks", "which"
    )
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::Rate(rate) => format!("at {}/s", show_count(*rate)),
            Self::Connections(count) => format!("with {}", counted(u64::from(*count), "connection")),
        })
    }
}

impl Point {
    /// The row of its run.
    pub fn row(self, run: &RunResult) -> String {
        let first = match self {
            Self::Rate(rate) => rate,
            Self::Connections(count) => f64::from(count),
        };
        let response = &run.latency.response;
        let lost = run.requests.scheduled.saturating_sub(run.requests.ok);
        let row = format!(
            "{:>11} {:>11} {:>10} {:>10} {:>10} {:>10}  {:<7} {}",
            show_count(first),
            show_count(run.throughput.requests_per_second),
            cell(response.count, 50.0, response.p50_us),
            cell(response.count, 99.0, response.p99_us),
            cell(response.count, 99.9, response.p999_us),
            show_count(lost as f64),
            run.verdict,
            worst_checks(run),
        );
        row.trim_end().to_owned()
    }
}

/// The names of the checks that made the verdict, when it is none to be glad of.
fn worst_checks(run: &RunResult) -> String {
    let worst = run.checks.iter().filter(|check| check.status == run.verdict && Status::Warn <= check.status);
    let names: Vec<&str> = worst.map(|check| check.name.as_str()).collect();
    let shown = names.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(NAMES_MAX);
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::simulated::run;
    use crate::result::Latency;

    #[test]
    fn a_row_says_what_came_of_a_run() {
        let mut run = run(2000.0);
        run.latency.response =
            Latency { count: 10_000, p50_us: 100.0, p99_us: 2000.0, p999_us: 30_000.0, ..Latency::default() };
        run.requests.ok -= 7;
        run.verdict = Status::Fail;
        run.checks[2].status = Status::Fail;
        let row = Point::Rate(2000.0).row(&run);
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(
            words,
            ["2,000", "2,000", "100", "µs", "2.00", "ms", "~30.0", "ms", "7", "FAIL", "own-cpu"]
        );
        run.verdict = Status::Warn;
        for check in &mut run.checks {
            check.status = Status::Warn;
        }
        let warned = Point::Rate(2000.0).row(&run);
        assert!(warned.ends_with("WARN    schedule-fidelity, offered-rate, own-cpu and 1 more"), "{warned}");
        let header = header(&Axis::Rates(vec![1.0]), &run.config);
        let (above, header) = header.split_once('\n').unwrap();
        assert_eq!(above, "tcp://127.0.0.1:7000, 64 connections, 10 s in each run");
        assert_eq!(Point::Rate(2000.0).to_string(), "at 2,000/s");
        assert_eq!(Point::Connections(1).to_string(), "with 1 connection");
        assert_eq!(
            header.find("not ok").map(|at| at + 6),
            row.find(" 7 ").map(|at| row[..at].chars().count() + 2)
        );
    }
}
