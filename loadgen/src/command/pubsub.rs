//! `loadgen pubsub`: one run with a hub, its table, and its result where it was asked for.

use tidemill::sys::cpu;

use super::document::Document;
use super::{FINE, Failure, NO_START, UNTRUE, USAGE, WRONG};
use crate::cli::PubsubFlags;
use crate::pubsub::plan::Plan;
use crate::pubsub::result::PubsubResult;
use crate::pubsub::run;
use crate::result::Status;

/// Runs and reports.
pub(super) fn pubsub(flags: &PubsubFlags, document: &Document) -> Result<u8, Failure> {
    let plan = Plan::new(flags, &cpu::allowed_cores()).map_err(|error| Failure::new(USAGE, error))?;
    let result = run(&plan).map_err(|error| Failure::new(NO_START, error))?;
    document.tell(&result.to_string())?;
    result.problems.iter().for_each(|problem| document.say(problem));
    document.write(&result)?;
    Ok(exit_code(&result, flags.output.strict))
}

/// What the exit code says of a result.
fn exit_code(result: &PubsubResult, strict: bool) -> u8 {
    match result.verdict {
        Status::Fail if strict => UNTRUE,
        Status::Skipped | Status::Pass | Status::Warn | Status::Fail if result.is_fine() => FINE,
        Status::Skipped | Status::Pass | Status::Warn | Status::Fail => WRONG,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pubsub::result::example;

    #[test]
    fn the_exit_code_tells_whose_fault_it_is() {
        let code = |verdict, problem: Option<&str>, strict| {
            let problems = problem.map(str::to_owned).into_iter().collect();
            exit_code(&PubsubResult { verdict, problems, ..example() }, strict)
        };
        assert_eq!(code(Status::Warn, None, true), FINE);
        assert_eq!(code(Status::Pass, Some("1 deliveries were lost"), true), WRONG);
        assert_eq!(code(Status::Fail, None, true), UNTRUE);
    }
}
