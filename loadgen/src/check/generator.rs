//! Whether the generator had time to do its work.

use super::evidence::{Evidence, WorkerEvidence};
use super::finding::{Finding, above, at_most_warn, counted, time};
use super::schedule::median;
use super::statistics::confidence;
use crate::result::{LoopModel, Status};

/// Share of a core above which small delays add up.
const CPU_WARN: f64 = 0.7;
/// Share of a core above which nobody can be on time.
const CPU_FAIL: f64 = 0.9;
/// Involuntary switches per second that a thread which never sleeps may suffer: the kernel's own work takes some.
const SWITCHES_WARN: f64 = 20.0;
/// Shortest pause that is counted at all, in seconds.
const PAUSE_MIN_S: f64 = 0.001;
/// Longest pause, in seconds, that needs no word.
const PAUSE_WARN_S: f64 = 0.01;
/// Share of the time that pauses may take before they need a word.
const PAUSED_WARN: f64 = 0.001;
/// Share of the time above which percentiles up to p99 are the pauses' own.
const PAUSED_FAIL: f64 = 0.01;
/// How much one thread's p99 may exceed another's.
const SPREAD_P99: f64 = 2.0;
/// How much one thread's rate may exceed another's on the same schedule.
const SPREAD_RATE_OPEN: f64 = 1.1;
/// The same where connections compete.
const SPREAD_RATE_CLOSED: f64 = 1.5;
/// Answers that a thread needs to be compared.
const SPREAD_SAMPLES_MIN: u64 = 1000;
/// Error of a time stamp that needs no word, in nanoseconds.
const RESIDUAL_NS: f64 = 50_000.0;
/// The same as a part of the median service time.
const RESIDUAL_SHARE: f64 = 0.05;

/// Its use of its cores.
pub(super) fn own_cpu(evidence: &Evidence<'_>) -> Finding {
    if evidence.measured_s <= 0.0 || evidence.workers.is_empty() {
        return Finding::skipped("Nothing was measured.");
    }
    let switches = |worker: &WorkerEvidence| worker.involuntary_switches as f64 / evidence.measured_s;
    if evidence.load.spins {
        let most = evidence.workers.iter().map(switches).fold(0.0, f64::max);
        let status = if SWITCHES_WARN < most { Status::Warn } else { Status::Pass };
        let figures = format!(
            "Threads spin, so their use of the cores says nothing; the kernel interrupted one {most:.0} times per second \
             (up to {SWITCHES_WARN:.0} is good)."
        );
        let advice = "Others want these cores. Try: cores of their own with --cores, or --idle sleep.";
        return Finding::judged(status, figures, advice);
    }
    let share = |worker: &WorkerEvidence| worker.processor.total.as_secs_f64() / evidence.measured_s;
    let busiest = evidence.workers.iter().max_by(|one, two| share(one).total_cmp(&share(two)));
    let (core, most) = busiest.map_or((0, 0.0), |worker| (worker.core, share(worker)));
    let figures = format!("The busiest thread used {:.0} % of core {core}", 100.0 * most);
    let status = above(most, CPU_WARN, CPU_FAIL);
    if evidence.load.loop_model == LoopModel::Closed {
        let figures = format!("{figures}; up to 90 % is good in a closed loop.");
        let status = if most <= CPU_FAIL { Status::Pass } else { at_most_warn(status) };
        let advice = "The generator is the limit: the server may be able to do more. Try: more --threads, or another host.";
        return Finding::judged(status, figures, advice);
    }
    let figures = format!("{figures}; up to 70 % is good, and above 90 % nothing is on time.");
    Finding::judged(status, figures, "Try: more --threads, a lower --rate, or another host.")
}

/// Pauses in which a thread did not run.
pub(super) fn stalls(evidence: &Evidence<'_>) -> Finding {
    if evidence.measured_s <= 0.0 {
        return Finding::skipped("Nothing was measured.");
    }
    let count: u64 = evidence.workers.iter().map(|worker| worker.pause_count).sum();
    let longest = evidence.workers.iter().flat_map(|worker| &worker.pauses).map(|pause| pause.length_s);
    let longest = longest.fold(0.0, f64::max);
    let most =
        evidence.workers.iter().map(|worker| paused_s(worker) / evidence.measured_s).fold(0.0, f64::max);
    let by_length = if PAUSE_WARN_S < longest { Status::Warn } else { Status::Pass };
    let status = above(most, PAUSED_WARN, PAUSED_FAIL).max(by_length);
    let is_closed = evidence.load.loop_model == LoopModel::Closed;
    let status = if is_closed { at_most_warn(status) } else { status };
    let figures = match count {
        0 => "The generator never paused for more than 1 ms.".to_owned(),
        _ => format!(
            "The generator paused {} for more than 1 ms, for {} at most: {:.2} % of a thread's time (up to 0.1 % is \
             good; above 1 %, p99 is that of the pauses).",
            counted(count, "time"),
            time(longest * 1e9),
            100.0 * most
        ),
    };
    let advice = "The series shows when. Try: cores that nobody else uses, with --cores, or a longer run.";
    Finding::judged(status, figures, advice)
}

/// Only the longest pauses are kept; the others are at least as long as what is counted.
fn paused_s(worker: &WorkerEvidence) -> f64 {
    let kept: f64 = worker.pauses.iter().map(|pause| pause.length_s).sum();
    kept + worker.pause_count.saturating_sub(worker.pauses.len() as u64) as f64 * PAUSE_MIN_S
}

/// Whether all threads saw the same server.
pub(super) fn worker_spread(evidence: &Evidence<'_>) -> Finding {
    if evidence.workers.len() < 2 {
        return Finding::pass("There is one thread.");
    }
    if evidence.workers.iter().any(|worker| worker.ok < SPREAD_SAMPLES_MIN) {
        return Finding::skipped(format!("A thread has fewer than {SPREAD_SAMPLES_MIN} answers."));
    }
    let most = evidence.workers.iter().map(|worker| worker.ok).max().unwrap_or(1) as f64;
    let least = evidence.workers.iter().map(|worker| worker.ok).min().unwrap_or(1) as f64;
    let rate = most / least;
    let rate_bound = match evidence.load.loop_model {
        LoopModel::Open => SPREAD_RATE_OPEN,
        LoopModel::Closed => SPREAD_RATE_CLOSED,
    };
    let ends: Vec<_> =
        evidence.workers.iter().filter_map(|worker| confidence(&worker.response, 0.99)).collect();
    let p99s = evidence.workers.iter().map(|worker| worker.response.value_at_quantile(0.99) as f64);
    let (slow, fast) = p99s.fold((0.0, f64::INFINITY), |(slow, fast), p99| (p99.max(slow), p99.min(fast)));
    let p99 = slow / fast.max(1.0);
    // Few samples differ by chance: the intervals of the extremes must not touch.
    let apart = ends.iter().map(|(low, _)| low).max() > ends.iter().map(|(_, high)| high).min();
    let is_apart = SPREAD_P99 < p99 && apart;
    let status = if is_apart || rate_bound < rate { Status::Warn } else { Status::Pass };
    let figures = format!(
        "One thread's p99 is {p99:.2} times another's (up to {SPREAD_P99} is good), and its rate {rate:.2} times (up to \
         {rate_bound} is good)."
    );
    Finding::judged(
        status,
        figures,
        "The report has each thread. Try: other --cores, or connections that divide evenly.",
    )
}

/// What one time stamp for several completions can be wrong by.
pub(super) fn stamp_residual(evidence: &Evidence<'_>) -> Finding {
    let p99 = evidence.workers.iter().filter(|worker| !worker.residual.is_empty());
    let Some(p99) = p99.map(|worker| worker.residual.value_at_quantile(0.99)).max() else {
        return Finding::skipped("No turn took several completions.");
    };
    let bound = RESIDUAL_NS.max(RESIDUAL_SHARE * median(evidence.service));
    let status = above(p99 as f64, bound, f64::INFINITY);
    let figures = format!(
        "Answers that are taken together are up to {} apart at p99, which their times may be wrong by; up to {} is good.",
        time(p99 as f64),
        time(bound)
    );
    Finding::judged(status, figures, "Try: more --threads, or fewer requests in flight.")
}

/// Whether answers had to wait for a buffer of ours.
pub(super) fn receive_buffers(evidence: &Evidence<'_>) -> Finding {
    let missing: u64 = evidence.workers.iter().map(|worker| worker.no_buffers).sum();
    let status = if 0 < missing { Status::Warn } else { Status::Pass };
    let figures = format!("{} found no free buffer of the generator.", counted(missing, "receive"));
    let advice =
        "Their answers waited in the kernel meanwhile. Try: fewer requests in flight, or more --threads.";
    Finding::judged(status, figures, advice)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::evidence::Pause;
    use crate::check::example::{Example, check, constant};

    fn busy(percent: u64) -> impl FnOnce(&mut Example) {
        move |example| example.workers[1].processor.total = Duration::from_millis(100 * percent)
    }

    /// The example was measured for 10 s.
    #[test]
    fn a_busy_core_is_late() {
        check(own_cpu, Example::open(), busy(65), Status::Pass, "used 65 % of core 1");
        check(own_cpu, Example::open(), busy(80), Status::Warn, "up to 70 % is good");
        check(own_cpu, Example::open(), busy(95), Status::Fail, "Try: more --threads");
        check(own_cpu, Example::closed(), busy(80), Status::Pass, "closed loop");
        check(own_cpu, Example::closed(), busy(98), Status::Warn, "The generator is the limit");
    }

    #[test]
    fn a_spinning_thread_is_judged_by_who_interrupts_it() {
        let spinning = |switches| {
            move |example: &mut Example| {
                busy(100)(example);
                example.load.spins = true;
                example.workers[0].involuntary_switches = switches;
            }
        };
        check(own_cpu, Example::open(), spinning(200), Status::Pass, "20 times per second");
        check(own_cpu, Example::open(), spinning(2500), Status::Warn, "Others want these cores");
    }

    #[test]
    fn pauses_add_up() {
        let paused = |count, lengths: &'static [f64]| {
            move |example: &mut Example| {
                example.workers[0].pause_count = count;
                let pause = |length_s: &f64| Pause { at_s: 1.0, length_s: *length_s };
                example.workers[0].pauses = lengths.iter().map(pause).collect();
            }
        };
        check(stalls, Example::open(), paused(2, &[0.002, 0.003]), Status::Pass, "paused 2 times");
        check(stalls, Example::open(), paused(1, &[0.011]), Status::Warn, "for 11.0 ms at most");
        check(stalls, Example::open(), paused(1, &[0.2]), Status::Fail, "2.00 % of a thread");
        check(stalls, Example::open(), paused(200, &[0.002]), Status::Fail, "2.01 % of a thread");
        check(stalls, Example::closed(), paused(1, &[0.2]), Status::Warn, "for 200 ms at most");
    }

    #[test]
    fn threads_that_see_different_servers_are_told() {
        let slower = |example: &mut Example| example.workers[1].response = constant(2_000_000, 5000);
        check(worker_spread, Example::open(), slower, Status::Warn, "is 4.");
        let less = |example: &mut Example| example.workers[1].ok = 4000;
        check(worker_spread, Example::open(), less, Status::Warn, "rate 1.25 times");
        check(worker_spread, Example::closed(), less, Status::Pass, "rate 1.25 times");
        let few = |example: &mut Example| example.workers[1].ok = 40;
        check(worker_spread, Example::open(), few, Status::Skipped, "fewer than 1000 answers");
    }

    #[test]
    fn stamps_and_buffers_are_judged() {
        let apart = |example: &mut Example| example.workers[0].residual = constant(70_000, 100);
        check(stamp_residual, Example::open(), apart, Status::Warn, "up to 70.0 µs apart");
        let missing = |example: &mut Example| example.workers[0].no_buffers = 1;
        check(receive_buffers, Example::open(), missing, Status::Warn, "1 receive found no free buffer");
    }
}
