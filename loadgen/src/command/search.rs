//! `loadgen search`: the highest rate at which a server keeps its objectives.

use super::document::Document;
use super::measure::Measure;
use super::{FINE, Failure, UNTRUE, USAGE, WRONG};
use crate::cli::{DEFAULT_DURATION, LoadFlags, Rate, SearchFlags};
use crate::result::{RunResult, Status};
use crate::search::{self, Aim, CONFIRM_TIMES, HEADER, Outcome, Probe, Purpose};

/// Searches, with `measure` to make runs.
pub(super) fn search(
    flags: &SearchFlags,
    document: Document,
    measure: &mut Measure<'_>,
) -> Result<u8, Failure> {
    if flags.max_rate < flags.from {
        return Err(Failure::new(USAGE, "--from must be at most --max-rate"));
    }
    let aim =
        Aim { objectives: flags.slo.clone(), min_ok: flags.min_ok, from: flags.from, most: flags.max_rate };
    document.tell(HEADER)?;
    let mut told = Ok(());
    let mut measure_at = |probe: Probe| measure(&flags.target.target, &load_at(&flags.load, probe));
    let found = search::search(&aim, &mut measure_at, &mut |probed| {
        let row = document.tell(&probed.to_string());
        if told.is_ok() {
            told = row;
        }
    })?;
    told?;
    document.tell(&found.sentence)?;
    found.warnings.iter().for_each(|warning| document.say(warning));
    document.write(&found)?;
    let runs: Vec<RunResult> = found.probes.into_iter().map(|probe| probe.result).collect();
    // Those before it only led to it, and rates that are too high are part of the way.
    let is_untrue = runs.last().is_some_and(|run| run.verdict == Status::Fail);
    document.write_files(&runs, &[found.sentence])?;
    if flags.output.whole.strict && is_untrue {
        return Ok(UNTRUE);
    }
    Ok(match found.outcome {
        Outcome::ServerLimited | Outcome::ReachedMaxRate => FINE,
        Outcome::ClientLimited if found.rate.is_some() => FINE,
        Outcome::ClientLimited | Outcome::NotEvenAtStart | Outcome::NotConfirmed | Outcome::Interrupted => {
            WRONG
        }
    })
}

/// The load of a run; three times as much of it to confirm.
fn load_at(load: &LoadFlags, probe: Probe) -> LoadFlags {
    let mut load = LoadFlags { rate: Some(Rate { from: probe.rate, to: probe.rate }), ..load.clone() };
    if probe.purpose == Purpose::Confirm {
        match load.count {
            Some(count) => load.count = Some(count.saturating_mul(u64::from(CONFIRM_TIMES))),
            None => {
                load.duration = Some(load.duration.unwrap_or(DEFAULT_DURATION).saturating_mul(CONFIRM_TIMES))
            }
        }
    }
    load
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::command::document::tests::silent;
    use crate::compare::simulated::run;
    use crate::result::Latency;

    fn parse(line: &str) -> Result<SearchFlags, clap::Error> {
        let words = ["loadgen", "search"].into_iter().chain(line.split_whitespace());
        let Command::Search(flags) = Cli::try_parse_from(words)?.into_command() else { panic!("{line}") };
        Ok(flags)
    }

    /// Searches a server that answers in 100 µs up to a rate, and in 10 ms beyond it.
    fn searched(line: &str, limit: f64) -> (Result<u8, Failure>, Vec<LoadFlags>) {
        let mut loads = Vec::new();
        let code = search(&parse(line).unwrap(), silent(), &mut |_, load| {
            let rate = load.rate.unwrap().from;
            loads.push(load.clone());
            let p99_us = if rate <= limit { 100.0 } else { 10_000.0 };
            let mut run = run(rate);
            run.latency.response = Latency { count: 100_000, p99_us, ..Latency::default() };
            Ok(run)
        });
        (code, loads)
    }

    #[test]
    fn the_exit_code_says_whether_a_rate_was_found() {
        assert_eq!(searched("--slo p99<1ms", 3000.0).0, Ok(FINE));
        assert_eq!(searched("--slo p99<1ms --max-rate 2000", 3000.0).0, Ok(FINE));
        assert_eq!(searched("--slo p99<1ms", 10.0).0, Ok(WRONG));
        assert_eq!(searched("--slo p99<1ms --from 5 --max-rate 4", 10.0).0.unwrap_err().code, USAGE);
    }

    /// Only the run that confirms is judged: those beyond the limit are meant to go too far.
    #[test]
    fn strict_looks_at_the_run_that_confirms() {
        let searched = |is_spoiled: fn(f64) -> bool| {
            let flags = parse("--slo p99<1ms --strict").unwrap();
            search(&flags, silent(), &mut |_, load| {
                let rate = load.rate.unwrap().from;
                let mut run = run(rate);
                let p99_us = if rate <= 3000.0 { 100.0 } else { 10_000.0 };
                run.latency.response = Latency { count: 100_000, p99_us, ..Latency::default() };
                run.verdict = if is_spoiled(rate) { Status::Fail } else { Status::Pass };
                Ok(run)
            })
        };
        assert_eq!(searched(|rate| 3000.0 < rate), Ok(FINE));
        assert_eq!(searched(|rate| rate <= 3000.0), Ok(UNTRUE));
    }

    #[test]
    fn the_confirming_run_is_three_times_as_long() {
        let last = |line: &str| searched(line, 3000.0).1.pop().unwrap();
        assert_eq!(last("--slo p99<1ms").duration, Some(Duration::from_secs(15)));
        assert_eq!(last("--slo p99<1ms --duration 2s").duration, Some(Duration::from_secs(6)));
        assert_eq!(last("--slo p99<1ms --count 100 --arrivals poisson --queue 5").count, Some(300));
    }

    #[test]
    fn mistakes_are_usage_errors() {
        for (line, reason) in [
            ("", "--slo <SLO>"),
            ("--slo p99<1ms --rate 5", "cannot be used with"),
            ("--slo p99>1ms", "an objective is a figure"),
            ("--slo p99<1ms --min-ok 2", "a share is a percentage"),
            ("--slo p99<1ms --from 1..2", "not meant here"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(reason), "{line}: {error}");
        }
        assert!(parse("tcp://127.0.0.1:7000 --slo p99<1ms --slo max<=1s --min-ok 99%").is_ok());
    }
}
