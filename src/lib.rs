//! Tidemill: a socket server for Linux, directly on io_uring.

#[forbid(unsafe_code)]
pub mod cli;
#[forbid(unsafe_code)]
pub mod config;
#[forbid(unsafe_code)]
pub mod error;
pub mod limits;
#[forbid(unsafe_code)]
pub mod log;
pub mod sys;
#[forbid(unsafe_code)]
pub mod tier;
