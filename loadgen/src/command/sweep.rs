//! `loadgen sweep`: runs at one rate, or number of connections, after the other.

use super::document::Document;
use super::measure::Measure;
use super::{FINE, Failure, USAGE, WRONG};
use crate::cli::{LoadFlags, Rate, SweepFlags};
use crate::sweep::{self, Axis, Point, evenly, header};

/// Sweeps, with `measure` to make runs.
pub(super) fn sweep(
    flags: &SweepFlags,
    document: Document,
    measure: &mut Measure<'_>,
) -> Result<u8, Failure> {
    let axis = axis(flags)?;
    document.tell(&header(&axis))?;
    let order = flags.shuffle.then_some(flags.load.seed);
    let mut told = Ok(());
    let mut measure_at = |point: Point| measure(&flags.target.target, &load_at(&flags.load, point));
    let (swept, failure) = sweep::sweep(&axis, order, &mut measure_at, &mut |point, run| {
        let row = document.tell(&point.row(run));
        if told.is_ok() {
            told = row;
        }
    });
    told?;
    document.write(&swept)?;
    let problems = swept.points.iter().flat_map(|run| &run.problems).chain(&swept.stopped);
    if failure.is_none() {
        problems.clone().for_each(|problem| document.say(problem));
    }
    document.write_files(&swept.points)?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    Ok(if problems.count() == 0 { FINE } else { WRONG })
}

/// What changes from run to run.
fn axis(flags: &SweepFlags) -> Result<Axis, Failure> {
    if let Some(counts) = &flags.over_connections {
        return Ok(Axis::Connections(counts.0.clone()));
    }
    if let Some(rates) = &flags.rates {
        return Ok(Axis::Rates(rates.0.clone()));
    }
    match (flags.points, flags.from, flags.to) {
        (Some(points), Some(from), Some(to)) if from <= to => {
            Ok(Axis::Rates(evenly(from, to, points as usize)))
        }
        _ => Err(Failure::new(USAGE, "--from must be at most --to, and both go with --points")),
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
        assert_eq!(loads("--from 20 --to 10 --points 3").0.unwrap_err().code, USAGE);
    }

    #[test]
    fn what_goes_wrong_is_in_the_exit_code() {
        let wrong = sweep(&flags("--rates 1,2"), silent(), &mut |_, _| {
            let mut run = run(1.0);
            run.problems.push("3 errors".to_owned());
            Ok(run)
        });
        assert_eq!(wrong, Ok(WRONG));
        let none =
            sweep(&flags("--rates 1,2"), silent(), &mut |_, _| Err(Failure::new(NO_START, "nobody listens")));
        assert_eq!(none, Err(Failure::new(NO_START, "nobody listens")));
    }
}
