//! The load generator's binary: flags, then the run, then its result and an exit code.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use loadgen::cli::{Cli, Flags};
use loadgen::plan::Plan;
use loadgen::report::Outcome;
use loadgen::run;
use tidemill::sys::cpu;

/// Nothing went wrong.
const FINE: u8 = 0;
/// Errors, wrong bytes, or messages without an answer.
const WRONG: u8 = 1;
/// The command line cannot be understood.
const USAGE: u8 = 2;
/// The run could not take place.
const NO_START: u8 = 3;

fn main() -> ExitCode {
    let flags = match Cli::try_parse() {
        Ok(cli) => cli.into_flags(),
        Err(answer) => {
            let _ = answer.print();
            return if answer.use_stderr() { USAGE.into() } else { FINE.into() };
        }
    };
    load(&flags).unwrap_or_else(|(code, sentence)| {
        say(&sentence);
        code.into()
    })
}

/// Runs and reports; or gives an exit code, and the sentence to say with it.
fn load(flags: &Flags) -> Result<ExitCode, (u8, String)> {
    let plan = Plan::new(flags, &cpu::allowed_cores()).map_err(|error| (USAGE, error.to_string()))?;
    let unwritten = |error| {
        let place = flags.json.as_deref().filter(|path| *path != "-");
        format!("the result cannot be written to {}: {error}", place.unwrap_or("standard output"))
    };
    let target = Target::open(flags.json.as_deref()).map_err(|error| (NO_START, unwritten(error)))?;
    let watched = !flags.quiet && io::stderr().is_terminal();
    let outcome = run::run(&plan, watched).map_err(|error| (NO_START, error.to_string()))?;
    target.write(&outcome).map_err(|error| (WRONG, unwritten(error)))?;
    outcome.problems().iter().for_each(|problem| say(problem));
    Ok(if outcome.is_fine() { FINE.into() } else { WRONG.into() })
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

    fn write(self, outcome: &Outcome) -> io::Result<()> {
        let json = || serde_json::to_string_pretty(&outcome.json()).map(|json| json + "\n");
        match self {
            Self::Table => print(&outcome.to_string()),
            Self::Json => print(&json()?),
            Self::File(mut file) => {
                print(&outcome.to_string())?;
                // A device or a pipe has no length.
                if file.metadata()?.is_file() {
                    file.set_len(0)?;
                }
                file.write_all(json()?.as_bytes())
            }
        }
    }
}

/// Writes data to standard output. A reader that has gone, as `head` does, has read enough.
fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes one sentence to standard error, if there is one.
fn say(sentence: &str) {
    let _ = writeln!(io::stderr(), "loadgen: {sentence}");
}
