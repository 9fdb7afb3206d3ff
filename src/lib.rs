//! Tidemill: a socket server for Linux, directly on io_uring.

pub mod connection;
pub mod limits;
pub mod metrics;
pub mod sys;
