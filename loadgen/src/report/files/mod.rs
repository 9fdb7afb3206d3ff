//! Files that other programs read: percentile distributions, histogram logs, tables of intervals, and results again.
//!
//! Each function takes a result and gives text. Where the text goes is the command's business.

mod csv;
mod hgrm;
mod hlog;
mod ndjson;
mod points;
mod read;
mod schema;

pub use csv::csv;
pub use hgrm::hgrm;
pub use hlog::hlog;
pub use ndjson::{interval_line, total_line};
pub use points::points;
pub use read::{Kept, READ_BYTES_MAX, ReadError, parse, read};
pub use schema::Schema;

use crate::result::LatencyError;

/// Why a file cannot be made from a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// A histogram of the result is damaged.
    #[error(transparent)]
    Latency(#[from] LatencyError),
    /// The result has figures of its intervals, and no histograms.
    #[error("the result has no histograms of its intervals, which this file is made of")]
    NoHistograms,
    /// The start of the run is not a time.
    #[error("the result's started_at is not a time as in 2026-01-31T12:00:00Z: {0}")]
    Start(String),
    /// The file could not be put together.
    #[error("the histograms cannot be written: {0}")]
    Format(String),
}
