//! What `/varz` and `/connz` say, as far as the view shows it. Whatever else stands there is passed over.

use serde::Deserialize;

use super::text::Clean;

/// One look at a server.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) varz: Varz,
    pub(super) connz: Connz,
    /// How many shards are known to be there. One that does not answer in time is missing among the figures.
    pub(super) shards_known: u32,
}

impl Look {
    /// A look, which knows of shards what the look before it knew of the same server.
    pub(super) fn new(varz: Varz, connz: Connz, before: Option<&Self>) -> Self {
        let named = varz.shards.iter().map(|shard| shard.shard.saturating_add(1)).max().unwrap_or(0);
        let before = before.filter(|before| varz.continues(&before.varz));
        let shards_known = before.map_or(0, |before| before.shards_known).max(named);
        Self { varz, connz, shards_known }
    }
}

/// The figures.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Varz {
    pub(super) version: Clean,
    pub(super) process: u32,
    pub(super) process_cpu_micros: Option<u64>,
    pub(super) process_resident_bytes: Option<u64>,
    pub(super) uptime_micros: u64,
    pub(super) engine: Clean,
    pub(super) counters: Counters,
    pub(super) shards: Vec<Shard>,
}

impl Varz {
    /// Whether it is of the server that the earlier one is of, and not of one that was started since.
    pub(super) fn continues(&self, earlier: &Self) -> bool {
        self.process == earlier.process && earlier.uptime_micros <= self.uptime_micros
    }
}

/// Those of all shards together that no shard tells of itself.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Counters {
    pub(super) http_requests: u64,
    hub_slow_pending: u64,
    hub_slow_shared: u64,
    hub_slow_outbox: u64,
    hub_slow_stalled: u64,
    hub_slow_replies: u64,
    hub_dropped_replaced: u64,
    hub_dropped_oldest: u64,
    hub_dropped_cut: u64,
}

impl Counters {
    /// Subscribers that were cut because they did not keep up.
    pub(super) fn slow_consumers(&self) -> u64 {
        let all = [
            self.hub_slow_pending,
            self.hub_slow_shared,
            self.hub_slow_outbox,
            self.hub_slow_stalled,
            self.hub_slow_replies,
        ];
        all.into_iter().fold(0, u64::saturating_add)
    }

    /// Messages that were left out.
    pub(super) fn dropped(&self) -> u64 {
        let all = [self.hub_dropped_replaced, self.hub_dropped_oldest, self.hub_dropped_cut];
        all.into_iter().fold(0, u64::saturating_add)
    }
}

/// Those of one shard.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Shard {
    pub(super) shard: u32,
    pub(super) accepted: u64,
    pub(super) connections_open: u64,
    pub(super) bytes_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) hub_published: u64,
    pub(super) hub_delivered: u64,
    pub(super) hub_subscriptions: u64,
    private_bytes: u64,
    hub_lent_bytes: u64,
    hub_held_bytes: u64,
    pub(super) receive_buffers: u64,
    pub(super) receive_buffers_free: u64,
    pub(super) cpu_micros: u64,
    pub(super) turns: u64,
    pub(super) turn_longest_1s_micros: u64,
    pub(super) turn_longest_10s_micros: u64,
    pub(super) turn_longest_60s_micros: u64,
}

impl Shard {
    /// Memory of what waits: for single connections, for subscribers who share it, and for those who do not keep up.
    pub(super) fn pending_bytes(&self) -> u64 {
        self.private_bytes.saturating_add(self.hub_lent_bytes).saturating_add(self.hub_held_bytes)
    }
}

/// A page of connections.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Connz {
    pub(super) connections: Vec<Row>,
}

/// One connection.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Row {
    pub(super) id: Clean,
    pub(super) address: Clean,
    pub(super) protocol: Clean,
    pub(super) state: Clean,
    pub(super) tls: Option<Clean>,
    pub(super) since_micros: u64,
    pub(super) age_seconds: f64,
    pub(super) idle_seconds: f64,
    pub(super) bytes_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) pending_bytes: u64,
    pub(super) bytes_received_per_second: Option<u64>,
    pub(super) bytes_sent_per_second: Option<u64>,
    pub(super) about: Option<About>,
    pub(super) hub: Option<Interest>,
}

/// What its peer says of itself.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct About {
    pub(super) name: Clean,
    pub(super) lang: Clean,
    pub(super) version: Clean,
    pub(super) user: Clean,
}

/// What it does in the hub.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Interest {
    pub(super) subscriptions: u64,
    pub(super) messages_sent: u64,
    pub(super) messages_dropped: u64,
    pub(super) held_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::super::fake::{connz, row, shard, varz};
    use super::*;

    #[test]
    fn the_answers_are_those_of_the_server() {
        let shards =
            [shard(0, r#""accepted": 7, "private_bytes": 1, "hub_lent_bytes": 20, "hub_held_bytes": 300"#)];
        let counters = r#""http_requests": 5, "hub_slow_pending": 1, "hub_slow_shared": 2, "hub_slow_outbox": 4,
            "hub_slow_stalled": 8, "hub_slow_replies": 16, "hub_dropped_replaced": 100, "hub_dropped_oldest": 20,
            "hub_dropped_cut": 3"#;
        let varz = varz(1, 2_000_000, counters, &shards);
        assert_eq!((varz.version.as_str(), varz.engine.as_str()), ("0.1.0", "uring 6.17"));
        assert_eq!((varz.counters.slow_consumers(), varz.counters.dropped()), (31, 123));
        assert_eq!((varz.shards[0].accepted, varz.shards[0].pending_bytes()), (7, 321));
        let connz = connz(
            3,
            &[row(
                "0/1",
                "10.0.0.1:5",
                r#""about": {"name": "a\u001b[2J", "lang": "go", "version": "1", "user": "u"}"#,
            )],
        );
        assert_eq!(connz.connections[0].about.as_ref().unwrap().name.as_str(), "a?[2J");
        assert!(connz.connections[0].hub.is_none());
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = serde_json::from_str::<Varz>(r#"{"version": "1"}"#).unwrap_err().to_string();
        assert!(error.starts_with("missing field `process`"), "{error}");
        assert!(serde_json::from_str::<Varz>("[1]").is_err());
        assert!(serde_json::from_str::<Connz>(&"[".repeat(100_000)).is_err());
        assert!(serde_json::from_str::<Connz>(r#"{"total": 1, "connections": {}}"#).is_err());
    }

    /// A shard that keeps silent is still known.
    #[test]
    fn shards_are_known_as_long_as_their_server_runs() {
        let two = varz(1, 10, "", &[shard(0, ""), shard(1, "")]);
        let look = |varz: Varz, before: Option<&Look>| Look::new(varz, connz(0, &[]), before);
        let first = look(two, None);
        assert_eq!(first.shards_known, 2);
        let second = look(varz(1, 20, "", &[shard(0, "")]), Some(&first));
        assert_eq!(second.shards_known, 2);
        assert_eq!(look(varz(1, 30, "", &[]), Some(&second)).shards_known, 2);
        assert_eq!(look(varz(2, 40, "", &[shard(0, "")]), Some(&second)).shards_known, 1);
        assert_eq!(look(varz(1, 19, "", &[shard(0, "")]), Some(&second)).shards_known, 1);
    }
}
