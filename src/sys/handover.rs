//! Handing the listening sockets to a new process of the same program, and taking them in it.
//!
//! The descriptors stay what they are: the successor inherits them, so that their queues are never closed and nobody who
//! connects meanwhile is refused. When all of it stands it asks, with a byte in a pipe, whether it is to serve, and takes nothing
//! before the answer comes in another: so at each moment one of the two serves, and a successor that fails, or is not wanted any
//! more, had nobody to lose. A predecessor that ends without an answer leaves its place to it; one whose successor ends without
//! asking serves on.

#![allow(unsafe_code, reason = "descriptors that were passed are numbers until somebody owns them")]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};

use super::adopt::Giver;
use super::supervisor::{Inherited, InheritedError};

/// How this process was started, and how the next one will be: looked up at the start, since a file that was replaced has
/// another name in /proc afterwards.
#[derive(Clone, Debug)]
pub struct Origin {
    program: PathBuf,
    arguments: Vec<OsString>,
    /// Those of the sockets that a supervisor has opened, for this process or for one whose place it has taken, by their inodes:
    /// their files stay its own.
    activated: Vec<u64>,
}

/// The process that has passed its sockets to this one, and waits to be asked for its place.
#[derive(Debug)]
pub struct Predecessor {
    question: File,
    answer: File,
}

/// The way from a process to the one that it has started.
#[derive(Debug)]
pub struct Ways {
    /// Where the successor asks.
    pub question: OwnedFd,
    /// Where it hears the answer.
    pub answer: OwnedFd,
}

/// It is to serve.
const SERVE: u8 = 1;
/// It is not wanted any more.
const END: u8 = 0;

/// The inodes of the sockets that a supervisor has opened: `1234,5678`.
const ACTIVATED: &str = "TIDEMILL_ACTIVATED";

/// The descriptors for the question and the answer, and those of the sockets: `8,9:5,6,7`.
const VARIABLE: &str = "TIDEMILL_HANDOVER";

impl Origin {
    /// That of this process.
    ///
    /// # Errors
    /// When the system does not know the program's file.
    pub fn find() -> io::Result<Self> {
        let arguments = std::env::args_os().skip(1).collect();
        let program = std::env::current_exe()?;
        let called = std::env::args_os().next().and_then(|name| found_as(&name));
        Ok(Self { program: called.unwrap_or(program), arguments, activated: activated() })
    }

    /// The program's file, by the name that it was called by: a link that leads to another file later leads to that one.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Starts the program that has this name now, with the same arguments, these sockets and a way to ask for its place.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn succeed(&self, ways: &Ways, sockets: &[OwnedFd]) -> io::Result<Child> {
        let mut passed: Vec<RawFd> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
        let numbers: Vec<String> = passed.iter().map(ToString::to_string).collect();
        let [question, answer] = [&ways.question, &ways.answer].map(AsRawFd::as_raw_fd);
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.env(VARIABLE, format!("{question},{answer}:{}", numbers.join(",")));
        // What a supervisor has for this process is not for the next one, but for its watchdog, which becomes the next one's.
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"] {
            command.env_remove(name);
        }
        let activated: Vec<String> = self.activated.iter().map(ToString::to_string).collect();
        command.env(ACTIVATED, activated.join(","));
        passed.extend([question, answer]);
        // SAFETY: between fork and exec only what is safe in a signal handler may be done: `inherit` calls fcntl(2) and
        // nothing else, and allocates nothing. The numbers are of descriptors that `sockets` and `ways` keep open until
        // `spawn` has returned.
        unsafe { command.pre_exec(move || passed.iter().try_for_each(|number| inherit(*number))) };
        command.spawn()
    }
}

/// The inodes of the sockets that a supervisor has opened: for this process (sd_listen_fds(3)), or for those before it.
fn activated() -> Vec<u64> {
    let named = std::env::var(ACTIVATED).unwrap_or_default();
    let before = named.split(',').filter_map(|inode| inode.parse().ok());
    let is_ours = std::env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    let count = std::env::var("LISTEN_FDS").ok().filter(|_| is_ours).and_then(|count| count.parse().ok());
    let numbers = FIRST_PASSED..FIRST_PASSED.saturating_add(count.unwrap_or(0));
    let passed = numbers.map_while(|number| fs::metadata(format!("/proc/self/fd/{number}")).ok());
    before.chain(passed.map(|found| found.ino())).collect()
}

/// The first descriptor that a supervisor passes (`SD_LISTEN_FDS_START`).
const FIRST_PASSED: RawFd = 3;

/// The absolute path at which a shell found this program by that name, if it is still this program's.
fn found_as(name: &OsStr) -> Option<PathBuf> {
    let is_this = |path: &PathBuf| {
        let identity = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
        identity(path).is_some_and(|found| Some(found) == identity(Path::new("/proc/self/exe")))
    };
    if name.as_bytes().contains(&b'/') {
        return std::path::absolute(name).ok().filter(is_this);
    }
    let folders = std::env::var_os("PATH")?;
    let paths = std::env::split_paths(&folders).map(|folder| folder.join(name));
    paths.filter_map(|path| std::path::absolute(path).ok()).find(is_this)
}

/// Waits until a successor asks for this process's place. Returns whether it did, or has ended without.
pub fn is_asked_for(question: &mut File) -> bool {
    read_byte(question).is_some()
}

/// Answers a successor that has asked, or will ask: it is to serve, or to end.
///
/// # Errors
/// When it has ended.
pub fn give_answer(answer: &mut File, serve: bool) -> io::Result<()> {
    answer.write_all(&[if serve { SERVE } else { END }])
}

/// The next byte, or `None` at the end.
fn read_byte(pipe: &mut File) -> Option<u8> {
    let mut byte = [0];
    pipe.read_exact(&mut byte).ok().map(|()| byte[0])
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
        let (ways, sockets) = text.split_once(':').ok_or_else(unclear)?;
        let (question, answer) = ways.split_once(',').ok_or_else(unclear)?;
        let number = |text: &str| text.parse::<RawFd>().ok().filter(|number| 2 < *number && is_open(*number));
        let [question, answer] = [question, answer].map(|text| number(text).ok_or_else(unclear));
        let (question, answer) = (question?, answer?);
        let sockets =
            sockets.split(',').filter(|text| !text.is_empty()).map(|text| number(text).ok_or_else(unclear));
        let sockets: Vec<RawFd> = sockets.collect::<Result<_, _>>()?;
        // SAFETY: the predecessor has made this variable for this process alone and promised these descriptors to it, which
        // are open, as `is_open` has shown. Nobody else here knows them, and `TAKEN` sees to it that they are owned once.
        let own = |number: RawFd| (number, unsafe { OwnedFd::from_raw_fd(number) });
        let predecessor = Self { question: own(question).1.into(), answer: own(answer).1.into() };
        let activated = activated();
        let giver = |inode| if activated.contains(&inode) { Giver::Activated } else { Giver::Predecessor };
        let inherited = Inherited::recognise(sockets.into_iter().map(own), giver)?;
        Ok(Some((predecessor, inherited)))
    }

    /// Lets it hear nothing before this process has ended, which can say first why it does not come to serve.
    pub fn keep_waiting(self) {
        // The end of the process closes it.
        let _ = self.question.into_raw_fd();
    }

    /// Asks whether this process is to serve from now on, and waits for the answer. One that has ended does not mind.
    pub fn ask_for_its_place(mut self) -> bool {
        // Where nobody hears the question, nobody answers it either.
        let _ = self.question.write_all(&[1]);
        read_byte(&mut self.answer) != Some(END)
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
