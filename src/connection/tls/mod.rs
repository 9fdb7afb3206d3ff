//! TLS as a filter of bytes, between a socket and a protocol, in either role.
//!
//! ```text
//!  socket ── receive(wire) ──▶ plain ──▶ protocol
//!  socket ◀── out ── handshake, tickets, alerts, send(plain) ◀── protocol
//! ```
//!
//! It has no socket and no clock: its caller brings what came, sends what it gives, and ends a handshake that takes too
//! long. Between two calls it holds only what is unfinished. It knows nothing of files: a configuration comes ready
//! made.
//!
//! An idle connection takes some 4 KiB, all of it state of the library. Each record costs the library one allocation on
//! its way in and one on its way out.

mod carry;
mod engine;
mod error;
mod hello;
pub(crate) mod x509;

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, ServerConfig};

use self::carry::Carry;
use self::engine::Engine;
pub use self::error::TlsError;
use self::hello::First;
use crate::limits;

/// One connection's TLS.
pub struct Filter {
    engine: Engine,
    carry: Carry,
    /// The name that the client asked for.
    server_name: Option<Box<str>>,
    opening: Opening,
    /// Nothing goes either way any more.
    has_failed: bool,
    /// We have said that we send nothing more.
    has_closed: bool,
    /// The peer has said so.
    peer_has_closed: bool,
}

/// How far the beginning has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    /// A server that does not know yet whether this is TLS.
    Unknown,
    /// Nothing has been answered.
    Silent,
    /// The handshake goes on.
    Shaking,
    /// The handshake is done.
    Done,
}

/// What has happened during one [`Filter::receive`], beside the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The handshake has just been completed: data may be sent from now on.
    pub handshake_done: bool,
    /// The peer has just said that it sends nothing more (close_notify). A socket that ends without this was cut, and
    /// what came may be half of what was meant (RFC 8446, 6.1).
    pub peer_closed: bool,
}

impl Filter {
    /// The server's side of one connection.
    ///
    /// # Errors
    ///
    /// When the configuration contradicts itself.
    pub fn server(config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        Ok(Self::new(Engine::server(config)?, Opening::Unknown))
    }

    /// The client's side of one connection to the server of that name or address. [`Filter::start`] begins it.
    ///
    /// # Errors
    ///
    /// When the name is neither a DNS name nor an address, or the configuration contradicts itself.
    pub fn client(config: Arc<ClientConfig>, name: &str) -> Result<Self, TlsError> {
        let bad_name = |_| TlsError::Other(format!("{name:?} is neither a DNS name nor an address"));
        let server = ServerName::try_from(name.to_owned()).map_err(bad_name)?;
        Ok(Self::new(Engine::client(config, server)?, Opening::Silent))
    }

    fn new(engine: Engine, opening: Opening) -> Self {
        Self {
            engine,
            carry: Carry::default(),
            server_name: None,
            opening,
            has_failed: false,
            has_closed: false,
            peer_has_closed: false,
        }
    }

    /// Appends the client's first flight to `out`. A server has none.
    ///
    /// # Errors
    ///
    /// When the system has no randomness to give.
    pub fn start(&mut self, out: &mut Vec<u8>) -> Result<(), TlsError> {
        if matches!(self.engine, Engine::Client(_)) && self.opening == Opening::Silent {
            self.pump(&mut Vec::new(), out)?;
        }
        Ok(())
    }

    /// Takes what the socket brought. Appends what was decrypted to `plain`, and what must be sent to `out`.
    ///
    /// # Errors
    ///
    /// When the peer or what came from it is refused. `out` then ends with the alert for the peer, where there is one;
    /// it is to be sent before the connection is closed, and `plain` may still have got what came before the error.
    /// Nothing is taken any more after an error; what comes after the peer's end is ignored.
    pub fn receive(
        &mut self,
        wire: &[u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Received, TlsError> {
        if self.has_failed {
            return Err(TlsError::Ended);
        }
        if self.peer_has_closed {
            return Ok(Received::default());
        }
        self.carry.extend(wire);
        if self.opening == Opening::Unknown {
            match hello::first_bytes(self.carry.bytes()) {
                First::Undecided => return Ok(Received::default()),
                First::Http => return Err(self.fail(TlsError::PlainHttp)),
                First::Tls => self.opening = Opening::Silent,
            }
        }
        if !self.carry.is_ready() {
            return Ok(Received::default());
        }
        self.note_server_name();
        self.pump(plain, out)
    }

    /// Remembers the name that the first record asks for.
    fn note_server_name(&mut self) {
        let is_server = matches!(self.engine, Engine::Server(_));
        if is_server && self.opening == Opening::Silent && self.server_name.is_none() {
            self.server_name = self.carry.first_record().and_then(hello::server_name);
        }
    }

    /// Lets TLS look at all that is here.
    fn pump(&mut self, plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<Received, TlsError> {
        let before = out.len();
        let pumped = self.engine.pump(self.carry.bytes(), plain, out).and_then(|pumped| {
            self.carry.advance(pumped.used);
            if self.carry_bytes_max() < self.carry.len() { Err(TlsError::TooLarge) } else { Ok(pumped) }
        });
        let is_silent = self.opening == Opening::Silent && before == out.len();
        let pumped = match pumped {
            Ok(pumped) => pumped,
            Err(error) => {
                if is_silent && !matches!(error, TlsError::AlertReceived(_)) {
                    out.extend_from_slice(&DECODE_ERROR);
                }
                return Err(self.fail(error));
            }
        };
        if pumped.peer_closed {
            self.peer_has_closed = true;
            self.carry.clear();
        }
        let handshake_done = self.opening != Opening::Done && !self.is_handshaking();
        if handshake_done {
            self.opening = Opening::Done;
        } else if self.opening == Opening::Silent && !is_silent {
            self.opening = Opening::Shaking;
        }
        Ok(Received { handshake_done, peer_closed: pumped.peer_closed })
    }

    /// Most bytes that may be unfinished.
    fn carry_bytes_max(&self) -> usize {
        if self.opening == Opening::Silent {
            limits::TLS_HELLO_BYTES_MAX
        } else {
            limits::TLS_CARRY_BYTES_MAX
        }
    }

    fn fail(&mut self, error: TlsError) -> TlsError {
        self.has_failed = true;
        self.carry.clear();
        error
    }

    /// Encrypts the parts, one behind the other, and appends them to `out` in as few records as hold them.
    ///
    /// # Errors
    ///
    /// [`TlsError::NotReady`] before the handshake is done, [`TlsError::Ended`] after [`Filter::close`] or an error.
    pub fn send(&mut self, parts: &[&[u8]], out: &mut Vec<u8>) -> Result<(), TlsError> {
        if self.has_failed || self.has_closed {
            return Err(TlsError::Ended);
        }
        if self.is_handshaking() {
            return Err(TlsError::NotReady);
        }
        let total = parts.iter().map(|part| part.len()).sum();
        out.reserve_exact(self.sealed_bytes(total));
        if let [part] = parts {
            return self.seal(part, out);
        }
        let mut joined = Vec::with_capacity(total.min(limits::TLS_RECORD_PLAIN_BYTES_MAX));
        for part in parts {
            self.send_part(part, &mut joined, out)?;
        }
        self.seal(&joined, out)
    }

    /// Joins small parts, and encrypts whatever fills records from where it is.
    fn send_part(
        &mut self,
        mut part: &[u8],
        joined: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), TlsError> {
        const RECORD: usize = limits::TLS_RECORD_PLAIN_BYTES_MAX;
        while !part.is_empty() {
            let fills_records = joined.is_empty() && RECORD <= part.len();
            let taken = if fills_records {
                part.len() / RECORD * RECORD
            } else {
                part.len().min(RECORD - joined.len())
            };
            let (now, later) = part.split_at(taken);
            part = later;
            if fills_records {
                self.seal(now, out)?;
                continue;
            }
            joined.extend_from_slice(now);
            if joined.len() == RECORD {
                self.seal(joined, out)?;
                joined.clear();
            }
        }
        Ok(())
    }

    fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        if plain.is_empty() {
            return Ok(());
        }
        self.engine.seal(self.carry.bytes(), plain, out).map_err(|error| self.fail(error))
    }

    /// Bytes on the wire of so many bytes of plaintext, or a few more.
    fn sealed_bytes(&self, plain: usize) -> usize {
        // Header, content type and tag (RFC 8446, 5.2); header, nonce and tag (RFC 5288, 3).
        let is_new = self.engine.facts().protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let overhead = if is_new { 5 + 1 + 16 } else { 5 + 8 + 16 };
        plain + plain.div_ceil(limits::TLS_RECORD_PLAIN_BYTES_MAX) * overhead
    }

    /// Appends our close_notify, once: nothing may be sent after it, and what the peer still sends is taken. Before the
    /// handshake is done there is nothing to close.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        let is_open = !self.has_failed && !self.has_closed && !self.is_handshaking();
        if is_open && self.engine.close(self.carry.bytes(), out).is_err() {
            self.has_failed = true;
        }
        self.has_closed = true;
    }

    /// Bytes of unfinished records that are kept.
    pub fn carried_bytes(&self) -> usize {
        self.carry.capacity()
    }

    // --- Facts ---------------------------------------------------------------------------------------------------

    /// Whether the handshake still goes on, or has failed.
    pub fn is_handshaking(&self) -> bool {
        self.engine.facts().is_handshaking()
    }

    /// The version that was agreed upon.
    pub fn protocol_version(&self) -> Option<&'static str> {
        match self.engine.facts().protocol_version()? {
            ProtocolVersion::TLSv1_2 => Some("TLS 1.2"),
            ProtocolVersion::TLSv1_3 => Some("TLS 1.3"),
            other => other.as_str(),
        }
    }

    /// The cipher suite that was agreed upon.
    pub fn cipher(&self) -> Option<&'static str> {
        self.engine.facts().negotiated_cipher_suite()?.suite().as_str()
    }

    /// The application protocol that was agreed upon (ALPN, RFC 7301).
    pub fn alpn(&self) -> Option<&[u8]> {
        self.engine.facts().alpn_protocol()
    }

    /// The name that the client asked for (SNI, RFC 6066), in small letters. A client's own filter has none.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Whether the handshake went on from an earlier connection's.
    pub fn is_resumed(&self) -> bool {
        self.engine.facts().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The subject of the certificate with which the peer has proven who it is, as text of one line.
    pub fn peer_subject(&self) -> Option<String> {
        let certificates = self.engine.facts().peer_certificates().filter(|_| !self.is_handshaking())?;
        x509::subject(certificates.first()?)
    }
}

/// The fatal alert for a first message that cannot be read, in plain text as keys are not yet agreed upon: the library
/// has none for some of its errors (RFC 8446, 6).
const DECODE_ERROR: [u8; 7] = [21, 3, 3, 0, 2, 2, 50];

impl fmt::Debug for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Filter")
            .field("opening", &self.opening)
            .field("version", &self.protocol_version())
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
