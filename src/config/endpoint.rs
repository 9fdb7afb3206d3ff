//! What `--listen` takes: an address whose scheme names the service and TLS.
//!
//! The file says the three apart, each with a key of its own; a flag is one word.

use std::fmt;
use std::str::FromStr;

use super::listener::Listener;
use super::names::ServiceName;
use crate::sys::address::{AddressError, Listen};

/// A service at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub listen: Listen,
    /// What is served there.
    pub service: ServiceName,
    /// Whether it is behind TLS.
    pub tls: bool,
}

/// A text that is no [`Endpoint`], and what it should have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// None of the schemes stands in front.
    #[error(
        "an address begins with tcp://, udp:// or unix: for echo, tls:// for echo behind TLS, http://, https:// or \
         http+unix: for pages and WebSocket, admin:// or admin+unix: for operators, nats://, nats+tls:// or nats+unix: for \
         NATS clients, publish:// for datagrams that are published"
    )]
    Scheme,
    /// What stands behind the scheme is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// Each scheme with what stands for it in the file: the scheme of the address, the service, and TLS.
const SCHEMES: [(&str, &str, ServiceName, bool); 13] = [
    ("tcp://", "tcp://", ServiceName::Echo, false),
    ("udp://", "udp://", ServiceName::Echo, false),
    ("unix:", "unix:", ServiceName::Echo, false),
    ("tls://", "tcp://", ServiceName::Echo, true),
    ("http://", "tcp://", ServiceName::Http, false),
    ("https://", "tcp://", ServiceName::Http, true),
    ("http+unix:", "unix:", ServiceName::Http, false),
    ("admin://", "tcp://", ServiceName::Admin, false),
    ("admin+unix:", "unix:", ServiceName::Admin, false),
    ("nats://", "tcp://", ServiceName::Nats, false),
    ("nats+tls://", "tcp://", ServiceName::Nats, true),
    ("nats+unix:", "unix:", ServiceName::Nats, false),
    ("publish://", "udp://", ServiceName::Ingest, false),
];

impl Endpoint {
    /// The word that `--listen` would take for this listener.
    pub fn of(listener: &Listener, tls: bool) -> Self {
        Self { listen: listener.listen.clone(), service: listener.service, tls }
    }

    /// The listener without its certificate, which the word does not name.
    pub fn listener(self) -> Listener {
        Listener::new(self.listen, self.service)
    }
}

impl fmt::Display for Endpoint {
    /// Writes it as it is typed. A pair that has no scheme, as TLS at a Unix socket, is shown as its address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.listen.to_string();
        let typed = SCHEMES.iter().find_map(|(scheme, transport, service, tls)| {
            let rest = address.strip_prefix(transport)?;
            (*service == self.service && *tls == self.tls).then(|| format!("{scheme}{rest}"))
        });
        f.write_str(&typed.unwrap_or(address))
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let known = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme.0).map(|rest| (scheme, rest)));
        let ((_, transport, service, tls), rest) = known.ok_or(EndpointError::Scheme)?;
        let listen = format!("{transport}{rest}").parse()?;
        Ok(Self { listen, service: *service, tls: *tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, listen: &str, service: ServiceName, tls: bool) {
        let expected = Endpoint { listen: listen.parse().unwrap(), service, tls };
        assert_eq!(text.parse(), Ok(expected.clone()), "{text}");
        assert_eq!(expected.to_string(), text.replace("///", "/"));
    }

    fn check_refused(text: &str, words: &str) {
        let error = text.parse::<Endpoint>().unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }

    #[test]
    fn the_scheme_names_the_service_and_tls() {
        check("tcp://[::1]:7", "tcp://[::1]:7", ServiceName::Echo, false);
        check("udp://127.0.0.1:7", "udp://127.0.0.1:7", ServiceName::Echo, false);
        check("unix:/run/t.sock", "unix:/run/t.sock", ServiceName::Echo, false);
        check("tls://127.0.0.1:7", "tcp://127.0.0.1:7", ServiceName::Echo, true);
        check("http://0.0.0.0:80", "tcp://0.0.0.0:80", ServiceName::Http, false);
        check("https://[::]:443", "tcp://[::]:443", ServiceName::Http, true);
        check("http+unix:/run/h.sock", "unix:/run/h.sock", ServiceName::Http, false);
        check("http+unix:///run/h.sock", "unix:/run/h.sock", ServiceName::Http, false);
        check("admin://127.0.0.1:9", "tcp://127.0.0.1:9", ServiceName::Admin, false);
        check("admin+unix:a.sock", "unix:a.sock", ServiceName::Admin, false);
        check("nats://127.0.0.1:4222", "tcp://127.0.0.1:4222", ServiceName::Nats, false);
        check("nats+tls://[::]:4222", "tcp://[::]:4222", ServiceName::Nats, true);
        check("nats+unix:/run/n.sock", "unix:/run/n.sock", ServiceName::Nats, false);
        check("publish://0.0.0.0:9", "udp://0.0.0.0:9", ServiceName::Ingest, false);
    }

    #[test]
    fn mistakes_are_told_as_in_the_file() {
        for text in ["", "localhost", "ws://127.0.0.1:80", "HTTP://127.0.0.1:80", "tls+unix:/t", "http:/t"] {
            check_refused(text, "an address begins with tcp://, udp:// or unix: for echo, tls://");
        }
        check_refused("http://localhost:80", "names are not looked up");
        check_refused("https://127.0.0.1", "the port is missing");
        check_refused("admin://::1:9180", "brackets");
        check_refused("tls://224.0.0.1:1", "multicast");
        check_refused("admin+unix:", "takes the path");
    }
}
