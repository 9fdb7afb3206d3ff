//! What can go wrong with a request, in classes that a result counts.

use std::collections::BTreeMap;

use tidemill::ring::{ConnectError, ReceiveError, SendError};

/// Why a connection, or a datagram's way, failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// Nobody listens there.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// The peer closed the connection while answers were due.
    ClosedEarly,
    /// No answer in time.
    TimedOut,
    /// The network has no way there, or no local port is left.
    Network,
    /// More than a datagram may carry.
    TooLarge,
    /// An answer with a status that says that the request failed.
    Status,
    /// An answer of another length than it should have had.
    Length,
    /// What came is not the protocol that was to be spoken.
    Protocol,
    /// TLS failed: the certificate, the handshake, a record.
    Tls,
    /// Anything else; the sentence says what.
    Other,
}

/// The errors of a run, none of which is dropped silently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// How many of each class.
    pub counts: BTreeMap<ErrorClass, u64>,
    /// The first one in words.
    pub first: Option<String>,
}

impl ErrorClass {
    /// All classes.
    pub const ALL: [Self; 11] = [
        Self::Refused,
        Self::Reset,
        Self::ClosedEarly,
        Self::TimedOut,
        Self::Network,
        Self::TooLarge,
        Self::Status,
        Self::Length,
        Self::Protocol,
        Self::Tls,
        Self::Other,
    ];

    /// Its name in a result.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::ClosedEarly => "closed_early",
            Self::TimedOut => "timed_out",
            Self::Network => "network",
            Self::TooLarge => "too_large",
            Self::Status => "status",
            Self::Length => "length",
            Self::Protocol => "protocol",
            Self::Tls => "tls",
            Self::Other => "other",
        }
    }
}

impl From<&ConnectError> for ErrorClass {
    fn from(error: &ConnectError) -> Self {
        match error {
            ConnectError::Refused => Self::Refused,
            ConnectError::TimedOut => Self::TimedOut,
            ConnectError::Unreachable | ConnectError::NoLocalPort => Self::Network,
            _ => Self::Other,
        }
    }
}

impl From<&ReceiveError> for ErrorClass {
    fn from(error: &ReceiveError) -> Self {
        match error {
            ReceiveError::PeerGone => Self::Reset,
            ReceiveError::NobodyThere => Self::Refused,
            _ => Self::Other,
        }
    }
}

impl From<&SendError> for ErrorClass {
    fn from(error: &SendError) -> Self {
        match error {
            SendError::PeerGone => Self::Reset,
            SendError::NobodyThere => Self::Refused,
            SendError::TooLarge => Self::TooLarge,
            _ => Self::Other,
        }
    }
}

impl Errors {
    /// Counts an error; the sentence is kept if it is the first.
    pub fn count(&mut self, class: ErrorClass, sentence: impl FnOnce() -> String) {
        *self.counts.entry(class).or_default() += 1;
        self.first.get_or_insert_with(sentence);
    }

    /// All errors.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Adds those of another worker; the first sentence stays.
    pub fn add(&mut self, other: Self) {
        for (class, count) in other.counts {
            *self.counts.entry(class).or_default() += count;
        }
        self.first = self.first.take().or(other.first);
    }
}
