//! Every bound of the server, with its unit and its reason.
//!
//! A bound that an operator may change has its default here and its key in the configuration; the others are
//! fixed. When a bound is met the server refuses, slows, drops or cuts, by the policy named beside it, and counts
//! it. Relations between bounds are proven by the compiler at the foot of this file.

mod hub;
mod strangers;
mod subjects;
mod tls;

use std::time::Duration;

pub use self::hub::*;
pub use self::strangers::*;
pub use self::subjects::*;
pub use self::tls::*;

// --- The process -----------------------------------------------------------------------------------------------

/// Most shards: more than the cores of any machine we know. More is refused at start-up.
pub const SHARDS_MAX: usize = 1024;
/// Keys that one line of the log names when the configuration was read again; of more, how many there are is said.
pub const KEYS_LISTED_MAX: usize = 100;
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
/// Bytes that the doctor reads of a file of the kernel: the interrupts of a thousand cores are some of them.
pub const DOCTOR_FILE_BYTES_MAX: u64 = 16 << 20;
/// Lines that the doctor looks at in a file that has one for each connection of the host; it counts no further.
pub const DOCTOR_LINES_MAX: usize = 4 << 20;

// --- The live view -----------------------------------------------------------------------------------------------

/// Longest answer that `tidemill top` reads: the figures of a thousand shards are 1 MiB, and a connection's row may name a
/// hundred long filters.
pub const TOP_ANSWER_BYTES_MAX: u64 = 16 << 20;
/// How long one look of `tidemill top` may take, from the connect to the last byte. A shard has a second to answer.
pub const TOP_LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that `tidemill top` asks for: more than a screen has lines.
pub const TOP_CONNECTIONS: usize = 100;
/// Shortest time between two looks of `tidemill top`: each look asks every shard.
pub const TOP_INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Longest time between two looks of `tidemill top`: the longest turns are known of the last minute.
pub const TOP_INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Letters of a name that `tidemill top` keeps: more than a screen has columns.
pub const TOP_NAME_LETTERS_MAX: usize = 256;
/// Things that have happened and that the screen of `tidemill top` has not shown yet; whoever reports one more waits.
pub const TOP_EVENTS: usize = 64;

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

/// Changes that one wait of the twin by readiness takes from the kernel; the rest comes with the next one.
pub const EVENTS_PER_WAIT: usize = 512;

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
/// Connections of one turn whose sends may be heard of only when something else happens. Where there are more, the next ones
/// are about to speak: a sleep would cost more than the system call it saves.
pub const QUIET_CONNECTIONS_MAX: usize = 8;
/// Bytes of such a send: as much as waits in memory until then.
pub const QUIET_BYTES_MAX: usize = 16 * 1024;
/// Bytes of an unfinished frame that an inbox may carry over. A peer that needs more is cut.
pub const INBOX_BYTES_MAX: usize = 64 * 1024;
/// Bytes left in an inbox up to which a peer is read from while something is found out for it, so that its end is noticed.
/// With one more receive buffer they fit into the inbox.
pub const WATCHED_BYTES_MAX: usize = 16 * 1024;
/// Received bytes below which a part is copied once its peer does not keep up: the part's own book-keeping would take
/// more than the bytes do, and a peer that sends byte by byte would have us keep a part for each.
pub const LEND_BYTES_MIN: usize = 512;
/// Copied bytes up to which small answers share one part of the outbox.
pub const COPY_PART_BYTES: usize = 4096;
/// Memory for a few copied bytes: what is larger is kept apart, so that one small part never takes much.
pub const COPY_SMALL_BYTES: usize = 1024;
/// Memory for copied bytes that a shard keeps when they are sent.
pub const COPIES_KEPT_BYTES: usize = 4 << 20;

/// Sockets that a shard takes from: where a predecessor had more shards, several of each listener.
pub const SOCKETS_PER_SHARD_MAX: usize = 4096;
/// How long it may take to start a process, or to end one.
pub const LAUNCH_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a process that is to take over may take until it serves.
pub const HANDOVER_TIMEOUT: Duration = Duration::from_secs(30);
/// How much longer `tidemill upgrade` waits for the outcome.
pub const UPGRADE_MARGIN: Duration = Duration::from_secs(10);

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
/// Default for the time over which a stop sends connections away: none, since whoever stops a server waits for its end.
pub const DRAIN_SPREAD: Duration = Duration::ZERO;
/// Default for the time that a process which has handed over has to end: nobody waits for it.
pub const HANDOVER_DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Default for the time over which it sends connections away: 100 ms of it are one in a hundred of them. nats-server takes 2
/// minutes; but who is still here does not hear what is published there.
pub const HANDOVER_DRAIN_SPREAD: Duration = Duration::from_secs(10);
/// Connections of a shard that are sent away one in this time, or less often, make no burst: so few are done sooner. More of
/// them have their turns together, once in this time.
pub const DRAIN_STEP: Duration = Duration::from_millis(10);
/// Connections that a shard looks at in one turn for a stop, before it does other work.
pub const DRAIN_BATCH: usize = 1024;
/// How long connections that the deadline of a stop has cut may take to be over; then they are left to the kernel.
pub const DRAIN_LAST_PATIENCE: Duration = Duration::from_secs(1);
/// How long the process itself may take to be gone when its shards are: for what a supervisor is told.
pub const EXIT_PATIENCE: Duration = Duration::from_secs(1);
/// How long a word to a supervisor that does not read may wait before it is dropped: longer than one that starts a whole host
/// is busy, since a service that was not heard to be ready is ended.
pub const SUPERVISOR_PATIENCE: Duration = Duration::from_secs(2);
/// When it is its turn to be sent away, how long a connection that has come just before is listened to for its first words: as
/// long as a peer at the other end of the world may need to say them, and to lose a packet on the way. Nobody else waits so
/// long.
pub const DRAIN_ATTENTION: Duration = Duration::from_secs(1);
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

const _: () = assert!(TOP_CONNECTIONS <= CONNZ_PAGE_MAX);
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

// --- HTTP ------------------------------------------------------------------------------------------------------

/// Longest method, in bytes: more than any registered one has. A longer one is answered 501.
pub const HTTP_METHOD_BYTES_MAX: usize = 32;
/// Longest request target, in bytes; RFC 9112, section 3, asks for 8000 at least. A longer one is answered 414.
pub const HTTP_TARGET_BYTES_MAX: usize = 8 * 1024;
/// Longest request line with its line end: method, target, version, two spaces, CR and LF.
pub const HTTP_REQUEST_LINE_BYTES_MAX: usize = HTTP_METHOD_BYTES_MAX + HTTP_TARGET_BYTES_MAX + 12;
/// Longest status line with its line end, in bytes: a reason phrase is a few words.
pub const HTTP_STATUS_LINE_BYTES_MAX: usize = 512;
/// Digits of one chunk size: as many as 64 bits have.
pub const HTTP_CHUNK_SIZE_DIGITS_MAX: u8 = 16;
/// Bytes of extensions behind one chunk size: nobody uses them, and they must not hide a flood. More is refused.
pub const HTTP_CHUNK_EXTENSION_BYTES_MAX: usize = 256;
/// Bytes of extensions in one body, over all its chunks. More is refused.
pub const HTTP_BODY_EXTENSION_BYTES_MAX: usize = 16 * 1024;
/// Bytes of the trailer section of one body, line ends included. A longer one is answered 431.
pub const HTTP_TRAILER_BYTES_MAX: usize = 4 * 1024;
/// Lines of the trailer section of one body. One more is answered 431.
pub const HTTP_TRAILERS_MAX: usize = 32;

const _: () = assert!(HTTP_REQUEST_LINE_BYTES_MAX < HEAD_BYTES as usize);
const _: () = assert!(HTTP_CHUNK_EXTENSION_BYTES_MAX < HTTP_BODY_EXTENSION_BYTES_MAX);

// --- HTTP, WebSocket, TLS: defaults that may be configured -------------------------------------------------------

/// The port of the default listeners for pages and WebSocket.
pub const HTTP_PORT: u16 = 8080;
/// The port of the default listeners for pages and WebSocket behind TLS.
pub const HTTPS_PORT: u16 = 8443;
/// The port of the default listeners for echo behind TLS.
pub const TLS_PORT: u16 = 7443;
/// The port of the default listeners for operators.
pub const ADMIN_PORT: u16 = 9180;
/// The port of the default listeners for NATS clients: the one that all of them know.
pub const NATS_PORT: u16 = 4222;
/// The port of the default listeners for NATS clients behind TLS: beside the plain one, since that begins without TLS.
pub const NATS_TLS_PORT: u16 = 4223;

/// Most certificates at one listener: each is read and parsed at the start, and a name is looked for in all of them.
pub const CERTIFICATES_MAX: usize = 64;
/// Most origins or subprotocols at one listener: they are compared one after the other with what a peer sends.
pub const NAMES_PER_LISTENER_MAX: usize = 64;
/// Longest name in the configuration (realm, cookie, origin, audience), in bytes: it has room in one header line.
pub const NAME_BYTES_MAX: usize = 256;

/// Default for connections open at once from one address: many behind one NAT or one load generator find room, and one
/// host cannot take all the places.
pub const CONNECTIONS_PER_ADDRESS: u32 = 4096;
/// Default for the time from the accept to the end of the PROXY header and the TLS handshake: two or three round trips.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Default for the time that the whole head of a request may take, however it trickles.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Default for the silence between two requests of one connection.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(60);
/// Default for the bytes per second below which a body is too slow: far below any line of today.
pub const BODY_RATE_MIN: u32 = 1024;
/// Most bytes per second that a configuration may ask of a body: more would cut honest peers on slow lines.
pub const BODY_RATE_MIN_MAX: u32 = 1024 * 1024;
/// Default for the head of a request, in bytes.
pub const HEAD_BYTES: u32 = 16 * 1024;
/// Smallest head that may be configured, in bytes: what browsers send without cookies fits.
pub const HEAD_BYTES_MIN: u32 = 1024;
/// Largest head that may be configured, in bytes: it has to fit into an inbox, with a buffer more behind it.
pub const HEAD_BYTES_MAX: u32 = 48 * 1024;
/// Default for the fields in the head of a request.
pub const HEADERS: u32 = 100;
/// Most fields that may be configured: each costs a place in a table beside its bytes.
pub const HEADERS_MAX: u32 = 1000;
/// Default for the body of a request, in bytes.
pub const BODY_BYTES: u32 = 1024 * 1024;
/// Largest body that may be configured, in bytes.
pub const BODY_BYTES_MAX: u32 = 1024 * 1024 * 1024;
/// Default for one WebSocket message, all its frames together and after inflation, in bytes.
pub const MESSAGE_BYTES: u32 = 1024 * 1024;
/// Largest WebSocket message that may be configured, in bytes.
pub const MESSAGE_BYTES_MAX: u32 = 1024 * 1024 * 1024;
/// Default for the silence after which a WebSocket peer is pinged; after as much again it is cut. Below the patience of
/// common NATs and proxies, which forget a silent connection after a minute or more.
pub const PING_INTERVAL: Duration = Duration::from_secs(30);

const _: () = assert!(HEAD_BYTES_MIN <= HEAD_BYTES && HEAD_BYTES <= HEAD_BYTES_MAX);
const _: () = assert!((HEAD_BYTES_MAX + RECEIVE_BUFFER_BYTES) as usize <= INBOX_BYTES_MAX);
const _: () = assert!(WATCHED_BYTES_MAX + RECEIVE_BUFFER_BYTES as usize <= INBOX_BYTES_MAX);
const _: () = assert!(HEADERS <= HEADERS_MAX);
const _: () = assert!(BODY_BYTES <= BODY_BYTES_MAX);
const _: () = assert!(MESSAGE_BYTES <= MESSAGE_BYTES_MAX);
const _: () = assert!(BODY_RATE_MIN <= BODY_RATE_MIN_MAX);
const _: () = assert!(CONNECTIONS_PER_ADDRESS <= CONNECTIONS);

// --- What comes before a service -----------------------------------------------------------------------------------

/// Memory that a shard keeps for what it decrypts, in bytes: one record and some (RFC 8446, section 5.1). What a burst
/// needs beyond it is given back.
pub const TLS_PLAIN_BYTES_KEPT: usize = 64 * 1024;
/// Largest answer of `/bytes/N`, in bytes.
pub const HTTP_BYTES_ANSWER_MAX: u64 = 1 << 30;
/// Longest delay of `/delay/MS`.
pub const HTTP_DELAY_MAX: Duration = Duration::from_secs(60);
/// Connections open at once to all admin listeners: a few operators and their monitoring.
pub const ADMIN_CONNECTIONS: u32 = 256;

// --- WebSocket -------------------------------------------------------------------------------------------------

/// Longest payload of a control frame, in bytes (RFC 6455, 5.5).
pub const WEBSOCKET_CONTROL_BYTES_MAX: usize = 125;
/// Longest frame header, in bytes: two, a length of eight, a mask of four (RFC 6455, 5.2).
pub const WEBSOCKET_HEADER_BYTES_MAX: usize = 14;
/// Most bytes that a receiver asks its caller to carry over to the next call: a control frame but for its last byte.
/// Its header is never longer than six bytes.
pub const WEBSOCKET_CARRY_BYTES_MAX: usize = 6 + WEBSOCKET_CONTROL_BYTES_MAX - 1;
/// First allocation for a message that does not arrive whole, in bytes; it doubles as bytes really arrive.
pub const WEBSOCKET_ASSEMBLY_BYTES_MIN: usize = 1024;
/// Default for the shortest message that is compressed, in bytes: below it deflate saves less than a packet.
pub const WEBSOCKET_DEFLATE_BYTES_MIN: usize = 256;
/// Default level of compression, 0 to 9: the first gives most of what text has to give, at a fraction of the cost.
pub const WEBSOCKET_DEFLATE_LEVEL: u8 = 1;
/// Default for the largest deflate window, as a power of two: what RFC 7692 has without negotiation, 32 KiB.
pub const WEBSOCKET_WINDOW_BITS: u8 = 15;
/// Smallest window that our own deflate can keep to (RFC 7692 also has 8, which zlib lacks for raw deflate).
pub const WEBSOCKET_WINDOW_BITS_MIN: u8 = 9;

const _: () = assert!(WEBSOCKET_HEADER_BYTES_MAX <= WEBSOCKET_CARRY_BYTES_MAX);
const _: () = assert!(WEBSOCKET_CARRY_BYTES_MAX < INBOX_BYTES_MAX);
const _: () = assert!(WEBSOCKET_ASSEMBLY_BYTES_MIN <= MESSAGE_BYTES as usize);
const _: () = assert!(WEBSOCKET_WINDOW_BITS_MIN <= WEBSOCKET_WINDOW_BITS && WEBSOCKET_WINDOW_BITS <= 15);

/// Longest line that our client's half of the NATS protocol takes from a server, in bytes: an INFO that names the servers
/// of a large cluster.
pub const NATS_CLIENT_LINE_BYTES_MAX: usize = 64 * 1024;
/// Longest message that it takes, in bytes: the largest `max_payload` that nats-server can be given.
pub const NATS_CLIENT_PAYLOAD_BYTES_MAX: usize = 64 << 20;

// --- The services ----------------------------------------------------------------------------------------------

/// Zeros that answers of `/bytes/N` are made of, in bytes: shared by all of them.
pub const HTTP_ZEROS_BYTES: usize = 64 * 1024;
/// Shorter answers of `/bytes/N` are copied, in bytes: a part of its own costs more.
pub const HTTP_ZEROS_COPIED_BYTES: usize = 2 * 1024;
/// How long a WebSocket peer may take to answer our close frame.
pub const WEBSOCKET_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Most connections on one page of `/connz`.
pub const CONNZ_PAGE_MAX: usize = 1000;
/// Least time over which the pace of a connection is told: with less, a single burst would be one.
pub const PACE_SPAN_MIN: Duration = Duration::from_millis(500);
/// How long what connections had transferred is remembered when nobody asks for their paces: 64 bytes for each of them.
pub const PACE_KEPT: Duration = Duration::from_secs(60);
/// Subscriptions that `/connz` shows of one connection.
pub const CONNZ_SUBSCRIPTIONS_MAX: usize = 100;
/// Most filters on one page of `/subsz`, and as many as it has without being asked: nats-server's own.
pub const SUBSZ_PAGE_MAX: usize = 1024;
/// Queue groups that `/subsz` shows of one filter on one shard.
pub const SUBSZ_QUEUES_MAX: usize = 64;
/// Farthest page of `/connz`, in connections: what lies before it has to be sorted.
pub const CONNZ_OFFSET_MAX: usize = 1 << 20;
