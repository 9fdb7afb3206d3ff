//! Every integration test, linked once.

mod support;
mod tcp;
mod tidy;
mod tiers;
mod udp;
mod unix;
