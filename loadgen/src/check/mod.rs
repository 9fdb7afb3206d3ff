//! Whether the figures of a run may be believed: each check looks at one way in which a generator deceives itself.
//!
//! The run gathers [`Evidence`]; a check is a function of it alone, so that each can be shown to trip. What a check
//! says names the figure, the bound and what to do.

mod evidence;

pub use evidence::{Evidence, Lives, Load, Pause, WorkerEvidence};

use crate::result::Check;

/// All checks of a run, in the order in which they are shown.
pub fn all(_: &Evidence<'_>) -> Vec<Check> {
    Vec::new()
}
