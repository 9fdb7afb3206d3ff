//! Why a figure could not be compared, in words.

use super::seconds::Seconds;
use super::{Metric, scale};
use crate::report::counted;
use crate::statistics::bootstrap::PARTS_MIN;

/// What is missing, of which side, and in how many of its runs.
pub(super) fn reason(metric: Metric, runs: [&[Option<f64>]; 2], seconds: Option<&Seconds>) -> String {
    let sides = ["A", "B"].into_iter().zip(runs);
    let found: Vec<String> = sides.filter_map(|(side, runs)| of_side(metric, side, runs)).collect();
    if !found.is_empty() {
        return found.join("; ");
    }
    match (metric, seconds) {
        (_, Some(seconds)) if seconds.parts() < PARTS_MIN => "there are too few intervals".to_owned(),
        (Metric::GeneratorCpu, Some(_)) => {
            "it is known of whole runs only, not of their intervals".to_owned()
        }
        _ => "not every interval has it".to_owned(),
    }
}

/// That two single runs have too few intervals to draw from, if so.
pub(super) fn too_few_intervals(seconds: &Seconds) -> Option<String> {
    (seconds.parts() < PARTS_MIN).then(|| {
        format!(
            "{} {}, and {PARTS_MIN} are needed. Try: --duration 10s",
            if seconds.is_even() { "Each run has" } else { "One of the runs has" },
            counted(seconds.parts() as u64, "interval")
        )
    })
}

fn of_side(metric: Metric, side: &str, runs: &[Option<f64>]) -> Option<String> {
    let absent = runs.iter().filter(|value| value.is_none()).count();
    let none = runs.iter().flatten().filter(|value| scale(metric, **value).is_none()).count();
    let (count, what) = match (absent, none) {
        (0, 0) => return None,
        (0, none) => (none, "0 of it, which has no quotient"),
        (absent, _) => (absent, lack(metric)),
    };
    let have = if count == 1 { "has" } else { "have" };
    let whole = counted(runs.len() as u64, "run");
    Some(format!("{count} of {side}'s {whole} {have} {what}"))
}

/// What a run lacks that has no such figure.
const fn lack(metric: Metric) -> &'static str {
    match metric {
        Metric::ResponseMean
        | Metric::ResponseP50
        | Metric::ResponseP90
        | Metric::ResponseP99
        | Metric::ResponseP999
        | Metric::ServiceP50
        | Metric::ServiceP99 => "too few good answers for it",
        Metric::RequestsPerSecond | Metric::GeneratorCpu | Metric::ServerCpu => "no such figure",
        Metric::Errors => "no requests",
    }
}
