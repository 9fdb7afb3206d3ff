//! Tests of the whole codec: the documents' own examples, what Autobahn's suite examines, another implementation, and
//! chance.

mod conformance;
mod rfc;
mod support;
mod utf8;
