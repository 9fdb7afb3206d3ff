//! The keys of the tables that stand once: the server, its limits and its logs.

use super::super::Config;
use super::super::units::{Cores, show_byte_rate, show_bytes_per_second, show_duration, show_size};
use super::{Key, Reload, quoted};

/// The keys of the tables that stand once.
pub(in super::super) const KEYS: [Key<Config>; 37] = [
    Key {
        section: "server",
        name: "shards",
        about: "Shards: threads that serve, each with a ring and connections of its own. Unset, one for each of the \
                cores. More shards than cores take time from each other.",
        example: "4",
        reload: Reload::Start(|to, from| to.shards = from.shards),
        show: |config| config.shards.map(|shards| shards.to_string()),
    },
    Key {
        section: "server",
        name: "cores",
        about: "The cores that shards are pinned to, one after the other. Unset, all that the process may use. Keep \
                shards off the cores where interrupts or other services work.",
        example: "\"0,2-3\"",
        reload: Reload::Start(|to, from| to.cores.clone_from(&from.cores)),
        show: |config| config.cores.clone().map(|cores| quoted(&Cores(cores).to_string())),
    },
    Key {
        section: "server",
        name: "connections",
        about: "Connections open at once, over all shards. One more is accepted and closed, and counted, so that a \
                flood of them cannot take all memory and descriptors.",
        example: "16384",
        reload: Reload::UpTo(
            |config| config.connections.into(),
            |to, from| to.connections = from.connections,
        ),
        show: |config| Some(config.connections.to_string()),
    },
    Key {
        section: "server",
        name: "engine",
        about: "What completes operations: uring or epoll. Unset, uring where the host allows it; else epoll, with a \
                warning. Name uring to be refused a start rather than to serve at a higher cost.",
        example: "\"uring\"",
        reload: Reload::Start(|to, from| to.engine = from.engine),
        show: |config| config.engine.map(|engine| quoted(engine.name())),
    },
    Key {
        section: "server",
        name: "engine_max",
        about: "The newest abilities that the engine uses, by the Linux that brought them to io_uring: 6.1, 6.6, 6.12 or \
                6.17. Unset, all that there are. Lower it to get around a kernel's mistake, or to compare.",
        example: "\"6.12\"",
        reload: Reload::Start(|to, from| to.engine_max = from.engine_max),
        show: |config| config.engine_max.map(|tier| quoted(tier.name())),
    },
    Key {
        section: "server",
        name: "sandbox",
        about: "Whether the server shuts itself in once it serves, with what the host has for that: it reads no files but \
                those of the configuration, and what stands beside them, makes no sockets, starts no programs, and its rings \
                do what a server does. Whoever finds a mistake in it finds little beyond.",
        example: "false",
        reload: Reload::Start(|to, from| to.sandbox = from.sandbox),
        show: |config| Some(config.sandbox.to_string()),
    },
    Key {
        section: "server",
        name: "congestion",
        about: "The congestion control of TCP connections. Unset, the host's (sysctl net.ipv4.tcp_congestion_control). \
                Name one when measurements are compared between hosts.",
        example: "\"cubic\"",
        reload: Reload::Start(|to, from| to.congestion.clone_from(&from.congestion)),
        show: |config| config.congestion.as_deref().map(quoted),
    },
    Key {
        section: "limits",
        name: "idle_timeout",
        about: "The longest silence of a connection, in both directions, before it is cut: peers that are gone \
                without a word would hold their places for ever.",
        example: "\"10m\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_duration(config.idle_timeout))),
    },
    Key {
        section: "limits",
        name: "stall_timeout",
        about: "The longest time in which a peer may take nothing of what waits for it before it is cut: peers that \
                do not read would hold our memory.",
        example: "\"30s\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_duration(config.stall_timeout))),
    },
    Key {
        section: "limits",
        name: "linger_timeout",
        about: "The time that a peer has to close its side after we have closed ours; then the connection is cut. \
                Too short a time can cost slow peers the last answer.",
        example: "\"2s\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_duration(config.linger_timeout))),
    },
    Key {
        section: "limits",
        name: "drain_timeout",
        about: "The time that answers have to leave after a stop was asked for; then what is left is cut, and the exit \
                code is 4. Keep it below the supervisor's own patience (systemd is asked for as much).",
        example: "\"10s\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_duration(config.drain_timeout))),
    },
    Key {
        section: "limits",
        name: "drain_spread",
        about: "The first part of drain_timeout, in which connections are told to go and ended, evenly, so that all of \
                them do not come again at once: WebSockets with 1001, NATS clients some seconds after ldm. Few of them \
                need less, 10 ms each. With 0s all are told at once.",
        example: "\"5s\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_duration(config.drain_spread))),
    },
    Key {
        section: "limits",
        name: "handover_drain_timeout",
        about: "The same as drain_timeout, for a process that has handed over to another (SIGUSR2, tidemill upgrade).",
        example: "\"30s\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_duration(config.handover_drain_timeout))),
    },
    Key {
        section: "limits",
        name: "handover_drain_spread",
        about: "The same as drain_spread, for a process that has handed over to another. Whoever is still connected to it \
                does not hear what is published at the new one: a long time spares the new one, a short one misses less.",
        example: "\"10s\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_duration(config.handover_drain_spread))),
    },
    Key {
        section: "limits",
        name: "high_water",
        about: "Bytes that may wait for one peer. From this mark on, the peer is not read from: whoever asks without \
                listening is slowed, and takes no more memory.",
        example: "\"256KiB\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_size(config.outbox_high_water_bytes.into()))),
    },
    Key {
        section: "limits",
        name: "low_water",
        about: "Waiting bytes at which a peer is read from again. Well below high_water, or reading starts and stops \
                with every send.",
        example: "\"64KiB\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_size(config.outbox_low_water_bytes.into()))),
    },
    Key {
        section: "limits",
        name: "outbox_per_shard",
        about: "Bytes of memory that all that waits in one shard may take. Beyond it, a peer that does not read and \
                asks for more is cut, so that many slow peers together cannot take all memory.",
        example: "\"256MiB\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_size(config.outbox_bytes_per_shard))),
    },
    Key {
        section: "limits",
        name: "connections_per_address",
        about: "Connections open at once from one address. One more is closed and counted, so that one host cannot take \
                the places of all others. Peers behind one NAT or proxy share an address.",
        example: "4096",
        reload: Reload::Now,
        show: |config| Some(config.connections_per_address.to_string()),
    },
    Key {
        section: "limits",
        name: "accept_rate",
        about: "Connections that are accepted, as in 100/s, or 6000/m burst 500 where so many may come at once. \
                Those beyond it are closed and counted, so that a storm of them costs no more than its accepts. \
                Unset, no limit.",
        example: "\"1000/s burst 2000\"",
        reload: Reload::Now,
        show: |config| config.accept_rate.map(|rate| quoted(&rate.to_string())),
    },
    Key {
        section: "limits",
        name: "accept_rate_per_address",
        about: "The same as accept_rate, for each address by itself. Unset, no limit.",
        example: "\"20/s burst 100\"",
        reload: Reload::Now,
        show: |config| config.accept_rate_per_address.map(|rate| quoted(&rate.to_string())),
    },
    Key {
        section: "limits",
        name: "request_rate",
        about: "Requests that are answered on one connection. Those beyond it are refused with 429 and counted. Unset, no \
                limit.",
        example: "\"50/s burst 100\"",
        reload: Reload::Now,
        show: |config| config.request_rate.map(|rate| quoted(&rate.to_string())),
    },
    Key {
        section: "limits",
        name: "request_rate_per_address",
        about: "The same as request_rate, for all connections of one address together. Unset, no limit.",
        example: "\"100/s burst 200\"",
        reload: Reload::Now,
        show: |config| config.request_rate_per_address.map(|rate| quoted(&rate.to_string())),
    },
    Key {
        section: "limits",
        name: "message_rate",
        about: "WebSocket messages that are taken on one connection. Those beyond it wait with their senders. Unset, no \
                limit. Datagrams are counted by their address alone.",
        example: "\"500/s\"",
        reload: Reload::Now,
        show: |config| config.message_rate.map(|rate| quoted(&rate.to_string())),
    },
    Key {
        section: "limits",
        name: "message_rate_per_address",
        about: "The same as message_rate, for all connections of one address together; and once more for its datagrams, of \
                which those beyond it are dropped and counted. Unset, no limit.",
        example: "\"1000/s\"",
        reload: Reload::Now,
        show: |config| config.message_rate_per_address.map(|rate| quoted(&rate.to_string())),
    },
    Key {
        section: "limits",
        name: "byte_rate",
        about: "Bytes that are taken on one connection, as in 1MiB/s or 1MiB/s burst 4MiB. Those beyond it wait with their \
                senders. Unset, no limit.",
        example: "\"512KiB/s\"",
        reload: Reload::Now,
        show: |config| config.byte_rate.map(|rate| quoted(&show_byte_rate(&rate))),
    },
    Key {
        section: "limits",
        name: "byte_rate_per_address",
        about: "The same as byte_rate, for all connections of one address together; and once more for its datagrams, of \
                which those beyond it are dropped and counted. Unset, no limit.",
        example: "\"1MiB/s burst 4MiB\"",
        reload: Reload::Now,
        show: |config| config.byte_rate_per_address.map(|rate| quoted(&show_byte_rate(&rate))),
    },
    Key {
        section: "limits",
        name: "handshake_timeout",
        about: "The time from the accept to the end of the PROXY header and the TLS handshake; then the connection is \
                cut. Whoever opens connections and says nothing holds no place for longer.",
        example: "\"10s\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_duration(config.handshake_timeout))),
    },
    Key {
        section: "limits",
        name: "header_timeout",
        about: "The time that the whole head of a request may take, from the accept or from its first byte: heads that \
                trickle byte by byte are cut with it.",
        example: "\"10s\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_duration(config.header_timeout))),
    },
    Key {
        section: "limits",
        name: "keep_alive_timeout",
        about: "The longest silence between two requests of one connection before it is closed.",
        example: "\"60s\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_duration(config.keep_alive_timeout))),
    },
    Key {
        section: "limits",
        name: "body_rate_min",
        about: "Bytes in each second that the body of a request must bring on the average. Slower ones are cut, after \
                header_timeout at the earliest, so that trickling bodies do not hold their places for hours.",
        example: "\"1KiB/s\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_bytes_per_second(config.body_rate_min.into()))),
    },
    Key {
        section: "limits",
        name: "head_bytes",
        about: "Bytes of the head of a request, its first line included; at most 48KiB. Longer ones are refused with 431.",
        example: "\"16KiB\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_size(config.head_bytes.into()))),
    },
    Key {
        section: "limits",
        name: "headers",
        about: "Fields in the head of a request. More are refused with 431.",
        example: "100",
        reload: Reload::Now,
        show: |config| Some(config.headers.to_string()),
    },
    Key {
        section: "limits",
        name: "body_bytes",
        about: "Bytes of the body of a request. Longer ones are refused with 413.",
        example: "\"1MiB\"",
        reload: Reload::Now,
        show: |config| Some(quoted(&show_size(config.body_bytes.into()))),
    },
    Key {
        section: "limits",
        name: "message_bytes",
        about: "Bytes of one WebSocket message, all its frames together and decompressed. Longer ones close the \
                connection with 1009.",
        example: "\"1MiB\"",
        reload: Reload::New,
        show: |config| Some(quoted(&show_size(config.message_bytes.into()))),
    },
    Key {
        section: "limits",
        name: "ping_interval",
        about: "The silence after which a WebSocket peer is pinged; after as much again it is cut. It finds peers that \
                are gone long before idle_timeout, and keeps NATs from forgetting the others.",
        example: "\"30s\"",
        reload: Reload::New,
        show: |config| Some(quoted(&show_duration(config.ping_interval))),
    },
    Key {
        section: "log",
        name: "format",
        about: "How events are written to standard error: human, or json for machines.",
        example: "\"human\"",
        reload: Reload::Now,
        show: |config| Some(quoted(config.log_format.name())),
    },
    Key {
        section: "log",
        name: "level",
        about: "The least important events that are written: error, warn, info, debug or trace. With debug, each \
                connection that opens or closes has its line, which costs throughput; trace is as debug, for now. \
                The figures are written at every level.",
        example: "\"info\"",
        reload: Reload::Now,
        show: |config| Some(quoted(config.log_level.name())),
    },
];
