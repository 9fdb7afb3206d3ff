//! A percentile within one run, and how many of its samples are worth counting.
//!
//! Of n independent samples, the true percentile lies between two of them whose ranks follow from the binomial
//! distribution alone, whatever the shape (order statistics; Lancet, ATC 2019, takes the same ranks). Latencies of
//! neighbouring requests are not independent: a stall makes hundreds slow at once. So the run is cut into parts of about
//! a second, and the number of slow requests in each is looked at: where it scatters five times as much as that of
//! independent requests would, five samples are worth one (batch means).

use hdrhistogram::Histogram;

/// Fewest parts from which scatter is judged; with fewer every sample counts, which is too bold.
pub const PARTS_MIN: usize = 5;

/// The standard deviations on each side that make 95 %.
const DEVIATIONS: f64 = 1.96;

/// Two values between which something lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The lower one.
    pub low: u64,
    /// The upper one.
    pub high: u64,
}

/// Between which values the true percentile (as in 99.9) lies with 95 %, if the histogram's samples are worth so many
/// independent ones. `None` when there are too few of them beyond it.
pub fn percentile_interval(histogram: &Histogram<u64>, percentile: f64, samples: f64) -> Option<Range> {
    let share = percentile / 100.0;
    let (centre, reach) = (samples * share, DEVIATIONS * (samples * share * (1.0 - share)).sqrt());
    let low = (centre - reach).floor();
    let high = (centre + reach).ceil() + 1.0;
    let is_inside = 1.0 <= low && high <= samples;
    is_inside.then(|| Range {
        low: histogram.value_at_quantile(low / samples),
        high: histogram.value_at_quantile(high / samples),
    })
}

/// How many independent samples the parts of a run are worth, where its percentile is asked for; at most as many as
/// there are.
pub fn effective_samples(parts: &[Histogram<u64>], percentile: f64) -> f64 {
    let total: u64 = parts.iter().map(Histogram::len).sum();
    let filled = parts.iter().filter(|part| !part.is_empty());
    let Some(first) = parts.first().filter(|_| PARTS_MIN <= filled.clone().count()) else {
        return total as f64;
    };
    let mut whole = first.clone();
    if parts[1..].iter().any(|part| whole.add(part).is_err()) {
        return total as f64;
    }
    let value = whole.value_at_percentile(percentile);
    let slow = |part: &Histogram<u64>| part.count_between(value.saturating_add(1), u64::MAX) as f64;
    let share = parts.iter().map(slow).sum::<f64>() / total as f64;
    let independent = total as f64 * share * (1.0 - share);
    if independent <= 0.0 {
        return total as f64;
    }
    let count = filled.clone().count() as f64;
    let scatter: f64 = filled.map(|part| (slow(part) - part.len() as f64 * share).powi(2)).sum();
    total as f64 / (scatter * count / (count - 1.0) / independent).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::record::new_histogram;

    /// Experiments with exponential latencies of a mean of 1 ms, whose percentiles are known: -ln(1-p) ms.
    fn coverage(seed: u64, samples: u32, percentile: f64) -> f64 {
        let mut random = Random::new(seed);
        let mut histogram = new_histogram();
        let expected = -(1.0 - percentile / 100.0).ln() * 1e6;
        let hits = (0..2000).filter(|_| {
            histogram.reset();
            for _ in 0..samples {
                histogram.saturating_record(nanos(random.exponential(1e6)));
            }
            let range = percentile_interval(&histogram, percentile, f64::from(samples)).unwrap();
            range.low as f64 <= expected && expected <= range.high as f64
        });
        hits.count() as f64 / 2000.0
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a latency in nanoseconds")]
    fn nanos(value: f64) -> u64 {
        value as u64
    }

    /// The interval holds the true percentile in 95 % of 2000 experiments; their own scatter is half a percent.
    #[test]
    fn the_interval_holds_the_truth() {
        for (seed, samples, percentile) in [(21, 2_000, 50.0), (22, 10_000, 99.0)] {
            let share = coverage(seed, samples, percentile);
            assert!((0.93..=0.97).contains(&share), "seed {seed}: p{percentile} in {share}");
        }
    }

    /// The ranks of ten thousand samples for p99.9 are from 9983 to 9998: reference, 2.3.13.
    #[test]
    fn the_ranks_are_those_of_the_binomial_law() {
        let mut histogram = new_histogram();
        // Below 2048 every value has a place of its own.
        (0..10_000_u64)
            .for_each(|rank| histogram.record(if rank < 9_000 { 1 } else { rank - 8_999 }).unwrap());
        let range = percentile_interval(&histogram, 99.9, 10_000.0).unwrap();
        assert_eq!(range, Range { low: 9_983 - 9_000, high: 9_998 - 9_000 });
        assert_eq!(percentile_interval(&histogram, 99.99, 10_000.0), None, "one sample lies beyond");
        assert_eq!(percentile_interval(&new_histogram(), 50.0, 0.0), None);
    }

    /// Parts whose slow requests come all at once in every tenth part are worth few samples; independent ones all.
    #[test]
    fn neighbours_that_are_slow_together_count_less() {
        let part = |slow: u64| {
            let mut part = new_histogram();
            part.record_n(10, 1000 - slow).unwrap();
            part.record_n(1000, slow).unwrap();
            part
        };
        let even: Vec<_> = (0..20).map(|_| part(20)).collect();
        assert!((effective_samples(&even, 97.0) - 20_000.0).abs() < 1e-9);
        // 100 of 1000 are slow in two of twenty parts: 1 % in all. Scatter 2·90² + 18·10² = 18000 times 20/19, where
        // independent ones have 20000 · 0.01 · 0.99 = 198: 95.7 samples are worth one.
        let uneven: Vec<_> = (0..20).map(|at| part(if at % 10 == 0 { 100 } else { 0 })).collect();
        let found = effective_samples(&uneven, 98.0);
        assert!((found - 20_000.0 / (18_000.0 * 20.0 / 19.0 / 198.0)).abs() < 1e-6, "{found}");
        assert!((effective_samples(&uneven[..4], 98.0) - 4000.0).abs() < 1e-9, "too few parts to judge");
        assert!(effective_samples(&[], 50.0).abs() < 1e-9);
    }
}
