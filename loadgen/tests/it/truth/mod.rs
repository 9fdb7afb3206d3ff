//! What loadgen measures against what theory says that it must: the delay of a peer is known, so its percentiles are.
//!
//! The peer draws its delays from a seed and loadgen its times from another, so a run meets the same arrivals and the
//! same service times whenever it is repeated; only the machine's own pauses differ. They make answers later and never
//! earlier, which is why lower bounds are sharp and upper ones leave [room for noise](noise::Noise).

mod fixed;
mod merged;
pub(crate) mod noise;
mod queue;
mod schedules;
mod stall;

use std::sync::{Mutex, MutexGuard, PoisonError};

use loadgen::result::{Check, RunResult, Status};
use serde_json::Value;

use super::peer::Peer;
use super::{Run, run};

use self::noise::Noise;

/// A millisecond in nanoseconds.
pub(crate) const MS: f64 = 1e6;

/// Says what was not judged, and why, to whoever watches.
#[expect(clippy::print_stdout, reason = "a test speaks to whoever watches it")]
pub(crate) fn say(sentence: &str) {
    println!("{sentence}");
}

/// Measurements take turns, so that they do not disturb each other.
pub(crate) fn quiet() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner) // A test that failed has told so itself.
}

/// A run against a peer, and what both said.
pub(crate) struct Measured {
    pub(crate) code: i32,
    pub(crate) result: RunResult,
    pub(crate) peer: Value,
}

/// Runs loadgen against a peer of this law.
pub(crate) fn measure(url: &str, law: &str, line: &str) -> Measured {
    let peer = Peer::start(url, &format!("--law {law}"));
    let (code, result) = typed(&peer.url, line);
    Measured { code, result, peer: peer.stop() }
}

/// Runs the binary, and reads its result as its own type.
pub(crate) fn typed(url: &str, line: &str) -> (i32, RunResult) {
    let Run { code, stdout, stderr, .. } = run(url, &format!("{line} --json -"));
    let result = serde_json::from_str(&stdout);
    (code, result.unwrap_or_else(|error| panic!("{url} {line}: {error} in {stdout:?}; {stderr}")))
}

/// The check of this name.
pub(crate) fn check<'a>(result: &'a RunResult, name: &str) -> &'a Check {
    result.checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no {name}"))
}

/// Every request is in one class, and there are so many.
pub(crate) fn assert_conserved(result: &RunResult, scheduled: u64) {
    let requests = result.requests;
    let classes = [requests.ok, requests.failed, requests.timed_out, requests.outstanding, requests.unsent];
    assert_eq!(classes.iter().sum::<u64>(), requests.scheduled, "{requests:?}");
    assert_eq!(requests.scheduled, scheduled, "{requests:?}");
    assert_ne!(check(result, "conservation").status, Status::Fail, "{:?}", check(result, "conservation"));
}

impl Measured {
    /// What the machine added.
    pub(crate) fn noise(&self) -> Noise {
        Noise::of(&self.result, &self.peer)
    }

    /// This percentile of the response time, in nanoseconds.
    fn response(&self, quantile: f64) -> f64 {
        self.result.latency.response.histogram().unwrap().value_at_quantile(quantile) as f64
    }

    /// All were answered, and there were so many.
    fn assert_all_ok(&self, scheduled: u64) {
        assert_eq!(self.code, 0, "{:?}", self.result.problems);
        assert_conserved(&self.result, scheduled);
        assert_eq!(self.result.requests.ok, scheduled, "{:?}", self.result.requests);
    }
}
