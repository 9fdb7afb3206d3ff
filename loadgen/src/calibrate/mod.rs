//! The floor of a machine: what a run shows here when the server takes no time at all.
//!
//! The same load goes to a peer that answers at once: in a closed loop, for the highest rate, and at a low rate in an
//! open loop, once with each way to wait. What comes of it is the generator, the kernel and the machine alone, so no
//! server that is measured here can look better. It makes no runs itself: it is given their results.

mod table;

use serde::Serialize;

pub use table::HEADER;

use crate::cli::Idle;
use crate::report::table::{Support, support};
use crate::result::{Latency, RunResult, Status};

/// The name and version of the JSON's shape.
pub const SCHEMA: &str = "tidemill-loadgen-calibrate/1";

/// A run of a calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// As fast as answers come.
    Closed,
    /// At a low rate, with threads that wait so.
    Open(Idle),
}

/// What is known before the runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// What is spoken: tcp, udp, unix or http.
    pub spoken: String,
    /// The generator's cores.
    pub generator_cores: Vec<usize>,
    /// The peer's core; absent when there is none beside the generator's.
    pub peer_core: Option<usize>,
}

/// What one way to wait comes to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Waiting {
    /// The way: sleep, hybrid or spin.
    pub idle: &'static str,
    /// How late threads woke, at the median, in microseconds; absent when none slept until a given time.
    pub late_p50_us: Option<f64>,
    /// The same at the 99th percentile.
    pub late_p99_us: Option<f64>,
    /// Median round trip, from sending to answer, in microseconds.
    pub service_p50_us: f64,
    /// Its 99th percentile.
    pub service_p99_us: f64,
    /// Median response time, from the intended time to the answer, in microseconds.
    pub response_p50_us: f64,
    /// Its 99th percentile.
    pub response_p99_us: f64,
}

/// What nothing here can be better than.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Floor {
    /// The least median response time of all ways to wait, in microseconds.
    pub p50_us: f64,
    /// The least 99th percentile, in microseconds; absent where too few samples carry one.
    pub p99_us: Option<f64>,
    /// The most answers per second, in the closed loop.
    pub max_rate: f64,
}

/// A calibration, whose JSON is the published format.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The version of this program.
    pub version: &'static str,
    /// What is known before the runs.
    pub setting: Setting,
    /// The kernel's source of time.
    pub clock_source: Option<String>,
    /// What one reading of the clock takes, in nanoseconds.
    pub clock_read_ns: f64,
    /// Processor time of the generator for each answer of the closed loop, in microseconds.
    pub cpu_us_per_request: Option<f64>,
    /// Each way to wait.
    pub waiting: Vec<Waiting>,
    /// What nothing here can be better than.
    pub floor: Floor,
    /// The same, in a sentence.
    pub sentence: String,
    /// Why it is to be read with care; empty when nothing stands against it.
    pub warnings: Vec<String>,
    /// The results of all runs, without their series: the closed loop, then each way to wait.
    pub runs: Vec<RunResult>,
}

impl Step {
    /// All runs, in their order.
    pub const ALL: [Self; 4] =
        [Self::Closed, Self::Open(Idle::Sleep), Self::Open(Idle::Hybrid), Self::Open(Idle::Spin)];
}

impl Calibration {
    /// What came of runs, one for each of [`Step::ALL`] in that order. `None` when one of them had no answer.
    pub fn of(setting: Setting, mut runs: Vec<RunResult>) -> Option<Self> {
        // What is asked of them is in their histograms.
        runs.iter_mut().for_each(|run| run.series.clear());
        let (closed, open) = runs.split_first()?;
        let waiting: Vec<Waiting> = Step::ALL
            .into_iter()
            .skip(1)
            .zip(open)
            .filter_map(|(step, run)| match step {
                Step::Open(idle) => Some(waiting(idle, run)),
                Step::Closed => None,
            })
            .collect();
        if waiting.is_empty() || runs.iter().any(|run| run.latency.response.count == 0) {
            return None;
        }
        let least = |of: fn(&Waiting) -> f64| waiting.iter().map(of).fold(f64::INFINITY, f64::min);
        let is_carried = open.iter().all(|run| support(run.latency.response.count, 99.0) != Support::None);
        let floor = Floor {
            p50_us: least(|waiting| waiting.response_p50_us),
            p99_us: is_carried.then(|| least(|waiting| waiting.response_p99_us)),
            max_rate: closed.throughput.requests_per_second,
        };
        Some(Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            clock_source: closed.environment.clock_source.clone(),
            clock_read_ns: closed.generator.clock_read_ns,
            cpu_us_per_request: closed.generator.cpu_us_per_request,
            waiting,
            floor,
            sentence: table::sentence(&floor),
            warnings: warnings(&setting, &runs),
            setting,
            runs,
        })
    }
}

fn waiting(idle: Idle, run: &RunResult) -> Waiting {
    let Latency { p50_us, p99_us, count, .. } = run.generator.lateness;
    Waiting {
        idle: idle.name(),
        late_p50_us: (0 < count).then_some(p50_us),
        late_p99_us: (0 < count).then_some(p99_us),
        service_p50_us: run.latency.service.p50_us,
        service_p99_us: run.latency.service.p99_us,
        response_p50_us: run.latency.response.p50_us,
        response_p99_us: run.latency.response.p99_us,
    }
}

fn warnings(setting: &Setting, runs: &[RunResult]) -> Vec<String> {
    let shared = setting.peer_core.is_none().then(|| {
        "the peer shares the generator's cores, so this is the floor of such runs only. Try: fewer --cores".to_owned()
    });
    let failed = Step::ALL.iter().zip(runs).filter_map(|(step, run)| {
        let failed = run.checks.iter().filter(|check| check.status == Status::Fail);
        let names: Vec<&str> = failed.map(|check| check.name.as_str()).collect();
        (!names.is_empty())
            .then(|| format!("{step}: the machine was not quiet ({} failed)", names.join(", ")))
    });
    let wrong = Step::ALL
        .iter()
        .zip(runs)
        .flat_map(|(step, run)| run.problems.iter().map(move |problem| format!("{step}: {problem}")));
    shared.into_iter().chain(failed).chain(wrong).collect()
}

#[cfg(test)]
pub(crate) use tests::example;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::example::example as example_run;
    use crate::result::{Check, LoopModel};

    fn setting() -> Setting {
        Setting { spoken: "tcp".to_owned(), generator_cores: vec![2, 3], peer_core: Some(1) }
    }

    /// Runs whose median and 99th percentile are these, in microseconds.
    fn runs() -> Vec<RunResult> {
        let figures = [(50.0, 90.0), (80.0, 200.0), (45.0, 300.0), (40.0, 400.0)];
        let run = |(p50_us, p99_us)| {
            let mut run = example_run();
            (run.latency.response.p50_us, run.latency.response.p99_us) = (p50_us, p99_us);
            run
        };
        let mut runs: Vec<RunResult> = figures.into_iter().map(run).collect();
        runs[0].config.loop_model = LoopModel::Closed;
        runs[0].throughput.requests_per_second = 123_456.0;
        runs[3].generator.lateness = Latency::default();
        runs
    }

    /// For the test of the published format.
    pub(crate) fn example() -> Calibration {
        Calibration::of(setting(), runs()).unwrap()
    }

    #[test]
    fn the_floor_is_the_best_of_the_open_loops_and_the_rate_of_the_closed_one() {
        let found = example();
        assert_eq!(found.floor, Floor { p50_us: 40.0, p99_us: Some(200.0), max_rate: 123_456.0 });
        assert_eq!(
            found.sentence,
            "Your numbers on this host cannot be better than p50 40.0 µs, p99 200 µs, max rate 123,456/s."
        );
        let ways: Vec<&str> = found.waiting.iter().map(|waiting| waiting.idle).collect();
        assert_eq!(ways, ["sleep", "hybrid", "spin"]);
        assert_eq!((found.waiting[2].late_p99_us, found.waiting[0].response_p50_us), (None, 80.0));
        assert!(found.runs.iter().all(|run| run.series.is_empty()) && found.warnings.is_empty());
    }

    #[test]
    fn what_stands_against_it_is_said() {
        let mut noisy = runs();
        let failed = Check { name: "stalls".to_owned(), status: Status::Fail, sentence: String::new() };
        noisy[1].checks.push(failed);
        let setting = Setting { peer_core: None, ..setting() };
        let found = Calibration::of(setting.clone(), noisy).unwrap();
        assert!(found.warnings[0].starts_with("the peer shares the generator's cores"));
        assert_eq!(found.warnings[1], "open, sleep: the machine was not quiet (stalls failed)");
        let mut few = runs();
        few[1].latency.response.count = 999;
        let sentence = Calibration::of(setting.clone(), few).unwrap().sentence;
        assert!(sentence.contains("p50 40.0 µs, max rate"), "{sentence}");
        let mut silent = runs();
        silent[2].latency.response = Latency::default();
        assert_eq!(Calibration::of(setting.clone(), silent), None);
        assert_eq!(Calibration::of(setting, Vec::new()), None);
    }
}
