//! A load generator for socket servers that judges itself.
//!
//! It drives the same ring as the server, in the client's role, with one ring per pinned thread. From the top: [`cli`]
//! is what was typed, [`command`] what is done for it, [`plan`] what follows from the flags, [`run`] starts the
//! [`worker`]s. A worker asks its [`load`] what is due, drives the [`traffic`] of its connections, and [`record`]s what
//! came of it. All records together are a [`result`], which [`check`]s judge and [`report`] shows. [`peer`] is a server
//! whose latency is known. [`pubsub`] is the same for hubs: publishers, subscribers, and what lies between. [`sweep`], [`search`], [`calibrate`] and [`compare`] look at several runs, the last with
//! [`statistics`].

#![forbid(unsafe_code)]

pub mod calibrate;
pub mod check;
pub mod cli;
pub mod command;
pub mod compare;
pub mod environment;
pub mod link;
pub mod load;
pub mod peer;
pub mod plan;
pub mod pubsub;
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
