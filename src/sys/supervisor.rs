//! Who started this process and looks after it, as systemd does: what it is told (sd_notify(3)), and the sockets that it
//! has opened for us (sd_listen_fds(3)).
//!
//! Without such a supervisor nothing here does anything. That a word does not reach it is no reason to end.

#![allow(unsafe_code, reason = "descriptors that were passed are numbers until somebody owns them")]

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use socket2::{Domain, Socket, Type};

use super::address::Listen;
use super::adopt::Giver;
use crate::limits;

/// Whoever looks after this process, if somebody does.
#[derive(Debug)]
pub struct Supervisor {
    /// The way to it, from the start on: a process that has shut itself in makes no sockets.
    socket: Option<UnixDatagram>,
    /// Silence after which it takes this process for hung.
    patience: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names (`NOTIFY_SOCKET`, `WATCHDOG_USEC`).
    pub fn find() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|path| {
            connect(&path).inspect_err(|error| tracing::debug!("the supervisor cannot be told: {error}")).ok()
        });
        Self { socket, patience: sd_notify::watchdog_enabled() }
    }

    fn tell(&self, words: &[NotifyState<'_>]) {
        let lines: String = words.iter().map(|word| format!("{word}\n")).collect();
        if let Some(Err(error)) = self.socket.as_ref().map(|socket| socket.send(lines.as_bytes())) {
            tracing::debug!("the supervisor was not told: {error}");
        }
    }

    /// How often it wants to be told that all is well, so that one word may come too late; `None`, never.
    pub fn pause(&self) -> Option<Duration> {
        self.patience.map(|patience| patience / 3)
    }

    /// Says that the process serves, and in words what it does.
    pub fn ready(&self, status: &str) {
        self.tell(&[NotifyState::Status(status), NotifyState::Ready]);
    }

    /// Says that configuration is read again, until it [is ready](Self::ready) again.
    pub fn reloading(&self) {
        // The time is asked for by Type=notify-reload.
        let mut words = vec![NotifyState::Reloading];
        words.extend(NotifyState::monotonic_usec_now());
        self.tell(&words);
    }

    /// Says that another process is the service from now on.
    pub fn handed_over(&self, pid: u32) {
        self.tell(&[NotifyState::MainPid(pid)]);
    }

    /// Says that the process ends, and how long that may take.
    pub fn stopping(&self, timeout: Duration) {
        let micros = timeout.as_micros().try_into().unwrap_or(u32::MAX);
        self.tell(&[
            NotifyState::Status("answers finish"),
            NotifyState::Stopping,
            NotifyState::ExtendTimeoutUsec(micros),
        ]);
    }

    /// Says that all is well.
    pub fn alive(&self) {
        self.tell(&[NotifyState::Watchdog]);
    }
}

/// A socket to the supervisor's, which is a file or, with `@`, a name in the abstract space (sd_notify(3)).
fn connect(path: &OsStr) -> io::Result<UnixDatagram> {
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    // One that does not read holds nothing up for longer.
    socket.set_write_timeout(Some(limits::SUPERVISOR_PATIENCE))?;
    Ok(socket)
}

/// Sockets that were passed to this process, until a listener [takes](Self::take) them.
#[derive(Debug)]
pub struct Inherited {
    sockets: Vec<Passed>,
}

/// One that was passed.
#[derive(Debug)]
struct Passed {
    listen: Listen,
    socket: OwnedFd,
    giver: Giver,
}

/// Why what was passed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    /// The environment contradicts itself.
    #[error(
        "sockets were passed to this process in a way that is not understood: {0}. Try: LISTEN_FDS as sd_listen_fds(3) has it"
    )]
    Environment(io::Error),
    /// A descriptor is none that can be listened at.
    #[error(
        "descriptor {number} was passed to listen at, and it {what}. Try: ListenStream= or ListenDatagram= in the unit of the socket"
    )]
    Unfit {
        /// Its number.
        number: RawFd,
        /// What is wrong with it.
        what: String,
    },
}

impl Inherited {
    /// What the environment says was passed (`LISTEN_FDS`, `LISTEN_PID`). The second time it is nothing: then they have an
    /// owner.
    ///
    /// # Errors
    /// When one of them is no socket that can be listened at.
    pub fn take_all() -> Result<Self, InheritedError> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        if TAKEN.swap(true, Ordering::Relaxed) {
            return Ok(Self::nothing());
        }
        // They are closed when another program is started.
        let numbers: Vec<RawFd> = sd_notify::listen_fds().map_err(InheritedError::Environment)?.collect();
        // SAFETY: whoever set LISTEN_PID to this process promised these descriptors to it: they are open, which marking
        // them close-on-exec has just shown, and nobody else here knows them. `TAKEN` sees to it that they are owned once.
        let own = |number: RawFd| (number, unsafe { OwnedFd::from_raw_fd(number) });
        let owned: Vec<_> = numbers.into_iter().map(own).collect();
        Self::recognise(owned.into_iter(), |_| Giver::Supervisor)
    }

    /// No sockets.
    pub fn nothing() -> Self {
        Self { sockets: Vec::new() }
    }

    /// The sockets among these, each with its number; an inode tells who gave it.
    pub(super) fn recognise(
        sockets: impl Iterator<Item = (RawFd, OwnedFd)>,
        giver: impl Fn(u64) -> Giver,
    ) -> Result<Self, InheritedError> {
        let (mut recognised, mut seen) = (Vec::new(), HashSet::new());
        for (number, socket) in sockets {
            let (listen, socket) = recognise(number, socket)?;
            let inode = inode_of(&socket).map_err(InheritedError::Environment)?;
            // A predecessor passes one for each of its shards, and they may be handles of one.
            if seen.insert(inode) {
                recognised.push(Passed { listen, socket, giver: giver(inode) });
            }
        }
        Ok(Self { sockets: recognised })
    }

    /// The sockets at this address, in the order in which they were passed, and who has passed them.
    pub fn take(&mut self, listen: &Listen) -> Option<(Vec<OwnedFd>, Giver)> {
        let is_there = |passed: &mut Passed| passed.listen == *listen;
        let taken: Vec<Passed> = self.sockets.extract_if(.., is_there).collect();
        let giver = taken.first()?.giver;
        Some((taken.into_iter().map(|passed| passed.socket).collect(), giver))
    }

    /// How many there are at this address.
    pub fn count(&self, listen: &Listen) -> usize {
        self.sockets.iter().filter(|passed| passed.listen == *listen).count()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// Where the first one listens that nobody took, and that somebody should have: what a predecessor's listener was, and is
    /// none any more, goes with it.
    pub fn left(&self) -> Option<&Listen> {
        self.sockets.iter().find(|passed| passed.giver == Giver::Supervisor).map(|passed| &passed.listen)
    }
}

/// What two descriptors of one socket have in common, and as long as it is open no other socket has.
pub(super) fn inode_of(socket: impl AsFd) -> io::Result<u64> {
    Ok(rustix::fs::fstat(socket)?.st_ino)
}

/// Where a socket listens.
fn recognise(number: RawFd, socket: OwnedFd) -> Result<(Listen, OwnedFd), InheritedError> {
    let socket = Socket::from(socket);
    let unfit = |what: &str| InheritedError::Unfit { number, what: what.to_owned() };
    let failed = |error: io::Error| InheritedError::Unfit { number, what: format!("is no socket ({error})") };
    let (kind, address) = (socket.r#type().map_err(failed)?, socket.local_addr().map_err(failed)?);
    let is_stream = kind == Type::STREAM;
    if is_stream && !socket.is_listener().map_err(failed)? {
        return Err(unfit("does not listen: a connection, perhaps, as Accept=yes passes it"));
    }
    let listen = match (address.domain(), address.as_socket(), address.as_pathname()) {
        (Domain::IPV4 | Domain::IPV6, Some(ip), _) if is_stream => Listen::Tcp(ip),
        (Domain::IPV4 | Domain::IPV6, Some(ip), _) if kind == Type::DGRAM => Listen::Udp(ip),
        (Domain::UNIX, _, Some(path)) if is_stream => Listen::Unix(path.to_owned()),
        _ => return Err(unfit("is of no kind that is served: TCP, UDP, or a Unix stream with a path")),
    };
    socket.set_nonblocking(true).map_err(failed)?;
    Ok((listen, socket.into()))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::*;

    #[test]
    fn sockets_say_where_they_listen() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("[::1]:0").unwrap();
        let path = std::env::temp_dir().join(format!("supervisor-{}", std::process::id()));
        let unix = UnixListener::bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let expected = [
            Listen::Tcp(tcp.local_addr().unwrap()),
            Listen::Udp(udp.local_addr().unwrap()),
            Listen::Unix(path),
        ];
        let passed = [OwnedFd::from(tcp), udp.into(), unix.into()];
        let mut inherited = Inherited::recognise((3..).zip(passed), |_| Giver::Supervisor).unwrap();
        for listen in &expected {
            assert_eq!(inherited.left(), Some(listen));
            let (sockets, giver) = inherited.take(listen).unwrap();
            assert_eq!((sockets.len(), giver), (1, Giver::Supervisor));
            assert!(inherited.take(listen).is_none());
        }
        assert_eq!(inherited.left(), None);
    }

    #[test]
    fn two_descriptors_of_a_socket_are_one() {
        let [one, other] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let listen = Listen::Udp(one.local_addr().unwrap());
        let passed = [one.try_clone().unwrap(), other, one].map(OwnedFd::from);
        let inherited = Inherited::recognise((3..).zip(passed), |_| Giver::Predecessor).unwrap();
        assert_eq!((inherited.sockets.len(), inherited.count(&listen)), (2, 1));
    }

    #[track_caller]
    fn check_unfit(descriptor: impl Into<OwnedFd>, expected: &str) {
        let error = recognise(7, descriptor.into()).unwrap_err().to_string();
        assert!(
            error.starts_with("descriptor 7 was passed to listen at, and it ") && error.contains(expected),
            "{error}"
        );
    }

    #[test]
    fn what_cannot_be_listened_at_is_named() {
        check_unfit(std::fs::File::open("/dev/null").unwrap(), "is no socket");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        check_unfit(TcpStream::connect(listener.local_addr().unwrap()).unwrap(), "does not listen");
        check_unfit(UnixDatagram::unbound().unwrap(), "is of no kind that is served");
    }
}
