//! Latency by percentile, and latency by rate.

use super::axis::{Axis, depth_of};
use super::plot::{Line, Plot};
use crate::report::table::{Support, is_service_response, support};
use crate::report::{show_count, show_nanos};
use crate::result::{Latency, LoopModel, PERCENTILES, RunResult};

/// Points of a curve for each nine, which is as many as can be seen.
const POINTS_PER_NINE: f64 = 40.0;
/// Samples beyond a point below which the curve is drawn thinly.
const SAMPLES_TO_SHOW: f64 = 10.0;
/// What is drawn of a latency where one of its dimensions is something else.
pub(super) const DRAWN: [(&str, f64); 4] = [("p50", 50.0), ("p99", 99.0), ("p99.9", 99.9), ("max", 100.0)];
/// Curves in one plot; more could not be told apart.
pub(super) const CURVES_MAX: usize = 24;

/// The curves of one run, or the response times of several.
pub(super) fn by_percentile(results: &[RunResult], labels: &[String]) -> Option<Plot> {
    let named: Vec<(String, &Latency)> = match results {
        [result] if is_service_response(result) => vec![("response".to_owned(), &result.latency.response)],
        [result] => vec![
            ("response".to_owned(), &result.latency.response),
            ("service".to_owned(), &result.latency.service),
            ("lag".to_owned(), &result.latency.lag),
        ],
        results => {
            labels.iter().cloned().zip(results.iter().map(|result| &result.latency.response)).collect()
        }
    };
    let has_samples = |(_, latency): &&(String, &Latency)| 0 < latency.count;
    let lines: Vec<Line> = named
        .iter()
        .filter(has_samples)
        .take(CURVES_MAX)
        .enumerate()
        .map(|(look, (name, latency))| curve(name, latency, look))
        .collect();
    let most = named.iter().map(|(_, latency)| latency.count).max().filter(|count| 0 < *count)?;
    let about = match results {
        [result] if is_service_response(result) => {
            "From sending to answer: in a closed loop a request is sent when it is meant to be. Thin: fewer than 10 \
             samples lie beyond."
        }
        [_] => {
            "Response is what somebody experiences who comes at the intended time; service is what the server, the \
             network and the kernel took; lag is what the generator added. Thin: fewer than 10 samples lie beyond."
        }
        _ => "Response times of each run. Thin: fewer than 10 samples lie beyond.",
    };
    Some(Plot {
        title: "Latency by percentile".to_owned(),
        about: about.to_owned(),
        x: Axis::percentiles((most as f64).log10()),
        y: Axis::times(values(&lines)),
        bands: Vec::new(),
        lines,
    })
}

/// One curve: solid as far as samples carry it.
fn curve(name: &str, latency: &Latency, look: usize) -> Line {
    let points = points(latency);
    let carried = (latency.count as f64 / SAMPLES_TO_SHOW).log10();
    let (strong, weak) = points.into_iter().partition(|(depth, _)| *depth <= carried);
    let named = PERCENTILES.into_iter().zip(latency.percentiles());
    let marks = named
        .filter(|(percentile, _)| support(latency.count, *percentile) != Support::None)
        .map(|(percentile, us)| {
            let words = format!("{name} p{percentile}: {}", show_nanos(us * 1000.0));
            (depth_of(percentile), us * 1000.0, words)
        })
        .collect();
    Line { name: name.to_owned(), look, points: strong, weak, marks }
}

/// Depths and times in nanoseconds; from the histogram, or from the named percentiles where it was not kept.
fn points(latency: &Latency) -> Vec<(f64, f64)> {
    let deepest = (latency.count as f64).log10();
    match latency.histogram() {
        Ok(histogram) if !histogram.is_empty() => {
            let steps = 0..=whole(deepest * POINTS_PER_NINE);
            let depths = steps.map(|step| f64::from(step) / POINTS_PER_NINE).filter(|depth| *depth < deepest);
            let at = |depth: f64| histogram.value_at_quantile(1.0 - 10.0_f64.powf(-depth)) as f64;
            depths.map(|depth| (depth, at(depth))).chain([(deepest, latency.max_us * 1000.0)]).collect()
        }
        Ok(_) | Err(_) => PERCENTILES
            .into_iter()
            .zip(latency.percentiles())
            .map(|(percentile, us)| (depth_of(percentile), us * 1000.0))
            .filter(|(depth, _)| *depth <= deepest)
            .chain([(deepest, latency.max_us * 1000.0)])
            .collect(),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count has at most 20 digits")]
fn whole(steps: f64) -> u32 {
    steps as u32
}

/// Response times against the rate, where several rates were tried.
pub(super) fn by_rate(results: &[RunResult]) -> Option<Plot> {
    let mut runs: Vec<(f64, &Latency)> = results
        .iter()
        .map(|result| (rate(result), &result.latency.response))
        .filter(|(_, latency)| 0 < latency.count)
        .collect();
    runs.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let [(first, _), .., (last, _)] = runs.as_slice() else { return None };
    if last / first < 1.01 {
        return None;
    }
    let lines: Vec<Line> = DRAWN
        .into_iter()
        .enumerate()
        .map(|(look, (name, percentile))| {
            let points = runs.iter().map(|(rate, latency)| (*rate, figure(latency, percentile)));
            let points: Vec<(f64, f64)> = points.filter(|(_, nanos)| nanos.is_finite()).collect();
            let words = |(rate, nanos): &(f64, f64)| {
                (*rate, *nanos, format!("{name} at {}/s: {}", show_count(*rate), show_nanos(*nanos)))
            };
            let marks = points.iter().map(words).collect();
            Line { name: name.to_owned(), look, points, weak: Vec::new(), marks }
        })
        .filter(|line| !line.points.is_empty())
        .collect();
    Some(Plot {
        title: "Latency by rate".to_owned(),
        about: "Response times at each rate that was asked for, or reached where none was.".to_owned(),
        x: Axis::even("requests per second", runs.iter().map(|(rate, _)| *rate), true),
        y: Axis::times(values(&lines)),
        bands: Vec::new(),
        lines,
    })
}

fn rate(result: &RunResult) -> f64 {
    let asked = result.config.rate.filter(|_| result.config.loop_model == LoopModel::Open);
    asked.unwrap_or(result.throughput.requests_per_second)
}

/// A percentile in nanoseconds, if enough samples carry it; the maximum is the 100th, and one sample carries it.
pub(super) fn figure(latency: &Latency, percentile: f64) -> f64 {
    let named = PERCENTILES.into_iter().zip(latency.percentiles()).chain([(100.0, latency.max_us)]);
    let figure = named.into_iter().find(|(name, _)| *name == percentile).map(|(_, us)| us * 1000.0);
    let is_max = percentile == 100.0 && 0 < latency.count;
    let is_carried = is_max || support(latency.count, percentile) != Support::None;
    figure.filter(|_| is_carried).unwrap_or(f64::NAN)
}

/// All heights of all lines.
pub(super) fn values(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().flat_map(|line| line.points.iter().chain(&line.weak)).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::example::{CAPACITY, example, example_at};

    #[test]
    fn the_curve_is_the_closed_form() {
        let latency = example().latency.service;
        let line = curve("service", &latency, 0);
        // 40 µs and an exponential with a mean of 1/15,000 s: a nine more is 2.303 means more.
        let mean = 1e9 / (CAPACITY - 10_000.0);
        let near = |(depth, nanos): &&(f64, f64)| {
            let expected = 40_000.0 + mean * depth * std::f64::consts::LN_10;
            (nanos / expected - 1.0).abs() < 0.02
        };
        let tried: Vec<&(f64, f64)> =
            line.points.iter().filter(|(depth, _)| (0.3..3.0).contains(depth)).collect();
        assert!(100 < tried.len() && tried.iter().all(near), "{tried:?}");
        // 100,000 samples carry it to four nines, and one sample is five deep.
        assert_eq!(line.points.last().map(|(depth, _)| *depth), Some(4.0));
        assert_eq!(line.weak.last(), Some(&(5.0, latency.max_us * 1000.0)));
    }

    #[test]
    fn a_result_without_histograms_has_a_curve_too() {
        let latency = Latency { hdr: None, ..example().latency.service };
        let found = points(&latency);
        assert_eq!(found.len(), 8);
        assert_eq!(found[0], (depth_of(50.0), latency.p50_us * 1000.0));
        let mut result = example();
        result.latency = Default::default();
        assert!(by_percentile(&[result], &["a".to_owned()]).is_none());
    }

    #[test]
    fn rates_are_compared_where_there_are_several() {
        assert!(by_rate(&[example()]).is_none() && by_rate(&[example(), example()]).is_none());
        let plot = by_rate(&[example_at(20_000.0), example_at(5000.0)]).unwrap();
        let rates: Vec<f64> = plot.lines[0].points.iter().map(|(rate, _)| *rate).collect();
        assert_eq!((rates, plot.lines.len()), (vec![5000.0, 20_000.0], 4));
    }
}
