//! `loadgen compare`: two servers, in pairs of runs, or the results of runs that were made before.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::document::Document;
use super::measure::Measure;
use super::{FINE, Failure, USAGE, WRONG};
use crate::cli::{CompareFlags, DEFAULT_PAIRS, LoadFlags, Source};
use crate::compare::{self, Metric, design, judge};
use crate::result::{RunResult, SCHEMA};
use crate::target::Target;

/// Largest file that is read as a result, in bytes: a day of seconds takes less.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
enum Sides {
    Files([Vec<PathBuf>; 2]),
    Servers(Box<[Target; 2]>),
}

/// What tells a result from other JSON.
#[derive(Deserialize)]
struct Named {
    schema: Option<String>,
}

/// Compares, with `measure` to make runs.
pub(super) fn compare(
    flags: &CompareFlags,
    document: Document,
    measure: &mut Measure<'_>,
) -> Result<u8, Failure> {
    let sides = sides(flags)?;
    let ([a, b], names) = match &sides {
        Sides::Files(files) => {
            design(files[0].len(), files[1].len()).map_err(|error| Failure::new(USAGE, error))?;
            let read_all =
                |side: usize| files[side].iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>();
            let names = |side: usize| files[side].iter().map(|path| path.display().to_string()).collect();
            ([read_all(0)?, read_all(1)?], Some([names(0), names(1)]))
        }
        Sides::Servers(targets) => {
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
    let mut shown = comparison.regressions.iter().filter(|regression| regression.is_shown).peekable();
    let code = if shown.peek().is_some() { WRONG } else { FINE };
    shown.for_each(|regression| document.say(&format!("regression: {}", regression.sentence)));
    Ok(code)
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

/// Reads a result.
fn read(path: &Path) -> Result<RunResult, Failure> {
    let wrong = |cause: String| Failure::new(USAGE, format!("{}: {cause}", path.display()));
    let length = fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if FILE_BYTES_MAX < length {
        return Err(wrong(format!("it has more than {FILE_BYTES_MAX} bytes, and no result is so long")));
    }
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let named: Option<Named> = serde_json::from_str(&text).ok();
    match named.and_then(|named| named.schema) {
        Some(schema) if schema == SCHEMA => {}
        Some(schema) => return Err(wrong(format!("it is {schema}, and a result of a run is {SCHEMA}"))),
        None => return Err(wrong(format!("it is no result of a run ({SCHEMA}), as --json writes it"))),
    }
    serde_json::from_str(&text).map_err(|error| wrong(format!("it is no whole result of a run: {error}")))
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
