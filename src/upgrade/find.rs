//! Which process is to be asked: a server, and nobody else.

use std::io;
use std::time::Duration;

use crate::sys::bulletin::{Reader, Standing};
use crate::sys::process::{self, Process};

/// A server that can be asked.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) pid: u32,
    pub(super) process: Process,
    pub(super) bulletin: Reader,
    /// How often it has shown something up to now.
    pub(super) count: u64,
    /// Whether it is in a namespace of processes of its own.
    pub(super) is_contained: bool,
}

/// Why nobody was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("no server of this user runs here. Try: sudo tidemill upgrade, if it is another user's")]
    NoServerOfOurs,
    #[error("no server runs here. Try: tidemill serve, which starts one")]
    NoServer,
    #[error("no server serves here that could be replaced: {}", ending(.0))]
    NoneServes(Vec<u32>),
    #[error("several servers run here: {}. Try: tidemill upgrade --pid {}", list(.0), .0[0])]
    Several(Vec<u32>),
    #[error("there is no process {0}")]
    Gone(u32),
    #[error("process {0} is no server of this program that serves, and is sent no signal")]
    Foreign(u32),
    #[error("process {0} belongs to another user. Try: sudo tidemill upgrade --pid {0}")]
    NotOurs(u32),
    #[error(
        "process {0} is the first of its container, which would end with it. Try: a new container in the place of this one"
    )]
    First(u32),
    #[error("process {0} is being replaced already: process {1} is to take over")]
    Going(u32, u32),
    #[error("process {0} drains, since process {1} has taken over. Try: tidemill upgrade --pid {1}")]
    HandedOver(u32, u32),
    #[error("process {0} was asked to stop, and drains")]
    Stops(u32),
    #[error("it cannot be seen what process {0} does: {1}")]
    Unseen(u32, io::Error),
    #[error("processes cannot be listed: {0}. Try: tidemill upgrade --pid PID")]
    NoList(io::Error),
}

impl Refusal {
    pub(super) fn of_signal(pid: u32, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::NotOurs(pid),
            _ => Self::Gone(pid),
        }
    }
}

/// A server, if this process is one and can be asked.
pub(super) fn server(pid: u32) -> Result<Found, Refusal> {
    let (found, standing, is_first) = look(pid)?;
    if is_first {
        return Err(Refusal::First(pid));
    }
    match standing {
        Standing::Serves | Standing::Failed(_) => Ok(found),
        Standing::Waits(next) => Err(Refusal::Going(pid, next)),
        Standing::HandedOver(next) => Err(Refusal::HandedOver(pid, next)),
        Standing::Stops => Err(Refusal::Stops(pid)),
    }
}

/// The only server that serves, among the processes that may be looked into.
pub(super) fn only_server() -> Result<Found, Refusal> {
    let (mut serving, mut ending) = (Vec::new(), Vec::new());
    for pid in process::all().map_err(Refusal::NoList)? {
        match look(pid) {
            Ok((_, Standing::HandedOver(_) | Standing::Stops, _)) => ending.push(pid),
            Ok((_, Standing::Serves | Standing::Waits(_) | Standing::Failed(_), _)) => serving.push(pid),
            Err(_) => {}
        }
    }
    match serving[..] {
        [pid] => server(pid),
        [] if ending.is_empty() && process::sees_all() => Err(Refusal::NoServer),
        [] if ending.is_empty() => Err(Refusal::NoServerOfOurs),
        [] => Err(Refusal::NoneServes(ending)),
        _ => Err(Refusal::Several(serving)),
    }
}

/// How a server stands, and whether it is the first process of its container.
fn look(pid: u32) -> Result<(Found, Standing, bool), Refusal> {
    // Held first: whatever is read of this number is its own, if it has not ended by then.
    let process = Process::open(pid).map_err(|_| Refusal::Gone(pid))?;
    let status = process::status(pid).map_err(|_| Refusal::Gone(pid))?;
    if !status.awaits_usr2() {
        return Err(Refusal::Foreign(pid));
    }
    let bulletin = match Reader::find(pid) {
        Ok(bulletin) => bulletin.ok_or(Refusal::Foreign(pid))?,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(Refusal::NotOurs(pid)),
        Err(_) => return Err(Refusal::Gone(pid)),
    };
    let shown = bulletin.read().map_err(|error| Refusal::Unseen(pid, error))?;
    let (count, standing) = shown.ok_or(Refusal::Foreign(pid))?;
    if process.wait(Duration::ZERO).map_err(|error| Refusal::Unseen(pid, error))? {
        return Err(Refusal::Gone(pid));
    }
    let numbers = status.numbers();
    let found = Found { pid, process, bulletin, count, is_contained: 1 < numbers.len() };
    Ok((found, standing, numbers.last() == Some(&1)))
}

fn list(pids: &[u32]) -> String {
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    pids.join(", ")
}

fn ending(pids: &[u32]) -> String {
    let verb = if pids.len() == 1 { "drains" } else { "drain" };
    format!("{} {verb}", list(pids))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_to_do() {
        let check = |refusal: Refusal, expected: &str| assert_eq!(refusal.to_string(), expected);
        check(
            Refusal::Several(vec![4100, 4200]),
            "several servers run here: 4100, 4200. Try: tidemill upgrade --pid 4100",
        );
        check(Refusal::NoServer, "no server runs here. Try: tidemill serve, which starts one");
        check(Refusal::NoneServes(vec![4100]), "no server serves here that could be replaced: 4100 drains");
        check(
            Refusal::NoneServes(vec![4100, 4200]),
            "no server serves here that could be replaced: 4100, 4200 drain",
        );
    }

    /// The process of this test is no server, and process 1 is another's or none.
    #[test]
    fn nobody_else_is_asked() {
        let own = std::process::id();
        assert!(matches!(server(own), Err(Refusal::Foreign(pid)) if pid == own));
        assert!(server(1).is_err());
        assert!(matches!(server(u32::MAX), Err(Refusal::Gone(u32::MAX))));
    }
}
