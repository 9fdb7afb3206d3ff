//! Every integration test, linked once.

mod drain;
mod hostile;
mod support;
mod tcp;
mod tidy;
mod tiers;
mod udp;
mod unix;
