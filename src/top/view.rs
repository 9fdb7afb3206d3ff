//! From two looks to what goes on between them: a pure function, and the JSON of `--json`.
//!
//! Rates are of the server's own time between both looks, so that a slow way to it changes none. Where something was not
//! there before, or a counter has fallen because the server was started anew, there is no rate rather than an absurd one.

use std::collections::HashMap;

use serde::Serialize;

use super::answers::{Look, Row, Shard};
use super::text::Clean;

/// What is shown. Its fields are those of the JSON, which only ever get more.
#[derive(Clone, Debug, Serialize)]
pub(super) struct View {
    pub(super) format: &'static str,
    pub(super) server: Server,
    pub(super) total: Total,
    pub(super) shards: Vec<ShardView>,
    /// The busiest, or those that come first in another order.
    pub(super) connections: Vec<ConnectionView>,
}

/// The server and its process.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Server {
    pub(super) version: Clean,
    pub(super) engine: Clean,
    pub(super) process: u32,
    pub(super) uptime_seconds: u64,
    /// Between both looks; none at a first look at a server.
    pub(super) interval_seconds: Option<f64>,
    /// Cores that the process has used.
    pub(super) cpu_cores: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
}

/// All shards together.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Total {
    pub(super) connections: u64,
    pub(super) accepts_per_second: Option<f64>,
    pub(super) messages_in_per_second: Option<f64>,
    pub(super) messages_out_per_second: Option<f64>,
    pub(super) bytes_in_per_second: Option<f64>,
    pub(super) bytes_out_per_second: Option<f64>,
    pub(super) requests_per_second: Option<f64>,
    /// Subscribers that were cut because they did not keep up, since the server's start.
    pub(super) slow_consumers: u64,
    /// Those of them between both looks.
    pub(super) slow_consumers_new: Option<u64>,
    pub(super) dropped_per_second: Option<f64>,
}

/// One shard.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ShardView {
    pub(super) shard: u32,
    /// None of a shard that has not answered in time: it is stuck, or its core is taken.
    pub(super) figures: Option<Figures>,
}

/// What a shard does.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    pub(super) connections: u64,
    pub(super) accepts_per_second: Option<f64>,
    pub(super) messages_in_per_second: Option<f64>,
    pub(super) messages_out_per_second: Option<f64>,
    pub(super) bytes_in_per_second: Option<f64>,
    pub(super) bytes_out_per_second: Option<f64>,
    /// Its share of a core.
    pub(super) busy: Option<f64>,
    pub(super) turns_per_second: Option<f64>,
    /// The longest turn since the look before, or a little longer.
    pub(super) longest_turn_micros: u64,
    pub(super) longest_turn_of_minute_micros: u64,
    pub(super) subscriptions: u64,
    pub(super) pending_bytes: u64,
    pub(super) receive_buffers_free: u64,
    pub(super) receive_buffers: u64,
}

/// One connection.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ConnectionView {
    pub(super) id: Clean,
    pub(super) address: Clean,
    pub(super) protocol: Clean,
    pub(super) tls: Option<Clean>,
    pub(super) state: Clean,
    pub(super) user: Clean,
    pub(super) name: Clean,
    /// The library and its version.
    pub(super) library: Clean,
    pub(super) bytes_in_per_second: Option<f64>,
    pub(super) bytes_out_per_second: Option<f64>,
    pub(super) messages_out_per_second: Option<f64>,
    /// What waits for it, and what is held back for it.
    pub(super) pending_bytes: u64,
    pub(super) subscriptions: Option<u64>,
    pub(super) messages_dropped: Option<u64>,
    pub(super) age_seconds: f64,
    pub(super) idle_seconds: f64,
}

impl View {
    /// What went on between two looks; what can be said without rates, where there is only one, or none of this server.
    pub(super) fn between(before: Option<&Look>, now: &Look) -> Self {
        let before = before.filter(|before| now.varz.continues(&before.varz));
        let micros = before.map_or(0, |before| now.varz.uptime_micros - before.varz.uptime_micros);
        let span = Span { seconds: (0 < micros).then_some(micros as f64 / 1e6) };
        let shards = shards(before, now, span);
        Self {
            format: "tidemill-top/1",
            server: server(before, now, span),
            total: total(before, now, span, &shards),
            shards,
            connections: connections(before, now, span),
        }
    }
}

/// The time between both looks, if there is one.
#[derive(Clone, Copy)]
struct Span {
    seconds: Option<f64>,
}

impl Span {
    /// How fast a counter grows. One that has fallen tells nothing.
    fn rate(self, before: Option<u64>, now: u64) -> Option<f64> {
        Some(now.checked_sub(before?)? as f64 / self.seconds?)
    }
}

fn server(before: Option<&Look>, now: &Look, span: Span) -> Server {
    let varz = &now.varz;
    let spent = |look: &Look| look.varz.process_cpu_micros;
    let micros = varz.process_cpu_micros.and_then(|now| span.rate(before.and_then(spent), now));
    Server {
        version: varz.version.clone(),
        engine: varz.engine.clone(),
        process: varz.process,
        uptime_seconds: varz.uptime_micros / 1_000_000,
        interval_seconds: span.seconds,
        cpu_cores: micros.map(|micros| micros / 1e6),
        resident_bytes: varz.process_resident_bytes,
    }
}

fn shards(before: Option<&Look>, now: &Look, span: Span) -> Vec<ShardView> {
    let earlier: HashMap<u32, &Shard> = by_number(before);
    let later: HashMap<u32, &Shard> = by_number(Some(now));
    let view = |shard: u32| {
        let figures = later.get(&shard).map(|now| figures(earlier.get(&shard).copied(), now, span));
        ShardView { shard, figures }
    };
    (0..now.shards_known).map(view).collect()
}

fn by_number(look: Option<&Look>) -> HashMap<u32, &Shard> {
    look.into_iter().flat_map(|look| &look.varz.shards).map(|shard| (shard.shard, shard)).collect()
}

fn figures(before: Option<&Shard>, now: &Shard, span: Span) -> Figures {
    let rate = |of: fn(&Shard) -> u64| span.rate(before.map(of), of(now));
    Figures {
        connections: now.connections_open,
        accepts_per_second: rate(|shard| shard.accepted),
        messages_in_per_second: rate(|shard| shard.hub_published),
        messages_out_per_second: rate(|shard| shard.hub_delivered),
        bytes_in_per_second: rate(|shard| shard.bytes_received),
        bytes_out_per_second: rate(|shard| shard.bytes_sent),
        busy: rate(|shard| shard.cpu_micros).map(|micros| micros / 1e6),
        turns_per_second: rate(|shard| shard.turns),
        longest_turn_micros: longest_turn(now, span),
        longest_turn_of_minute_micros: now.turn_longest_60s_micros,
        subscriptions: now.hub_subscriptions,
        pending_bytes: now.pending_bytes(),
        receive_buffers_free: now.receive_buffers_free,
        receive_buffers: now.receive_buffers,
    }
}

/// The longest turn of the shortest stretch that covers the time between both looks. A look comes a little late, and a stretch
/// covers up to a second more than its name says.
fn longest_turn(shard: &Shard, span: Span) -> u64 {
    match span.seconds.unwrap_or_default() {
        ..1.5 => shard.turn_longest_1s_micros,
        ..10.5 => shard.turn_longest_10s_micros,
        _ => shard.turn_longest_60s_micros,
    }
}

fn total(before: Option<&Look>, now: &Look, span: Span, shards: &[ShardView]) -> Total {
    let figures = || shards.iter().filter_map(|shard| shard.figures.as_ref());
    // Those that tell a rate; a shard that has just come back tells one at the next look.
    let sum = |of: fn(&Figures) -> Option<f64>| figures().filter_map(of).reduce(|one, other| one + other);
    // A sum over all shards can be compared only with one over the same.
    let same = before.filter(|before| before.varz.shards.len() == now.varz.shards.len());
    let counters = &now.varz.counters;
    let slow_before = same.map(|look| look.varz.counters.slow_consumers());
    Total {
        connections: figures().fold(0, |sum, figures| figures.connections.saturating_add(sum)),
        accepts_per_second: sum(|figures| figures.accepts_per_second),
        messages_in_per_second: sum(|figures| figures.messages_in_per_second),
        messages_out_per_second: sum(|figures| figures.messages_out_per_second),
        bytes_in_per_second: sum(|figures| figures.bytes_in_per_second),
        bytes_out_per_second: sum(|figures| figures.bytes_out_per_second),
        requests_per_second: span
            .rate(same.map(|look| look.varz.counters.http_requests), counters.http_requests),
        slow_consumers: counters.slow_consumers(),
        slow_consumers_new: slow_before.and_then(|before| counters.slow_consumers().checked_sub(before)),
        dropped_per_second: span.rate(same.map(|look| look.varz.counters.dropped()), counters.dropped()),
    }
}

/// A slot is used again, so a connection is known by its slot and by when it came.
fn connections(before: Option<&Look>, now: &Look, span: Span) -> Vec<ConnectionView> {
    let key = |row: &Row| (row.id.clone(), row.since_micros);
    let rows = before.into_iter().flat_map(|look| &look.connz.connections);
    let earlier: HashMap<(Clean, u64), &Row> = rows.map(|row| (key(row), row)).collect();
    let rows = now.connz.connections.iter();
    rows.map(|row| connection(earlier.get(&key(row)).copied(), row, span)).collect()
}

/// What the look before knew of it is compared with; of one that was not among the first then, the server says the pace.
fn connection(before: Option<&Row>, now: &Row, span: Span) -> ConnectionView {
    let told = |pace: Option<u64>| pace.map(|pace| pace as f64);
    let bytes_in = span.rate(before.map(|row| row.bytes_received), now.bytes_received);
    let bytes_out = span.rate(before.map(|row| row.bytes_sent), now.bytes_sent);
    let hub = now.hub.as_ref();
    let sent_before = before.and_then(|row| row.hub.as_ref()).map(|hub| hub.messages_sent);
    let about = now.about.clone().unwrap_or_default();
    ConnectionView {
        id: now.id.clone(),
        address: now.address.clone(),
        protocol: now.protocol.clone(),
        tls: now.tls.clone(),
        state: now.state.clone(),
        user: about.user,
        name: about.name,
        library: Clean::from(format!("{} {}", about.lang, about.version).trim()),
        bytes_in_per_second: bytes_in.or(told(now.bytes_received_per_second)),
        bytes_out_per_second: bytes_out.or(told(now.bytes_sent_per_second)),
        messages_out_per_second: hub.and_then(|hub| span.rate(sent_before, hub.messages_sent)),
        pending_bytes: now.pending_bytes.saturating_add(hub.map_or(0, |hub| hub.held_bytes)),
        subscriptions: hub.map(|hub| hub.subscriptions),
        messages_dropped: hub.map(|hub| hub.messages_dropped),
        age_seconds: now.age_seconds,
        idle_seconds: now.idle_seconds,
    }
}

#[cfg(test)]
mod tests;
