//! What is measured: each row is one load, put on each of its servers.

use super::servers::Kind;

/// One row of the table.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The first one is what the others are compared with.
    pub(crate) servers: &'static [Kind],
    pub(crate) load: Load,
    /// What follows the URL.
    pub(crate) arguments: &'static str,
}

/// What kind of load it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// As much as the server takes.
    Saturated,
    /// A tenth of what the first server takes.
    Tenth,
    /// Connections that do nothing: over NATS, over WebSocket, or for events.
    Idle,
    /// A rate that all keep easily, for subscribers of whom one in ten reads nothing, and for those without it.
    Stuck,
    /// As much as the server takes, by one shard and by two.
    Shards,
}

const NATS: &[Kind] = &[Kind::NatsServer, Kind::Tidemill];
/// The same with a program that only shows what the kernel and the generator can do.
const NATS_AND_FLOOR: &[Kind] = &[Kind::NatsServer, Kind::Tidemill, Kind::Floor];
const WEBSOCKET: &[Kind] = &[Kind::Bun, Kind::TidemillWebSocket];

const fn row(name: &'static str, servers: &'static [Kind], arguments: &'static str) -> Row {
    Row { name, servers, load: Load::Saturated, arguments }
}

/// All of them.
pub(crate) const ROWS: &[Row] = &[
    row("1 to 1, 16 B", NATS_AND_FLOOR, "--subscribers 1 --size 16"),
    row("1 to 10, 16 B", NATS_AND_FLOOR, "--subscribers 10 --size 16"),
    row("1 to 100, 16 B", NATS_AND_FLOOR, "--subscribers 100 --size 16"),
    row("1 to 1000, 16 B", NATS_AND_FLOOR, "--subscribers 1000 --size 16"),
    row("1 to 1, 128 B", NATS_AND_FLOOR, "--subscribers 1 --size 128"),
    row("1 to 10, 128 B", NATS_AND_FLOOR, "--subscribers 10 --size 128"),
    row("1 to 100, 128 B", NATS_AND_FLOOR, "--subscribers 100 --size 128"),
    row("1 to 1000, 128 B", NATS_AND_FLOOR, "--subscribers 1000 --size 128"),
    row("1 to 100, 16 B, distinct sids", NATS, "--subscribers 100 --size 16 --sids distinct"),
    row("1 to 1000, 16 B, distinct sids", NATS, "--subscribers 1000 --size 16 --sids distinct"),
    row(
        "10,000 subjects, 100 subscribers, a tenth wildcards, 16 B",
        NATS,
        "--subjects 10000 --subscribers 100 --wildcards 10% --size 16",
    ),
    row(
        "10,000 subjects, 10,000 subscriptions on 1000 connections, 16 B",
        NATS,
        "--subjects 10000 --subscribers 1000 --wildcards 10% --size 16",
    ),
    row("request/reply, 1 requester", NATS, "--request-reply --size 16"),
    row("request/reply, 50 requesters", NATS, "--request-reply --publishers 50 --size 16"),
    row("WebSocket 1 to 1, 64 B", WEBSOCKET, "--subscribers 1 --size 64"),
    row("WebSocket 1 to 10, 64 B", WEBSOCKET, "--subscribers 10 --size 64"),
    row("WebSocket 1 to 100, 64 B", WEBSOCKET, "--subscribers 100 --size 64"),
    row("WebSocket 1 to 1000, 64 B", WEBSOCKET, "--subscribers 1000 --size 64"),
    Row {
        name: "latency 1 to 1, 16 B, a tenth of nats-server's maximum",
        servers: NATS,
        load: Load::Tenth,
        arguments: "--subscribers 1 --size 16",
    },
    Row {
        name: "latency 1 to 10, 16 B, a tenth of nats-server's maximum",
        servers: NATS,
        load: Load::Tenth,
        arguments: "--subscribers 10 --size 16",
    },
    Row {
        name: "one stuck in ten of 1000, 1 KiB, the others' latency",
        servers: &[Kind::NatsServerStrict, Kind::TidemillStrict],
        load: Load::Stuck,
        arguments: "--size 1KiB --rate 200",
    },
    Row {
        name: "two shards, 1 to 1000, 16 B",
        servers: &[Kind::Tidemill, Kind::TidemillPair],
        load: Load::Shards,
        arguments: "--subscribers 1000 --size 16",
    },
    Row { name: "idle NATS connections", servers: NATS, load: Load::Idle, arguments: "" },
    Row { name: "idle WebSocket connections", servers: WEBSOCKET, load: Load::Idle, arguments: "" },
    Row { name: "idle event streams", servers: &[Kind::TidemillEvents], load: Load::Idle, arguments: "" },
];
