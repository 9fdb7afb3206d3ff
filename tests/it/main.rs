//! Every integration test, linked once.

mod chat_room;

mod abilities;
mod admin;
mod browser;
mod doctor;
mod documents;
mod drain;
mod embed;
mod examples;
mod fuzz;
mod handover;
mod hostile;
mod http;
mod hub;
mod hub_slow;
mod nats;
mod operators;
mod reload;
mod sandbox;
mod spread;
mod strangers;
mod supervised;
mod support;
mod tcp;
mod tidy;
mod tiers;
mod tls;
mod top;
mod tuning;
mod udp;
mod unix;
mod users;
mod watching;
mod websocket;
