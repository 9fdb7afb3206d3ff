//! `loadgen report`: tables, files and pages from results that were kept.

use super::output::Outputs;
use super::{FINE, Failure, NO_START, USAGE, WRONG, print};
use crate::cli::ReportFlags;
use crate::report::files;

/// Reads, prints and writes.
pub(super) fn report(flags: &ReportFlags) -> Result<u8, Failure> {
    if flags.schema {
        let printed = print(files::SCHEMA_TEXT);
        return printed.map(|()| FINE).map_err(|error| Failure::new(WRONG, error));
    }
    let mut results = Vec::new();
    for path in &flags.results {
        results.extend(files::read(path).map_err(|error| Failure::new(NO_START, error))?);
    }
    if results.is_empty() {
        return Err(Failure::new(NO_START, "the pages hold no results"));
    }
    if 1 < results.len() && (flags.files.hgrm.is_some() || flags.files.hlog.is_some()) {
        return Err(Failure::new(USAGE, "--hgrm and --hlog are made from one result; there are several"));
    }
    Outputs::open_files(&flags.files)?.write_all(&results)?;
    Ok(FINE)
}
