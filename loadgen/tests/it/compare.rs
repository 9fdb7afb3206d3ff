//! Comparing results in files, and servers with themselves, with the real binary.

use std::fs;
use std::time::Duration;

use loadgen::record::new_histogram;
use loadgen::result::{
    Config, Counts, Environment, Generator, Interval, Latency, LatencySet, LoopModel, Requests, RunResult,
    SCHEMA, Status, Throughput,
};
use serde_json::Value;

use crate::http_liars::{Reply, http};
use crate::run;
use crate::servers::{Habit, Place, tcp};

/// A result in a file: ten seconds with latencies from 1 to 1000 times `unit`, which are the same in each.
fn kept(name: &str, unit: Duration, connections: u32) -> Place {
    let nanos = u64::try_from(unit.as_nanos()).unwrap();
    let mut second = new_histogram();
    (1..=1000).for_each(|rank| second.record(rank * nanos).unwrap());
    let mut whole = new_histogram();
    (0..10).for_each(|_| whole.add(&second).unwrap());
    let series = (0..10).map(|start| {
        let response = Latency::of(&second);
        Interval { start_s: f64::from(start), length_s: 1.0, ok: 1000, response, ..Interval::default() }
    });
    let result = RunResult {
        schema: SCHEMA.to_owned(),
        verdict: Status::Pass,
        version: "0".to_owned(),
        started_at: "2026-01-01T00:00:00Z".to_owned(),
        config: config(connections),
        environment: Environment::default(),
        throughput: Throughput {
            duration_s: 10.0,
            answers: 10_000,
            requests_per_second: 1000.0,
            bytes_per_second: 64_000.0,
            body_bytes: 64,
            connections_per_second: None,
        },
        requests: Requests { scheduled: 10_000, ok: 10_000, ..Requests::default() },
        counts: Counts::default(),
        latency: LatencySet { response: Latency::of(&whole), ..LatencySet::default() },
        tls: None,
        generator: Generator::default(),
        server: None,
        checks: Vec::new(),
        problems: Vec::new(),
        series: series.collect(),
    };
    let place = Place::new(name);
    fs::write(place.path(), serde_json::to_string(&result).unwrap()).unwrap();
    place
}

fn config(connections: u32) -> Config {
    Config {
        argv: Vec::new(),
        url: "tcp://127.0.0.1:7000".to_owned(),
        protocol: "echo".to_owned(),
        loop_model: LoopModel::Closed,
        arrivals: None,
        rate: None,
        rate_to: None,
        connections,
        depth: 1,
        size: 64,
        duration_s: Some(10.0),
        count: None,
        warmup_s: 1.0,
        timeout_s: 10.0,
        queue: 0,
        requests_per_connection: None,
        sources: Vec::new(),
        seed: 1,
        schedule_hash: None,
        idle: "sleep".to_owned(),
        threads: 1,
        cores: vec![0],
        verify: true,
        congestion: None,
    }
}

/// The word that a comparison has for a figure.
fn word<'a>(json: &'a Value, metric: &str) -> &'a str {
    let lines = json["metrics"].as_array().unwrap();
    let line = lines.iter().find(|line| line["metric"] == metric).unwrap();
    line["word"].as_str().unwrap()
}

/// Twice as slow: worse one way round, better the other, and a regression only one way round.
#[test]
fn two_files_are_compared() {
    let a = kept("a.json", Duration::from_micros(1), 8);
    let b = kept("b.json", Duration::from_micros(2), 8);
    let limits = "--fail-on-regression p99:50% --json -";
    for (from, to, expected, code) in
        [(&a, &b, "worse", 1), (&b, &a, "better", 0), (&a, &a, "no_difference", 0)]
    {
        let run = run("compare", &format!("{} {} {limits}", from.path(), to.path()));
        assert_eq!(run.code, code, "{}", run.stderr);
        let json: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(json["schema"], "tidemill-loadgen-compare/1");
        assert_eq!((word(&json, "p50"), word(&json, "p99")), (expected, expected));
        assert_eq!(word(&json, "requests_per_second"), "no_difference");
        assert_eq!((&json["design"], &json["a"][0]), (&"single".into(), &from.path().into()));
    }
    let page = Place::new("a.html");
    assert_eq!(run("report", &format!("{} --html {}", a.path(), page.path())).code, 0);
    let read = run("compare", &format!("{} {} --json -", page.path(), b.path()));
    let json: Value = serde_json::from_str(&read.stdout).unwrap();
    assert_eq!((word(&json, "p99"), &json["a"][0]), ("worse", &page.path().into()), "pages are read, too");
    let table = run("compare", &format!("{} {}", a.path(), b.path()));
    assert!(table.stdout.contains("+100.0 %") && table.stdout.contains("worse"), "{}", table.stdout);
    assert!(table.stdout.contains("\nOne run on each side."), "{}", table.stdout);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let a = kept("a.json", Duration::from_micros(1), 8);
    let b = kept("b.json", Duration::from_micros(1), 9);
    let other = Place::new("other.json");
    fs::write(other.path(), r#"{"schema":"tidemill-loadgen/1"}"#).unwrap();
    let none = Place::new("none.json");
    let refused = |code: i32, files: String, reason: &str| {
        let run = run("compare", &files);
        assert_eq!(run.code, code, "{files}: {}", run.stderr);
        assert!(run.stderr.contains(reason) && run.stdout.is_empty(), "{files}: {}", run.stderr);
    };
    refused(2, format!("{} {}", a.path(), b.path()), "different loads");
    refused(3, format!("{} {}", a.path(), other.path()), "version tidemill-loadgen/1");
    refused(3, format!("{} {}", a.path(), none.path()), "cannot be read: No such file");
    refused(2, format!("--a {0} --a {0} --b {0}", a.path()), "2 against 1 runs cannot be compared");
    let allowed = run("compare", &format!("{} {} --allow-different-load", a.path(), b.path()));
    assert_eq!(allowed.code, 0, "{}", allowed.stderr);
    assert!(allowed.stdout.contains("WARNING: The two sides had different loads: connections 8 against 9."));
}

/// Many runs in one process: each opens its rings and connections anew, and the whole is one result.
#[test]
fn a_server_is_compared_with_itself() {
    let url = tcp(Habit::Echo);
    let run = run("compare", &format!("--a {url} --b {url} --pairs 6 --count 50 -c 2 --json -"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&json["design"], json["a"].as_array().unwrap().len()), (&"pairs".into(), 6));
    assert!(
        run.stderr.contains("pair 1 of 6, A: ") && run.stderr.contains("pair 6 of 6, A: "),
        "{}",
        run.stderr
    );
}

#[test]
fn connections_are_swept_over() {
    let url = tcp(Habit::Echo);
    let file = Place::new("sweep.json");
    let line = format!("{url} --over-connections 4,1 --count 20 --json {}", file.path());
    let run = run("sweep", &line);
    assert_eq!(run.code, 0, "{}", run.stderr);
    // One more line where the machine was too busy for a check.
    assert!((4..=5).contains(&run.stdout.lines().count()), "{}", run.stdout);
    let json: Value = serde_json::from_str(&fs::read_to_string(file.path()).unwrap()).unwrap();
    let connections: Vec<_> =
        json["points"].as_array().unwrap().iter().map(|run| &run["config"]["connections"]).collect();
    assert_eq!((&json["axis"], connections), (&"connections".into(), vec![&1.into(), &4.into()]));
}

/// A server that refuses everything has neither percentiles nor good answers, and comes through no limit.
#[test]
fn a_server_that_refuses_everything_does_not_pass() {
    let answer = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 1\r\n\r\n1").into_bytes();
    let [good, bad] = ["200 OK", "404 Not Found"].map(|status| http(move |_, _| Reply::Send(answer(status))));
    let line = format!("--a http://{good} --b http://{bad} --pairs 6 --count 1500 -c 2 --fail-on-regression");
    let limited = run("compare", &format!("{line} p99:5%"));
    assert_eq!(limited.code, 1, "{}", limited.stderr);
    let words = "p99 could not be compared: 6 of B's 6 runs have too few good answers for it. Try: a longer --duration";
    assert!(limited.stderr.contains(words), "{}", limited.stderr);
    assert!(limited.stderr.contains("is worse by 100.0 points"), "{}", limited.stderr);
    let rate = limited.stdout.lines().find(|line| line.starts_with("requests per second")).unwrap();
    assert!(rate.contains(" 0    -100.0 %"), "{rate}");
    // Who allows the errors is still told that nothing is known of p99.
    let allowed = run("compare", &format!("{line} p99:5%,errors:100%"));
    assert_eq!(allowed.code, 4, "{}", allowed.stderr);
}

/// Loads that differ are found before a connection is made, and no empty file is left behind.
#[test]
fn other_loads_cost_nothing() {
    let place = Place::new("never.json");
    let line = format!("--a tcp://127.0.0.1:1 --b ws://127.0.0.1:1 --json {}", place.path());
    let refused = run("compare", &line);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("protocol echo against websocket"), "{}", refused.stderr);
    assert!(!fs::exists(place.path()).unwrap());
}
