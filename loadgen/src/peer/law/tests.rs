//! Laws as they are written, and departures against what queueing theory expects.

use super::*;

const MILLI: f64 = 1e6;

/// The times between arrivals, in nanoseconds.
#[derive(Clone, Copy)]
enum Arrivals {
    Poisson(f64),
    Constant(f64),
}

/// The delays of so many messages, sorted, in nanoseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times are short and positive")]
fn delays(law: &str, arrivals: Arrivals, count: usize) -> Vec<u64> {
    let mut departures = Departures::new(law.parse().unwrap(), 11);
    let mut random = Random::new(12);
    let mut at = 1e9;
    let mut delays = Vec::new();
    for _ in 0..count {
        let arrival = Time::from_nanos(at as u64);
        delays.push(departures.departure(arrival).as_nanos() - arrival.as_nanos());
        at += match arrivals {
            Arrivals::Poisson(mean) => random.exponential(mean),
            Arrivals::Constant(time) => time,
        };
    }
    delays.sort_unstable();
    delays
}

/// Expects these percentiles, in milliseconds, within a share of each.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "there are half a million delays of some milliseconds"
)]
fn check_percentiles(delays: &[u64], expected: &[(f64, f64)], tolerance: f64) {
    for (percent, milliseconds) in expected {
        let rank = (percent / 100.0 * delays.len() as f64) as usize;
        let found = delays[rank] as f64 / MILLI;
        let error = (found - milliseconds).abs();
        assert!(error <= tolerance * milliseconds, "p{percent}: {found} ms, expected {milliseconds} ms");
    }
}

/// Exp(µ − λ), with λ = 1000/s and µ = 2000/s: −ln(1 − q) ms.
#[test]
fn poisson_arrivals_at_one_server_wait_as_m_m_1() {
    let delays = delays("mm1:2000", Arrivals::Poisson(MILLI), 400_000);
    check_percentiles(&delays, &[(50.0, 0.693), (90.0, 2.303), (99.0, 4.605), (99.9, 6.908)], 0.03);
}

/// Exp(µ(1 − σ)) with σ = e^{−(1−σ)/ρ} = 0.2032: −ln(1 − q) / 1593.6 s.
#[test]
fn constant_arrivals_at_one_server_wait_as_d_m_1() {
    let delays = delays("mm1:2000", Arrivals::Constant(MILLI), 400_000);
    check_percentiles(&delays, &[(50.0, 0.435), (90.0, 1.445), (99.0, 2.890)], 0.03);
}

/// D(1 − (1 − q)/f), with D = 1 s and f = D/P = 0.1, and 1 ms for each answer.
#[test]
fn a_stall_delays_as_long_as_it_lasts() {
    let delays = delays("stall:10s,1s,1ms", Arrivals::Constant(MILLI), 100_000);
    check_percentiles(&delays, &[(50.0, 1.0), (89.0, 1.0)], 0.0);
    check_percentiles(&delays, &[(95.0, 501.0), (99.0, 901.0), (99.9, 991.0)], 0.003);
}

#[test]
fn a_stall_is_the_end_of_a_period_that_begins_with_the_first_message() {
    let mut departures = Departures::new("stall:10ms,1ms".parse().unwrap(), 1);
    let mut check = |arrival: u64, departure: u64| {
        let found = departures.departure(Time::from_nanos(arrival * 1000)).as_nanos();
        assert_eq!(found, departure * 1000, "arrival at {arrival} µs");
    };
    check(500, 500);
    check(9_499, 9_499);
    check(9_500, 10_500);
    check(10_499, 10_500);
    check(10_500, 10_500);
    check(19_499, 19_499);
    check(19_500, 20_500);
}

#[test]
fn fixed_and_no_delays_are_exact() {
    assert!(delays("none", Arrivals::Poisson(10.0), 1000).iter().all(|&delay| delay == 0));
    assert!(delays("fixed:100us", Arrivals::Poisson(10.0), 1000).iter().all(|&delay| delay == 100_000));
}

/// Of 400,000 messages 1 % are 4000, with a standard deviation of 63; five of them are allowed.
#[test]
fn a_mix_has_its_shares() {
    let delays = delays("mix:99%@100us,1%@10ms", Arrivals::Constant(MILLI), 400_000);
    assert!(delays.iter().all(|&delay| delay == 100_000 || delay == 10_000_000));
    let slow = delays.iter().filter(|&&delay| delay == 10_000_000).count();
    assert!((3685..=4315).contains(&slow), "{slow}");
}

#[test]
fn the_seed_decides_what_is_drawn() {
    let mut delays = Vec::new();
    for seed in [1, 1, 2] {
        let mut departures = Departures::new(Law::Mm1(1e6), seed);
        delays.push((0..100).map(|_| departures.departure(Time::ZERO)).collect::<Vec<_>>());
    }
    assert_eq!(delays[0], delays[1]);
    assert_ne!(delays[0], delays[2]);
}

#[test]
fn laws_are_read_as_they_are_written() {
    let check = |text: &str, law| assert_eq!(text.parse(), Ok(law), "{text}");
    let milli = Duration::from_millis;
    check("none", Law::None);
    check("fixed:10ms", Law::Fixed(milli(10)));
    check("fixed:0s", Law::Fixed(Duration::ZERO));
    check("mm1:2000", Law::Mm1(500_000.0));
    check("mm1:2_000", Law::Mm1(500_000.0));
    check("mm1:0.5", Law::Mm1(2e9));
    check("stall:10s,1s", Law::Stall(Stall { period: milli(10_000), length: milli(1000), base: milli(0) }));
    check(
        "stall:10s, 1s, 1ms",
        Law::Stall(Stall { period: milli(10_000), length: milli(1000), base: milli(1) }),
    );
    let shares = vec![Share { share: 0.75, delay: milli(1) }, Share { share: 0.25, delay: milli(10) }];
    check("mix:75%@1ms,25%@10ms", Law::Mix(shares.clone()));
    check("mix: 75 % @ 1ms, 25%@10ms", Law::Mix(shares));
    check("mix:100%@1ms", Law::Mix(vec![Share { share: 1.0, delay: milli(1) }]));
}

#[test]
fn every_mistake_has_its_sentence() {
    let check = |text: &str, words: &str| {
        let error = text.parse::<Law>().unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
        assert_eq!(error.lines().count(), 1, "{text}: {error}");
    };
    for text in ["", "slow", "fixed", "none:1", "stall:1s", "stall:4s,3s,2s,1s", "Fixed:1ms"] {
        check(text, "a law is none, fixed:10ms, mix:99%@100us,1%@10ms, mm1:2000 or stall:10s,1s");
    }
    for text in ["fixed:10", "fixed:", "fixed:-1ms", "fixed:2h", "mix:100%@soon", "stall:10s,x"] {
        check(text, "is not a delay: write a number with its unit");
    }
    for text in ["mix:", "mix:99", "mix:100@1ms", "mix:-1%@1ms,101%@1ms", "mix:NaN%@1ms"] {
        check(text, "is not a part of a mix");
    }
    check("mix:99%@1ms,2%@1ms", "are 100 % together, and these are 101.000000 %");
    check("mix:33%@1ms,33%@2ms,33%@3ms", "these are 99.000000 %");
    check(&format!("mix:{}", vec!["5%@1ms"; 20].join(",")), "at most 16 parts");
    for text in ["mm1:", "mm1:0", "mm1:-1", "mm1:inf", "mm1:NaN", "mm1:2e9", "mm1:1e-9"] {
        check(text, "is not a rate of service");
    }
    check("stall:1s,1s", "shorter than its period");
    check("stall:1s,0s", "longer than nothing");
}
