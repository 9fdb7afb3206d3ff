//! `loadgen sweep`: runs at one rate, or number of connections, after the other.

use super::document::Document;
use super::measure::Measure;
use super::{FINE, Failure, UNTRUE, USAGE, WRONG};
use crate::cli::{LoadFlags, Rate, SweepFlags};
use crate::compare::own_failures;
use crate::sweep::{self, Axis, Point, evenly, header};

/// Sweeps, with `measure` to make runs.
pub(super) fn sweep(
    flags: &SweepFlags,
    document: Document,
    measure: &mut Measure<'_>,
) -> Result<u8, Failure> {
    let axis = axis(flags)?;
    let order = flags.shuffle.then_some(flags.load.seed);
    let (mut told, mut problems, mut is_first) = (Ok(()), Vec::new(), true);
    let mut measure_at = |point: Point| measure(&flags.target.target, &load_at(&flags.load, point));
    let (swept, failure) = sweep::sweep(&axis, order, &mut measure_at, &mut |point, run| {
        problems.extend(run.problems.iter().map(|problem| format!("{point}: {problem}")));
        // Not before there is something to stand below it.
        let above = is_first.then(|| header(&axis, &run.config));
        is_first = false;
        let mut lines =
            above.iter().flat_map(|header| header.lines()).map(str::to_owned).chain([point.row(run)]);
        if told.is_ok() {
            told = lines.try_for_each(|line| document.tell(&line));
        }
    });
    told?;
    let failures = own_failures(&swept.points.iter().collect::<Vec<_>>());
    if let Some(failures) = &failures {
        document.tell(&format!("{failures}: their figures are not the server's."))?;
    }
    document.write(&swept)?;
    problems.extend(swept.stopped);
    if failure.is_none() {
        problems.iter().for_each(|problem| document.say(problem));
    }
    document.write_files(&swept.points, &[])?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    Ok(match problems.is_empty() {
        _ if flags.output.whole.strict && failures.is_some() => UNTRUE,
        true => FINE,
        false => WRONG,
    })
}

/// What changes from run to run.
fn axis(flags: &SweepFlags) -> Result<Axis, Failure> {
    if let Some(counts) = &flags.over_connections {
        return Ok(Axis::Connections(counts.0.clone()));
    }
    if let Some(rates) = &flags.rates {
        return Ok(Axis::Rates(rates.0.clone()));
    }
    let wrong = |sentence: &str| Err(Failure::new(USAGE, sentence));
    match (flags.from, flags.to, flags.points) {
        (Some(from), Some(to), Some(points)) if from <= to => {
            Ok(Axis::Rates(evenly(from, to, points as usize)))
        }
        (Some(_), Some(_), Some(_)) => wrong("--from must be at most --to"),
        (Some(_), Some(_), None) => {
            wrong("--from and --to need the number of rates between them. Try: --points 8")
        }
        (None, None, None) => wrong(
            "a sweep goes over rates or over connections. Try: --rates 1000,2000,4000, or --over-connections 1,8,64",
        ),
        _ => wrong("--from, --to and --points go together, as in --from 1000 --to 8000 --points 8"),
    }
}

/// The load at a point.
fn load_at(load: &LoadFlags, point: Point) -> LoadFlags {
    match point {
        Point::Rate(rate) => LoadFlags { rate: Some(Rate { from: rate, to: rate }), ..load.clone() },
        Point::Connections(connections) => LoadFlags { connections, ..load.clone() },
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::command::NO_START;
    use crate::command::document::tests::silent;
    use crate::compare::simulated::run;

    fn flags(line: &str) -> SweepFlags {
        let words = ["loadgen", "sweep"].into_iter().chain(line.split_whitespace());
        let Command::Sweep(flags) = Cli::try_parse_from(words).unwrap().into_command() else {
            panic!("{line}")
        };
        flags
    }

    /// A rate and a number of connections.
    type Load = (Option<f64>, u32);

    /// The exit code, and the loads that are asked for.
    fn loads(line: &str) -> (Result<u8, Failure>, Vec<Load>) {
        let mut seen = Vec::new();
        let code = sweep(&flags(line), silent(), &mut |_, load| {
            seen.push((load.rate.map(|rate| rate.from), load.connections));
            Ok(run(1000.0))
        });
        (code, seen)
    }

    #[test]
    fn each_point_has_its_load() {
        let rates = |line: &str| loads(line).1.into_iter().map(|(rate, _)| rate.unwrap()).collect::<Vec<_>>();
        assert_eq!(rates("--rates 2000,1000 -c 5"), [1000.0, 2000.0]);
        assert_eq!(rates("--from 10 --to 20 --points 3 --arrivals poisson"), [10.0, 15.0, 20.0]);
        assert_eq!(loads("--over-connections 8,1 --rate 7").1, [(Some(7.0), 1), (Some(7.0), 8)]);
        assert_eq!(loads("--over-connections 8,1"), (Ok(FINE), vec![(None, 1), (None, 8)]));
        for (line, words) in [
            ("--from 20 --to 10 --points 3", "--from must be at most --to"),
            ("--from 10 --to 20", "Try: --points 8"),
            ("--from 10", "--from, --to and --points go together"),
            ("--points 3 --to 5", "--from, --to and --points go together"),
            ("", "a sweep goes over rates or over connections"),
        ] {
            let failure = loads(line).0.unwrap_err();
            assert!(failure.code == USAGE && failure.sentence.contains(words), "{line}: {failure}");
        }
    }

    #[test]
    fn lists_are_taken_where_they_are_meant() {
        let refused = |line: &str| {
            let words = ["loadgen", "sweep"].into_iter().chain(line.split_whitespace());
            Cli::try_parse_from(words).unwrap_err().to_string()
        };
        let error = refused("--connections 1,2 --rates 5");
        assert!(error.contains("a whole number, as in 1000; for several, --over-connections 1,2"), "{error}");
        assert!(refused("-c x --rates 5").contains("a whole number, as in 1000"));
        assert!(refused("--rates 5000..1000:1000").contains("the first rate must be lower than the last"));
        assert!(refused("--rates 5 --from 1").contains("cannot be used with"));
    }

    #[test]
    fn what_goes_wrong_is_in_the_exit_code() {
        let wrong = sweep(&flags("--rates 1,2"), silent(), &mut |_, _| {
            let mut run = run(1.0);
            run.problems.push("3 errors".to_owned());
            Ok(run)
        });
        assert_eq!(wrong, Ok(WRONG));
        let untrue = |line: &str| {
            sweep(&flags(line), silent(), &mut |_, _| {
                let mut run = run(1.0);
                run.verdict = crate::result::Status::Fail;
                Ok(run)
            })
        };
        assert_eq!((untrue("--rates 1,2"), untrue("--rates 1 --strict")), (Ok(FINE), Ok(UNTRUE)));
        let none =
            sweep(&flags("--rates 1,2"), silent(), &mut |_, _| Err(Failure::new(NO_START, "nobody listens")));
        assert_eq!(none, Err(Failure::new(NO_START, "nobody listens")));
    }
}
