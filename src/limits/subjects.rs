//! The bounds of the hub: within it, and for those who come without a library, by HTTP, by WebSocket, by datagram.

use std::time::Duration;

use super::{HTTP_TARGET_BYTES_MAX, TIMER_TICK};

// --- Within ---------------------------------------------------------------------------------------------------------

/// Messages to services of one shard that may wait for the end of a turn: two for each connection of the default. One more
/// is lost, and counted; but before that publishers [wait](HUB_TOLD_BYTES).
pub const TOLD_WAITING_MAX: usize = 1 << 16;
/// Bytes for subscribers that one turn makes, about; then publishers wait for the next turn. A thousand subscribers with names
/// of their own still hear some 400 messages of one turn.
pub const HUB_TURN_BYTES: usize = 32 << 20;
/// What a delivery to a group costs beside its payload, in bytes: its line, and its place in lists.
pub const HUB_DELIVERY_BYTES: usize = 64;
/// What a look at one node of the tree of filters costs a turn, in bytes: it takes half the time of a delivery.
pub const HUB_LOOK_BYTES: usize = 32;
/// What a client costs that hears something else in the middle of a turn, in bytes: its piece, and twice the way there.
pub const HUB_PIECE_BYTES: usize = 128;
/// What a subscription costs that takes another form, in bytes: about the time of that much written.
pub const HUB_REFORM_BYTES: usize = 512;
/// What a message to a service costs a turn beside its payload, in bytes: half of the messages that may wait fill a turn.
pub const HUB_TOLD_BYTES: usize = 1024;
/// Payloads from this size on stand once in memory for all groups that hear them: below, a copy for each group is cheaper
/// than two more parts of each send.
pub const SPLICE_BYTES_MIN: usize = 4 * 1024;
/// Bytes that a client is sent by reference: fewer are copied, which costs less than a part of a send.
pub const SHARE_BYTES_MIN: usize = 1024;
/// Speeches of groups whose memory is kept for the next turn.
pub const SPEECHES_KEPT: usize = 4096;
/// Pieces of a turn whose memory a client keeps for the next.
pub const PIECES_KEPT: usize = 4;
/// Parcels of a shard that the others may have in hands; beyond, publishers pause until some come home.
pub const PARCELS_MAX: usize = 64;
/// When a parcel is offered again to a shard whose mailbox was full.
pub const PARCEL_RETRY: Duration = Duration::from_micros(200);
/// Lent buffers that are looked at before a shard sleeps: a microsecond, and a fan-out has no more.
pub const HUB_LENT_LOOKS: usize = 64;
/// Lent buffers that are looked at in a turn in which more is lent than may be, before anybody is cut for it.
pub const HUB_LENT_LOOKS_CROWDED: usize = 1024;
/// When a shard that sleeps looks at the next ones, while some of them may have come home.
pub const HUB_LENT_RETRY: Duration = Duration::from_millis(1);
/// Bytes that are held back for a client that does not keep up, of messages that may be left out.
pub const HUB_BACKLOG_BYTES: usize = 1 << 20;
/// Bytes of what was held back that are sent at once: what is in the kernel's hands is not left out any more.
pub const HUB_BACKLOG_SEND_BYTES: usize = 64 * 1024;

// --- Without a library ------------------------------------------------------------------------------------------------

/// Longest subject that is taken from a URL, from JSON or from a datagram, in bytes: as long as a NATS control line. A
/// longer one is refused.
pub const SUBJECT_BYTES_MAX: usize = 4 * 1024;
/// Subscriptions of one WebSocket connection with commands. One more is refused.
pub const SEAT_SUBSCRIPTIONS_MAX: usize = 1024;
/// Requests of one WebSocket connection that wait for their answers. One more is refused.
pub const SEAT_REQUESTS_MAX: usize = 256;
/// Longest name of a subscription, a queue group or a command in JSON, in bytes. A longer one is refused.
pub const SEAT_NAME_BYTES_MAX: usize = 128;
/// Subjects of one stream of events. One more is refused.
pub const EVENT_SUBJECTS_MAX: usize = 64;
/// Silence of a stream of events after which it is sent a comment, so that nobody on its way forgets it. It is looked for
/// as often, so that up to twice as much may pass.
pub const EVENT_HEARTBEAT: Duration = Duration::from_secs(15);
/// After which time a browser comes again when its stream of events has ended: at least, and at most. Between them lies
/// chance, so that not all come at once.
pub const EVENT_RETRY_MIN: Duration = Duration::from_secs(2);
/// See [`EVENT_RETRY_MIN`].
pub const EVENT_RETRY_MAX: Duration = Duration::from_secs(5);
/// Bytes that whoever listens to events may send: none mean anything. Who sends more is cut.
pub const EVENT_IGNORED_BYTES_MAX: usize = 64 * 1024;
/// How long a request waits for its answer when it does not say.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest that it may say.
pub const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(30);
/// How long a publisher is not read from while the other shards are far behind.
pub const HUB_PAUSE: Duration = TIMER_TICK;

const _: () = assert!(HUB_TURN_BYTES / HUB_TOLD_BYTES <= TOLD_WAITING_MAX / 2);
const _: () = assert!(EVENT_RETRY_MIN.as_millis() < EVENT_RETRY_MAX.as_millis());
const _: () = assert!(REQUEST_TIMEOUT.as_millis() <= REQUEST_TIMEOUT_MAX.as_millis());
const _: () = assert!(SUBJECT_BYTES_MAX < HTTP_TARGET_BYTES_MAX);
