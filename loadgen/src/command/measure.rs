//! One run, for the commands that make several.

use tidemill::sys::cpu;

use super::{Failure, NO_START, USAGE};
use crate::cli::LoadFlags;
use crate::plan::Plan;
use crate::result::RunResult;
use crate::run;
use crate::target::Target;

/// What makes a run: the real one, or one that a test thought of.
pub(super) type Measure<'a> = dyn FnMut(&Target, &LoadFlags) -> Result<RunResult, Failure> + 'a;

/// Loads a server once, and says nothing of it.
pub(super) fn measure(target: &Target, load: &LoadFlags) -> Result<RunResult, Failure> {
    let plan = Plan::new(target, load, &cpu::allowed_cores()).map_err(|error| Failure::new(USAGE, error))?;
    run::run(&plan, &mut ()).map_err(|error| Failure::new(NO_START, error))
}
