//! Tidemill: a socket server for Linux, directly on io_uring.

#[forbid(unsafe_code)]
pub mod config;
pub mod limits;
pub mod sys;
#[forbid(unsafe_code)]
pub mod tier;
