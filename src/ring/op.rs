//! The operations: all that can be asked of a kernel.

use std::os::fd::RawFd;

use socket2::SockAddr;

use super::files::Descriptor;
use super::leases::{Gather, Part};
use super::token::Token;
use crate::sys::signal::Waker;

/// One thing to ask of the kernel. What it needs is given away with it, and comes home with its completion.
///
/// The tag is a whole word, as that of [`Outcome`](super::Outcome).
#[derive(Debug)]
#[repr(u64)]
pub enum Op {
    /// Takes one connection from a listener's backlog, with its peer's address, into a direct descriptor.
    Accept {
        /// Comes back with [`Outcome::Accepted`](super::Outcome::Accepted).
        token: Token,
        /// The listening socket.
        listener: Descriptor,
    },
    /// Connects a socket.
    Connect {
        /// Comes back with [`Outcome::Connected`](super::Outcome::Connected).
        token: Token,
        /// The socket.
        file: Descriptor,
        /// Where to.
        address: Box<SockAddr>,
    },
    /// Receives from a stream into provided buffers, again and again until the completion says otherwise.
    Receive {
        /// Comes back with [`Outcome::Received`](super::Outcome::Received).
        token: Token,
        /// The connection.
        file: Descriptor,
        /// Bytes after which the kernel stops by itself, where it can
        /// ([`Capabilities::receive_credit`](super::Capabilities::receive_credit)). The last receive may bring more
        /// than was left, by less than one buffer.
        credit: u32,
        /// Wait for bytes before a buffer is taken: for a ring that has just run out of buffers.
        wait_first: bool,
    },
    /// Sends to a stream. At most one per slot may be in flight.
    Send {
        /// Comes back with [`Outcome::Sent`](super::Outcome::Sent).
        token: Token,
        /// The connection.
        file: Descriptor,
        /// The bytes.
        gather: Gather,
        /// When it answers.
        mode: SendMode,
    },
    /// Receives datagrams into provided buffers, again and again until the completion says otherwise.
    ReceiveFrom {
        /// Comes back with [`Outcome::ReceivedFrom`](super::Outcome::ReceivedFrom).
        token: Token,
        /// The socket.
        file: Descriptor,
    },
    /// Sends one datagram, or fails at once when the socket takes no more now.
    SendTo {
        /// Comes back with [`Outcome::SentTo`](super::Outcome::SentTo).
        token: Token,
        /// The socket.
        file: Descriptor,
        /// Its destination; `None` for a connected socket.
        to: Option<std::net::SocketAddr>,
        /// Its payload.
        payload: Part,
    },
    /// Closes our side of a stream: the peer sees its end, we go on receiving. The kernel does it on a worker
    /// thread, at some 50 µs; so not on the path of a message.
    Shutdown {
        /// Comes back with [`Outcome::ShutDown`](super::Outcome::ShutDown).
        token: Token,
        /// The connection.
        file: Descriptor,
    },
    /// Asks another operation to end.
    Cancel {
        /// Comes back with [`Outcome::Cancelled`](super::Outcome::Cancelled).
        token: Token,
        /// The operation to end.
        target: Token,
    },
    /// Ends all operations of a descriptor, then closes it: in one batch, because closing a socket with an armed
    /// receive sends no FIN. Two answers come back: `CloseCancelled` and [`Outcome::Closed`](super::Outcome::Closed).
    Close {
        /// Comes back with both answers, under either kind.
        token: Token,
        /// The descriptor.
        file: Descriptor,
    },
    /// Rings at another ring, which then sees [`Outcome::Doorbell`](super::Outcome::Doorbell).
    Ring {
        /// Comes back with [`Outcome::DoorbellSent`](super::Outcome::DoorbellSent).
        token: Token,
        /// The other ring.
        bell: Bell,
    },
}

/// When a send answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendMode {
    /// At once: it takes what fits now, so that what is lent comes home.
    Now,
    /// The same; but that all of it was taken is no news that a wait ends with. The completion comes with the next ones,
    /// whatever they are of, and brings home what is lent only then.
    Quiet,
    /// When some of it is taken: the kernel may wait until then.
    Wait,
}

impl SendMode {
    /// Whether it answers without waiting for the peer.
    pub fn is_immediate(self) -> bool {
        match self {
            Self::Now | Self::Quiet => true,
            Self::Wait => false,
        }
    }
}

impl Op {
    /// Whose operation it is.
    pub fn token(&self) -> Token {
        match self {
            Self::Accept { token, .. }
            | Self::Connect { token, .. }
            | Self::Receive { token, .. }
            | Self::Send { token, .. }
            | Self::ReceiveFrom { token, .. }
            | Self::SendTo { token, .. }
            | Self::Shutdown { token, .. }
            | Self::Cancel { token, .. }
            | Self::Close { token, .. }
            | Self::Ring { token, .. } => *token,
        }
    }

    /// The same operation, but one that is always news: for what has to wait before it is pushed, since meanwhile something
    /// may come up that follows from it.
    #[must_use]
    pub fn aloud(mut self) -> Self {
        if let Self::Send { mode: mode @ SendMode::Quiet, .. } = &mut self {
            *mode = SendMode::Now;
        }
        self
    }

    /// Submission entries it takes.
    pub(super) fn entries(&self) -> usize {
        match self {
            Self::Close { .. } => 2,
            Self::Accept { .. }
            | Self::Connect { .. }
            | Self::Receive { .. }
            | Self::Send { .. }
            | Self::ReceiveFrom { .. }
            | Self::SendTo { .. }
            | Self::Shutdown { .. }
            | Self::Cancel { .. }
            | Self::Ring { .. } => 1,
        }
    }
}

/// Where to ring at a ring. It does not keep the ring open: a bell rung after its ring has gone is harmless, and where the
/// ring was the kernel's, an error of the ringing.
#[derive(Clone, Debug)]
pub struct Bell(pub(super) Place);

/// What is rung at.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The descriptor of a ring, which it names only.
    Ring(RawFd),
    /// What wakes a twin by readiness. Held open, since whatever had its number later would be written to.
    Event(Waker),
}

impl Bell {
    /// The bell of the ring with this descriptor.
    pub(super) fn of_ring(descriptor: RawFd) -> Self {
        Self(Place::Ring(descriptor))
    }
}

impl PartialEq for Bell {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Place::Ring(one), Place::Ring(other)) => one == other,
            (Place::Event(one), Place::Event(other)) => one.is_same(other),
            (Place::Ring(_), Place::Event(_)) | (Place::Event(_), Place::Ring(_)) => false,
        }
    }
}

impl Eq for Bell {}

/// The operation could not be taken now: the submission queue is full and the kernel takes no more. It comes back.
#[derive(Debug)]
pub struct Refused(pub Op);
