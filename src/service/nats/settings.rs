//! What a listener for NATS clients asks of those who come, and tells them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::access::users::Judge;
use crate::hub::SlowPolicy;
use crate::limits;

/// What a listener asks of those who come, and tells them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Most bytes of an operation's arguments.
    pub control_line_bytes: u32,
    /// Most bytes of a message, headers included.
    pub payload_bytes: u32,
    /// Most subscriptions of one connection.
    pub subscriptions: u32,
    /// The silence after which a client is pinged.
    pub ping_interval: Duration,
    /// Pings without an answer after which it is cut.
    pub pings_out: u32,
    /// How long a client may take to say who it is, where that is asked.
    pub auth_timeout: Duration,
    /// Bytes that may wait for a client before it is cut.
    pub pending_bytes: usize,
    /// What is done when a client does not keep up.
    pub slow: SlowPolicy,
    /// Who they are who show nothing.
    pub no_auth_user: Option<Box<str>>,
    /// Whether a client is to begin TLS behind INFO.
    pub tls_required: bool,
    /// Where the listener listens, to be told.
    pub host: String,
    /// Where the listener listens, to be told.
    pub port: u16,
    /// Who checks passwords that take long.
    pub judge: Option<Arc<Judge>>,
    /// Who all listeners of the server say that they are.
    pub identity: Arc<Identity>,
}

/// Who the server is, and how many clients it has had.
#[derive(Debug)]
pub struct Identity {
    id: String,
    clients: AtomicU64,
}

impl Identity {
    /// A server whose `id` is like no other's.
    pub fn new(id: String) -> Self {
        Self { id, clients: AtomicU64::new(0) }
    }

    /// What it is called, unlike any other.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The number of the next client.
    pub(super) fn next_client(&self) -> u64 {
        // Relaxed: it is a number, and guards nothing.
        self.clients.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            control_line_bytes: limits::CONTROL_LINE_BYTES,
            payload_bytes: limits::PAYLOAD_BYTES,
            subscriptions: limits::SUBSCRIPTIONS_PER_CONNECTION,
            ping_interval: limits::NATS_PING_INTERVAL,
            pings_out: limits::NATS_PINGS_OUT,
            auth_timeout: limits::NATS_AUTH_TIMEOUT,
            pending_bytes: limits::PENDING_BYTES as usize,
            slow: SlowPolicy::Cut,
            no_auth_user: None,
            tls_required: false,
            host: "127.0.0.1".to_owned(),
            port: limits::NATS_PORT,
            judge: None,
            identity: Arc::new(Identity::new("TIDEMILL".to_owned())),
        }
    }
}
