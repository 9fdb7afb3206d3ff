//! The server's half of the opening handshake (RFC 6455, 4.2).
//!
//! It judges a request that someone else has parsed, by rules given once, and says what to answer. It knows nothing of
//! paths and of who the client is: that was decided before.

use super::extension;
use super::field;
use super::host::{self, HostRule};
use super::origin::{self, OriginRule};
use super::parameters::{self, DeflateParameters, DeflateSettings};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// Whom a server lets in, and what it offers them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The pages that may connect. Requests without `Origin` come from no browser and are let in.
    pub origins: Vec<OriginRule>,
    /// By which names browsers may ask for the server.
    pub hosts: HostRule,
    /// Subprotocols that the server speaks, the preferred first.
    pub subprotocols: Vec<String>,
    /// How to compress, if at all.
    pub deflate: Option<DeflateSettings>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            origins: vec![OriginRule::SameOrigin],
            hosts: HostRule::Any,
            subprotocols: Vec::new(),
            deflate: None,
        }
    }
}

/// The first line of a request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, as `GET`.
    pub method: &'a [u8],
    /// The version of HTTP, as `(1, 1)`.
    pub version: (u8, u8),
}

/// A request that is answered with `101 Switching Protocols`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted<'p> {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept_key: [u8; 28],
    /// The subprotocol to speak, one of the policy's.
    pub subprotocol: Option<&'p str>,
    /// How both ends compress.
    pub deflate: Option<DeflateParameters>,
}

impl Accepted<'_> {
    /// Writes the header lines of the response: what stands between `HTTP/1.1 101 Switching Protocols` and the empty
    /// line.
    pub fn write_fields(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
        out.extend_from_slice(&self.accept_key);
        if let Some(subprotocol) = self.subprotocol {
            out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
            out.extend_from_slice(subprotocol.as_bytes());
        }
        if let Some(deflate) = self.deflate {
            out.extend_from_slice(b"\r\nSec-WebSocket-Extensions: ");
            deflate.to_extension().write(out);
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Why a request does not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Not a GET.
    #[error("A WebSocket is opened with GET.")]
    Method,
    /// Before HTTP/1.1.
    #[error("A WebSocket is opened with HTTP/1.1.")]
    HttpVersion,
    /// Not exactly one `Host`.
    #[error("The request needs one Host field.")]
    Host,
    /// `Upgrade` does not name websocket.
    #[error("This resource is a WebSocket: the request needs Upgrade: websocket.")]
    Upgrade,
    /// `Connection` does not name upgrade.
    #[error("The request needs Connection: Upgrade.")]
    Connection,
    /// Not version 13.
    #[error("Only version 13 of the WebSocket protocol is spoken here.")]
    Version,
    /// Not exactly one `Sec-WebSocket-Key` of 16 bytes in base64.
    #[error("The request needs one Sec-WebSocket-Key, 16 bytes in base64.")]
    Key,
    /// A browser that names the server by a name that a stranger may have given it.
    #[error("Browsers may not ask for this name here: it has to stand among the listener's origins.")]
    Name,
    /// A page that may not connect.
    #[error("Pages of this origin may not connect.")]
    Origin,
    /// `Sec-WebSocket-Protocol` is no list of tokens.
    #[error("Sec-WebSocket-Protocol is not a list of tokens.")]
    Subprotocol,
    /// `Sec-WebSocket-Extensions` breaks its grammar.
    #[error("Sec-WebSocket-Extensions is not a list of extensions.")]
    Extensions,
}

impl Refused {
    /// The status of the response.
    pub const fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::Name | Self::Origin => 403,
            Self::Upgrade | Self::Version => 426,
            Self::HttpVersion
            | Self::Host
            | Self::Connection
            | Self::Key
            | Self::Subprotocol
            | Self::Extensions => 400,
        }
    }

    /// The field that goes with the status, as a name and a value. `Upgrade` also wants `Connection: Upgrade` (RFC 9110,
    /// 7.8).
    pub const fn field(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Method => Some(("Allow", "GET")),
            Self::Upgrade => Some(("Upgrade", "websocket")),
            Self::Version => Some(("Sec-WebSocket-Version", "13")),
            _ => None,
        }
    }
}

/// Judges a request. `fields` are the names and values of its header, in their order.
pub fn accept<'a, 'p>(
    request: Request<'_>,
    fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    policy: &'p Policy,
) -> Result<Accepted<'p>, Refused> {
    let mut seen = Seen::default();
    for (name, value) in fields {
        seen.read(name, field::trimmed(value), policy);
    }
    if request.method != b"GET" {
        return Err(Refused::Method);
    }
    if request.version < (1, 1) {
        return Err(Refused::HttpVersion);
    }
    let host = seen.host.only().ok_or(Refused::Host)?;
    if !seen.names_websocket {
        return Err(Refused::Upgrade);
    }
    if !seen.names_upgrade {
        return Err(Refused::Connection);
    }
    if seen.version.only() != Some(b"13") {
        return Err(Refused::Version);
    }
    let key = seen.key.only().filter(|key| is_key(key)).ok_or(Refused::Key)?;
    if seen.is_from_browser && !policy.hosts.admits(host, &policy.origins) {
        return Err(Refused::Name);
    }
    if !seen.origin.is_absent() {
        let origin = seen.origin.only().ok_or(Refused::Origin)?;
        if !origin::is_allowed(&policy.origins, origin, host) {
            return Err(Refused::Origin);
        }
    }
    if seen.has_bad_subprotocol {
        return Err(Refused::Subprotocol);
    }
    if seen.has_bad_extension {
        return Err(Refused::Extensions);
    }
    let subprotocol = seen.subprotocol.map(|index| policy.subprotocols[index].as_str());
    Ok(Accepted { accept_key: accept_key(key), subprotocol, deflate: seen.deflate })
}

/// What the header fields say, gathered in one pass.
#[derive(Default)]
struct Seen<'a> {
    host: Once<'a>,
    key: Once<'a>,
    version: Once<'a>,
    origin: Once<'a>,
    is_from_browser: bool,
    names_websocket: bool,
    names_upgrade: bool,
    /// Where the best offered subprotocol stands among the server's.
    subprotocol: Option<usize>,
    has_bad_subprotocol: bool,
    deflate: Option<DeflateParameters>,
    has_bad_extension: bool,
}

impl<'a> Seen<'a> {
    fn read(&mut self, name: &[u8], value: &'a [u8], policy: &Policy) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        self.is_from_browser |= host::is_of_browser(name, value);
        if is("host") {
            self.host.add(value);
        } else if is("upgrade") {
            self.names_websocket |= field::names(value, "websocket");
        } else if is("connection") {
            self.names_upgrade |= field::names(value, "upgrade");
        } else if is("sec-websocket-key") {
            self.key.add(value);
        } else if is("sec-websocket-version") {
            self.version.add(value);
        } else if is("origin") {
            self.origin.add(value);
        } else if is("sec-websocket-protocol") {
            self.read_subprotocols(value, &policy.subprotocols);
        } else if is("sec-websocket-extensions") {
            self.read_extensions(value, policy.deflate.as_ref());
        }
    }

    fn read_subprotocols(&mut self, value: &[u8], ours: &[String]) {
        for offered in field::elements(value) {
            self.has_bad_subprotocol |= field::token(offered).is_none();
            let better = &ours[..self.subprotocol.unwrap_or(ours.len())];
            let found = better.iter().position(|own| own.as_bytes() == offered);
            self.subprotocol = found.or(self.subprotocol);
        }
    }

    /// Takes the first offer of compression that we can keep to: offers stand in the client's order of preference.
    fn read_extensions(&mut self, value: &[u8], settings: Option<&DeflateSettings>) {
        for offered in extension::list(value) {
            let Ok(offer) = offered else {
                self.has_bad_extension = true;
                return;
            };
            let settings = settings.filter(|_| self.deflate.is_none() && offer.name == parameters::NAME);
            if let Some(settings) = settings {
                self.deflate = DeflateParameters::answer(settings, &offer.parameters);
            }
        }
    }
}

/// A field that may stand in a request once.
#[derive(Clone, Copy, Default)]
pub(super) enum Once<'a> {
    #[default]
    Absent,
    Only(&'a [u8]),
    Repeated,
}

impl<'a> Once<'a> {
    pub(super) fn add(&mut self, value: &'a [u8]) {
        *self = if self.is_absent() { Self::Only(value) } else { Self::Repeated };
    }

    pub(super) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    pub(super) const fn only(&self) -> Option<&'a [u8]> {
        match self {
            Self::Only(value) => Some(value),
            Self::Absent | Self::Repeated => None,
        }
    }
}

/// Whether it is 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let mut nonce = [0; 18]; // What 24 characters hold at most.
    key.len() == 24 && STANDARD.decode_slice(key, &mut nonce) == Ok(16)
}

/// The proof that a server has understood: a digest of the key and a constant (RFC 6455, 4.2.2).
pub(super) fn accept_key(key: &[u8]) -> [u8; 28] {
    let digest = Sha1::new().chain_update(key).chain_update(KEY_SUFFIX).finalize();
    let mut encoded = [0; 28];
    let written = STANDARD.encode_slice(digest, &mut encoded);
    debug_assert_eq!(written, Ok(encoded.len()), "20 bytes are 28 characters");
    encoded
}

const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
