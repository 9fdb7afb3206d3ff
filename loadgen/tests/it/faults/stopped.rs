//! The generator does not run although it should: the result says that it was the generator.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use loadgen::result::{Latency, Stall, Status};
use tidemill::sys::cpu;

use super::{Ongoing, pass};
use crate::peer::Peer;
use crate::truth::{assert_conserved, check, quiet, typed};

/// How long the generator is stopped.
const STOP: Duration = Duration::from_millis(200);

/// Requests due while the generator was stopped leave late, and that is its lag; the server is as quick as ever. Only
/// what was in flight at the stop may seem slow.
#[test]
fn a_stop_of_the_generator_is_its_own_lag() {
    let _quiet = quiet();
    let peer = Peer::start("tcp://127.0.0.1:0", "--law fixed:1ms");
    let mut run = Ongoing::start(&peer.url, "-c 64 --rate 500 --warmup 0s --duration 2500ms");
    run.await_progress();
    run.signal("-STOP");
    pass(STOP);
    run.signal("-CONT");
    let (code, result, _) = run.end();
    assert_eq!(code, 0, "{:?}", result.problems);
    assert_conserved(&result, 1250);
    let generator = &result.generator;
    // Behind the first second, which was shown; a busy machine may have others.
    let is_stop = |stall: &&Stall| 150.0 <= stall.length_ms && 0.9 <= stall.at_s && stall.at_s <= 2.5;
    assert!(generator.stalls.iter().any(|stall| is_stop(&stall)), "{:?}", generator.stalls);
    let stalled = result.series.iter().map(|interval| interval.stalled_ms).fold(0.0, f64::max);
    assert!(150.0 <= stalled, "the series shows when: {stalled} ms");
    // 100 requests were due in 200 ms, of which 75 waited for more than 50 ms.
    let above = |latency: &Latency, millis: u64| {
        latency.histogram().unwrap().count_between(millis * 1_000_000, u64::MAX)
    };
    let late = above(&result.latency.generator_lag, 50);
    assert!(70 <= late, "{late} requests were late: {:?}", result.latency.generator_lag);
    // Whoever had come at those times would have waited as long.
    let waited = above(&result.latency.response, 50);
    assert!(70 <= waited, "{waited} requests waited: {:?}", result.latency.response);
    // Of the time of all that were late, the server's part is small: only one or two were in flight at the stop.
    let slow = above(&result.latency.service, 100);
    assert!(slow < late / 2, "{slow} answers seem slow, and {late} requests were late");
    assert_eq!(check(&result, "stalls").status, Status::Fail, "{:?}", check(&result, "stalls"));
    assert_eq!(check(&result, "schedule-fidelity").status, Status::Fail);
    assert_eq!(result.verdict, Status::Fail);
}

/// Others want the generator's core, more than it can spare: it says that it was not on time.
#[test]
fn a_core_that_others_use_is_noticed() {
    let _quiet = quiet();
    let core = *cpu::allowed_cores().last().unwrap();
    let peer = Peer::start("tcp://127.0.0.1:0", "--law fixed:1ms");
    let is_over = AtomicBool::new(false);
    let result = thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                cpu::pin(core).unwrap();
                // Relaxed: it carries nothing else.
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let line = format!("-c 64 --rate 1000 --warmup 100ms --duration 1s --cores {core}");
        let run = std::panic::catch_unwind(|| typed(&peer.url, &line));
        is_over.store(true, Ordering::Relaxed);
        run.unwrap().1
    });
    assert_conserved(&result, 1000);
    let own = ["schedule-fidelity", "wake-lateness", "stalls", "own-cpu"].map(|name| check(&result, name));
    assert!(own.iter().any(|check| Status::Pass < check.status), "{own:?}");
}
