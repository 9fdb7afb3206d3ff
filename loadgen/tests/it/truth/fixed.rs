//! Delays that are known to the microsecond: one for all, and two that are mixed.

use super::{MS, Measured, measure, quiet};

/// Connections enough that no request waits for another.
const LOAD: &str = "-c 64 --rate 500 --warmup 200ms --duration 1s";

fn fixed(millis: u32) -> Measured {
    let measured = measure("tcp://127.0.0.1:0", &format!("fixed:{millis}ms"), LOAD);
    measured.assert_all_ok(500);
    measured
}

/// The slope is 1 and the floor small: what the delay adds is what is measured, and nothing comes early.
#[test]
fn a_fixed_delay_is_measured_as_it_is() {
    let _quiet = quiet();
    let mut medians = Vec::new();
    for millis in [1, 10] {
        let delay = f64::from(millis) * MS;
        let measured = fixed(millis);
        let (service, least) = (&measured.result.latency.service, delay / 1e3 * 0.999);
        // The histogram keeps three digits, so a value may stand for one that is 0.1 % more.
        assert!(least <= service.min_us, "{millis} ms: {service:?} begins too early");
        let (median, highest) = (measured.response(0.5), measured.noise().highest(0.5, 1.0, |_| delay));
        assert!(delay * 0.999 <= median && median <= highest, "{millis} ms: {median} ns, up to {highest}");
        medians.push((median, highest - delay));
    }
    let [(one, noise_of_one), (ten, noise_of_ten)] = medians[..] else { unreachable!() };
    let room = noise_of_one.max(noise_of_ten) + 0.01 * ten;
    assert!((ten - one - 9.0 * MS).abs() <= room, "{one} and {ten} ns differ by 9 ms, up to {room} ns");
}

/// One in a hundred takes a hundred times as long. At 1000 per second 64 connections are free when they are needed.
#[test]
fn the_rare_slow_answer_is_as_rare_as_it_is() {
    let _quiet = quiet();
    let line = "-c 64 --rate 1000 --warmup 200ms --duration 3s";
    let measured = measure("tcp://127.0.0.1:0", "mix:99%@100us,1%@10ms", line);
    measured.assert_all_ok(3000);
    let response = measured.result.latency.response.histogram().unwrap();
    let slow = response.count_between(5_000_000, u64::MAX) as f64;
    // Binomial: 30 are expected with a standard deviation of 5.45; three of these.
    let (low, high) = (30.0 - 3.0 * 5.45, 30.0 + 3.0 * 5.45);
    let noisy = 3000.0 * measured.noise().share_above(4.9 * MS);
    assert!(
        low <= slow && slow <= high + noisy,
        "{slow} took more than 5 ms: {low} to {high}, or {noisy} more"
    );
    // The law: 0.1 ms up to 99 %, and 10 ms beyond.
    let law = |quantile: f64| if quantile <= 0.98 { 0.1 * MS } else { 10.0 * MS };
    let (median, highest) = (measured.response(0.5), measured.noise().highest(0.5, 1.0, law));
    assert!(0.0999 * MS <= median && median <= highest, "{median} ns is the median, up to {highest}");
    let rare = measured.response(0.999);
    assert!(9.99 * MS <= rare, "{rare} ns is the 99.9th percentile");
}
