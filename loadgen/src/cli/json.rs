//! The flags of commands whose result is more than one run.

use clap::Args;

/// Where the result goes.
#[derive(Clone, Debug, Default, Args)]
pub struct JsonFlags {
    /// Write the result as JSON to this file; - is standard output, which then has nothing else.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub json: Option<String>,

    /// Exit with 4 when a check of a run by itself fails; of a search, of its last run, which the others led to.
    #[arg(long, help_heading = "Result")]
    pub strict: bool,
}

/// Where the result goes, and what is made of its runs.
#[derive(Clone, Debug, Default, Args)]
pub struct SeveralFlags {
    /// The whole of it.
    #[command(flatten)]
    pub whole: JsonFlags,

    /// Write one page with plots and tables of all runs, with latency against rate; it needs nothing from elsewhere.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub html: Option<String>,

    /// Write a table with a row for each run.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub csv: Option<String>,
}
