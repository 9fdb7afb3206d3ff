//! What can be said of a measured figure, and with which confidence.
//!
//! Everything here is a pure function of numbers and a seed. It knows nothing of servers, runs or files; what the
//! figures are is said by those who [compare](crate::compare) them. All intervals are of 95 %.
//!
//! - [`percentile_interval`]: a percentile within one run, by order statistics, on as many samples as are
//!   [independent](effective_samples).
//! - [`paired`]: runs that belong together two by two, by Student's t and by an exact test of signs.
//! - [`grouped`]: runs that do not, by Welch's t and by a test of labels.
//! - [`bootstrap`]: one run against one other, by resampling their seconds.

pub mod bootstrap;
mod deal;
mod distribution;
mod groups;
mod pairs;
mod percentile;

pub use deal::{below, shuffle};
pub use distribution::{student_t_cdf, student_t_quantile};
pub use groups::{GROUP_MIN, grouped};
pub use pairs::{PAIRS_MIN, paired};
pub use percentile::{PARTS_MIN, Range, effective_samples, percentile_interval};

/// Fewest samples beyond a percentile, below which it is not a figure but chance: nearly the maximum. Everything that
/// shows, judges or compares percentiles asks for as many.
pub const BEYOND_MIN: f64 = 10.0;
/// What an interval leaves out on each side.
pub const TAIL: f64 = 0.025;

/// A figure, and the interval that holds its true value in 95 of 100 repetitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The best guess.
    pub point: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How probable at least so great a figure is where there is none, if a test says so.
    pub p: Option<f64>,
}

impl Estimate {
    /// Whether the interval leaves 0 out.
    pub fn excludes_zero(&self) -> bool {
        0.0 < self.low || self.high < 0.0
    }
}

/// How many of so many the tail holds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
fn tail_of(count: usize) -> usize {
    (count as f64 * TAIL).floor() as usize
}

/// The mean of these.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The variance of what these were drawn from.
fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)
}
