//! Why a run did not take place, or could not go on.

use std::io;

use tidemill::ring::RingError;
use tidemill::sys::cpu::PinError;
use tidemill::sys::descriptors::{self, DescriptorsError};
use tidemill::tls::CredentialsError;

use crate::server_side::SourceError;
use crate::traffic::open::OpenError;

/// Why a run did not take place, or could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Connections could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The authorities to trust cannot be read.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A thread could not be pinned.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// There are fewer descriptors than connections.
    #[error(transparent)]
    Descriptors(#[from] DescriptorsError),
    /// No ring could be made.
    #[error(
        "io_uring is not available: {0}. loadgen needs it; `tidemill` itself says what stands in the way"
    )]
    NoRing(RingError),
    /// A ring failed during the run.
    #[error("the ring failed: {0}")]
    RingFailed(RingError),
    /// Signals could not be watched.
    #[error("signals cannot be watched: {}{}", .0, descriptors::remedy(.0))]
    Signals(io::Error),
    /// The server cannot be watched.
    #[error(transparent)]
    Server(#[from] SourceError),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(io::Error),
}
