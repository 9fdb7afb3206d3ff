//! How far the percentiles of one run may be trusted: what each would be in 95 of 100 repetitions.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::{Interval, PERCENTILES};
use crate::statistics::{effective_samples, percentile_interval};

/// Intervals of 95 % for percentiles, lower and upper end in microseconds; absent where too few samples carry one.
///
/// They follow from the order of the samples, on as many of them as are worth counting: neighbours that are slow
/// together count less. They hold for this run as it was; other runs of the same server may settle elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it; `p999_us` is the 99.9th percentile")]
pub struct Confidence {
    pub p50_us: Option<[f64; 2]>,
    pub p75_us: Option<[f64; 2]>,
    pub p90_us: Option<[f64; 2]>,
    pub p95_us: Option<[f64; 2]>,
    pub p99_us: Option<[f64; 2]>,
    pub p999_us: Option<[f64; 2]>,
    pub p9999_us: Option<[f64; 2]>,
}

impl Confidence {
    /// Those of the response times, in nanoseconds, of a run with this series.
    pub fn of(response: &Histogram<u64>, series: &[Interval]) -> Self {
        // Warm-up is not in the response times, and what came after the end is a part of another length.
        let measured = series.iter().filter(|interval| 0.0 <= interval.start_s && 0.0 < interval.length_s);
        let parts: Vec<Histogram<u64>> =
            measured.filter_map(|interval| interval.response.histogram().ok()).collect();
        let sampled: u64 = parts.iter().map(Histogram::len).sum();
        let [p50_us, p75_us, p90_us, p95_us, p99_us, p999_us, p9999_us] = PERCENTILES.map(|percentile| {
            let worth =
                if sampled == 0 { 1.0 } else { effective_samples(&parts, percentile) / sampled as f64 };
            let samples = response.len() as f64 * worth;
            let range = percentile_interval(response, percentile, samples)?;
            Some([range.low, range.high].map(|nanos| nanos as f64 / 1000.0))
        });
        Self { p50_us, p75_us, p90_us, p95_us, p99_us, p999_us, p9999_us }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::new_histogram;
    use crate::result::Latency;

    fn micros(range: std::ops::RangeInclusive<u64>) -> Histogram<u64> {
        let mut histogram = new_histogram();
        range.for_each(|micros| histogram.record(micros * 1000).unwrap());
        histogram
    }

    /// Of 1..=10,000 µs the 99th percentile lies between the ranks 9,900 - 19.5 and 9,900 + 19.5 and one more.
    #[test]
    fn the_ends_are_the_ranks_of_the_binomial() {
        let found = Confidence::of(&micros(1..=10_000), &[]);
        let [low, high] = found.p99_us.unwrap();
        assert!((low / 9880.0 - 1.0).abs() < 1e-3 && (high / 9921.0 - 1.0).abs() < 1e-3, "{found:?}");
        assert_eq!(found.p9999_us, None, "one sample lies beyond");
        assert_eq!(Confidence::of(&new_histogram(), &[]), Confidence::default());
    }

    #[test]
    fn slow_seconds_make_it_wide_and_what_is_not_measured_does_not_count() {
        let second = |start_s: f64, length_s: f64, nanos: u64| {
            let mut response = new_histogram();
            response.record_n(nanos, 1000).unwrap();
            let response = Latency::of(&response);
            Interval { start_s, length_s, response, ..Interval::default() }
        };
        let mut whole = new_histogram();
        whole.record_n(10_000, 9000).unwrap();
        whole.record_n(1_000_000, 1000).unwrap();
        let even: Vec<Interval> = Vec::new();
        let mut slow: Vec<Interval> = (0..9_u8).map(|at| second(f64::from(at), 1.0, 10_000)).collect();
        slow.push(second(9.0, 1.0, 1_000_000));
        // One tenth is slow: p90 lies at the very edge. One slow second of ten is worth about ten samples.
        assert!(Confidence::of(&whole, &even).p90_us.is_some());
        assert_eq!(Confidence::of(&whole, &slow).p90_us, None);
        let warmup = [second(-1.0, 1.0, 1_000_000), second(10.0, 0.0, 1_000_000)];
        let with_edges: Vec<Interval> = warmup.into_iter().chain(even.clone()).collect();
        assert_eq!(Confidence::of(&whole, &with_edges), Confidence::of(&whole, &even));
    }
}
