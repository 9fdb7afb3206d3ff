//! Two sides, each with one or more runs: what differs, by how much at least, and what cannot be told.
//!
//! It takes results and gives a [`Comparison`]; where they come from, files or runs in alternating order, is the
//! [command](crate::command)'s business. A difference is claimed only where the whole interval of 95 % lies on one side
//! of 0. A relative difference is that of the geometric means: the mean of the logarithms of the quotients, so that
//! twice as much and half as much cancel out.

mod gap;
mod load;
mod metric;
mod regression;
mod seconds;
mod table;

use serde::{Deserialize, Serialize};

pub use load::{differences, doubts, own_failures, planned_differences};
pub use metric::{Better, Metric, Scale};
pub use regression::{Limit, Regression, judge};

use crate::result::RunResult;
use crate::statistics::{Estimate, GROUP_MIN, PAIRS_MIN, grouped, paired};
use seconds::Seconds;

/// The name and version of the JSON's shape.
pub const SCHEMA: &str = "tidemill-loadgen-compare/1";

/// How the runs belong together, and so what an interval means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// As many on each side, which belong together in their order.
    Pairs,
    /// Several on each side, without an order.
    Groups,
    /// One on each side.
    Single,
}

/// What is said of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// B is better than A.
    Better,
    /// B is worse than A.
    Worse,
    /// The interval holds 0.
    NoDifference,
    /// There is no interval.
    NotCompared,
}

/// One figure, compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The figure.
    pub metric: Metric,
    /// Its unit.
    pub unit: String,
    /// Which way is better.
    pub better: Better,
    /// Whether difference and interval are points of a share, not relative.
    pub in_points: bool,
    /// A's value; of several runs, the mean that the difference belongs to.
    pub a: Option<f64>,
    /// B's value.
    pub b: Option<f64>,
    /// B minus A, divided by A (0.05 is 5 % more); for shares, B minus A.
    pub difference: Option<f64>,
    /// The lower end of its interval of 95 %.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// How probable at least so great a difference is where there is none, if a test says so.
    pub p: Option<f64>,
    /// What is said.
    pub word: Word,
    /// Why it was not compared, if so.
    pub reason: Option<String>,
    /// The values of A's runs.
    pub a_runs: Vec<Option<f64>>,
    /// The values of B's runs.
    pub b_runs: Vec<Option<f64>>,
}

/// A comparison, whose JSON is the published format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of this program.
    pub version: String,
    /// Where A's runs come from.
    pub a: Vec<String>,
    /// Where B's runs come from.
    pub b: Vec<String>,
    /// How the runs belong together.
    pub design: Design,
    /// The method and its weakness, in words.
    pub method: String,
    /// Why the figures are to be read with care; empty when nothing stands against them.
    pub warnings: Vec<String>,
    /// The figures.
    pub metrics: Vec<Line>,
    /// The regressions that were looked for.
    pub regressions: Vec<Regression>,
}

/// What cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// Too few runs for any of the methods.
    #[error(
        "{a} against {b} runs cannot be compared: give one on each side, {PAIRS_MIN} or more on each that belong \
         together in their order, or {GROUP_MIN} or more on each"
    )]
    TooFew {
        /// Runs of A.
        a: usize,
        /// Runs of B.
        b: usize,
    },
    /// Other loads, other figures.
    #[error(
        "the two sides had different loads, so that their figures say nothing of the servers: {0}. Try: \
         --allow-different-load, if that is what you compare"
    )]
    DifferentLoad(String),
}

/// How so many runs can be compared.
///
/// # Errors
/// When there are too few.
pub fn design(a: usize, b: usize) -> Result<Design, CompareError> {
    match (a, b) {
        (1, 1) => Ok(Design::Single),
        _ if a == b && PAIRS_MIN <= a => Ok(Design::Pairs),
        _ if GROUP_MIN <= a.min(b) => Ok(Design::Groups),
        _ => Err(CompareError::TooFew { a, b }),
    }
}

/// Compares B's runs with A's. The seed chooses the resamples where there are any.
///
/// # Errors
/// When there are too few runs, or when their loads differ and that is not allowed.
pub fn compare(
    a: &[RunResult],
    b: &[RunResult],
    allow_different_load: bool,
    seed: u64,
) -> Result<Comparison, CompareError> {
    let design = design(a.len(), b.len())?;
    let differences = differences(a, b);
    let mut warnings = doubts(a, b);
    if !differences.is_empty() {
        let sentence = differences.join("; ");
        if !allow_different_load {
            return Err(CompareError::DifferentLoad(sentence));
        }
        warnings.insert(0, format!("The two sides had different loads: {sentence}."));
    }
    let seconds = match (design, a, b) {
        (Design::Single, [a], [b]) => Some(Seconds::of(a, b, seed)),
        _ => None,
    };
    warnings.extend(seconds.as_ref().and_then(gap::too_few_intervals));
    let line = |metric| line(metric, design, [a, b], seconds.as_ref(), seed);
    let sources = |runs: &[RunResult]| runs.iter().map(|run| run.config.url.clone()).collect();
    Ok(Comparison {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        a: sources(a),
        b: sources(b),
        design,
        method: method(design, a.len(), b.len()),
        warnings,
        metrics: Metric::ALL.into_iter().map(line).collect(),
        regressions: Vec::new(),
    })
}

/// Compares one figure.
fn line(
    metric: Metric,
    design: Design,
    [a, b]: [&[RunResult]; 2],
    seconds: Option<&Seconds>,
    seed: u64,
) -> Line {
    let values = |runs: &[RunResult]| runs.iter().map(|run| metric.of(run)).collect::<Vec<_>>();
    let (a_runs, b_runs) = (values(a), values(b));
    let scaled = [&a_runs, &b_runs].map(|runs| {
        runs.iter().map(|value| value.and_then(|value| scale(metric, value))).collect::<Option<Vec<f64>>>()
    });
    let estimate = match (&scaled, design) {
        ([Some(a), Some(b)], Design::Pairs) => {
            let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
            paired(&differences, seed)
        }
        ([Some(a), Some(b)], Design::Groups) => grouped(a, b, seed),
        ([Some(a), Some(b)], Design::Single) => {
            seconds.and_then(|seconds| seconds.estimate(metric, b[0] - a[0]))
        }
        _ => None,
    };
    let [a, b] = [(&scaled[0], &a_runs), (&scaled[1], &b_runs)].map(|(scaled, runs)| {
        let Some(values) = scaled else { return nothing(runs) };
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Some(if metric.scale() == Scale::Ratio { mean.exp() } else { mean })
    });
    let point = a.zip(b).and_then(|(a, b)| match metric.scale() {
        // Of nothing there is no share.
        Scale::Ratio => (0.0 < a).then(|| b / a - 1.0),
        Scale::Points => Some(b - a),
    });
    let reason = estimate.is_none().then(|| gap::reason(metric, [&a_runs, &b_runs], seconds));
    let end = |of: fn(&Estimate) -> f64| estimate.as_ref().map(|estimate| unscale(metric, of(estimate)));
    Line {
        metric,
        unit: metric.unit().to_owned(),
        better: metric.better(),
        in_points: metric.scale() == Scale::Points,
        a,
        b,
        difference: point,
        low: end(|estimate| estimate.low),
        high: end(|estimate| estimate.high),
        p: estimate.and_then(|estimate| estimate.p),
        word: word(metric.better(), estimate.as_ref()),
        reason,
        a_runs,
        b_runs,
    }
}

/// What is said of a difference, which is B's minus A's.
fn word(better: Better, estimate: Option<&Estimate>) -> Word {
    match (estimate, better) {
        (None, _) => Word::NotCompared,
        (Some(estimate), _) if !estimate.excludes_zero() => Word::NoDifference,
        (Some(estimate), Better::Higher) => {
            if 0.0 < estimate.low {
                Word::Better
            } else {
                Word::Worse
            }
        }
        (Some(estimate), Better::Lower) => {
            if 0.0 < estimate.low {
                Word::Worse
            } else {
                Word::Better
            }
        }
    }
}

/// A value as it is computed with; `None` where it has no logarithm.
fn scale(metric: Metric, value: f64) -> Option<f64> {
    match metric.scale() {
        Scale::Ratio => (0.0 < value && value.is_finite()).then(|| value.ln()),
        Scale::Points => Some(value),
    }
}

/// A difference as it is shown.
fn unscale(metric: Metric, difference: f64) -> f64 {
    match metric.scale() {
        Scale::Ratio => difference.exp_m1(),
        Scale::Points => difference,
    }
}

/// 0, if that is what every run has: it has no logarithm, and is a figure all the same.
fn nothing(runs: &[Option<f64>]) -> Option<f64> {
    runs.iter().all(|value| value.is_some_and(|value| value <= 0.0)).then_some(0.0)
}

/// The method and its weakness.
fn method(design: Design, a: usize, b: usize) -> String {
    match design {
        Design::Pairs => format!(
            "{a} pairs of runs. Interval of the mean difference: Student's t, widened to what the exact test of flipped \
             signs allows. The runs of a pair must follow each other, and servers that are started anew for each show \
             more than those that are not."
        ),
        Design::Groups => format!(
            "{a} runs against {b}, not in pairs. Interval of the difference of the means: Welch's t, stretched to 0 where \
             the test of exchanged labels does not refuse it. If the machine changed between the two sides, that is in \
             the difference."
        ),
        Design::Single => "One run on each side. Interval: bootstrap of their seconds. It cannot see that runs of one and \
             the same server settle at different figures: a small difference shown here may be of that kind. Try: \
             compare --a URL --b URL"
            .to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod simulated;
#[cfg(test)]
mod tests;
