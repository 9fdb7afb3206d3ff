//! A process of its own that starts successors: this program, with the arguments it was started with.
//!
//! A server that has shut itself in (see `sandbox`) may start no program and is right not to. So before it does, while it has
//! one thread, it splits off a process that can do nothing else: it waits for the word, starts the next server with the
//! sockets that came with the word, and ends with the one it waits for. It knows no peer and reads nothing of theirs.
//!
//! Words are datagrams over a pair of sockets: one letter, and what belongs to it.

#![allow(unsafe_code, reason = "fork, and closing what the other process owns, have no safe wrapper")]

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Child;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::descriptors;
use super::handover::{Origin, Ways, give_answer};
use super::process;
use crate::limits;

/// The way to the process that starts successors. When it is dropped, that process ends.
#[derive(Debug)]
pub struct Launcher {
    socket: OwnedFd,
    /// What it starts.
    program: PathBuf,
}

/// A process that was started to take over. Dropping this does not end it.
#[derive(Debug)]
pub struct Successor {
    pid: u32,
    question: File,
    answer: File,
}

/// Here are more sockets.
const MORE: u8 = b'm';
/// Start a server with the sockets that came; the first two descriptors are for its question and the answer.
const START: u8 = b's';
/// End the one that was started, and say how it ended.
const DISMISS: u8 = b'd';
/// It was started, and this is its number.
const STARTED: u8 = b'p';
/// It ended so.
const ENDED: u8 = b'e';
/// It could not be started: the error's number.
const FAILED: u8 = b'f';

/// Descriptors in one word: the kernel passes 253 at most (`SCM_MAX_FD`, unix(7)).
const DESCRIPTORS: usize = 128;
/// The longest answer: a letter, and how a process has ended.
const ANSWER_BYTES: usize = 256;

impl Launcher {
    /// Splits it off. Call this while the process has one thread, with the signals blocked that are for the server.
    ///
    /// # Errors
    /// When other threads run already, the program's file is not known, or the system has no process to give.
    pub fn split_off() -> io::Result<Self> {
        let origin = Origin::find()?;
        let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        set_socket_timeout(&near, Timeout::Recv, Some(limits::LAUNCH_TIMEOUT))?;
        process::has_one_thread()?;
        // SAFETY: this process has one thread, as has just been counted, and only that one could start another: no lock is
        // held by a thread that the child lacks, so the child may do what every process may.
        match unsafe { libc::fork() } {
            0 => work_and_end(&origin, &far),
            number if number < 0 => Err(io::Error::last_os_error()),
            _ => Ok(Self { socket: near, program: origin.program().to_owned() }),
        }
    }

    /// Has the program started that has this one's name now, with these sockets.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn succeed(&self, sockets: &[BorrowedFd<'_>]) -> io::Result<Successor> {
        let (question, asks) = io::pipe()?;
        let (hears, way) = io::pipe()?;
        let all = [&[asks.as_fd(), hears.as_fd()], sockets].concat();
        let mut words = all.chunks(DESCRIPTORS).peekable();
        while let Some(descriptors) = words.next() {
            let letter = if words.peek().is_some() { MORE } else { START };
            self.say(letter, descriptors)?;
        }
        let answer = self.hear()?;
        match answer.split_first() {
            Some((&STARTED, number)) => {
                let pid = u32::from_le_bytes(number.try_into().map_err(|_| unclear())?);
                let question = OwnedFd::from(question).into();
                Ok(Successor { pid, question, answer: OwnedFd::from(way).into() })
            }
            Some((&FAILED, number)) => {
                let errno = i32::from_le_bytes(number.try_into().map_err(|_| unclear())?);
                let error = io::Error::from_raw_os_error(errno);
                Err(io::Error::new(error.kind(), format!("{}: {error}", self.program.display())))
            }
            _ => Err(unclear()),
        }
    }

    /// Ends a successor that is of no use, and says how it ended. Also where nobody can end it, it does not come to serve.
    pub fn dismiss(&self, mut successor: Successor) -> String {
        // One that has ended hears nothing.
        let _ = give_answer(&mut successor.answer, false);
        let answer = self.say(DISMISS, &[]).and_then(|()| self.hear());
        match answer {
            Ok(answer) if answer.first() == Some(&ENDED) => {
                String::from_utf8_lossy(&answer[1..]).into_owned()
            }
            Ok(_) => unclear().to_string(),
            Err(error) => error.to_string(),
        }
    }

    fn say(&self, letter: u8, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        say(&self.socket, &[letter], descriptors).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => gone(),
            _ => error,
        })
    }

    fn hear(&self) -> io::Result<Vec<u8>> {
        let mut bytes = [0; ANSWER_BYTES];
        match rustix::io::retry_on_intr(|| rustix::io::read(&self.socket, &mut bytes)) {
            Ok(0) => Err(gone()),
            Ok(count) => Ok(bytes[..count].to_vec()),
            Err(error) => {
                // What comes later would be taken for the answer to another question.
                let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
                Err(error.into())
            }
        }
    }
}

impl Successor {
    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where it [asks](super::handover::is_asked_for) for this process's place.
    ///
    /// # Errors
    /// When there is no descriptor for it.
    pub fn question(&self) -> io::Result<File> {
        self.question.try_clone()
    }

    /// Lets it serve.
    ///
    /// # Errors
    /// When it has ended.
    pub fn let_serve(&mut self) -> io::Result<()> {
        give_answer(&mut self.answer, true)
    }
}

fn gone() -> io::Error {
    io::Error::other("the process that starts others has ended. Try: a restart")
}

fn unclear() -> io::Error {
    io::Error::other("the process that starts others answered something else")
}

/// The other process: it does what it is told until nobody is left to tell it.
fn work_and_end(origin: &Origin, socket: &OwnedFd) -> ! {
    // In `ps` and `top` it has a name of its own.
    let _ = rustix::thread::set_name(c"tidemill-launch");
    close_all_but(socket);
    // It takes as many as the server will have, which asks for more later. Where there are too few, it is said when some come.
    let _ = descriptors::raise_as_far_as_possible();
    // Whatever goes wrong here must not go on as a second server.
    let outcome = catch_unwind(AssertUnwindSafe(|| work(origin, socket)));
    #[expect(clippy::exit, reason = "what stands above on the stack belongs to the process that forked")]
    std::process::exit(i32::from(outcome.is_err()))
}

/// Closes what this process has from the other: open, a listener of it would go on to listen after the server has ended.
fn close_all_but(socket: &OwnedFd) {
    let kept = socket.as_raw_fd().unsigned_abs();
    for (first, last) in [(3, kept.saturating_sub(1)), (kept + 1, u32::MAX)] {
        if first <= last {
            // SAFETY: close_range(2) takes three integers. The descriptors have owners on the stack above, which is never
            // returned to: `work_and_end` ends the process, so nobody uses or closes them again.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}

fn work(origin: &Origin, socket: &OwnedFd) {
    let mut child = None;
    let mut passed = Passed::default();
    while let Some(letter) = hear_word(socket, &mut passed) {
        let said = match letter {
            MORE => Ok(()),
            START => start(origin, socket, &mut child, std::mem::take(&mut passed)),
            _ => say(socket, &[&[ENDED], end(&mut child).as_bytes()].concat(), &[]),
        };
        if said.is_err() {
            // Nobody knows of the one that was started.
            end(&mut child);
        }
    }
}

fn start(origin: &Origin, socket: &OwnedFd, child: &mut Option<Child>, passed: Passed) -> io::Result<()> {
    // The one before was either dismissed, or the server would have ended.
    end(child);
    let started = passed.split().and_then(|(ways, sockets)| origin.succeed(&ways, &sockets));
    let word = match &started {
        Ok(started) => [&[STARTED], &started.id().to_le_bytes()[..]].concat(),
        Err(error) => [&[FAILED], &error.raw_os_error().unwrap_or(libc::EINVAL).to_le_bytes()[..]].concat(),
    };
    *child = started.ok();
    say(socket, &word, &[])
}

/// Ends a process, which may have ended already, and then it says how.
fn end(child: &mut Option<Child>) -> String {
    let Some(mut child) = child.take() else { return "nobody was started".to_owned() };
    let _ = child.kill();
    match child.wait() {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

fn say(socket: &OwnedFd, word: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let parts = [IoSlice::new(word)];
    rustix::io::retry_on_intr(|| sendmsg(socket, &parts, &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Descriptors that came with words.
#[derive(Default)]
struct Passed {
    all: Vec<OwnedFd>,
    /// Whether some of them were lost, because this process may have no more.
    are_cut: bool,
}

impl Passed {
    /// Those of a start: first the ways, then the sockets.
    fn split(mut self) -> io::Result<(Ways, Vec<OwnedFd>)> {
        if self.are_cut {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        if self.all.len() < 2 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let sockets = self.all.split_off(2);
        let [question, answer] = self.all.try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
        Ok((Ways { question, answer }, sockets))
    }
}

/// The letter of the next word, with its descriptors; `None` at the end.
fn hear_word(socket: &OwnedFd, passed: &mut Passed) -> Option<u8> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut letter = [0];
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(socket, &mut [IoSliceMut::new(&mut letter)], &mut control, RecvFlags::CMSG_CLOEXEC)
    });
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            passed.all.extend(descriptors);
        }
    }
    let received = received.ok().filter(|received| 0 < received.bytes)?;
    passed.are_cut |= received.flags.contains(ReturnFlags::CTRUNC);
    Some(letter[0])
}
