//! What stands between a socket and its service: a PROXY header that must come first, and TLS.
//!
//! Most connections have none of it, and then none of this.

use std::sync::Arc;

use rustls::ServerConfig;

use super::tls::{Filter, TlsError};
use super::{Connection, State};
use crate::limits;
use crate::protocol::proxy;

/// What stands between one socket and its service.
#[derive(Debug)]
pub struct Transport {
    /// The beginning of a PROXY header that is still to come.
    proxy: Option<Vec<u8>>,
    /// TLS, from the PROXY header on.
    filter: Option<Filter>,
}

impl Transport {
    /// What a listener asks for.
    ///
    /// # Errors
    /// When TLS cannot be begun.
    pub fn new(proxy: bool, tls: Option<&Arc<ServerConfig>>) -> Result<Self, TlsError> {
        let filter = tls.map(|config| Filter::server(Arc::clone(config))).transpose()?;
        Ok(Self { proxy: proxy.then(Vec::new), filter })
    }

    /// TLS, if it is there.
    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// TLS, if it is there.
    pub fn filter_mut(&mut self) -> Option<&mut Filter> {
        self.filter.as_mut()
    }

    /// Whether the service may begin.
    pub fn is_open(&self) -> bool {
        self.proxy.is_none() && !self.filter.as_ref().is_some_and(Filter::is_handshaking)
    }

    /// Whether a PROXY header is still to come.
    pub fn awaits_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    /// Takes the PROXY header off the front of what came. Returns it with the number of bytes of `bytes` that belong to
    /// it, or nothing while it is unfinished; then all of `bytes` do.
    ///
    /// # Errors
    /// When it is none.
    pub fn take_proxy(&mut self, bytes: &[u8]) -> Result<Option<(proxy::Header, usize)>, proxy::Malformed> {
        let Some(begun) = &mut self.proxy else { return Ok(None) };
        let before = begun.len();
        // No header is longer, so no more of it is looked at.
        let fits = bytes.len().min(limits::PROXY_V2_BYTES_MAX.saturating_sub(before));
        begun.extend_from_slice(&bytes[..fits]);
        let Some(header) = proxy::parse(begun)? else { return Ok(None) };
        let taken = header.consumed.saturating_sub(before);
        self.proxy = None;
        Ok(Some((header, taken)))
    }

    /// Private bytes that it keeps.
    pub fn memory_bytes(&self) -> usize {
        self.proxy.as_ref().map_or(0, Vec::len) + self.filter.as_ref().map_or(0, Filter::carried_bytes)
    }
}

impl Connection {
    /// Whether something still comes before the service.
    pub(crate) fn is_opening(&self) -> bool {
        self.opening
    }

    /// Whether its service can be told something.
    pub(crate) fn takes_messages(&self) -> bool {
        self.state == State::Open && !self.opening
    }

    /// What stands between the socket and the service, if anything does.
    pub(crate) fn transport(&self) -> Option<&Transport> {
        self.transport.as_deref()
    }

    /// What stands between the socket and the service, if anything does.
    pub(crate) fn transport_mut(&mut self) -> Option<&mut Transport> {
        self.transport.as_deref_mut()
    }

    /// Its TLS, if it has any.
    pub(crate) fn filter(&self) -> Option<&Filter> {
        self.transport.as_deref().and_then(Transport::filter)
    }

    /// Its TLS, if it has any.
    pub(crate) fn filter_mut(&mut self) -> Option<&mut Filter> {
        self.transport.as_deref_mut().and_then(Transport::filter_mut)
    }

    /// Puts something between the socket and the service.
    pub(crate) fn set_transport(&mut self, transport: Transport) {
        self.opening = true;
        self.transport = Some(Box::new(transport));
    }

    /// Takes away what stands there, for a moment.
    pub(crate) fn take_transport(&mut self) -> Option<Box<Transport>> {
        self.transport.take()
    }

    /// Nothing comes before the service any more.
    pub(crate) fn set_opened(&mut self) {
        self.opening = false;
    }

    /// The peer has said, within what carries it, that it sends nothing more.
    pub(crate) fn handle_stream_end(&mut self) {
        self.stream_ended = true;
    }
}
