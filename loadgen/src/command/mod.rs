//! What each command does, from its flags to its exit code.

mod calibrate;
mod compare;
mod document;
mod measure;
pub mod output;
mod pubsub;
mod report;
mod run;
mod search;
mod serve;
mod sweep;

use std::fmt;
use std::io::{self, Write};

use crate::cli::Command;
use document::Document;

/// Nothing went wrong.
pub const FINE: u8 = 0;
/// Errors, wrong bytes, or messages without an answer.
pub const WRONG: u8 = 1;
/// The command line cannot be understood.
pub const USAGE: u8 = 2;
/// The run could not take place.
pub const NO_START: u8 = 3;
/// A check of a run by itself failed, and this was to be told so; or a figure that has a limit could not be compared.
pub const UNTRUE: u8 = 4;

/// Why a command ended early: the exit code, and the sentence to say with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What happened.
    pub sentence: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(code: u8, cause: impl ToString) -> Self {
        Self { code, sentence: cause.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.sentence)
    }
}

/// Does what was asked for. Returns the exit code.
pub fn carry_out(command: Command) -> u8 {
    let done = match command {
        Command::Run(flags) => run::run(&flags),
        Command::Pubsub(flags) => Document::open(flags.output.json.as_deref())
            .and_then(|document| pubsub::pubsub(&flags, &document)),
        Command::Serve(flags) => serve::serve(&flags),
        Command::Report(flags) => report::report(&flags),
        Command::Sweep(flags) => Document::open_several(&flags.output)
            .and_then(|document| sweep::sweep(&flags, document, &mut measure::measure)),
        Command::Search(flags) => Document::open_several(&flags.output)
            .and_then(|document| search::search(&flags, document, &mut measure::measure)),
        Command::Calibrate(flags) => Document::open(flags.output.json.as_deref())
            .and_then(|document| calibrate::calibrate(&flags, &document, &mut measure::measure)),
        Command::Compare(flags) => Document::open(flags.output.json.as_deref())
            .and_then(|document| compare::compare(&flags, document, &mut measure::measure)),
    };
    done.unwrap_or_else(|failure| {
        say(&failure.sentence);
        failure.code
    })
}

/// Writes data to standard output. A reader that has gone, as `head` does, has read enough.
fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes one sentence to standard error.
fn say(sentence: &str) {
    let _ = writeln!(io::stderr(), "loadgen: {sentence}");
}
