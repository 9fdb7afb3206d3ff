//! What one source says: the flags, or the file.
//!
//! A layer is not validated and need not be complete. Every value remembers where it was said, so that a problem which
//! shows only later, when all layers lie upon each other, can still point at its cause.

use std::fmt;
use std::time::Duration;

use super::units::Cores;
use super::{Config, Listener, LogFormat, LogLevel};
use crate::tier::RingTier;

/// A value, and where it was said.
#[derive(Clone, Debug)]
pub struct Said<T> {
    /// What was said.
    pub value: T,
    /// By which flag, or where in which file.
    pub place: Place,
}

/// Where a value was said. It is shown in front of every problem with the value.
#[derive(Clone, Debug)]
pub enum Place {
    /// Nowhere, or by a program: it is the default of this key, or its field.
    Default(&'static str),
    /// By a flag.
    Flag(&'static str),
    /// In the file.
    File {
        /// File, line and column of the value.
        position: Position,
        /// Section and key.
        key: String,
    },
}

/// A place in a file; lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file, as it was named by the operator.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// What one source says.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the fields are those of Config, where each is explained")]
pub struct Layer {
    pub listeners: Option<Said<Vec<Said<Listener>>>>,
    pub shards: Option<Said<u64>>,
    pub cores: Option<Said<Cores>>,
    pub connections: Option<Said<u64>>,
    pub ring_max: Option<Said<RingTier>>,
    pub congestion: Option<Said<String>>,
    pub idle_timeout: Option<Said<Duration>>,
    pub stall_timeout: Option<Said<Duration>>,
    pub linger_timeout: Option<Said<Duration>>,
    pub drain_timeout: Option<Said<Duration>>,
    pub high_water: Option<Said<u64>>,
    pub low_water: Option<Said<u64>>,
    pub outbox_per_shard: Option<Said<u64>>,
    pub log_format: Option<Said<LogFormat>>,
    pub log_level: Option<Said<LogLevel>>,
}

impl Layer {
    /// What a program says that fills a configuration itself: every setting, under the name of its key.
    pub(super) fn of(config: &Config) -> Self {
        fn said<T>(key: &'static str, value: T) -> Option<Said<T>> {
            Some(Said::by_default(key, value))
        }
        let listener = |listener: &Listener| Said::by_default("listener.address", listener.clone());
        Self {
            listeners: said("listener", config.listeners.iter().map(listener).collect()),
            shards: config.shards.and_then(|shards| said("server.shards", shards as u64)),
            cores: config.cores.clone().and_then(|cores| said("server.cores", Cores(cores))),
            connections: said("server.connections", config.connections.into()),
            ring_max: config.ring_max.and_then(|tier| said("server.ring_max", tier)),
            congestion: config.congestion.clone().and_then(|name| said("server.congestion", name)),
            idle_timeout: said("limits.idle_timeout", config.idle_timeout),
            stall_timeout: said("limits.stall_timeout", config.stall_timeout),
            linger_timeout: said("limits.linger_timeout", config.linger_timeout),
            drain_timeout: said("limits.drain_timeout", config.drain_timeout),
            high_water: said("limits.high_water", config.outbox_high_water_bytes.into()),
            low_water: said("limits.low_water", config.outbox_low_water_bytes.into()),
            outbox_per_shard: said("limits.outbox_per_shard", config.outbox_bytes_per_shard),
            log_format: said("log.format", config.log_format),
            log_level: said("log.level", config.log_level),
        }
    }

    /// Lays `self` over `below`: what both say, `self` says.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            listeners: self.listeners.or(below.listeners),
            shards: self.shards.or(below.shards),
            cores: self.cores.or(below.cores),
            connections: self.connections.or(below.connections),
            ring_max: self.ring_max.or(below.ring_max),
            congestion: self.congestion.or(below.congestion),
            idle_timeout: self.idle_timeout.or(below.idle_timeout),
            stall_timeout: self.stall_timeout.or(below.stall_timeout),
            linger_timeout: self.linger_timeout.or(below.linger_timeout),
            drain_timeout: self.drain_timeout.or(below.drain_timeout),
            high_water: self.high_water.or(below.high_water),
            low_water: self.low_water.or(below.low_water),
            outbox_per_shard: self.outbox_per_shard.or(below.outbox_per_shard),
            log_format: self.log_format.or(below.log_format),
            log_level: self.log_level.or(below.log_level),
        }
    }
}

impl<T> Said<T> {
    /// A value that a flag gave.
    pub fn by_flag(flag: &'static str, value: T) -> Self {
        Self { value, place: Place::Flag(flag) }
    }

    /// The value of a key that nobody set.
    pub fn by_default(key: &'static str, value: T) -> Self {
        Self { value, place: Place::Default(key) }
    }
}

impl Place {
    /// The flag or the key by itself.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Default(name) | Self::Flag(name) => name,
            Self::File { key, .. } => key,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(key) => f.write_str(key),
            Self::Flag(flag) => f.write_str(flag),
            Self::File { position, key } => write!(f, "{position}: {key}"),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
