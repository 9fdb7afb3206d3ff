//! The flags that say where a result goes.

use clap::Args;

/// Where the result goes.
#[derive(Clone, Debug, Default, Args)]
pub struct OutputFlags {
    /// Write the result as JSON to this file; - is standard output, which then has nothing else.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub json: Option<String>,

    /// Exit with 4 when a check of the run by itself fails.
    #[arg(long, help_heading = "Result")]
    pub strict: bool,

    /// Show no progress. It is shown only on a terminal anyway.
    #[arg(short, long, help_heading = "Result")]
    pub quiet: bool,
}
