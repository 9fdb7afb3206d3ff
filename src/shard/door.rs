//! The door of a listener: who may come in through it, and what stands between the socket and the service.

use std::sync::Arc;

use rustls::ServerConfig;

use crate::access::networks::AccessList;
use crate::access::token::Authenticator;
use crate::access::users::Users;

/// What a listener asks of those who come. Shards get new doors when the configuration is read again; connections that are
/// already in keep what they came with.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// Addresses that may come.
    pub networks: AccessList,
    /// Whether each connection begins with a PROXY header.
    pub proxy_protocol: bool,
    /// TLS, if it is spoken here.
    pub tls: Option<Arc<ServerConfig>>,
    /// When TLS begins, if it does.
    pub tls_start: TlsStart,
    /// Who may ask, where not everyone may.
    pub authenticator: Option<Arc<Authenticator>>,
    /// The users of the hub, where the listener leads to it.
    pub users: Option<Arc<Users>>,
}

/// When TLS begins. Only a service that speaks first, and in the clear, can do so before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsStart {
    /// Before everything else.
    #[default]
    First,
    /// When the service has greeted; what it says, and all that the peer says, is behind TLS from then on.
    AfterGreeting,
    /// Before everything else if the peer begins it at once, and otherwise after the greeting.
    Either,
}

impl Door {
    /// Whether something comes before the service.
    pub(super) fn has_opening(&self) -> bool {
        self.proxy_protocol || self.tls.is_some()
    }
}
