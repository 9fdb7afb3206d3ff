//! The edge: sockets, cores, signals, memory and the only clock.
//!
//! One of the two homes of `unsafe` (the other is `ring`). Knows nothing of what is above it.

pub mod clock;
pub mod memory;
