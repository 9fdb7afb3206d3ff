//! Every bound of the server, with its unit and its reason.
//!
//! A bound that an operator may change has its default here and its key in the configuration; the others are
//! fixed. When a bound is met the server refuses, slows, drops or cuts, by the policy named beside it, and counts
//! it. Relations between bounds are proven by the compiler at the foot of this file.

use std::time::Duration;

// --- The process -----------------------------------------------------------------------------------------------

/// Most shards: more than the cores of any machine we know. More is refused at start-up.
pub const SHARDS_MAX: usize = 1024;
/// Most listeners in one configuration. More is refused at start-up.
pub const LISTENERS_MAX: usize = 64;
/// Default for connections open at once, over all shards. One more is accepted and closed, and counted.
pub const CONNECTIONS: u32 = 16_384;
/// Most connections that may be configured for one shard: the slot part of a token has room for far more, the
/// kernel's table of direct descriptors has not (`IORING_MAX_FIXED_FILES`, 2^20).
pub const CONNECTIONS_PER_SHARD_MAX: u32 = 1 << 19;
/// Descriptors a process needs beside its connections: listeners, rings, standard streams, files being read.
pub const DESCRIPTORS_RESERVE: u32 = 64;
/// Longest time a start may take before it is given up with a message. It takes milliseconds; a host on which many
/// things start at once, as at boot, may need much longer.
pub const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a start tries to get a port or path that is taken: the kernel lets go of a killed server's sockets only a
/// moment after the process has gone.
pub const BIND_PATIENCE: Duration = Duration::from_millis(500);
/// Longest configuration file that is read, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;

// --- The listener ----------------------------------------------------------------------------------------------

/// The port of the default listeners.
pub const DEFAULT_PORT: u16 = 7000;
/// Connections the kernel queues for a listener until they are accepted; the kernel caps it at `somaxconn`.
pub const BACKLOG: u32 = 4096;
/// Accepts in flight per stream listener: each carries an address slot, so that the peer's address arrives with the
/// connection and costs no further call.
pub const ACCEPTS_IN_FLIGHT: u32 = 32;
/// First pause after the process or the system ran out of descriptors; it doubles up to the longest.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// Longest pause between two attempts to accept while descriptors are short.
pub const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

// --- The ring --------------------------------------------------------------------------------------------------

/// Submission queue entries per ring. When it is full it is submitted at once.
pub const SUBMISSIONS: u32 = 1024;
/// Completion queue entries per ring: room for 33 completions (one multishot burst) of each of 248 hot connections;
/// beyond it the kernel keeps the rest in its own memory.
pub const COMPLETIONS: u32 = 8192;
/// Completions handled in one turn; the rest waits for the next, so that timers and sends are never starved.
pub const COMPLETIONS_PER_TURN: usize = 1024;

/// Bytes of one stream receive buffer where the kernel fills buffers incrementally.
pub const RECEIVE_BUFFER_BYTES: u32 = 16 * 1024;
/// Stream receive buffers per shard where the kernel fills buffers incrementally: 2 MiB, touched only when used.
pub const RECEIVE_BUFFERS: u16 = 128;
/// Bytes of one stream receive buffer where each receive takes a whole one.
pub const RECEIVE_BUFFER_BYTES_WHOLE: u32 = 2 * 1024;
/// Stream receive buffers per shard where each receive takes a whole one.
pub const RECEIVE_BUFFERS_WHOLE: u16 = 1024;
/// The share of receive buffers that peers who do not read may never pin: one part in four.
pub const RECEIVE_BUFFERS_RESERVE_DIVISOR: u16 = 4;
/// Bytes of one datagram buffer: the largest UDP payload over IPv4 or IPv6 plus the header and address that the
/// kernel writes before it. Pages are touched only as far as datagrams reach.
pub const DATAGRAM_BUFFER_BYTES: u32 = 65_536 + 256;
/// Datagram buffers per shard. With all in use, datagrams wait in the socket's own buffer.
pub const DATAGRAM_BUFFERS: u16 = 256;
/// Largest datagram payload, in bytes (IPv6, RFC 8200 without jumbograms; IPv4 allows 65,507).
pub const DATAGRAM_BYTES_MAX: usize = 65_527;

// --- One connection --------------------------------------------------------------------------------------------

/// Default for the bytes that may wait for one peer. At this mark the peer is not read from any more.
pub const OUTBOX_HIGH_WATER_BYTES: u32 = 256 * 1024;
/// Lowest high-water mark that may be configured: twice the largest stream receive buffer, so that one buffer alone
/// never stops a peer.
pub const OUTBOX_HIGH_WATER_BYTES_MIN: u32 = 32 * 1024;
/// Highest high-water mark that may be configured.
pub const OUTBOX_HIGH_WATER_BYTES_MAX: u32 = 1024 * 1024 * 1024;
/// Default for the waiting bytes at which reading from the peer starts again.
pub const OUTBOX_LOW_WATER_BYTES: u32 = 64 * 1024;
/// Default for private memory that all waiting bytes of one shard may take. A peer that does not read and asks for
/// more is cut.
pub const OUTBOX_BYTES_PER_SHARD: u64 = 256 * 1024 * 1024;
/// Most memory for waiting bytes that may be configured for one shard: more than any host of ours has.
pub const OUTBOX_BYTES_PER_SHARD_MAX: u64 = 1 << 40;
/// Parts gathered into one send.
pub const SEND_PARTS_MAX: usize = 64;
/// Bytes of an unfinished frame that an inbox may carry over. A peer that needs more is cut.
pub const INBOX_BYTES_MAX: usize = 64 * 1024;
/// Received bytes below which a part is copied once its peer does not keep up: the part's own book-keeping would take
/// more than the bytes do, and a peer that sends byte by byte would have us keep a part for each.
pub const LEND_BYTES_MIN: usize = 512;
/// Copied bytes up to which small answers share one part of the outbox.
pub const COPY_PART_BYTES: usize = 4096;

/// Default for the longest silence of a connection in both directions before it is cut.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// Default for the longest time a peer may take to read anything of what waits for it before it is cut.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Default for the time a peer has to close its side after we have closed ours.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// Default for the time that answers have to finish after a stop was asked for.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// After a stop was asked for, how long a connection that is silent is still served: what its peer has sent may be on
/// its way through the kernel. Half of the drain time-out when that is shorter.
pub const DRAIN_GRACE: Duration = Duration::from_millis(50);
/// Shortest time-out that a configuration may ask for; shorter ones are mistakes.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(10);
/// Longest time-out that a configuration may ask for: a week.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// The grain of the timer wheel: deadlines are met at most this much late.
pub const TIMER_TICK: Duration = Duration::from_millis(8);
/// Timers that one turn moves down the wheel; the rest waits for the next turn. So half a million deadlines that were
/// set together never hold up the messages behind them.
pub const TIMER_MOVES_PER_TURN: usize = 4096;

// --- Between shards --------------------------------------------------------------------------------------------

/// Messages waiting in one shard's mailbox; a sender that finds it full keeps its message.
pub const MAILBOX_MESSAGES: usize = 1024;

// --- Logs ------------------------------------------------------------------------------------------------------

/// Lines per second that events caused by peers may write, per shard and kind; the rest is counted.
pub const LOG_LINES_PER_SECOND: u32 = 5;

/// Log lines that wait for a slow reader of standard error. More are dropped.
pub const LOG_LINES_WAITING: usize = 1024;

const _: () = assert!(OUTBOX_LOW_WATER_BYTES < OUTBOX_HIGH_WATER_BYTES);
const _: () = assert!(RECEIVE_BUFFER_BYTES < OUTBOX_HIGH_WATER_BYTES);
const _: () = assert!(OUTBOX_HIGH_WATER_BYTES as u64 * 64 < OUTBOX_BYTES_PER_SHARD);
const _: () = assert!(2 * RECEIVE_BUFFER_BYTES <= OUTBOX_HIGH_WATER_BYTES_MIN);
const _: () = assert!(OUTBOX_HIGH_WATER_BYTES_MIN <= OUTBOX_HIGH_WATER_BYTES);
const _: () = assert!(OUTBOX_HIGH_WATER_BYTES <= OUTBOX_HIGH_WATER_BYTES_MAX);
const _: () = assert!(OUTBOX_BYTES_PER_SHARD <= OUTBOX_BYTES_PER_SHARD_MAX);
const _: () = assert!(RECEIVE_BUFFERS.is_power_of_two());
const _: () = assert!(RECEIVE_BUFFERS_WHOLE.is_power_of_two());
const _: () = assert!(DATAGRAM_BUFFERS.is_power_of_two());
const _: () = assert!(DATAGRAM_BYTES_MAX + 128 < DATAGRAM_BUFFER_BYTES as usize);
const _: () = assert!(COMPLETIONS.is_power_of_two() && COMPLETIONS <= 65_536);
const _: () = assert!(SUBMISSIONS.is_power_of_two() && SUBMISSIONS <= COMPLETIONS);
const _: () = assert!(COMPLETIONS_PER_TURN <= COMPLETIONS as usize);
const _: () = assert!(TIMER_TICK.as_millis() < TIMEOUT_MIN.as_millis());

// --- TLS -------------------------------------------------------------------------------------------------------

/// Most bytes of plaintext in one record (RFC 8446, 5.1).
pub const TLS_RECORD_PLAIN_BYTES_MAX: usize = 1 << 14;
/// Most bytes of one record on the wire: header, plaintext, and what TLS 1.2 allows encryption to add (RFC 5246, 6.2.3).
pub const TLS_RECORD_BYTES_MAX: usize = 5 + TLS_RECORD_PLAIN_BYTES_MAX + 2048;
/// Most bytes of an unfinished handshake message or record that a connection keeps: the largest message that rustls
/// takes (64 KiB: a chain of certificates), in full records, and one more record. A peer that needs more is cut.
pub const TLS_CARRY_BYTES_MAX: usize = (64 << 10) + 2 * TLS_RECORD_BYTES_MAX;
/// Most bytes of a first message, in its records, that a server keeps of somebody it knows nothing of. Browsers send two
/// thousand; a ticket with a client's certificate inside may be some thousands more. A peer that needs more is cut.
pub const TLS_HELLO_BYTES_MAX: usize = 32 << 10;
/// Default for the time between accepting a connection and the end of its TLS handshake.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest file of certificates or keys that is read, in bytes: the authorities of all the world take a fifth of it.
pub const TLS_FILE_BYTES_MAX: u64 = 1 << 20;
/// Most certificates that one listener may choose from. More is refused at start-up.
pub const TLS_CERTIFICATES_MAX: usize = 256;
/// Tickets given to each TLS 1.3 client: a ticket is good for one resumption (RFC 8446, C.4), and browsers open two
/// connections at once.
pub const TLS_TICKETS: usize = 2;
/// Longest text made of the subject of a peer's certificate, in bytes. The rest is left out.
pub const TLS_SUBJECT_BYTES_MAX: usize = 256;
/// Servers whose tickets a client remembers.
pub const TLS_CLIENT_SESSIONS: usize = 256;
/// Days that a self-signed certificate is good for; it lives no longer than the process.
pub const SELF_SIGNED_DAYS: u64 = 365;

const _: () =
    assert!(TLS_RECORD_BYTES_MAX < TLS_HELLO_BYTES_MAX && TLS_HELLO_BYTES_MAX < TLS_CARRY_BYTES_MAX);

// --- PROXY protocol --------------------------------------------------------------------------------------------

/// Longest line of version 1, with its CR LF (proxy-protocol.txt, 2.1). More is refused.
pub const PROXY_V1_BYTES_MAX: usize = 107;
/// Longest header of version 2, with its addresses and extensions: some ten times what proxies send. More is refused.
pub const PROXY_V2_BYTES_MAX: usize = 4096;
