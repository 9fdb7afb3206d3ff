//! `tidemill upgrade`: asks a server that runs to hand over to a new process, and says how that went.
//!
//! It decides nothing: the server starts its successor by itself, and shows on a [bulletin](crate::sys::bulletin) how that
//! stands. Whom to ask is found out in `find.rs`; whoever is no server is sent no signal, since it would end most programs.

mod find;

use std::time::Duration;

use self::find::{Found, Refusal};
use crate::error::exit;
use crate::limits;
use crate::sys::bulletin::Standing;
use crate::sys::clock;

/// Asks the server with this number, or the only one that there is, and waits for the outcome. Returns what to say, and the
/// exit code.
pub fn upgrade(pid: Option<u32>) -> (String, u8) {
    let found = match pid {
        Some(pid) => find::server(pid),
        None => find::only_server(),
    };
    match found.and_then(ask) {
        Ok((found, outcome)) => (found.say(&outcome), outcome.exit_code()),
        Err(refusal) => (refusal.to_string(), exit::NOT_STARTED),
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// This process serves.
    HandedOver(u32),
    /// None does, for this reason.
    Failed(String),
    /// The server was asked to stop meanwhile.
    Stopped,
    /// The server has ended. This one was to take over, and may have.
    Ended(Option<u32>),
    /// It has not said anything in time.
    Late,
}

impl Outcome {
    fn exit_code(&self) -> u8 {
        match self {
            Self::HandedOver(_) => exit::CLEAN,
            Self::Failed(_) | Self::Stopped | Self::Ended(_) | Self::Late => exit::FAILED,
        }
    }
}

fn ask(found: Found) -> Result<(Found, Outcome), Refusal> {
    found.process.ask_to_hand_over().map_err(|error| Refusal::of_signal(found.pid, &error))?;
    let outcome = await_outcome(&found).map_err(|error| Refusal::Unseen(found.pid, error))?;
    Ok((found, outcome))
}

fn await_outcome(found: &Found) -> std::io::Result<Outcome> {
    let deadline = clock::now().saturating_add(PATIENCE);
    let mut awaited = None;
    loop {
        // First whether it has ended, and then what it has said last.
        let has_ended = found.process.wait(PAUSE)?;
        match found.bulletin.read()? {
            Some((count, standing)) if found.count < count => match standing {
                Standing::HandedOver(pid) => return Ok(Outcome::HandedOver(pid)),
                Standing::Failed(why) => return Ok(Outcome::Failed(why)),
                Standing::Stops => return Ok(Outcome::Stopped),
                Standing::Waits(pid) => awaited = Some(pid),
                Standing::Serves => {}
            },
            Some(_) | None => {}
        }
        if has_ended {
            return Ok(Outcome::Ended(awaited));
        }
        if deadline <= clock::now() {
            return Ok(Outcome::Late);
        }
    }
}

impl Found {
    fn say(&self, outcome: &Outcome) -> String {
        let pid = self.pid;
        // The server knows numbers of its own namespace only.
        let there = if self.is_contained { " (as it is numbered there)" } else { "" };
        match outcome {
            Outcome::HandedOver(next) => format!("process {next}{there} serves now; {pid} drains"),
            Outcome::Failed(why) => format!("{why}{there}, and {pid} serves on: its log says why"),
            Outcome::Stopped => format!("process {pid} was asked to stop meanwhile, and no other takes over"),
            Outcome::Ended(None) => {
                format!("process {pid} has ended, and no other has taken over: its log says why")
            }
            Outcome::Ended(Some(next)) => {
                format!(
                    "process {pid} has ended, and process {next}{there}, which was to take over, serves if it can: its log says it"
                )
            }
            Outcome::Late => {
                let patience = humantime::format_duration(PATIENCE);
                format!(
                    "process {pid} has not answered in {patience}: it may be held. Try: ps -o stat,wchan {pid}"
                )
            }
        }
    }
}

/// How long to wait: as long as the server itself, and then a while.
const PATIENCE: Duration = limits::HANDOVER_TIMEOUT.saturating_add(limits::UPGRADE_MARGIN);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);
