//! The NATS client protocol: what a client and a server say to one another, as pure codecs for both roles.
//!
//! A message goes from a publisher (`PUB`, `HPUB`) through a server to subscribers (`MSG`, `HMSG`); everything else is
//! about interest (`SUB`, `UNSUB`), introductions (`INFO`, `CONNECT`) and life signs (`PING`, `PONG`, `+OK`, `-ERR`). Lines
//! end with CRLF; a payload follows its line and has a CRLF of its own (<https://docs.nats.io/reference/reference-protocols/nats-protocol>).
//! [`client`] is the half that a client needs: the load generator speaks with it. [`server`] is the other one, and
//! [`subject`] holds the rules of names.

pub mod client;
pub mod server;
pub mod subject;
