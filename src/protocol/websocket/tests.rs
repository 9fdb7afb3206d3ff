//! Tests of the whole codec: the documents' own examples, what Autobahn's suite examines, another implementation, and
//! chance.

mod conformance;
mod deflate;
mod differential;
mod fuzz;
mod handshake;
mod pieces;
mod rfc;
mod sending;
mod support;
mod utf8;
