//! Where a peer listens, and what it speaks there.

use std::fmt;
use std::str::FromStr;

use tidemill::sys::address::{AddressError, Listen};

use crate::target::Scheme;

/// A place to listen at. Unlike a client's [target](crate::target::Target), it may have port 0: any free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// What is spoken: one of tcp, unix, udp and http.
    pub scheme: Scheme,
    /// Where.
    pub listen: Listen,
}

/// A text that is no [`Address`], and what it should have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServeAddressError {
    /// The scheme is missing, or none that is served.
    #[error(
        "serve speaks tcp://, unix:, udp:// and http://: write one of them and an address, as in tcp://127.0.0.1:0"
    )]
    Scheme,
    /// A path behind the port.
    #[error("http:// answers every path alike: end the address behind its port")]
    Path,
    /// The address is none.
    #[error(transparent)]
    Address(AddressError),
}

impl FromStr for Address {
    type Err = ServeAddressError;

    fn from_str(text: &str) -> Result<Self, ServeAddressError> {
        let (scheme, plain) = if let Some(rest) = Scheme::Http.behind(text) {
            let host = rest.strip_suffix('/').unwrap_or(rest);
            if host.contains(['/', '?', '#']) {
                return Err(ServeAddressError::Path);
            }
            (Scheme::Http, format!("{}{host}", Scheme::Tcp.prefix()))
        } else {
            let served = [Scheme::Tcp, Scheme::Unix, Scheme::Udp];
            let found = served.into_iter().find_map(|scheme| Some((scheme, scheme.behind(text)?)));
            let (scheme, rest) = found.ok_or(ServeAddressError::Scheme)?;
            (scheme, format!("{}{rest}", scheme.prefix()))
        };
        let listen = plain.parse().map_err(ServeAddressError::Address)?;
        Ok(Self { scheme, listen })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.listen {
            Listen::Tcp(address) | Listen::Udp(address) => write!(f, "{}{address}", self.scheme.prefix()),
            Listen::Unix(path) => write!(f, "{}{}", self.scheme.prefix(), path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shown_as_they_are_meant() {
        let check = |text: &str, shown: &str| {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), shown, "{text}");
            assert_eq!(shown.parse(), Ok(address), "{text}");
        };
        check("tcp://127.0.0.1:0", "tcp://127.0.0.1:0");
        check("udp://[::1]:0", "udp://[::1]:0");
        check("unix:/run/peer", "unix:/run/peer");
        check("http://127.0.0.1:80/", "http://127.0.0.1:80");
        check("HTTP://127.0.0.1:80", "http://127.0.0.1:80");
        check("Udp://127.0.0.1:80", "udp://127.0.0.1:80");
    }

    #[test]
    fn every_mistake_has_its_sentence() {
        let check = |text: &str, words: &str| {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        };
        check("127.0.0.1:80", "serve speaks tcp://");
        check("wss://127.0.0.1:80", "serve speaks tcp://");
        check("http://127.0.0.1:80/echo", "answers every path alike");
        check("tcp://localhost:80", "names are not looked up");
        check("udp://127.0.0.1", "the port is missing");
    }
}
