//! Searches on simulated servers, whose true limits are known.

use std::cell::Cell;

use super::*;
use crate::compare::simulated::{normal, run};
use crate::random::Random;
use crate::result::{Latency, Status};

fn aim(slo: &str) -> Aim {
    Aim { objectives: vec![slo.parse().unwrap()], min_ok: MinOk(0.999), from: 1000.0, most: 1e6 }
}

/// A server with one queue and exponential service times (M/M/1): its response time is exponential with the rate
/// mu - lambda, so that p99 is ln(100) / (mu - lambda). Beyond mu there is no end to it.
fn queue(rate: f64, mu: f64) -> RunResult {
    let left = mu - rate;
    let at = |times: f64| if 0.0 < left { times.ln() / left * 1e6 } else { 1e9 };
    let mut run = run(rate);
    run.latency.response =
        Latency { count: 100_000, p50_us: at(2.0), p99_us: at(100.0), ..Latency::default() };
    run
}

/// Searches a simulated server.
fn found(aim: &Aim, mut server: impl FnMut(f64) -> RunResult) -> Search {
    let search = search::<()>(aim, &mut |probe| Ok(server(probe.rate)), &mut |_| {}).unwrap();
    assert!(search.probes.len() <= RUNS_MAX);
    search
}

/// With mu = 10000/s and p99<2ms the limit is 10000 - ln(100) / 0.002 = 7697.4/s.
#[test]
fn the_limit_of_a_queue_is_found() {
    let search = found(&aim("p99<2ms"), |rate| queue(rate, 10_000.0));
    let rate = search.rate.unwrap();
    assert!((7697.4 / 1.02..=7697.4).contains(&rate), "{rate}");
    assert_eq!(search.outcome, Outcome::ServerLimited);
    let purposes: Vec<Purpose> = search.probes.iter().map(|probe| probe.purpose).collect();
    // 1000, 2000, 4000, 8000; 4000 apart, and 125, less than 2 % of 7697, after five halvings; one run to be sure.
    assert_eq!(purposes[..4], [Purpose::Ramp; 4]);
    assert_eq!(purposes[4..], [[Purpose::Bisect; 5].as_slice(), &[Purpose::Confirm]].concat());
    assert!(search.sentence.contains("/s keep p99<2ms, 99.9 % ok; more do not ("), "{}", search.sentence);
    assert!(search.probes.iter().all(|probe| probe.result.series.is_empty()));
}

/// A generator that cannot do more than 5000/s, in front of a server that could.
#[test]
fn a_generator_at_its_end_is_named() {
    let search = found(&aim("p99<2ms"), |rate| {
        let mut run = queue(rate, 100_000.0);
        if 5000.0 < rate {
            run.checks[2].status = Status::Fail;
            run.checks[2].sentence = "Its threads used 97 % of their cores. Try: a lower --rate.".to_owned();
        }
        run
    });
    let rate = search.rate.unwrap();
    assert!((5000.0 / 1.02..=5000.0).contains(&rate), "{rate}");
    assert_eq!(search.outcome, Outcome::ClientLimited);
    assert!(search.sentence.starts_with("client-limited at "), "{}", search.sentence);
    // Its own advice once, none that fits a single run only, and no full stop before another.
    assert!(search.sentence.contains("/s: own-cpu). Try: "), "{}", search.sentence);
    assert_eq!(search.sentence.matches("Try:").count(), 1, "{}", search.sentence);
    assert!(!search.sentence.contains("--rate") && !search.sentence.contains(".."), "{}", search.sentence);
}

/// Every third run is disturbed on the generator's side; the limit is the server's all the same.
#[test]
fn a_generator_that_was_disturbed_is_tried_again() {
    for first in 0..3 {
        let mut number = first;
        let search = found(&aim("p99<2ms"), |rate| {
            let mut run = queue(rate, 10_000.0);
            number += 1;
            if number % 3 == 0 {
                run.checks[2].status = Status::Fail;
            }
            run
        });
        // ln(100) / 2 ms below 10,000/s, as for a search without disturbances.
        let rate = search.rate.unwrap();
        assert!((7697.4 / 1.02..=7697.4).contains(&rate), "{first}: {rate}");
        assert_eq!(search.outcome, Outcome::ServerLimited, "{first}: {}", search.sentence);
    }
}

/// Five percent of noise in p99, which is one percent in the rate: each seed ends with a confirmed rate near the limit.
#[test]
fn noise_does_not_lead_astray() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let search = found(&aim("p99<2ms"), |rate| {
            let mut run = queue(rate, 10_000.0);
            run.latency.response.p99_us *= (0.05 * normal(&mut random)).exp();
            run
        });
        let rate = search.rate.unwrap_or_default();
        assert!((6900.0..=8100.0).contains(&rate), "seed {seed}: {rate}");
        assert!(search.probes.last().is_some_and(|probe| probe.is_kept && probe.purpose == Purpose::Confirm));
    }
}

/// A server that keeps its objective in short runs only: the rate goes down until a long run keeps it.
#[test]
fn a_rate_that_does_not_last_is_not_confirmed() {
    let aim = aim("p99<2ms");
    let mut measure = |probe: Probe| {
        let mu = if probe.purpose == Purpose::Confirm { 9000.0 } else { 10_000.0 };
        Ok::<_, ()>(queue(probe.rate, mu))
    };
    let rows = Cell::new(0);
    let search = search(&aim, &mut measure, &mut |_| rows.set(rows.get() + 1)).unwrap();
    assert_eq!(rows.get(), search.probes.len());
    // 9000 - ln(100) / 0.002 is 6697.4; 2, 4 and 8 % down from 7600 to 7697 is between 6580 and 6665.
    let rate = search.rate.unwrap();
    assert!((6570.0..=6697.4).contains(&rate), "{rate}");
    assert_eq!(search.outcome, Outcome::ServerLimited);
}

#[test]
fn the_ends_of_the_range_are_named() {
    let slow = found(&aim("p99<2ms"), |rate| queue(rate, 100.0));
    assert_eq!((slow.outcome, slow.rate, slow.probes.len()), (Outcome::NotEvenAtStart, None, 1));
    assert!(slow.sentence.starts_with("not even 1,000/s: p99 "), "{}", slow.sentence);
    let quick = found(&Aim { most: 5000.0, ..aim("p99<2ms") }, |rate| queue(rate, 1e9));
    assert_eq!((quick.outcome, quick.rate), (Outcome::ReachedMaxRate, Some(5000.0)));
    let rates: Vec<f64> = quick.probes.iter().map(|probe| probe.rate).collect();
    assert_eq!(rates, [1000.0, 2000.0, 4000.0, 5000.0, 5000.0]);
    let weak = found(&aim("p99<2ms"), |rate| {
        let mut run = queue(rate, 1e9);
        run.checks[0].status = Status::Fail;
        run
    });
    assert_eq!((weak.outcome, weak.rate), (Outcome::ClientLimited, None));
}

/// Servers that answer at random: never more runs than the bound, and never a rate that the last run did not keep.
#[test]
fn the_number_of_runs_has_a_bound() {
    for seed in 0..500 {
        let mut random = Random::new(seed);
        let chance = random.unit();
        let aim = Aim { from: 1.0, most: 1e9, ..aim("p99<2ms") };
        let search = found(&aim, |rate| queue(rate, if random.unit() < chance { 1e12 } else { 0.0 }));
        let is_confirmed = search.probes.last().is_some_and(|probe| probe.is_kept);
        assert_eq!(
            search.rate.is_some(),
            is_confirmed && search.outcome != Outcome::NotConfirmed,
            "seed {seed}"
        );
    }
    let endless = Aim { from: 1000.0, most: 1e300, ..aim("p99<2ms") };
    let search = found(&endless, |rate| queue(rate, 1e301));
    assert_eq!((search.outcome, search.probes.len()), (Outcome::NotConfirmed, RUNS_MAX));
}

/// Of 100000 samples 10 lie beyond p99.99 and 1000 beyond p99; of 20000, only 2.
#[test]
fn a_percentile_of_few_samples_is_named() {
    let mut aim = aim("p99<2ms");
    aim.objectives.push("p99.99<1s".parse().unwrap());
    assert!(found(&aim, |rate| queue(rate, 10_000.0)).warnings.is_empty());
    let search = found(&aim, |rate| {
        let mut run = queue(rate, 10_000.0);
        run.latency.response.count = 20_000;
        run
    });
    let [warning] = search.warnings.as_slice() else { panic!("{:?}", search.warnings) };
    assert!(warning.starts_with("only 2 samples of the last run lie beyond p99.99"), "{warning}");
    let search = found(&aim, |rate| {
        let mut run = queue(rate, 10_000.0);
        run.latency.response.count = 10_000;
        run
    });
    assert!(
        search.warnings[0].starts_with("only 1 sample of the last run lies beyond"),
        "{:?}",
        search.warnings
    );
}

#[test]
fn a_signal_ends_it() {
    let search = found(&aim("p99<2ms"), |rate| {
        let mut run = queue(rate, 1e9);
        run.counts.interrupted = 3000.0 < rate;
        run
    });
    assert_eq!((search.outcome, search.rate, search.probes.len()), (Outcome::Interrupted, None, 3));
    let json = serde_json::to_value(&search).unwrap();
    assert_eq!(
        (&json["schema"], &json["outcome"]),
        (&"tidemill-loadgen-search/1".into(), &"interrupted".into())
    );
    assert_eq!(json["probes"][0]["result"]["schema"], "tidemill-loadgen/2");
}

#[test]
fn a_run_that_cannot_take_place_ends_it() {
    let mut measure = |_| Err("nobody listens");
    assert_eq!(search(&aim("p99<2ms"), &mut measure, &mut |_| {}), Err("nobody listens"));
}
