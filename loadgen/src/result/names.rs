//! The words that a result chooses from.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Who decides when a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoopModel {
    /// The server, by answering the one before.
    Closed,
    /// A schedule that knows nothing of answers.
    Open,
}

/// The law of the intended times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Evenly spaced.
    #[default]
    Constant,
    /// Independent of each other, as many strangers come: gaps are exponential.
    Poisson,
}

/// What came of a check. The order is that of badness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It does not apply, or there was nothing to judge by.
    Skipped,
    /// It holds.
    Pass,
    /// The figures are to be read with care.
    Warn,
    /// The figures are not those of the server.
    Fail,
}

/// The worst of these.
pub fn worst(statuses: impl IntoIterator<Item = Status>) -> Status {
    statuses.into_iter().max().unwrap_or(Status::Skipped)
}

impl fmt::Display for LoopModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Closed => "closed loop",
            Self::Open => "open loop",
        })
    }
}

impl fmt::Display for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Skipped => "SKIP",
            Self::Pass => "PASS",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_outweighs_everything() {
        use Status::{Fail, Pass, Skipped, Warn};
        assert_eq!(worst([Pass, Warn, Skipped, Fail]), Fail);
        assert_eq!(worst([Pass, Warn, Skipped]), Warn);
        assert_eq!(worst([Skipped, Pass]), Pass);
        assert_eq!(worst([]), Skipped);
    }
}
