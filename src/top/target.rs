//! Where the admin listener is: what was typed, or what the configuration says.
//!
//! Unlike listeners, which take addresses only, the place to ask may be a name: nothing is opened to anybody by it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::config::listener::Listener;
use crate::config::{Config, ServiceName};
use crate::limits;
use crate::sys::address::{Listen, UNIX_PATH_BYTES_MAX};

/// An admin listener to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(super) place: Place,
    /// Whether it is behind TLS.
    pub(super) tls: bool,
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At a port of a host, which is a name or an address without brackets.
    Port(String, u16),
    /// At a Unix socket.
    Path(PathBuf),
}

/// A text that is no [`Target`], or a configuration that has none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Another scheme.
    #[error(
        "the admin listener is asked by http://HOST:PORT, https://HOST:PORT or unix:PATH, and {0}: is none of them"
    )]
    Scheme(String),
    /// No host stands there, or something that is none.
    #[error("{0:?} is no host: write 127.0.0.1:9180, [::1]:9180 or localhost:9180, for example")]
    Host(String),
    /// An IPv6 address whose end could not be told from the port.
    #[error("an IPv6 address stands in brackets, as in [::1]:9180")]
    Brackets,
    /// The port is not one.
    #[error("{0:?} is not a port: a port is a number from 1 to 65535")]
    Port(String),
    /// More than a host and a port.
    #[error("{0:?} stands behind the port: the pages are always at /varz and /connz")]
    Path(String),
    /// Nothing stands behind `unix:`, or more than an address takes.
    #[error("unix: takes the path of the socket, of at most 107 bytes, as in unix:/run/tidemill-admin.sock")]
    Socket,
    /// The configuration has no admin listener.
    #[error(
        "the configuration has no admin listener. Try: tidemill top HOST:PORT, or service = \"admin\" at a [[listener]]"
    )]
    NoAdmin,
    /// The configuration leaves the port to the system.
    #[error(
        "the configuration has the admin listener at any free port. Try: tidemill top HOST:PORT, as the server's banner says it"
    )]
    AnyPort,
    /// It is for balancers alone.
    #[error(
        "the admin listener of the configuration asks for a PROXY header, which only a balancer sends. Try: tidemill top with the balancer's HOST:PORT"
    )]
    Proxy,
}

impl Target {
    /// The first admin listener of the configuration, with the listener itself.
    ///
    /// # Errors
    /// When it has none, or none that can be asked.
    pub fn of(config: &Config) -> Result<(Self, &Listener), TargetError> {
        let mut admins = config.listeners.iter().filter(|listener| listener.service == ServiceName::Admin);
        let listener = admins.next().ok_or(TargetError::NoAdmin)?;
        let place = match &listener.listen {
            _ if listener.proxy_protocol => return Err(TargetError::Proxy),
            Listen::Tcp(address) | Listen::Udp(address) if address.port() == 0 => {
                return Err(TargetError::AnyPort);
            }
            Listen::Tcp(address) | Listen::Udp(address) => at_address(*address),
            Listen::Unix(path) => Place::Path(path.clone()),
        };
        Ok((Self { place, tls: listener.tls.is_some() }, listener))
    }

    /// What stands in the Host field, and what a certificate has to be for.
    pub(super) fn host(&self) -> &str {
        match &self.place {
            Place::Port(host, _) => host,
            Place::Path(_) => "localhost",
        }
    }
}

/// Who listens at all addresses is asked at the loopback of their kind.
fn at_address(address: SocketAddr) -> Place {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Place::Port(ip.to_string(), address.port())
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.starts_with(['/', '.']) {
            return socket(text, false);
        }
        for scheme in ["unix:", "http+unix:", "admin+unix:"] {
            if let Some(path) = text.strip_prefix(scheme) {
                return socket(path, false);
            }
        }
        let (tls, rest) = match text.split_once("://") {
            None => (false, text),
            Some(("http" | "admin", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some((other, _)) => return Err(TargetError::Scheme(other.to_owned())),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if !matches!(path, "" | "/") {
            return Err(TargetError::Path(path.to_owned()));
        }
        let (host, port) = split(authority)?;
        Ok(Self { place: Place::Port(host.to_owned(), port), tls })
    }
}

fn socket(path: &str, tls: bool) -> Result<Target, TargetError> {
    // As with the addresses of listeners, http+unix:///run/t is a URL's way to write /run/t.
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || UNIX_PATH_BYTES_MAX < path.len() || path.contains('\0') {
        return Err(TargetError::Socket);
    }
    Ok(Target { place: Place::Path(path.into()), tls })
}

/// Host and port; without one, that of the default admin listener.
fn split(authority: &str) -> Result<(&str, u16), TargetError> {
    let wrong_host = || TargetError::Host(authority.to_owned());
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(TargetError::Brackets)?;
        host.split('%').next().unwrap_or(host).parse::<Ipv6Addr>().map_err(|_| wrong_host())?;
        (host, port)
    } else if 1 < authority.matches(':').count() {
        return Err(TargetError::Brackets);
    } else {
        authority.split_at(authority.find(':').unwrap_or(authority.len()))
    };
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_letter) {
        return Err(wrong_host());
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => limits::ADMIN_PORT,
        None => return Err(wrong_host()),
        Some(digits) => match digits.parse() {
            Ok(0) | Err(_) => return Err(TargetError::Port(digits.to_owned())),
            Ok(port) => port,
        },
    };
    Ok((host, port))
}

impl fmt::Display for Target {
    /// Writes it as it may be typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Path(path) => write!(f, "unix:{}", path.display()),
            Place::Port(host, port) => {
                let scheme = if self.tls { "https://" } else { "" };
                if host.contains(':') {
                    write!(f, "{scheme}[{host}]:{port}")
                } else {
                    write!(f, "{scheme}{host}:{port}")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(host: &str, port: u16, tls: bool) -> Target {
        Target { place: Place::Port(host.to_owned(), port), tls }
    }

    #[track_caller]
    fn check(text: &str, expected: &Target, shown: &str) {
        assert_eq!(text.parse::<Target>().as_ref(), Ok(expected), "{text}");
        assert_eq!(expected.to_string(), shown);
    }

    #[track_caller]
    fn refused(text: &str, words: &str) {
        let error = text.parse::<Target>().unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }

    #[test]
    fn a_place_is_written_as_people_write_it() {
        check("127.0.0.1:9180", &port("127.0.0.1", 9180, false), "127.0.0.1:9180");
        check("http://10.0.0.1:1/", &port("10.0.0.1", 1, false), "10.0.0.1:1");
        check("admin://[::1]:65535", &port("::1", 65535, false), "[::1]:65535");
        check(
            "https://db1.example.org:443",
            &port("db1.example.org", 443, true),
            "https://db1.example.org:443",
        );
        check("localhost", &port("localhost", 9180, false), "localhost:9180");
        check("https://[::1]", &port("::1", 9180, true), "https://[::1]:9180");
        check("[fe80::1%2]:7", &port("fe80::1%2", 7, false), "[fe80::1%2]:7");
        let socket = Target { place: Place::Path("/run/t.sock".into()), tls: false };
        for text in ["unix:/run/t.sock", "/run/t.sock", "http+unix:///run/t.sock", "admin+unix:/run/t.sock"] {
            check(text, &socket, "unix:/run/t.sock");
        }
        check("./t", &Target { place: Place::Path("./t".into()), tls: false }, "unix:./t");
    }

    #[test]
    fn what_is_no_place_is_told() {
        refused("nats://127.0.0.1:4222", "and nats: is none of them");
        refused("::1:9180", "stands in brackets");
        refused("[::1:9180", "stands in brackets");
        refused("[::x]:1", "is no host");
        refused("[::1]9180", "is no host");
        refused("", "is no host");
        refused("a b:1", "is no host");
        refused("user@host:1", "is no host");
        refused("host:0", "is not a port");
        refused("host:", "is not a port");
        refused("host:65536", "is not a port");
        refused("http://host:1/varz", "stands behind the port");
        refused("host:1?x", "stands behind the port");
        refused("unix:", "takes the path");
        refused(&format!("unix:/{}", "x".repeat(107)), "takes the path");
    }

    fn configured(address: &str, tls: bool, proxy_protocol: bool) -> Config {
        let tls = tls.then(crate::config::listener::Tls::default);
        let listen = address.parse().unwrap();
        let admin = Listener { tls, proxy_protocol, ..Listener::new(listen, ServiceName::Admin) };
        let other = Listener::new("tcp://127.0.0.1:8080".parse().unwrap(), ServiceName::Http);
        Config { listeners: vec![other, admin], ..Config::default() }
    }

    #[test]
    fn the_configuration_says_where_the_admin_listener_is() {
        let of = |config: &Config| Target::of(config).map(|(target, _)| target);
        assert_eq!(of(&Config::default()), Ok(port("127.0.0.1", 9180, false)));
        assert_eq!(of(&configured("tcp://10.0.0.1:5", true, false)), Ok(port("10.0.0.1", 5, true)));
        assert_eq!(of(&configured("tcp://0.0.0.0:5", false, false)), Ok(port("127.0.0.1", 5, false)));
        assert_eq!(of(&configured("tcp://[::]:5", false, false)), Ok(port("::1", 5, false)));
        let socket = Target { place: Place::Path("/run/a".into()), tls: false };
        assert_eq!(of(&configured("unix:/run/a", false, false)), Ok(socket));
        assert_eq!(of(&configured("tcp://10.0.0.1:0", false, false)), Err(TargetError::AnyPort));
        assert_eq!(of(&configured("tcp://10.0.0.1:5", false, true)), Err(TargetError::Proxy));
        assert_eq!(of(&Config { listeners: Vec::new(), ..Config::default() }), Err(TargetError::NoAdmin));
    }
}
