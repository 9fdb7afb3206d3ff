//! The run over time: latency and throughput of its intervals, with what disturbed them.

use super::axis::Axis;
use super::latency::{CURVES_MAX, DRAWN, figure, values};
use super::plot::{Band, Line, Plot};
use crate::report::{counted, show_count, show_nanos};
use crate::result::{Interval, RunResult};

/// Stalls that are each drawn over the whole height, and answer for themselves; more would hide the lines.
const STALLS_NAMED: usize = 20;

/// Percentiles of one run's intervals, or the 99th of each of several.
pub(super) fn latency(results: &[RunResult], labels: &[String]) -> Option<Plot> {
    let lines: Vec<Line> = match results {
        [result] => {
            let lines = DRAWN.into_iter().enumerate().map(|(look, (name, percentile))| {
                line(
                    name,
                    look,
                    &result.series,
                    |interval| figure(&interval.response, percentile),
                    show_nanos,
                )
            });
            lines.collect()
        }
        results => each(results, labels, |interval| figure(&interval.response, 99.0), show_nanos),
    };
    let title = if results.len() == 1 { "Response time over time" } else { "99th percentile over time" };
    let about = "Percentiles of each interval, as far as its samples carry them.";
    plot(title, about, results, lines, |lines| Axis::times(values(lines)))
}

/// Requests sent and answered in each second, and those that went wrong.
pub(super) fn throughput(results: &[RunResult], labels: &[String]) -> Option<Plot> {
    let per_second = |count: u64, interval: &Interval| count as f64 / interval.length_s;
    let show = |rate: f64| format!("{}/s", show_count(rate));
    let lines: Vec<Line> = match results {
        [result] => {
            let count = |name: &str, interval: &Interval| match name {
                "sent" => interval.sent,
                "ok" => interval.ok,
                _ => interval.failed + interval.timed_out,
            };
            let lines = ["sent", "ok", "errors"].into_iter().enumerate().map(|(look, name)| {
                line(name, look, &result.series, |interval| per_second(count(name, interval), interval), show)
            });
            lines.collect()
        }
        results => each(results, labels, |interval| per_second(interval.ok, interval), show),
    };
    let about = match results {
        [_] => "Requests per second in each interval: sent, answered rightly, and failed or timed out.",
        _ => "Right answers per second in each interval.",
    };
    plot("Throughput over time", about, results, lines, |lines| {
        Axis::even("requests per second", values(lines), true)
    })
}

fn plot(
    title: &str,
    about: &str,
    results: &[RunResult],
    lines: Vec<Line>,
    y: impl Fn(&[Line]) -> Axis,
) -> Option<Plot> {
    let lines: Vec<Line> = lines.into_iter().filter(|line| !line.marks.is_empty()).collect();
    if lines.is_empty() {
        return None;
    }
    // What came after the end has no length, and is not drawn.
    let intervals =
        results.iter().flat_map(|result| &result.series).filter(|interval| 0.0 < interval.length_s);
    let ends = intervals.flat_map(|interval| [interval.start_s, interval.start_s + interval.length_s]);
    Some(Plot {
        title: title.to_owned(),
        about: match results {
            [result] => format!("{about}{}", many_stalls(result)),
            _ => about.to_owned(),
        },
        x: Axis::even("seconds after the start of the measured time", ends, false),
        y: y(&lines),
        bands: match results {
            [result] => bands(result),
            _ => Vec::new(),
        },
        lines,
    })
}

/// A line of the same figure for each result.
fn each(
    results: &[RunResult],
    labels: &[String],
    figure: impl Fn(&Interval) -> f64 + Copy,
    show: impl Fn(f64) -> String + Copy,
) -> Vec<Line> {
    let named = results.iter().zip(labels).take(CURVES_MAX).enumerate();
    named.map(|(look, (result, label))| line(label, look, &result.series, figure, show)).collect()
}

/// One figure of each interval, in its middle; one that is not a number is a gap.
fn line(
    name: &str,
    look: usize,
    series: &[Interval],
    figure: impl Fn(&Interval) -> f64,
    show: impl Fn(f64) -> String,
) -> Line {
    let point = |interval: &Interval| (interval.start_s + interval.length_s / 2.0, figure(interval));
    let points: Vec<(f64, f64)> =
        series.iter().filter(|interval| 0.0 < interval.length_s).map(point).collect();
    let marks = points
        .iter()
        .filter(|(_, value)| value.is_finite())
        .map(|(at, value)| (*at, *value, format!("{name} at {at:.1} s: {}", show(*value))))
        .collect();
    Line { name: name.to_owned(), look, points, weak: Vec::new(), marks }
}

/// The stalls in one sentence, where they are too many to say something of each.
fn many_stalls(result: &RunResult) -> String {
    let stalls = &result.generator.stalls;
    if stalls.len() <= STALLS_NAMED {
        return String::new();
    }
    let longest = stalls.iter().map(|stall| stall.length_ms).fold(0.0, f64::max);
    let times = counted(result.generator.stall_count, "time");
    format!(
        " The generator stood still {times}, for {longest:.1} ms at most; the longest are below the axis."
    )
}

/// The warm-up, and the moments in which the generator itself stood still.
fn bands(result: &RunResult) -> Vec<Band> {
    let first = result.series.first().map_or(0.0, |interval| interval.start_s);
    let warmup = Band {
        from: first,
        to: 0.0,
        class: "warmup",
        words: "warm-up, which is not in the result".to_owned(),
    };
    let stalls = result.generator.stalls.iter().map(|stall| Band {
        from: stall.at_s,
        to: stall.at_s + stall.length_ms / 1000.0,
        class: "stall",
        words: if STALLS_NAMED < result.generator.stalls.len() {
            String::new()
        } else {
            format!(
                "thread {} of the generator stood still for {:.1} ms at {:.3} s",
                stall.worker, stall.length_ms, stall.at_s
            )
        },
    });
    (first < 0.0).then_some(warmup).into_iter().chain(stalls).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Latency;
    use crate::result::example::{example, example_at};

    #[test]
    fn the_intervals_are_drawn_with_what_disturbed_them() {
        let plot = latency(&[example()], &["a".to_owned()]).unwrap();
        assert_eq!(
            plot.lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(),
            ["p50", "p99", "p99.9", "max"]
        );
        assert_eq!(plot.lines[0].points.len(), 11);
        assert_eq!(plot.lines[0].points[0].0, -0.5);
        assert_eq!(
            plot.bands.iter().map(|band| (band.class, band.from)).collect::<Vec<_>>(),
            [("warmup", -1.0), ("stall", 6.4)]
        );
        // The generator stood still for 12 ms in the second from 6 to 7.
        let max = &plot.lines[3].points;
        assert!(12e6 < max[7].1 && max.iter().filter(|(_, nanos)| 10e6 < *nanos).count() == 1, "{max:?}");
    }

    #[test]
    fn many_stalls_are_one_sentence() {
        let mut result = example();
        let stall = result.generator.stalls[0];
        result.generator.stalls = vec![stall; 21];
        result.generator.stall_count = 1234;
        let plot = latency(&[result], &["a".to_owned()]).unwrap();
        assert!(plot.about.contains("stood still 1,234 times, for 12.0 ms at most"), "{}", plot.about);
        assert_eq!(plot.bands.iter().filter(|band| band.words.is_empty()).count(), 21);
    }

    #[test]
    fn what_an_interval_cannot_say_is_a_gap() {
        let mut result = example();
        result.series[3].response = Latency { count: 500, ..result.series[3].response.clone() };
        result.series[4].response = Latency::default();
        let plot = latency(&[result], &["a".to_owned()]).unwrap();
        let is_gap = |line: usize, interval: usize| plot.lines[line].points[interval].1.is_nan();
        assert!(!is_gap(0, 3) && is_gap(1, 3) && is_gap(2, 3) && !is_gap(3, 3));
        assert!((0..4).all(|line| is_gap(line, 4)));
    }

    #[test]
    fn throughput_is_per_second_whatever_the_length() {
        let mut result = example();
        result.series[2].length_s = 2.0;
        result.series[5].failed = 7;
        let plot = throughput(&[result], &["a".to_owned()]).unwrap();
        let value = |line: usize, interval: usize| plot.lines[line].points[interval].1;
        assert_eq!([value(0, 1), value(0, 2), value(1, 2), value(2, 5)], [10_000.0, 5000.0, 5000.0, 7.0]);
        let runs = [example_at(5000.0), example()];
        let plot = throughput(&runs, &["a".to_owned(), "b".to_owned()]).unwrap();
        assert_eq!((plot.lines.len(), plot.lines[0].points[3].1, plot.bands.len()), (2, 5000.0, 0));
        let mut empty = example();
        empty.series.clear();
        assert!(throughput(&[empty], &["a".to_owned()]).is_none());
    }
}
