//! Whether the figures of a run may be believed: each check looks at one way in which a generator deceives itself.
//!
//! The run gathers [`Evidence`]; a check is a function of it alone, so that each can be shown to trip. What a check
//! says names the figure, the bound and what to do.

mod departures;
mod evidence;
#[cfg(test)]
mod example;
mod finding;
mod generator;
mod host;
mod load;
mod samples;
mod schedule;
mod statistics;

pub use evidence::{Evidence, Lives, Load, Pause, WorkerEvidence};

use crate::result::Check;
use finding::Finding;

/// All checks of a run, in the order in which they are shown.
pub fn all(evidence: &Evidence<'_>) -> Vec<Check> {
    let judged = CHECKS.iter().map(|(name, judge)| {
        let Finding { status, sentence } = judge(evidence);
        Check { name: (*name).to_owned(), status, sentence }
    });
    judged.collect()
}

/// A check.
type Judge = fn(&Evidence<'_>) -> Finding;

/// The names stay: scripts look for them in results.
const CHECKS: &[(&str, Judge)] = &[
    ("conservation", load::conservation),
    ("connections", load::connections),
    ("payload", load::payload),
    ("schedule-fidelity", schedule::fidelity),
    ("offered-rate", schedule::offered_rate),
    ("intended-law", departures::intended_law),
    ("departures", departures::departures),
    ("own-cpu", generator::own_cpu),
    ("wake-lateness", schedule::wake_lateness),
    ("stalls", generator::stalls),
    ("littles-law", load::littles_law),
    ("sample-size", samples::sample_size),
    ("stationarity", samples::stationarity),
    ("worker-spread", generator::worker_spread),
    ("stamp-residual", generator::stamp_residual),
    ("receive-buffers", generator::receive_buffers),
    ("closed-loop", load::closed_loop),
    ("clock", host::clock),
    ("shared-cores", host::shared_cores),
    ("host-drops", host::drops),
    ("host", host::host),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::check::example::Example;
    use crate::result::Status;

    #[test]
    fn a_good_run_passes_every_check_that_applies() {
        for example in [Example::open(), Example::poisson(), Example::closed()] {
            let checks = all(&example.evidence());
            for check in &checks {
                assert!(check.status <= Status::Pass, "{check:?}");
                assert!(
                    check.sentence.ends_with('.')
                        && !check
                            .sentence
                            .split_whitespace()
                            .any(|word| word.starts_with("us") && word.len() < 4),
                    "{check:?}"
                );
            }
            let skipped = checks.iter().filter(|check| check.status == Status::Skipped);
            let skipped: Vec<&str> = skipped.map(|check| check.name.as_str()).collect();
            let expected: &[&str] = match example.load.loop_model {
                crate::result::LoopModel::Open => &["closed-loop"],
                crate::result::LoopModel::Closed => {
                    &["schedule-fidelity", "offered-rate", "intended-law", "departures", "wake-lateness"]
                }
            };
            assert_eq!(skipped, expected);
        }
    }

    #[test]
    fn names_are_different_and_simple() {
        let names: BTreeSet<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), CHECKS.len());
        assert!(
            names.iter().all(|name| name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'))
        );
    }

    /// Nothing was measured: no check may divide by that.
    #[test]
    fn a_run_of_nothing_has_no_figures_to_believe() {
        let mut example = Example::open();
        example.forget_everything();
        for check in all(&example.evidence()) {
            assert!(!check.sentence.contains("NaN") && !check.sentence.contains("inf"), "{check:?}");
        }
    }
}
