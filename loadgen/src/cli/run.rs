//! `loadgen run`, which is also what happens without a command.

use clap::Args;

use super::{LoadFlags, OutputFlags, TargetFlags};

/// The flags of a run.
#[derive(Clone, Debug, Args)]
pub struct RunFlags {
    /// Whom to load.
    #[command(flatten)]
    pub target: TargetFlags,
    /// What with.
    #[command(flatten)]
    pub load: LoadFlags,
    /// Where the result goes.
    #[command(flatten)]
    pub output: OutputFlags,
}
