//! The few tests of statistics that the checks need.

use hdrhistogram::Histogram;

/// How far a sample is from an exponential law, by Anderson and Darling, with the mean taken from the sample and
/// corrected for its size (D'Agostino and Stephens 1986, table 4.14: 1.96 is exceeded by chance in 1 % of samples,
/// and [`EXPONENTIAL_BOUND`] in about 1 of 100,000). `None` without samples, or when all are 0.
pub(super) fn anderson_darling(sample: &[f64]) -> Option<f64> {
    let count = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / count;
    if sample.is_empty() || mean <= 0.0 {
        return None;
    }
    let mut sorted: Vec<f64> = sample.iter().map(|value| value / mean).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let terms = sorted.iter().zip(sorted.iter().rev()).enumerate().map(|(index, (small, large))| {
        // The logarithm of the distribution at `small`; that of its complement at `large` is `-large`.
        let below = (-(-small).exp_m1()).max(f64::MIN_POSITIVE).ln();
        (2 * index + 1) as f64 * (below - large)
    });
    let statistic = -count - terms.sum::<f64>() / count;
    Some(statistic * (1.0 + 0.6 / count))
}

/// A larger value of [`anderson_darling`] is no chance.
pub(super) const EXPONENTIAL_BOUND: f64 = 5.0;

/// Variance over mean of how many events lie in each bin of this width: 1 when they are independent of each other, 0
/// when they are evenly spaced, more when they come in bursts. The second number says how many bins there were.
pub(super) fn dispersion(times: &[u64], width: u64) -> Option<(f64, usize)> {
    let (first, last) = (*times.first()?, *times.last()?);
    let bins = usize::try_from(last.checked_sub(first)? / width.max(1)).ok()?;
    if !(2..=BINS_MAX).contains(&bins) {
        return None;
    }
    let mut counts = vec![0_u32; bins];
    for time in times {
        let bin = usize::try_from(time.saturating_sub(first) / width.max(1)).ok()?;
        // The last bin is cut by the last event, so it does not count.
        if let Some(count) = counts.get_mut(bin) {
            *count += 1;
        }
    }
    let mean = counts.iter().map(|count| f64::from(*count)).sum::<f64>() / bins as f64;
    let squares = counts.iter().map(|count| (f64::from(*count) - mean).powi(2)).sum::<f64>();
    (0.0 < mean).then(|| (squares / (bins - 1) as f64 / mean, bins))
}

/// Most bins: there are never more than a fraction of the events.
const BINS_MAX: usize = 1 << 16;

/// The values between which a percentile of the law behind the sample lies, in 999 of 1000 cases, from the order
/// of independent samples alone. `None` when there are too few for an upper end.
pub(super) fn confidence(nanos: &Histogram<u64>, quantile: f64) -> Option<(u64, u64)> {
    let count = nanos.len() as f64;
    let spread = Z_999 * (count * quantile * (1.0 - quantile)).sqrt();
    let (low, high) = (count * quantile - spread, count * quantile + spread + 1.0);
    (1.0 <= low && high <= count)
        .then(|| (nanos.value_at_quantile(low / count), nanos.value_at_quantile(high / count)))
}

/// Standard deviations that 999 of 1000 normal values keep to.
const Z_999: f64 = 3.29;

/// The value at this place when values are sorted, between 0 and 1; 0 without values.
pub(super) fn quantile(values: &mut [f64], place: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_unstable_by(f64::total_cmp);
    let rank = (place * values.len() as f64).ceil().max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank among the values")]
    let index = rank as usize - 1;
    values[index.min(values.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::new_histogram;

    /// scipy 1.17.1: `stats.anderson(x, 'expon').statistic`, times the correction 1 + 0.6 / 10.
    #[test]
    fn the_distance_is_that_of_scipy() {
        let check = |sample: &[f64], scipy: f64| {
            let found = anderson_darling(sample).unwrap();
            assert!((found - scipy * 1.06).abs() < 1e-9, "{found}");
        };
        check(&[0.1, 0.5, 0.7, 1.2, 1.9, 2.0, 3.3, 0.05, 0.9, 4.1], 0.229_088_607_114_464_44);
        check(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.2, 0.9, 1.1, 1.0, 1.0], 4.089_985_385_658_21);
        assert_eq!(anderson_darling(&[]), None);
        assert_eq!(anderson_darling(&[0.0, 0.0]), None);
    }

    #[test]
    fn even_spacing_has_no_dispersion_and_bursts_have_much() {
        let even: Vec<u64> = (0..=1000).map(|number| number * 10).collect();
        assert_eq!(dispersion(&even, 100), Some((0.0, 100)));
        // Ten at once in every second bin: counts are 10 and 0, so the variance over the mean is 5 * 100 / 99.
        let bursts: Vec<u64> = (0..=1000).map(|number| number / 10 * 200).collect();
        let (found, bins) = dispersion(&bursts, 100).unwrap();
        assert!((found - 5.0 * 200.0 / 199.0).abs() < 1e-9 && bins == 200, "{found} {bins}");
        assert_eq!(dispersion(&[], 100), None);
        assert_eq!(dispersion(&[5, 6], 100), None);
    }

    /// The order statistics of 10,000 samples: 9,900 +- 3.29 * sqrt(99) are the ranks 9,867 and 9,934.
    #[test]
    fn the_interval_of_a_percentile_is_that_of_its_ranks() {
        let mut histogram = new_histogram();
        (1..=10_000_u64).for_each(|micros| histogram.record(micros * 1000).unwrap());
        let (low, high) = confidence(&histogram, 0.99).unwrap();
        assert!(low.abs_diff(9_867_000) < 10_000 && high.abs_diff(9_934_000) < 10_000, "{low} {high}");
        assert_eq!(confidence(&histogram, 0.9999), None);
    }

    #[test]
    fn quantiles_are_ranks() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&mut values, 0.5), 50.0);
        assert_eq!(quantile(&mut values, 0.99), 99.0);
        assert_eq!(quantile(&mut values, 1.0), 100.0);
        assert_eq!(quantile(&mut [], 0.5), 0.0);
    }
}
