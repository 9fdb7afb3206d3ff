//! What a listener for NATS clients asks of those who come, and tells them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
    /// The silence after which a client is pinged; the second ping that nobody answers is the last.
    pub ping_interval: Duration,
    /// How long a client may take to say who it is, where that is asked.
    pub auth_timeout: Duration,
    /// Bytes that may wait for a client before it is cut.
    pub pending_bytes: usize,
    /// Where the listener listens, to be told.
    pub host: String,
    /// Where the listener listens, to be told.
    pub port: u16,
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
            control_line_bytes: limits::NATS_CONTROL_LINE_BYTES,
            payload_bytes: limits::NATS_PAYLOAD_BYTES,
            subscriptions: limits::NATS_SUBSCRIPTIONS,
            ping_interval: limits::NATS_PING_INTERVAL,
            auth_timeout: limits::NATS_AUTH_TIMEOUT,
            pending_bytes: limits::HUB_PENDING_BYTES,
            host: "127.0.0.1".to_owned(),
            port: limits::NATS_PORT,
            identity: Arc::new(Identity::new("TIDEMILL".to_owned())),
        }
    }
}
