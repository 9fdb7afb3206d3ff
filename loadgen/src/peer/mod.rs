//! A test peer: it answers every message after a delay that follows a known law, and misbehaves where it is told to.
//!
//! So the answer to a measurement is known before it is made, and a client that measures something else is wrong. From
//! the top: a [`plan`] says what is to be done; a [`server`] runs the loop for [`streams`] or [`datagrams`]; a stream's
//! bytes are cut into messages by a [`reader`]; the [`desk`] decides by [`law`] and [`fault`] when an answer leaves and
//! what befalls it; it waits in a [`calendar`]; and a [`summary`] says what happened, and how late the peer itself was.

pub mod address;
pub mod calendar;
pub mod connection;
pub mod datagrams;
pub mod desk;
pub mod fault;
pub mod http;
pub mod law;
pub mod plan;
pub mod reader;
pub mod server;
pub mod streams;
pub mod summary;

use std::io;
use std::time::Duration;

use tidemill::limits::DESCRIPTORS_RESERVE;
use tidemill::ring::{Capabilities, ReceiveError, RingError, Setup, Uring};
use tidemill::sys::cpu::{self, PinError};
use tidemill::sys::descriptors::{self, DescriptorsError};
use tidemill::sys::signal::{Signals, Waker, Woken};
use tidemill::sys::socket::{self, BindError, Bound, SocketOptions};
use tidemill::sys::timer;
use tidemill::tier::RingTier;

use self::address::Address;
use self::datagrams::Datagrams;
use self::desk::Desk;
use self::plan::Plan;
use self::server::drive;
use self::streams::{Manner, Streams};
use self::summary::{SCHEMA, Summary};

/// Most connections open together, if the process may have so many descriptors; else the first that it may have. More
/// wait in the kernel's queue until one closes.
const CONNECTIONS: [u32; 4] = [65_536, 16_384, 4096, 1024];

/// Why a peer could not serve, or could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// It cannot listen there.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// It could not be pinned.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// There are not even descriptors for the fewest connections.
    #[error(transparent)]
    Descriptors(#[from] DescriptorsError),
    /// No ring could be made.
    #[error(
        "io_uring is not available: {0}. loadgen needs it; `tidemill` itself says what stands in the way"
    )]
    NoRing(RingError),
    /// The ring did not take the listening socket.
    #[error("the ring does not take the socket: {0}")]
    Adopt(io::Error),
    /// The ring failed.
    #[error("the ring failed: {0}")]
    RingFailed(RingError),
    /// The datagram socket failed.
    #[error("nothing can be received any more: {0}")]
    Receive(ReceiveError),
    /// Signals could not be watched.
    #[error("signals cannot be watched: {}{}", .0, descriptors::remedy(.0))]
    Signals(io::Error),
}

/// Serves until a signal asks to stop. Says with `listening` where it listens, and with `report` what it has done so far,
/// when SIGUSR1 asks for it.
///
/// # Errors
/// When it could not serve, or not go on.
pub fn serve(
    plan: &Plan,
    listening: impl FnOnce(&Address),
    report: impl Fn(&Summary),
) -> Result<Summary, PeerError> {
    let signals = Signals::watch().map_err(PeerError::Signals)?;
    let waker = Waker::new().map_err(PeerError::Signals)?;
    let connections = most_connections()?;
    if let Some(core) = plan.core {
        cpu::pin(core)?;
    }
    timer::wake_precisely();
    let capabilities = Capabilities::probe(RingTier::V6_17).map_err(PeerError::NoRing)?;
    // The last thing that may fail is to listen: nobody connects to a peer that then ends.
    let setup = Setup::shard(capabilities, connections + 1, !plan.address.listen.is_stream());
    let mut ring = Uring::new(&setup).map_err(PeerError::NoRing)?;
    let Bound { address, mut sockets, file: _file, .. } =
        socket::bind(&plan.address.listen, 1, &SocketOptions::default())?;
    let address = Address { listen: address, ..plan.address };
    let socket = sockets.pop().expect("a listener has one socket for each shard, and there is one");
    let socket = ring.adopt(socket, 0).map_err(PeerError::Adopt)?;
    listening(&address);

    let mut desk = Desk::new(plan.law.clone(), plan.faults, plan.seed);
    let url = address.to_string();
    let mut watched = Ok(());
    let is_over = |desk: &Desk| match signals.wait(&waker, Some(Duration::ZERO)) {
        Ok(Woken::Stop(_) | Woken::Reload) => true, // A terminal that goes takes its peer with it.
        Ok(Woken::Report) => {
            report(&summarise(&url, desk));
            false
        }
        Ok(Woken::Upgrade | Woken::Waker | Woken::TimedOut) => false,
        Err(error) => {
            watched = Err(PeerError::Signals(error));
            true
        }
    };
    let ended = if plan.address.listen.is_stream() {
        let Plan { size, close_after, slow_accept, .. } = *plan;
        let mut streams = Streams::new(Manner { size, connections, close_after, slow_accept }, socket);
        drive(ring, &mut streams, &mut desk, plan.idle, is_over)
    } else {
        drive(ring, &mut Datagrams::new(socket), &mut desk, plan.idle, is_over)
    };
    watched?;
    match ended.map_err(PeerError::RingFailed)? {
        Some(error) => Err(PeerError::Receive(error)),
        None => Ok(summarise(&url, &desk)),
    }
}

fn most_connections() -> Result<u32, DescriptorsError> {
    let mut tried = CONNECTIONS.into_iter().map(|connections| {
        descriptors::raise_limit(u64::from(connections) + u64::from(DESCRIPTORS_RESERVE)).map(|_| connections)
    });
    let first = tried.next().expect("there are several");
    tried.fold(first, Result::or)
}

fn summarise(url: &str, desk: &Desk) -> Summary {
    Summary { schema: SCHEMA, url: url.to_owned(), counts: desk.counts, lateness: desk.lateness() }
}
