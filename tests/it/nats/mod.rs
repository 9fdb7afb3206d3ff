//! The NATS client protocol as others speak it: unmodified clients, a real nats-server beside ours, and what that server
//! answered when it was recorded.
//!
//! The server under test is Tidemill. `TIDEMILL_NATS_PEER=nats-server` puts a real nats-server in its place: whatever fails
//! then is a fault of the tests.

mod access;
mod browser;
mod client_kit;
mod clients;
mod differential;
mod known;
mod live;
mod model;
mod node;
mod peer;
mod program;
mod python;
mod raw;
mod recorded;
mod script;
mod second_connect;
mod seeds;
mod shards;
mod shared;
mod tls;
pub(crate) mod tokens;
mod toml;
mod tools;
