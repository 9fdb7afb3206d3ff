//! Runs that belong together two by two: the mean of their differences.
//!
//! Two intervals are taken, and the result is the smallest that holds both. Student's t is exact for normal differences.
//! The other one assumes only that a difference is as probable as its negative where nothing differs, and so holds for
//! every shape: the means of all subsets of the differences, in order, cut the line into pieces that are equally
//! probable places of the centre (Hartigan, "Using subsample values as typical values", JASA 64, 1969). It leaves 0 out
//! exactly when the test that flips the signs of the differences refuses it, so the two cannot contradict each other.

use super::{Estimate, TAIL, mean, student_t_quantile, tail_of, variance};
use crate::random::Random;

/// Fewest pairs with an interval: of five, all on one side are not rare enough, since 2 of 2^5 is more than 5 %.
pub const PAIRS_MIN: usize = 6;

/// Most pairs whose subsets are all looked at; of more, as many subsets are drawn.
const EXACT_MAX: usize = 16;
/// Subsets that are drawn then.
const DRAWN: usize = 1 << EXACT_MAX;

/// The mean of these differences; `None` when there are fewer than [`PAIRS_MIN`].
pub fn paired(differences: &[f64], seed: u64) -> Option<Estimate> {
    if differences.len() < PAIRS_MIN || differences.iter().any(|difference| !difference.is_finite()) {
        return None;
    }
    let count = differences.len() as f64;
    let point = mean(differences);
    let reach = student_t_quantile(1.0 - TAIL, count - 1.0) * (variance(differences) / count).sqrt();
    let mut means = if differences.len() <= EXACT_MAX {
        means_of_all_subsets(differences)
    } else {
        means_of_some_subsets(differences, &mut Random::new(seed))
    };
    means.sort_by(f64::total_cmp);
    // With the empty subset there is one more than there are means.
    let subsets = means.len() + 1;
    let cut = tail_of(subsets);
    let below = means.iter().filter(|&&mean| mean <= 0.0).count();
    let above = means.iter().filter(|&&mean| 0.0 <= mean).count();
    let p = 2.0 * (1 + below.min(above)) as f64 / subsets as f64;
    Some(Estimate {
        point,
        low: (point - reach).min(means[cut - 1]),
        high: (point + reach).max(means[means.len() - cut]),
        p: Some(p.min(1.0)),
    })
}

/// The means of all subsets but the empty one.
fn means_of_all_subsets(values: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; 1 << values.len()];
    for subset in 1..sums.len() {
        // A subset is a smaller one and its own lowest member.
        sums[subset] = sums[subset & (subset - 1)] + values[subset.trailing_zeros() as usize];
    }
    (1..sums.len()).map(|subset| sums[subset] / f64::from(subset.count_ones())).collect()
}

/// The means of subsets that are drawn, each value being in or out with equal chances.
fn means_of_some_subsets(values: &[f64], random: &mut Random) -> Vec<f64> {
    let mut draw = || {
        let mut chosen = values.iter().filter(|_| random.next_u64() >> 63 == 1).peekable();
        chosen.peek()?;
        let (sum, count) = chosen.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        Some(sum / count)
    };
    (1..DRAWN).filter_map(|_| draw()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::simulated::normal;

    /// By hand: mean 0.08, variance 0.00212, standard error 0.018797; t is 2.570582 in the tables, for 5 degrees of
    /// freedom. Six differences on one side are 2 of 64, and their exact interval goes from the smallest to the largest.
    #[test]
    fn the_interval_is_that_of_the_textbook() {
        let estimate = paired(&[0.05, 0.1, 0.02, 0.15, 0.06, 0.1], 1).unwrap();
        assert!((estimate.point - 0.08).abs() < 1e-12);
        assert!((estimate.low - 0.02_f64.min(0.08 - 0.048_318)).abs() < 1e-5, "{estimate:?}");
        assert!((estimate.high - 0.15_f64.max(0.08 + 0.048_318)).abs() < 1e-5, "{estimate:?}");
        assert!((estimate.p.unwrap() - 2.0 / 64.0).abs() < 1e-12);
    }

    #[test]
    fn five_pairs_show_nothing() {
        assert_eq!(paired(&[1.0; 5], 1), None);
        assert_eq!(paired(&[1.0, 1.0, 1.0, 1.0, 1.0, f64::NAN], 1), None);
        assert!(paired(&[1.0; 6], 1).unwrap().excludes_zero());
        let nothing = paired(&[0.0; 6], 1).unwrap();
        assert_eq!((nothing.low, nothing.high, nothing.p), (0.0, 0.0, Some(1.0)));
    }

    /// Counts by hand: of the 2^n ways to flip signs, those whose sum is at least as far from 0.
    #[test]
    fn the_probability_is_that_of_flipped_signs() {
        let differences = [3.0, -1.0, 2.0, 4.0, 1.5, -0.5, 2.5];
        let observed: f64 = differences.iter().sum();
        let flipped = (0..1_u32 << 7).filter(|signs| {
            let sum: f64 =
                (0..7).map(|at| differences[at] * if signs >> at & 1 == 1 { -1.0 } else { 1.0 }).sum();
            observed <= sum.abs()
        });
        let expected = flipped.count() as f64 / 128.0;
        assert!((paired(&differences, 1).unwrap().p.unwrap() - expected).abs() < 1e-12, "{expected}");
    }

    /// More pairs than can be looked through exactly: the drawn subsets say nearly the same.
    #[test]
    fn many_pairs_are_sampled() {
        let mut random = Random::new(5);
        let differences: Vec<f64> = (0..40).map(|_| 1.0 + normal(&mut random)).collect();
        let estimate = paired(&differences, 1).unwrap();
        let reach = student_t_quantile(0.975, 39.0) * (variance(&differences) / 40.0).sqrt();
        assert!(((estimate.high - estimate.low) / (2.0 * reach) - 1.0).abs() < 0.1, "{estimate:?} {reach}");
        assert!(estimate.p.unwrap() < 0.001);
    }

    /// Nothing differs: a difference is claimed in at most 5 % of all cases, give or take; here 7 % of 1000.
    #[test]
    fn equal_sides_are_rarely_told_apart() {
        for (seed, pairs) in [(1, 6), (2, 7), (3, 12)] {
            let mut random = Random::new(seed);
            let claims = (0..1000).filter(|_| {
                let differences: Vec<f64> = (0..pairs).map(|_| normal(&mut random)).collect();
                paired(&differences, 1).unwrap().excludes_zero()
            });
            let claims = claims.count();
            assert!((5..=70).contains(&claims), "seed {seed}, {pairs} pairs: {claims}");
        }
    }

    /// One in ten differs greatly from the others: no bell, and still no false claims.
    #[test]
    fn heavy_tails_are_not_told_apart_either() {
        let mut random = Random::new(4);
        let claims = (0..1000).filter(|_| {
            let mut draw = |_| normal(&mut random) * if random.unit() < 0.1 { 20.0 } else { 1.0 };
            let differences: Vec<f64> = (0..7).map(&mut draw).collect();
            paired(&differences, 1).unwrap().excludes_zero()
        });
        let claims = claims.count();
        assert!(claims <= 70, "seed 4: {claims}");
    }
}
