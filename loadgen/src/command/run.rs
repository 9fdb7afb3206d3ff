//! `loadgen run`: one run, its table, and its result where it was asked for.

use std::io::{self, IsTerminal};

use tidemill::sys::cpu;

use super::output::Outputs;
use super::{FINE, Failure, NO_START, UNTRUE, USAGE, WRONG, say};
use crate::cli::RunFlags;
use crate::plan::Plan;
use crate::report::live::Line;
use crate::result::{Interval, RunResult, Status};
use crate::run::{self, Watch};

/// Runs and reports.
pub(super) fn run(flags: &RunFlags) -> Result<u8, Failure> {
    let plan = Plan::new(&flags.target.target, &flags.load, &cpu::allowed_cores())
        .map_err(|error| Failure::new(USAGE, error))?;
    let mut watcher = Watcher { outputs: Outputs::open(&flags.output)?, line: line(flags), unwritten: None };
    let result = run::run(&plan, &mut watcher).map_err(|error| Failure::new(NO_START, error))?;
    watcher.outputs.write(&result)?;
    if let Some(failure) = watcher.unwritten {
        return Err(failure);
    }
    result.problems.iter().for_each(|problem| say(problem));
    Ok(exit_code(&result, flags.output.strict))
}

/// The line about the last second: on a terminal, or wherever it was asked for.
fn line(flags: &RunFlags) -> Option<Line<io::Stderr>> {
    let is_terminal = io::stderr().is_terminal();
    let is_wanted = !flags.output.quiet && (is_terminal || flags.output.progress);
    is_wanted.then(|| Line::new(io::stderr(), is_terminal))
}

/// What the exit code says of a result.
fn exit_code(result: &RunResult, strict: bool) -> u8 {
    match result.verdict {
        Status::Fail if strict => UNTRUE,
        Status::Skipped | Status::Pass | Status::Warn | Status::Fail if result.is_fine() => FINE,
        Status::Skipped | Status::Pass | Status::Warn | Status::Fail => WRONG,
    }
}

/// Whoever wants to know how the run goes.
struct Watcher {
    outputs: Outputs,
    line: Option<Line<io::Stderr>>,
    /// The first thing that could not be written; the run goes on all the same.
    unwritten: Option<Failure>,
}

impl Watch for Watcher {
    fn interval(&mut self, interval: &Interval) {
        let written = self.outputs.interval(interval);
        self.unwritten = self.unwritten.take().or(written.err());
        if let Some(line) = &mut self.line {
            line.interval(interval);
        }
    }

    fn over(&mut self) {
        if let Some(line) = &mut self.line {
            line.over();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::example::example;

    #[test]
    fn the_exit_code_tells_whose_fault_it_is() {
        let code = |verdict, problem: Option<&str>, strict| {
            let problems = problem.map(str::to_owned).into_iter().collect();
            exit_code(&RunResult { verdict, problems, ..example() }, strict)
        };
        assert_eq!(code(Status::Warn, None, true), FINE);
        assert_eq!(code(Status::Fail, None, false), FINE);
        assert_eq!(code(Status::Pass, Some("1 error"), true), WRONG);
        assert_eq!(code(Status::Fail, Some("1 error"), true), UNTRUE);
    }
}
