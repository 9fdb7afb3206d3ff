//! WebSocket (RFC 6455), with permessage-deflate (RFC 7692), for both roles.
//!
//! A connection starts with a handshake: [`accept`] judges a request, [`Offer`] makes one and judges its response. After
//! it a [`Receiver`] turns bytes into events, [`sender`] turns messages into bytes, and [`Closing`] says who may still
//! send and when the connection is over. Nothing here knows of sockets, of time, or of how HTTP is parsed.

mod accept;
mod close;
mod closing;
mod deflate;
mod extension;
mod field;
mod frame;
mod host;
mod inflate;
mod mask;
mod offer;
mod origin;
mod parameters;
mod receiver;
pub mod sender;
#[cfg(test)]
mod tests;

pub use accept::{Accepted, Policy, Refused, Request, accept};
pub use close::CloseCode;
pub use closing::{Closing, Next};
pub use deflate::Deflater;
pub use frame::{HeaderBytes, Opcode};
pub use host::{HostRule, is_browser, is_of_browser};
pub use mask::{MaskKeys, apply as apply_mask};
pub use offer::{Agreed, Offer, Unacceptable};
pub use origin::{Admitted, Origin, OriginRule, admit, admits_referer};
pub use parameters::{DeflateParameters, DeflateSettings};
pub use receiver::{Event, Limits, Receiver, Step};

/// Which end of a connection we are. A client masks what it sends, a server does not (RFC 6455, 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We accepted the connection.
    Server,
    /// We opened the connection.
    Client,
}

/// What a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// Why a connection must be failed (RFC 6455, 7.1.7): what the peer did, and the code to close with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// The code of the close frame that tells the peer.
    pub code: CloseCode,
    /// A sentence for the close frame and the log.
    pub reason: &'static str,
}

impl Failure {
    const fn protocol(reason: &'static str) -> Self {
        Self { code: CloseCode::PROTOCOL_ERROR, reason }
    }

    const fn data(reason: &'static str) -> Self {
        Self { code: CloseCode::INVALID_DATA, reason }
    }

    const fn size(reason: &'static str) -> Self {
        Self { code: CloseCode::TOO_BIG, reason }
    }
}
