//! Comparisons of runs whose true difference is known.

use super::simulated::{exponential, normal, run};
use super::*;
use crate::random::Random;
use crate::result::{Generator, Latency, LatencySet, Requests, Server, Status};

fn line_of(comparison: &Comparison, metric: Metric) -> &Line {
    comparison.metrics.iter().find(|line| line.metric == metric).unwrap()
}

/// A run of which every figure is known: `factor` makes all of them larger.
fn known(factor: f64) -> RunResult {
    let base = run(1000.0);
    let latency = Latency {
        count: 100_000,
        mean_us: 120.0 * factor,
        p50_us: 100.0 * factor,
        p90_us: 200.0 * factor,
        p99_us: 300.0 * factor,
        p999_us: 400.0 * factor,
        ..Latency::default()
    };
    let mut throughput = base.throughput;
    throughput.requests_per_second = 5000.0 * factor;
    RunResult {
        throughput,
        latency: LatencySet { response: latency.clone(), service: latency, ..LatencySet::default() },
        generator: Generator { cpu_us_per_request: Some(3.0 * factor), ..Generator::default() },
        server: Some(Server {
            source: "pid 1".to_owned(),
            cpu_s: 1.0,
            cpu_us_per_request: Some(5.0 * factor),
            rss_bytes: 1,
            voluntary_switches: None,
            involuntary_switches: None,
        }),
        requests: Requests {
            scheduled: 100_000,
            ok: if 1.0 < factor { 99_000 } else { 100_000 },
            ..Requests::default()
        },
        ..base
    }
}

/// Runs around a figure, with noise of this standard deviation.
fn noisy(random: &mut Random, factor: f64, noise: f64, count: usize) -> Vec<RunResult> {
    (0..count).map(|_| known(factor * (noise * normal(random)).exp())).collect()
}

/// More answers are better; more of everything else is worse. A known tool had this the wrong way round.
#[test]
fn the_signs_are_right() {
    let (small, large) = (vec![known(1.0); 7], vec![known(1.2); 7]);
    for (a, b, more) in [(&small, &large, true), (&large, &small, false)] {
        let comparison = compare(a, b, false, 1).unwrap();
        for line in &comparison.metrics {
            let higher_is_better = line.metric == Metric::RequestsPerSecond;
            let expected = if higher_is_better == more { Word::Better } else { Word::Worse };
            assert_eq!(line.word, expected, "{line}");
            let difference = line.difference.unwrap();
            let expected = match (line.metric, more) {
                (Metric::Errors, true) => 0.01,
                (Metric::Errors, false) => -0.01,
                (_, true) => 0.2,
                (_, false) => 1.0 / 1.2 - 1.0,
            };
            assert!((difference - expected).abs() < 1e-9, "{line}");
            assert!(
                line.low.unwrap() <= difference + 1e-9 && difference <= line.high.unwrap() + 1e-9,
                "{line}"
            );
        }
    }
}

/// The same server on both sides: a difference of p99 is claimed in at most 7 % of 1000 comparisons, in pairs and groups.
#[test]
fn a_server_is_rarely_told_apart_from_itself() {
    for (seed, a_runs, b_runs) in [(41, 7, 7), (42, 5, 6)] {
        let mut random = Random::new(seed);
        let mut claims = 0;
        for _ in 0..1000 {
            let (a, b) = (noisy(&mut random, 1.0, 0.02, a_runs), noisy(&mut random, 1.0, 0.02, b_runs));
            let comparison = compare(&a, &b, false, 1).unwrap();
            claims += u32::from(line_of(&comparison, Metric::ResponseP99).word != Word::NoDifference);
        }
        assert!((5..=70).contains(&claims), "seed {seed}: {claims} of 1000");
    }
}

/// Ten percent more among two percent of noise is found every time, with its true size in the interval most of the time.
#[test]
fn a_true_difference_is_found() {
    let mut random = Random::new(43);
    let mut held = 0;
    for turn in 0..300 {
        let (a, b) = (noisy(&mut random, 1.0, 0.02, 7), noisy(&mut random, 1.1, 0.02, 7));
        let comparison = compare(&a, &b, false, 1).unwrap();
        let p99 = line_of(&comparison, Metric::ResponseP99);
        assert_eq!(p99.word, Word::Worse, "seed 43, turn {turn}: {p99}");
        assert_eq!(line_of(&comparison, Metric::RequestsPerSecond).word, Word::Better, "turn {turn}");
        held += u32::from(p99.low.unwrap() <= 0.1 && 0.1 <= p99.high.unwrap());
    }
    assert!(270 <= held, "seed 43: {held} of 300 intervals hold the truth");
}

/// One run on each side: the seconds tell a true difference, and rarely one that is not there.
#[test]
fn two_single_runs_are_compared_by_their_seconds() {
    let mut random = Random::new(44);
    let mut claims = 0;
    for _ in 0..30 {
        let (a, b) = (exponential(&mut random, 500.0, 10, 0.02), exponential(&mut random, 500.0, 10, 0.02));
        let comparison = compare(&[a], &[b], false, 1).unwrap();
        claims += u32::from(line_of(&comparison, Metric::ResponseP99).word != Word::NoDifference);
    }
    assert!(claims <= 6, "seed 44: {claims} of 30");
    let (a, b) = (exponential(&mut random, 500.0, 10, 0.02), exponential(&mut random, 600.0, 10, 0.02));
    let comparison = compare(&[a], &[b], false, 1).unwrap();
    assert_eq!(comparison.design, Design::Single);
    assert!(comparison.method.contains("It cannot see that runs of one and the same server settle"));
    for metric in [Metric::ResponseMean, Metric::ResponseP50, Metric::ResponseP99, Metric::ServiceP99] {
        let line = line_of(&comparison, metric);
        assert_eq!(line.word, Word::Worse, "{line}");
        assert!(line.low.unwrap() < 0.2 && 0.2 < line.high.unwrap(), "{line}");
    }
    assert_eq!(line_of(&comparison, Metric::RequestsPerSecond).word, Word::NoDifference);
    assert_eq!(line_of(&comparison, Metric::Errors).word, Word::NoDifference);
    assert_eq!(line_of(&comparison, Metric::GeneratorCpu).word, Word::NotCompared);
}

/// Too few seconds, no histograms, too few samples beyond a percentile: nothing is claimed.
#[test]
fn what_cannot_be_known_is_not_claimed() {
    let mut random = Random::new(45);
    let (a, b) = (exponential(&mut random, 500.0, 4, 0.0), exponential(&mut random, 900.0, 4, 0.0));
    let comparison = compare(&[a], &[b], false, 1).unwrap();
    assert_eq!(line_of(&comparison, Metric::ResponseP99).word, Word::NotCompared);
    // Ten thousand samples: ten beyond p99.9, which is just enough.
    let enough = exponential(&mut random, 500.0, 10, 0.0);
    let too_few = exponential(&mut random, 500.0, 9, 0.0);
    assert!(Metric::ResponseP999.of(&enough).is_some() && Metric::ResponseP999.of(&too_few).is_none());
    let mut bare = enough.clone();
    bare.series.iter_mut().for_each(|part| part.service.hdr = None);
    let comparison = compare(&[bare], &[enough], false, 1).unwrap();
    assert_eq!(line_of(&comparison, Metric::ServiceP50).word, Word::NotCompared);
    assert_eq!(line_of(&comparison, Metric::ResponseP50).word, Word::NoDifference);
}

/// A side without a single good answer, and one with a bad run among good ones: each row says what is missing.
#[test]
fn what_is_missing_is_said() {
    let dead = |run: &RunResult| {
        let mut dead = run.clone();
        (dead.latency, dead.throughput.requests_per_second, dead.requests.ok) =
            (LatencySet::default(), 0.0, 0);
        dead
    };
    let good = vec![known(1.0); 6];
    let comparison = compare(&good, &good.iter().map(dead).collect::<Vec<_>>(), false, 1).unwrap();
    let rate = line_of(&comparison, Metric::RequestsPerSecond);
    assert_eq!((rate.b, rate.difference, rate.word), (Some(0.0), Some(-1.0), Word::NotCompared));
    let reason = line_of(&comparison, Metric::ResponseP99).reason.clone();
    assert_eq!(reason.as_deref(), Some("6 of B's 6 runs have too few good answers for it"));
    let judged = judge(&comparison, &["p99:5%".parse().unwrap()]);
    assert_eq!(
        judged[0].sentence,
        "p99 could not be compared: 6 of B's 6 runs have too few good answers for it. Try: a longer --duration, or look \
         at the errors"
    );
    assert!(!judged[0].is_compared && judged[1].is_shown && judged[1].metric == Metric::Errors);
    let mut one_bad = good.clone();
    one_bad[2] = dead(&good[2]);
    let table = compare(&one_bad, &good, false, 1).unwrap().to_string();
    let words = "Not compared: mean, p50, p90, p99, p99.9, service_p50, service_p99: 1 of A's 6 runs has too few good";
    assert!(table.contains(words), "{table}");
    let short = exponential(&mut Random::new(47), 500.0, 4, 0.0);
    let comparison = compare(std::slice::from_ref(&short), std::slice::from_ref(&short), false, 1).unwrap();
    assert_eq!(comparison.warnings, ["Each run has 4 intervals, and 5 are needed. Try: --duration 10s"]);
}

#[test]
fn other_loads_are_refused() {
    let (a, mut b) = (known(1.0), known(1.0));
    b.config.connections = 128;
    b.config.rate = None;
    let refused =
        compare(std::slice::from_ref(&a), std::slice::from_ref(&b), false, 1).unwrap_err().to_string();
    assert!(refused.contains("rate 1000/s against as answers come; connections 64 against 128"), "{refused}");
    b.verdict = Status::Fail;
    b.problems.push("3 errors".to_owned());
    let comparison = compare(&[a], &[b], true, 1).unwrap();
    let [load, verdict, errors, _] = comparison.warnings.as_slice() else {
        panic!("{:?}", comparison.warnings)
    };
    assert!(load.contains("different loads"), "{load}");
    assert!(verdict.contains("B: 1 of 1 run failed their own checks"), "{verdict}");
    assert!(errors.contains("B: 1 of 1 run had errors"), "{errors}");
}

#[test]
fn too_few_runs_are_refused() {
    for (a, b) in [(2, 2), (1, 2), (5, 3), (3, 3)] {
        assert_eq!(design(a, b), Err(CompareError::TooFew { a, b }));
    }
    assert_eq!(design(1, 1), Ok(Design::Single));
    assert_eq!(design(6, 6), Ok(Design::Pairs));
    assert_eq!([design(4, 4), design(5, 5), design(4, 9)], [const { Ok(Design::Groups) }; 3]);
}

/// A regression is shown when it is beyond doubt and beyond the limit, and only then.
#[test]
fn regressions_are_judged() {
    let mut random = Random::new(46);
    let judged = |a: &[RunResult], b: &[RunResult], limit: &str| {
        let comparison = compare(a, b, false, 1).unwrap();
        judge(&comparison, &[limit.parse().unwrap()]).remove(0)
    };
    let (a, b) = (noisy(&mut random, 1.0, 0.005, 7), noisy(&mut random, 1.1, 0.005, 7));
    for (limit, is_shown) in [("p99:5%", true), ("p99:15%", false), ("requests_per_second:0%", false)] {
        let regression = judged(&a, &b, limit);
        assert_eq!(regression.is_shown, is_shown, "{limit}: {}", regression.sentence);
    }
    assert!(judged(&b, &a, "requests_per_second:5%").is_shown);
    assert!(!judged(&b, &a, "p99:0%").is_shown);
    let sure = judged(&a, &b, "p99:15%").sentence;
    assert_eq!(sure, "p99 is worse by less than 15.0 %, if at all");
    // So much noise that nothing can be said.
    let (a, b) = (noisy(&mut random, 1.0, 0.5, 7), noisy(&mut random, 1.0, 0.5, 7));
    let unsure = judged(&a, &b, "p99:5%").sentence;
    assert!(unsure.contains("cannot be excluded"), "{unsure}");
    for wrong in ["p99", "p99:5", "p98:5%", "p99:-1%", "p99:x%"] {
        assert!(wrong.parse::<Limit>().is_err(), "{wrong}");
    }
}

#[test]
fn the_table_and_the_json_say_the_same() {
    let mut comparison = compare(&vec![known(1.0); 7], &vec![known(1.2); 7], false, 1).unwrap();
    comparison.regressions = judge(&comparison, &["p99:5%".parse().unwrap()]);
    let table = comparison.to_string();
    for words in [
        "A: tcp://127.0.0.1:7000 (7 runs)",
        "requests per second                5,000      6,000     +20.0 %",
        "requests without a good answer",
        "7 pairs of runs.",
        "p99 is worse by 20.0 %, and 5.0 % are allowed.",
        "better",
        "nothing differs, one line in twenty",
    ] {
        assert!(table.contains(words), "{words} in\n{table}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 110), "{table}");
    let json = serde_json::to_value(&comparison).unwrap();
    assert_eq!(json["schema"], "tidemill-loadgen-compare/1");
    assert_eq!(json["metrics"][0]["metric"], "requests_per_second");
    assert_eq!(
        (&json["metrics"][0]["word"], &json["metrics"][0]["better"]),
        (&"better".into(), &"higher".into())
    );
    assert_eq!(json["regressions"][0]["is_shown"], true);
    assert_eq!(json["design"], "pairs");
}
