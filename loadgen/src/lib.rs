//! A load generator for socket servers: closed loop, every byte checked, latency in whole histograms.
//!
//! It drives the same ring as the server, in the client's role, with one ring per pinned thread. From the top:
//! [`cli`] is what was typed, [`plan`] what follows from it, [`run`] starts the [`worker`]s and collects what they
//! [`record`]ed, [`report`] says it. A worker drives a [`client`]: [`stream`]s of plain bytes, [`datagram`]s, or
//! [`sessions`] that speak a protocol: link, then TLS if there is any, then a [`talk`].

#![forbid(unsafe_code)]

pub mod cli;
pub mod client;
pub mod datagram;
pub mod link;
pub mod live;
pub mod open;
pub mod outgoing;
pub mod pattern;
pub mod plan;
pub mod processor;
pub mod record;
pub mod report;
pub mod run;
pub mod security;
pub mod session;
pub mod sessions;
pub mod slots;
pub mod stream;
pub mod talk;
pub mod target;
pub mod verify;
pub mod worker;
