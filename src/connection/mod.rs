//! One socket's life: what is armed, what waits, and by when it must happen.
//!
//! It must not know what the bytes mean. Bytes come from the ring and go back to it.

pub mod timers;
