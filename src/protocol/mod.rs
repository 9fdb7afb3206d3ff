//! Pure codecs, for both roles.
//!
//! A codec takes bytes and gives events, takes messages and gives bytes. It has no socket, no clock and no thread; what
//! it needs to know of time is passed in. What is unfinished is told apart from what never can be right.

pub mod http1;
pub mod nats;
pub mod proxy;
pub mod websocket;
