//! What the kernel answered: a token, and the outcome of its operation with named errors.
//!
//! The sign of the kernel's result is flipped here and nowhere else. Each operation names the errors that its caller
//! treats differently; the rest stays `Unexpected` with its number.

use std::fmt;
use std::net::SocketAddr;

use super::buffers::RecvBuf;
use super::datagram::Datagram;
use super::files::Descriptor;
use super::leases::Gather;
use super::token::Token;

/// One answer of the kernel.
#[derive(Debug)]
pub struct Completion {
    /// Whose operation this answers.
    pub token: Token,
    /// Whether the operation goes on and will answer again (multishot).
    pub more: bool,
    /// What happened.
    pub outcome: Outcome,
}

/// What an operation came to. One variant per operation, so that a reader sees all that can happen.
///
/// The tag is a whole word: with a byte the compiler moves the other seven in pieces, and reading such a value back
/// stalls the processor.
#[derive(Debug)]
#[repr(u64)]
pub enum Outcome {
    /// A connection came in.
    Accepted(Result<Accepted, AcceptError>),
    /// A connection was made.
    Connected(Result<(), ConnectError>),
    /// Bytes came in, or the peer ended its side.
    Received(Result<Received, ReceiveError>),
    /// The kernel took so many bytes of the parts, which come home.
    Sent {
        /// The parts that were lent to the kernel.
        gather: Gather,
        /// Bytes taken; fewer than lent is a short send.
        result: Result<usize, SendError>,
    },
    /// A datagram came in.
    ReceivedFrom(Result<Datagram, ReceiveError>),
    /// A datagram was taken, of so many bytes.
    SentTo(Result<usize, SendError>),
    /// Our side of a stream is closed.
    ShutDown(Result<(), Errno>),
    /// An operation was asked to end. It answers itself; that it was gone already is no error.
    Cancelled,
    /// All operations of a descriptor were asked to end; they answer themselves.
    CloseCancelled,
    /// The descriptor is closed.
    Closed(Result<(), Errno>),
    /// Another ring rang.
    Doorbell,
    /// Our ringing arrived, or did not.
    DoorbellSent(Result<(), Errno>),
}

/// A connection that came in.
#[derive(Debug)]
pub struct Accepted {
    /// Where it stands in the ring's table of direct descriptors.
    pub descriptor: Descriptor,
    /// Who it is; `None` for a Unix socket, whose peers have no address.
    pub address: Option<SocketAddr>,
}

/// What a receive brought.
#[derive(Debug)]
pub enum Received {
    /// Bytes, at least one.
    Bytes(RecvBuf),
    /// The peer has closed its side (FIN).
    End,
}

/// An error number as the kernel names it, positive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", std::io::Error::from_raw_os_error(self.0))
    }
}

impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

/// Splits a kernel result into the value and the error number.
pub(super) fn outcome_of(result: i32) -> Result<u32, Errno> {
    u32::try_from(result).map_err(|_| Errno(-result))
}

/// Why no connection was accepted (accept(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The peer gave up before it was accepted (`ECONNABORTED`, `EPROTO`, and the network errors that Linux passes
    /// on from the new socket).
    #[error("the peer gave up before it was accepted")]
    PeerGone,
    /// The process has no descriptor left (`EMFILE`).
    #[error("the process has no descriptor left")]
    ProcessFull,
    /// The system, or the ring's table of direct descriptors, has none left (`ENFILE`).
    #[error("the system has no descriptor left")]
    SystemFull,
    /// The kernel has no memory for a socket (`ENOMEM`, `ENOBUFS`).
    #[error("the kernel has no memory for a socket")]
    NoMemory,
    /// We cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// Anything else.
    #[error("unexpected: {0}")]
    Unexpected(Errno),
}

impl From<Errno> for AcceptError {
    fn from(errno: Errno) -> Self {
        match errno.0 {
            libc::ECONNABORTED | libc::EPROTO | libc::EPERM | libc::ENETDOWN | libc::ENOPROTOOPT => {
                Self::PeerGone
            }
            libc::EHOSTDOWN | libc::ENONET | libc::EHOSTUNREACH | libc::ENETUNREACH => Self::PeerGone,
            libc::EMFILE => Self::ProcessFull,
            libc::ENFILE => Self::SystemFull,
            libc::ENOMEM | libc::ENOBUFS => Self::NoMemory,
            libc::ECANCELED | libc::EINTR => Self::Cancelled,
            _ => Self::Unexpected(errno),
        }
    }
}

/// Why no connection was made (connect(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody listens there (`ECONNREFUSED`, or `ENOENT` for a path).
    #[error("nobody listens there")]
    Refused,
    /// The other side did not answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The network has no way there.
    #[error("the network has no way there")]
    Unreachable,
    /// No local port or address is left (`EADDRNOTAVAIL`).
    #[error("no local port is left")]
    NoLocalPort,
    /// We cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// Anything else.
    #[error("unexpected: {0}")]
    Unexpected(Errno),
}

impl From<Errno> for ConnectError {
    fn from(errno: Errno) -> Self {
        match errno.0 {
            libc::ECONNREFUSED | libc::ENOENT | libc::ECONNRESET => Self::Refused,
            libc::ETIMEDOUT => Self::TimedOut,
            libc::ENETUNREACH | libc::EHOSTUNREACH => Self::Unreachable,
            libc::EADDRNOTAVAIL | libc::EADDRINUSE | libc::EAGAIN => Self::NoLocalPort,
            libc::ECANCELED | libc::EINTR => Self::Cancelled,
            _ => Self::Unexpected(errno),
        }
    }
}

/// Why nothing was received (recv(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The peer reset the connection, or keep-alive found it dead.
    #[error("reset by peer")]
    PeerGone,
    /// No receive buffer was free (`ENOBUFS`): receive again when one is.
    #[error("no receive buffer was free")]
    NoBuffers,
    /// We cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// An earlier datagram found nobody at its destination (`ECONNREFUSED` from an ICMP message).
    #[error("an earlier datagram found nobody")]
    NobodyThere,
    /// Anything else.
    #[error("unexpected: {0}")]
    Unexpected(Errno),
}

impl From<Errno> for ReceiveError {
    fn from(errno: Errno) -> Self {
        match errno.0 {
            libc::ECONNRESET | libc::ETIMEDOUT | libc::EPIPE | libc::EHOSTUNREACH | libc::ENETUNREACH => {
                Self::PeerGone
            }
            libc::ENOBUFS => Self::NoBuffers,
            libc::ECANCELED | libc::EINTR => Self::Cancelled,
            libc::ECONNREFUSED => Self::NobodyThere,
            _ => Self::Unexpected(errno),
        }
    }
}

/// Why nothing was sent (send(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The socket takes no more now, and we asked not to wait (`EAGAIN`).
    #[error("the socket takes no more now")]
    WouldBlock,
    /// The peer is gone (`EPIPE`, `ECONNRESET`, keep-alive).
    #[error("the peer is gone")]
    PeerGone,
    /// An earlier datagram found nobody at its destination.
    #[error("an earlier datagram found nobody")]
    NobodyThere,
    /// The datagram is larger than the path takes (`EMSGSIZE`).
    #[error("the datagram is too large")]
    TooLarge,
    /// The kernel has no memory for it now (`ENOBUFS`, `ENOMEM`).
    #[error("the kernel has no memory for it")]
    NoMemory,
    /// We cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// Anything else.
    #[error("unexpected: {0}")]
    Unexpected(Errno),
}

impl From<Errno> for SendError {
    fn from(errno: Errno) -> Self {
        match errno.0 {
            libc::EAGAIN => Self::WouldBlock,
            libc::EPIPE | libc::ECONNRESET | libc::ECONNABORTED | libc::ETIMEDOUT => Self::PeerGone,
            libc::EHOSTUNREACH => Self::PeerGone,
            libc::ENOTCONN | libc::ENETUNREACH | libc::ENETDOWN => Self::PeerGone,
            libc::ECONNREFUSED => Self::NobodyThere,
            libc::EMSGSIZE => Self::TooLarge,
            libc::ENOBUFS | libc::ENOMEM => Self::NoMemory,
            libc::ECANCELED | libc::EINTR => Self::Cancelled,
            _ => Self::Unexpected(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thousands of them are written and read in a turn: each fits a cache line.
    #[test]
    fn a_completion_fits_a_cache_line() {
        assert!(size_of::<Completion>() <= 64, "{}", size_of::<Completion>());
    }

    #[test]
    fn the_sign_is_flipped_once() {
        // The kernel answers -22 for EINVAL (errno(3)); the standard library knows 22 as invalid input.
        let errno = outcome_of(-22).unwrap_err();
        assert_eq!(errno, Errno(22));
        assert_eq!(std::io::Error::from(errno).kind(), std::io::ErrorKind::InvalidInput);
        assert_eq!(outcome_of(0), Ok(0));
        assert_eq!(outcome_of(i32::MAX), Ok(0x7fff_ffff));
    }

    /// Numbers from Linux's include/uapi/asm-generic/errno.h, not from libc's names.
    #[test]
    fn errors_have_their_names() {
        assert_eq!(AcceptError::from(Errno(24)), AcceptError::ProcessFull);
        assert_eq!(AcceptError::from(Errno(23)), AcceptError::SystemFull);
        assert_eq!(AcceptError::from(Errno(103)), AcceptError::PeerGone);
        assert_eq!(AcceptError::from(Errno(125)), AcceptError::Cancelled);
        assert_eq!(ReceiveError::from(Errno(104)), ReceiveError::PeerGone);
        assert_eq!(ReceiveError::from(Errno(105)), ReceiveError::NoBuffers);
        assert_eq!(SendError::from(Errno(11)), SendError::WouldBlock);
        assert_eq!(SendError::from(Errno(32)), SendError::PeerGone);
        assert_eq!(SendError::from(Errno(90)), SendError::TooLarge);
        assert_eq!(ConnectError::from(Errno(111)), ConnectError::Refused);
        assert_eq!(SendError::from(Errno(4095)), SendError::Unexpected(Errno(4095)));
    }
}
