//! Handing the listening sockets to a new process of the same program, and taking them in it.
//!
//! The descriptors stay what they are: the successor inherits them, so that their queues are never closed and nobody who
//! connects meanwhile is refused. It writes a byte into a pipe when it serves; until then the predecessor serves, and goes on
//! if the pipe ends without one.

#![allow(unsafe_code, reason = "descriptors that were passed are numbers until somebody owns them")]

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};

use super::supervisor::{Inherited, InheritedError};

/// How this process was started, and how the next one will be: looked up at the start, since a file that was replaced has
/// another name in /proc afterwards.
#[derive(Clone, Debug)]
pub struct Origin {
    program: PathBuf,
    arguments: Vec<OsString>,
    /// Whether a supervisor has opened sockets, for this process or for one whose place it has taken: their files stay its own.
    is_activated: bool,
}

/// The process that has passed its sockets to this one, and waits to hear that it serves.
#[derive(Debug)]
pub struct Predecessor {
    ready: File,
}

/// Set where a supervisor has opened sockets.
const ACTIVATED: &str = "TIDEMILL_ACTIVATED";

/// The descriptor for the byte, and those of the sockets: `9:5,6,7`.
const VARIABLE: &str = "TIDEMILL_HANDOVER";

impl Origin {
    /// That of this process.
    ///
    /// # Errors
    /// When the system does not know the program's file.
    pub fn find() -> io::Result<Self> {
        let is_activated = ["LISTEN_FDS", ACTIVATED].iter().any(|name| std::env::var_os(name).is_some());
        let arguments = std::env::args_os().skip(1).collect();
        Ok(Self { program: std::env::current_exe()?, arguments, is_activated })
    }

    /// Starts the program that has this name now, with the same arguments and these sockets. It writes its byte to `said`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn succeed(&self, said: &OwnedFd, sockets: &[OwnedFd]) -> io::Result<Child> {
        let mut passed: Vec<RawFd> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
        let numbers: Vec<String> = passed.iter().map(ToString::to_string).collect();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.env(VARIABLE, format!("{}:{}", said.as_raw_fd(), numbers.join(",")));
        // What a supervisor has for this process is not for the next one, but for its watchdog, which becomes the next one's.
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"] {
            command.env_remove(name);
        }
        if self.is_activated {
            command.env(ACTIVATED, "1");
        }
        passed.push(said.as_raw_fd());
        // SAFETY: between fork and exec only what is safe in a signal handler may be done: `inherit` calls fcntl(2) and
        // nothing else, and allocates nothing. The numbers are of descriptors that `sockets` and `said` keep open until
        // `spawn` has returned.
        unsafe { command.pre_exec(move || passed.iter().try_for_each(|number| inherit(*number))) };
        command.spawn()
    }
}

/// Waits for a successor's byte. Returns whether it came, or the pipe ended without.
pub fn has_said_ready(ready: &mut File) -> bool {
    loop {
        match ready.read(&mut [0]) {
            Ok(count) => return count == 1,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

impl Predecessor {
    /// The one that the environment names, and what it has passed. The second time there is none.
    ///
    /// # Errors
    /// When what was passed is not understood, or no socket to listen at.
    pub fn find() -> Result<Option<(Self, Inherited)>, InheritedError> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        let Some(text) = std::env::var(VARIABLE).ok().filter(|_| !TAKEN.swap(true, Ordering::Relaxed)) else {
            return Ok(None);
        };
        let unclear = || InheritedError::Environment(io::Error::other(format!("{VARIABLE} is {text:?}")));
        let (ready, sockets) = text.split_once(':').ok_or_else(unclear)?;
        let number = |text: &str| text.parse::<RawFd>().ok().filter(|number| 2 < *number && is_open(*number));
        let ready = number(ready).ok_or_else(unclear)?;
        let sockets =
            sockets.split(',').filter(|text| !text.is_empty()).map(|text| number(text).ok_or_else(unclear));
        let sockets: Vec<RawFd> = sockets.collect::<Result<_, _>>()?;
        // SAFETY: the predecessor has made this variable for this process alone and promised these descriptors to it, which
        // are open, as `is_open` has shown. Nobody else here knows them, and `TAKEN` sees to it that they are owned once.
        let own = |number: RawFd| (number, unsafe { OwnedFd::from_raw_fd(number) });
        let predecessor = Self { ready: own(ready).1.into() };
        let has_files = std::env::var_os(ACTIVATED).is_none();
        let inherited = Inherited::from_predecessor(sockets.into_iter().map(own), has_files)?;
        Ok(Some((predecessor, inherited)))
    }

    /// Lets it hear nothing before this process has ended, which can say first why it does not come to serve.
    pub fn keep_waiting(self) {
        // The end of the process closes it.
        let _ = self.ready.into_raw_fd();
    }

    /// Says that this process serves: the predecessor may go.
    pub fn may_go(mut self) {
        // It may have gone already.
        let _ = self.ready.write_all(&[1]);
    }
}

/// Lets a descriptor stay open when another program takes this process's place.
fn inherit(number: RawFd) -> io::Result<()> {
    // SAFETY: fcntl(2) with F_SETFD takes two integers and no pointer.
    let answer = unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether a number is an open descriptor's; if so, no other program inherits it from now on.
fn is_open(number: RawFd) -> bool {
    // SAFETY: fcntl(2) with F_SETFD takes two integers and no pointer.
    0 <= unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) }
}
