//! Listening and client sockets, with every option set before the first byte.
//!
//! A [`Listen`] becomes one bound socket per shard. What goes wrong is told apart here, from the errno and the step,
//! into causes that an operator can remove. Options that a connection needs are set on its listener: Linux hands them
//! down (TCP_NODELAY, TCP_CONGESTION), so that an accepted connection costs no further call.
//!
//! **A port has one owner.** Shards share a port by SO_REUSEPORT, and so could, silently, a second server of the same
//! user. Therefore the first socket of a group binds, and listens, *without* the option: the kernel refuses it while
//! anybody else holds the port, another group's first socket included. Only then it gets the option, and its siblings
//! follow. A probing socket, closed before the real ones are bound, would leave a gap for two servers that start at
//! once, and would take and drop connections of early clients.

#![allow(unsafe_code, reason = "IP_BIND_ADDRESS_NO_PORT has no safe wrapper among our dependencies")]

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use super::address::Listen;
use super::adopt::Late;
pub use super::bind_error::BindError;
use super::bind_error::{At, Failure};
use crate::limits;

/// What may be asked of a listener beyond its address.
#[derive(Clone, Debug, Default)]
pub struct SocketOptions {
    /// TCP: the congestion control of every connection (`TCP_CONGESTION`); `None` is the host's default.
    pub congestion_control: Option<String>,
    /// TCP: how long the kernel keeps what a peer does not acknowledge or take, after which it drops the connection
    /// (`TCP_USER_TIMEOUT`): also when the connection is ours no more. `None` leaves it to the kernel, which is patient.
    pub user_timeout: Option<Duration>,
    /// Unix: the permissions of the socket's file, as in 0o660; `None` leaves what the umask made.
    pub mode: Option<u32>,
}

/// A listener that is open: connections and datagrams wait in its sockets until somebody takes them.
#[derive(Debug)]
pub struct Bound {
    /// Where it listens, with the real port where port 0 was asked for.
    pub address: Listen,
    /// Nonblocking sockets: one per shard, or more where more were passed.
    pub sockets: Vec<OwnedFd>,
    /// For a Unix socket: its file, which goes when this goes.
    pub file: Option<SocketFile>,
    /// What is to be done when this process serves, and not before, with the socket at this place.
    pub late: Vec<(usize, Late)>,
}

/// Silence after which the kernel asks whether a peer is still there, and how often it asks: so a peer that vanished
/// is found. Options of a listener are inherited by its connections, and cost them no call.
const KEEPALIVE_TIME: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// The file of a Unix socket. Dropping it unlinks the path, if what stands there is still the same file.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: together, the file's identity.
    identity: (u64, u64),
    /// Whether another process may have the socket as well.
    is_shared: bool,
}

/// Opens `listen` for so many shards: TCP and Unix sockets listen, UDP sockets are bound.
pub fn bind(listen: &Listen, shards: usize, options: &SocketOptions) -> Result<Bound, BindError> {
    assert!(1 <= shards, "a listener belongs to at least one shard");
    let bound = match listen {
        Listen::Tcp(address) => {
            bind_ip(*address, shards, Listen::Tcp, |address, claim| tcp_listener(address, claim, options))
        }
        Listen::Udp(address) => bind_ip(*address, shards, Listen::Udp, udp_socket),
        Listen::Unix(path) => bind_unix(path, shards, options),
    };
    bound.map_err(|failure| failure.explain(listen, host_has_ipv6()))
}

/// True when any interface has an IPv6 address; without IPv6 the kernel shows an empty list, or none.
pub fn host_has_ipv6() -> bool {
    fs::read_to_string("/proc/net/if_inet6").is_ok_and(|list| !list.is_empty())
}

/// An unconnected, nonblocking stream socket for a client of `to`, which must be TCP or Unix. With `source`, it
/// connects from that address; the port is chosen when it connects, so that many clients can share the address.
pub fn stream_client(to: &Listen, source: Option<IpAddr>, congestion: Option<&str>) -> io::Result<OwnedFd> {
    let Listen::Tcp(address) = to else {
        return match to {
            Listen::Unix(_) => Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).map(OwnedFd::from),
            Listen::Tcp(_) | Listen::Udp(_) => Err(io::ErrorKind::InvalidInput.into()),
        };
    };
    let socket = Socket::new(Domain::for_address(*address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    if let Some(name) = congestion {
        socket.set_tcp_congestion(name.as_bytes())?;
    }
    bind_source(&socket, source)?;
    Ok(socket.into())
}

/// A connected, nonblocking datagram socket for a client of `to`: it hears no other peer.
pub fn datagram_client(to: SocketAddr, source: Option<IpAddr>) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    bind_source(&socket, source)?;
    socket.connect(&to.into())?;
    Ok(socket.into())
}

impl SocketFile {
    /// The file of a Unix socket that another process has opened, and leaves to us when this one serves: until we
    /// [own](Self::own) it, it is shared.
    ///
    /// # Errors
    /// When it is gone.
    pub fn inherit(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity_of(path)?, is_shared: true })
    }

    /// Nobody else looks after it any more.
    pub fn own(&mut self) {
        self.is_shared = false;
    }

    /// Leaves the file to another process, if that one has the socket when this goes.
    pub fn share(&mut self) {
        self.is_shared = true;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = identity_of(&self.path).is_ok_and(|found| found == self.identity);
        if is_ours && !(self.is_shared && is_alive(&self.path)) {
            // Nobody is left to be told, and the next start removes a stale file by itself.
            let _ = fs::remove_file(&self.path);
        }
    }
}

// --- TCP and UDP -------------------------------------------------------------------------------------------------

/// Whether a socket opens a group or joins it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// The first one: alone on its port, or refused.
    Port,
    /// A sibling: shares the port that the first one holds.
    Share,
}

/// Opens the first socket, which claims the port, and then its siblings on the same one.
fn bind_ip(
    address: SocketAddr,
    shards: usize,
    kind: fn(SocketAddr) -> Listen,
    open: impl Fn(SocketAddr, Claim) -> Result<Socket, Failure>,
) -> Result<Bound, Failure> {
    let first = open(address, Claim::Port)?;
    let local = first.local_addr().at("getsockname")?;
    let address = local.as_socket().unwrap_or(address);
    // Also where it is alone: a successor may have more shards.
    first.set_reuse_port(true).at("SO_REUSEPORT")?;
    let mut sockets = vec![OwnedFd::from(first)];
    for _ in 1..shards {
        sockets.push(open(address, Claim::Share)?.into());
    }
    Ok(Bound { address: kind(address), sockets, file: None, late: Vec::new() })
}

/// A socket that listens.
fn tcp_listener(address: SocketAddr, claim: Claim, options: &SocketOptions) -> Result<Socket, Failure> {
    let socket = tcp_socket(address, claim, options)?;
    listen(&SockRef::from(&socket))?;
    Ok(socket)
}

/// A socket that is bound and does not listen yet. SO_REUSEADDR lets a restart pass the old connections that sit in TIME_WAIT;
/// against another listener it changes nothing.
pub(super) fn tcp_socket(
    address: SocketAddr,
    claim: Claim,
    options: &SocketOptions,
) -> Result<Socket, Failure> {
    let socket = ip_socket(address, Type::STREAM, Protocol::TCP)?;
    socket.set_reuse_address(true).at("SO_REUSEADDR")?;
    socket.set_reuse_port(claim == Claim::Share).at("SO_REUSEPORT")?;
    set_tcp_options(&SockRef::from(&socket), options)?;
    socket.bind(&address.into()).at("bind")?;
    Ok(socket)
}

/// From now on the kernel greets whoever comes to this socket.
pub(super) fn listen(socket: &SockRef<'_>) -> Result<(), Failure> {
    socket.listen(limits::BACKLOG.cast_signed()).at("listen")
}

/// What connections inherit of their listener.
pub(super) fn set_tcp_options(socket: &SockRef<'_>, options: &SocketOptions) -> Result<(), Failure> {
    socket.set_tcp_nodelay(true).at("TCP_NODELAY")?;
    let probing = TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&probing).at("SO_KEEPALIVE")?;
    socket.set_tcp_user_timeout(options.user_timeout).at("TCP_USER_TIMEOUT")?;
    if let Some(name) = &options.congestion_control {
        socket.set_tcp_congestion(name.as_bytes()).at("TCP_CONGESTION")?;
    }
    Ok(())
}

/// Changes how long the kernel waits for the peers of connections that this listener accepts from now on, if it is one of
/// TCP. They inherit it (tcp(7)).
pub fn set_user_timeout(listener: &OwnedFd, timeout: Duration) {
    // Other kinds of sockets refuse it, and a listener that does keeps what it has: our own time-outs hold all the same.
    let _ = SockRef::from(listener).set_tcp_user_timeout(Some(timeout));
}

/// A socket that is bound. It does not get SO_REUSEADDR, which for UDP means sharing the port with anybody.
fn udp_socket(address: SocketAddr, claim: Claim) -> Result<Socket, Failure> {
    let socket = unbound_udp_socket(address, claim)?;
    socket.bind(&address.into()).at("bind")?;
    Ok(socket)
}

/// A socket to which nothing comes before it is bound.
pub(super) fn unbound_udp_socket(address: SocketAddr, claim: Claim) -> Result<Socket, Failure> {
    let socket = ip_socket(address, Type::DGRAM, Protocol::UDP)?;
    socket.set_reuse_port(claim == Claim::Share).at("SO_REUSEPORT")?;
    Ok(socket)
}

/// A nonblocking, close-on-exec socket. `[::]` takes IPv4 too, whatever `net.ipv6.bindv6only` says; any other IPv6
/// address takes IPv6 alone.
pub(super) fn ip_socket(address: SocketAddr, kind: Type, protocol: Protocol) -> Result<Socket, Failure> {
    let socket =
        Socket::new(Domain::for_address(address), kind.nonblocking(), Some(protocol)).at("socket")?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified()).at("IPV6_V6ONLY")?;
    }
    Ok(socket)
}

/// Fixes a client's source address, but not yet its port: chosen at connect(2), a port needs to be free towards that
/// peer only (`IP_BIND_ADDRESS_NO_PORT`, ip(7)); so one address can open more than 28,000 connections.
fn bind_source(socket: &Socket, source: Option<IpAddr>) -> io::Result<()> {
    let Some(source) = source else { return Ok(()) };
    choose_port_late(socket)?;
    socket.bind(&SocketAddr::new(source, 0).into())
}

fn choose_port_late(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    let (fd, value) = (socket.as_raw_fd(), (&raw const on).cast());
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
    // SAFETY: setsockopt(2) reads `length` bytes through `value`. It points at `on`, a `c_int` of that very length, which
    // lives until the call has returned; `socket` keeps its descriptor open as long.
    let answer =
        unsafe { libc::setsockopt(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, value, length) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

// --- Unix --------------------------------------------------------------------------------------------------------

/// One listening socket, cloned for every shard: Unix sockets know no SO_REUSEPORT.
fn bind_unix(path: &Path, shards: usize, options: &SocketOptions) -> Result<Bound, Failure> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).at("socket")?;
    let address = SockAddr::unix(path).at("bind")?;
    if let Err(cause) = socket.bind(&address) {
        make_room(path, &address, cause).at("bind")?;
        socket.bind(&address).at("bind")?;
    }
    let identity = identity_of(path).at("stat")?;
    let file = SocketFile { path: path.to_owned(), identity, is_shared: false };
    if let Some(mode) = options.mode {
        // Before listen(2): until then nobody gets in.
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).at("chmod")?;
    }
    listen(&SockRef::from(&socket))?;
    let sockets: io::Result<Vec<OwnedFd>> =
        (1..shards).map(|_| socket.try_clone().map(OwnedFd::from)).collect();
    let mut sockets = sockets.at("dup")?;
    sockets.insert(0, socket.into());
    Ok(Bound { address: Listen::Unix(path.to_owned()), sockets, file: Some(file), late: Vec::new() })
}

/// Unlinks what a process left behind that did not end well: a socket at which nobody answers, and nothing else. Gives
/// `cause`, why bind(2) refused, back when the place is not to be had.
fn make_room(path: &Path, address: &SockAddr, cause: io::Error) -> io::Result<()> {
    if cause.raw_os_error() != Some(libc::EADDRINUSE) {
        return Err(cause);
    }
    let found = fs::symlink_metadata(path)?;
    if !found.file_type().is_socket() {
        return Err(io::Error::from_raw_os_error(libc::ENOTSOCK));
    }
    let client = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    let answer = client.connect(address).err().and_then(|refused| refused.raw_os_error());
    // Accepted, queued, of another type, or closed to us: in every case but the refusal it is somebody's.
    let is_stale = answer == Some(libc::ECONNREFUSED) && identity_of(path)? == (found.dev(), found.ino());
    if is_stale { fs::remove_file(path) } else { Err(cause) }
}

/// Whether anybody listens at the socket of this name, as the kernel lists it (proc_pid_net(5)). To connect would tell, too, and is
/// what a process that has shut itself in does not do. Who cannot look leaves the file.
fn is_alive(path: &Path) -> bool {
    let Ok(listed) = fs::read("/proc/self/net/unix") else { return true };
    let name = path.as_os_str().as_bytes();
    // "Num: RefCount Protocol Flags Type St Inode Path". Connections have the name of their listener, and other flags.
    let listens = |line: &[u8]| line.split(|byte| *byte == b' ').any(|field| field == LISTENING);
    let of_name =
        |line: &[u8]| line.strip_suffix(name).is_some_and(|rest| rest.ends_with(b" ") && listens(rest));
    listed.split(|byte| *byte == b'\n').any(of_name)
}

/// The flag `SO_ACCEPTCON`.
const LISTENING: &[u8] = b"00010000";

fn identity_of(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::process;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::address::Peer;
    use super::*;

    fn open(listen: &str, shards: usize) -> Bound {
        bind(&listen.parse().unwrap(), shards, &SocketOptions::default()).unwrap()
    }

    fn open_again(listen: &Listen) -> Result<Bound, BindError> {
        bind(listen, 2, &SocketOptions::default())
    }

    fn listeners(bound: Bound) -> Vec<TcpListener> {
        bound.sockets.into_iter().map(TcpListener::from).collect()
    }

    /// A directory of this test's own, which goes with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0); // Relaxed: the number needs only to be unique.
            let name = format!("tidemill-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn listen(&self, name: &str) -> Listen {
            Listen::Unix(self.0.join(name))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn port_zero_becomes_one_real_port_for_all_shards() {
        let bound = open("tcp://127.0.0.1:0", 4);
        let address = bound.address.ip().unwrap();
        assert_ne!(address.port(), 0);
        let sockets = listeners(bound);
        assert_eq!(sockets.len(), 4);
        assert!(sockets.iter().all(|socket| socket.local_addr().unwrap() == address));
    }

    #[test]
    fn connections_spread_over_all_shards_and_inherit_nodelay() {
        let bound = open("tcp://127.0.0.1:0", 4);
        let address = bound.address.ip().unwrap();
        let sockets = listeners(bound);
        let clients: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
        let accepted: Vec<usize> = sockets
            .iter()
            .map(|socket| {
                std::iter::from_fn(|| socket.accept().ok()).filter(|(s, _)| s.nodelay().unwrap()).count()
            })
            .collect();
        assert_eq!(accepted.iter().sum::<usize>(), clients.len());
        assert!(accepted.iter().all(|&count| 20 <= count), "{accepted:?}");
    }

    #[test]
    fn datagrams_spread_over_all_shards() {
        let bound = open("udp://127.0.0.1:0", 4);
        let address = bound.address.ip().unwrap();
        let sockets: Vec<UdpSocket> = bound.sockets.into_iter().map(UdpSocket::from).collect();
        for _ in 0..200 {
            let client = UdpSocket::from(datagram_client(address, None).unwrap());
            assert_eq!(client.send(b"x").unwrap(), 1);
        }
        let received: Vec<usize> = sockets
            .iter()
            .map(|socket| std::iter::from_fn(|| socket.recv(&mut [0; 8]).ok()).count())
            .collect();
        assert_eq!(received.iter().sum::<usize>(), 200);
        assert!(received.iter().all(|&count| 20 <= count), "{received:?}");
    }

    #[test]
    fn a_port_has_one_owner() {
        for listen in ["tcp://127.0.0.1:0", "udp://127.0.0.1:0", "tcp://[::]:0", "udp://[::]:0"] {
            if listen.contains("[::]") && !host_has_ipv6() {
                continue;
            }
            for shards in [1, 3] {
                let first = open(listen, shards);
                assert!(
                    matches!(open_again(&first.address), Err(BindError::Taken { .. })),
                    "{listen} {shards}"
                );
            }
        }
    }

    #[test]
    fn a_port_that_a_stranger_holds_is_taken() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        for listen in [Listen::Tcp(tcp.local_addr().unwrap()), Listen::Udp(udp.local_addr().unwrap())] {
            assert!(matches!(open_again(&listen), Err(BindError::Taken { .. })), "{listen}");
        }
    }

    #[test]
    fn of_servers_that_start_at_once_one_gets_the_port() {
        for _ in 0..20 {
            let address = open("tcp://127.0.0.1:0", 1).address;
            let gate = std::sync::Barrier::new(4);
            let started = std::thread::scope(|scope| {
                let start = || {
                    gate.wait();
                    open_again(&address).ok()
                };
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
                threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            assert!(started.len() == 1, "{} share {address}", started.len());
        }
    }

    #[test]
    fn a_restart_passes_connections_in_time_wait() {
        let bound = open("tcp://127.0.0.1:0", 2);
        let address = bound.address.clone();
        let sockets = listeners(bound);
        let mut client = TcpStream::connect(address.ip().unwrap()).unwrap();
        let (server, _) = sockets.iter().find_map(|socket| socket.accept().ok()).unwrap();
        drop(server); // The side that closes first is the one that waits.
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
        drop((client, sockets));
        open_again(&address).unwrap();
    }

    #[test]
    fn both_families_reach_the_dual_stack_and_only_ipv6_its_own_address() {
        if !host_has_ipv6() {
            return;
        }
        let port = open("tcp://[::]:0", 1);
        let number = port.address.ip().unwrap().port();
        let sockets = listeners(port);
        let client = TcpStream::connect(("127.0.0.1", number)).unwrap();
        let (_, peer) = sockets[0].accept().unwrap();
        assert!(peer.is_ipv6(), "it arrives mapped: {peer}");
        assert_eq!(Peer::from_ip(peer), Peer::Ip(client.local_addr().unwrap()));

        let [six, four] = ["tcp://[::1]:0", "tcp://127.0.0.1:0"].map(|listen| open(listen, 1));
        assert!(six.address.ip().unwrap().is_ipv6() && four.address.ip().unwrap().is_ipv4());
        let socket = Socket::from(six.sockets.into_iter().next().unwrap());
        assert!(socket.only_v6().unwrap());
    }

    #[test]
    fn sockets_are_nonblocking_and_closed_on_exec() {
        for listen in ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"] {
            for fd in open(listen, 2).sockets {
                let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).unwrap();
                let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
                // O_RDWR, O_NONBLOCK and O_CLOEXEC, as proc_pid_fdinfo(5) prints them.
                assert_eq!(flags, "02004002", "{listen}");
            }
        }
    }

    #[test]
    fn accepted_connections_inherit_the_kernel_s_patience() {
        let patience = Some(Duration::from_secs(7));
        let options = SocketOptions { user_timeout: patience, ..Default::default() };
        let bound = bind(&"tcp://127.0.0.1:0".parse().unwrap(), 1, &options).unwrap();
        let _client = TcpStream::connect(bound.address.ip().unwrap()).unwrap();
        let accepted = Socket::from(listeners(bound)[0].accept().unwrap().0);
        assert_eq!(accepted.tcp_user_timeout().unwrap(), patience);
        assert!(accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
    }

    #[test]
    fn congestion_control_is_inherited_and_an_unknown_one_refused() {
        let options =
            |name: &str| SocketOptions { congestion_control: Some(name.into()), ..Default::default() };
        let listen: Listen = "tcp://127.0.0.1:0".parse().unwrap();
        let bound = bind(&listen, 1, &options("reno")).unwrap();
        let _client = TcpStream::connect(bound.address.ip().unwrap()).unwrap();
        let accepted = Socket::from(listeners(bound)[0].accept().unwrap().0);
        assert_eq!(accepted.tcp_congestion().unwrap().split(|&byte| byte == 0).next(), Some(&b"reno"[..]));
        assert!(matches!(bind(&listen, 1, &options("nonsense")), Err(BindError::CongestionControl { .. })));
    }

    #[test]
    fn an_address_of_another_host_is_not_available() {
        // 192.0.2.0/24 and 2001:db8::/32 belong to documents (RFC 5737, RFC 3849); .254 is nobody's here.
        for listen in ["tcp://192.0.2.254:0", "udp://192.0.2.254:0"] {
            let problem = open_again(&listen.parse().unwrap()).unwrap_err();
            assert!(matches!(problem, BindError::NotAvailable { .. }), "{problem}");
        }
    }

    #[test]
    fn a_unix_socket_serves_all_shards_and_takes_its_file_along() {
        let folder = Folder::new();
        let listen = folder.listen("t.sock");
        let options = SocketOptions { mode: Some(0o660), ..Default::default() };
        let bound = bind(&listen, 2, &options).unwrap();
        let path = folder.0.join("t.sock");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"x").unwrap();
        let second = UnixListener::from(bound.sockets[1].try_clone().unwrap());
        assert_eq!(second.accept().unwrap().0.read(&mut [0; 8]).unwrap(), 1);
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_unix_socket_is_replaced_and_a_living_one_is_not() {
        let folder = Folder::new();
        let listen = folder.listen("t.sock");
        let other = UnixListener::bind(folder.0.join("t.sock")).unwrap();
        assert!(matches!(open_again(&listen), Err(BindError::InUse(_))));
        drop(other); // The standard library leaves the file behind, as a killed process does.
        assert!(folder.0.join("t.sock").exists());
        let bound = open_again(&listen).unwrap();
        assert!(matches!(open_again(&listen), Err(BindError::InUse(_))));
        drop(bound);
    }

    #[test]
    fn what_is_not_a_socket_is_never_deleted() {
        let folder = Folder::new();
        fs::write(folder.0.join("precious"), "letters").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.0.join("link")).unwrap();
        for name in ["precious", "link"] {
            assert!(matches!(open_again(&folder.listen(name)), Err(BindError::NotASocket(_))));
        }
        assert_eq!(fs::read_to_string(folder.0.join("precious")).unwrap(), "letters");
        assert!(matches!(open_again(&folder.listen("no/t.sock")), Err(BindError::NoDirectory(_))));
        assert!(matches!(open_again(&folder.listen("precious/t.sock")), Err(BindError::ThroughFile(_))));
    }

    /// The file of a socket that another process has as well goes with the last of both.
    #[test]
    fn a_shared_file_goes_with_the_last_who_has_the_socket() {
        let folder = Folder::new();
        let path = folder.0.join("t.sock");
        for has_successor in [true, false] {
            let mut bound = open_again(&folder.listen("t.sock")).unwrap();
            let theirs = has_successor.then(|| bound.sockets[0].try_clone().unwrap());
            bound.file.as_mut().unwrap().share();
            bound.sockets.clear();
            drop(bound);
            assert_eq!(path.exists(), has_successor);
            if theirs.is_some() {
                drop((theirs, SocketFile::inherit(&path).unwrap()));
            }
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_file_that_somebody_else_put_there_stays() {
        let folder = Folder::new();
        let bound = open_again(&folder.listen("t.sock")).unwrap();
        let path = folder.0.join("t.sock");
        let ours = folder.0.join("moved"); // Keeps the inode's number in use.
        fs::rename(&path, ours).unwrap();
        let _successor = UnixListener::bind(&path).unwrap();
        drop(bound);
        assert!(path.exists());
    }

    #[test]
    fn clients_connect_from_the_address_they_were_given() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let source: IpAddr = "127.0.0.9".parse().unwrap();
        let client = Socket::from(stream_client(&Listen::Tcp(address), Some(source), Some("reno")).unwrap());
        let connecting = client.connect(&address.into()).unwrap_err();
        assert_eq!(connecting.raw_os_error(), Some(libc::EINPROGRESS));
        assert_eq!(server.accept().unwrap().1.ip(), source);
        assert!(client.tcp_nodelay().unwrap());

        let client = UdpSocket::from(datagram_client(address, Some(source)).unwrap());
        assert_eq!(client.local_addr().unwrap().ip(), source);
        assert_eq!(client.peer_addr().unwrap(), address);
        assert!(stream_client(&Listen::Udp(address), None, None).is_err());
    }
}
