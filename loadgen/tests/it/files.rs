//! Files made from a result, by the real binary, and read back by programs that share no code with it.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use loadgen::result::example::{example, example_at};
use loadgen::result::{Latency, RunResult};
use serde_json::Value;

/// A folder for one test, empty at first.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("files-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes results, then runs `loadgen report` on them, in the folder.
fn report(folder: &PathBuf, results: &[RunResult], words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.current_dir(folder).arg("report");
    for (at, result) in results.iter().enumerate() {
        let name = format!("{at}.json");
        fs::write(folder.join(&name), serde_json::to_string(result).unwrap()).unwrap();
        command.arg(name);
    }
    let output = command.args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs a script of Python that needs this module; what it prints, or nothing where the module is not installed.
fn python(module: &str, package: &str, script: &str, words: &[&str], folder: &PathBuf) -> Option<String> {
    let installed = Command::new("python3").args(["-c", &format!("import {module}")]).output();
    if !installed.is_ok_and(|output| output.status.success()) {
        // Not by println!, which the test harness would keep to itself.
        let _ = writeln!(std::io::stderr(), "skipped: python3 has no {package} (pip install {package})");
        return None;
    }
    let output =
        Command::new("python3").current_dir(folder).args(["-c", script]).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_report_writes_all_that_was_asked_for() {
    let folder = folder("all");
    let words = ["--html", "a.html", "--csv", "a.csv", "--hgrm", "a.hgrm", "--hlog", "a.hlog"];
    let (code, table, errors) = report(&folder, &[example()], &words);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(table.starts_with("WARN: read these figures with care: "), "{table}");
    assert!(!table.contains('\x1b'), "there is no terminal");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert!(read("a.html").starts_with("<!doctype html>"));
    assert_eq!(read("a.csv").lines().count(), 12);
    assert!(read("a.hgrm").contains("Percentile") && read("a.hlog").starts_with("#[Histogram log"));

    // The page can be read back, and what was in a file before is gone.
    fs::write(folder.join("b.csv"), "x".repeat(100_000)).unwrap();
    let (code, again, _) = report(&folder, &[], &["a.html", "--csv", "b.csv"]);
    assert_eq!((code, again), (0, table));
    assert_eq!(read("b.csv"), read("a.csv"));
}

#[test]
fn several_results_are_shown_beside_each_other() {
    let folder = folder("several");
    let runs = [1000.0, 5000.0, 10_000.0, 15_000.0, 20_000.0, 23_000.0].map(example_at);
    let (code, table, errors) = report(&folder, &runs, &["--html", "a.html"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(table.contains("asked/s"), "{table}");
    let page = fs::read_to_string(folder.join("a.html")).unwrap();
    assert!(page.contains("Latency by rate") && page.contains("23,000/s"));
    let (code, _, errors) = report(&folder, &runs, &["--hgrm", "a.hgrm"]);
    assert_eq!(code, 2);
    assert!(errors.contains("are made from one result; there are several"), "{errors}");
}

#[test]
fn standard_output_has_one_thing() {
    let folder = folder("output");
    let (code, text, _) = report(&folder, &[example()], &["--csv", "-"]);
    assert_eq!(code, 0);
    assert!(text.starts_with("run,start_s,") && text.lines().count() == 12, "{text}");
    let (code, text, errors) = report(&folder, &[example()], &["--csv", "-", "--html", "-"]);
    assert_eq!((code, text.as_str()), (2, ""));
    assert!(errors.contains("standard output (-) can take one kind"), "{errors}");
}

#[test]
fn what_is_no_result_is_refused_in_one_sentence() {
    let folder = folder("refused");
    let check = |text: &str, words: &str| {
        fs::write(folder.join("wrong.json"), text).unwrap();
        let (code, output, errors) = report(&folder, &[], &["wrong.json"]);
        assert_eq!((code, output.as_str(), errors.lines().count()), (3, "", 1), "{errors}");
        assert!(errors.contains(words), "{errors}");
    };
    check("", "wrong.json is no result");
    check("{}", "has no \"schema\" of tidemill-loadgen/2");
    check("{\"schema\":\"tidemill-loadgen/1\"}", "version tidemill-loadgen/1");
    let (code, _, errors) = report(&folder, &[], &["nothing.json"]);
    assert!(code == 3 && errors.contains("nothing.json cannot be read"), "{errors}");
    let (code, ..) = report(&folder, &[], &[]);
    assert_eq!(code, 2);
    let (code, _, errors) = report(&folder, &[example()], &["--html", "/nowhere/a.html"]);
    assert!(code == 3 && errors.contains("cannot be written to /nowhere/a.html"), "{errors}");
}

/// The figures of a latency that another reader must find too.
fn check_figures(found: &Value, latency: &Latency, what: &str) {
    assert_eq!(found["count"], latency.count, "{what}");
    for (name, us) in
        [("p50", latency.p50_us), ("p99", latency.p99_us), ("p999", latency.p999_us), ("max", latency.max_us)]
    {
        let values = found[name].as_array().unwrap();
        let is_same = |nanos: &Value| (nanos.as_f64().unwrap() - us * 1000.0).abs() < 0.5;
        assert!(values.iter().any(is_same), "{name} of {what}: none of {values:?} ns is {us} us");
    }
}

const READ_HISTOGRAMS: &str = r#"
import json, sys
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

def figures(h):
    n, total, reached = h.get_total_count(), 0, []
    for step in h.get_recorded_iterator() if n else []:
        total += step.count_at_value_iterated_to
        reached.append((total, h.get_highest_equivalent_value(step.value_iterated_to)))
    # In whole numbers, since 99.9 % has no exact fraction and that reader's own percentiles are a sample off.
    def at(percentile):
        rank = -(-n * round(percentile * 100) // 10000)
        return [next(value for count, value in reached if rank <= count)]
    return dict(count=n, p50=at(50), p99=at(99), p999=at(99.9), max=[h.get_max_value()])

tags = {}
reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 60_000_000_000, 3))
while True:
    h = reader.get_next_interval_histogram()
    if h is None:
        break
    tags.setdefault(h.get_tag(), []).append(dict(figures(h), start=h.get_start_time_stamp()))
result = json.load(open(sys.argv[2]))
embedded = {k: figures(HdrHistogram.decode(v['hdr'])) for k, v in result['latency'].items() if v.get('hdr')}
h = HdrHistogram.decode(result['latency']['response']['hdr'])
rows = [line.split() for line in open(sys.argv[3]) if line[:1] == ' ' and 'Value' not in line and line.strip()]
# The percentile's value is the least that so many samples are at or below; counted here, as that reader rounds.
total, reached = 0, []
for step in h.get_recorded_iterator():
    total += step.count_at_value_iterated_to
    reached.append((total, h.get_highest_equivalent_value(step.value_iterated_to)))
for value, quantile, count, *_ in rows:
    count_at, found = next(pair for pair in reached if pair[0] >= float(quantile) * total - 1e-6)
    assert count_at == int(count), (value, quantile, count, count_at)
    assert abs(found / 1e6 - float(value)) <= 0.0005001, (value, quantile, found)
print(json.dumps(dict(tags=tags, embedded=embedded, rows=len(rows), last=rows[-1])))
"#;

#[test]
fn another_reader_of_histograms_finds_the_same() {
    let folder = folder("hdrh");
    let result = example();
    report(&folder, std::slice::from_ref(&result), &["--hlog", "a.hlog", "--hgrm", "a.hgrm"]);
    let words = ["a.hlog", "0.json", "a.hgrm"];
    let Some(found) = python("hdrh", "hdrhistogram", READ_HISTOGRAMS, &words, &folder) else { return };
    let found: Value = serde_json::from_str(&found).unwrap();
    for (tag, of) in [
        ("response", (|interval| &interval.response) as fn(&loadgen::result::Interval) -> &Latency),
        ("service", |interval| &interval.service),
        ("lag", |interval| &interval.lag),
    ] {
        let lines = found["tags"][tag].as_array().unwrap();
        let measured: Vec<_> = result.series.iter().filter(|interval| 0.0 <= interval.start_s).collect();
        assert_eq!(lines.len(), measured.len(), "{tag}");
        for (line, interval) in lines.iter().zip(measured) {
            check_figures(line, of(interval), &format!("{tag} at {}", interval.start_s));
        }
    }
    check_figures(&found["embedded"]["response"], &result.latency.response, "embedded response");
    check_figures(&found["embedded"]["service"], &result.latency.service, "embedded service");
    assert!(60 < found["rows"].as_u64().unwrap(), "{found}");
    assert_eq!((&found["last"][1], &found["last"][2]), (&"1.000000000000".into(), &"100000".into()));
}

const VALIDATE: &str = r"
import json, sys
from jsonschema import Draft202012Validator
schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
for name in sys.argv[2:]:
    for error in Draft202012Validator(schema).iter_errors(json.load(open(name))):
        print(name, error.json_path, error.message)
";

#[test]
fn another_validator_takes_the_schema_and_the_result() {
    let folder = folder("schema");
    let (code, schema, _) = report(&folder, &[], &["--schema"]);
    assert_eq!(code, 0);
    fs::write(folder.join("schema.json"), schema).unwrap();
    let mut sparse = example();
    (sparse.server, sparse.config.rate, sparse.config.arrivals) = (None, None, None);
    report(&folder, &[example(), sparse], &[]);
    let words = ["schema.json", "0.json", "1.json"];
    let Some(found) = python("jsonschema", "jsonschema", VALIDATE, &words, &folder) else { return };
    assert_eq!(found, "");
    fs::write(folder.join("2.json"), "{\"schema\": \"tidemill-loadgen/1\"}").unwrap();
    let found = python("jsonschema", "jsonschema", VALIDATE, &["schema.json", "2.json"], &folder).unwrap();
    assert!(found.contains("$.schema") && found.contains("'verdict' is a required property"), "{found}");
}
