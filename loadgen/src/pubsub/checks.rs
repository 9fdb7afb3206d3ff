//! Whether the figures of a run may be believed.

use super::result::{Counts, Generator, Latencies, Server, Throughput};
use crate::report::{show_count, show_nanos};
use crate::result::{Check, Status};

/// From this share of its core on, in percent, the generator may be what limits the run.
const BUSY_PERCENT: f64 = 97.0;
/// Samples that a percentile should have behind it, for p99.
const SAMPLES_MIN: u64 = 1000;
/// Lag beyond which latencies are the generator's as much as the server's, as a share of their p99.
const LAG_SHARE: f64 = 0.1;

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Everything that came.
    pub counts: &'a Counts,
    /// How fast.
    pub throughput: &'a Throughput,
    /// How late.
    pub latency: &'a Latencies,
    /// At which cost here.
    pub generator: &'a Generator,
    /// And there.
    pub server: Option<&'a Server>,
    /// Messages per second that were asked for.
    pub rate: Option<f64>,
}

/// All checks.
pub fn all(evidence: &Evidence<'_>) -> Vec<Check> {
    vec![
        conservation(evidence),
        own_cpu(evidence),
        offered_rate(evidence),
        lag(evidence),
        sample_size(evidence),
    ]
}

/// Every delivery that there should be came, or is counted as lost.
fn conservation(evidence: &Evidence<'_>) -> Check {
    let Counts { expected, delivered, lost, .. } = evidence.counts;
    let status = if *expected == delivered + lost { Status::Pass } else { Status::Fail };
    let shown = [expected, delivered, lost].map(|count| show_count(*count as f64));
    let [expected, delivered, lost] = shown;
    check(
        "conservation",
        status,
        format!("{expected} deliveries were expected, {delivered} came, {lost} are lost."),
    )
}

/// A saturated run is to saturate the server and not the generator.
fn own_cpu(evidence: &Evidence<'_>) -> Check {
    let own = evidence.generator.cpu_percent;
    let server =
        evidence.server.map(|server| server.cpu_s / evidence.throughput.duration_s.max(1e-9) * 100.0);
    let theirs = server.map(|share| format!(", the server {share:.0} %")).unwrap_or_default();
    let sentence = format!("The generator used {own:.0} % of its core{theirs}.");
    match (own < BUSY_PERCENT, server) {
        (true, _) => check("own-cpu", Status::Pass, sentence),
        // The server has no core to spare either: what it costs is still its own.
        (false, Some(share)) if BUSY_PERCENT <= share => check("own-cpu", Status::Pass, sentence),
        (false, _) => {
            let advice =
                "The generator may be the limit: compare what the server costs, not how much it did.";
            check("own-cpu", Status::Warn, format!("{sentence} {advice}"))
        }
    }
}

/// An open loop is to publish what was asked for.
fn offered_rate(evidence: &Evidence<'_>) -> Check {
    let Some(rate) = evidence.rate else {
        return check("offered-rate", Status::Skipped, "No rate was asked for.".to_owned());
    };
    let found = evidence.throughput.published_per_second;
    let sentence = format!("{} messages/s were asked for, {} left.", show_count(rate), show_count(found));
    let expected = rate * evidence.throughput.duration_s;
    // Poisson arrivals scatter by the root of their number; four of those are chance once in 16,000 runs.
    let tolerance = (0.01 * expected).max(4.0 * expected.sqrt()).max(2.0);
    let is_near = (found * evidence.throughput.duration_s - expected).abs() <= tolerance;
    check("offered-rate", if is_near { Status::Pass } else { Status::Warn }, sentence)
}

/// In an open loop messages are to leave when they are due.
fn lag(evidence: &Evidence<'_>) -> Check {
    let (lag, every) = (&evidence.latency.lag, &evidence.latency.every);
    if evidence.rate.is_none() || lag.count == 0 || every.count == 0 {
        return check("departures", Status::Skipped, "No message was due at a time of its own.".to_owned());
    }
    let shown = [lag.p99_us, every.p99_us].map(|us| show_nanos(us * 1e3));
    let sentence =
        format!("99 % left within {} of their time; deliveries took up to {}.", shown[0], shown[1]);
    let is_small = lag.p99_us <= LAG_SHARE * every.p99_us || lag.p99_us < 100.0;
    check("departures", if is_small { Status::Pass } else { Status::Warn }, sentence)
}

fn sample_size(evidence: &Evidence<'_>) -> Check {
    let count = evidence.latency.every.count;
    let status = if count < SAMPLES_MIN { Status::Warn } else { Status::Pass };
    check("sample-size", status, format!("{} deliveries were timed.", show_count(count as f64)))
}

fn check(name: &str, status: Status, sentence: String) -> Check {
    Check { name: name.to_owned(), status, sentence }
}

#[cfg(test)]
mod tests {
    use super::super::result::example;
    use super::*;

    fn status(change: impl FnOnce(&mut super::super::result::PubsubResult), name: &str) -> Status {
        let mut result = example();
        change(&mut result);
        let evidence = Evidence {
            counts: &result.counts,
            throughput: &result.throughput,
            latency: &result.latency,
            generator: &result.generator,
            server: result.server.as_ref(),
            rate: result.config.rate,
        };
        all(&evidence).into_iter().find(|check| check.name == name).unwrap().status
    }

    #[test]
    fn a_delivery_that_nobody_counted_fails_the_run() {
        assert_eq!(status(|_| (), "conservation"), Status::Pass);
        assert_eq!(status(|result| result.counts.delivered -= 1, "conservation"), Status::Fail);
        assert_eq!(
            status(|result| (result.counts.delivered, result.counts.lost) = (599_999, 1), "conservation"),
            Status::Pass
        );
    }

    #[test]
    fn a_generator_without_a_core_to_spare_is_said() {
        assert_eq!(status(|result| result.generator.cpu_percent = 99.0, "own-cpu"), Status::Warn);
        let both = |result: &mut super::super::result::PubsubResult| {
            result.generator.cpu_percent = 99.0;
            result.server.as_mut().unwrap().cpu_s = 4.99;
        };
        assert_eq!(status(both, "own-cpu"), Status::Pass);
    }

    #[test]
    fn what_was_asked_for_has_to_leave() {
        assert_eq!(status(|_| (), "offered-rate"), Status::Pass);
        assert_eq!(
            status(|result| result.throughput.published_per_second = 900.0, "offered-rate"),
            Status::Warn
        );
        assert_eq!(status(|result| result.config.rate = None, "offered-rate"), Status::Skipped);
    }
}
