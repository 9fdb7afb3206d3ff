//! The client's half of the opening handshake (RFC 6455, 4.1): the request's fields, and whether a response fits them.
//!
//! It takes its nonce from the caller and leaves the request line, `Host` and `Origin` to it.

use super::accept::{Once, accept_key};
use super::extension;
use super::field;
use super::parameters::{self, DeflateParameters, DeflateSettings};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Sixteen random bytes, fresh for each connection.
    pub nonce: [u8; 16],
    /// Subprotocols, the preferred first. Each is a token.
    pub subprotocols: &'a [&'a str],
    /// How to compress, if at all.
    pub deflate: Option<DeflateSettings>,
}

/// What a server has agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed<'a> {
    /// The subprotocol to speak, one of those offered.
    pub subprotocol: Option<&'a str>,
    /// How both ends compress.
    pub deflate: Option<DeflateParameters>,
}

/// Why a response does not open a WebSocket. The connection is to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unacceptable {
    /// Not 101; the caller may still follow a redirect or answer a challenge.
    #[error("The server answered with status {0}, not 101.")]
    Status(u16),
    /// `Upgrade` does not name websocket.
    #[error("The response has no Upgrade: websocket.")]
    Upgrade,
    /// `Connection` does not name upgrade.
    #[error("The response has no Connection: Upgrade.")]
    Connection,
    /// Not the digest of our key.
    #[error("The response does not prove that our key was read.")]
    AcceptKey,
    /// A subprotocol that was not offered, or several.
    #[error("The server chose a subprotocol that was not offered.")]
    Subprotocol,
    /// An extension that was not offered, or that does not fit the offer.
    #[error("The server chose an extension that was not offered.")]
    Extension,
}

impl<'a> Offer<'a> {
    /// Writes the header lines that make a request ask for a WebSocket.
    pub fn write_fields(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ");
        out.extend_from_slice(&self.key());
        out.extend_from_slice(b"\r\nSec-WebSocket-Version: 13\r\n");
        if !self.subprotocols.is_empty() {
            out.extend_from_slice(b"Sec-WebSocket-Protocol: ");
            out.extend_from_slice(self.subprotocols.join(", ").as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        if let Some(settings) = &self.deflate {
            out.extend_from_slice(b"Sec-WebSocket-Extensions: ");
            DeflateParameters::offer(settings).write(out);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Judges the response. `fields` are the names and values of its header.
    pub fn verify<'f>(
        &self,
        status: u16,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    ) -> Result<Agreed<'a>, Unacceptable> {
        if status != 101 {
            return Err(Unacceptable::Status(status));
        }
        let mut seen = Seen::default();
        for (name, value) in fields {
            seen.read(name, field::trimmed(value));
        }
        if !seen.names_websocket {
            return Err(Unacceptable::Upgrade);
        }
        if !seen.names_upgrade {
            return Err(Unacceptable::Connection);
        }
        if seen.accept_key.only() != Some(&accept_key(&self.key())) {
            return Err(Unacceptable::AcceptKey);
        }
        Ok(Agreed {
            subprotocol: self.subprotocol(seen.subprotocol)?,
            deflate: self.deflate(seen.extensions)?,
        })
    }

    fn subprotocol(&self, chosen: Once<'_>) -> Result<Option<&'a str>, Unacceptable> {
        if chosen.is_absent() {
            return Ok(None);
        }
        let is_chosen = |own: &&&str| chosen.only() == Some(own.as_bytes());
        self.subprotocols.iter().find(is_chosen).map(|own| Some(*own)).ok_or(Unacceptable::Subprotocol)
    }

    fn deflate(&self, chosen: Once<'_>) -> Result<Option<DeflateParameters>, Unacceptable> {
        if chosen.is_absent() {
            return Ok(None);
        }
        let mut extensions = extension::list(chosen.only().ok_or(Unacceptable::Extension)?);
        let answer = match (extensions.next(), extensions.next()) {
            (None, _) => return Ok(None),
            (Some(Ok(only)), None) if only.name == parameters::NAME => only.parameters,
            _ => return Err(Unacceptable::Extension),
        };
        let agreed = self.deflate.as_ref().and_then(|settings| DeflateParameters::agreed(settings, &answer));
        agreed.map(Some).ok_or(Unacceptable::Extension)
    }

    fn key(&self) -> [u8; 24] {
        let mut key = [0; 24];
        let written = STANDARD.encode_slice(self.nonce, &mut key);
        debug_assert_eq!(written, Ok(key.len()), "16 bytes are 24 characters");
        key
    }
}

/// What the response's fields say, gathered in one pass.
#[derive(Default)]
struct Seen<'a> {
    names_websocket: bool,
    names_upgrade: bool,
    accept_key: Once<'a>,
    subprotocol: Once<'a>,
    extensions: Once<'a>,
}

impl<'a> Seen<'a> {
    fn read(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("upgrade") {
            self.names_websocket |= value.eq_ignore_ascii_case(b"websocket");
        } else if is("connection") {
            self.names_upgrade |= field::names(value, "upgrade");
        } else if is("sec-websocket-accept") {
            self.accept_key.add(value);
        } else if is("sec-websocket-protocol") {
            self.subprotocol.add(value);
        } else if is("sec-websocket-extensions") {
            self.extensions.add(value);
        }
    }
}
