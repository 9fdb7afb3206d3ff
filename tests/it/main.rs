//! Every integration test, linked once.

mod chat_room;
mod drain;
mod embed;
mod examples;
mod fuzz;
mod hostile;
mod http;
mod operators;
mod support;
mod tcp;
mod tidy;
mod tiers;
mod udp;
mod unix;
