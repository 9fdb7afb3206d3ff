//! Where we listen, and who speaks to us.
//!
//! A [`Listen`] is written as `tcp://127.0.0.1:7000`, `udp://[::1]:7000` or `unix:/run/tidemill.sock`, in flags, in the
//! file and in messages alike. Only addresses are taken, never names: a lookup may block, may answer differently
//! tomorrow, and would hide which interface is open to the world.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Longest path of a Unix socket: `sun_path` has 108 bytes, and the last one is its end (unix(7)).
pub const UNIX_PATH_BYTES_MAX: usize = 107;

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// A stream over IPv4 or IPv6; `[::]` takes both.
    Tcp(SocketAddr),
    /// Datagrams over IPv4 or IPv6; `[::]` takes both.
    Udp(SocketAddr),
    /// A stream between processes of this host.
    Unix(PathBuf),
}

/// A text that is no [`Listen`], and what it should have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Neither `tcp://` nor `udp://` nor `unix:` stands in front.
    #[error("an address begins with tcp://, udp:// or unix:, as in tcp://127.0.0.1:7000")]
    Scheme,
    /// A star, as other servers take it.
    #[error(
        "* is not an address: [::] is every address of this host, IPv4 included, and 0.0.0.0 is every IPv4 address"
    )]
    Star,
    /// Something that only a lookup could turn into an address.
    #[error("{0:?} is not an IP address, and names are not looked up: write 127.0.0.1 or [::1], for example")]
    Name(String),
    /// An IPv6 address whose end could not be told from the port.
    #[error("an IPv6 address stands in brackets, as in [::1]:7000")]
    Brackets,
    /// Nothing stands behind the address.
    #[error("the port is missing: write {0}:7000, or {0}:0 for any free one")]
    NoPort(String),
    /// The port is not a number below 65536.
    #[error("{0:?} is not a port: a port is a number from 0 (any free one) to 65535")]
    Port(String),
    /// A link-local IPv6 address, which every interface has.
    #[error(
        "[{0}] is link-local, and its interface is missing: write [{0}%2], with a number that ip link shows"
    )]
    Scope(Ipv6Addr),
    /// Many hosts at once.
    #[error("{0} is a multicast or broadcast address, and a TCP connection has one host at each end")]
    ManyHosts(IpAddr),
    /// Nothing stands behind `unix:`, or something that is no path.
    #[error("unix: takes the path of the socket, as in unix:/run/tidemill.sock")]
    Path,
    /// The path does not fit into `sun_path`.
    #[error("the path of a Unix socket has at most 107 bytes, and this one has {0}")]
    PathTooLong(usize),
}

impl Listen {
    /// True for connections, false for datagrams.
    pub fn is_stream(&self) -> bool {
        !matches!(self, Self::Udp(_))
    }

    /// The address and port, unless it is a path.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) | Self::Udp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// True when the two could not be open at the same time: the same path, or the same port of the same kind on one
    /// address or on one that covers the other. Port 0 never collides.
    pub fn collides_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(two)) | (Self::Udp(one), Self::Udp(two)) => {
                one.port() != 0 && one.port() == two.port() && (covers(one, two) || covers(two, one))
            }
            (Self::Unix(one), Self::Unix(two)) => one == two,
            (Self::Tcp(_) | Self::Udp(_) | Self::Unix(_), _) => false,
        }
    }
}

impl FromStr for Listen {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(rest) = text.strip_prefix("tcp://") {
            parse_ip(rest).and_then(refuse_many_hosts).map(Self::Tcp)
        } else if let Some(rest) = text.strip_prefix("udp://") {
            parse_ip(rest).map(Self::Udp)
        } else if let Some(rest) = text.strip_prefix("unix:") {
            parse_path(rest).map(Self::Unix)
        } else {
            Err(AddressError::Scheme)
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Udp(address) => write!(f, "udp://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// A peer over IP, in its canonical form: see [`Peer::from_ip`].
    Ip(SocketAddr),
    /// A process of this host, over a Unix socket; it has no address of its own.
    Unix,
}

impl Peer {
    /// A peer over IP. An IPv4 peer of a dual-stack socket arrives as `::ffff:192.0.2.1`; it becomes `192.0.2.1`, so that
    /// logs and limits see one peer as one peer.
    pub fn from_ip(address: SocketAddr) -> Self {
        Self::Ip(canonical(address))
    }

    /// Its address, unless it is a process of this host.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.ip()),
            Self::Unix => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// True when a socket bound to `wide` would take what is sent to `narrow`, ports aside.
fn covers(wide: &SocketAddr, narrow: &SocketAddr) -> bool {
    wide.ip() == narrow.ip() || wide.ip().is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
}

fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(v4.into(), v6.port()),
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}

fn parse_ip(text: &str) -> Result<SocketAddr, AddressError> {
    let address = text.parse().map(canonical).map_err(|_| explain_ip(text))?;
    match address {
        // ipv6(7): the kernel takes no link-local address without its interface.
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0 => {
            Err(AddressError::Scope(*v6.ip()))
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => Ok(address),
    }
}

fn refuse_many_hosts(address: SocketAddr) -> Result<SocketAddr, AddressError> {
    let ip = address.ip();
    let is_many = ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    if is_many { Err(AddressError::ManyHosts(ip)) } else { Ok(address) }
}

/// Finds what is wrong with a text that the standard library refused as an address with a port.
fn explain_ip(text: &str) -> AddressError {
    let (host, port) = match text.rsplit_once(':') {
        _ if text.ends_with(']') => (text, None),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let is_ip = bare.unwrap_or(host).parse::<IpAddr>().is_ok();
    match port {
        _ if host == "*" => AddressError::Star,
        _ if bare.is_none() && host.contains(':') => AddressError::Brackets,
        _ if !is_ip => AddressError::Name(host.to_owned()),
        Some(port) => AddressError::Port(port.to_owned()),
        None => AddressError::NoPort(host.to_owned()),
    }
}

fn parse_path(text: &str) -> Result<PathBuf, AddressError> {
    // `unix:///run/t.sock` is the same place as `unix:/run/t.sock`; `unix://run` would name a host.
    let path = if text.starts_with("///") { &text[2..] } else { text };
    if path.is_empty() || path.starts_with("//") || path.starts_with('@') || path.contains('\0') {
        return Err(AddressError::Path);
    }
    if path.len() > UNIX_PATH_BYTES_MAX {
        return Err(AddressError::PathTooLong(path.len()));
    }
    Ok(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_same(text: &str) {
        assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
    }

    fn check(text: &str, displayed: &str) {
        assert_eq!(text.parse::<Listen>().unwrap().to_string(), displayed, "{text}");
    }

    fn check_refused(text: &str, error: AddressError) {
        assert_eq!(text.parse::<Listen>().unwrap_err(), error, "{text}");
    }

    #[test]
    fn addresses_are_shown_as_they_are_written() {
        check_same("tcp://127.0.0.1:7000");
        check_same("tcp://[::]:7000");
        check_same("udp://[::1]:0");
        check_same("udp://[fe80::1%2]:65535");
        check_same("unix:/run/tidemill.sock");
        check_same("unix:run/t.sock");
        check("unix:///run/t.sock", "unix:/run/t.sock");
        check("tcp://[::ffff:127.0.0.1]:80", "tcp://127.0.0.1:80");
    }

    #[test]
    fn every_mistake_has_its_answer() {
        check_refused("", AddressError::Scheme);
        check_refused("127.0.0.1:7000", AddressError::Scheme);
        check_refused("TCP://127.0.0.1:7000", AddressError::Scheme);
        check_refused("tcp://*:7000", AddressError::Star);
        check_refused("tcp://localhost:7000", AddressError::Name("localhost".into()));
        check_refused("tcp://localhost", AddressError::Name("localhost".into()));
        check_refused("tcp://:7000", AddressError::Name(String::new()));
        check_refused("tcp://[::g]:7000", AddressError::Name("[::g]".into()));
        check_refused("tcp://::1:7000", AddressError::Brackets);
        check_refused("tcp://127.0.0.1", AddressError::NoPort("127.0.0.1".into()));
        check_refused("udp://[::1]", AddressError::NoPort("[::1]".into()));
        check_refused("tcp://127.0.0.1:", AddressError::Port(String::new()));
        check_refused("tcp://127.0.0.1:65536", AddressError::Port("65536".into()));
        check_refused("udp://[::1]:http", AddressError::Port("http".into()));
        check_refused("unix:", AddressError::Path);
        check_refused("unix://run/t.sock", AddressError::Path);
        check_refused("unix:@abstract", AddressError::Path);
        check_refused("unix:/run/\0", AddressError::Path);
    }

    #[test]
    fn addresses_that_nobody_can_listen_at() {
        check_refused("tcp://[fe80::1]:7000", AddressError::Scope("fe80::1".parse().unwrap()));
        check_refused("udp://[fe80::1]:7000", AddressError::Scope("fe80::1".parse().unwrap()));
        check_same("tcp://[fe80::1%2]:7000");
        check_refused("tcp://224.0.0.1:7000", AddressError::ManyHosts("224.0.0.1".parse().unwrap()));
        check_refused("tcp://[ff02::1]:7000", AddressError::ManyHosts("ff02::1".parse().unwrap()));
        check_refused("tcp://255.255.255.255:1", AddressError::ManyHosts("255.255.255.255".parse().unwrap()));
        check_same("udp://224.0.0.1:7000");
    }

    #[test]
    fn a_path_fits_into_sun_path_or_is_refused() {
        let longest = format!("unix:/{}", "a".repeat(106));
        check_same(&longest);
        check_refused(&format!("{longest}a"), AddressError::PathTooLong(108));
    }

    #[test]
    fn listeners_collide_as_the_kernel_sees_it() {
        let check = |one: &str, two: &str, expected: bool| {
            let (one, two): (Listen, Listen) = (one.parse().unwrap(), two.parse().unwrap());
            assert_eq!(one.collides_with(&two), expected, "{one} {two}");
            assert_eq!(two.collides_with(&one), expected, "{two} {one}");
        };
        check("tcp://127.0.0.1:7000", "tcp://127.0.0.1:7000", true);
        check("tcp://127.0.0.1:7000", "udp://127.0.0.1:7000", false);
        check("tcp://127.0.0.1:7000", "tcp://127.0.0.1:7001", false);
        check("tcp://127.0.0.1:7000", "tcp://127.0.0.2:7000", false);
        check("tcp://127.0.0.1:7000", "tcp://[::1]:7000", false);
        check("tcp://127.0.0.1:0", "tcp://127.0.0.1:0", false);
        check("tcp://0.0.0.0:7000", "tcp://127.0.0.1:7000", true);
        check("tcp://0.0.0.0:7000", "tcp://[::1]:7000", false);
        check("tcp://[::]:7000", "tcp://0.0.0.0:7000", true);
        check("udp://[::]:7000", "udp://127.0.0.1:7000", true);
        check("unix:/run/a", "unix:/run/a", true);
        check("unix:/run/a", "unix:/run/b", false);
    }

    #[test]
    fn a_mapped_peer_is_an_ipv4_peer() {
        let check = |address: &str, shown: &str| {
            assert_eq!(Peer::from_ip(address.parse().unwrap()).to_string(), shown);
        };
        check("[::ffff:192.0.2.1]:5000", "192.0.2.1:5000");
        check("192.0.2.1:5000", "192.0.2.1:5000");
        check("[2001:db8::1]:5000", "[2001:db8::1]:5000");
        check("[::1]:5000", "[::1]:5000");
        assert_eq!(Peer::Unix.to_string(), "unix");
    }
}
