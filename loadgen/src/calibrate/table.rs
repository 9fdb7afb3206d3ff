//! A calibration for a person: a row for each run, and the floor in a sentence.

use std::fmt;

use super::{Calibration, Floor, Step};
use crate::report::table::cell;
use crate::report::{show_count, show_nanos};
use crate::result::{Latency, RunResult};

/// The line above the rows.
pub const HEADER: &str = concat!(
    "                                      response                service              woke late\n",
    "loop           answers/s        p50        p99         p50        p99         p50        p99"
);

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.pad("closed"),
            Self::Open(idle) => f.pad(&format!("open, {}", idle.name())),
        }
    }
}

impl Step {
    /// The row of its run.
    pub fn row(self, run: &RunResult) -> String {
        let pair = |latency: &Latency| {
            let cells = [(50.0, latency.p50_us), (99.0, latency.p99_us)];
            let [p50, p99] = cells.map(|(percentile, us)| cell(latency.count, percentile, us));
            format!("{p50:>10} {p99:>10}")
        };
        format!(
            "{:<13}{:>11} {}  {}  {}",
            self.to_string(),
            show_count(run.throughput.requests_per_second),
            pair(&run.latency.response),
            pair(&run.latency.service),
            pair(&run.generator.lateness),
        )
    }
}

/// The floor, as it is said.
pub(super) fn sentence(floor: &Floor) -> String {
    format!(
        "Your numbers on this host cannot be better than p50 {}{}, max rate {}/s.",
        show_nanos(floor.p50_us * 1000.0),
        floor.p99_us.map(|us| format!(", p99 {}", show_nanos(us * 1000.0))).unwrap_or_default(),
        show_count(floor.max_rate)
    )
}

/// What stands below the rows.
impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "clock         {}, {} a reading",
            self.clock_source.as_deref().unwrap_or("of an unknown source"),
            show_nanos(self.clock_read_ns)
        )?;
        if let Some(us) = self.cpu_us_per_request {
            writeln!(
                f,
                "generator     {} of processor time for each request of the closed loop",
                show_nanos(us * 1e3)
            )?;
        }
        write!(f, "{}", self.sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Idle;
    use crate::result::example::example;

    #[test]
    fn a_row_stands_below_its_header() {
        let row = Step::Open(Idle::Hybrid).row(&example());
        let line = HEADER.lines().last().unwrap();
        assert!(row.starts_with("open, hybrid ") && row.chars().count() <= 100, "{row}");
        // Figures end where the names above them end.
        let ends = |text: &str| {
            let letters: Vec<char> = text.chars().collect();
            (1..=letters.len())
                .filter(|at| letters[at - 1] != ' ' && letters.get(*at).is_none_or(|next| *next == ' '))
                .collect::<Vec<_>>()
        };
        let (names, figures) = (ends(line), ends(&row));
        let missing: Vec<_> = names.iter().skip(1).filter(|end| !figures.contains(end)).collect();
        assert!(missing.is_empty(), "{missing:?} in\n{HEADER}\n{row}");
    }

    #[test]
    fn the_end_says_what_the_clock_and_a_request_cost() {
        let text = crate::calibrate::example().to_string();
        assert!(
            text.starts_with("clock         tsc, 24 ns a reading\ngenerator     77.0 µs of processor"),
            "{text}"
        );
    }
}
