//! Readings, and what is made of them.

use std::time::Duration;

use super::*;

fn at(seconds: f64) -> Time {
    Time::ZERO.saturating_add(Duration::from_secs_f64(seconds))
}

fn sample(seconds: f64, cpu_s: f64, rss_bytes: u64, switches: Option<u64>) -> Sample {
    Sample {
        at: at(seconds),
        cpu_s,
        rss_bytes,
        voluntary_switches: switches,
        involuntary_switches: switches.map(|count| count / 10),
    }
}

/// A sampler of this process, which has seen what it is told.
fn sampler(samples: &[Sample]) -> Sampler {
    let mut sampler = Sampler::start(Source::Pid(std::process::id()), at(0.0)).unwrap();
    sampler.samples = samples.to_vec();
    sampler
}

#[test]
fn cost_is_that_of_the_measured_time() {
    let sampler = sampler(&[
        sample(0.0, 5.0, 900, Some(0)),
        sample(2.0, 6.0, 100, Some(1000)),
        sample(3.0, 6.8, 300, Some(1800)),
        sample(4.0, 7.0, 200, Some(2000)),
        sample(6.0, 8.0, 900, Some(3000)),
    ]);
    let server = sampler.server(at(2.0), at(5.0), 1000).unwrap();
    assert_eq!(server.source, format!("pid {}", std::process::id()));
    // From 6.0 s to the middle between 7.0 s and 8.0 s.
    assert!((server.cpu_s - 1.5).abs() < 1e-9, "{}", server.cpu_s);
    assert!((server.cpu_us_per_request.unwrap() - 1500.0).abs() < 1e-6);
    assert_eq!(
        (server.rss_bytes, server.voluntary_switches, server.involuntary_switches),
        (300, Some(1500), Some(150))
    );
    assert_eq!(sampler.server(at(2.0), at(5.0), 0).unwrap().cpu_us_per_request, None);
    let usage = sampler.within(at(2.5), at(3.5)).unwrap();
    assert!((usage.cpu_s - 0.5).abs() < 1e-9 && usage.rss_bytes == 300, "{usage:?}");
    assert_eq!((usage.voluntary_switches, usage.involuntary_switches), (Some(500), Some(50)));
}

#[test]
fn time_without_readings_costs_nothing_that_could_be_told() {
    let sampler = sampler(&[sample(1.0, 5.0, 1, None), sample(2.0, 6.0, 1, None)]);
    assert_eq!(sampler.server(at(0.5), at(1.5), 1), None);
    assert_eq!(sampler.server(at(1.5), at(2.5), 1), None);
    let server = sampler.server(at(1.0), at(2.0), 1).unwrap();
    assert_eq!((server.voluntary_switches, server.involuntary_switches), (None, None));
}

#[test]
fn long_runs_keep_few_readings() {
    let mut sampler = sampler(&[]);
    for number in 0..3 * SAMPLES_MAX {
        sampler.sample(Time::from_nanos(number as u64));
    }
    assert!((SAMPLES_MAX / 2..=SAMPLES_MAX).contains(&sampler.samples.len()));
    assert_eq!(sampler.samples[0].at, Time::ZERO);
    assert!(sampler.samples.is_sorted_by_key(|sample| sample.at));
    assert_eq!(sampler.problem(Time::ZERO), None);
}

#[test]
fn a_process_that_never_was_is_told_at_the_start() {
    let error = Sampler::start(Source::Pid(u32::MAX), at(0.0)).unwrap_err().to_string();
    assert!(error.starts_with("there is no process 4294967295 "), "{error}");
}

#[test]
fn a_process_that_ends_is_a_problem_and_no_more() {
    let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut sampler = Sampler::start(Source::Pid(child.id()), at(1.0)).unwrap();
    sampler.sample(at(2.0));
    assert_eq!((sampler.samples().len(), sampler.problem(at(1.0))), (2, None));
    drop(child.stdin.take()); // It ends where its input ends.
    child.wait().unwrap();
    sampler.sample(at(3.0));
    sampler.sample(at(4.0));
    let problem = sampler.problem(at(1.0)).unwrap();
    let expected = format!(
        "the server could not be watched for 2 readings, at 2.0 s for the first time: process {} has ended",
        child.id()
    );
    assert_eq!(problem, expected);
    assert!(sampler.server(at(1.0), at(2.0), 1).is_some());
    assert_eq!(sampler.server(at(1.0), at(4.0), 1), None);
}

/// A process that has waited for nobody yet and is asked again after its end has become a zombie before it is waited
/// for: that is an end, too.
#[test]
fn a_zombie_has_ended() {
    let mut child = std::process::Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut sampler = Sampler::start(Source::Pid(child.id()), at(1.0)).unwrap();
    drop(child.stdin.take());
    // Its output is closed when it exits; soon after that it is a zombie.
    std::io::Read::read_to_end(&mut child.stdout.take().unwrap(), &mut Vec::new()).unwrap();
    while sampler.failed.is_none() {
        sampler.samples.clear();
        sampler.sample(at(2.0));
    }
    assert!(sampler.problem(at(1.0)).unwrap().ends_with("has ended"));
    child.wait().unwrap();
}
