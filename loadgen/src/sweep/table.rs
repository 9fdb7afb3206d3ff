//! A sweep for a person: a row for each run.

use super::{Axis, Point};
use crate::report::show_count;
use crate::report::table::cell;
use crate::result::RunResult;

/// The line above the rows.
pub fn header(axis: &Axis) -> String {
    let first = match axis {
        Axis::Rates(_) => "rate/s",
        Axis::Connections(_) => "connections",
    };
    format!(
        "{first:>11} {:>11} {:>10} {:>10} {:>10} {:>10}  {:<7} {}",
        "answers/s", "p50", "p99", "p99.9", "not ok", "checks", "failed checks"
    )
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
        let failed = run.checks.iter().filter(|check| check.status == crate::result::Status::Fail);
        let row = format!(
            "{:>11} {:>11} {:>10} {:>10} {:>10} {:>10}  {:<7} {}",
            show_count(first),
            show_count(run.throughput.requests_per_second),
            cell(response.count, 50.0, response.p50_us),
            cell(response.count, 99.0, response.p99_us),
            cell(response.count, 99.9, response.p999_us),
            show_count(lost as f64),
            run.verdict,
            failed.map(|check| check.name.as_str()).collect::<Vec<_>>().join(", "),
        );
        row.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::simulated::run;
    use crate::result::{Latency, Status};

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
        let header = header(&Axis::Rates(vec![1.0]));
        assert_eq!(
            header.find("not ok").map(|at| at + 6),
            row.find(" 7 ").map(|at| row[..at].chars().count() + 2)
        );
    }
}
