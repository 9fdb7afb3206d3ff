//! A server that is killed in the middle: the run ends in time, rests while nothing can be done, and accounts for all.

use loadgen::result::{RunResult, Status};

use super::Ongoing;
use crate::peer::Peer;
use crate::truth::check;

/// Kills the server in the second second of two and a half.
fn kill(url: &str, line: &str) -> RunResult {
    let peer = Peer::start(url, "--law fixed:1ms");
    let mut run = Ongoing::start(&peer.url, &format!("-c 8 --warmup 0s --duration 2500ms {line}"));
    run.await_progress();
    drop(peer);
    let (code, result, took) = run.end();
    assert_eq!(code, 1, "{url} {line}: {result:?}");
    assert!(took.as_secs_f64() < 8.0, "{url} {line}: the rest took {took:?}");
    assert!(!result.problems.is_empty());
    // It does not spin: what it does is less than what it did while there was a server, all through the run.
    let cpu = result.generator.cpu_user_s + result.generator.cpu_system_s;
    assert!(cpu < 0.5 * result.throughput.duration_s, "{url} {line}: {cpu} s of processor time");
    let requests = result.requests;
    let without = requests.failed + requests.timed_out + requests.outstanding + requests.unsent;
    assert!(0 < requests.ok && 0 < without, "{url} {line}: {requests:?}");
    assert_eq!(requests.ok + without, requests.scheduled, "{url} {line}: {requests:?}");
    // A check that finds a fault of loadgen would be wrong: it was the server.
    assert_ne!(check(&result, "conservation").status, Status::Fail, "{url} {line}: {:?}", result.checks);
    assert_ne!(check(&result, "offered-rate").status, Status::Fail, "{url} {line}: {:?}", result.checks);
    result
}

/// Connections end with their server, and without one there is nothing to wait for.
#[test]
fn a_server_of_connections_that_is_killed_ends_the_run() {
    for (url, line) in [
        ("tcp://127.0.0.1:0", "--rate 500"),
        ("http://127.0.0.1:0", "--rate 500"),
        ("http://127.0.0.1:0", "--rate 500 --requests-per-connection 10"),
        ("http://127.0.0.1:0", ""),
    ] {
        let result = kill(url, line);
        let errors: u64 = result.counts.errors.values().sum();
        assert!((1..=64).contains(&errors), "{url} {line}: {:?}", result.counts.errors);
        assert_eq!(result.counts.connections_at_end, 0, "{url} {line}");
        assert_ne!(check(&result, "connections").status, Status::Pass, "{url} {line}");
        assert!(result.throughput.duration_s < 2.5, "{url} {line}: it ended with the server");
        if !line.is_empty() {
            // Who meant to come came all the same: 500/s for 2.5 s, and whoever found no server was not served.
            assert_eq!(result.requests.scheduled, 1250, "{:?}", result.requests);
            let missed = 1250.0 - 500.0 * result.throughput.duration_s;
            assert!(missed - 9.0 <= result.requests.unsent as f64, "{missed}: {:?}", result.requests);
            assert!(result.config.schedule_hash.is_some(), "the schedule is told to its end");
        }
    }
}

/// Datagrams go on leaving, as their schedule has it, and nothing is lost from the account.
#[test]
fn a_server_of_datagrams_that_is_killed_leaves_requests_without_an_answer() {
    let result = kill("udp://127.0.0.1:0", "--rate 500 -d 100");
    assert_eq!(result.requests.scheduled, 1250);
    assert!(0 < result.counts.lost, "{:?}", result.counts);
    assert!(result.counts.fell_silent);
}
