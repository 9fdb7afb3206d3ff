//! `loadgen report`: tables, files and pages from results that were kept.

use super::output::Outputs;
use super::{FINE, Failure, NO_START, USAGE, WRONG, print};
use crate::cli::{FileFlags, ReportFlags};
use crate::report::files;

/// Reads, prints and writes.
pub(super) fn report(flags: &ReportFlags) -> Result<u8, Failure> {
    if let Some(schema) = flags.schema {
        let printed = print(&schema.text());
        return printed.map(|()| FINE).map_err(|error| Failure::new(WRONG, error));
    }
    let (mut results, mut words) = (Vec::new(), Vec::new());
    for path in &flags.results {
        let kept = files::read(path).map_err(|error| Failure::new(NO_START, error))?;
        results.extend(kept.runs);
        words.extend(kept.words);
    }
    let wants_files = flags.files != FileFlags::default();
    if results.is_empty() && (words.is_empty() || wants_files) {
        return Err(Failure::new(NO_START, "there are no runs in these files to show"));
    }
    if 1 < results.len() && (flags.files.hgrm.is_some() || flags.files.hlog.is_some()) {
        return Err(Failure::new(USAGE, "--hgrm and --hlog are made from one result; there are several"));
    }
    let outputs = Outputs::open_files(&flags.files)?;
    let said = words.iter().map(|words| format!("{words}\n")).collect::<String>();
    if outputs.has_table() {
        print(&said).map_err(|error| Failure::new(WRONG, error))?;
    }
    outputs.write_all(&results, &words)?;
    Ok(FINE)
}
