//! Answers made by hand: all figures are zero but those that a test names.

use serde_json::{Map, Value, json};

use super::answers::{Connz, Look, Varz};

/// The figures of a process with this number, so many microseconds after its start.
pub(super) fn varz(process: u32, uptime_micros: u64, counters: &str, shards: &[Value]) -> Varz {
    let names = [
        "http_requests",
        "hub_slow_pending",
        "hub_slow_shared",
        "hub_slow_outbox",
        "hub_slow_stalled",
        "hub_slow_replies",
        "hub_dropped_replaced",
        "hub_dropped_oldest",
        "hub_dropped_cut",
    ];
    let value = json!({
        "version": "0.1.0",
        "process": process,
        "process_cpu_micros": 0,
        "process_resident_bytes": 0,
        "uptime_seconds": uptime_micros / 1_000_000,
        "uptime_micros": uptime_micros,
        "engine": "uring 6.17",
        "listeners": ["nats://127.0.0.1:4222"],
        "counters": zeros(&names, counters),
        "shards": shards,
    });
    serde_json::from_value(value).unwrap()
}

/// Those of one shard.
pub(super) fn shard(number: u32, figures: &str) -> Value {
    let names = [
        "accepted",
        "connections_open",
        "bytes_received",
        "bytes_sent",
        "hub_published",
        "hub_delivered",
        "hub_subscriptions",
        "private_bytes",
        "hub_lent_bytes",
        "hub_held_bytes",
        "receive_buffers",
        "receive_buffers_free",
        "cpu_micros",
        "turns",
        "turn_longest_1s_micros",
        "turn_longest_10s_micros",
        "turn_longest_60s_micros",
        "what_is_not_shown",
    ];
    let mut value = zeros(&names, figures);
    value["shard"] = number.into();
    value
}

/// A page of connections.
pub(super) fn connz(total: u64, rows: &[Value]) -> Connz {
    let value =
        json!({ "total": total, "offset": 0, "limit": 100, "count": rows.len(), "connections": rows });
    serde_json::from_value(value).unwrap()
}

/// One of them.
pub(super) fn row(id: &str, address: &str, fields: &str) -> Value {
    let names =
        ["since_micros", "age_seconds", "idle_seconds", "bytes_received", "bytes_sent", "pending_bytes"];
    let mut value = zeros(&names, fields);
    value["id"] = id.into();
    value["address"] = address.into();
    for (name, text) in [("protocol", "nats"), ("state", "open")] {
        if value[name].is_null() {
            value[name] = text.into();
        }
    }
    value
}

/// A look at them.
pub(super) fn look(varz: Varz, connz: Connz) -> Look {
    Look::new(varz, connz, None)
}

fn zeros(names: &[&str], fields: &str) -> Value {
    let mut all: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), 0.into())).collect();
    all.extend(serde_json::from_str::<Map<String, Value>>(&format!("{{{fields}}}")).unwrap());
    all.into()
}
