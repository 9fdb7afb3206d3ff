//! What one source says of the hub: each value with its place.

use std::time::Duration;

use super::super::layer::{Place, Said, SaidTable};
use super::{Hub, SlowRule};
use crate::access::rate::Rate;
use crate::access::users::{Rules, UserSetting};

/// What one source says of the hub.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the fields are those of Hub, where each is explained")]
pub struct HubLayer {
    pub payload_bytes_max: Option<Said<u64>>,
    pub control_line_bytes_max: Option<Said<u64>>,
    pub subscriptions_per_connection: Option<Said<u64>>,
    pub subscriptions_per_shard: Option<Said<u64>>,
    pub pending_bytes_max: Option<Said<u64>>,
    pub shared_bytes_per_shard: Option<Said<u64>>,
    pub ping_interval: Option<Said<Duration>>,
    pub pings_out: Option<Said<u64>>,
    pub auth_timeout: Option<Said<Duration>>,
    pub permissions_claim: Option<Said<String>>,
    pub connections_per_user: Option<Said<u64>>,
    pub message_rate_per_user: Option<Said<Rate>>,
    pub byte_rate_per_user: Option<Said<Rate>>,
    pub default_permissions: Option<SaidTable<Rules>>,
    pub slow: Option<Said<Vec<SaidTable<SlowRule>>>>,
    pub users: Option<Said<Vec<SaidTable<UserSetting>>>>,
}

impl HubLayer {
    /// What a program says that fills a configuration itself.
    pub(in super::super) fn of(hub: &Hub) -> Self {
        fn said<T>(key: &'static str, value: T) -> Option<Said<T>> {
            Some(Said::by_default(key, value))
        }
        fn table<T>(key: &'static str, value: T) -> SaidTable<T> {
            SaidTable::new(value, Place::Default(key))
        }
        let slow = hub.slow.iter().map(|rule| table("hub.slow", rule.clone())).collect();
        let users = hub.users.iter().map(|user| table("hub.user", user.clone())).collect();
        Self {
            payload_bytes_max: said("hub.payload_bytes_max", hub.payload_bytes_max.into()),
            control_line_bytes_max: said("hub.control_line_bytes_max", hub.control_line_bytes_max.into()),
            subscriptions_per_connection: said(
                "hub.subscriptions_per_connection",
                hub.subscriptions_per_connection.into(),
            ),
            subscriptions_per_shard: said("hub.subscriptions_per_shard", hub.subscriptions_per_shard.into()),
            pending_bytes_max: said("hub.pending_bytes_max", hub.pending_bytes_max.into()),
            shared_bytes_per_shard: said("hub.shared_bytes_per_shard", hub.shared_bytes_per_shard),
            ping_interval: said("hub.ping_interval", hub.ping_interval),
            pings_out: said("hub.pings_out", hub.pings_out.into()),
            auth_timeout: said("hub.auth_timeout", hub.auth_timeout),
            permissions_claim: said("hub.permissions_claim", hub.permissions_claim.clone()),
            connections_per_user: hub
                .connections_per_user
                .and_then(|most| said("hub.connections_per_user", most.into())),
            message_rate_per_user: hub
                .message_rate_per_user
                .and_then(|rate| said("hub.message_rate_per_user", rate)),
            byte_rate_per_user: hub.byte_rate_per_user.and_then(|rate| said("hub.byte_rate_per_user", rate)),
            default_permissions: hub
                .default_permissions
                .clone()
                .map(|rules| table("hub.default_permissions", rules)),
            slow: said("hub.slow", slow),
            users: said("hub.user", users),
        }
    }
}
