//! Tidemill: a socket server for Linux, directly on io_uring.

pub mod limits;
pub mod ring;
pub mod sys;
pub mod tier;
