//! What the server is asked to be: flags over file over defaults, validated once.
//!
//! Whoever loads a [`Config`] need not doubt it: every number is within its bounds and every relation holds. Whoever
//! fills its fields by hand has them checked by [`Config::validate`]. What only the host can answer (is the port free, is there IPv6, what is in a certificate's file) is found out when the server starts. Data comes from
//! [`Layer`]s, one for each source, and goes to the server as plain fields.

mod change;
pub mod endpoint;
mod error;
mod file;
mod files;
pub mod hub;
mod keys;
pub mod layer;
pub mod listener;
mod names;
mod print;
mod settle;
mod source;
pub mod units;

use std::path::Path;
use std::time::Duration;

pub use self::change::Change;
pub use self::endpoint::Endpoint;
pub use self::error::ConfigError;
pub use self::hub::{Hub, SlowRule};
use self::layer::Layer;
pub use self::listener::{Auth, CertificateFiles, Listener, Tls};
pub use self::names::{
    ClientAuth, LogFormat, LogLevel, NoSuchName, ServiceName, SlowPolicy, TlsMode, TlsVersion,
};
pub use self::source::Source;
use crate::access::rate::Rate;
use crate::limits;
use crate::sys::cpu;
use crate::tier::{Engine, RingTier};

/// The configuration of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens and what it serves there; at least one.
    pub listeners: Vec<Listener>,
    /// How many shards; unset, one for each core.
    pub shards: Option<usize>,
    /// The cores that shards are pinned to; unset, all that the process may use.
    pub cores: Option<Vec<usize>>,
    /// Connections open at once, over all shards.
    pub connections: u32,
    /// What completes operations; unset, io_uring where the host allows it, and its twin by readiness elsewhere.
    pub engine: Option<Engine>,
    /// The newest tier of the engine's abilities that is used; unset, all that there are.
    pub engine_max: Option<RingTier>,
    /// Whether the process shuts itself in once it serves. Of a server that is embedded, it is the rings alone that are shut.
    pub sandbox: bool,
    /// The congestion control of TCP connections; unset, the host's.
    pub congestion: Option<String>,
    /// The longest silence of a connection.
    pub idle_timeout: Duration,
    /// The longest time in which a peer may take nothing of what waits for it.
    pub stall_timeout: Duration,
    /// The time that a peer has to close its side after we have closed ours.
    pub linger_timeout: Duration,
    /// The time that answers have to leave after a stop was asked for.
    pub drain_timeout: Duration,
    /// The part of it in which connections are sent away, one after the other.
    pub drain_spread: Duration,
    /// The time that is left after another process has taken over.
    pub handover_drain_timeout: Duration,
    /// The part of it in which connections are sent away, one after the other.
    pub handover_drain_spread: Duration,
    /// Waiting bytes from which on a peer is not read from.
    pub outbox_high_water_bytes: u32,
    /// Waiting bytes at which a peer is read from again.
    pub outbox_low_water_bytes: u32,
    /// Memory that all that waits in one shard may take.
    pub outbox_bytes_per_shard: u64,
    /// Connections open at once from one address.
    pub connections_per_address: u32,
    /// How often a connection is accepted, over all; unset, without a limit.
    pub accept_rate: Option<Rate>,
    /// How often a connection is accepted, from one address; unset, without a limit.
    pub accept_rate_per_address: Option<Rate>,
    /// How often a request is answered, on one connection; unset, without a limit.
    pub request_rate: Option<Rate>,
    /// How often a request is answered, from one address; unset, without a limit.
    pub request_rate_per_address: Option<Rate>,
    /// How often a WebSocket message is taken, on one connection; unset, without a limit.
    pub message_rate: Option<Rate>,
    /// How often a WebSocket message is taken, from one address; unset, without a limit.
    pub message_rate_per_address: Option<Rate>,
    /// How many bytes are taken, on one connection; unset, without a limit.
    pub byte_rate: Option<Rate>,
    /// How many bytes are taken, from one address; unset, without a limit.
    pub byte_rate_per_address: Option<Rate>,
    /// The time from the accept to the end of the PROXY header and the TLS handshake.
    pub handshake_timeout: Duration,
    /// The time that the whole head of a request may take, from the accept or from its first byte.
    pub header_timeout: Duration,
    /// The silence between two requests of one connection.
    pub keep_alive_timeout: Duration,
    /// Bytes per second below which the body of a request is too slow.
    pub body_rate_min: u32,
    /// Bytes of the head of a request.
    pub head_bytes: u32,
    /// Fields in the head of a request.
    pub headers: u32,
    /// Bytes of the body of a request.
    pub body_bytes: u32,
    /// Bytes of one WebSocket message.
    pub message_bytes: u32,
    /// The silence after which a WebSocket peer is pinged; after as much again it is cut.
    pub ping_interval: Duration,
    /// How events are written.
    pub log_format: LogFormat,
    /// Which events are written.
    pub log_level: LogLevel,
    /// What holds for everybody in the hub, and who its users are.
    pub hub: Hub,
}

impl Config {
    /// Reads the file, if there is one, lays the flags over it, and validates the whole.
    pub fn load(file: Option<&Path>, flags: Layer) -> Result<Self, ConfigError> {
        let file = file.map_or_else(|| Ok(Layer::default()), file::read)?;
        settle::settle(flags.over(file), &cpu::allowed_cores())
    }

    /// Reads the text of a file; paths in it begin at the working directory.
    ///
    /// # Errors
    /// As [`Config::load`], about a file called `text`.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        settle::settle(file::parse("text", Path::new(""), text)?, &cpu::allowed_cores())
    }

    /// Checks fields that a program has filled as [`Config::load`] checks what an operator wrote; [`Config::load`] has
    /// done it already. The cores are compared with those that the calling thread may use: call it before pinning.
    ///
    /// # Errors
    /// Names the first setting that cannot be, by its key in the file.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_on(&cpu::allowed_cores())
    }

    fn validate_on(&self, allowed: &[usize]) -> Result<(), ConfigError> {
        settle::settle(Layer::of(self), allowed).map(|_| ())
    }

    /// The configuration as TOML, with every key explained; read again, it is the same configuration.
    pub fn to_toml(&self) -> String {
        print::print(self)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listeners: listener::default_listeners(),
            shards: None,
            cores: None,
            connections: limits::CONNECTIONS,
            engine: None,
            engine_max: None,
            sandbox: true,
            congestion: None,
            idle_timeout: limits::IDLE_TIMEOUT,
            stall_timeout: limits::STALL_TIMEOUT,
            linger_timeout: limits::LINGER_TIMEOUT,
            drain_timeout: limits::DRAIN_TIMEOUT,
            drain_spread: limits::DRAIN_SPREAD,
            handover_drain_timeout: limits::HANDOVER_DRAIN_TIMEOUT,
            handover_drain_spread: limits::HANDOVER_DRAIN_SPREAD,
            outbox_high_water_bytes: limits::OUTBOX_HIGH_WATER_BYTES,
            outbox_low_water_bytes: limits::OUTBOX_LOW_WATER_BYTES,
            outbox_bytes_per_shard: limits::OUTBOX_BYTES_PER_SHARD,
            connections_per_address: limits::CONNECTIONS_PER_ADDRESS,
            accept_rate: None,
            accept_rate_per_address: None,
            request_rate: None,
            request_rate_per_address: None,
            message_rate: None,
            message_rate_per_address: None,
            byte_rate: None,
            byte_rate_per_address: None,
            handshake_timeout: limits::HANDSHAKE_TIMEOUT,
            header_timeout: limits::HEADER_TIMEOUT,
            keep_alive_timeout: limits::KEEP_ALIVE_TIMEOUT,
            body_rate_min: limits::BODY_RATE_MIN,
            head_bytes: limits::HEAD_BYTES,
            headers: limits::HEADERS,
            body_bytes: limits::BODY_BYTES,
            message_bytes: limits::MESSAGE_BYTES,
            ping_interval: limits::PING_INTERVAL,
            log_format: LogFormat::Human,
            log_level: LogLevel::Info,
            hub: Hub::default(),
        }
    }
}

#[cfg(test)]
mod tests;
