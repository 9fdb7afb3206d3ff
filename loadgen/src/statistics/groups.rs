//! Runs that do not belong together: the difference of the means of two groups.
//!
//! Welch's t does not assume that the groups scatter alike. The test beside it deals the runs out to the two sides in
//! all ways, or in many, and counts how often the means lie at least as far apart; where it does not refuse 0, the
//! interval is stretched until it holds 0, so that the more careful of the two decides.

use super::{Estimate, TAIL, mean, shuffle, student_t_quantile, variance};
use crate::random::Random;

/// Fewest runs of a group: of three against three, even the clearest of all 20 ways is not rare enough.
pub const GROUP_MIN: usize = 4;

/// Most runs of both groups that are dealt out in all ways.
const EXACT_MAX: usize = 16;
/// Deals that are drawn when there are more.
const DRAWN: u32 = 20_000;

/// The mean of `b` minus that of `a`; `None` when one of them has fewer than [`GROUP_MIN`] values.
pub fn grouped(a: &[f64], b: &[f64], seed: u64) -> Option<Estimate> {
    let is_finite = a.iter().chain(b).all(|value| value.is_finite());
    if a.len().min(b.len()) < GROUP_MIN || !is_finite {
        return None;
    }
    let point = mean(b) - mean(a);
    let [of_a, of_b] = [a, b].map(|group| variance(group) / group.len() as f64);
    let error = of_a + of_b;
    let reach = if 0.0 < error {
        let spread = of_a.powi(2) / (a.len() as f64 - 1.0) + of_b.powi(2) / (b.len() as f64 - 1.0);
        student_t_quantile(1.0 - TAIL, error.powi(2) / spread) * error.sqrt()
    } else {
        0.0
    };
    let p = probability(a, b, &mut Random::new(seed));
    let (mut low, mut high) = (point - reach, point + reach);
    if 2.0 * TAIL < p {
        (low, high) = (low.min(0.0), high.max(0.0));
    }
    Some(Estimate { point, low, high, p: Some(p) })
}

/// How often the means lie at least as far apart when the values are dealt out anew.
fn probability(a: &[f64], b: &[f64], random: &mut Random) -> f64 {
    let mut all: Vec<f64> = a.iter().chain(b).copied().collect();
    let total: f64 = all.iter().sum();
    let (of_a, of_b) = (a.len() as f64, b.len() as f64);
    let apart = |sum_of_a: f64| ((total - sum_of_a) / of_b - sum_of_a / of_a).abs();
    // Equal deals differ in their last digits by the order in which they are added.
    let observed = apart(a.iter().sum()) * (1.0 - 1e-9);
    if all.len() <= EXACT_MAX {
        let deals = (0..1_u32 << all.len()).filter(|deal| deal.count_ones() as usize == a.len());
        let sum = |deal: u32| -> f64 {
            (0..).zip(&all).filter(|(place, _)| deal >> place & 1 == 1).map(|(_, value)| value).sum()
        };
        let (far, count) = deals.fold((0_u32, 0_u32), |(far, count), deal| {
            (far + u32::from(observed <= apart(sum(deal))), count + 1)
        });
        return f64::from(far) / f64::from(count);
    }
    let mut far = 1;
    for _ in 0..DRAWN {
        shuffle(random, &mut all);
        far += u32::from(observed <= apart(all[..a.len()].iter().sum()));
    }
    f64::from(far) / f64::from(DRAWN + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::simulated::normal;

    /// The first example of Welch's test in Wikipedia: t = -2.46 with 25.0 degrees of freedom, p = 0.021; the quantile is
    /// that of the table for 25 degrees of freedom, 2.060.
    #[test]
    fn the_interval_is_welchs() {
        let a = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4];
        let b = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4];
        let estimate = grouped(&a, &b, 1).unwrap();
        let reach = (estimate.high - estimate.low) / 2.0;
        assert!((reach / estimate.point - 2.060 / 2.46).abs() < 0.003, "{estimate:?}");
        // 30 runs are too many for all deals: the drawn ones scatter by 0.001.
        assert!((0.013..0.029).contains(&estimate.p.unwrap()), "{estimate:?}");
    }

    /// Of the 70 ways to deal eight, two are as clear as this one.
    #[test]
    fn the_probability_is_exact_for_few() {
        let estimate = grouped(&[1.0, 2.0, 3.0, 4.0], &[11.0, 12.0, 13.0, 14.0], 1).unwrap();
        assert!((estimate.p.unwrap() - 2.0 / 70.0).abs() < 1e-12);
        assert!(estimate.excludes_zero());
        assert_eq!(grouped(&[1.0; 3], &[2.0; 9], 1), None);
        let equal = grouped(&[1.0; 4], &[1.0; 4], 1).unwrap();
        assert_eq!((equal.low, equal.high, equal.p), (0.0, 0.0, Some(1.0)));
    }

    #[test]
    fn equal_groups_are_rarely_told_apart() {
        let mut random = Random::new(11);
        let claims = (0..1000).filter(|_| {
            let a: Vec<f64> = (0..5).map(|_| normal(&mut random)).collect();
            let b: Vec<f64> = (0..7).map(|_| 3.0 * normal(&mut random)).collect();
            grouped(&a, &b, 1).unwrap().excludes_zero()
        });
        let claims = claims.count();
        assert!((5..=70).contains(&claims), "seed 11: {claims}");
    }
}
