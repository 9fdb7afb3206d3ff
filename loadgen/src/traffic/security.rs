//! TLS in the client's role: what was asked for becomes a maker of filters, one for each connection.
//!
//! Each thread has a maker of its own, with its own memory of earlier sessions, so that threads share nothing.

use std::fmt;
use std::path::PathBuf;

use tidemill::connection::tls::{Filter, TlsError};
use tidemill::tls::{ClientSettings, CredentialsError, Trust, Versions, client_config};

use crate::target::{Protocol, Target};

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// The authorities to trust; `None` takes every certificate.
    pub authorities: Option<PathBuf>,
    /// Whether sessions are resumed.
    pub resumption: bool,
}

/// Makes the TLS of connections to one server.
pub struct Filters(Box<dyn Fn() -> Result<Filter, TlsError>>);

impl Filters {
    /// A maker for connections to this server.
    ///
    /// # Errors
    /// When the file of authorities cannot be read or used.
    pub fn new(security: &Security, target: &Target) -> Result<Self, CredentialsError> {
        let alpn = match target.protocol() {
            Protocol::Echo => Vec::new(),
            Protocol::Http | Protocol::WebSocket => vec![b"http/1.1".to_vec()],
        };
        let trust = security.authorities.clone().map_or(Trust::Anybody, Trust::Authorities);
        let (versions, resumption) = (Versions::default(), security.resumption);
        let config = client_config(&ClientSettings { trust, alpn, versions, resumption })?;
        let name = target.listen.ip().map_or_else(String::new, |address| address.ip().to_string());
        Ok(Self(Box::new(move || Filter::client(config.clone(), &name))))
    }

    /// The TLS of one connection.
    ///
    /// # Errors
    /// When the configuration contradicts itself.
    pub fn make(&self) -> Result<Filter, TlsError> {
        (self.0)()
    }
}

impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filters").finish_non_exhaustive()
    }
}
