//! What goes over the wire: clients of streams, of datagrams and of protocols, and the bytes that they send and check.
//!
//! A [`client`] owns its worker's sockets: [`stream`]s of plain bytes, [`datagram`]s, or [`sessions`] that speak a
//! protocol: link, then TLS if there is any, then a [`talk`]. It is told when to send, and tells what came back; it
//! knows no clock and no rate.

pub mod client;
pub mod datagram;
pub mod open;
pub mod outgoing;
pub mod pattern;
pub mod security;
pub mod session;
pub mod sessions;
pub mod slots;
pub mod stream;
pub mod talk;
pub mod verify;
