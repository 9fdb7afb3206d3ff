//! The bounds of what is asked of strangers: networks, rates, credentials, and what users may do.

use std::time::Duration;

use super::CONNECTIONS;

/// Most networks in one list of allowed or denied ones. More is refused when the list is read.
pub const NETWORKS_MAX: usize = 4096;

/// Most units in one period of a rate, and most in its burst: a tebibyte, or as many requests.
pub const RATE_UNITS_MAX: u64 = 1 << 40;
/// Longest time in which an empty bucket may fill again: a day. For so long a stranger who has gone is remembered.
pub const RATE_FILL_TIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// Leading bits that make one address of IPv4, for all that is counted by address.
pub const ADDRESS_IPV4_BITS: u8 = 32;
/// Leading bits that make one address of IPv6: each customer of a provider has a /64 or more (RFC 6177).
pub const ADDRESS_IPV6_BITS: u8 = 64;
/// Default for the addresses remembered at once, with or without connections: some 20 MiB when all are in use. The ones
/// that have been away longest make room; see `access::addresses`.
pub const ADDRESSES: usize = 65_536;
/// Most addresses that may be configured.
pub const ADDRESSES_MAX: usize = 1 << 24;
/// Parts of the map of addresses, each with a lock of its own: two shards that accept at once seldom meet.
pub const ADDRESS_PARTS: usize = 64;
/// Addresses forgotten in passing by one arrival, so that nobody pays for all the others at once.
pub const ADDRESSES_FORGOTTEN_PER_ARRIVAL: usize = 2;

/// Addresses of datagrams that are counted at once, where datagrams have a rate: 1.5 MiB, whoever comes.
pub const DATAGRAM_SENDERS: usize = 65_536;
/// Addresses of datagrams that share a set of places, among which one is found: three lines of the cache.
pub const DATAGRAM_SENDERS_PER_SET: usize = 8;

/// Longest credential that is looked at, in bytes. A longer one is malformed.
pub const CREDENTIAL_BYTES_MAX: usize = 8 * 1024;
/// Most static tokens in one file: each is compared with every credential, for the sake of constant time.
pub const STATIC_TOKENS_MAX: usize = 1024;
/// Shortest static token, in bytes: 128 bits of hexadecimal digits would be 32, so 16 is generous already.
pub const STATIC_TOKEN_BYTES_MIN: usize = 16;
/// Longest static token, in bytes.
pub const STATIC_TOKEN_BYTES_MAX: usize = 256;
/// Lengths of static tokens are told apart in steps of so many bytes, and no finer.
pub const STATIC_TOKEN_CLASS_BYTES: usize = 32;
/// Longest name of whoever holds a token, in bytes.
pub const IDENTITY_BYTES_MAX: usize = 256;
/// Longest file of tokens or keys, in bytes.
pub const KEY_FILE_BYTES_MAX: u64 = 1 << 20;
/// Shortest secret of HS256, in bytes: as long as its hash (RFC 7518, section 3.2). Longer hashes need longer ones.
pub const JWT_SECRET_BYTES_MIN: usize = 32;
/// Bits that the modulus of an RSA key must have: RFC 7518, section 3.3, asks for 2048.
pub const RSA_BITS_MIN: usize = 2048;
/// Bits that the modulus of an RSA key may have: more is not verified by the library.
pub const RSA_BITS_MAX: usize = 8192;
/// Most keys for JSON Web Tokens, from all files together.
pub const JWT_KEYS_MAX: usize = 64;
/// Keys tried on one token: several fit when it does not name its key. A check may take a tenth of a millisecond.
pub const JWT_TRIES_MAX: usize = 4;
/// Default for how far the clocks of those who make tokens may be off.
pub const JWT_LEEWAY: Duration = Duration::from_secs(30);
/// Most that may be configured for clocks that are off.
pub const JWT_LEEWAY_MAX: Duration = Duration::from_secs(600);

/// Most users of the hub that are configured. More is refused when the configuration is read.
pub const USERS_MAX: usize = 4096;
/// Users whose connections, messages and bytes are counted at once, over all shards; some 20 MiB when all are in use. One
/// more is let in uncounted; see `access::users`.
pub const USERS_COUNTED_MAX: usize = 65_536;
/// Longest password or token of a user, in bytes; bcrypt looks at the first 72.
pub const USER_SECRET_BYTES_MAX: usize = 256;
/// Lowest cost of a bcrypt hash that is taken: there is none below it.
pub const BCRYPT_COST_MIN: u32 = 4;
/// Highest cost of a bcrypt hash that is taken: some two seconds of a core. Whoever has it tried often has that core.
pub const BCRYPT_COST_MAX: u32 = 14;
/// Passwords that are remembered to have been found good, so that they need not be hashed again: one for each user that
/// there may be, in some 600 KiB. The oldest goes first.
pub const PASSWORDS_REMEMBERED_MAX: usize = USERS_MAX;
/// Most threads that check passwords; there are no more than shards. Each yields to them: see [`PASSWORD_NICE`].
pub const JUDGES_MAX: usize = 4;
/// By how much the threads that check passwords are nicer than the others: beside a busy shard they get a tenth of a core
/// (sched(7)), and all of an idle one.
pub const PASSWORD_NICE: i32 = 10;
/// How long a password may take to be checked, with all that is checked before it. Whoever waits for longer is told so.
pub const PASSWORD_TIMEOUT: Duration = Duration::from_secs(30);
/// How soon it is looked whether a password was checked: bcrypt takes ten times as long.
pub const PASSWORD_PAUSE: Duration = Duration::from_millis(5);
/// How seldom it is looked, when it takes long.
pub const PASSWORD_PAUSE_MAX: Duration = Duration::from_millis(250);
/// Most entries in one list of allowed or denied subjects. They are compared one after the other.
pub const PERMISSION_SUBJECTS_MAX: usize = 256;
/// Longest entry in a list of allowed or denied subjects, in bytes.
pub const PERMISSION_SUBJECT_BYTES_MAX: usize = 1024;
/// Default for the answers to each request where answers are allowed: as nats-server has it.
pub const RESPONSES_MAX: u32 = 1;
/// Default for the time in which a request may be answered: as nats-server has it.
pub const RESPONSES_EXPIRE: Duration = Duration::from_secs(120);
/// Requests that wait for an answer of one connection which may only answer. Beyond it, the older half is forgotten.
pub const REPLIES_OPEN_MAX: usize = 4096;

const _: () = assert!(NETWORKS_MAX <= u32::MAX as usize);
const _: () = assert!(ADDRESS_PARTS.is_power_of_two() && ADDRESS_PARTS <= ADDRESSES);
const _: () = assert!(DATAGRAM_SENDERS.is_multiple_of(DATAGRAM_SENDERS_PER_SET));
const _: () = assert!(CONNECTIONS as usize <= ADDRESSES && ADDRESSES <= ADDRESSES_MAX);
const _: () = assert!(STATIC_TOKEN_BYTES_MIN <= STATIC_TOKEN_CLASS_BYTES);
const _: () = assert!(STATIC_TOKEN_BYTES_MAX.is_multiple_of(STATIC_TOKEN_CLASS_BYTES));
const _: () = assert!(STATIC_TOKEN_BYTES_MAX <= CREDENTIAL_BYTES_MAX);
const _: () = assert!(USER_SECRET_BYTES_MAX.is_multiple_of(STATIC_TOKEN_CLASS_BYTES));
const _: () = assert!(USER_SECRET_BYTES_MAX <= CREDENTIAL_BYTES_MAX && USERS_MAX <= USERS_COUNTED_MAX);
const _: () = assert!(PASSWORD_PAUSE.as_millis() < PASSWORD_PAUSE_MAX.as_millis());
const _: () = assert!(PASSWORD_PAUSE_MAX.as_millis() < PASSWORD_TIMEOUT.as_millis());
const _: () = assert!(BCRYPT_COST_MIN < BCRYPT_COST_MAX && 2 <= REPLIES_OPEN_MAX);
const _: () = assert!(JWT_TRIES_MAX <= JWT_KEYS_MAX);
const _: () = assert!(JWT_LEEWAY.as_secs() <= JWT_LEEWAY_MAX.as_secs());
