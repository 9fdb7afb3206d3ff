//! What holds for everybody in the hub, and who its users are.
//!
//! Plain values: files of secrets are named and never opened here; whoever starts the server reads them.

mod said;

use std::time::Duration;

pub use self::said::HubLayer;
use super::names::SlowPolicy;
use crate::access::rate::Rate;
use crate::access::users::{Rules, UserSetting};
use crate::limits;

/// The hub: its bounds, what is done with slow consumers, and who its users are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    /// Bytes of the payload of one message, its headers included.
    pub payload_bytes_max: u32,
    /// Bytes of one line of the NATS client protocol.
    pub control_line_bytes_max: u32,
    /// Subscriptions of one connection.
    pub subscriptions_per_connection: u32,
    /// Subscriptions of all connections of one shard.
    pub subscriptions_per_shard: u32,
    /// Bytes that may wait for one consumer; beyond them it is slow.
    pub pending_bytes_max: u32,
    /// Bytes of one shard that consumers wait for together, counted once; beyond them, those with most are slow.
    pub shared_bytes_per_shard: u64,
    /// The silence after which a NATS client is pinged.
    pub ping_interval: Duration,
    /// Pings without an answer after which it is cut.
    pub pings_out: u32,
    /// The time from INFO to a CONNECT that says who somebody is.
    pub auth_timeout: Duration,
    /// The claim of a JSON Web Token that holds permissions.
    pub permissions_claim: String,
    /// Connections of one user who has no number of his own; unset, without a limit.
    pub connections_per_user: Option<u32>,
    /// Messages of one user, over all his connections, who has no rate of his own; unset, without a limit.
    pub message_rate_per_user: Option<Rate>,
    /// Bytes of one user, over all his connections, who has no rate of his own; unset, without a limit.
    pub byte_rate_per_user: Option<Rate>,
    /// What those may publish and subscribe to who have no permissions of their own; unset, everything.
    pub default_permissions: Option<Rules>,
    /// What is done with slow consumers, by subject: the first entry that fits holds.
    pub slow: Vec<SlowRule>,
    /// The users.
    pub users: Vec<UserSetting>,
}

/// What is done with slow consumers of some subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowRule {
    /// The subjects, with wildcards.
    pub subjects: Vec<String>,
    /// What is done.
    pub policy: SlowPolicy,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            payload_bytes_max: limits::PAYLOAD_BYTES,
            control_line_bytes_max: limits::CONTROL_LINE_BYTES,
            subscriptions_per_connection: limits::SUBSCRIPTIONS_PER_CONNECTION,
            subscriptions_per_shard: limits::SUBSCRIPTIONS_PER_SHARD,
            pending_bytes_max: limits::PENDING_BYTES,
            shared_bytes_per_shard: limits::HUB_LENT_BYTES,
            ping_interval: limits::NATS_PING_INTERVAL,
            pings_out: limits::NATS_PINGS_OUT,
            auth_timeout: limits::NATS_AUTH_TIMEOUT,
            permissions_claim: PERMISSIONS_CLAIM.to_owned(),
            connections_per_user: None,
            message_rate_per_user: None,
            byte_rate_per_user: None,
            default_permissions: None,
            slow: Vec::new(),
            users: Vec::new(),
        }
    }
}

/// The claim that holds permissions, unless another one is named.
pub(super) const PERMISSIONS_CLAIM: &str = "tidemill";
