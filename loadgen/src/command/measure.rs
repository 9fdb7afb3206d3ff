//! One run, for the commands that make several.

use std::io::{self, IsTerminal};

use tidemill::sys::cpu;

use super::{Failure, NO_START, USAGE};
use crate::cli::LoadFlags;
use crate::plan::Plan;
use crate::report::live::Line;
use crate::result::RunResult;
use crate::run::{self, Watch};
use crate::target::Target;

/// What makes a run: the real one, or one that a test thought of.
pub(super) type Measure<'a> = dyn FnMut(&Target, &LoadFlags) -> Result<RunResult, Failure> + 'a;

/// Loads a server once. Says nothing of it but a line on a terminal, which goes with the run.
pub(super) fn measure(target: &Target, load: &LoadFlags) -> Result<RunResult, Failure> {
    let plan = Plan::new(target, load, &cpu::allowed_cores()).map_err(|error| Failure::new(USAGE, error))?;
    let mut line = Line::new(io::stderr(), true);
    // Rows say the rest as runs end, so elsewhere nothing is said meanwhile.
    let watch: &mut dyn Watch = if io::stderr().is_terminal() { &mut line } else { &mut () };
    run::run(&plan, watch).map_err(|error| Failure::new(NO_START, error))
}
