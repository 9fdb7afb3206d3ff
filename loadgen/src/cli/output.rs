//! The flags that say where a result goes.

use clap::Args;

/// Where the result goes.
#[derive(Clone, Debug, Default, Args)]
pub struct OutputFlags {
    /// Write the result as JSON to this file; - is standard output, which then has nothing else.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub json: Option<String>,

    /// Write a line of JSON for each interval while the run goes, and one for the whole at its end; - is standard
    /// output.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub ndjson: Option<String>,

    /// Files for other programs and for people.
    #[command(flatten)]
    pub files: FileFlags,

    /// Exit with 4 when a check of the run by itself fails.
    #[arg(long, help_heading = "Result")]
    pub strict: bool,

    /// Show progress, a line each second, also where standard error is no terminal.
    #[arg(long, conflicts_with = "quiet", help_heading = "Result")]
    pub progress: bool,

    /// Show no progress. Without --progress it is shown only on a terminal anyway.
    #[arg(short, long, help_heading = "Result")]
    pub quiet: bool,
}

/// The files that can be made from a result at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct FileFlags {
    /// Write one page with plots and tables, which needs nothing from elsewhere.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub html: Option<String>,

    /// Write the intervals as a table, one in each row.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub csv: Option<String>,

    /// Write the percentiles of the response time, in ms, as HdrHistogram's plotter takes them.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub hgrm: Option<String>,

    /// Write the histograms of all intervals as a log that HdrHistogram's tools read.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub hlog: Option<String>,
}
