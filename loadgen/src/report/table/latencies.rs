//! The table of percentiles, which shows none that rests on too few samples.

use crate::report::{show_count, show_nanos};
use crate::result::{Latency, LatencySet};

/// Samples that a percentile needs beyond it to be shown at all.
const SAMPLES_TO_SHOW: f64 = 10.0;
/// Samples that it needs beyond it to be shown without a mark.
const SAMPLES_TO_TRUST: f64 = 100.0;

/// How far a percentile rests on samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// So few lie beyond it that it says nothing.
    None,
    /// Some do.
    Weak,
    /// Many do.
    Strong,
}

/// How far a percentile of so many samples can be relied on.
pub fn support(count: u64, percentile: f64) -> Support {
    // Percentiles have at most two digits after the point; whole numbers keep 90 % of 100 samples at exactly 10.
    let beyond = count as f64 * (10_000.0 - (percentile * 100.0).round()) / 10_000.0;
    if beyond < SAMPLES_TO_SHOW {
        Support::None
    } else if beyond < SAMPLES_TO_TRUST {
        Support::Weak
    } else {
        Support::Strong
    }
}

const WIDTH: usize = 10;
const NAME_WIDTH: usize = 14;
const COLUMNS: [&str; 5] = ["p50", "p90", "p99", "p99.9", "p99.99"];

/// A header and a row for each kind of latency that there is.
pub(super) fn latencies(set: &LatencySet) -> Vec<String> {
    let cells = COLUMNS.into_iter().chain(["max", "n"]);
    let header =
        cells.fold(format!("{:NAME_WIDTH$}", "latency"), |line, cell| format!("{line}{cell:>WIDTH$}"));
    let went_wrong = 0 < set.failed.count + set.unanswered.count;
    let rows = [
        ("response", &set.response, true),
        ("service", &set.service, true),
        ("generator lag", &set.generator_lag, 0 < set.generator_lag.count),
        ("queue wait", &set.queue_wait, 0.0 < set.queue_wait.max_us),
        ("failed", &set.failed, went_wrong),
        ("unanswered", &set.unanswered, went_wrong),
        ("all", &set.all, went_wrong),
        ("connect", &set.connect, 0 < set.connect.count),
        ("handshake", &set.handshake, 0 < set.handshake.count),
    ];
    let shown = rows.into_iter().filter(|(.., is_shown)| *is_shown);
    std::iter::once(header).chain(shown.map(|(name, latency, _)| row(name, latency))).collect()
}

fn row(name: &str, latency: &Latency) -> String {
    let figures = [
        (50.0, latency.p50_us),
        (90.0, latency.p90_us),
        (99.0, latency.p99_us),
        (99.9, latency.p999_us),
        (99.99, latency.p9999_us),
    ];
    let mut row = format!("{name:NAME_WIDTH$}");
    for (percentile, us) in figures {
        row += &format!("{:>WIDTH$}", cell(latency.count, percentile, us));
    }
    let max = if latency.count == 0 { "-".to_owned() } else { show_nanos(latency.max_us * 1000.0) };
    row + &format!("{max:>WIDTH$}{:>WIDTH$}", show_count(latency.count as f64))
}

/// A percentile as it is shown: `-` where too little stands behind it, with `~` where not much does.
pub fn cell(count: u64, percentile: f64, us: f64) -> String {
    let shown = show_nanos(us * 1000.0);
    match support(count, percentile) {
        Support::None => "-".to_owned(),
        Support::Weak => format!("~{shown}"),
        Support::Strong => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::example::example;

    #[test]
    fn a_percentile_needs_samples_beyond_it() {
        assert_eq!(support(19, 50.0), Support::None);
        assert_eq!(support(20, 50.0), Support::Weak);
        assert_eq!(support(100, 90.0), Support::Weak);
        assert_eq!(support(99_999, 99.99), Support::None);
        assert_eq!(support(100_000, 99.99), Support::Weak);
        assert_eq!(support(1_000_000, 99.99), Support::Strong);
        assert_eq!(support(1000, 90.0), Support::Strong);
        assert_eq!(support(0, 50.0), Support::None);
        assert_eq!(
            [cell(5, 50.0, 1.0), cell(50, 50.0, 61.0), cell(500, 50.0, 61.0)],
            ["-", "~61.0 µs", "61.0 µs"]
        );
    }

    #[test]
    fn rows_are_there_when_there_is_something_to_say() {
        let names = |set: &LatencySet| {
            let rows = latencies(set);
            rows.iter().skip(1).map(|row| row[..NAME_WIDTH].trim().to_owned()).collect::<Vec<_>>().join(",")
        };
        let mut set = example().latency;
        assert_eq!(names(&set), "response,service,generator lag");
        set.failed = set.lag.clone();
        set.queue_wait = set.lag.clone();
        set.connect = set.lag.clone();
        assert_eq!(names(&set), "response,service,generator lag,queue wait,failed,unanswered,all,connect");
        let last = latencies(&example().latency).remove(1);
        assert!(last.contains(" ~") && last.ends_with("   100,000"), "{last}");
    }
}
