//! Listeners made of sockets that another process has opened: a supervisor, or the one whose place this one takes.
//!
//! Until this process is to serve, the other one does, with these very sockets. So nothing about them changes before, and no
//! socket joins them to which clients would come that nobody lets in if this process fails. What is to be done when it serves is
//! kept as [`Late`].

use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use socket2::{Protocol, SockRef, Socket, Type};

use super::address::Listen;
use super::bind_error::{At, BindError, Failure};
use super::socket::{
    Bound, Claim, SocketOptions, host_has_ipv6, ip_socket, listen, set_tcp_options, tcp_socket,
    unbound_udp_socket,
};

/// Who has passed sockets to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Giver {
    /// A supervisor opened them, as it saw fit: what nothing is asked for stays as it is.
    Supervisor,
    /// This process takes the place of one that has them of a supervisor.
    Activated,
    /// This process takes the place of one that has opened them itself.
    Predecessor,
}

/// What is to be done with a socket when this process serves.
#[derive(Debug)]
pub enum Late {
    /// TCP: connections get these options from now on.
    Options(SocketOptions),
    /// TCP: it has joined others, and is to listen.
    Listen,
    /// UDP: it is to join others here.
    Bind(SocketAddr),
    /// Unix: its file gets these permissions.
    Mode(PathBuf, u32),
}

impl Late {
    /// Does it.
    ///
    /// # Errors
    /// What the system says against it.
    pub fn take_place(&self, socket: &OwnedFd, at: &Listen) -> Result<(), BindError> {
        let socket = SockRef::from(socket);
        let done = match self {
            Self::Options(options) => set_tcp_options(&socket, options),
            Self::Listen => listen(&socket),
            Self::Bind(address) => socket.bind(&(*address).into()).at("bind"),
            Self::Mode(path, mode) => {
                fs::set_permissions(path, fs::Permissions::from_mode(*mode)).at("chmod")
            }
        };
        done.map_err(|failure| failure.explain(at, host_has_ipv6()))
    }
}

/// Makes a listener of the sockets at this address. All of them are in it, also where there are more than shards: what waits in
/// one that nobody takes from would be lost. Where there are fewer, others join them if they are a group that this user may join,
/// so that each shard has a queue of its own; else some get another handle.
///
/// # Errors
/// When what is asked for cannot be.
///
/// # Panics
/// When there are no sockets.
pub fn adopt(
    listen: &Listen,
    sockets: Vec<OwnedFd>,
    shards: usize,
    options: &SocketOptions,
    giver: Giver,
) -> Result<Bound, BindError> {
    assert!(!sockets.is_empty(), "there is one to adopt");
    let adopted = adopt_all(listen, sockets, shards, options, giver);
    adopted.map_err(|failure| failure.explain(listen, host_has_ipv6()))
}

fn adopt_all(
    listen: &Listen,
    mut sockets: Vec<OwnedFd>,
    shards: usize,
    options: &SocketOptions,
    giver: Giver,
) -> Result<Bound, Failure> {
    let passed = sockets.len();
    let mut late = changes(listen, passed, options, giver)?;
    let missing = shards.saturating_sub(passed);
    if giver != Giver::Supervisor && is_open_group(&sockets) {
        for (socket, step) in join(listen, missing, options) {
            late.push((sockets.len(), step));
            sockets.push(socket);
        }
    }
    for place in 0..shards.saturating_sub(sockets.len()) {
        let again = sockets[place % passed].try_clone().at("dup")?;
        sockets.push(again);
    }
    // Whoever opened a Unix socket removes its file.
    Ok(Bound { address: listen.clone(), sockets, file: None, late })
}

/// What changes about so many sockets that were passed.
fn changes(
    listen: &Listen,
    passed: usize,
    options: &SocketOptions,
    giver: Giver,
) -> Result<Vec<(usize, Late)>, Failure> {
    match listen {
        Listen::Tcp(address) => {
            let options = tried(*address, options, giver)?;
            Ok((0..passed).map(|place| (place, Late::Options(options.clone()))).collect())
        }
        Listen::Unix(path) => {
            let mode = options.mode.filter(|_| giver == Giver::Predecessor);
            Ok(mode.map(|mode| (0, Late::Mode(path.clone(), mode))).into_iter().collect())
        }
        Listen::Udp(_) => Ok(Vec::new()),
    }
}

/// The options, of which a socket that nobody sees shows that they can be had. A predecessor's sockets get the host's own
/// congestion control where none is asked for, as they would at a start anew.
fn tried(address: SocketAddr, options: &SocketOptions, giver: Giver) -> Result<SocketOptions, Failure> {
    let trial = ip_socket(address, Type::STREAM, Protocol::TCP)?;
    set_tcp_options(&SockRef::from(&trial), options)?;
    let mut options = options.clone();
    if giver == Giver::Predecessor && options.congestion_control.is_none() {
        let name = trial.tcp_congestion().at("TCP_CONGESTION")?;
        let name: Vec<u8> = name.into_iter().take_while(|byte| *byte != 0).collect();
        options.congestion_control = String::from_utf8(name).ok();
    }
    Ok(options)
}

/// Whether these share their port with others of the same user (SO_REUSEPORT, socket(7)), and that is this one.
fn is_open_group(sockets: &[OwnedFd]) -> bool {
    let user = rustix::process::geteuid().as_raw();
    let is_ours = |socket: &OwnedFd| rustix::fs::fstat(socket).is_ok_and(|stat| stat.st_uid == user);
    sockets.iter().all(|socket| SockRef::from(socket).reuse_port().unwrap_or(false) && is_ours(socket))
}

/// So many new sockets that are to join others, with what is left to do for it; none where one of them cannot.
fn join(listen: &Listen, count: usize, options: &SocketOptions) -> Vec<(OwnedFd, Late)> {
    let open = |_| -> Option<(Socket, Late)> {
        match listen {
            Listen::Tcp(address) => Some((tcp_socket(*address, Claim::Share, options).ok()?, Late::Listen)),
            Listen::Udp(address) => {
                Some((unbound_udp_socket(*address, Claim::Share).ok()?, Late::Bind(*address)))
            }
            Listen::Unix(_) => None,
        }
    };
    let joined: Option<Vec<_>> = (0..count).map(open).collect();
    joined.into_iter().flatten().map(|(socket, late)| (socket.into(), late)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::time::Duration;

    use super::super::socket::bind;
    use super::*;

    fn open(listen: &str, shards: usize) -> Bound {
        bind(&listen.parse().unwrap(), shards, &SocketOptions::default()).unwrap()
    }

    fn handles(bound: &Bound) -> Vec<OwnedFd> {
        bound.sockets.iter().map(|socket| socket.try_clone().unwrap()).collect()
    }

    #[track_caller]
    fn adopt_as(bound: &Bound, shards: usize, options: &SocketOptions, giver: Giver) -> Bound {
        adopt(&bound.address, handles(bound), shards, options, giver).unwrap()
    }

    fn take_place(bound: &Bound) {
        for (place, late) in &bound.late {
            late.take_place(&bound.sockets[*place], &bound.address).unwrap();
        }
    }

    /// Fewer sockets than shards: others join the group, but not the socket of somebody else who has not made one. More of
    /// them: all are taken.
    #[test]
    fn sockets_that_were_passed_are_all_taken_and_others_join_them() {
        for scheme in ["tcp", "udp"] {
            let bound = open(&format!("{scheme}://127.0.0.1:0"), 1);
            let counts = |bound: &Bound| {
                let inode = |socket: &OwnedFd| rustix::fs::fstat(socket).unwrap().st_ino;
                (bound.sockets.len(), bound.sockets.iter().map(inode).collect::<HashSet<_>>().len())
            };
            let adopt = |bound: &Bound, shards, giver| {
                let adopted = adopt_as(bound, shards, &SocketOptions::default(), giver);
                (counts(&adopted), adopted)
            };
            let (counted, three) = adopt(&bound, 3, Giver::Predecessor);
            assert_eq!(counted, (3, 3));
            take_place(&three);
            assert_eq!(adopt(&bound, 2, Giver::Supervisor).0, (2, 1));
            assert_eq!(adopt(&three, 1, Giver::Predecessor).0, (3, 3));
            SockRef::from(&bound.sockets[0]).set_reuse_port(false).unwrap();
            assert_eq!(adopt(&bound, 2, Giver::Predecessor).0, (2, 1));
        }
    }

    /// All clients come to the first socket until the others take their place; then, of 100, each gets its share.
    #[test]
    fn nobody_comes_to_a_socket_that_only_waits_to_join() {
        let bound = open("tcp://127.0.0.1:0", 1);
        let adopted = adopt_as(&bound, 4, &SocketOptions::default(), Giver::Predecessor);
        let address = bound.address.ip().unwrap();
        let come = || -> Vec<TcpStream> { (0..100).map(|_| TcpStream::connect(address).unwrap()).collect() };
        let accepted = || -> Vec<usize> {
            let take = |socket| {
                let listener = TcpListener::from(socket);
                std::iter::from_fn(|| listener.accept().ok()).count()
            };
            handles(&adopted).into_iter().map(take).collect()
        };
        let early = come();
        assert_eq!(accepted(), [100, 0, 0, 0]);
        take_place(&adopted);
        let late = come();
        let counts = accepted();
        assert!(counts.iter().sum::<usize>() == 100 && counts.iter().all(|count| 5 <= *count), "{counts:?}");
        drop((early, late));
    }

    #[test]
    fn no_datagram_comes_to_a_socket_that_only_waits_to_join() {
        let bound = open("udp://127.0.0.1:0", 1);
        let adopted = adopt_as(&bound, 4, &SocketOptions::default(), Giver::Predecessor);
        let address = bound.address.ip().unwrap();
        let send = || {
            for _ in 0..100 {
                UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", address).unwrap();
            }
        };
        let received = || -> Vec<usize> {
            let take = |socket| {
                let socket = UdpSocket::from(socket);
                std::iter::from_fn(|| socket.recv(&mut [0; 8]).ok()).count()
            };
            handles(&adopted).into_iter().map(take).collect()
        };
        send();
        assert_eq!(received(), [100, 0, 0, 0]);
        take_place(&adopted);
        send();
        let counts = received();
        assert!(counts.iter().sum::<usize>() == 100 && counts.iter().all(|count| 5 <= *count), "{counts:?}");
    }

    fn congestion_of(socket: &OwnedFd) -> String {
        let name = SockRef::from(socket).tcp_congestion().unwrap();
        String::from_utf8(name).unwrap().trim_end_matches('\0').to_owned()
    }

    /// One that fails must not have changed what the other one's connections inherit.
    #[test]
    fn options_change_when_it_serves_and_not_before() {
        let reno = SocketOptions {
            congestion_control: Some("reno".to_owned()),
            user_timeout: Some(Duration::from_secs(7)),
            mode: None,
        };
        let bound = open("tcp://127.0.0.1:0", 1);
        let host = congestion_of(&bound.sockets[0]);
        let adopted = adopt_as(&bound, 1, &reno, Giver::Predecessor);
        let patience = || SockRef::from(&bound.sockets[0]).tcp_user_timeout().unwrap();
        assert_eq!((congestion_of(&bound.sockets[0]), patience()), (host.clone(), None));
        take_place(&adopted);
        assert_eq!((congestion_of(&bound.sockets[0]).as_str(), patience()), ("reno", reno.user_timeout));
        // What is not asked for any more is the host's own again, but where somebody else has chosen it.
        take_place(&adopt_as(&bound, 1, &SocketOptions::default(), Giver::Activated));
        assert_eq!(congestion_of(&bound.sockets[0]), "reno");
        take_place(&adopt_as(&bound, 1, &SocketOptions::default(), Giver::Predecessor));
        assert_eq!(congestion_of(&bound.sockets[0]), host);
    }

    #[test]
    fn an_option_that_cannot_be_had_is_found_at_once() {
        let bound = open("tcp://127.0.0.1:0", 1);
        let options = SocketOptions { congestion_control: Some("nonsense".to_owned()), ..Default::default() };
        let adopted = adopt(&bound.address, handles(&bound), 1, &options, Giver::Predecessor);
        assert!(matches!(adopted, Err(BindError::CongestionControl { .. })), "{adopted:?}");
    }
}
