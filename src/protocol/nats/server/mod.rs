//! The server's half of the NATS protocol: reading what a client says, and writing what a server answers.
//!
//! [`Reader`] takes bytes as they come, cut anywhere, and gives [`Op`]s that borrow from them; [`encode`] writes the lines
//! that go back. What each mistake of a client leads to, a sentence, an end, or both, is what nats-server 2.15.1 does with
//! the same bytes: the tests hold the answers that were recorded from it. Whether somebody may do what an operation asks
//! for, and who hears of it, is decided elsewhere.

mod connect;
pub mod encode;
mod fault;
mod info;
mod op;
mod parser;
mod publish;
mod reader;

pub use self::connect::{BadConnect, Connect};
pub use self::fault::{Fault, Violation};
pub use self::info::Info;
pub use self::op::{Op, Publish};
pub use self::parser::Rules;
pub use self::publish::read_next;
pub use self::reader::Reader;

#[cfg(test)]
mod tests;
