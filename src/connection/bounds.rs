//! What a connection may take, and what it is called when it has taken it.

use std::time::Duration;

use crate::limits;

/// The bounds of each connection.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Waiting bytes at which the peer is not read from any more.
    pub high_water_bytes: usize,
    /// Waiting bytes at which reading starts again.
    pub low_water_bytes: usize,
    /// Longest time from the accept until the service can begin: a PROXY header, a TLS handshake.
    pub opening_timeout: Duration,
    /// Longest silence.
    pub idle_timeout: Duration,
    /// Longest time without the peer reading what waits for it.
    pub stall_timeout: Duration,
    /// Longest wait for the peer's end after ours.
    pub linger_timeout: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            high_water_bytes: limits::OUTBOX_HIGH_WATER_BYTES as usize,
            low_water_bytes: limits::OUTBOX_LOW_WATER_BYTES as usize,
            opening_timeout: limits::HANDSHAKE_TIMEOUT,
            idle_timeout: limits::IDLE_TIMEOUT,
            stall_timeout: limits::STALL_TIMEOUT,
            linger_timeout: limits::LINGER_TIMEOUT,
        }
    }
}

/// Why a connection was ended before its peer or its service ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cut {
    /// It took too long until the service could begin.
    Opening,
    /// It may not come in.
    TurnedAway,
    /// It was silent for too long.
    Idle,
    /// It did not read what waited for it.
    Stalled,
    /// It did not end its side in time after we ended ours.
    Linger,
    /// The same, and the stop did not leave it more time.
    LingerInDrain,
    /// It needed private memory while the shard's bound was reached.
    OutboxFull,
    /// It did not read as fast as was published what it listens to.
    SlowConsumer,
    /// It sent an unfinished frame of more than the bound.
    InboxFull,
    /// It was reset, or found dead.
    PeerGone,
    /// The drain deadline came.
    Drain,
    /// The server has all the connections it may have.
    Refused,
    /// The service gave it up.
    Service,
    /// An error that no rule foresees.
    Unexpected,
}
