//! Whether requests left when they were meant to.

use super::evidence::Evidence;
use super::finding::{Finding, above, at_most_warn, time};
use crate::result::{LoopModel, Status};

/// Lag that no figure of a server suffers from: what a thread needs to wake up (timer slack, PR_SET_TIMERSLACK(2const)).
const LAG_WARN_NS: f64 = 50_000.0;
/// Lag that is a failure only when it is also a large part of what is measured.
const LAG_FAIL_NS: f64 = 1_000_000.0;
/// Part of the median service time that lag may reach.
const LAG_WARN_SHARE: f64 = 0.05;
/// The same for a failure.
const LAG_FAIL_SHARE: f64 = 0.5;
/// Lateness of a thread that needs no word, since it may have had nothing to send.
const LATENESS_WARN_NS: f64 = 100_000.0;
/// Requests that may stay unsent, or unanswered.
const MISSING_SHARE: f64 = 0.01;

const TRY_LESS: &str =
    "Try: a lower --rate, more --threads, --idle spin on cores of their own, or another host.";

/// The generator's lateness, against what it measures.
pub(super) fn fidelity(evidence: &Evidence<'_>) -> Finding {
    if evidence.load.loop_model == LoopModel::Closed {
        return Finding::skipped("A closed loop has no schedule.");
    }
    if evidence.generator_lag.is_empty() {
        return Finding::skipped("Nothing was sent.");
    }
    let lag = |quantile| evidence.generator_lag.value_at_quantile(quantile) as f64;
    let (p99, service) = (lag(0.99), median(evidence.service));
    let warn = LAG_WARN_NS.max(LAG_WARN_SHARE * service);
    let status = above(p99, warn, LAG_FAIL_NS.max(LAG_FAIL_SHARE * service));
    let figures = format!(
        "The generator was {} late at p99 and {} at p50; up to {} is good, with a median service time of {}.",
        time(p99),
        time(lag(0.5)),
        time(warn),
        time(service)
    );
    Finding::judged(status, figures, TRY_LESS)
}

/// Whether as much was sent as was meant to be, and whose fault it is when not.
pub(super) fn offered_rate(evidence: &Evidence<'_>) -> Finding {
    let requests = evidence.requests;
    if evidence.load.loop_model == LoopModel::Closed {
        return Finding::skipped("In a closed loop the server decides on the rate.");
    }
    if requests.scheduled == 0 {
        return Finding::skipped("Nothing was scheduled.");
    }
    let share = |count: u64| count as f64 / requests.scheduled as f64;
    let unsent = share(requests.unsent);
    let unanswered = share(requests.timed_out + requests.outstanding);
    let sent = 100.0 * (1.0 - unsent);
    if MISSING_SHARE < unsent {
        let lives = evidence.lives;
        let are_gone = lives.at_end == 0 || lives.at_end < lives.wanted && !lives.churn;
        return if are_gone {
            let sentence = format!(
                "{sent:.2} % of the scheduled requests were sent (at least 99 % is good): {} of {} connections were left at \
                 the end. The server, or something on the way to it, ended them: its log may say why.",
                lives.at_end, lives.wanted
            );
            Finding { status: Status::Warn, sentence }
        } else if waits_for_connections(evidence) {
            let sentence = format!(
                "{sent:.2} % of the scheduled requests were sent (at least 99 % is good): the others found no free \
                 connection, so the server or --connections is the limit. Try: more --connections, --depth or --queue, \
                 or a lower --rate."
            );
            Finding { status: Status::Warn, sentence }
        } else {
            let sentence = format!(
                "{sent:.2} % of the scheduled requests were sent (at least 99 % is good), and connections were free: the \
                 generator is the limit. {TRY_LESS}"
            );
            Finding { status: Status::Fail, sentence }
        };
    }
    let status = if MISSING_SHARE < unanswered { Status::Warn } else { Status::Pass };
    let figures = format!(
        "{sent:.2} % of the scheduled requests were sent, and {:.2} % got no answer (up to 1 % is good).",
        100.0 * unanswered
    );
    let advice = "The server did not keep up, or lost them: percentiles of the answers alone leave the worst out. Try: a \
                  lower --rate.";
    Finding::judged(status, figures, advice)
}

/// How late threads woke.
pub(super) fn wake_lateness(evidence: &Evidence<'_>) -> Finding {
    if evidence.lateness.is_empty() {
        return Finding::skipped("No thread slept until a given time.");
    }
    let late = |quantile| evidence.lateness.value_at_quantile(quantile) as f64;
    let service = median(evidence.service);
    let (warn, p99) = (LATENESS_WARN_NS.max(LAG_WARN_SHARE * service), late(0.99));
    let status = above(p99, warn, (5.0 * LAG_FAIL_NS).max(LAG_FAIL_SHARE * service));
    // Without a schedule nothing is late because of it but time-outs.
    let is_closed = evidence.load.loop_model == LoopModel::Closed;
    let status = if is_closed { at_most_warn(status) } else { status };
    let figures = format!(
        "Threads woke {} late at p99 and {} at most; up to {} at p99 is good.",
        time(p99),
        time(evidence.lateness.max() as f64),
        time(warn)
    );
    Finding::judged(status, figures, "Try: cores that nobody else uses, with --cores, or --idle spin.")
}

/// Whether requests rather waited for a connection than for the generator.
pub(super) fn waits_for_connections(evidence: &Evidence<'_>) -> bool {
    let at = |histogram: &hdrhistogram::Histogram<u64>| histogram.value_at_quantile(0.99) as f64;
    LAG_WARN_NS.max(at(evidence.generator_lag)) < at(evidence.queue_wait)
}

pub(super) fn median(histogram: &hdrhistogram::Histogram<u64>) -> f64 {
    if histogram.is_empty() { 0.0 } else { histogram.value_at_quantile(0.5) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::example::{Example, constant};

    fn check(
        judge: fn(&Evidence<'_>) -> Finding,
        spoil: impl FnOnce(&mut Example),
        status: Status,
        words: &str,
    ) {
        crate::check::example::check(judge, Example::open(), spoil, status, words);
    }

    /// The example's service takes 400 µs.
    #[test]
    fn lag_is_judged_against_what_is_measured() {
        let spoiled = |nanos| move |example: &mut Example| example.generator_lag = constant(nanos, 1000);
        check(fidelity, spoiled(45_000), Status::Pass, "was 45.0 µs late at p99");
        check(fidelity, spoiled(60_000), Status::Warn, "up to 50.0 µs is good");
        check(fidelity, spoiled(900_000), Status::Warn, "Try: a lower --rate");
        check(fidelity, spoiled(1_100_000), Status::Fail, "1.10 ms late");
        let slow = |example: &mut Example| {
            example.generator_lag = constant(2_000_000, 1000);
            example.service = constant(50_000_000, 1000);
        };
        check(fidelity, slow, Status::Pass, "up to 2.50 ms is good");
    }

    #[test]
    fn who_did_not_send_is_told_apart() {
        check(offered_rate, |example| example.requests.unsent = 50, Status::Pass, "99.50 %");
        let generator = |example: &mut Example| example.requests.unsent = 200;
        check(offered_rate, generator, Status::Fail, "98.00 % of the scheduled requests were sent");
        let pool = |example: &mut Example| {
            example.requests.unsent = 200;
            example.queue_wait = constant(80_000_000, 1000);
        };
        check(offered_rate, pool, Status::Warn, "found no free connection");
        let ended = |example: &mut Example| {
            example.requests.unsent = 200;
            example.lives.at_end = 0;
        };
        check(offered_rate, ended, Status::Warn, "connections were left at the end");
        let slow = |example: &mut Example| example.requests.outstanding = 300;
        check(offered_rate, slow, Status::Warn, "3.00 % got no answer");
    }

    #[test]
    fn late_waking_is_seen() {
        let late = |nanos| move |example: &mut Example| example.lateness = constant(nanos, 1000);
        check(wake_lateness, late(90_000), Status::Pass, "woke 90.0 µs late");
        check(wake_lateness, late(300_000), Status::Warn, "up to 100 µs at p99 is good");
        check(wake_lateness, late(6_000_000), Status::Fail, "--idle spin");
    }
}
