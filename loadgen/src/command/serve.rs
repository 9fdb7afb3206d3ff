//! `loadgen serve`: a test peer, until a signal ends it.

use std::{fs, io};

use super::{FINE, Failure, NO_START, USAGE, WRONG, print, say};
use crate::cli::ServeFlags;
use crate::peer::plan::Plan;
use crate::peer::{PeerError, serve as run};

/// Serves, and says what was done.
pub(super) fn serve(flags: &ServeFlags) -> Result<u8, Failure> {
    let plan = Plan::new(flags).map_err(|error| Failure::new(USAGE, error))?;
    let listening = |address: &_| {
        // Whoever has closed our standard output does not want to know.
        let _ = print(&format!("listening at {address}\n"));
    };
    let report = |summary: &_| say(&format!("so far {summary}"));
    let summary = run(&plan, listening, report).map_err(|error| Failure::new(code(&error), error))?;
    let json = summary.json() + "\n";
    let written: io::Result<()> = match flags.json.as_deref() {
        None => Ok(()),
        Some("-") => print(&json),
        Some(path) => fs::write(path, json),
    };
    if !flags.quiet {
        say(&summary.to_string());
    }
    let unwritten = |error| Failure::new(WRONG, format!("the counts cannot be written: {error}"));
    written.map_err(unwritten).map(|()| FINE)
}

/// Whether it had begun.
fn code(error: &PeerError) -> u8 {
    match error {
        PeerError::RingFailed(_) | PeerError::Receive(_) => WRONG,
        PeerError::Bind(_)
        | PeerError::Pin(_)
        | PeerError::Descriptors(_)
        | PeerError::NoRing(_)
        | PeerError::Adopt(_)
        | PeerError::Signals(_) => NO_START,
    }
}
