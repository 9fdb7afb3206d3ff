//! Where the load goes: what is spoken there, at which address, and for HTTP at which path.
//!
//! A [`Target`] is written as a URL. Addresses are those of the server's own flags, so names are not looked up; it opens
//! nothing.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use tidemill::protocol::http1::{BodyLength, Method, Persistence, RequestHead, encode_request};
use tidemill::sys::address::{AddressError, Listen};

/// Longest path, with its query, in bytes: servers refuse longer lines.
pub const PATH_BYTES_MAX: usize = 4096;
/// Where Tidemill answers HTTP with what was sent.
pub const ECHO_PATH: &str = "/echo";
/// Where Tidemill speaks WebSocket.
pub const WEBSOCKET_PATH: &str = "/ws";

/// A server, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What is spoken.
    pub scheme: Scheme,
    /// Where the server listens.
    pub listen: Listen,
    /// For HTTP and WebSocket, the path with its query; else empty.
    pub path: String,
}

/// What stands in front of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Bytes over TCP.
    Tcp,
    /// Datagrams.
    Udp,
    /// Bytes over a Unix socket.
    Unix,
    /// Bytes over TLS.
    Tls,
    /// HTTP/1.1 over TCP.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// WebSocket over TCP.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

/// What is spoken over a connection, whether encrypted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Bytes, which come back as they are.
    Echo,
    /// HTTP/1.1.
    Http,
    /// WebSocket (RFC 6455).
    WebSocket,
}

/// A text that is no target, and what it should have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// An unknown scheme, or none.
    #[error(
        "an address begins with tcp://, udp://, unix:, tls://, http://, https://, ws:// or wss://, as in \
         tcp://127.0.0.1:7000"
    )]
    Scheme,
    /// The address is none.
    #[error(transparent)]
    Address(AddressError),
    /// Nothing stands behind the address.
    #[error("the port is missing: write {prefix}{host}:{port}, with the port where the server listens")]
    NoPort {
        /// The scheme, as it stands in front.
        prefix: &'static str,
        /// The address.
        host: String,
        /// A port where such a server may listen.
        port: u16,
    },
    /// The port is none.
    #[error("{0:?} is not a port: write the one where the server listens, a number from 1 to 65535")]
    Port(String),
    /// Nobody listens at port 0.
    #[error("nobody listens at port 0: write the port that the server shows when it starts")]
    PortZero,
    /// Something stands behind the port that only HTTP has.
    #[error("{0} has no paths: end the address behind its port")]
    NoPath(&'static str),
    /// The path has bytes that no request may have.
    #[error(
        "{0:?} is not a path: it takes visible ASCII without #, and at most 4096 bytes; write others as in %20"
    )]
    Path(String),
}

impl Target {
    /// Whether it is a connection, and not datagrams.
    pub fn is_stream(&self) -> bool {
        self.listen.is_stream()
    }

    /// What is spoken.
    pub fn protocol(&self) -> Protocol {
        self.scheme.protocol()
    }

    /// Whether HTTP requests carry content, which comes back.
    pub fn is_http_echo(&self) -> bool {
        self.protocol() == Protocol::Http && self.path.split('?').next() == Some(ECHO_PATH)
    }

    /// Whether messages are sent whose bytes come back; else requests are, without content.
    pub fn is_echo(&self) -> bool {
        self.protocol() != Protocol::Http || self.is_http_echo()
    }

    /// The address and port, as HTTP's field Host and as TLS's name have them. Empty for a Unix socket.
    pub fn host(&self) -> String {
        self.listen.ip().map_or_else(String::new, |address| match address {
            SocketAddr::V4(v4) => v4.to_string(),
            // An interface's number means something on this host only.
            SocketAddr::V6(v6) => format!("[{}]:{}", v6.ip(), v6.port()),
        })
    }
}

impl Scheme {
    const ALL: [Self; 8] =
        [Self::Tcp, Self::Udp, Self::Unix, Self::Tls, Self::Http, Self::Https, Self::Ws, Self::Wss];

    /// What stands in front of the address.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Tcp => "tcp://",
            Self::Udp => "udp://",
            Self::Unix => "unix:",
            Self::Tls => "tls://",
            Self::Http => "http://",
            Self::Https => "https://",
            Self::Ws => "ws://",
            Self::Wss => "wss://",
        }
    }

    /// What stands behind it in this text, if it begins so; in capital letters it is the same (RFC 3986, section 3.1).
    pub fn behind(self, text: &str) -> Option<&str> {
        let (front, rest) = text.split_at_checked(self.prefix().len())?;
        front.eq_ignore_ascii_case(self.prefix()).then_some(rest)
    }

    /// What is spoken.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Tcp | Self::Udp | Self::Unix | Self::Tls => Protocol::Echo,
            Self::Http | Self::Https => Protocol::Http,
            Self::Ws | Self::Wss => Protocol::WebSocket,
        }
    }

    /// Where a server for it may listen: what the examples of Tidemill's own have.
    const fn usual_port(self) -> u16 {
        match self {
            Self::Tcp | Self::Udp | Self::Unix => 7000,
            Self::Tls => 7443,
            Self::Http | Self::Ws => 8080,
            Self::Https | Self::Wss => 8443,
        }
    }

    /// Whether it is spoken over TLS.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Https | Self::Wss)
    }
}

impl Protocol {
    /// Its name in a result.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Http => "http/1.1",
            Self::WebSocket => "websocket",
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let found = Scheme::ALL.into_iter().find_map(|scheme| Some((scheme, scheme.behind(text)?)));
        let (scheme, rest) = found.ok_or(TargetError::Scheme)?;
        if matches!(scheme, Scheme::Tcp | Scheme::Udp | Scheme::Unix) {
            return Ok(Self { scheme, listen: address(scheme, rest)?, path: String::new() });
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let listen = address(scheme, host)?;
        let path = path_of(scheme, path)?;
        Ok(Self { scheme, listen, path })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.listen {
            Listen::Tcp(address) | Listen::Udp(address) => {
                write!(f, "{}{address}{}", self.scheme.prefix(), self.path)
            }
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn address(scheme: Scheme, written: &str) -> Result<Listen, TargetError> {
    let kind = match scheme {
        Scheme::Udp | Scheme::Unix => scheme,
        Scheme::Tcp | Scheme::Tls | Scheme::Http | Scheme::Https | Scheme::Ws | Scheme::Wss => Scheme::Tcp,
    };
    match format!("{}{written}", kind.prefix()).parse::<Listen>() {
        Ok(listen) if listen.ip().is_some_and(|address| address.port() == 0) => Err(TargetError::PortZero),
        Ok(listen) => Ok(listen),
        Err(AddressError::NoPort(host)) => {
            Err(TargetError::NoPort { prefix: scheme.prefix(), host, port: scheme.usual_port() })
        }
        Err(AddressError::Port(port)) => Err(TargetError::Port(port)),
        Err(error) => Err(TargetError::Address(error)),
    }
}

/// The path that is asked for, when this was written behind the port.
fn path_of(scheme: Scheme, written: &str) -> Result<String, TargetError> {
    let path = match (scheme.protocol(), written) {
        (Protocol::Echo, "" | "/") => return Ok(String::new()),
        (Protocol::Echo, _) => return Err(TargetError::NoPath(scheme.prefix())),
        (Protocol::Http, "") => "/".to_owned(),
        (Protocol::WebSocket, "" | "/") => WEBSOCKET_PATH.to_owned(),
        (_, written) if written.starts_with('/') => written.to_owned(),
        (_, query) => format!("/{query}"),
    };
    let head = RequestHead {
        method: Method::Get,
        target: path.as_bytes(),
        host: b"",
        persistence: Persistence::Implied,
        body: BodyLength::None,
        headers: &[],
    };
    // Whoever writes requests knows best what can be read again.
    let is_sendable = path.len() <= PATH_BYTES_MAX && encode_request(&mut Vec::new(), &head).is_ok();
    if is_sendable { Ok(path) } else { Err(TargetError::Path(path)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, shown: &str, protocol: Protocol, path: &str) {
        let target: Target = text.parse().unwrap();
        assert_eq!(target.to_string(), shown, "{text}");
        assert_eq!((target.protocol(), target.path.as_str()), (protocol, path), "{text}");
        assert_eq!(shown.parse(), Ok(target), "{text}");
    }

    fn check_refused(text: &str, words: &str) {
        let error = text.parse::<Target>().unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
        assert_eq!(error.lines().count(), 1, "{text}: {error}");
    }

    #[test]
    fn targets_are_shown_as_they_are_meant() {
        check("tcp://127.0.0.1:7000", "tcp://127.0.0.1:7000", Protocol::Echo, "");
        check("udp://[::1]:7000", "udp://[::1]:7000", Protocol::Echo, "");
        check("unix:///run/t.sock", "unix:/run/t.sock", Protocol::Echo, "");
        check("tls://127.0.0.1:7443", "tls://127.0.0.1:7443", Protocol::Echo, "");
        check("tls://127.0.0.1:7443/", "tls://127.0.0.1:7443", Protocol::Echo, "");
        check("http://127.0.0.1:8080", "http://127.0.0.1:8080/", Protocol::Http, "/");
        check("http://127.0.0.1:8080?a=b", "http://127.0.0.1:8080/?a=b", Protocol::Http, "/?a=b");
        check("https://[::1]:8443/bytes/13", "https://[::1]:8443/bytes/13", Protocol::Http, "/bytes/13");
        check("ws://127.0.0.1:8080", "ws://127.0.0.1:8080/ws", Protocol::WebSocket, "/ws");
        check("ws://127.0.0.1:8080/", "ws://127.0.0.1:8080/ws", Protocol::WebSocket, "/ws");
        check(
            "wss://127.0.0.1:8443/chat?x=1",
            "wss://127.0.0.1:8443/chat?x=1",
            Protocol::WebSocket,
            "/chat?x=1",
        );
    }

    /// RFC 3986, section 3.1; a path keeps its case.
    #[test]
    fn schemes_may_be_in_capitals() {
        for (text, same) in [
            ("HTTP://127.0.0.1:80/A", "http://127.0.0.1:80/A"),
            ("Tcp://127.0.0.1:80", "tcp://127.0.0.1:80"),
            ("UNIX:/run/T", "unix:/run/T"),
        ] {
            assert_eq!(text.parse::<Target>(), same.parse(), "{text}");
        }
    }

    #[test]
    fn every_mistake_has_its_sentence() {
        check_refused("localhost:7000", "an address begins with tcp://, udp://, unix:, tls://, http://");
        check_refused("HTTPX://127.0.0.1:80", "an address begins with");
        check_refused("http://localhost:8080/", "names are not looked up");
        check_refused("http://user@127.0.0.1:80/", "is not an IP address");
        check_refused(
            "http://127.0.0.1/x",
            "the port is missing: write http://127.0.0.1:8080, with the port",
        );
        check_refused("tcp://127.0.0.1", "write tcp://127.0.0.1:7000, with the port");
        check_refused(
            "http://127.0.0.1:99999",
            "\"99999\" is not a port: write the one where the server listens",
        );
        check_refused("ws://[::1]", "the port is missing: write ws://[::1]:8080");
        check_refused("https://127.0.0.1:0/", "nobody listens at port 0");
        check_refused("tls://127.0.0.1:7000/x", "tls:// has no paths");
        check_refused("http://127.0.0.1:80/a b", "is not a path");
        check_refused("http://127.0.0.1:80/#a", "is not a path");
        check_refused("ws://127.0.0.1:80/\u{e9}", "is not a path");
        check_refused(&format!("http://127.0.0.1:80/{}", "a".repeat(4096)), "is not a path");
    }

    #[test]
    fn only_the_echo_path_carries_content() {
        let check = |text: &str, expected: (bool, bool)| {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.is_http_echo(), target.is_echo()), expected, "{text}");
        };
        check("http://127.0.0.1:80/echo", (true, true));
        check("https://127.0.0.1:80/echo?x", (true, true));
        check("http://127.0.0.1:80/echoes", (false, false));
        check("ws://127.0.0.1:80/echo", (false, true));
        check("tcp://127.0.0.1:80", (false, true));
    }

    #[test]
    fn the_host_names_the_port_and_no_interface() {
        let host = |text: &str| text.parse::<Target>().unwrap().host();
        assert_eq!(host("http://127.0.0.1:8080/x"), "127.0.0.1:8080");
        assert_eq!(host("http://[fe80::1%2]:8080/x"), "[fe80::1]:8080");
        assert_eq!(host("unix:/run/t"), "");
    }
}
