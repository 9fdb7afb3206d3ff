//! Intended times follow from the seed and the rate, and from nothing that a server does.

use super::{assert_conserved, measure, quiet};

const POISSON: &str = "-c 32 --rate 1000 --arrivals poisson --warmup 100ms --duration 300ms";

fn hash(law: &str, line: &str) -> (String, u64) {
    let measured = measure("tcp://127.0.0.1:0", law, line);
    let requests = measured.result.requests;
    assert_conserved(&measured.result, requests.scheduled);
    (measured.result.config.schedule_hash.expect("the schedule was followed to its end"), requests.scheduled)
}

#[test]
fn the_same_seed_is_the_same_schedule_whatever_the_server_does() {
    let _quiet = quiet();
    let quick = hash("none", &format!("{POISSON} --seed 1"));
    // This one stands still for half of the time, and more wait than there are connections.
    assert_eq!(hash("stall:200ms,100ms", &format!("{POISSON} --seed 1")), quick);
    assert_ne!(hash("none", &format!("{POISSON} --seed 2")).0, quick.0);
    assert_ne!(
        hash("none", &format!("{POISSON} --seed 1 --rate 1001").replace("--rate 1000 ", "")).0,
        quick.0
    );
    let even = "-c 8 --rate 1000 --warmup 100ms --duration 300ms";
    let (first, count) = hash("none", even);
    assert_eq!((hash("fixed:5ms", &format!("{even} --seed 2")).0, count), (first, 300));
}
