//! Limits to how much worse a figure may become, for those who let a machine decide.
//!
//! A regression is shown when B is worse beyond doubt and beyond the limit: the whole interval lies on the worse side of
//! 0, and the figure itself is more than the limit. What lies within the noise passes, and is said. What could not be
//! compared at all does not pass: a server that answers nothing would otherwise come through every limit. For the same
//! reason more requests without a good answer are a regression wherever there is a limit to anything.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Comparison, Line, Metric, Word};
use crate::compare::Better;

/// How much worse a figure may become.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// The figure.
    pub metric: Metric,
    /// The most, as a share: 0.05 is 5 %.
    pub most: f64,
}

/// What became of a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// The figure.
    pub metric: Metric,
    /// The most that was allowed, as a share.
    pub limit: f64,
    /// How much worse B is, as a share; negative when it is better, absent when it was not compared.
    pub worse_by: Option<f64>,
    /// Whether a regression is shown.
    pub is_shown: bool,
    /// Whether the figure could be compared; a limit to one that could not is not kept.
    pub is_compared: bool,
    /// What is to be said.
    pub sentence: String,
}

/// Judges a comparison by these limits, and by its errors if there are any limits.
pub fn judge(comparison: &Comparison, limits: &[Limit]) -> Vec<Regression> {
    let line = |limit: &Limit| comparison.metrics.iter().find(|line| line.metric == limit.metric);
    let judged = |limit: &Limit| line(limit).map(|line| judge_line(line, *limit));
    // Who limits errors otherwise knows of them.
    let implied = (!limits.is_empty() && limits.iter().all(|limit| limit.metric != Metric::Errors))
        .then_some(Limit { metric: Metric::Errors, most: 0.0 });
    let implied = implied.as_ref().and_then(judged).filter(|regression| regression.is_shown);
    limits.iter().filter_map(judged).chain(implied).collect()
}

fn judge_line(line: &Line, limit: Limit) -> Regression {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    // The most that it may be worse by, as far as the interval tells.
    let (worse_by, at_most) = match line.better {
        Better::Lower => (line.difference, line.high),
        Better::Higher => (line.difference.map(|share| -share), line.low.map(|share| -share)),
    };
    let is_beyond = worse_by.is_some_and(|worse_by| limit.most < worse_by);
    let is_shown = line.word == Word::Worse && is_beyond;
    let (name, most) = (line.metric.name(), percent(limit.most));
    let is_compared = line.word != Word::NotCompared;
    let sentence = match (worse_by, at_most) {
        _ if !is_compared => format!(
            "{name} could not be compared: {}. Try: a longer --duration, or look at the errors",
            line.reason.as_deref().unwrap_or("there is no interval")
        ),
        (Some(worse_by), _) if is_shown && limit.metric == Metric::Errors => format!(
            "errors, the share of requests without a good answer, is worse by {:.1} points, and {:.1} are allowed",
            worse_by * 100.0,
            limit.most * 100.0
        ),
        (Some(worse_by), _) if is_shown => {
            format!("{name} is worse by {}, and {most} are allowed", percent(worse_by))
        }
        (Some(_), Some(at_most)) if at_most <= limit.most => {
            format!("{name} is worse by less than {most}, if at all")
        }
        (Some(_), Some(at_most)) => format!(
            "{name} is not shown to be worse by more than {most}; that it is cannot be excluded, up to {}",
            percent(at_most)
        ),
        _ => format!("{name} could not be compared, so that nothing is shown"),
    };
    Regression { metric: limit.metric, limit: limit.most, worse_by, is_shown, is_compared, sentence }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a limit is a figure and a percentage, as in p99:5%".to_owned();
        let (metric, percent) = text.split_once(':').ok_or_else(wrong)?;
        let percent = percent.trim().strip_suffix('%').ok_or_else(wrong)?;
        let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
        if !(percent.is_finite() && 0.0 <= percent) {
            return Err(wrong());
        }
        Ok(Self { metric: metric.trim().parse()?, most: percent / 100.0 })
    }
}
