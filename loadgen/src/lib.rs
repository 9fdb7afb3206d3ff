//! A load generator for socket servers: closed and open loop, every byte checked, latency in whole histograms.
//!
//! It drives the same ring as the server, in the client's role, with one ring per pinned thread. From the top:
//! [`cli`] is what was typed, [`plan`] what follows from it, [`run`] starts the [`worker`]s and collects what they
//! [`record`]ed, [`report`] says it. A worker drives the [`traffic`] of its connections.
//! [`sweep`], [`search`], [`calibrate`] and [`compare`] look at several runs, the last one with [`statistics`].

#![forbid(unsafe_code)]

pub mod calibrate;
pub mod check;
pub mod cli;
pub mod command;
pub mod compare;
pub mod environment;
pub mod load;
pub mod peer;
pub mod plan;
pub mod random;
pub mod record;
pub mod report;
pub mod result;
pub mod run;
pub mod search;
pub mod server_side;
pub mod statistics;
pub mod sweep;
pub mod target;
pub mod traffic;
pub mod worker;
