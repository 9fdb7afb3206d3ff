//! Whether every request is accounted for, and the load was the one that was asked for.

use super::evidence::{Evidence, WorkerEvidence};
use super::finding::{Finding, above, counted, time};
use super::schedule::median;
use crate::result::{LoopModel, Status};

/// How far the two sides of Little's law may be apart.
const LITTLE_WARN: f64 = 0.02;
/// Farther apart, requests are lost or miscounted.
const LITTLE_FAIL: f64 = 0.1;
/// Answers below which both sides are chance.
const LITTLE_SAMPLES_MIN: u64 = 1000;
/// Share of a core below which a closed loop surely waits for answers.
const CPU_IDLE: f64 = 0.5;

/// Every request is in one class, and there are as many as the schedule has.
pub(super) fn conservation(evidence: &Evidence<'_>) -> Finding {
    let requests = evidence.requests;
    let classes = [requests.ok, requests.failed, requests.timed_out, requests.outstanding, requests.unsent];
    let sum: u64 = classes.iter().sum();
    let advice = "This is a fault of loadgen: please report it with this result.";
    if sum != requests.scheduled {
        let figures = format!("Of {} scheduled requests {sum} are accounted for.", requests.scheduled);
        return Finding::judged(Status::Fail, figures, advice);
    }
    if let Some(expected) = evidence.expected.filter(|expected| *expected != requests.scheduled) {
        let figures = format!(
            "The schedule has {expected} intended times, and {} are accounted for.",
            requests.scheduled
        );
        return Finding::judged(Status::Fail, figures, advice);
    }
    Finding::pass(format!(
        "{sum} scheduled = {} ok + {} failed + {} timed out + {} outstanding + {} unsent.",
        requests.ok, requests.failed, requests.timed_out, requests.outstanding, requests.unsent
    ))
}

/// Whether the connections that were asked for were there.
pub(super) fn connections(evidence: &Evidence<'_>) -> Finding {
    let lives = evidence.lives;
    if lives.wanted == 0 {
        return Finding::skipped("No connections were asked for.");
    }
    if lives.at_start < lives.wanted && !lives.churn {
        let figures = format!(
            "{} of {} were open when the load began.",
            lives.at_start,
            counted(lives.wanted, "connection")
        );
        return Finding::judged(Status::Fail, figures, "The load was another than the one asked for.");
    }
    if lives.churn && 0 < lives.at_end {
        return Finding::pass("Connections come and go, as they are meant to.");
    }
    let is_whole = lives.wanted <= lives.at_end && lives.reconnects == 0;
    let status = if is_whole { Status::Pass } else { Status::Warn };
    let figures = format!(
        "{} of {} were open at the start and {} at the end, and {} opened anew in between.",
        lives.at_start,
        counted(lives.wanted, "connection"),
        lives.at_end,
        if lives.reconnects == 1 { "1 was".to_owned() } else { format!("{} were", lives.reconnects) }
    );
    Finding::judged(
        status,
        figures,
        "The server, something on the way to it, or a time-out here ended connections: the errors say which.",
    )
}

/// Whether what came back was what had been sent.
pub(super) fn payload(evidence: &Evidence<'_>) -> Finding {
    if 0 < evidence.verification_errors {
        let figures =
            format!("{} came back with wrong bytes.", counted(evidence.verification_errors, "message"));
        return Finding::judged(
            Status::Fail,
            figures,
            "A fast wrong answer is no answer: look at the first mismatch.",
        );
    }
    if 0 < evidence.lost {
        let share = 100.0 * evidence.lost as f64 / evidence.sent.max(1) as f64;
        let figures = format!(
            "{} of {} ({share:.3} %) did not come back.",
            evidence.lost,
            counted(evidence.sent, "datagram")
        );
        let advice = "Percentiles are of those that did. Try: a lower --rate, or larger socket buffers.";
        return Finding::judged(Status::Warn, figures, advice);
    }
    if !evidence.load.verify {
        return Finding::skipped("Nothing was compared.");
    }
    Finding::pass("Every byte that came back was compared, and right.")
}

/// Requests in flight are rate times the time that they take (Little 1961), whatever the server does. Over a whole run
/// that is an identity: what each turn counted in flight, summed over time, is what all requests took together.
pub(super) fn littles_law(evidence: &Evidence<'_>) -> Finding {
    let sum = |of: fn(&WorkerEvidence) -> f64| evidence.workers.iter().map(of).sum::<f64>();
    let in_flight = sum(|worker| worker.in_flight_seconds);
    let taken = sum(|worker| worker.taken_seconds);
    if evidence.answers < LITTLE_SAMPLES_MIN || taken <= 0.0 {
        return Finding::skipped(format!("There are fewer than {LITTLE_SAMPLES_MIN} answers."));
    }
    let apart = (in_flight - taken).abs() / taken;
    let figures = format!(
        "Turn by turn {in_flight:.3} request-seconds were in flight, and all requests together took {taken:.3} s: {:.2} % \
         apart (up to {:.0} % is good).",
        100.0 * apart,
        100.0 * LITTLE_WARN
    );
    let status = above(apart, LITTLE_WARN, LITTLE_FAIL);
    Finding::judged(status, figures, "Requests were lost or miscounted: please report it with this result.")
}

/// What the percentiles of a closed loop are, and what its rate is bound by.
pub(super) fn closed_loop(evidence: &Evidence<'_>) -> Finding {
    if evidence.load.loop_model == LoopModel::Open {
        return Finding::skipped("This is an open loop.");
    }
    let mut sentence =
        "Percentiles are those of a closed loop: while the server pauses nothing is sent, so most of a \
                        pause is not seen (with --rate it is)."
            .to_owned();
    let busiest =
        evidence.workers.iter().map(|worker| worker.processor.total.as_secs_f64()).fold(0.0, f64::max);
    let is_idle =
        !evidence.load.spins && 0.0 < evidence.measured_s && busiest / evidence.measured_s < CPU_IDLE;
    if is_idle && !evidence.service.is_empty() {
        let in_flight = evidence.lives.wanted * u64::from(evidence.load.depth);
        sentence.push_str(&format!(
            " The rate is what {in_flight} in flight and a median of {} allow, and maybe not all that the server can do: \
             more --connections or --depth would show it.",
            time(median(evidence.service))
        ));
    }
    Finding::pass(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::example::{Example, check};

    #[test]
    fn every_request_is_in_one_class() {
        check(
            conservation,
            Example::open(),
            |example| example.requests.ok -= 1,
            Status::Fail,
            "9999 are accounted for",
        );
        check(
            conservation,
            Example::open(),
            |example| example.expected = Some(9_990),
            Status::Fail,
            "has 9990 intended",
        );
        let classes = |example: &mut Example| {
            example.requests.ok = 9_900;
            example.requests.failed = 10;
            example.requests.timed_out = 20;
            example.requests.outstanding = 30;
            example.requests.unsent = 40;
        };
        check(
            conservation,
            Example::open(),
            classes,
            Status::Pass,
            "10000 scheduled = 9900 ok + 10 failed + 20 timed",
        );
    }

    #[test]
    fn missing_connections_are_another_load() {
        check(
            connections,
            Example::open(),
            |example| example.lives.at_start = 9,
            Status::Fail,
            "9 of 10 connections",
        );
        check(connections, Example::open(), |example| example.lives.at_end = 9, Status::Warn, "9 at the end");
        check(
            connections,
            Example::open(),
            |example| example.lives.reconnects = 1,
            Status::Warn,
            "1 was opened anew",
        );
        let churn = |example: &mut Example| (example.lives.churn, example.lives.at_end) = (true, 2);
        check(connections, Example::open(), churn, Status::Pass, "come and go");
        let gone = |example: &mut Example| (example.lives.churn, example.lives.at_end) = (true, 0);
        check(connections, Example::open(), gone, Status::Warn, "and 0 at the end");
    }

    #[test]
    fn wrong_and_missing_messages_are_told() {
        check(
            payload,
            Example::open(),
            |example| example.verification_errors = 1,
            Status::Fail,
            "1 message came back",
        );
        check(
            payload,
            Example::open(),
            |example| example.lost = 110,
            Status::Warn,
            "110 of 11000 datagrams (1.000 %)",
        );
        check(
            payload,
            Example::open(),
            |example| example.load.verify = false,
            Status::Skipped,
            "Nothing was compared",
        );
    }

    #[test]
    fn both_sides_of_littles_law_are_compared() {
        let counted = |share: f64| {
            move |example: &mut Example| {
                example.workers.iter_mut().for_each(|worker| worker.in_flight_seconds *= share)
            }
        };
        check(
            littles_law,
            Example::open(),
            counted(1.015),
            Status::Pass,
            "together took 4.000 s: 1.50 % apart",
        );
        check(littles_law, Example::open(), counted(0.95), Status::Warn, "5.00 % apart");
        check(littles_law, Example::closed(), counted(1.2), Status::Fail, "20.00 % apart");
        check(
            littles_law,
            Example::open(),
            |example| example.answers = 10,
            Status::Skipped,
            "fewer than 1000",
        );
    }

    #[test]
    fn a_closed_loop_says_so() {
        check(
            closed_loop,
            Example::closed(),
            |_| (),
            Status::Pass,
            "10 in flight and a median of 400 µs allow",
        );
        check(closed_loop, Example::open(), |_| (), Status::Skipped, "open loop");
    }
}
