//! What one source says: the flags, or the file.
//!
//! A layer is not validated and need not be complete. Every value remembers where it was said, so that a problem which
//! shows only later, when all layers lie upon each other, can still point at its cause.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::hub::HubLayer;
use super::units::Cores;
use super::{Config, Listener, LogFormat, LogLevel};
use crate::access::rate::Rate;
use crate::tier::{Engine, RingTier};

/// A value, and where it was said.
#[derive(Clone, Debug)]
pub struct Said<T> {
    /// What was said.
    pub value: T,
    /// By which flag, or where in which file.
    pub place: Place,
}

/// A listener, and where its settings were said.
#[derive(Clone, Debug)]
pub struct SaidListener {
    /// The listener.
    pub value: Listener,
    /// Where its address was said.
    pub place: Place,
    /// Whether it takes the certificate that flags name.
    pub takes_tls: bool,
    places: Places,
}

/// One table of a list, and where its settings were said.
#[derive(Clone, Debug)]
pub struct SaidTable<T> {
    /// What it says.
    pub value: T,
    /// Where it stands.
    pub place: Place,
    places: Places,
}

/// Where settings were said, each by its key with the tables that it stands in.
#[derive(Clone, Debug, Default)]
struct Places(Vec<(String, Place)>);

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
    pub listeners: Option<Said<Vec<SaidListener>>>,
    pub shards: Option<Said<u64>>,
    pub cores: Option<Said<Cores>>,
    pub connections: Option<Said<u64>>,
    pub engine: Option<Said<Engine>>,
    pub engine_max: Option<Said<RingTier>>,
    pub sandbox: Option<Said<bool>>,
    pub congestion: Option<Said<String>>,
    pub idle_timeout: Option<Said<Duration>>,
    pub stall_timeout: Option<Said<Duration>>,
    pub linger_timeout: Option<Said<Duration>>,
    pub drain_timeout: Option<Said<Duration>>,
    pub drain_spread: Option<Said<Duration>>,
    pub handover_drain_timeout: Option<Said<Duration>>,
    pub handover_drain_spread: Option<Said<Duration>>,
    pub high_water: Option<Said<u64>>,
    pub low_water: Option<Said<u64>>,
    pub outbox_per_shard: Option<Said<u64>>,
    pub connections_per_address: Option<Said<u64>>,
    pub accept_rate: Option<Said<Rate>>,
    pub accept_rate_per_address: Option<Said<Rate>>,
    pub request_rate: Option<Said<Rate>>,
    pub request_rate_per_address: Option<Said<Rate>>,
    pub message_rate: Option<Said<Rate>>,
    pub message_rate_per_address: Option<Said<Rate>>,
    pub byte_rate: Option<Said<Rate>>,
    pub byte_rate_per_address: Option<Said<Rate>>,
    pub handshake_timeout: Option<Said<Duration>>,
    pub header_timeout: Option<Said<Duration>>,
    pub keep_alive_timeout: Option<Said<Duration>>,
    pub body_rate_min: Option<Said<u64>>,
    pub head_bytes: Option<Said<u64>>,
    pub headers: Option<Said<u64>>,
    pub body_bytes: Option<Said<u64>>,
    pub message_bytes: Option<Said<u64>>,
    pub ping_interval: Option<Said<Duration>>,
    pub log_format: Option<Said<LogFormat>>,
    pub log_level: Option<Said<LogLevel>>,
    pub hub: Option<HubLayer>,
    /// The certificate of the listeners that take it; the file has a table for each listener instead.
    pub tls_certificate: Option<Said<PathBuf>>,
    /// Its private key.
    pub tls_key: Option<Said<PathBuf>>,
    /// That there is no such certificate, and one is to be made.
    pub tls_self_signed: Option<Said<()>>,
}

impl Layer {
    /// What a program says that fills a configuration itself: every setting, under the name of its key.
    pub(super) fn of(config: &Config) -> Self {
        fn said<T>(key: &'static str, value: T) -> Option<Said<T>> {
            Some(Said::by_default(key, value))
        }
        let listener = |one: &Listener| SaidListener::new(one.clone(), Place::Default("listener.address"));
        Self {
            listeners: said("listener", config.listeners.iter().map(listener).collect()),
            shards: config.shards.and_then(|shards| said("server.shards", shards as u64)),
            cores: config.cores.clone().and_then(|cores| said("server.cores", Cores(cores))),
            connections: said("server.connections", config.connections.into()),
            engine: config.engine.and_then(|engine| said("server.engine", engine)),
            engine_max: config.engine_max.and_then(|tier| said("server.engine_max", tier)),
            sandbox: said("server.sandbox", config.sandbox),
            congestion: config.congestion.clone().and_then(|name| said("server.congestion", name)),
            idle_timeout: said("limits.idle_timeout", config.idle_timeout),
            stall_timeout: said("limits.stall_timeout", config.stall_timeout),
            linger_timeout: said("limits.linger_timeout", config.linger_timeout),
            drain_timeout: said("limits.drain_timeout", config.drain_timeout),
            drain_spread: said("limits.drain_spread", config.drain_spread),
            handover_drain_timeout: said("limits.handover_drain_timeout", config.handover_drain_timeout),
            handover_drain_spread: said("limits.handover_drain_spread", config.handover_drain_spread),
            high_water: said("limits.high_water", config.outbox_high_water_bytes.into()),
            low_water: said("limits.low_water", config.outbox_low_water_bytes.into()),
            outbox_per_shard: said("limits.outbox_per_shard", config.outbox_bytes_per_shard),
            connections_per_address: said(
                "limits.connections_per_address",
                config.connections_per_address.into(),
            ),
            accept_rate: config.accept_rate.and_then(|rate| said("limits.accept_rate", rate)),
            accept_rate_per_address: config
                .accept_rate_per_address
                .and_then(|rate| said("limits.accept_rate_per_address", rate)),
            request_rate: config.request_rate.and_then(|rate| said("limits.request_rate", rate)),
            request_rate_per_address: config
                .request_rate_per_address
                .and_then(|rate| said("limits.request_rate_per_address", rate)),
            message_rate: config.message_rate.and_then(|rate| said("limits.message_rate", rate)),
            message_rate_per_address: config
                .message_rate_per_address
                .and_then(|rate| said("limits.message_rate_per_address", rate)),
            byte_rate: config.byte_rate.and_then(|rate| said("limits.byte_rate", rate)),
            byte_rate_per_address: config
                .byte_rate_per_address
                .and_then(|rate| said("limits.byte_rate_per_address", rate)),
            handshake_timeout: said("limits.handshake_timeout", config.handshake_timeout),
            header_timeout: said("limits.header_timeout", config.header_timeout),
            keep_alive_timeout: said("limits.keep_alive_timeout", config.keep_alive_timeout),
            body_rate_min: said("limits.body_rate_min", config.body_rate_min.into()),
            head_bytes: said("limits.head_bytes", config.head_bytes.into()),
            headers: said("limits.headers", config.headers.into()),
            body_bytes: said("limits.body_bytes", config.body_bytes.into()),
            message_bytes: said("limits.message_bytes", config.message_bytes.into()),
            ping_interval: said("limits.ping_interval", config.ping_interval),
            log_format: said("log.format", config.log_format),
            log_level: said("log.level", config.log_level),
            hub: Some(HubLayer::of(&config.hub)),
            tls_certificate: None,
            tls_key: None,
            tls_self_signed: None,
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
            engine: self.engine.or(below.engine),
            engine_max: self.engine_max.or(below.engine_max),
            sandbox: self.sandbox.or(below.sandbox),
            congestion: self.congestion.or(below.congestion),
            idle_timeout: self.idle_timeout.or(below.idle_timeout),
            stall_timeout: self.stall_timeout.or(below.stall_timeout),
            linger_timeout: self.linger_timeout.or(below.linger_timeout),
            drain_timeout: self.drain_timeout.or(below.drain_timeout),
            drain_spread: self.drain_spread.or(below.drain_spread),
            handover_drain_timeout: self.handover_drain_timeout.or(below.handover_drain_timeout),
            handover_drain_spread: self.handover_drain_spread.or(below.handover_drain_spread),
            high_water: self.high_water.or(below.high_water),
            low_water: self.low_water.or(below.low_water),
            outbox_per_shard: self.outbox_per_shard.or(below.outbox_per_shard),
            connections_per_address: self.connections_per_address.or(below.connections_per_address),
            accept_rate: self.accept_rate.or(below.accept_rate),
            accept_rate_per_address: self.accept_rate_per_address.or(below.accept_rate_per_address),
            request_rate: self.request_rate.or(below.request_rate),
            request_rate_per_address: self.request_rate_per_address.or(below.request_rate_per_address),
            message_rate: self.message_rate.or(below.message_rate),
            message_rate_per_address: self.message_rate_per_address.or(below.message_rate_per_address),
            byte_rate: self.byte_rate.or(below.byte_rate),
            byte_rate_per_address: self.byte_rate_per_address.or(below.byte_rate_per_address),
            handshake_timeout: self.handshake_timeout.or(below.handshake_timeout),
            header_timeout: self.header_timeout.or(below.header_timeout),
            keep_alive_timeout: self.keep_alive_timeout.or(below.keep_alive_timeout),
            body_rate_min: self.body_rate_min.or(below.body_rate_min),
            head_bytes: self.head_bytes.or(below.head_bytes),
            headers: self.headers.or(below.headers),
            body_bytes: self.body_bytes.or(below.body_bytes),
            message_bytes: self.message_bytes.or(below.message_bytes),
            ping_interval: self.ping_interval.or(below.ping_interval),
            log_format: self.log_format.or(below.log_format),
            log_level: self.log_level.or(below.log_level),
            hub: self.hub.or(below.hub),
            tls_certificate: self.tls_certificate.or(below.tls_certificate),
            tls_key: self.tls_key.or(below.tls_key),
            tls_self_signed: self.tls_self_signed.or(below.tls_self_signed),
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

impl SaidListener {
    /// A listener whose address was said there.
    pub fn new(value: Listener, place: Place) -> Self {
        Self { value, place, takes_tls: false, places: Places::default() }
    }

    /// A listener that the flag `--listen` gave.
    pub fn by_flag(value: Listener, takes_tls: bool) -> Self {
        Self { takes_tls, ..Self::new(value, Place::Flag("--listen")) }
    }

    /// Remembers where the setting of that key was said.
    pub(super) fn note(&mut self, key: String, place: Place) {
        self.places.0.push((key, place));
    }

    /// Where the setting of that key was said; else where the listener was.
    pub(super) fn place_of(&self, key: &'static str) -> Place {
        self.places.find(key, &self.place)
    }
}

impl<T> SaidTable<T> {
    /// A table that stands there.
    pub(super) fn new(value: T, place: Place) -> Self {
        Self { value, place, places: Places::default() }
    }

    /// Remembers where the setting of that key was said.
    pub(super) fn note(&mut self, key: String, place: Place) {
        self.places.0.push((key, place));
    }

    /// Where the setting of that key was said; else where the table stands.
    pub(super) fn place_of(&self, key: &'static str) -> Place {
        self.places.find(key, &self.place)
    }
}

impl Places {
    /// Where the setting of that key was said; else `whole`, under the name of the key where nobody has said it.
    fn find(&self, key: &'static str, whole: &Place) -> Place {
        let said = self.0.iter().find(|(noted, _)| noted == key).map(|(_, place)| place.clone());
        said.unwrap_or_else(|| match whole {
            Place::Default(_) => Place::Default(key),
            Place::Flag(_) | Place::File { .. } => whole.clone(),
        })
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
