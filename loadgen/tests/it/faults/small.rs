//! Loads so small that something could be divided by nothing or waited for in vain.

use loadgen::result::Status;

use crate::peer::Peer;
use crate::truth::{assert_conserved, check, typed};

/// Runs against a peer with this law; all of this many requests are answered.
fn assert_answered(url: &str, law: &str, line: &str, requests: u64) -> loadgen::result::RunResult {
    let peer = Peer::start(url, &format!("--law {law}"));
    let (code, result) = typed(&peer.url, line);
    assert_eq!(code, 0, "{url} {line}: {:?}", result.problems);
    assert_conserved(&result, requests);
    assert_eq!(result.requests.ok, requests, "{url} {line}");
    assert_eq!(result.latency.response.count, requests, "{url} {line}");
    result
}

#[test]
fn a_rate_below_the_number_of_threads_is_kept() {
    // At 0, 500, 1000 and 1500 ms, by two threads in turns; with one core there is one thread.
    let threads = std::thread::available_parallelism().unwrap().get().min(2);
    let line = format!("-c 4 --rate 2 --warmup 0s --duration 1900ms --threads {threads}");
    let result = assert_answered("tcp://127.0.0.1:0", "none", &line, 4);
    let each: Vec<u64> = result.generator.workers.iter().map(|worker| worker.ok).collect();
    assert_eq!(each, vec![4 / threads as u64; threads]);
}

#[test]
fn one_request_is_a_run() {
    for url in ["tcp://127.0.0.1:0", "udp://127.0.0.1:0", "http://127.0.0.1:0"] {
        // The next one would be due in 100 s, for which the run does not wait.
        for line in ["-c 1 --count 1", "-c 1 --count 1 --rate 100", "-c 8 --count 1 --rate 0.01"] {
            assert_answered(url, "none", line, 1);
        }
    }
}

/// What was due within the duration and answered behind it is answered.
#[test]
fn answers_that_take_longer_than_the_run_are_answers() {
    for url in ["tcp://127.0.0.1:0", "http://127.0.0.1:0", "udp://127.0.0.1:0"] {
        let line = "-c 32 --rate 100 --warmup 0s --duration 100ms";
        let result = assert_answered(url, "fixed:500ms", line, 10);
        assert!(499_500.0 <= result.latency.response.min_us, "{url}: {:?}", result.latency.response);
        assert_eq!(result.throughput.answers, 0, "{url}: none came within the duration");
    }
}

#[test]
fn a_run_without_a_request_says_so() {
    let line = "-c 4 --rate 0.01 --warmup 200ms --duration 300ms";
    let peer = Peer::start("tcp://127.0.0.1:0", "--law none");
    let (code, result) = typed(&peer.url, line);
    assert_eq!((code, result.requests.scheduled), (1, 0), "a run that measured nothing is no success");
    assert!(
        result.problems[0].starts_with("no request was due in the measured time"),
        "{:?}",
        result.problems
    );
    let samples = check(&result, "sample-size");
    assert_eq!(samples.status, Status::Fail);
    assert!(samples.sentence.starts_with("No request was due in the measured time"), "{samples:?}");
}
