//! Who may come in, how often, and as whom.
//!
//! Pure policy: addresses, times and texts come in, decisions go out. It knows no socket and reads no clock; only
//! [`token::Authenticator::load`] and [`users::Users::load`] read files, once, at start-up and when asked to reload, and only
//! [`users::Judge`] has threads.
//!
//! A connection passes [`networks`] (may this address come at all), then [`addresses`] (are there too many of it, do they
//! come too fast), and what it asks for passes the buckets of its address ([`bucket`], at a [`rate`]). A datagram passes those
//! of its [sender](senders). A request that must
//! say who sends it carries a credential, found by [`credential`], judged by [`token`], refused with [`challenge`]. Whoever speaks in
//! the hub is one of its [`users`].

pub mod address_key;
pub mod addresses;
pub mod bucket;
pub mod challenge;
pub mod credential;
pub mod error;
mod files;
mod jwt;
mod keys;
mod keyset;
pub mod meter;
pub mod networks;
pub mod rate;
pub mod senders;
mod statics;
pub mod token;
pub mod users;

pub use self::statics::first_token;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
