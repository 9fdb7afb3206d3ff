//! Whether requests left by the law that was asked for: evenly, or like many strangers; and not in bursts.
//!
//! Each thread is judged for itself, by the beginning of its measured time. That the intended times follow the law is
//! one question; that requests really left at such times is another, since a generator that wakes late sends several
//! at once, and a server that is met by bursts is another server.

use super::evidence::{Evidence, WorkerEvidence};
use super::finding::{Finding, above, time};
use super::schedule::waits_for_connections;
use super::statistics::{EXPONENTIAL_BOUND, anderson_darling, dispersion, quantile};
use crate::result::{Arrivals, LoopModel, Status};

/// Gaps that a thread needs to be judged.
const GAPS_MIN: usize = 100;
/// Most gaps that are looked at.
const GAPS_MAX: usize = 4096;
/// Shorter times cannot be kept by a thread that sleeps, so gaps below say nothing.
const RESOLUTION_NS: f64 = 100_000.0;
/// How far a gap may be from its intended length, as a part of the mean.
const GAP_SHARE: f64 = 0.1;
/// A deviation of half of all gaps that is a failure when it also exceeds the mean gap.
const GAP_FAIL_NS: f64 = 1_000_000.0;
/// Rounding of intended times, in nanoseconds.
const ROUNDING_NS: f64 = 2.0;
/// How far the intended rate may be from the one asked for.
const RATE_SHARE: f64 = 0.001;
/// Standard deviations of a statistic that are no chance.
const DEVIATIONS: f64 = 5.0;
/// Bins for counts: about so many.
const BINS: u64 = 128;
/// Fewest bins that say something.
const BINS_MIN: usize = 20;
/// Narrowest bin, in nanoseconds: what happens within is below what a thread that sleeps can keep.
const BIN_MIN_NS: u64 = 1_000_000;
/// How much the dispersion of counts may differ from 1.
const DISPERSION_SHARE: f64 = 0.25;
/// Dispersion above which, or below the inverse of which, the load is another.
const DISPERSION_FAIL: f64 = 4.0;

/// The intended times follow the law: a check of loadgen by itself.
pub(super) fn intended_law(evidence: &Evidence<'_>) -> Finding {
    if evidence.load.loop_model == LoopModel::Closed {
        return Finding::skipped("A closed loop has no intended times.");
    }
    let Some(rate) = evidence.load.rate else { return Finding::skipped("The rate is meant to change.") };
    if 0 < evidence.requests.unsent {
        return Finding::skipped("Requests stayed unsent, so some gaps are missing.");
    }
    let gaps: Vec<Vec<f64>> = evidence.workers.iter().map(|worker| gaps(&worker.intended)).collect();
    if gaps.iter().any(|gaps| gaps.len() < GAPS_MIN) || gaps.is_empty() {
        return Finding::skipped(format!("A thread sent fewer than {GAPS_MIN} requests."));
    }
    let found: f64 = gaps.iter().map(|gaps| 1e9 / mean(gaps)).sum();
    let chance = match evidence.load.arrivals {
        Arrivals::Constant => 0.0,
        // The standard deviation of the mean of so many exponential gaps, over all threads.
        Arrivals::Poisson => DEVIATIONS / (gaps.iter().map(Vec::len).sum::<usize>() as f64).sqrt(),
    };
    let is_rate = (found / rate - 1.0).abs() <= RATE_SHARE + chance;
    let (is_law, law) = match evidence.load.arrivals {
        Arrivals::Constant => {
            let apart = gaps.iter().flat_map(|gaps| {
                let mean = mean(gaps);
                gaps.iter().map(move |gap| (gap - mean).abs())
            });
            let most = apart.fold(0.0, f64::max);
            (most <= ROUNDING_NS, format!("gaps differ from each other by {} at most", time(most)))
        }
        Arrivals::Poisson => {
            let most = gaps.iter().filter_map(|gaps| anderson_darling(gaps)).fold(0.0, f64::max);
            let law = format!(
                "gaps differ from the exponential law by {most:.2} (Anderson-Darling; up to {EXPONENTIAL_BOUND} is chance)"
            );
            (most <= EXPONENTIAL_BOUND, law)
        }
    };
    let status = if is_rate && is_law { Status::Pass } else { Status::Fail };
    let figures = format!("Intended times make {found:.1} requests per second of {rate:.1}, and {law}.");
    Finding::judged(status, figures, "This is a fault of loadgen: please report it with this result.")
}

/// Requests left by the law, too.
pub(super) fn departures(evidence: &Evidence<'_>) -> Finding {
    if evidence.load.loop_model == LoopModel::Closed {
        return Finding::skipped("In a closed loop answers decide when requests leave.");
    }
    if waits_for_connections(evidence) {
        return Finding::skipped("Requests waited for free connections, so answers decided when they left.");
    }
    let judged: Vec<(Status, String)> = evidence
        .workers
        .iter()
        .filter(|worker| {
            GAPS_MIN < worker.departures.len() && worker.departures.len() == worker.intended.len()
        })
        .map(|worker| judge(evidence, worker))
        .collect();
    // The worst of the threads speaks for all.
    let Some((status, figures)) = judged.into_iter().max_by_key(|(status, _)| *status) else {
        return Finding::skipped(format!("No thread sent more than {GAPS_MIN} requests."));
    };
    let advice = "The server met another load than the one asked for. Try: more --threads, --idle spin on cores of their \
                  own, or a lower --rate.";
    Finding::judged(status, figures, advice)
}

/// One thread.
fn judge(evidence: &Evidence<'_>, worker: &WorkerEvidence) -> (Status, String) {
    let (mut status, mut figures) = deviation(worker);
    if evidence.load.arrivals == Arrivals::Poisson && evidence.load.rate.is_some() {
        for (other, words) in [exponential(worker), bursts(worker)].into_iter().flatten() {
            status = status.max(other);
            figures.push_str(&format!(", {words}"));
        }
    }
    (status, format!("On core {} {figures}.", worker.core))
}

/// Real gaps against intended ones.
fn deviation(worker: &WorkerEvidence) -> (Status, String) {
    let (left, intended) = (gaps(&worker.departures), gaps(&worker.intended));
    let mean = mean(&intended);
    let mut apart: Vec<f64> =
        left.iter().zip(&intended).map(|(left, intended)| (left - intended).abs()).collect();
    let (p50, p99) = (quantile(&mut apart, 0.5), quantile(&mut apart, 0.99));
    let warn = RESOLUTION_NS.max(GAP_SHARE * mean);
    let failed = if GAP_FAIL_NS.max(mean) < p50 { Status::Fail } else { Status::Pass };
    let words = format!(
        "gaps of {} on average were {} off at p99 (up to {} is good)",
        time(mean),
        time(p99),
        time(warn)
    );
    (above(p99, warn, f64::INFINITY).max(failed), words)
}

/// Whether gaps are exponential, as far as a thread can keep them. What exceeds the resolution of an exponential gap is
/// exponential again, because that law has no memory; so the short ones, which sleep blurs, are left out.
fn exponential(worker: &WorkerEvidence) -> Option<(Status, String)> {
    let long: Vec<f64> = gaps(&worker.departures)
        .into_iter()
        .filter(|gap| RESOLUTION_NS < *gap)
        .map(|gap| gap - RESOLUTION_NS)
        .collect();
    if long.len() < GAPS_MIN {
        return None;
    }
    let statistic = anderson_darling(&long)?;
    let words = format!(
        "{statistic:.2} from the exponential law (Anderson-Darling; up to {EXPONENTIAL_BOUND} is chance)"
    );
    Some((above(statistic, EXPONENTIAL_BOUND, f64::INFINITY), words))
}

/// Whether counts per bin vary as those of independent requests do.
fn bursts(worker: &WorkerEvidence) -> Option<(Status, String)> {
    let times = &worker.departures[..worker.departures.len().min(GAPS_MAX)];
    let span = times.last()?.saturating_sub(*times.first()?);
    let width = (span / BINS).max(BIN_MIN_NS);
    let (index, bins) = dispersion(times, width)?;
    if bins < BINS_MIN {
        return None;
    }
    // (bins - 1) times the index has the chi-squared law with as many degrees of freedom, less one.
    let chance = DEVIATIONS * (2.0 / (bins - 1) as f64).sqrt();
    let status = if !(1.0 / DISPERSION_FAIL..=DISPERSION_FAIL).contains(&index) {
        Status::Fail
    } else if DISPERSION_SHARE.max(chance) < (index - 1.0).abs() {
        Status::Warn
    } else {
        Status::Pass
    };
    let words = format!(
        "counts per {} had a dispersion of {index:.2} (1 is independent, more is bursts)",
        time(width as f64)
    );
    Some((status, words))
}

fn gaps(times: &[u64]) -> Vec<f64> {
    times.windows(2).take(GAPS_MAX).map(|pair| pair[1].saturating_sub(pair[0]) as f64).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::example::{Example, check, constant, poisson, random, whole};

    fn intended(times: impl Fn(u64) -> Vec<u64>) -> impl FnOnce(&mut Example) {
        move |example| {
            for (worker, number) in example.workers.iter_mut().zip(0..) {
                worker.intended = times(number);
            }
        }
    }

    fn left(times: impl Fn(&[u64]) -> Vec<u64>) -> impl FnOnce(&mut Example) {
        move |example| {
            for worker in &mut example.workers {
                worker.departures = times(&worker.intended);
            }
        }
    }

    #[test]
    fn intended_times_keep_to_rate_and_law() {
        let faster = intended(|_| (0..4096).map(|number| number * 1_990_000).collect());
        check(intended_law, Example::open(), faster, Status::Fail, "1005.0 requests per second of 1000.0");
        let uneven = intended(|_| (0..4096).map(|number| number * 2_000_000 + number % 2 * 100).collect());
        check(intended_law, Example::open(), uneven, Status::Fail, "by 100 ns at most");
        let even = intended(|_| (0..4096).map(|number| number * 2_000_000).collect());
        check(intended_law, Example::poisson(), even, Status::Fail, "from the exponential law by");
        let other_rate = intended(|seed| poisson(seed, 2.4e6, 4096));
        check(intended_law, Example::poisson(), other_rate, Status::Fail, "of 1000.0");
        check(
            intended_law,
            Example::open(),
            |example| example.load.rate = None,
            Status::Skipped,
            "meant to change",
        );
        check(
            intended_law,
            Example::open(),
            |example| example.requests.unsent = 1,
            Status::Skipped,
            "unsent",
        );
        check(
            intended_law,
            Example::open(),
            intended(|_| vec![0, 1]),
            Status::Skipped,
            "fewer than 100 requests",
        );
    }

    #[test]
    fn bursts_of_an_even_schedule_are_seen() {
        // All requests of 20 ms leave together, as from a timer of 50 Hz.
        let bursts = || left(|times| times.iter().map(|time| time.next_multiple_of(20_000_000)).collect());
        check(
            departures,
            Example::open(),
            bursts(),
            Status::Warn,
            "gaps of 2.00 ms on average were 18.0 ms off",
        );
        let slow = left(|times| {
            times.iter().enumerate().map(|(number, time)| time + number as u64 % 2 * 300_000).collect()
        });
        check(
            departures,
            Example::open(),
            slow,
            Status::Warn,
            "were 300 µs off at p99 (up to 200 µs is good)",
        );
        let wild = left(|times| {
            times.iter().enumerate().map(|(number, time)| time + number as u64 % 2 * 5_000_000).collect()
        });
        check(departures, Example::open(), wild, Status::Fail, "Try: more --threads");
    }

    #[test]
    fn independent_requests_that_leave_together_are_seen() {
        let bursts = || left(|times| times.iter().map(|time| time.next_multiple_of(200_000_000)).collect());
        check(departures, Example::poisson(), bursts(), Status::Fail, "had a dispersion of");
        let evenly = left(|times| (0..times.len() as u64).map(|number| number * 2_000_000).collect());
        check(departures, Example::poisson(), evenly, Status::Fail, "dispersion of 0.");
    }

    /// Late by up to 80 µs, more than the gaps: the short gaps are blurred, the long ones and the counts are not.
    #[test]
    fn what_sleep_blurs_is_no_fault() {
        let dense = |example: &mut Example| {
            let mut random = random(5);
            for worker in &mut example.workers {
                worker.intended = poisson(11, 60_000.0, 4096);
                worker.departures =
                    worker.intended.iter().map(|time| time + whole(80_000.0 * random())).collect();
                worker.departures.sort_unstable();
            }
        };
        check(departures, Example::poisson(), dense, Status::Pass, "from the exponential law");
    }

    #[test]
    fn answers_that_decide_on_departures_are_not_judged() {
        let pool = |example: &mut Example| example.queue_wait = constant(80_000_000, 1000);
        check(departures, Example::open(), pool, Status::Skipped, "waited for free connections");
        check(departures, Example::open(), left(|_| Vec::new()), Status::Skipped, "more than 100 requests");
    }
}
