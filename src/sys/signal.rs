//! Signals as values: stop, reload, and report.
//!
//! The thread that starts the server blocks the signals before it starts any other, so that all threads inherit the
//! mask and no handler ever runs. It then waits here, for a signal or for another thread's [`Waker`], and reads what
//! came from a signalfd(2). SIGHUP asks to read files again, as with most servers; so a terminal that goes ends nothing.

#![allow(
    unsafe_code,
    reason = "signal masks, signalfd, eventfd and poll have no safe wrapper among our dependencies"
)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use super::clock::{self, Time};

/// The signals that are watched, from [`Signals::watch`] until the process ends: after a drop they stay blocked, so
/// that a late one does not kill a server which is saying goodbye.
#[derive(Debug)]
pub struct Signals {
    /// The signalfd(2), nonblocking.
    pending: File,
}

/// Why [`Signals::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The server was asked to stop.
    Stop(StopSignal),
    /// SIGHUP: the configuration and all files that it names are to be read again.
    Reload,
    /// SIGUSR2: a new process is to take over.
    Upgrade,
    /// SIGUSR1: the operator wants to see the figures.
    Report,
    /// Another thread called [`Waker::wake`].
    Waker,
    /// Nothing happened for as long as was asked.
    TimedOut,
}

/// Which signal asked to stop; it decides the exit code of a process that ends at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: `kill`, systemd, a container runtime.
    Terminate,
}

impl StopSignal {
    /// What a shell reports for a process that this signal ended: 128 plus the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Wakes the thread in [`Signals::wait`], or one that watches its descriptor. Clones wake the same thread; many wakes before
/// it looks are one.
#[derive(Clone, Debug)]
pub struct Waker {
    /// The eventfd(2), nonblocking.
    event: Arc<File>,
}

impl Waker {
    /// A waker that nobody waits for yet.
    pub fn new() -> io::Result<Self> {
        // SAFETY: eventfd(2) takes two integers and no pointer.
        let answer = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        Ok(Self { event: Arc::new(own(answer)?.into()) })
    }

    /// Wakes the waiting thread, or the next one to wait.
    pub fn wake(&self) {
        // The only possible failure is a full counter, and then the thread is woken already.
        let _ = (&*self.event).write(&1u64.to_ne_bytes());
    }

    /// Whether both wake the same thread.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.event, &other.event)
    }

    /// Takes all wakes at once; says whether there were any.
    fn take(&self) -> bool {
        (&*self.event).read(&mut [0; 8]).is_ok()
    }
}

impl AsFd for Waker {
    /// Becomes readable with every wake.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

impl Signals {
    /// Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2 for the calling thread and every thread it will start, ignores SIGPIPE,
    /// and watches. Call it before the first thread is started.
    pub fn watch() -> io::Result<Self> {
        ignore_broken_pipes();
        let watched = set_of(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2]);
        block(&watched)?;
        // SAFETY: signalfd(2) reads the set through its pointer. `watched` was initialised by `set_of` and lives until
        // the call has returned.
        let answer =
            unsafe { libc::signalfd(-1, &raw const watched, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) };
        Ok(Self { pending: own(answer)?.into() })
    }

    /// Sleeps until a signal comes, `other` is woken, or `timeout` has passed; signals come first.
    pub fn wait(&self, other: &Waker, timeout: Option<Duration>) -> io::Result<Woken> {
        let deadline = timeout.map(|timeout| clock::now().saturating_add(timeout));
        loop {
            if let Some(woken) = self.next()? {
                return Ok(woken);
            }
            if other.take() {
                return Ok(Woken::Waker);
            }
            let left = milliseconds_left(deadline, clock::now());
            if left == 0 {
                return Ok(Woken::TimedOut);
            }
            sleep([self.pending.as_raw_fd(), other.event.as_raw_fd()], left)?;
        }
    }

    /// Whether a stop was asked for that nobody has heard of yet. It stays to be [waited](Self::wait) for.
    pub fn pending_stop(&self) -> Option<StopSignal> {
        let mut set = set_of(&[]);
        // SAFETY: sigpending(2) writes one set through its pointer. `set` is one, on this stack and borrowed by nobody else.
        unsafe { libc::sigpending(&raw mut set) };
        // SAFETY: sigismember(3) reads an initialised set through its pointer: `set_of` has initialised `set`.
        let is_pending = |signal| unsafe { libc::sigismember(&raw const set, signal) == 1 };
        let stops = [(libc::SIGTERM, StopSignal::Terminate), (libc::SIGINT, StopSignal::Interrupt)];
        stops.into_iter().find(|(signal, _)| is_pending(*signal)).map(|(_, stop)| stop)
    }

    /// The next pending signal, if there is one.
    fn next(&self) -> io::Result<Option<Woken>> {
        let mut record = [0; size_of::<libc::signalfd_siginfo>()];
        match (&self.pending).read(&mut record) {
            Ok(_) => Ok(Some(meaning(&record))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What one record of the signalfd means. Its first field, `ssi_signo`, is the signal's number.
fn meaning(record: &[u8; size_of::<libc::signalfd_siginfo>()]) -> Woken {
    let number = u32::from_ne_bytes([record[0], record[1], record[2], record[3]]);
    match i32::try_from(number) {
        Ok(libc::SIGINT) => Woken::Stop(StopSignal::Interrupt),
        Ok(libc::SIGHUP) => Woken::Reload,
        Ok(libc::SIGUSR1) => Woken::Report,
        Ok(libc::SIGUSR2) => Woken::Upgrade,
        _ => Woken::Stop(StopSignal::Terminate),
    }
}

/// What poll(2) takes for the time until `deadline`: rounded up, so that it never wakes too early; -1 is for ever.
fn milliseconds_left(deadline: Option<Time>, now: Time) -> i32 {
    let Some(deadline) = deadline else { return -1 };
    let left = deadline.saturating_since(now).as_nanos().div_ceil(1_000_000);
    i32::try_from(left).unwrap_or(i32::MAX)
}

/// Sleeps until one of both descriptors can be read. An interrupted sleep is a short one: the caller looks again.
fn sleep(descriptors: [RawFd; 2], milliseconds: i32) -> io::Result<()> {
    let mut polled = descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: poll(2) reads and writes as many `pollfd` as its second argument says. `polled` has those two, is borrowed
    // by nobody else, and lives until the call has returned.
    let answer = unsafe { libc::poll(polled.as_mut_ptr(), 2, milliseconds) };
    let error = io::Error::last_os_error();
    if answer >= 0 || error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}

/// A peer that is gone is an error of `send`, not a signal. Rust programs start this way; the host of a library may not.
fn ignore_broken_pipes() {
    // SAFETY: signal(2) needs a handler that may run at any moment; SIG_IGN runs nothing.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// The set of these signals. Their numbers are the constants of the C library, which are all valid.
fn set_of(signals: &[libc::c_int]) -> libc::sigset_t {
    // SAFETY: `sigset_t` is an array of integers, for which all bits zero is a value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: sigemptyset(3) writes one set through its pointer. `set` is one, on this stack and borrowed by nobody else.
    unsafe { libc::sigemptyset(&raw mut set) };
    for &signal in signals {
        // SAFETY: sigaddset(3) changes an initialised set through its pointer: the line above has initialised `set`.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    set
}

/// Adds `set` to the signals that the calling thread, and those it will start, do not receive.
fn block(set: &libc::sigset_t) -> io::Result<()> {
    // SAFETY: pthread_sigmask(3) reads the new mask through a pointer, here to a reference that outlives the call, and
    // writes the old one unless its pointer is null, which it is.
    let errno = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set, std::ptr::null_mut()) };
    if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) }
}

/// Takes ownership of the descriptor that a system call has just answered with.
fn own(answer: libc::c_int) -> io::Result<OwnedFd> {
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor must be open and owned by nobody else. The kernel opened it for the call whose answer this
    // is, and both callers hand the answer straight to us.
    Ok(unsafe { OwnedFd::from_raw_fd(answer) })
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const DEADLINE: Option<Duration> = Some(Duration::from_secs(10));

    /// Sends a signal to the calling thread, which is the one that blocks it.
    fn raise(signal: libc::c_int) {
        // SAFETY: raise(3) takes an integer and no pointer; the signal is blocked, so no handler runs.
        assert_eq!(unsafe { libc::raise(signal) }, 0);
    }

    #[test]
    fn signals_become_values() {
        let waker = Waker::new().unwrap();
        let signals = Signals::watch().unwrap();
        for (signal, woken) in [
            (libc::SIGTERM, Woken::Stop(StopSignal::Terminate)),
            (libc::SIGINT, Woken::Stop(StopSignal::Interrupt)),
            (libc::SIGHUP, Woken::Reload),
            (libc::SIGUSR1, Woken::Report),
            (libc::SIGUSR2, Woken::Upgrade),
        ] {
            raise(signal);
            let stop = if let Woken::Stop(stop) = woken { Some(stop) } else { None };
            assert_eq!(signals.pending_stop(), stop);
            assert_eq!(signals.wait(&waker, DEADLINE).unwrap(), woken);
            assert_eq!(signals.pending_stop(), None);
        }
    }

    #[test]
    fn signals_come_before_wakes_and_many_wakes_are_one() {
        let waker = Waker::new().unwrap();
        let signals = Signals::watch().unwrap();
        waker.wake();
        waker.clone().wake();
        raise(libc::SIGUSR1);
        assert_eq!(signals.wait(&waker, DEADLINE).unwrap(), Woken::Report);
        assert_eq!(signals.wait(&waker, DEADLINE).unwrap(), Woken::Waker);
        assert_eq!(signals.wait(&waker, Some(Duration::ZERO)).unwrap(), Woken::TimedOut);
    }

    #[test]
    fn another_thread_ends_an_endless_wait() {
        let waker = Waker::new().unwrap();
        let signals = Signals::watch().unwrap();
        let other = waker.clone();
        let thread = thread::spawn(move || other.wake());
        assert_eq!(signals.wait(&waker, None).unwrap(), Woken::Waker);
        thread.join().unwrap();
    }

    #[test]
    fn a_wait_is_never_shorter_than_asked() {
        let waker = Waker::new().unwrap();
        let signals = Signals::watch().unwrap();
        let start = clock::now();
        assert_eq!(signals.wait(&waker, Some(Duration::from_micros(1500))).unwrap(), Woken::TimedOut);
        assert!(clock::now().saturating_since(start) >= Duration::from_micros(1500));
    }

    #[test]
    fn poll_gets_whole_milliseconds_rounded_up() {
        let now = Time::from_nanos(1_000_000);
        assert_eq!(milliseconds_left(None, now), -1);
        assert_eq!(milliseconds_left(Some(Time::ZERO), now), 0);
        assert_eq!(milliseconds_left(Some(Time::from_nanos(1_000_001)), now), 1);
        assert_eq!(milliseconds_left(Some(Time::from_nanos(u64::MAX)), now), 2_147_483_647);
    }

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(i32::from(StopSignal::Interrupt.exit_code()), 128 + libc::SIGINT);
        assert_eq!(i32::from(StopSignal::Terminate.exit_code()), 128 + libc::SIGTERM);
    }
}
