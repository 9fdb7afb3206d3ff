//! When requests are due: in a closed loop whenever an answer has come, in an open loop when the schedule says so.
//!
//! A [`Schedule`] gives intended times, which follow from seed, thread and number alone. A [`Demand`] is what a worker
//! asks each turn: what is due, and since when. Neither knows a socket, and no answer ever changes an intended time.

mod demand;
mod rate;
mod schedule;

pub use demand::{Asked, Batch, Demand};
pub use rate::Course;
pub use schedule::{Schedule, Shape};
