//! `loadgen compare`: two servers, in pairs of runs, or the results of runs that were made before.

use std::path::PathBuf;

use tidemill::sys::cpu;

use super::document::Document;
use super::measure::Measure;
use super::{FINE, Failure, NO_START, UNTRUE, USAGE, WRONG};
use crate::cli::{CompareFlags, DEFAULT_PAIRS, LoadFlags, Source};
use crate::compare::{
    self, CompareError, Comparison, Metric, design, judge, own_failures, planned_differences,
};
use crate::plan::Plan;
use crate::report::files;
use crate::result::RunResult;
use crate::target::Target;

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
enum Sides {
    Files([Vec<PathBuf>; 2]),
    Servers(Box<[Target; 2]>),
}

/// Compares, with `measure` to make runs.
pub(super) fn compare(
    flags: &CompareFlags,
    document: Document,
    measure: &mut Measure<'_>,
) -> Result<u8, Failure> {
    let sides = sides(flags)?;
    let ([a, b], names) = match &sides {
        Sides::Files([a, b]) => {
            let ((a, a_names), (b, b_names)) = (read(a)?, read(b)?);
            design(a.len(), b.len()).map_err(|error| Failure::new(USAGE, error))?;
            ([a, b], Some([a_names, b_names]))
        }
        Sides::Servers(targets) => {
            check_loads(targets, flags)?;
            let pairs = flags.pairs.unwrap_or(DEFAULT_PAIRS);
            (runs_in_pairs(targets, &flags.load, pairs, &document, measure)?, None)
        }
    };
    let compared = compare::compare(&a, &b, flags.allow_different_load, flags.load.seed);
    let mut comparison = compared.map_err(|error| Failure::new(USAGE, error))?;
    if let Some([a, b]) = names {
        (comparison.a, comparison.b) = (a, b);
    }
    comparison.regressions = judge(&comparison, &flags.fail_on_regression);
    document.tell(comparison.to_string().trim_end())?;
    document.write(&comparison)?;
    let failures = own_failures(&a.iter().chain(&b).collect::<Vec<_>>());
    let told = failures.iter().map(|failures| format!("{failures}: their figures are not the servers'."));
    told.into_iter().try_for_each(|sentence| document.tell(&sentence))?;
    for regression in &comparison.regressions {
        match (regression.is_shown, regression.is_compared) {
            (true, _) => document.say(&format!("regression: {}", regression.sentence)),
            (false, false) => document.say(&regression.sentence),
            (false, true) => {}
        }
    }
    Ok(exit_code(&comparison, flags.output.strict && failures.is_some()))
}

fn sides(flags: &CompareFlags) -> Result<Sides, Failure> {
    if let [a, b] = flags.files.as_slice() {
        return Ok(Sides::Files([vec![a.clone()], vec![b.clone()]]));
    }
    if let ([Source::Server(a)], [Source::Server(b)]) = (flags.a.as_slice(), flags.b.as_slice()) {
        return Ok(Sides::Servers(Box::new([a.clone(), b.clone()])));
    }
    let files = |sources: &[Source]| -> Option<Vec<PathBuf>> {
        let file = |source: &Source| match source {
            Source::File(path) => Some(path.clone()),
            Source::Server(_) => None,
        };
        sources.iter().map(file).collect()
    };
    match (files(&flags.a), files(&flags.b)) {
        (Some(_), Some(_)) if flags.pairs.is_some() => {
            Err(Failure::new(USAGE, "--pairs is for runs that are to be made, and these sides are results"))
        }
        (Some(a), Some(b)) => Ok(Sides::Files([a, b])),
        _ => Err(Failure::new(
            USAGE,
            "both sides are one server each, as in --a tcp://127.0.0.1:7000 --b tcp://127.0.0.1:7001, or both are results",
        )),
    }
}

/// Runs in the order A B, B A, A B and so on, so that what changes with time changes both sides alike. The two runs of a
/// pair have the same seed, and each pair has another.
fn runs_in_pairs(
    targets: &[Target; 2],
    load: &LoadFlags,
    pairs: u32,
    document: &Document,
    measure: &mut Measure<'_>,
) -> Result<[Vec<RunResult>; 2], Failure> {
    let mut runs = [Vec::new(), Vec::new()];
    for pair in 0..pairs {
        let load = LoadFlags { seed: load.seed.wrapping_add(u64::from(pair)), ..load.clone() };
        for side in if pair % 2 == 0 { [0, 1] } else { [1, 0] } {
            let mut run = measure(&targets[side], &load)?;
            if run.counts.interrupted {
                return Err(Failure::new(
                    WRONG,
                    "a signal ended the runs before there was something to compare",
                ));
            }
            let figure = |metric: Metric| metric.of(&run).map_or("-".to_owned(), |value| metric.show(value));
            document.say(&format!(
                "pair {} of {pairs}, {}: {}/s, p99 {}",
                pair + 1,
                ["A", "B"][side],
                figure(Metric::RequestsPerSecond),
                figure(Metric::ResponseP99),
            ));
            // Only single runs are compared by their seconds.
            run.series.clear();
            runs[side].push(run);
        }
    }
    Ok(runs)
}

/// The results in these files, each with the name of its file.
fn read(paths: &[PathBuf]) -> Result<(Vec<RunResult>, Vec<String>), Failure> {
    let (mut runs, mut names) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.to_string_lossy().into_owned();
        let kept = files::read(&name).map_err(|error| Failure::new(NO_START, error))?;
        if kept.runs.is_empty() {
            return Err(Failure::new(NO_START, format!("{name} has no runs that could be compared")));
        }
        names.extend(kept.runs.iter().map(|_| name.clone()));
        runs.extend(kept.runs);
    }
    Ok((runs, names))
}

/// Finds other loads before they have cost an hour of runs.
fn check_loads(targets: &[Target; 2], flags: &CompareFlags) -> Result<(), Failure> {
    let cores = cpu::allowed_cores();
    let plan = |target| Plan::new(target, &flags.load, &cores).map_err(|error| Failure::new(USAGE, error));
    let differences = planned_differences(&plan(&targets[0])?, &plan(&targets[1])?);
    if differences.is_empty() || flags.allow_different_load {
        return Ok(());
    }
    Err(Failure::new(USAGE, CompareError::DifferentLoad(differences.join("; "))))
}

/// What the exit code says: first of the runs themselves, then of what is shown, then of what could not be.
fn exit_code(comparison: &Comparison, is_untrue: bool) -> u8 {
    let regressions = &comparison.regressions;
    if is_untrue {
        UNTRUE
    } else if regressions.iter().any(|regression| regression.is_shown) {
        WRONG
    } else if regressions.iter().any(|regression| !regression.is_compared) {
        UNTRUE
    } else {
        FINE
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::command::document::tests::silent;
    use crate::compare::simulated::run;
    use crate::result::Latency;

    fn parse(line: &str) -> Result<CompareFlags, clap::Error> {
        let words = ["loadgen", "compare"].into_iter().chain(line.split_whitespace());
        let Command::Compare(flags) = Cli::try_parse_from(words)?.into_command() else { panic!("{line}") };
        Ok(flags)
    }

    /// Compares servers of which the one at port 2 is slower, by this factor. Also the ports and seeds of all runs.
    fn compared(line: &str, factor: f64) -> (Result<u8, Failure>, Vec<(bool, u64)>) {
        let mut seen = Vec::new();
        let code = compare(&parse(line).unwrap(), silent(), &mut |target, load| {
            let is_b = target.to_string().ends_with(":2");
            // The seed is the number of the pair: a little noise, the same for both.
            let noise = 1.0 + load.seed as f64 / 1000.0;
            seen.push((is_b, load.seed));
            let mut run = run(1000.0);
            let p99_us = 100.0 * noise * if is_b { factor } else { 1.0 };
            run.latency.response = Latency { count: 100_000, p99_us, ..Latency::default() };
            Ok(run)
        });
        (code, seen)
    }

    #[test]
    fn runs_alternate_and_pairs_share_their_seed() {
        let (code, seen) = compared("--a tcp://[::1]:1 --b tcp://[::1]:2 --pairs 6", 1.0);
        let (sides, seeds): (Vec<bool>, Vec<u64>) = seen.into_iter().unzip();
        let (ab, ba) = ([false, true], [true, false]);
        assert_eq!(sides, [ab, ba, ab, ba, ab, ba].concat());
        assert_eq!(seeds, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]);
        assert_eq!(code, Ok(FINE));
        assert_eq!(compared("--a tcp://[::1]:1 --b tcp://[::1]:2", 1.0).1.len(), 14);
    }

    #[test]
    fn the_exit_code_says_whether_a_regression_is_shown() {
        let line = "--a tcp://[::1]:1 --b tcp://[::1]:2 --fail-on-regression requests_per_second:1%,p99:5%";
        assert_eq!(compared(line, 1.1).0, Ok(WRONG));
        assert_eq!(compared(line, 1.04).0, Ok(FINE));
        assert_eq!(compared(line, 0.5).0, Ok(FINE));
    }

    /// Runs of which B's have no good answers, though the runs take place.
    #[test]
    fn what_could_not_be_compared_does_not_pass() {
        let compared = |limits: &str, spoil: fn(&mut RunResult)| {
            let line = format!("--a tcp://[::1]:1 --b tcp://[::1]:2 --pairs 6 {limits}");
            compare(&parse(&line).unwrap(), silent(), &mut |target, _| {
                let mut run = run(1000.0);
                run.latency.response = Latency { count: 100_000, p99_us: 100.0, ..Latency::default() };
                if target.to_string().ends_with(":2") {
                    spoil(&mut run);
                }
                Ok(run)
            })
        };
        let silence = |run: &mut RunResult| run.latency = Default::default();
        assert_eq!(compared("--fail-on-regression p99:5%", silence), Ok(UNTRUE));
        assert_eq!(compared("", silence), Ok(FINE), "nobody set a limit");
        let errors = |run: &mut RunResult| {
            (run.latency, run.requests.ok) = (Default::default(), 0);
            run.throughput.requests_per_second = 0.0;
        };
        assert_eq!(compared("--fail-on-regression p99:5%", errors), Ok(WRONG));
        assert_eq!(compared("--fail-on-regression errors:100%", errors), Ok(FINE), "these are allowed");
        let untrue = |run: &mut RunResult| run.verdict = crate::result::Status::Fail;
        assert_eq!(compared("--strict", untrue), Ok(UNTRUE));
        assert_eq!(compared("", untrue), Ok(FINE));
    }

    #[test]
    fn other_loads_are_found_before_the_first_run() {
        let flags = parse("--a tcp://[::1]:1 --b ws://[::1]:2").unwrap();
        let refused = compare(&flags, silent(), &mut |_, _| panic!("no run is to be made")).unwrap_err();
        assert_eq!(refused.code, USAGE);
        assert!(
            refused.sentence.contains("different loads") && refused.sentence.contains("protocol"),
            "{refused}"
        );
    }

    #[test]
    fn mistakes_are_usage_errors() {
        for (line, reason) in [
            ("", "required arguments were not provided"),
            ("a.json", "2 values required"),
            ("--a tcp://[::1]:1", "--b <FILE|URL>"),
            ("--a tcp://[::1]:1 --b tcp://[::1]:2 --pairs 5", "5 is not in 6..=1000"),
            ("a.json b.json --a c.json --b d.json", "cannot be used with"),
            ("a.json b.json --fail-on-regression p42:5%", "a figure is one of"),
            ("--a tcp://x:1 --b tcp://[::1]:2", "names are not looked up"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(reason), "{line}: {error}");
        }
        for line in ["--a tcp://[::1]:1 --b b.json", "--a a --b b --pairs 7"] {
            assert_eq!(sides(&parse(line).unwrap()).unwrap_err().code, USAGE, "{line}");
        }
        let files = sides(&parse("--a a1 --a a2 --b b1").unwrap());
        assert_eq!(files, Ok(Sides::Files([vec!["a1".into(), "a2".into()], vec!["b1".into()]])));
    }
}
