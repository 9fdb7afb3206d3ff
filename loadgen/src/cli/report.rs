//! `loadgen report`: results that were kept.

use clap::Args;

use super::FileFlags;

/// The flags of a report.
#[derive(Clone, Debug, Args)]
pub struct ReportFlags {
    /// Results, as --json or --html wrote them.
    #[arg(value_name = "RESULT", required_unless_present = "schema")]
    pub results: Vec<String>,

    /// What to make of them.
    #[command(flatten)]
    pub files: FileFlags,

    /// Print the JSON Schema of a result, and nothing else.
    #[arg(long, conflicts_with_all = ["results", "html", "csv", "hgrm", "hlog"])]
    pub schema: bool,
}
