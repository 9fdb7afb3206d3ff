//! The bounds of the hub and of the NATS protocol, mostly those of nats-server.

use std::time::Duration;

use super::{DRAIN_TIMEOUT, IDLE_TIMEOUT, INBOX_BYTES_MAX, RECEIVE_BUFFER_BYTES};

// --- The hub: defaults that may be configured, mostly those of nats-server ----------------------------------------

/// Default for the payload of one message, its headers included, in bytes.
pub const PAYLOAD_BYTES: u32 = 1024 * 1024;
/// Largest payload that may be configured, in bytes: as nats-server has it.
pub const PAYLOAD_BYTES_MAX: u32 = 64 * 1024 * 1024;
/// Default for one line of the NATS client protocol, in bytes.
pub const CONTROL_LINE_BYTES: u32 = 4096;
/// Shortest line that may be configured, in bytes: the CONNECT of a client fits, with a password.
pub const CONTROL_LINE_BYTES_MIN: u32 = 512;
/// Longest line that may be configured, in bytes: it has to fit into an inbox, with a buffer more behind it.
pub const CONTROL_LINE_BYTES_MAX: u32 = 48 * 1024;
/// Default for the subscriptions of one connection; nats-server has no bound. Some 10 MiB when all are in
/// use, and their names.
pub const SUBSCRIPTIONS_PER_CONNECTION: u32 = 65_536;
/// Most subscriptions of one connection that may be configured.
pub const SUBSCRIPTIONS_PER_CONNECTION_MAX: u32 = 1 << 24;
/// Default for the subscriptions of one shard: those of sixteen connections at their own bound, and some 200 bytes each.
pub const SUBSCRIPTIONS_PER_SHARD: u32 = 1 << 20;
/// Most subscriptions of one shard that may be configured: their numbers have 32 bits.
pub const SUBSCRIPTIONS_PER_SHARD_MAX: u32 = 1 << 28;
/// Tokens of filters that a shard keeps for each subscription that it may have, equal beginnings counted once: some 100 bytes
/// each. Who subscribes to long ones that have nothing in common meets this bound before that of subscriptions.
pub const FILTER_NODES_PER_SUBSCRIPTION: usize = 4;
/// Bytes of names that a shard keeps for each subscription that it may have: of filters, queue groups and `sid`s. Inboxes have
/// some 60, and whoever has far longer ones meets this bound before that of subscriptions.
pub const NAME_BYTES_PER_SUBSCRIPTION: usize = 128;
/// Bytes of names that a shard keeps however few subscriptions it may have.
pub const NAME_BYTES_MIN: usize = 64 * 1024;
/// Tokens of a filter. nats-server has no bound unless it is configured; nobody is known to use more than some twenty.
pub const FILTER_TOKENS_MAX: usize = 64;
/// Default for the bytes of one shard that sends may have borrowed in all, of messages that many hear. Beyond it, those for
/// whom most waits are cut: as much as sixteen consumers at their own bound.
pub const HUB_LENT_BYTES: u64 = 1024 * 1024 * 1024;
/// Fewest bytes that sends may borrow: some turns of a busy shard.
pub const HUB_LENT_BYTES_MIN: u64 = 1024 * 1024;
/// Most bytes that sends may borrow: more than any host of ours has.
pub const HUB_LENT_BYTES_MAX: u64 = 1 << 40;
/// Bytes that wait for a consumer who may stay while more is borrowed than may be: whoever reads at all has fewer soon.
pub const HUB_CROWDED_BYTES: usize = 1024 * 1024;
/// Default for the bytes that may wait for one consumer.
pub const PENDING_BYTES: u32 = 64 * 1024 * 1024;
/// Fewest bytes for one consumer that may be configured: below it every burst would be one too many.
pub const PENDING_BYTES_MIN: u32 = 64 * 1024;
/// Most bytes for one consumer that may be configured.
pub const PENDING_BYTES_MAX: u32 = 1024 * 1024 * 1024;
/// Default for the silence after which a NATS client is pinged.
pub const NATS_PING_INTERVAL: Duration = Duration::from_secs(120);
/// Default for the pings without an answer after which a NATS client is cut.
pub const NATS_PINGS_OUT: u32 = 2;
/// Most pings without an answer that may be configured.
pub const NATS_PINGS_OUT_MAX: u32 = 100;
/// Default for the time that a NATS client has to say who it is.
pub const NATS_AUTH_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a listener of NATS whose TLS mode is auto waits for a client that begins with TLS: as nats-server has it.
pub const NATS_TLS_PATIENCE: Duration = Duration::from_millis(50);
/// Most rules for slow consumers.
pub const SLOW_RULES_MAX: usize = 256;

const _: () = assert!(PAYLOAD_BYTES <= PAYLOAD_BYTES_MAX);
const _: () =
    assert!(CONTROL_LINE_BYTES_MIN <= CONTROL_LINE_BYTES && CONTROL_LINE_BYTES <= CONTROL_LINE_BYTES_MAX);
const _: () = assert!((CONTROL_LINE_BYTES_MAX + RECEIVE_BUFFER_BYTES) as usize <= INBOX_BYTES_MAX);
const _: () = assert!(SUBSCRIPTIONS_PER_CONNECTION <= SUBSCRIPTIONS_PER_CONNECTION_MAX);
const _: () = assert!(SUBSCRIPTIONS_PER_CONNECTION <= SUBSCRIPTIONS_PER_SHARD);
const _: () = assert!(HUB_LENT_BYTES_MIN <= HUB_LENT_BYTES && HUB_LENT_BYTES <= HUB_LENT_BYTES_MAX);
const _: () = assert!(PENDING_BYTES as u64 <= HUB_LENT_BYTES);
const _: () = assert!(HUB_CROWDED_BYTES < PENDING_BYTES as usize);
const _: () = assert!(PENDING_BYTES_MIN <= PENDING_BYTES && PENDING_BYTES <= PENDING_BYTES_MAX);
const _: () = assert!(NATS_PINGS_OUT <= NATS_PINGS_OUT_MAX);

// --- NATS ------------------------------------------------------------------------------------------------------

/// When a client is pinged first, so that a way that is open in one direction only is found out early: nats-server's own.
pub const NATS_FIRST_PING: Duration = Duration::from_secs(2);
/// How long a client that was told of a stop may take to go: less than the half of a stop after which all are told.
pub const NATS_LAME_DUCK_GRACE: Duration = Duration::from_secs(4);
/// How long a publisher is not read from when another shard is behind: a few turns.
pub const NATS_CONGESTED_PAUSE: Duration = Duration::from_micros(500);
/// Longest WebSocket message of a NATS client, in payloads of the largest size: nats-server's own. One may hold many
/// operations.
pub const NATS_WEBSOCKET_PAYLOADS_MAX: usize = 8;
/// Longest WebSocket message of a NATS client, in bytes: nats-server's own. It is taken piece by piece.
pub const NATS_WEBSOCKET_BYTES_MAX: usize = 64 << 20;
/// Bytes of chance that a client with a key is to sign: nats-server's own.
pub const NATS_NONCE_BYTES: usize = 11;
/// Longest name, language or version of a client that is remembered, in bytes. The rest is left out.
pub const NATS_FACT_BYTES_MAX: usize = 128;

const _: () = assert!(2 * NATS_LAME_DUCK_GRACE.as_secs() < DRAIN_TIMEOUT.as_secs());
const _: () = assert!(NATS_PING_INTERVAL.as_secs() < IDLE_TIMEOUT.as_secs());
