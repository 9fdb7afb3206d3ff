//! A search for a person: a row for each run, and a sentence at the end.

use std::fmt;

use super::{Aim, Outcome, Probed, Purpose};
use crate::report::show_count;
use crate::report::table::cell;

/// The line above the rows.
pub const HEADER: &str = "    rate/s  answers/s        p50        p99         ok  for      verdict";

impl fmt::Display for Probed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (result, response) = (&self.result, &self.result.latency.response);
        let verdict = match (&self.reason, self.is_client_limited) {
            (None, _) => "kept".to_owned(),
            (Some(reason), false) => format!("missed: {reason}"),
            (Some(reason), true) => format!("client-limited: {reason}"),
        };
        write!(
            f,
            "{:>10} {:>10} {:>10} {:>10} {:>8.3} %  {:<8} {verdict}",
            show_count(self.rate),
            show_count(result.throughput.requests_per_second),
            cell(response.count, 50.0, response.p50_us),
            cell(response.count, 99.0, response.p99_us),
            super::MinOk::measured(result) * 100.0,
            self.purpose,
        )
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ramp => "ramp",
            Self::Bisect => "bisect",
            Self::Confirm => "confirm",
        })
    }
}

/// What came of a search.
pub(super) fn sentence(aim: &Aim, outcome: Outcome, rate: Option<f64>, probes: &[Probed]) -> String {
    let objectives = aim.objectives.iter().map(|slo| format!("{slo}, ")).collect::<String>();
    let kept = format!("{objectives}{}", aim.min_ok);
    let per_second = |rate: f64| format!("{}/s", show_count(rate));
    // The reason that belongs to the limit is that of the lowest rate that was missed.
    let missed = probes.iter().filter(|probe| !probe.is_kept).min_by(|a, b| a.rate.total_cmp(&b.rate));
    let why = missed.map_or(String::new(), |probe| {
        format!("{}: {}", per_second(probe.rate), probe.reason.as_deref().unwrap_or_default())
    });
    match (outcome, rate) {
        (Outcome::ServerLimited, Some(rate)) => {
            format!("{} keep {kept}; more do not ({why}).", per_second(rate))
        }
        (Outcome::ClientLimited, Some(rate)) => format!(
            "client-limited at {}: {kept} are kept there, and at more this generator is the limit, not the server ({why}). \
             Try: more --threads, other --cores, or more --connections",
            per_second(rate)
        ),
        (Outcome::ClientLimited, None) => format!(
            "client-limited at the start: this generator cannot do its part at {why}. Try: a lower --from, more \
             --threads, or other --cores"
        ),
        (Outcome::ReachedMaxRate, Some(rate)) => {
            format!("{} keep {kept}, and no more were asked for. Try: a higher --max-rate", per_second(rate))
        }
        (Outcome::Interrupted, _) => "interrupted before a rate was confirmed.".to_owned(),
        (Outcome::NotConfirmed, _) => {
            format!("no rate was confirmed within {} runs: {kept} were not kept steadily.", super::RUNS_MAX)
        }
        _ => format!("not even {why}; {kept} were asked for. Try: a lower --from"),
    }
}
