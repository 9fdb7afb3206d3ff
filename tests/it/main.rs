//! Every integration test, linked once.

mod drain;
mod embed;
mod hostile;
mod operators;
mod support;
mod tcp;
mod tidy;
mod tiers;
mod tls;
mod udp;
mod unix;
mod websocket;
