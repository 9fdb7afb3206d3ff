//! Opening a worker's connections, before anything is measured.
//!
//! This is the one place that needs the real ring and not just any kernel: sockets come from the operating system and
//! are given to the ring's table.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, io};

use socket2::{SockAddr, SockRef};
use tidemill::ring::{
    Completion, ConnectError, Descriptor, Kernel, Kind, Op, Outcome, RingError, Uring, Wait,
};
use tidemill::sys::address::Listen;
use tidemill::sys::clock::Time;
use tidemill::sys::socket::{datagram_client, stream_client};

use crate::plan::{CONNECT_TIMEOUT, Plan};
use crate::target::Target;
use crate::traffic::client::{Opened, slot, token};

/// Connects in flight per worker: less than any listener's backlog, so that none is dropped and tried again later.
const CONNECTS_IN_FLIGHT: usize = 64;
/// How often it is looked whether to give up.
const STOP_INTERVAL: Duration = Duration::from_millis(100);
/// What the kernel counts for a small datagram beside its payload, about.
const DATAGRAM_OVERHEAD_BYTES: usize = 1024;
/// Least bytes that a UDP socket asks for: what Linux gives without asking.
const SOCKET_BUFFER_BYTES: usize = 212_992;
/// Most bytes that it asks for. The kernel gives at most net.core.rmem_max and wmem_max.
const SOCKET_BUFFER_BYTES_MAX: usize = 64 << 20;

/// Why connections could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The server is not there.
    #[error("nobody listens at {0}. Try: start the server, or another address")]
    Refused(Target),
    /// Something stands at the path at which nobody ever listens.
    #[error("{} is not a socket. Try: the path that the server shows when it starts", .0.display())]
    NotASocket(PathBuf),
    /// The host does not know the congestion control.
    #[error(
        "the host does not offer congestion control {0}. \
         Try: one that sysctl net.ipv4.tcp_available_congestion_control shows"
    )]
    NoCongestionControl(String),
    /// The host knows the congestion control and keeps it from this user.
    #[error(
        "this user may not choose congestion control {0}. \
         Try: one that sysctl net.ipv4.tcp_allowed_congestion_control shows"
    )]
    CongestionControlDenied(String),
    /// The server, or the network, does not answer.
    #[error("{target}: {made} of {wanted} connections could be made, then there was no answer in time")]
    TimedOut {
        /// The server.
        target: Target,
        /// Connections made.
        made: usize,
        /// Connections wanted, by the thread that gave up.
        wanted: usize,
    },
    /// The kernel refuses to connect.
    #[error("{target}: connection {number} could not be made: {cause}")]
    Connect {
        /// The server.
        target: Target,
        /// The connection.
        number: u32,
        /// Why.
        cause: ConnectError,
    },
    /// A source is another host's.
    #[error("{0} is not an address of this host. Try: one that `ip -br address` shows")]
    ForeignSource(IpAddr),
    /// The kernel refuses a socket, or an option of it.
    #[error("{target}: no socket for connection {number}: {cause}")]
    Socket {
        /// The server.
        target: Target,
        /// The connection.
        number: u32,
        /// Why.
        cause: io::Error,
    },
    /// A handshake failed, of TLS or of the protocol.
    #[error("{target}: {sentence}")]
    Handshake {
        /// The server.
        target: Target,
        /// Which connection, and why.
        sentence: String,
    },
    /// A signal came first.
    #[error("interrupted before the connections were open")]
    Interrupted,
    /// The ring itself.
    #[error(transparent)]
    Ring(#[from] RingError),
}

/// A connection that was made: how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    /// When it was begun.
    pub begun: Time,
    /// When it was made.
    pub made: Time,
}

/// Makes the sockets of stream connections.
#[derive(Clone, Debug)]
pub struct Dialer {
    listen: Listen,
    congestion: Option<String>,
    /// Where they come from, in turns.
    sources: Vec<IpAddr>,
    /// Where they connect to.
    pub address: SockAddr,
}

impl Dialer {
    fn new(plan: &Plan, address: SockAddr) -> Self {
        let (congestion, sources) = (plan.congestion.clone(), plan.sources.clone());
        Self { listen: plan.target.listen.clone(), congestion, sources, address }
    }

    /// For the connections of this plan; `None` if it has none.
    pub fn of(plan: &Plan) -> Option<Self> {
        match &plan.target.listen {
            Listen::Udp(_) => None,
            Listen::Tcp(address) => Some(Self::new(plan, SockAddr::from(*address))),
            Listen::Unix(path) => SockAddr::unix(path).ok().map(|address| Self::new(plan, address)),
        }
    }

    /// A socket that is not connected, for the connection of this number.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn socket(&self, number: u32) -> io::Result<OwnedFd> {
        stream_client(&self.listen, source(&self.sources, number), self.congestion.as_deref())
    }
}

/// Where the connection of this number comes from; `None` if the kernel chooses.
fn source(sources: &[IpAddr], number: u32) -> Option<IpAddr> {
    (!sources.is_empty()).then(|| sources[number as usize % sources.len()])
}

/// Opens the connections of these numbers.
///
/// # Errors
/// When one of them cannot be opened, or `stop` is set.
pub fn open(
    ring: &mut Uring,
    plan: &Plan,
    numbers: Range<u32>,
    stop: &AtomicBool,
) -> Result<(Vec<Opened>, Vec<Connected>), OpenError> {
    match &plan.target.listen {
        Listen::Udp(address) => Ok((open_datagrams(ring, plan, *address, numbers)?, Vec::new())),
        Listen::Tcp(address) => {
            let dialer = Dialer::new(plan, SockAddr::from(*address));
            open_streams(ring, plan, &dialer, numbers, stop)
        }
        Listen::Unix(path) => {
            let cause =
                |cause| OpenError::Socket { target: plan.target.clone(), number: numbers.start, cause };
            let address = SockAddr::unix(path).map_err(cause)?;
            let dialer = Dialer::new(plan, address);
            open_streams(ring, plan, &dialer, numbers, stop)
        }
    }
}

fn open_datagrams(
    ring: &mut Uring,
    plan: &Plan,
    address: SocketAddr,
    numbers: Range<u32>,
) -> Result<Vec<Opened>, OpenError> {
    let wanted = (plan.size + DATAGRAM_OVERHEAD_BYTES).saturating_mul(2 * plan.depth as usize);
    let bytes = wanted.clamp(SOCKET_BUFFER_BYTES, SOCKET_BUFFER_BYTES_MAX);
    let mut open = |(place, number)| {
        let socket = datagram_client(address, source(&plan.sources, number))?;
        // Else answers that arrive together are dropped on our side, and would count as lost by the server.
        SockRef::from(&socket).set_recv_buffer_size(bytes)?;
        SockRef::from(&socket).set_send_buffer_size(bytes)?;
        Ok(Opened { number, file: ring.adopt(socket, place)? })
    };
    let failed = |number, cause| {
        source_refused(&plan.sources, number, &cause).unwrap_or_else(|| OpenError::Socket {
            target: plan.target.clone(),
            number,
            cause,
        })
    };
    (0..)
        .zip(numbers)
        .map(|(place, number)| open((place, number)).map_err(|cause| failed(number, cause)))
        .collect()
}

fn open_streams(
    ring: &mut Uring,
    plan: &Plan,
    dialer: &Dialer,
    numbers: Range<u32>,
    stop: &AtomicBool,
) -> Result<(Vec<Opened>, Vec<Connected>), OpenError> {
    let deadline = ring.now().saturating_add(CONNECT_TIMEOUT);
    let wanted = numbers.len();
    let mut opened = Vec::with_capacity(wanted);
    let mut ready = VecDeque::new();
    let (mut begun, mut made) = (Vec::with_capacity(wanted), Vec::with_capacity(wanted));
    while made.len() < wanted {
        while opened.len() < wanted && opened.len() - made.len() < CONNECTS_IN_FLIGHT {
            let place = slot(opened.len());
            let file = begin(ring, plan, dialer, place, numbers.start + place)?;
            opened.push(Opened { number: numbers.start + place, file });
            begun.push(ring.now());
        }
        let next_look = ring.now().saturating_add(STOP_INTERVAL);
        ring.submit_and_wait(Wait::Until(Some(next_look)))?;
        let now = ring.now();
        ring.collect(&mut ready, CONNECTS_IN_FLIGHT);
        while let Some(completion) = ready.pop_front() {
            check(&completion, plan, &opened)?;
            made.push(Connected { begun: begun[completion.token.slot() as usize], made: now });
        }
        // Relaxed: the flag carries nothing else.
        if stop.load(Ordering::Relaxed) {
            return Err(OpenError::Interrupted);
        }
        if made.len() < wanted && deadline <= ring.now() {
            return Err(OpenError::TimedOut { target: plan.target.clone(), made: made.len(), wanted });
        }
    }
    Ok((opened, made))
}

/// Makes a socket and begins to connect it.
fn begin(
    ring: &mut Uring,
    plan: &Plan,
    dialer: &Dialer,
    place: u32,
    number: u32,
) -> Result<Descriptor, OpenError> {
    let failed = |cause| OpenError::Socket { target: plan.target.clone(), number, cause };
    let refused = |cause| {
        let reason = source_refused(&plan.sources, number, &cause);
        reason.or_else(|| congestion_refused(plan, &cause)).unwrap_or_else(|| failed(cause))
    };
    let socket = dialer.socket(number).map_err(refused)?;
    let file = ring.adopt(socket, place).map_err(failed)?;
    let connect =
        Op::Connect { token: token(Kind::Connect, place), file, address: Box::new(dialer.address.clone()) };
    ring.push(connect).map_err(|_| failed(io::ErrorKind::WouldBlock.into()))?;
    Ok(file)
}

/// Whether a socket was refused for where it was to come from: EADDRNOTAVAIL, bind(2) and ip(7).
fn source_refused(sources: &[IpAddr], number: u32, cause: &io::Error) -> Option<OpenError> {
    let source = source(sources, number)?;
    (cause.kind() == io::ErrorKind::AddrNotAvailable).then_some(OpenError::ForeignSource(source))
}

/// Whether a socket was refused for its congestion control. tcp(7): ENOENT when the host does not know it, EPERM when
/// this user may not choose it; an empty name is EINVAL.
fn congestion_refused(plan: &Plan, cause: &io::Error) -> Option<OpenError> {
    let name = plan.congestion.clone()?;
    match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::InvalidInput => Some(OpenError::NoCongestionControl(name)),
        io::ErrorKind::PermissionDenied => Some(OpenError::CongestionControlDenied(name)),
        _ => None,
    }
}

/// What it means that nobody takes a connection. A file and a directory refuse it as a socket without a listener does.
fn refused(target: Target) -> OpenError {
    let is_other = |path: &Path| fs::metadata(path).is_ok_and(|found| !found.file_type().is_socket());
    match &target.listen {
        Listen::Unix(path) if is_other(path) => OpenError::NotASocket(path.clone()),
        Listen::Tcp(_) | Listen::Udp(_) | Listen::Unix(_) => OpenError::Refused(target),
    }
}

/// Whether this completion made a connection.
fn check(completion: &Completion, plan: &Plan, opened: &[Opened]) -> Result<(), OpenError> {
    let target = plan.target.clone();
    match &completion.outcome {
        Outcome::Connected(Ok(())) => Ok(()),
        Outcome::Connected(Err(ConnectError::Refused)) => Err(refused(target)),
        Outcome::Connected(Err(cause)) => {
            let number = opened[completion.token.slot() as usize].number;
            Err(OpenError::Connect { target, number, cause: *cause })
        }
        outcome => unreachable!("only connects are in flight, and not {outcome:?}"),
    }
}
