//! The client's half of the NATS protocol: reading what a server sends, and writing what a client says.
//!
//! A [`Reader`] turns bytes, cut wherever they are, into [`Event`]s; what lies whole in its input is lent from there and
//! copied nowhere. The functions of [`mod@write`] append what a client says to a vector. Nothing here knows of sockets, of
//! time, or of who is subscribed to what.

mod line;
mod reader;
#[cfg(test)]
mod tests;
pub mod write;

pub use reader::{Event, Limits, Message, ReadError, Reader, Step};
