//! What people ask a shard: what it has counted, and who is connected to it.

use super::Shard;
use crate::connection::tls::Filter;
use crate::connection::{About, Connection, Interest, Listed, Order};
use crate::limits;
use crate::metrics::Snapshot;
use crate::ring::Kernel;
use crate::service::Service;
use crate::tier::Engine;

impl<K: Kernel, S: Service> Shard<K, S> {
    /// What the shard has counted.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.metrics.snapshot();
        let ring = self.kernel.counts();
        let counters = &mut snapshot.counters;
        let engine = self.kernel.capabilities().engine;
        counters.shards_uring = u64::from(engine == Engine::Uring);
        counters.shards_epoll = u64::from(engine == Engine::Epoll);
        counters.enters = ring.enters;
        counters.submissions = ring.submissions;
        counters.submission_queue_full = ring.queue_full;
        counters.cq_overflows = ring.overflows;
        counters.private_bytes = self.private_bytes;
        counters.connections_open = self.connections.len() as u64;
        counters.receive_buffers_free = u64::from(self.kernel.buffers().free);
        counters.receive_buffers = u64::from(self.kernel.buffers().total);
        counters.cpu_micros = u64::try_from(self.kernel.cpu().as_micros()).unwrap_or(u64::MAX);
        let longest = |seconds| self.metrics.longest_turn(self.now.whole_seconds(), seconds);
        counters.turn_longest_1s_micros = longest(1);
        counters.turn_longest_10s_micros = longest(10);
        counters.turn_longest_60s_micros = longest(60);
        let (hub, sizes) = (self.hub.counts(), self.hub.sizes());
        counters.hub_published = hub.published;
        counters.hub_delivered = hub.delivered;
        counters.hub_crossed = hub.crossed;
        counters.hub_orphaned = hub.orphaned;
        counters.hub_told_lost = hub.told_lost;
        counters.hub_slow_pending = hub.slow_pending;
        counters.hub_slow_shared = hub.slow_shared;
        counters.hub_dropped_replaced = hub.dropped.replaced;
        counters.hub_dropped_oldest = hub.dropped.oldest;
        counters.hub_dropped_cut = hub.dropped.cut;
        counters.hub_clients = sizes.clients as u64;
        counters.hub_subscriptions = sizes.subscriptions as u64;
        counters.hub_lent_bytes = sizes.lent_bytes as u64;
        counters.hub_held_bytes = sizes.held_bytes as u64;
        snapshot
    }

    /// The first `count` connections in this order.
    pub(super) fn list(&mut self, order: Order, count: usize) -> Vec<Listed> {
        let listed = |(slot, connection): (u32, &Connection)| Listed {
            shard: self.options.number,
            slot,
            listener: connection.listener,
            peer: connection.peer,
            since: connection.since,
            last_active: connection.last_active(),
            age: self.now.saturating_since(connection.since),
            idle: self.now.saturating_since(connection.last_active()),
            state: connection.state().name(),
            protocol: self.protocol(slot),
            tls: connection.filter().and_then(Filter::protocol_version),
            bytes_received: connection.bytes_received,
            bytes_sent: connection.bytes_sent,
            pending_bytes: connection.outbox.pending_bytes() as u64,
            pace: None,
            about: None,
            interest: None,
        };
        let mut all: Vec<Listed> = self.connections.iter().map(listed).collect();
        if order.needs_paces() {
            self.paces.tell(self.now, &mut all);
        }
        let mut first = order.first(all, count);
        // Only of those that are shown.
        for listed in &mut first {
            listed.about = self.about(listed.slot);
            listed.interest = self.interest(listed.slot);
        }
        first
    }

    /// What a connection does in the hub.
    fn interest(&self, slot: u32) -> Option<Interest> {
        let session = self.places.get(slot as usize).and_then(|place| place.session.as_ref())?;
        let client = self.service.client(session)?;
        let counts = self.hub.client_counts(client)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let listed = self.hub.subscriptions(client, limits::CONNZ_SUBSCRIPTIONS_MAX);
        Some(Interest {
            subscriptions: counts.subscriptions,
            filters: listed.iter().map(|one| (text(&one.filter), one.queue.as_deref().map(text))).collect(),
            messages_sent: counts.messages_out,
            messages_dropped: counts.dropped,
            held_bytes: counts.held_bytes,
        })
    }

    fn about(&self, slot: u32) -> Option<About> {
        let session = self.places.get(slot as usize).and_then(|place| place.session.as_ref())?;
        self.service.about(session)
    }

    fn protocol(&self, slot: u32) -> &'static str {
        let session = self.places.get(slot as usize).and_then(|place| place.session.as_ref());
        session.map_or("opening", |session| self.service.protocol(session))
    }
}
