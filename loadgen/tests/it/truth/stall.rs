//! A server that stands still now and then: what an open loop sees of it, and what a closed loop does not.
//!
//! It pauses for D in each period P, so a share f = D/P of evenly spaced requests meets the pause, and waits for a time
//! that is even from 0 to D: the quantile q is D (1 - (1 - q)/f) where that is positive, and the base before.

use hdrhistogram::Histogram;
use loadgen::result::{Latency, LoopModel};

use super::{MS, Measured, check, measure, quiet, say};

/// P = 1 s, D = 200 ms, and each answer takes 1 ms besides.
const LAW: &str = "stall:1s,200ms,1ms";
const PAUSE: f64 = 200.0 * MS;
const BASE: f64 = MS;
/// Two periods. The first begins with the first message, so each end is far from a pause.
const LOAD: &str = "--rate 500 --warmup 100ms --duration 2s";
const REQUESTS: u64 = 1000;
/// Requests are 2 ms apart, so the first to meet a pause meets it that much later; and the last of the pause.
const GRAIN: f64 = 4.0 * MS;

fn law(quantile: f64) -> f64 {
    BASE.max(PAUSE * (1.0 - (1.0 - quantile) / 0.2))
}

fn value(latency: &Latency, quantile: f64) -> f64 {
    latency.histogram().unwrap().value_at_quantile(quantile) as f64
}

fn above(latency: &Latency, millis: u64) -> u64 {
    let histogram: Histogram<u64> = latency.histogram().unwrap();
    histogram.count_between(millis * 1_000_000, u64::MAX)
}

/// The percentiles of the response time are those of the pause; draining what waits may take so long besides.
fn assert_seen(measured: &Measured, drain: f64) {
    measured.assert_all_ok(REQUESTS);
    assert_eq!(measured.result.config.loop_model, LoopModel::Open);
    for quantile in [0.5, 0.9, 0.95, 0.99] {
        let (found, lowest) = (measured.response(quantile), (law(quantile) - GRAIN).max(0.999 * BASE));
        let highest = measured.noise().highest(quantile, 1.0, law) + GRAIN + drain;
        assert!(lowest <= found && found <= highest, "{quantile}: {found} ns, from {lowest} to {highest}");
    }
}

/// Each part of the response time is in one of the three clocks, so their means add up.
fn assert_parts_add_up(measured: &Measured) {
    let latency = &measured.result.latency;
    let parts = latency.service.mean_us + latency.generator_lag.mean_us + latency.queue_wait.mean_us;
    let whole = latency.response.mean_us;
    assert!((parts / whole - 1.0).abs() < 0.005, "{parts} us in parts, {whole} us together");
}

#[test]
fn an_open_loop_sees_the_pause_as_the_server_s_own_time() {
    let _quiet = quiet();
    // 100 requests come in a pause, and each finds a connection.
    let measured = measure("tcp://127.0.0.1:0", LAW, &format!("-c 160 {LOAD}"));
    assert_seen(&measured, 0.0);
    assert_parts_add_up(&measured);
    let service = value(&measured.result.latency.service, 0.95);
    assert!(
        law(0.95) - GRAIN - (measured.response(0.95) - law(0.95)).abs() - 30.0 * MS <= service,
        "{service}"
    );
    assert!(above(&measured.result.latency.queue_wait, 1) <= 50, "connections were free");
}

#[test]
fn with_few_connections_the_same_pause_is_waiting_for_one() {
    let _quiet = quiet();
    // 4 are in flight in a pause and 96 wait. Behind it 4 leave in each millisecond or so.
    let drain = 40.0 * MS;
    let measured = measure("tcp://127.0.0.1:0", LAW, &format!("-c 4 {LOAD}"));
    let noise = measured.noise();
    let (service, highest) = (
        value(&measured.result.latency.service, 0.9),
        noise.highest(0.9, 1.0, |q| if q < 0.99 { BASE } else { PAUSE }),
    );
    assert_parts_add_up(&measured);
    assert!(service <= highest, "{service} ns, up to {highest}: most requests of the pause left behind it");
    let held = above(&measured.result.latency.service, 100);
    assert!(held <= 8, "{held} were in flight in two pauses");
    // Noise slows the drain, too: each of its rounds may take longer.
    let slow = 25.0 * (noise.highest(0.5, 1.0, |_| BASE) - BASE - 0.3 * MS).max(0.0);
    assert_seen(&measured, drain + slow);
    let waited = value(&measured.result.latency.queue_wait, 0.95);
    assert!(law(0.95) - GRAIN - 10.0 * MS <= waited, "{waited} ns explain {} ns", measured.response(0.95));
}

/// Coordinated omission: while the server pauses a closed loop sends nothing, so of a pause it keeps one sample for each
/// connection. The result says which loop it was.
#[test]
fn a_closed_loop_does_not_see_the_pause_and_says_so() {
    let _quiet = quiet();
    let measured = measure("tcp://127.0.0.1:0", LAW, "-c 2 --warmup 100ms --duration 2s");
    let result = &measured.result;
    assert_eq!((measured.code, result.config.loop_model), (0, LoopModel::Closed));
    assert!(check(result, "closed-loop").sentence.contains("most of a pause is not seen"));
    let (all, held) = (result.requests.ok, above(&result.latency.response, 100));
    assert!(
        (1..=6).contains(&held),
        "{held} of {all} met a pause: one for each connection, and three pauses at most"
    );
    assert!(190.0 * MS / 1e3 <= result.latency.response.max_us, "{:?}", result.latency.response);
    // A machine that makes less than one request in 5 ms has no 99th percentile to speak of.
    if 800 <= all {
        let p99 = measured.response(0.99);
        assert!(p99 < law(0.99) / 2.0, "{p99} ns, where an open loop shows {}", law(0.99));
        assert!(p99 <= measured.noise().highest(0.99, 1.0, |q| if q < 0.995 { BASE } else { PAUSE }));
    } else {
        say(&format!("only {all} requests: the 99th percentile is not judged"));
    }
}
