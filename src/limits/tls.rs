//! The bounds of what comes before a service: TLS, and the PROXY protocol.

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
/// Longest file of certificates or keys that is read, in bytes: the authorities of all the world take a fifth of it.
pub const TLS_FILE_BYTES_MAX: u64 = 1 << 20;
/// Tickets given to each TLS 1.3 client: a ticket is good for one resumption (RFC 8446, C.4), and browsers open two
/// connections at once.
pub const TLS_TICKETS: usize = 2;
/// Longest text made of the subject of a peer's certificate, in bytes. The rest is left out.
pub const TLS_SUBJECT_BYTES_MAX: usize = 256;
/// Servers whose tickets a client remembers.
pub const TLS_CLIENT_SESSIONS: usize = 256;
/// Days that a self-signed certificate is good for; it lives no longer than the process.
pub const SELF_SIGNED_DAYS: u64 = 365;

const _: () = assert!(TLS_RECORD_BYTES_MAX < TLS_CARRY_BYTES_MAX);

const _: () =
    assert!(TLS_RECORD_BYTES_MAX < TLS_HELLO_BYTES_MAX && TLS_HELLO_BYTES_MAX < TLS_CARRY_BYTES_MAX);

// --- PROXY protocol --------------------------------------------------------------------------------------------

/// Longest line of version 1, with its CR LF (proxy-protocol.txt, 2.1). More is refused.
pub const PROXY_V1_BYTES_MAX: usize = 107;
/// Longest header of version 2, with its addresses and extensions: some ten times what proxies send. More is refused.
pub const PROXY_V2_BYTES_MAX: usize = 4096;
