//! Submit and complete: the only place that speaks with io_uring, or with its twin.
//!
//! [`Kernel`] is what the rest of the server knows of it: operations go in, completions come out. It has three forms:
//! [`Uring`]; [`Epoll`], its twin by readiness, for hosts that refuse io_uring; and the simulated [`sim::Sim`]. The ring
//! knows no connection and no protocol.
//!
//! What the kernel may still touch is owned here: an operation gives its bytes away when it is pushed and its
//! completion brings them home, so whoever waits for the completion cannot free them early.

pub mod buffers;
mod completion;
mod copied;
mod datagram;
mod epoll;
mod features;
mod files;
mod leases;
mod op;
mod provided;
mod raw;
pub mod sim;
#[cfg(test)]
mod tests;
mod token;
mod uring;

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

pub use self::buffers::RecvBuf;
pub use self::completion::{
    AcceptError, Accepted, Completion, ConnectError, Errno, Outcome, ReceiveError, Received, SendError,
};
pub use self::copied::Copied;
pub use self::datagram::Datagram;
pub use self::epoll::Epoll;
pub use self::features::{Capabilities, can_seal};
pub use self::files::Descriptor;
pub use self::leases::{Gather, Part};
pub use self::op::{Bell, Op, Refused, SendMode};
pub use self::token::{Generation, Kind, Token};
pub use self::uring::{Setup, Uring};
use crate::sys::clock::Time;

/// What a shard asks of a kernel: the real one, or one that is simulated.
///
/// The order of a turn is: [`push`](Self::push) what the last turn produced, [`submit_and_wait`](Self::submit_and_wait)
/// once, [`collect`](Self::collect), act on what was collected.
pub trait Kernel {
    /// Queues an operation.
    ///
    /// # Errors
    /// Gives it back when the queue is full and cannot be emptied now. Try again in the next turn.
    fn push(&mut self, op: Op) -> Result<(), Refused>;

    /// Submits all that was pushed and waits as told: one system call.
    ///
    /// # Errors
    /// When the ring itself fails; the shard cannot go on then.
    fn submit_and_wait(&mut self, wait: Wait) -> Result<(), RingError>;

    /// Moves at most `max` completions to the end of `ready`, and returns how many it were.
    fn collect(&mut self, ready: &mut VecDeque<Completion>, max: usize) -> usize;

    /// What this kernel can do.
    fn capabilities(&self) -> Capabilities;

    /// The stream receive buffers.
    fn buffers(&self) -> BufferLevel;

    /// What the ring counted since it was made.
    fn counts(&self) -> RingCounts;

    /// Where others ring to wake this ring.
    fn bell(&self) -> Bell;

    /// The time, as this kernel sees it.
    fn now(&self) -> Time;

    /// The processor time of the calling thread since it was started, what the kernel did in its name included.
    fn cpu(&self) -> Duration;
}

/// A kernel of this host, to which sockets of this process can be given.
pub trait Host: Kernel + Sized {
    /// Makes one for this thread.
    ///
    /// # Errors
    /// Says which step the kernel refused, and why.
    fn make(setup: &Setup) -> Result<Self, RingError>;

    /// Takes a socket into its table of descriptors, at this place. From now on the table owns it.
    ///
    /// # Errors
    /// When the place does not exist.
    fn adopt(&mut self, socket: OwnedFd, place: u32) -> io::Result<Descriptor>;

    /// All has been adopted: what its setup asks to be sealed does what a server asks of it, and nothing else, from now on.
    ///
    /// # Errors
    /// When the kernel does not know how.
    fn seal(&mut self) -> Result<(), RingError>;
}

impl Host for Uring {
    fn make(setup: &Setup) -> Result<Self, RingError> {
        Self::new(setup)
    }

    fn adopt(&mut self, socket: OwnedFd, place: u32) -> io::Result<Descriptor> {
        self.adopt(socket, place)
    }

    fn seal(&mut self) -> Result<(), RingError> {
        self.seal()
    }
}

impl Host for Epoll {
    fn make(setup: &Setup) -> Result<Self, RingError> {
        Self::new(setup)
    }

    fn adopt(&mut self, socket: OwnedFd, place: u32) -> io::Result<Descriptor> {
        self.adopt(socket, place)
    }

    /// It asks by system calls, which are another wall's.
    fn seal(&mut self) -> Result<(), RingError> {
        Ok(())
    }
}

/// How long to wait for a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: there is work to do.
    No,
    /// Until there is one, or until this moment.
    Until(Option<Time>),
}

/// How full the pool of receive buffers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferLevel {
    /// Buffers that nobody holds.
    pub free: u16,
    /// All buffers.
    pub total: u16,
}

/// What a ring counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingCounts {
    /// System calls to submit and wait.
    pub enters: u64,
    /// Entries submitted.
    pub submissions: u64,
    /// Times the submission queue was full and was submitted ahead of its time.
    pub queue_full: u64,
    /// Turns in which the completion queue had overflowed into the kernel's memory.
    pub overflows: u64,
}

/// Why a ring cannot be made, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// The kernel refuses to make a ring.
    #[error("io_uring_setup: {0}")]
    Setup(Errno),
    /// The kernel refuses to register something with the ring.
    #[error("io_uring_register ({what}): {errno}")]
    Register {
        /// What was to be registered.
        what: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The kernel lacks something that we cannot do without.
    #[error("the kernel lacks {0}, which Linux has since 6.1")]
    Missing(&'static str),
    /// The kernel refuses to enter the ring.
    #[error("io_uring_enter: {0}")]
    Enter(Errno),
    /// The kernel refuses what the twin by readiness needs.
    #[error("{what}: {errno}")]
    Epoll {
        /// The system call.
        what: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
}
