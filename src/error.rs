//! Why the server did not start, or did not end well: each cause with its remedy, and its exit code.
//!
//! The layers own their errors; here they come together for the one who reads the message. What the kernel says about
//! io_uring is turned into causes by a pure function, because each errno has several, and the operator needs the right
//! one.

use std::time::Duration;

use crate::config::ConfigError;
use crate::config::units::say_size;
use crate::limits;
use crate::sys::address::Listen;
use crate::sys::bind_error::BindError;
use crate::sys::cpu::PinError;
use crate::sys::descriptors::{self, DescriptorsError};
use crate::sys::supervisor::InheritedError;

/// The server could not start, or failed while it ran.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// What was asked for cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What can change while a server runs cannot be together with what cannot.
    #[error("what can change while it runs does not go with what cannot: {0}. Try: a start anew")]
    Mixed(ConfigError),
    /// A listener could not be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// What a supervisor has passed is no socket to listen at.
    #[error(transparent)]
    Inherited(#[from] InheritedError),
    /// A listener has no second handle for a process that takes over.
    #[error("a listener has no second handle: {}{}", .0, descriptors::remedy(.0))]
    NoHandle(std::io::Error),
    /// A supervisor has passed a socket that no listener is for.
    #[error(
        "a socket at {0} was passed to this process, and no listener has this address. Try: --listen {0}, or a listener in the file"
    )]
    NobodyListens(Listen),
    /// More sockets were passed than the shards can take from.
    #[error(
        "{sockets} sockets were passed for each shard, which takes from {} at most. Try: --shards, with as many as the process before had",
        limits::SOCKETS_PER_SHARD_MAX
    )]
    TooManySockets {
        /// How many there are for each shard.
        sockets: usize,
    },
    /// The process whose place this one was to take has changed its mind.
    #[error("the process that was to hand over does not, and this one ends")]
    NotWanted,
    /// A file with certificates, keys or tokens cannot be used.
    #[error("{0}")]
    Credentials(String),
    /// A shard could not be pinned to its core.
    #[error(transparent)]
    PinFailed(#[from] PinError),
    /// There are fewer descriptors than connections need.
    #[error(transparent)]
    TooFewDescriptors(#[from] DescriptorsError),
    /// The sysctl forbids io_uring.
    #[error("io_uring is not available: the kernel refuses it (kernel.io_uring_disabled = {sysctl}). Try: {}", allow(*.sysctl))]
    RingDisabled {
        /// The sysctl's value: 1 is for all but a group, 2 is for everybody.
        sysctl: u32,
    },
    /// A security profile forbids io_uring, as containers have it by default.
    #[error(
        "io_uring is not available: a security profile refuses it, as Docker's own does. \
         Try: docker run --security-opt seccomp=FILE, with a profile that allows io_uring_setup, io_uring_enter and \
         io_uring_register, or SystemCallFilter=@aio in the unit"
    )]
    RingForbidden,
    /// The kernel does not know the system call.
    #[error(
        "io_uring is not available: the kernel does not have it, or a security profile hides it. \
         Try: uname -r, which must show 6.1 or later, and zgrep IO_URING /proc/config.gz"
    )]
    RingMissing,
    /// The kernel knows io_uring, but not what the floor needs.
    #[error(
        "io_uring is too old: the kernel does not know what is asked of it. Try: uname -r, which must show 6.1 or later"
    )]
    RingTooOld,
    /// No memory for rings.
    #[error("io_uring got no memory for its rings ({}). Try: ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit, or \
             fewer shards", lockable(*.memlock))]
    RingMemory {
        /// Bytes that the process may lock; `None` when there is no limit.
        memlock: Option<u64>,
    },
    /// No descriptor for a ring.
    #[error("io_uring got no descriptor for its ring: {} has no more. Try: {remedy}", .whose)]
    RingDescriptors {
        /// The process or the system.
        whose: &'static str,
        /// What raises that limit.
        remedy: &'static str,
    },
    /// The kernel refused for a reason that we have not met yet.
    #[error("io_uring could not be set up: {0}")]
    RingUnexpected(std::io::Error),
    /// The twin by readiness could not be set up.
    #[error("epoll could not be set up ({what}): {cause}{}", descriptors::remedy(.cause))]
    EpollFailed {
        /// The system call.
        what: &'static str,
        /// What the kernel said.
        cause: std::io::Error,
    },
    /// The system gave no thread for a shard.
    #[error(
        "shard {shard} got no thread: {cause}. Try: ulimit -u, or TasksMax= in the unit, or fewer shards"
    )]
    NoThread {
        /// Which one.
        shard: usize,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The system gave no thread to write the log.
    #[error("there is no thread for the log: {0}. Try: ulimit -u, or TasksMax= in the unit")]
    NoLog(std::io::Error),
    /// The system gave no thread to check passwords.
    #[error(
        "passwords cannot be checked, because there is no thread for it: {0}. Try: ulimit -u, or TasksMax= in the unit"
    )]
    NoJudge(std::io::Error),
    /// The signals could not be watched.
    #[error("signals cannot be watched: {}{}", .0, descriptors::remedy(.0))]
    Signals(std::io::Error),
    /// What was asked for could not be printed.
    #[error("standard output cannot be written: {0}")]
    Output(std::io::Error),
    /// The start took too long.
    #[error(
        "the start was given up after {after:?}: {waiting_for} did not report. Try: fewer shards, or a less busy host"
    )]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
        /// Who did not report, as in "shard 3".
        waiting_for: String,
    },
    /// A shard ended while the server ran; the others were stopped.
    #[error("shard {shard} failed: {cause}")]
    ShardFailed {
        /// Which one.
        shard: usize,
        /// What it said.
        cause: String,
    },
}

impl StartError {
    /// Whether it is io_uring that the host refuses, or does not have: what its twin by readiness can do without. A lack of
    /// memory or of descriptors is none, since it can be helped and would be felt again.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::RingDisabled { .. } | Self::RingForbidden | Self::RingMissing | Self::RingTooOld)
    }

    /// The sentence in its two parts: what is wrong, and what to try, if there is something.
    pub fn parts(&self) -> (String, Option<String>) {
        let sentence = self.to_string();
        match sentence.split_once(". Try: ") {
            Some((cause, remedy)) => (cause.to_owned(), Some(remedy.to_owned())),
            None => (sentence, None),
        }
    }

    /// The exit code of a process that ends for this reason; `tidemill --help` explains them.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ShardFailed { .. } | Self::Output(_) => exit::FAILED,
            Self::Config(_) | Self::Mixed(_) => exit::USAGE,
            Self::Bind(_)
            | Self::Inherited(_)
            | Self::NoHandle(_)
            | Self::NobodyListens(_)
            | Self::NotWanted
            | Self::TooManySockets { .. }
            | Self::Credentials(_)
            | Self::PinFailed(_)
            | Self::TooFewDescriptors(_)
            | Self::RingDisabled { .. }
            | Self::RingForbidden
            | Self::RingMissing
            | Self::RingTooOld
            | Self::RingMemory { .. }
            | Self::RingDescriptors { .. }
            | Self::RingUnexpected(_)
            | Self::EpollFailed { .. }
            | Self::NoThread { .. }
            | Self::NoJudge(_)
            | Self::NoLog(_)
            | Self::Signals(_)
            | Self::TimedOut { .. } => exit::NOT_STARTED,
        }
    }
}

/// The exit codes, beside 130 and 143, which belong to the signals.
pub mod exit {
    /// The server stopped as it was asked to.
    pub const CLEAN: u8 = 0;
    /// The server failed while it ran.
    pub const FAILED: u8 = 1;
    /// What was typed, or what the file says, cannot be.
    pub const USAGE: u8 = 2;
    /// The server could not start: port, permission, io_uring, limits, files of certificates, keys or tokens.
    pub const NOT_STARTED: u8 = 3;
    /// The server stopped, but the drain's deadline cut connections.
    pub const DRAIN_CUT: u8 = 4;
    /// The doctor found something that costs or loses something; the server would start.
    pub const HURTS: u8 = 5;
}

/// What it means that io_uring_setup(2) failed with `errno`; `disabled_sysctl` is `kernel.io_uring_disabled`, `memlock`
/// the bytes that the process may lock, if they are limited.
pub fn ring_unavailable(errno: i32, disabled_sysctl: Option<u32>, memlock: Option<u64>) -> StartError {
    match (errno, disabled_sysctl) {
        (libc::EPERM, Some(sysctl @ 1..)) => StartError::RingDisabled { sysctl },
        (libc::EPERM | libc::EACCES, _) => StartError::RingForbidden,
        (libc::ENOSYS, _) => StartError::RingMissing,
        (libc::EINVAL, _) => StartError::RingTooOld,
        (libc::ENOMEM, _) => StartError::RingMemory { memlock },
        _ => match descriptors::exhausted(errno) {
            Some((whose, remedy)) => StartError::RingDescriptors { whose, remedy },
            None => StartError::RingUnexpected(std::io::Error::from_raw_os_error(errno)),
        },
    }
}

/// How the sysctl is overcome: with 1, the members of one group are let through (Linux 6.6, sysctl/kernel.rst).
fn allow(sysctl: u32) -> &'static str {
    match sysctl {
        1 => "sysctl -w kernel.io_uring_disabled=0, or run in the group of kernel.io_uring_group",
        _ => "sysctl -w kernel.io_uring_disabled=0",
    }
}

fn lockable(memlock: Option<u64>) -> String {
    match memlock {
        Some(bytes) => format!("it may lock {}", say_size(bytes)),
        None => "what it may lock is not limited".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(errno: i32, sysctl: Option<u32>, memlock: Option<u64>, sentence: &str) {
        let error = ring_unavailable(errno, sysctl, memlock);
        assert_eq!(error.to_string(), sentence);
        let (cause, remedy) = error.parts();
        assert_eq!(remedy.map_or(cause.clone(), |remedy| format!("{cause}. Try: {remedy}")), sentence);
        assert_eq!(error.exit_code(), 3);
    }

    // The numbers of errno are those of errno-base.h and errno.h of Linux (asm-generic).
    #[test]
    fn what_the_sysctl_or_a_profile_refuses() {
        check(
            1,
            Some(2),
            None,
            "io_uring is not available: the kernel refuses it (kernel.io_uring_disabled = 2). \
             Try: sysctl -w kernel.io_uring_disabled=0",
        );
        check(
            1,
            Some(1),
            None,
            "io_uring is not available: the kernel refuses it (kernel.io_uring_disabled = 1). \
             Try: sysctl -w kernel.io_uring_disabled=0, or run in the group of kernel.io_uring_group",
        );
        let forbidden = "io_uring is not available: a security profile refuses it, as Docker's own does. \
                         Try: docker run --security-opt seccomp=FILE, with a profile that allows io_uring_setup, \
                         io_uring_enter and io_uring_register, or SystemCallFilter=@aio in the unit";
        check(1, Some(0), None, forbidden);
        check(1, None, None, forbidden);
        check(13, Some(0), None, forbidden);
    }

    #[test]
    fn what_the_kernel_does_not_have() {
        check(
            38,
            None,
            None,
            "io_uring is not available: the kernel does not have it, or a security profile hides it. \
             Try: uname -r, which must show 6.1 or later, and zgrep IO_URING /proc/config.gz",
        );
        check(
            22,
            None,
            None,
            "io_uring is too old: the kernel does not know what is asked of it. \
             Try: uname -r, which must show 6.1 or later",
        );
    }

    #[test]
    fn what_a_limit_refuses() {
        check(
            12,
            None,
            Some(65_536),
            "io_uring got no memory for its rings (it may lock 64KiB). \
             Try: ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit, or fewer shards",
        );
        check(
            12,
            None,
            Some(1_000_000),
            "io_uring got no memory for its rings (it may lock 1000000 bytes). \
             Try: ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit, or fewer shards",
        );
        check(
            12,
            Some(0),
            None,
            "io_uring got no memory for its rings (what it may lock is not limited). \
             Try: ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit, or fewer shards",
        );
        check(
            24,
            None,
            None,
            "io_uring got no descriptor for its ring: the process has no more. \
             Try: ulimit -n 65536, or LimitNOFILE=65536 in the unit",
        );
        check(
            23,
            None,
            None,
            "io_uring got no descriptor for its ring: the system has no more. Try: sysctl fs.file-max, and raise it",
        );
        let signals = StartError::Signals(std::io::Error::from_raw_os_error(24));
        assert_eq!(
            signals.to_string(),
            "signals cannot be watched: Too many open files (os error 24). \
             Try: ulimit -n 65536, or LimitNOFILE=65536 in the unit"
        );
        check(5, None, None, "io_uring could not be set up: Input/output error (os error 5)");
    }

    #[test]
    fn exit_codes_tell_mistakes_from_obstacles_and_failures() {
        let file = ConfigError::Directory("/etc".into());
        assert_eq!(StartError::from(file).exit_code(), 2);
        let port = BindError::Taken { listen: "tcp://127.0.0.1:7000".parse().unwrap() };
        assert_eq!(StartError::from(port).exit_code(), 3);
        let late = StartError::TimedOut { after: Duration::from_secs(1), waiting_for: "shard 3".to_owned() };
        assert_eq!(late.exit_code(), 3);
        assert_eq!(
            late.to_string(),
            "the start was given up after 1s: shard 3 did not report. Try: fewer shards, or a less busy host"
        );
        let threads = StartError::NoThread { shard: 0, cause: std::io::Error::from_raw_os_error(11) };
        assert_eq!(threads.exit_code(), 3);
        assert_eq!(
            threads.to_string(),
            "shard 0 got no thread: Resource temporarily unavailable (os error 11). \
             Try: ulimit -u, or TasksMax= in the unit, or fewer shards"
        );
        let failed = StartError::ShardFailed { shard: 1, cause: "its ring is gone".to_owned() };
        assert_eq!(
            (failed.exit_code(), failed.to_string().as_str()),
            (1, "shard 1 failed: its ring is gone")
        );
    }
}
