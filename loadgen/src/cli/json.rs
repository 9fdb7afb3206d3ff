//! The flag of commands whose result is more than one run.

use clap::Args;

/// Where the result goes.
#[derive(Clone, Debug, Default, Args)]
pub struct JsonFlags {
    /// Write the result as JSON to this file; - is standard output, which then has nothing else.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub json: Option<String>,
}
