//! The table of percentiles, which shows none that rests on too few samples.

use super::lines::line;
use crate::report::{show_count, show_nanos};
use crate::result::{Confidence, Latency, LoopModel, RunResult};

/// Samples that a percentile needs beyond it to be shown at all.
const SAMPLES_TO_SHOW: f64 = crate::statistics::BEYOND_MIN;
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

/// Whether response and service are one, as in a closed loop without waiting: then one of them says it all.
pub fn is_service_response(result: &RunResult) -> bool {
    let set = &result.latency;
    result.config.loop_model == LoopModel::Closed && set.service == set.response && set.lag.max_us <= 0.0
}

/// A header and a row for each kind of latency that there is.
pub(super) fn latencies(result: &RunResult) -> Vec<String> {
    let set = &result.latency;
    let cells = COLUMNS.into_iter().chain(["max", "n"]);
    let header =
        cells.fold(format!("{:NAME_WIDTH$}", "latency"), |line, cell| format!("{line}{cell:>WIDTH$}"));
    let went_wrong = 0 < set.failed.count + set.unanswered.count;
    let is_one = is_service_response(result);
    let rows = [
        ("service", &set.service, !is_one),
        ("generator lag", &set.generator_lag, !is_one && 0 < set.generator_lag.count),
        ("queue wait", &set.queue_wait, 0.0 < set.queue_wait.max_us),
        ("failed", &set.failed, 0 < set.failed.count),
        ("unanswered", &set.unanswered, 0 < set.unanswered.count),
        ("all", &set.all, went_wrong),
        ("connect", &set.connect, 0 < set.connect.count),
        ("handshake", &set.handshake, 0 < set.handshake.count),
    ];
    let mut lines = vec![header, row("response", &set.response)];
    lines.extend(confidence(&set.response_ci, set.response.count).map(|words| line("  95 % CI", &words)));
    if is_one && 0 < set.response.count {
        lines.push(line("service", "the same: in a closed loop a request is sent when it is meant to be"));
    }
    let shown = rows.into_iter().filter(|(.., is_shown)| *is_shown);
    lines.extend(shown.map(|(name, latency, _)| row(name, latency)));
    lines
}

/// The intervals of those percentiles that are quoted most, where they are shown themselves.
fn confidence(intervals: &Confidence, count: u64) -> Option<String> {
    let quoted = [(50.0, intervals.p50_us), (99.0, intervals.p99_us), (99.9, intervals.p999_us)];
    let words: Vec<String> = quoted
        .into_iter()
        .filter(|(percentile, _)| support(count, *percentile) != Support::None)
        .filter_map(|(percentile, interval)| Some(format!("p{percentile} {}", show_interval(interval?))))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// An interval in microseconds; one that is narrower than what can be shown is one value.
pub fn show_interval([low, high]: [f64; 2]) -> String {
    let (low, high) = (show_nanos(low * 1000.0), show_nanos(high * 1000.0));
    if low == high { low } else { format!("{low} .. {high}") }
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
        let names = |result: &RunResult| {
            let rows = latencies(result);
            rows.iter().skip(1).map(|row| row[..NAME_WIDTH].trim().to_owned()).collect::<Vec<_>>().join(",")
        };
        let mut result = example();
        assert_eq!(names(&result), "response,95 % CI,service,generator lag");
        let lag = result.latency.lag.clone();
        for kind in [&mut result.latency.failed, &mut result.latency.queue_wait, &mut result.latency.connect]
        {
            *kind = lag.clone();
        }
        assert_eq!(names(&result), "response,95 % CI,service,generator lag,queue wait,failed,all,connect");
        let last = latencies(&example()).remove(1);
        assert!(last.contains(" ~") && last.ends_with("   100,000"), "{last}");
    }

    #[test]
    fn a_closed_loop_has_one_row_for_what_is_one() {
        let mut result = example();
        result.config.loop_model = LoopModel::Closed;
        assert!(latencies(&result).join("\n").contains("\ngenerator lag  "), "there was lag");
        result.latency.service = result.latency.response.clone();
        (result.latency.lag, result.latency.generator_lag) = (constant(0), constant(0));
        let text = latencies(&result).join("\n");
        assert!(
            text.contains("\nservice       the same: in a closed loop") && !text.contains("lag"),
            "{text}"
        );
        result.config.loop_model = LoopModel::Open;
        assert!(latencies(&result).join("\n").contains("\ngenerator lag  "));
    }

    fn constant(nanos: u64) -> Latency {
        let mut histogram = crate::record::new_histogram();
        histogram.record_n(nanos, 1000).unwrap();
        Latency { min_us: 0.0, mean_us: 0.0, max_us: nanos as f64, ..Latency::of(&histogram) }
    }

    #[test]
    fn intervals_are_said_where_there_are_any() {
        let intervals = Confidence {
            p50_us: Some([61.0, 61.0]),
            p99_us: Some([301.0, 322.0]),
            p999_us: None,
            ..Confidence::default()
        };
        assert_eq!(confidence(&intervals, 1000).as_deref(), Some("p50 61.0 µs, p99 301 µs .. 322 µs"));
        assert_eq!(confidence(&intervals, 999).as_deref(), Some("p50 61.0 µs"), "p99 itself is not shown");
        assert_eq!(confidence(&Confidence::default(), 1000), None);
    }
}
