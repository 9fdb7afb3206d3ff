//! The edge to the operating system: the one place that knows the clock.
//!
//! It must not know rings, connections or protocols. Data comes from system calls and goes up as plain values.

pub mod clock;
