//! What an HTTP service may be asked to do differently, for each listener.

use std::sync::Arc;
use std::time::Duration;

use crate::access::credential::Sources;
use crate::access::users::Judge;
use crate::hub::{ClientOptions, Form, SlowPolicy};
use crate::limits;
use crate::protocol::http1::HeadLimits;
use crate::protocol::websocket::{Limits, Policy};

/// The settings of one listener.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bounds of a head.
    pub head: HeadLimits,
    /// Largest content of a request, in bytes.
    pub body_bytes: u64,
    /// Longest time for a head to come, from the accept or from its first byte; and for content beyond its rate.
    pub header_timeout: Duration,
    /// Longest silence between two requests.
    pub keep_alive_timeout: Duration,
    /// Slowest content, in bytes per second.
    pub body_rate_min: u64,
    /// Where a request may carry its credential.
    pub credentials: Sources,
    /// What a request without one is told to log in to.
    pub realm: String,
    /// WebSocket.
    pub websocket: WebSocketSettings,
    /// The hub.
    pub hub: HubSettings,
    /// The user of the hub that those are who show nothing.
    pub no_auth_user: Option<Box<str>>,
    /// Who checks passwords that take long.
    pub judge: Option<Arc<Judge>>,
}

/// How those who listen to the hub on one listener are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubSettings {
    /// Bytes that may wait for one of them.
    pub pending_bytes: usize,
    /// What is done when one does not keep up.
    pub slow: SlowPolicy,
    /// Bytes of the payload of one message.
    pub payload_bytes: usize,
    /// Subscriptions of one connection.
    pub subscriptions: u32,
}

impl HubSettings {
    /// What somebody wants of the hub who is told in this form.
    pub(super) fn options(self, form: Form, echo: bool) -> ClientOptions {
        ClientOptions { form, echo, pending_bytes_max: self.pending_bytes, slow: self.slow }
    }
}

impl Default for HubSettings {
    fn default() -> Self {
        Self {
            pending_bytes: limits::PENDING_BYTES as usize,
            slow: SlowPolicy::Cut,
            payload_bytes: limits::PAYLOAD_BYTES as usize,
            subscriptions: limits::SUBSCRIPTIONS_PER_CONNECTION,
        }
    }
}

/// The settings of WebSocket on one listener.
#[derive(Clone, Debug)]
pub struct WebSocketSettings {
    /// Web pages that may connect, subprotocols, compression.
    pub policy: Policy,
    /// Largest frames and messages.
    pub limits: Limits,
    /// Silence after which a peer is pinged, and once more after which it is cut.
    pub ping_interval: Duration,
}

/// The settings of each listener, by its number.
pub(super) struct PerListener {
    own: Vec<Arc<Settings>>,
    /// Those of listeners that have none of their own.
    usual: Arc<Settings>,
}

impl PerListener {
    pub(super) fn new(own: Vec<Arc<Settings>>) -> Self {
        Self { own, usual: Arc::default() }
    }

    #[inline]
    pub(super) fn of(&self, listener: u16) -> &Arc<Settings> {
        self.own.get(usize::from(listener)).unwrap_or(&self.usual)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            head: HeadLimits::default(),
            body_bytes: limits::BODY_BYTES.into(),
            header_timeout: limits::HEADER_TIMEOUT,
            keep_alive_timeout: limits::KEEP_ALIVE_TIMEOUT,
            body_rate_min: limits::BODY_RATE_MIN.into(),
            credentials: Sources::default(),
            realm: "tidemill".to_owned(),
            websocket: WebSocketSettings::default(),
            hub: HubSettings::default(),
            no_auth_user: None,
            judge: None,
        }
    }
}

impl Default for WebSocketSettings {
    fn default() -> Self {
        Self { policy: Policy::default(), limits: Limits::default(), ping_interval: limits::PING_INTERVAL }
    }
}
