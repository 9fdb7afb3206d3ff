//! Load from several places is the same load: two generators at half the rate each, and two threads instead of one.

use std::thread;

use loadgen::record::{add, new_histogram};

use super::noise::Noise;
use super::queue::{LAW, POISSON};
use super::{Peer, assert_conserved, quiet, typed};

/// Poisson processes add up to one, so the same queue builds up, and the merged histogram obeys the law of one generator.
#[test]
fn two_generators_are_one_of_twice_the_rate() {
    let _quiet = quiet();
    let peer = Peer::start("tcp://127.0.0.1:0", &format!("--law {LAW}"));
    let start = |seed: u64| {
        let url = peer.url.clone();
        let line = format!("-c 64 --rate 250 --arrivals poisson --warmup 500ms --duration 6s --seed {seed}");
        thread::spawn(move || typed(&url, &line))
    };
    let running = [start(5), start(6)];
    let results = running.map(|running| running.join().unwrap());
    let peer = peer.stop();
    let mut merged = new_histogram();
    for (code, result) in &results {
        assert_eq!(*code, 0, "{:?}", result.problems);
        assert_conserved(result, result.requests.scheduled);
        add(&mut merged, &result.latency.response.histogram().unwrap());
    }
    assert_eq!(merged.len(), results.iter().map(|(_, result)| result.requests.ok).sum::<u64>());
    // 3000 with a standard deviation of 54.8; four of these.
    assert!(merged.len().abs_diff(3000) <= 220, "{}", merged.len());
    assert_ne!(results[0].1.config.schedule_hash, results[1].1.config.schedule_hash);
    for quantile in [0.5, 0.9, 0.95] {
        let found = merged.value_at_quantile(quantile) as f64;
        let noises = [0, 1].map(|place| Noise::of(&results[place].1, &peer));
        let highest = noises.map(|noise| noise.highest(quantile, 6.0, |quantile| POISSON.highest(quantile)));
        let highest = highest[0].max(highest[1]);
        assert!(
            POISSON.lowest(quantile) <= found && found <= highest,
            "{quantile}: {found} ns merged, up to {highest}"
        );
    }
}

#[test]
fn two_threads_have_the_schedule_of_one() {
    if thread::available_parallelism().unwrap().get() < 2 {
        return;
    }
    let _quiet = quiet();
    let peer = Peer::start("tcp://127.0.0.1:0", "");
    for threads in [1, 2] {
        let line = format!("-c 8 --rate 1000 --warmup 100ms --duration 500ms --threads {threads}");
        let (code, result) = typed(&peer.url, &line);
        assert_eq!(code, 0, "{:?}", result.problems);
        assert_conserved(&result, 500);
        assert_eq!(result.generator.workers.len(), threads);
    }
}
