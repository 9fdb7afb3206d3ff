//! Whether there are enough samples, and all of one kind.

use hdrhistogram::Histogram;

use super::evidence::{Evidence, Load};
use super::finding::Finding;
use super::statistics::confidence;
use crate::record::new_histogram;
use crate::report::{counted, show_count};
use crate::result::{Interval, LoopModel, PERCENTILES, Status};

/// Samples beyond a percentile that make it firm: with 100 its interval of 95 % is about +- 20 % of what lies beyond.
const BEYOND_FIRM: f64 = 100.0;
/// Samples beyond a percentile below which it is nearly the maximum.
const BEYOND_ROUGH: f64 = crate::statistics::BEYOND_MIN;
/// The percentile that most people quote.
const QUOTED: f64 = 99.0;
/// How much the end of a run may differ from its beginning.
const DRIFT: f64 = 0.1;
/// Standard deviations of a count that are no chance.
const DEVIATIONS: f64 = 5.0;

/// What stands behind each percentile.
pub(super) fn sample_size(evidence: &Evidence<'_>) -> Finding {
    let count = evidence.response.len();
    if evidence.requests.scheduled == 0 && 0 < evidence.lives.wanted && evidence.lives.at_end == 0 {
        let figures = "Every connection had ended before the measured time began.";
        return Finding::judged(Status::Fail, figures, "See the errors.");
    }
    if evidence.requests.scheduled == 0 {
        let figures = "No request was due in the measured time, so there are no percentiles.";
        return Finding::judged(Status::Fail, figures, "Try: a longer --duration, or a higher --rate.");
    }
    if count == 0 {
        return Finding::judged(
            Status::Fail,
            "There is no good answer, so there are no percentiles.",
            "See the errors.",
        );
    }
    let beyond = |percentile: f64| count as f64 * (1.0 - percentile / 100.0);
    // 1 - 0.99 is a little more than 0.01 in binary, and the other way around elsewhere.
    let reaches = |percentile: &&f64, bound: f64| bound <= beyond(**percentile) + 1e-6;
    let last = |bound| PERCENTILES.iter().rfind(|percentile| reaches(percentile, bound));
    let status = if reaches(&&QUOTED, BEYOND_ROUGH) { Status::Pass } else { Status::Warn };
    let samples = counted(count, "sample");
    let figures = match (last(BEYOND_FIRM), last(BEYOND_ROUGH)) {
        (Some(firm), Some(rough)) => format!(
            "Of {samples} at least 100 lie beyond each percentile up to p{firm}, and at least 10 up to p{rough}."
        ),
        (None, Some(rough)) => {
            format!("Of {samples} no percentile has 100 beyond it; those up to p{rough} have 10.")
        }
        (_, None) => format!("Of {samples} no percentile has 10 beyond it."),
    };
    let advice = match last(BEYOND_ROUGH) {
        Some(_) => "Further out a percentile is chance. Try: a longer --duration.",
        None => "So each is chance. Try: a longer --duration.",
    };
    Finding::judged(status, figures, advice)
}

/// Whether the end of the measured time was like its beginning.
pub(super) fn stationarity(evidence: &Evidence<'_>) -> Finding {
    if is_changing(&evidence.load) {
        return Finding::skipped("The rate is meant to change.");
    }
    let measured: Vec<&Interval> =
        evidence.series.iter().filter(|interval| 0.0 <= interval.start_s).collect();
    let third = measured.len() / 3;
    if third == 0 {
        return Finding::skipped("The series has fewer than three intervals.");
    }
    let ends = [&measured[..third], &measured[measured.len() - third..]];
    let [Some(first), Some(last)] = ends.map(Part::of) else {
        return Finding::skipped("The series has no histograms.");
    };
    let mut drifts: Vec<String> = Vec::new();
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
        drifts.extend(percentile_drift(&first.response, &last.response, name, quantile));
    }
    drifts.extend(rate_drift(&first, &last));
    if drifts.is_empty() {
        return Finding::pass(
            "p50, p99 and rate of the first and the last third differ by 10 % at most, or by chance.",
        );
    }
    let figures = format!("From the first third to the last, {}; up to 10 % is good.", drifts.join(", "));
    Finding::judged(Status::Warn, figures, "It was still warming up, or drifts. Try: a longer --warmup.")
}

/// A part of the measured time.
struct Part {
    response: Histogram<u64>,
    ok: u64,
    length_s: f64,
}

impl Part {
    /// `None` when an interval does not carry its histogram.
    fn of(intervals: &[&Interval]) -> Option<Self> {
        let mut part = Self { response: new_histogram(), ok: 0, length_s: 0.0 };
        for interval in intervals {
            if 0 < interval.response.count {
                interval.response.hdr.as_ref()?;
                part.response.add(interval.response.histogram().ok()?).ok()?;
            }
            part.ok += interval.ok;
            part.length_s += interval.length_s;
        }
        Some(part)
    }
}

/// The difference of a percentile, in words, when it is large and no chance.
fn percentile_drift(
    first: &Histogram<u64>,
    last: &Histogram<u64>,
    name: &str,
    quantile: f64,
) -> Option<String> {
    let ((first_low, first_high), (last_low, last_high)) =
        (confidence(first, quantile)?, confidence(last, quantile)?);
    let change =
        last.value_at_quantile(quantile) as f64 / first.value_at_quantile(quantile).max(1) as f64 - 1.0;
    let is_chance = first_low <= last_high && last_low <= first_high;
    (DRIFT < change.abs() && !is_chance).then(|| match change {
        // Percentages of this size are no help.
        _ if 9.0 < change => format!("{name} became {} times as long", show_count(change + 1.0)),
        _ => format!("{name} changed by {:+.0} %", 100.0 * change),
    })
}

/// The same for the rate.
fn rate_drift(first: &Part, last: &Part) -> Option<String> {
    if first.ok == 0 || first.length_s <= 0.0 || last.length_s <= 0.0 {
        return None;
    }
    let expected = first.ok as f64 / first.length_s * last.length_s;
    let change = last.ok as f64 / expected - 1.0;
    let chance = DEVIATIONS * (1.0 / first.ok as f64 + 1.0 / expected).sqrt();
    (DRIFT.max(chance) < change.abs()).then(|| format!("the rate changed by {:+.0} %", 100.0 * change))
}

/// Whether a ramp was asked for.
fn is_changing(load: &Load) -> bool {
    load.loop_model == LoopModel::Open && load.rate.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::example::{Example, check, constant};
    use crate::result::Latency;

    fn of(count: u64) -> impl FnOnce(&mut Example) {
        move |example| example.response = constant(400_000, count)
    }

    #[test]
    fn percentiles_need_samples_beyond_them() {
        check(
            sample_size,
            Example::open(),
            of(1_000_000),
            Status::Pass,
            "up to p99.99, and at least 10 up to p99.99",
        );
        check(
            sample_size,
            Example::open(),
            of(10_000),
            Status::Pass,
            "up to p99, and at least 10 up to p99.9.",
        );
        check(sample_size, Example::open(), of(1000), Status::Pass, "up to p90, and at least 10 up to p99.");
        check(sample_size, Example::open(), of(999), Status::Warn, "at least 10 up to p95. Further out");
        check(
            sample_size,
            Example::open(),
            of(100),
            Status::Warn,
            "Of 100 samples no percentile has 100 beyond it; those up to p90 have 10.",
        );
        check(
            sample_size,
            Example::open(),
            of(15),
            Status::Warn,
            "Of 15 samples no percentile has 10 beyond it.",
        );
        check(sample_size, Example::open(), of(0), Status::Fail, "no good answer");
        let idle = |example: &mut Example| example.requests.scheduled = 0;
        check(sample_size, Example::open(), idle, Status::Fail, "No request was due in the measured time");
        let gone = |example: &mut Example| {
            (example.requests.scheduled, example.lives.at_end) = (0, 0);
        };
        check(
            sample_size,
            Example::open(),
            gone,
            Status::Fail,
            "Every connection had ended before the measured time began. See the errors.",
        );
    }

    fn answers(example: &mut Example, seconds: std::ops::Range<usize>, nanos: u64, count: u64) {
        // The first interval is warm-up.
        for interval in &mut example.series[1..][seconds] {
            interval.ok = count;
            interval.response = Latency::of(&constant(nanos, count));
        }
    }

    #[test]
    fn a_drift_is_seen() {
        let slower = |example: &mut Example| answers(example, 7..10, 500_000, 1000);
        check(
            stationarity,
            Example::open(),
            slower,
            Status::Warn,
            "p50 changed by +19 %, p99 changed by +19 %;",
        );
        let little = |example: &mut Example| answers(example, 7..10, 440_000, 1000);
        check(stationarity, Example::open(), little, Status::Pass, "differ by 10 % at most");
        let fewer = |example: &mut Example| answers(example, 0..3, 420_000, 1300);
        check(stationarity, Example::open(), fewer, Status::Warn, "the rate changed by -23 %");
        let middle = |example: &mut Example| answers(example, 3..7, 900_000, 300);
        check(stationarity, Example::open(), middle, Status::Pass, "differ by 10 % at most");
    }

    /// 4.641 s are 11,050 times 420 µs, up to the 0.1 % of a histogram.
    #[test]
    fn a_large_drift_is_said_as_a_multiple() {
        let stuck = |example: &mut Example| answers(example, 7..10, 4_641_000_000, 1000);
        check(stationarity, Example::open(), stuck, Status::Warn, "p50 became 11,0");
        check(stationarity, Example::open(), stuck, Status::Warn, " times as long, p99 became 11,0");
    }

    #[test]
    fn chance_is_no_drift() {
        let few = |example: &mut Example| {
            answers(example, 0..10, 420_000, 5);
            answers(example, 7..10, 420_000, 7);
        };
        check(stationarity, Example::open(), few, Status::Pass, "or by chance");
    }

    #[test]
    fn what_is_meant_to_change_is_not_judged() {
        check(
            stationarity,
            Example::open(),
            |example| example.load.rate = None,
            Status::Skipped,
            "meant to change",
        );
        check(
            stationarity,
            Example::open(),
            |example| example.series.truncate(3),
            Status::Skipped,
            "fewer than three",
        );
        let bare = |example: &mut Example| example.series[1].response.hdr = None;
        check(stationarity, Example::closed(), bare, Status::Skipped, "no histograms");
    }
}
