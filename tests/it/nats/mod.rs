//! The NATS client protocol as others speak it: unmodified clients, a real nats-server beside ours, and what that server
//! answered when it was recorded.
//!
//! The server under test is Tidemill. `TIDEMILL_NATS_PEER=nats-server` puts a real nats-server in its place: whatever fails
//! then is a fault of the tests.

mod client_kit;
mod clients;
mod differential;
mod known;
mod live;
mod model;
mod peer;
mod raw;
mod recorded;
mod script;
mod seeds;
mod tools;
