//! What a result says: to a person at a terminal, to a browser, and to other tools.
//!
//! Everything is made from a [`RunResult`](crate::result::RunResult) and nothing else; only the [`live`] line looks at a
//! run that is not over.

mod failure;
pub mod files;
pub mod label;
pub mod live;
pub mod numbers;
pub mod page;
pub mod table;
mod wrap;

pub use failure::why_not;
pub use numbers::{bytes_of, bytes_of_u64, counted, show_bytes, show_count, show_nanos, show_share};
pub use wrap::{COLUMNS, wrapped};
