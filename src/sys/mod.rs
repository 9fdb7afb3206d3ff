//! The edge of the process: sockets, cores, signals, descriptors and the only clock.
//!
//! What the operating system offers is turned here into types that the rest can use without care: an address that
//! parsed, a socket that is bound, a signal that became a value. Nothing here knows a ring, a connection or a
//! protocol, and nothing of ours is imported but `limits`. This is one of the two homes of `unsafe` (the other is
//! `ring`); it is used only where neither the standard library nor `socket2` offers the call.

#[forbid(unsafe_code)]
pub mod address;
#[forbid(unsafe_code)]
pub mod adopt;
#[forbid(unsafe_code)]
pub mod bind_error;
#[forbid(unsafe_code)]
pub mod bulletin;
#[forbid(unsafe_code)]
pub mod clock;
#[forbid(unsafe_code)]
pub mod cpu;
pub mod descriptors;
pub mod epoll;
pub mod handover;
pub mod launcher;
pub mod memory;
pub mod priority;
#[forbid(unsafe_code)]
pub mod process;
pub mod sandbox;
pub mod signal;
pub mod socket;
pub mod supervisor;
pub mod timer;
