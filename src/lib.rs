//! Tidemill: a socket server for Linux, directly on io_uring.

#[forbid(unsafe_code)]
pub mod cli;
#[forbid(unsafe_code)]
pub mod config;
#[forbid(unsafe_code)]
pub mod connection;
#[forbid(unsafe_code)]
pub mod error;
#[forbid(unsafe_code)]
pub mod limits;
#[forbid(unsafe_code)]
pub mod log;
#[forbid(unsafe_code)]
pub mod metrics;
pub mod ring;
#[forbid(unsafe_code)]
pub mod server;
#[forbid(unsafe_code)]
pub mod service;
#[forbid(unsafe_code)]
pub mod shard;
pub mod sys;
#[forbid(unsafe_code)]
pub mod tier;
