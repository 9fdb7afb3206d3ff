//! `loadgen report`: results that were kept.

use clap::Args;

use super::FileFlags;
use crate::report::files::Schema;

/// The flags of a report.
#[derive(Clone, Debug, Args)]
pub struct ReportFlags {
    /// Results, as --json or --html wrote them: of runs, sweeps, searches, comparisons and calibrations.
    #[arg(value_name = "RESULT", required_unless_present = "schema")]
    pub results: Vec<String>,

    /// What to make of them.
    #[command(flatten)]
    pub files: FileFlags,

    /// Print the JSON Schema of what a command writes (run, sweep, search, compare, calibrate, pubsub), and
    /// nothing else.
    #[arg(
        long,
        value_name = "COMMAND",
        value_enum,
        num_args = 0..=1,
        default_missing_value = "run",
        hide_possible_values = true,
        conflicts_with_all = ["results", "html", "csv", "hgrm", "hlog"]
    )]
    pub schema: Option<Schema>,
}
