//! Commands that make several runs, and what is made of them afterwards.

use std::fs;

use serde_json::Value;

use super::servers::{Habit, Place, tcp};
use super::{number, run};

/// The floor has a run for each way to wait, whatever is spoken; the peer ends with it.
#[test]
fn the_floor_of_this_machine_is_found() {
    for spoken in ["tcp", "udp", "unix", "http"] {
        let run = run("calibrate", &format!("{spoken} -c 2 --duration 150ms --warmup 20ms --json -"));
        let json: Value =
            serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
        // A busy machine may lose a datagram, or an answer at the end.
        assert!(run.code <= 1, "{}", run.stderr);
        assert_eq!(json["schema"], "tidemill-loadgen-calibrate/1");
        assert_eq!(json["setting"]["spoken"], spoken);
        let runs = json["runs"].as_array().unwrap();
        let loops: Vec<&str> = runs.iter().map(|run| run["config"]["loop_model"].as_str().unwrap()).collect();
        assert_eq!(loops, ["closed", "open", "open", "open"], "{spoken}");
        let ways: Vec<&str> =
            json["waiting"].as_array().unwrap().iter().map(|way| way["idle"].as_str().unwrap()).collect();
        assert_eq!(ways, ["sleep", "hybrid", "spin"]);
        let url = runs[0]["config"]["url"].as_str().unwrap();
        assert!(url.starts_with(spoken), "{url}");
        let gone = super::run(url, "--count 1 -c 1");
        assert_ne!(gone.code, 0, "the peer has ended: {}", gone.stdout);
    }
}

#[test]
fn a_floor_that_cannot_be_is_refused_before_the_peer_starts() {
    for (line, words) in
        [("udp --size 8", "a datagram has at least 16 bytes"), ("ftp", "invalid value 'ftp'")]
    {
        let run = run("calibrate", line);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{line}");
        assert!(run.stderr.contains(words), "{line}: {}", run.stderr);
    }
}

/// A sweep's page and rows hold what its JSON holds, and report reads them all.
#[test]
fn a_sweep_is_kept_and_shown_again() {
    let url = tcp(Habit::Echo);
    let [json, html, csv] = ["sweep.json", "sweep.html", "sweep.csv"].map(Place::new);
    let line = format!(
        "{url} --rates 50,100 -c 2 --duration 200ms --warmup 0s --json {} --html {} --csv {}",
        json.path(),
        html.path(),
        csv.path()
    );
    let swept = run("sweep", &line);
    assert!(
        swept.code == 0 && (4..=5).contains(&swept.stdout.lines().count()),
        "{}{}",
        swept.stdout,
        swept.stderr
    );
    let whole: Value = serde_json::from_str(&fs::read_to_string(json.path()).unwrap()).unwrap();
    assert_eq!(whole["points"].as_array().unwrap().len(), 2);
    assert!(fs::read_to_string(html.path()).unwrap().contains("<h3>Latency by rate</h3>"));
    let rows = fs::read_to_string(csv.path()).unwrap();
    let scheduled = |row: usize| rows.lines().nth(row).unwrap().split(',').nth(5).unwrap().parse::<u64>();
    for (row, point) in [(1, 0), (2, 1)] {
        assert_eq!(scheduled(row), Ok(number(&whole["points"][point], "requests.scheduled")), "{rows}");
    }
    for path in [json.path(), html.path()] {
        let shown = run("report", &format!("{path} --csv -"));
        assert_eq!(shown.code, 0, "{}", shown.stderr);
        assert!(shown.stdout.contains("50/s,0,") && shown.stdout.contains("100/s,0,"), "{}", shown.stdout);
    }
}

#[test]
fn two_results_do_not_share_a_place() {
    for line in ["--json - --html -", "--html - --csv -", "--json /dev/null --csv /dev/null"] {
        let run = run("sweep", &format!("tcp://127.0.0.1:1 --rates 5 {line}"));
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{line}");
        assert!(run.stderr.contains("can take one kind of result"), "{line}: {}", run.stderr);
    }
}

#[test]
fn every_published_schema_is_printed() {
    for (word, id) in [
        ("", "urn:tidemill:loadgen:2"),
        ("sweep", "urn:tidemill:loadgen-sweep:1"),
        ("search", "urn:tidemill:loadgen-search:1"),
        ("compare", "urn:tidemill:loadgen-compare:1"),
        ("calibrate", "urn:tidemill:loadgen-calibrate:1"),
    ] {
        let run = run("report", &format!("--schema {word}"));
        let json: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!((run.code, &json["$id"]), (0, &Value::from(id)));
    }
}

/// Nothing is said of runs that did not take place, and what goes wrong is said of its point.
#[test]
fn a_sweep_says_what_went_wrong_and_where() {
    let none = run("sweep", "tcp://127.0.0.1:1 --rates 5,6 --duration 100ms");
    assert_eq!((none.code, none.stdout.as_str()), (3, ""), "{}", none.stderr);
    let url = tcp(Habit::Corrupt(3));
    let wrong = run("sweep", &format!("{url} --over-connections 1,2 --count 5"));
    assert_eq!(wrong.code, 1, "{}", wrong.stderr);
    for point in ["loadgen: with 1 connection: ", "loadgen: with 2 connections: "] {
        assert!(wrong.stderr.contains(point), "{point} in {}", wrong.stderr);
    }
    assert!(wrong.stdout.starts_with(&format!("{url}, 5 requests in each run\n")), "{}", wrong.stdout);
}
