//! Every key of the file: its section, its name, what it means and how its value is shown.
//!
//! The reader knows from here what may stand in a file, and the printer what to explain, so that neither can know a key
//! that the other does not.

use super::units::{Cores, show_duration, show_mode, show_size};
use super::{Config, Listener};

/// A key of the configuration, or of one listener in it.
pub(super) struct Key<T> {
    /// The table it stands in.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its meaning, its unit, and the trouble it prevents; the default is added by the printer.
    pub about: &'static str,
    /// A value to show where there is none.
    pub example: &'static str,
    /// The value as TOML; `None` where it is unset.
    pub show: fn(&T) -> Option<String>,
}

/// The table of listeners.
pub(super) const LISTENER: &str = "listener";

/// The keys of the tables that stand once.
pub(super) const KEYS: [Key<Config>; 14] = [
    Key {
        section: "server",
        name: "shards",
        about: "Shards: threads that serve, each with a ring and connections of its own. Unset, one for each of the \
                cores. More shards than cores take time from each other.",
        example: "4",
        show: |config| config.shards.map(|shards| shards.to_string()),
    },
    Key {
        section: "server",
        name: "cores",
        about: "The cores that shards are pinned to, one after the other. Unset, all that the process may use. Keep \
                shards off the cores where interrupts or other services work.",
        example: "\"0,2-3\"",
        show: |config| config.cores.clone().map(|cores| quoted(&Cores(cores).to_string())),
    },
    Key {
        section: "server",
        name: "connections",
        about: "Connections open at once, over all shards. One more is accepted and closed, and counted, so that a \
                flood of them cannot take all memory and descriptors.",
        example: "16384",
        show: |config| Some(config.connections.to_string()),
    },
    Key {
        section: "server",
        name: "ring_max",
        about: "The newest tier of io_uring that is used: 6.1, 6.6, 6.12 or 6.17. Unset, all that the kernel offers. \
                Lower it to get around a kernel's mistake, or to compare.",
        example: "\"6.12\"",
        show: |config| config.ring_max.map(|tier| quoted(tier.name())),
    },
    Key {
        section: "server",
        name: "congestion",
        about: "The congestion control of TCP connections. Unset, the host's (sysctl net.ipv4.tcp_congestion_control). \
                Name one when measurements are compared between hosts.",
        example: "\"cubic\"",
        show: |config| config.congestion.as_deref().map(quoted),
    },
    Key {
        section: "limits",
        name: "idle_timeout",
        about: "The longest silence of a connection, in both directions, before it is cut: peers that are gone \
                without a word would hold their places for ever.",
        example: "\"10m\"",
        show: |config| Some(quoted(&show_duration(config.idle_timeout))),
    },
    Key {
        section: "limits",
        name: "stall_timeout",
        about: "The longest time in which a peer may take nothing of what waits for it before it is cut: peers that \
                do not read would hold our memory.",
        example: "\"30s\"",
        show: |config| Some(quoted(&show_duration(config.stall_timeout))),
    },
    Key {
        section: "limits",
        name: "linger_timeout",
        about: "The time that a peer has to close its side after we have closed ours; then the connection is cut. \
                Too short a time can cost slow peers the last answer.",
        example: "\"2s\"",
        show: |config| Some(quoted(&show_duration(config.linger_timeout))),
    },
    Key {
        section: "limits",
        name: "drain_timeout",
        about: "The time that answers have to leave after a stop was asked for; then what is left is cut, and the exit \
                code is 4. Keep it below the supervisor's own patience (systemd: TimeoutStopSec).",
        example: "\"10s\"",
        show: |config| Some(quoted(&show_duration(config.drain_timeout))),
    },
    Key {
        section: "limits",
        name: "high_water",
        about: "Bytes that may wait for one peer. From this mark on, the peer is not read from: whoever asks without \
                listening is slowed, and takes no more memory.",
        example: "\"256KiB\"",
        show: |config| Some(quoted(&show_size(config.outbox_high_water_bytes.into()))),
    },
    Key {
        section: "limits",
        name: "low_water",
        about: "Waiting bytes at which a peer is read from again. Well below high_water, or reading starts and stops \
                with every send.",
        example: "\"64KiB\"",
        show: |config| Some(quoted(&show_size(config.outbox_low_water_bytes.into()))),
    },
    Key {
        section: "limits",
        name: "outbox_per_shard",
        about: "Bytes of memory that all that waits in one shard may take. Beyond it, a peer that does not read and \
                asks for more is cut, so that many slow peers together cannot take all memory.",
        example: "\"256MiB\"",
        show: |config| Some(quoted(&show_size(config.outbox_bytes_per_shard))),
    },
    Key {
        section: "log",
        name: "format",
        about: "How events are written to standard error: human, or json for machines.",
        example: "\"human\"",
        show: |config| Some(quoted(config.log_format.name())),
    },
    Key {
        section: "log",
        name: "level",
        about: "The least important events that are written: error, warn, info, debug or trace. With debug, each \
                connection that opens or closes has its line, which costs throughput; trace is as debug, for now. \
                The figures are written at every level.",
        example: "\"info\"",
        show: |config| Some(quoted(config.log_level.name())),
    },
];

/// The keys of one listener.
pub(super) const LISTENER_KEYS: [Key<Listener>; 4] = [
    Key {
        section: LISTENER,
        name: "address",
        about: "Where it listens: tcp://127.0.0.1:7000, udp://[::1]:7000 or unix:/run/tidemill.sock. [::] is every \
                address of the host, IPv4 included. Anything but loopback is open to whoever reaches the host.",
        example: "\"tcp://127.0.0.1:7000\"",
        show: |listener| Some(quoted(&listener.listen.to_string())),
    },
    Key {
        section: LISTENER,
        name: "service",
        about: "What it serves: echo, which sends back what it receives.",
        example: "\"echo\"",
        show: |listener| Some(quoted(listener.service.name())),
    },
    Key {
        section: LISTENER,
        name: "mode",
        about: "Unix sockets only: who may connect, as the octal permissions of the file. Unset, what the umask leaves.",
        example: "\"660\"",
        show: |listener| listener.mode.map(|mode| quoted(&show_mode(mode))),
    },
    Key {
        section: LISTENER,
        name: "optional",
        about: "Whether the server starts without this listener, with a warning, where the host has no IPv6.",
        example: "false",
        show: |listener| Some(listener.optional.to_string()),
    },
];

/// A TOML string, escaped where TOML needs it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
