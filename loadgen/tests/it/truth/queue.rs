//! One server and one queue, where the law of the arrivals decides on the waiting: M/M/1 and D/M/1.
//!
//! With service at mu per second and arrivals at lambda, the time in an M/M/1 system is exponential with the rate mu -
//! lambda. With even arrivals (GI/M/1, Kleinrock 1975, 6.4) it is exponential with mu (1 - sigma), where sigma =
//! e^(-(1 - sigma) mu / lambda); for half the load that is 0.2032.

use std::sync::OnceLock;

use super::{MS, Measured, measure, quiet, say};

/// Requests that the server does per second.
const SERVICE_RATE: f64 = 1000.0;
/// The law for the peer.
pub(super) const LAW: &str = "mm1:1000";
/// Mean time in the system with Poisson arrivals at half the rate of service, in nanoseconds.
pub(super) const POISSON_MEAN: f64 = 1e9 / (SERVICE_RATE - 500.0);
/// The same with even arrivals.
const EVEN_MEAN: f64 = 1e9 / (SERVICE_RATE * (1.0 - 0.203_188));
/// Requests of which one stands for itself. The system forgets within 1 / (mu (1 - sqrt(rho))^2) = 11.7 ms (Cohen
/// 1982, III.7.3), so sums over requests vary as those of independent ones that are 2 * 11.7 ms * 500/s times fewer.
const CORRELATED: f64 = 12.0;
/// Standard deviations of chance. The seeds are fixed, so a run that lies within does so whenever it is repeated.
const DEVIATIONS: f64 = 2.0;
/// How many requests one that is delayed delays with itself: those behind it in the queue, two on average.
const SPREAD: f64 = 3.0;

const LOAD: &str = "-c 128 --rate 500 --warmup 500ms --duration 6s";
const REQUESTS: f64 = 3000.0;

/// The time in the system at this quantile, and the lowest and highest that so many samples allow.
pub(super) struct Band {
    pub(super) mean: f64,
    pub(super) samples: f64,
}

impl Band {
    fn at(&self, quantile: f64) -> f64 {
        if quantile < 1.0 { -self.mean * (1.0 - quantile).ln() } else { f64::INFINITY }
    }

    fn chance(&self, quantile: f64) -> f64 {
        DEVIATIONS * (quantile * (1.0 - quantile) * CORRELATED / self.samples).sqrt()
    }

    pub(super) fn lowest(&self, quantile: f64) -> f64 {
        0.999 * self.at((quantile - self.chance(quantile)).max(0.0))
    }

    pub(super) fn highest(&self, quantile: f64) -> f64 {
        1.001 * self.at(quantile + self.chance(quantile))
    }

    /// The highest that a run in this noise may show.
    fn highest_of(&self, measured: &Measured, quantile: f64) -> f64 {
        measured.noise().highest(quantile, SPREAD, |quantile| self.highest(quantile))
    }

    fn assert_holds(&self, measured: &Measured) {
        for quantile in [0.5, 0.9, 0.95, 0.99] {
            let found = measured.response(quantile);
            let (lowest, highest) = (self.lowest(quantile), self.highest_of(measured, quantile));
            assert!(
                lowest <= found && found <= highest,
                "{quantile}: {found} ns, from {lowest} to {highest}, theory {}",
                self.at(quantile)
            );
        }
    }
}

pub(super) const POISSON: Band = Band { mean: POISSON_MEAN, samples: REQUESTS };
const EVEN: Band = Band { mean: EVEN_MEAN, samples: REQUESTS };

fn poisson() -> Measured {
    measure("tcp://127.0.0.1:0", LAW, &format!("{LOAD} --arrivals poisson --seed 3"))
}

/// One run for all tests that look at it.
pub(super) fn one() -> &'static Measured {
    static ONE: OnceLock<Measured> = OnceLock::new();
    ONE.get_or_init(poisson)
}

/// Every request of the schedule was answered; Poisson arrivals are as many as chance has it.
fn assert_complete(measured: &Measured) {
    let scheduled = measured.result.requests.scheduled;
    measured.assert_all_ok(scheduled);
    // 3000 with a standard deviation of 54.8; four of these.
    assert!((scheduled as f64 - REQUESTS).abs() <= 4.0 * REQUESTS.sqrt(), "{scheduled} were scheduled");
}

/// How often it is measured where the machine's noise could explain the other law, too.
const ATTEMPTS: usize = 2;
/// At this quantile the two laws are farthest apart, beyond chance.
const TELLING: f64 = 0.9;

#[test]
fn independent_arrivals_wait_as_in_an_mm1_queue() {
    let _quiet = quiet();
    assert_complete(one());
    POISSON.assert_holds(one());
    // Even arrivals would wait less: if only noise could explain the difference, it is measured again.
    for attempt in 1..=ATTEMPTS {
        let again;
        let measured = if attempt == 1 {
            one()
        } else {
            again = poisson();
            assert_complete(&again);
            &again
        };
        let (found, even) = (measured.response(TELLING), EVEN.highest_of(measured, TELLING));
        if even < found {
            return;
        }
        say(&format!("attempt {attempt}: {found} ns could be even arrivals in noise, up to {even} ns"));
        assert!(POISSON.lowest(TELLING) < even, "{found} ns is no M/M/1 queue: even arrivals explain it");
    }
}

#[test]
fn even_arrivals_wait_as_in_a_dm1_queue() {
    let _quiet = quiet();
    for attempt in 1..=ATTEMPTS {
        let measured = measure("tcp://127.0.0.1:0", LAW, LOAD);
        measured.assert_all_ok(3000);
        EVEN.assert_holds(&measured);
        let (found, poisson) = (measured.response(TELLING), POISSON.lowest(TELLING));
        if found < poisson {
            return;
        }
        say(&format!("attempt {attempt}: {found} ns could be independent arrivals, from {poisson} ns"));
        let highest = EVEN.highest_of(&measured, TELLING);
        assert!(poisson < highest, "{found} ns is no D/M/1 queue: independent arrivals explain it");
    }
}

/// The table that these constants come from (2000/s, half of it offered) is twice as fast: 0.435 ms is its median.
#[test]
fn the_closed_forms_agree_with_the_published_table() {
    let close =
        |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 2e-3, "{found} {expected}");
    for (quantile, even, poisson) in [(0.5, 0.435, 0.693), (0.9, 1.445, 2.303), (0.99, 2.890, 4.605)] {
        close(EVEN.at(quantile) / 2.0, even * MS);
        close(POISSON.at(quantile) / 2.0, poisson * MS);
    }
}
