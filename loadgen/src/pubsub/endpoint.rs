//! Where a hub listens, and how it is spoken to there.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use tidemill::sys::address::Listen;

use crate::target::{Scheme, Target, TargetError};

/// A door of a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What is spoken.
    pub spoken: Spoken,
    /// Where.
    pub address: SocketAddr,
    /// The path, where HTTP comes first; else empty.
    pub path: String,
}

/// What is spoken with a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// The NATS client protocol over TCP.
    Nats,
    /// The same within binary WebSocket messages.
    NatsOverWebSocket,
    /// WebSocket messages, each of which is published, on the subject that the path ends with.
    WebSocket,
    /// Server-Sent Events, for subscribers only.
    Events,
}

/// A text that is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// An unknown scheme, or none.
    #[error("a hub's address begins with nats://, nats+ws://, ws:// or sse://, as in nats://127.0.0.1:4222")]
    Scheme,
    /// The rest is none.
    #[error("{}", .0.to_string().replace("http://", .1))]
    Rest(TargetError, &'static str),
    /// NATS has no paths.
    #[error("nats:// has no paths: end the address behind its port")]
    NoPath,
}

impl Spoken {
    const ALL: [Self; 4] = [Self::Nats, Self::NatsOverWebSocket, Self::WebSocket, Self::Events];

    /// What stands in front of the address.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Nats => "nats://",
            Self::NatsOverWebSocket => "nats+ws://",
            Self::WebSocket => "ws://",
            Self::Events => "sse://",
        }
    }

    /// Where a hub speaks it, unless it is told.
    const fn usual_path(self) -> &'static str {
        match self {
            Self::Nats => "",
            Self::NatsOverWebSocket => "/nats",
            Self::WebSocket => "/ws",
            Self::Events => "/sse",
        }
    }

    /// Whether the NATS protocol is spoken, over whatever it is.
    pub const fn is_nats(self) -> bool {
        matches!(self, Self::Nats | Self::NatsOverWebSocket)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let behind = |spoken: Spoken| {
            let (front, rest) = text.split_at_checked(spoken.prefix().len())?;
            front.eq_ignore_ascii_case(spoken.prefix()).then_some((spoken, rest))
        };
        let (spoken, rest) = Spoken::ALL.into_iter().find_map(behind).ok_or(EndpointError::Scheme)?;
        // Address, port and path are those of HTTP, which says best what is wrong with them.
        let rest = format!("{}{rest}", Scheme::Http.prefix());
        let target = rest.parse::<Target>().map_err(|error| EndpointError::Rest(error, spoken.prefix()))?;
        let address = target.listen.ip().ok_or(EndpointError::Scheme)?;
        let path = match (spoken, target.path.trim_end_matches('/')) {
            (Spoken::Nats, "") => String::new(),
            (Spoken::Nats, _) => return Err(EndpointError::NoPath),
            (_, "") => spoken.usual_path().to_owned(),
            (_, path) => path.to_owned(),
        };
        Ok(Self { spoken, address, path })
    }
}

impl Endpoint {
    /// The address and port, as HTTP's field Host has them.
    pub fn host(&self) -> String {
        let listen = Listen::Tcp(self.address);
        Target { scheme: Scheme::Http, listen, path: String::new() }.host()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.spoken.prefix(), self.address, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, shown: &str, spoken: Spoken) {
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!((endpoint.to_string().as_str(), endpoint.spoken), (shown, spoken), "{text}");
        assert_eq!(shown.parse(), Ok(endpoint));
    }

    #[test]
    fn endpoints_have_their_usual_paths() {
        check("nats://127.0.0.1:4222", "nats://127.0.0.1:4222", Spoken::Nats);
        check("NATS://[::1]:4222/", "nats://[::1]:4222", Spoken::Nats);
        check("nats+ws://127.0.0.1:8080", "nats+ws://127.0.0.1:8080/nats", Spoken::NatsOverWebSocket);
        check("ws://127.0.0.1:8080", "ws://127.0.0.1:8080/ws", Spoken::WebSocket);
        check("ws://127.0.0.1:8080/a/b/", "ws://127.0.0.1:8080/a/b", Spoken::WebSocket);
        check("sse://127.0.0.1:8080", "sse://127.0.0.1:8080/sse", Spoken::Events);
    }

    #[test]
    fn every_mistake_has_its_sentence() {
        let check = |text: &str, words: &str| {
            let sentence = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(sentence.contains(words), "{text}: {sentence}");
        };
        check("127.0.0.1:4222", "a hub's address begins with nats://");
        check("tcp://127.0.0.1:4222", "begins with nats://, nats+ws://, ws:// or sse://");
        check("nats://localhost:4222", "names are not looked up");
        check("nats://127.0.0.1", "the port is missing: write nats://127.0.0.1:");
        check("nats://127.0.0.1:4222/x", "has no paths");
        check("ws://127.0.0.1:0", "nobody listens at port 0");
    }
}
