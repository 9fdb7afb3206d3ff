//! `loadgen run`: one run, its table, and its result where it was asked for.

use std::fs::File;
use std::io::{self, IsTerminal, Write};

use tidemill::sys::cpu;

use super::{FINE, Failure, NO_START, USAGE, WRONG, print, say};
use crate::cli::RunFlags;
use crate::plan::Plan;
use crate::report::live::Line;
use crate::report::table;
use crate::result::RunResult;
use crate::run::{self, Watch};

/// Runs and reports.
pub(super) fn run(flags: &RunFlags) -> Result<u8, Failure> {
    let plan = Plan::new(&flags.target.target, &flags.load, &cpu::allowed_cores())
        .map_err(|error| Failure::new(USAGE, error))?;
    let output = &flags.output;
    let unwritten = |code| {
        move |error: io::Error| {
            let place = output.json.as_deref().filter(|path| *path != "-").unwrap_or("standard output");
            Failure::new(code, format!("the result cannot be written to {place}: {error}"))
        }
    };
    let target = Target::open(output.json.as_deref()).map_err(unwritten(NO_START))?;
    let mut line = Line::new(io::stderr(), true);
    let watched = !output.quiet && io::stderr().is_terminal();
    let watch: &mut dyn Watch = if watched { &mut line } else { &mut () };
    let result = run::run(&plan, watch).map_err(|error| Failure::new(NO_START, error))?;
    target.write(&result).map_err(unwritten(WRONG))?;
    result.problems.iter().for_each(|problem| say(problem));
    Ok(if result.is_fine() { FINE } else { WRONG })
}

/// Where the result goes.
enum Target {
    /// The table on standard output.
    Table,
    /// The table, and JSON in this file.
    File(File),
    /// JSON on standard output, and nothing else there.
    Json,
}

impl Target {
    /// Opens the file before the run, so that a wrong path does not cost one; what it holds stays until the end.
    fn open(json: Option<&str>) -> io::Result<Self> {
        match json {
            None => Ok(Self::Table),
            Some("-") => Ok(Self::Json),
            Some(path) => File::options().write(true).create(true).truncate(false).open(path).map(Self::File),
        }
    }

    fn write(self, result: &RunResult) -> io::Result<()> {
        let json = || serde_json::to_string_pretty(result).map(|json| json + "\n");
        match self {
            Self::Table => print(&table::table(result, false)),
            Self::Json => print(&json()?),
            Self::File(mut file) => {
                print(&table::table(result, false))?;
                // A device or a pipe has no length.
                if file.metadata()?.is_file() {
                    file.set_len(0)?;
                }
                file.write_all(json()?.as_bytes())
            }
        }
    }
}
