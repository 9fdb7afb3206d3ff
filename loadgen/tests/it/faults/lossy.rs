//! Peers that lose, repeat and change messages: loadgen counts exactly what the peer counted.

use serde_json::Value;

use crate::peer::Peer;
use crate::truth::{assert_conserved, check, typed};
use loadgen::result::{RunResult, Status};

/// A second of load without warm-up, with room for what waits until it is given up.
const LOAD: &str = "-c 8 --rate 1000 --count 1000";

/// Runs against a peer with this fault; both count `faults` of it, and the peer got all messages.
fn run(url: &str, fault: &str, line: &str, key: &str, faults: u64) -> RunResult {
    let peer = Peer::start(url, &format!("--{fault}"));
    let target = if url.starts_with("http") { format!("{}/echo", peer.url) } else { peer.url.clone() };
    let (code, result) = typed(&target, &format!("{LOAD} {line}"));
    let counts: Value = peer.stop();
    let what = format!("{url} {fault}: {counts}, {:?}, {:?}", result.requests, result.counts);
    assert_eq!((&counts[key], &counts["messages"]), (&faults.into(), &1000.into()), "{what}");
    assert_conserved(&result, 1000);
    assert_eq!(result.counts.sent, 1000, "{what}");
    let is_wrong = 0 < result.counts.verification_errors;
    assert_eq!(code, i32::from(is_wrong), "losing is what datagrams do, changing is not: {what}");
    result
}

#[test]
fn lost_datagrams_are_counted_exactly() {
    // Late is not lost: on a slow machine an answer may take long, but not so long.
    let result = run("udp://127.0.0.1:0", "drop 1/50", "-d 64 --timeout 2s", "dropped", 20);
    assert_eq!((result.counts.lost, result.requests.timed_out, result.requests.ok), (20, 20, 980));
    assert_eq!((result.counts.late, result.counts.duplicated), (0, 0));
    let unanswered = &result.latency.unanswered;
    assert_eq!(unanswered.count, 20);
    assert!(2e6 * 0.999 <= unanswered.min_us, "they are at least as old as the time-out: {unanswered:?}");
    assert_eq!(result.latency.all.count, 1000, "nothing is left out");
    assert_ne!(check(&result, "payload").status, Status::Pass);
}

#[test]
fn repeated_datagrams_are_counted_exactly() {
    let result = run("udp://127.0.0.1:0", "duplicate 1/40", "", "duplicated", 25);
    assert_eq!((result.counts.duplicated, result.counts.lost, result.requests.ok), (25, 0, 1000));
}

#[test]
fn changed_messages_are_counted_exactly() {
    for url in ["udp://127.0.0.1:0", "tcp://127.0.0.1:0", "http://127.0.0.1:0"] {
        let result = run(url, "corrupt 1/50", "", "corrupted", 20);
        assert_eq!(result.counts.verification_errors, 20, "{url}");
        assert!(result.counts.first_mismatch.is_some(), "{url}");
        assert_eq!(check(&result, "payload").status, Status::Fail, "{url}");
        assert!(result.problems[0].starts_with("20 messages came back wrong"), "{:?}", result.problems);
    }
}

/// The content of an answer that nobody knows beforehand is not compared, and the result does not claim it was.
#[test]
fn what_is_not_compared_is_not_called_right() {
    let peer = Peer::start("http://127.0.0.1:0", "--corrupt 1/2");
    let (code, result) = typed(&peer.url, "-c 1 --count 10");
    assert_eq!((code, result.counts.verified_bytes), (0, 0));
    assert_eq!(check(&result, "payload").status, Status::Skipped, "{:?}", check(&result, "payload"));
}

/// One answer in 100 never comes over HTTP: each is given up, its connection replaced, and the run goes on.
#[test]
fn an_answer_that_never_comes_costs_one_request_and_its_connection() {
    let peer = Peer::start("http://127.0.0.1:0", "--drop 1/100");
    let (code, result) = typed(&peer.url, "-c 32 --rate 1000 --count 1500 --timeout 1s");
    let counts = peer.stop();
    assert_eq!((&counts["dropped"], &counts["messages"]), (&15.into(), &1500.into()), "{counts}");
    assert_conserved(&result, 1500);
    assert_eq!((code, result.requests.timed_out, result.requests.ok), (1, 15, 1485), "{:?}", result.counts);
    let unanswered = &result.latency.unanswered;
    assert!(1e6 * 0.999 <= unanswered.min_us && unanswered.count == 15, "{unanswered:?}");
    // Those that were given up after the load need no new connection.
    let reconnects = result.counts.reconnects;
    assert!((1..=15).contains(&reconnects), "{reconnects}");
    assert_eq!(counts["connections"], 32 + reconnects, "{counts}");
}
