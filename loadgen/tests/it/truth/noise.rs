//! How much the machine may have added to a measurement, told by what loadgen and the peer say of themselves.
//!
//! A delay X becomes X + N, where N is never negative. Where N exceeds n for a share e of the requests at most, the
//! quantile q of the sum is at most that of X at q + e, and n more; and it is never below that of X at q. Here, e is a
//! union bound over the four times that somebody must wake: loadgen to send, the peer to receive, the peer to answer,
//! loadgen to receive. Of loadgen the lag and the lateness are known whole, of the peer three percentiles.

use hdrhistogram::Histogram;
use loadgen::result::{Latency, RunResult};
use serde_json::Value;

use super::MS;

/// What the path itself takes on a machine that has nothing else to do, with room: loopback, two wake-ups and the rest.
const FLOOR: f64 = 0.3 * MS;

/// What a machine may have added.
pub(crate) struct Noise {
    lag: Histogram<u64>,
    lateness: Histogram<u64>,
    /// p50, p99 and maximum of the peer's own lateness, in nanoseconds.
    peer: [f64; 3],
}

impl Noise {
    /// As loadgen and the peer tell.
    pub(crate) fn of(result: &RunResult, peer: &Value) -> Self {
        let read = |latency: &Latency| latency.histogram().unwrap();
        let late = |key| peer["lateness"][key].as_f64().unwrap() * 1e3;
        Self {
            lag: read(&result.latency.generator_lag),
            lateness: read(&result.generator.lateness),
            peer: [late("p50_us"), late("p99_us"), late("max_us")],
        }
    }

    /// The largest share of requests that may have been delayed by more than this, beyond the floor.
    pub(crate) fn share_above(&self, nanos: f64) -> f64 {
        let part = nanos / 4.0;
        let own = share_above(&self.lag, part).max(share_above(&self.lateness, part));
        let [p50, p99, max] = self.peer;
        let peers = match part {
            part if max <= part => 0.0,
            part if p99 <= part => 0.01,
            part if p50 <= part => 0.5,
            _ => 1.0,
        };
        (2.0 * own + 2.0 * peers).min(1.0)
    }

    /// The highest that this quantile may be, for delays of this law; the law gives nanoseconds for a quantile. A share
    /// that was delayed delays `spread` times as many, where requests wait for each other.
    pub(crate) fn highest(&self, quantile: f64, spread: f64, law: impl Fn(f64) -> f64) -> f64 {
        // From the floor in steps of a quarter to more than any pause here.
        let steps = std::iter::successors(Some(FLOOR), |step| Some(step * 1.25)).take(48);
        let bounds = steps.filter_map(|step| {
            let shifted = quantile + spread * self.share_above(step);
            (shifted < 1.0).then(|| law(shifted) + step)
        });
        bounds.fold(f64::INFINITY, f64::min)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a positive time")]
fn share_above(histogram: &Histogram<u64>, nanos: f64) -> f64 {
    if histogram.is_empty() {
        return 0.0;
    }
    histogram.count_between(nanos as u64 + 1, u64::MAX) as f64 / histogram.len() as f64
}
