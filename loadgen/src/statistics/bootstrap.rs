//! One run against one other: what their own seconds tell of the difference.
//!
//! The parts of a run, of about a second each, are drawn anew with replacement, in blocks of neighbours where there are
//! enough of them, since neighbours resemble each other; each time the histograms are merged and the figures taken
//! (circular block bootstrap; Politis and Romano 1992). The interval is that of the drawn figures, stretched by as much
//! as Student's t is wider than the normal distribution, because few parts scatter less than what they were taken from
//! (Hesterberg, "What teachers should know about the bootstrap", 2015).
//!
//! Its weakness: it sees only what happened within the two runs. Runs of one and the same server settle at different
//! figures each time, and that it cannot see.

use hdrhistogram::Histogram;

use super::{Estimate, TAIL, below, student_t_quantile, tail_of};
use crate::random::Random;

/// Resamples, if not told.
pub const RESAMPLES: usize = 2000;
/// Most parts that are drawn from; more are put together with their neighbours first.
pub const PARTS_MAX: usize = 64;
/// Fewest parts that are drawn from.
pub const PARTS_MIN: usize = 5;

/// Fewest parts that are drawn in blocks: of fewer there would be too few blocks.
const BLOCKS_FROM: usize = 12;
/// The standard normal distribution's 97.5 %.
const NORMAL: f64 = 1.959_964;

/// The histograms of the parts of a run, made ready to be merged in many ways.
#[derive(Clone, Debug)]
pub struct Pool {
    /// All values that occur, ascending.
    values: Vec<u64>,
    /// Of each part, the places of its values and how often they occur.
    parts: Vec<Vec<(usize, u64)>>,
}

/// Some parts of a pool, merged.
#[derive(Clone, Debug)]
pub struct Merged<'a> {
    values: &'a [u64],
    counts: Vec<u64>,
    total: u64,
}

/// How often each part is in a resample.
pub fn draw(random: &mut Random, parts: usize) -> Vec<u64> {
    let block = if parts < BLOCKS_FROM { 1 } else { cube_root(parts) };
    let mut times = vec![0; parts];
    let mut left = parts;
    while 0 < left {
        let start = below(random, parts);
        let length = block.min(left);
        (start..start + length).for_each(|place| times[place % parts] += 1);
        left -= length;
    }
    times
}

/// The estimate from drawn figures: `point` is the figure itself, `whole` what the parts gave when each was in once.
/// `None` with fewer than [`PARTS_MIN`] parts, or when a figure is not a number.
pub fn estimate(point: f64, whole: f64, mut drawn: Vec<f64>, parts: usize) -> Option<Estimate> {
    let is_finite = drawn.iter().chain([&point, &whole]).all(|figure| figure.is_finite());
    if parts < PARTS_MIN || drawn.is_empty() || !is_finite {
        return None;
    }
    drawn.sort_by(f64::total_cmp);
    let count = parts as f64;
    let stretch = (count / (count - 1.0)).sqrt() * student_t_quantile(1.0 - TAIL, count - 1.0) / NORMAL;
    let cut = tail_of(drawn.len());
    let [low, high] = [drawn[cut], drawn[drawn.len() - 1 - cut]].map(|end| point + stretch * (end - whole));
    Some(Estimate { point, low: low.min(point), high: high.max(point), p: None })
}

impl Pool {
    /// Makes these ready.
    pub fn of(parts: &[Histogram<u64>]) -> Self {
        let recorded = |part: &Histogram<u64>| -> Vec<(u64, u64)> {
            let middle = |value| part.median_equivalent(value);
            part.iter_recorded()
                .map(|step| (middle(step.value_iterated_to()), step.count_at_value()))
                .collect()
        };
        let recorded: Vec<_> = parts.iter().map(recorded).collect();
        let mut values: Vec<u64> = recorded.iter().flatten().map(|(value, _)| *value).collect();
        values.sort_unstable();
        values.dedup();
        let place = |value: u64| values.partition_point(|other| *other < value);
        let placed =
            |part: Vec<(u64, u64)>| part.into_iter().map(|(value, count)| (place(value), count)).collect();
        Self { parts: recorded.into_iter().map(placed).collect(), values }
    }

    /// Merges the parts, each as often as told.
    pub fn merge(&self, times: &[u64]) -> Merged<'_> {
        let mut counts = vec![0; self.values.len()];
        for (part, times) in self.parts.iter().zip(times).filter(|(_, times)| 0 < **times) {
            part.iter().for_each(|(place, count)| counts[*place] += count * times);
        }
        let total = counts.iter().sum();
        Merged { values: &self.values, counts, total }
    }
}

impl Merged<'_> {
    /// The percentile, as in 99.9; `None` without a sample.
    pub fn percentile(&self, percentile: f64) -> Option<f64> {
        let wanted = self.total as f64 * percentile / 100.0;
        let mut seen = 0;
        let mut steps = self.values.iter().zip(&self.counts);
        let reached = steps.find(|(_, count)| {
            seen += **count;
            0 < seen && wanted <= seen as f64
        });
        reached.map(|(value, _)| *value as f64)
    }

    /// The mean; `None` without a sample.
    pub fn mean(&self) -> Option<f64> {
        let sum: f64 =
            self.values.iter().zip(&self.counts).map(|(value, count)| *value as f64 * *count as f64).sum();
        (0 < self.total).then(|| sum / self.total as f64)
    }
}

/// The cube root, rounded up: the order of the best length of a block (Hall, Horowitz and Jing 1995).
fn cube_root(number: usize) -> usize {
    (1..).find(|root: &usize| number <= root.pow(3)).unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::simulated::normal;
    use crate::record::new_histogram;

    #[test]
    fn a_resample_has_as_many_parts() {
        let mut random = Random::new(1);
        for parts in [1, 5, 11, 12, 64] {
            assert_eq!(draw(&mut random, parts).iter().sum::<u64>(), parts as u64);
        }
        assert_eq!([8, 9, 27, 64].map(cube_root), [2, 3, 3, 4]);
    }

    /// Merging each part once gives what the histograms give when they are added.
    #[test]
    fn merged_parts_are_added_histograms() {
        let mut random = Random::new(2);
        let parts: Vec<_> = (0..7)
            .map(|_| {
                let mut part = new_histogram();
                (0..500).for_each(|_| part.record(1 + random.next_u64() % 1_000_000).unwrap());
                part
            })
            .collect();
        let mut whole = parts[0].clone();
        parts[1..].iter().for_each(|part| whole.add(part).unwrap());
        whole.add(&parts[3]).unwrap();
        let pool = Pool::of(&parts);
        let merged = pool.merge(&[1, 1, 1, 2, 1, 1, 1]);
        for percentile in [0.0, 50.0, 99.0, 99.9, 100.0] {
            let expected = whole.value_at_percentile(percentile) as f64;
            assert!((merged.percentile(percentile).unwrap() / expected - 1.0).abs() < 0.001, "{percentile}");
        }
        assert!((merged.mean().unwrap() / whole.mean() - 1.0).abs() < 1e-6);
        assert_eq!((pool.merge(&[0; 7]).percentile(50.0), pool.merge(&[0; 7]).mean()), (None, None));
    }

    /// Means of parts that are drawn from a bell: the interval of their difference holds the truth about as often as it
    /// should, even with few parts.
    #[test]
    fn the_interval_holds_the_truth() {
        for (seed, parts) in [(31, 5), (32, 10), (33, 30)] {
            let mut random = Random::new(seed);
            let hits = (0..400).filter(|_| {
                let of: Vec<f64> = (0..parts).map(|_| normal(&mut random)).collect();
                let mean = |times: &[u64]| {
                    of.iter().zip(times).map(|(value, times)| value * *times as f64).sum::<f64>()
                        / parts as f64
                };
                let whole = mean(&vec![1; parts]);
                let drawn = (0..400).map(|_| mean(&draw(&mut random, parts))).collect();
                let estimate = estimate(whole, whole, drawn, parts).unwrap();
                estimate.low <= 0.0 && 0.0 <= estimate.high
            });
            let share = hits.count() as f64 / 400.0;
            assert!((0.90..=0.99).contains(&share), "seed {seed}, {parts} parts: {share}");
        }
    }

    #[test]
    fn few_parts_have_no_interval() {
        assert_eq!(estimate(1.0, 1.0, vec![1.0; 100], PARTS_MIN - 1), None);
        assert_eq!(estimate(1.0, 1.0, vec![f64::NAN; 100], PARTS_MIN), None);
        assert_eq!(estimate(1.0, 1.0, Vec::new(), PARTS_MIN), None);
        assert!(estimate(1.0, 1.0, vec![1.0; 100], PARTS_MIN).is_some());
    }
}
