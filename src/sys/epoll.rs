//! Readiness: which descriptors can be read or written, as epoll(7) tells it, once for each change.
//!
//! Here are the system calls only. What readiness means for an operation is the ring's business.

#![allow(unsafe_code, reason = "epoll and poll have no safe wrapper among our dependencies")]

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

/// A set of descriptors that are watched.
#[derive(Debug)]
pub struct Poll {
    descriptor: OwnedFd,
    /// Whether the kernel has `epoll_pwait2(2)` (Linux 5.11), whose time is exact.
    is_exact: Cell<bool>,
}

/// Which changes of a descriptor are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interest {
    /// That there is something to read.
    Reading,
    /// And that there is room to write. At a Unix socket that is so whenever its peer has read, wanted or not.
    Both,
}

impl Interest {
    /// The bits of a C integer; EPOLLET is its highest.
    fn bits(self) -> u32 {
        let reading = libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLET;
        let bits = match self {
            Self::Reading => reading,
            Self::Both => reading | libc::EPOLLOUT,
        };
        bits.cast_unsigned()
    }
}

/// Room for what a wait finds.
pub struct Events {
    entries: Box<[libc::epoll_event]>,
    count: usize,
}

/// What has changed at a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The number under which it is watched.
    pub key: u64,
    /// It may have something to read: bytes, a connection, an end or an error.
    pub readable: bool,
    /// It may have room for something to be written, or an error.
    pub writable: bool,
    /// There is something beside bytes: an end, an error, or urgent data.
    pub special: bool,
}

impl Poll {
    /// An empty set.
    ///
    /// # Errors
    /// What epoll_create1(2) says.
    pub fn new() -> io::Result<Self> {
        // SAFETY: epoll_create1(2) takes an integer and no pointer.
        let answer = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if answer < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was opened by the call above and is owned by nobody else.
        let descriptor = unsafe { OwnedFd::from_raw_fd(answer) };
        Ok(Self { descriptor, is_exact: Cell::new(true) })
    }

    /// Watches a descriptor until it is closed. Every change is told once, and what is ready now is a change.
    ///
    /// # Errors
    /// What epoll_ctl(2) says: no memory, or more descriptors than the user may watch.
    pub fn watch(&self, watched: BorrowedFd<'_>, key: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, watched, key, interest)
    }

    /// Watches a descriptor otherwise, one that is watched already; what is ready now is a change.
    ///
    /// # Errors
    /// What epoll_ctl(2) says.
    pub fn watch_again(&self, watched: BorrowedFd<'_>, key: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, watched, key, interest)
    }

    fn control(
        &self,
        what: libc::c_int,
        watched: BorrowedFd<'_>,
        key: u64,
        interest: Interest,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest.bits(), u64: key };
        // SAFETY: both descriptors are borrowed, so open; the event is read through its pointer during the call, and lives on
        // this stack until it has returned.
        let answer = unsafe {
            libc::epoll_ctl(self.descriptor.as_raw_fd(), what, watched.as_raw_fd(), &raw mut event)
        };
        if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Waits for changes, no longer than this; `None` is for ever.
    ///
    /// # Errors
    /// What epoll_wait(2) says; that a signal came is one.
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.count = 0;
        if self.is_exact.get() {
            match wait_exactly(&self.descriptor, &mut events.entries, timeout) {
                // Profiles refuse what they do not know with either.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                    self.is_exact.set(false);
                }
                answer => return answer.map(|count| events.count = count),
            }
        }
        let milliseconds = timeout.map_or(-1, whole_milliseconds);
        wait_about(&self.descriptor, &mut events.entries, milliseconds).map(|count| events.count = count)
    }
}

impl Events {
    /// Room for so many.
    pub fn with_capacity(count: usize) -> Self {
        let entries = vec![libc::epoll_event { events: 0, u64: 0 }; count].into_boxed_slice();
        Self { entries, count: 0 }
    }

    /// How many the last wait has found.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the last wait has found nothing.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One that the last wait has found.
    pub fn get(&self, index: usize) -> Option<Event> {
        let entry = self.entries[..self.count].get(index)?;
        let (bits, key) = (entry.events.cast_signed(), entry.u64);
        let has = |mask| bits & mask != 0;
        let failed = has(libc::EPOLLERR | libc::EPOLLHUP);
        Some(Event {
            key,
            readable: failed || has(libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLPRI),
            writable: failed || has(libc::EPOLLOUT),
            special: failed || has(libc::EPOLLRDHUP | libc::EPOLLPRI),
        })
    }
}

/// Whether a read would not have to wait: for bytes, an end, an error.
pub fn is_readable(descriptor: BorrowedFd<'_>) -> bool {
    let mut polled =
        libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN | libc::POLLRDHUP, revents: 0 };
    // SAFETY: poll(2) reads and writes one `pollfd`, as its second argument says; `polled` is one, borrowed by nobody else,
    // and lives until the call has returned.
    let answer = unsafe { libc::poll(&raw mut polled, 1, 0) };
    // What cannot be told is found out by reading.
    answer != 0
}

/// `struct __kernel_timespec`.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanos: i64,
}

fn wait_exactly(
    descriptor: &OwnedFd,
    entries: &mut [libc::epoll_event],
    timeout: Option<Duration>,
) -> io::Result<usize> {
    let timespec = timeout.map(|timeout| Timespec {
        seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        nanos: i64::from(timeout.subsec_nanos()),
    });
    let no_mask = ptr::null::<libc::sigset_t>();
    // SAFETY: the kernel writes at most as many events as it is told to `entries`, which has so many and is borrowed by
    // nobody else; the time, if there is one, lives on this stack until the call has returned; there is no signal mask.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            descriptor.as_raw_fd(),
            entries.as_mut_ptr(),
            at_most(entries),
            timespec.as_ref().map_or(ptr::null(), ptr::from_ref),
            no_mask,
            0_usize,
        )
    };
    usize::try_from(answer).map_err(|_| io::Error::last_os_error())
}

fn wait_about(
    descriptor: &OwnedFd,
    entries: &mut [libc::epoll_event],
    milliseconds: i32,
) -> io::Result<usize> {
    let fd: RawFd = descriptor.as_raw_fd();
    // SAFETY: the kernel writes at most as many events as it is told to `entries`, which has so many and is borrowed by
    // nobody else.
    let answer = unsafe { libc::epoll_wait(fd, entries.as_mut_ptr(), at_most(entries), milliseconds) };
    usize::try_from(answer).map_err(|_| io::Error::last_os_error())
}

fn at_most(entries: &[libc::epoll_event]) -> libc::c_int {
    libc::c_int::try_from(entries.len()).unwrap_or(libc::c_int::MAX)
}

/// Rounded up, so that no wait ends before its time.
fn whole_milliseconds(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::sys::clock;

    const SOON: Option<Duration> = Some(Duration::from_secs(5));
    const NOW: Option<Duration> = Some(Duration::ZERO);

    fn next(poll: &Poll, timeout: Option<Duration>) -> Option<Event> {
        let mut events = Events::with_capacity(4);
        poll.wait(&mut events, timeout).unwrap();
        events.get(0)
    }

    /// Both calls that wait, on the same kernel.
    fn on_both(check: impl Fn(&Poll)) {
        for is_exact in [true, false] {
            let poll = Poll::new().unwrap();
            poll.is_exact.set(is_exact);
            check(&poll);
        }
    }

    #[test]
    fn each_change_is_told_once() {
        on_both(|poll| {
            let (mut near, mut far) = UnixStream::pair().unwrap();
            poll.watch(far.as_fd(), 7, Interest::Reading).unwrap();
            assert_eq!(next(poll, NOW), None);
            poll.watch_again(far.as_fd(), 7, Interest::Both).unwrap();
            let writable = Event { key: 7, readable: false, writable: true, special: false };
            assert_eq!(next(poll, SOON), Some(writable));
            assert_eq!(next(poll, NOW), None);
            near.write_all(b"a").unwrap();
            assert_eq!(next(poll, SOON), Some(Event { readable: true, ..writable }));
            assert_eq!(next(poll, NOW), None, "though nobody has read it");
            far.read_exact(&mut [0]).unwrap();
            drop(near);
            let event = next(poll, SOON).unwrap();
            assert!(event.readable && event.special);
        });
    }

    #[test]
    fn a_wait_lasts_as_long_as_it_was_told() {
        on_both(|poll| {
            let began = clock::now();
            assert_eq!(next(poll, Some(Duration::from_micros(1500))), None);
            assert!(Duration::from_micros(1500) <= clock::now().saturating_since(began));
        });
    }

    #[test]
    fn bytes_an_end_and_nothing_are_told_apart() {
        let (mut near, far) = UnixStream::pair().unwrap();
        assert!(!is_readable(far.as_fd()));
        near.write_all(b"a").unwrap();
        assert!(is_readable(far.as_fd()));
        let (near, far) = UnixStream::pair().unwrap();
        drop(near);
        assert!(is_readable(far.as_fd()));
    }
}
