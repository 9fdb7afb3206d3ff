//! The settings that are one name out of a few.

use std::str::FromStr;

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceName {
    /// What is received is sent back.
    Echo,
    /// HTTP/1.1: pages, and WebSocket at /ws on the same port.
    Http,
    /// Figures and connections, for operators.
    Admin,
    /// The hub, for NATS clients.
    Nats,
    /// The hub, for datagrams: each is published.
    Ingest,
}

/// When TLS begins at a listener of NATS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// After INFO, as clients do it by default.
    #[default]
    Upgrade,
    /// Before INFO, as with HTTPS.
    First,
    /// Before INFO when the client begins it at once, else after.
    Auto,
}

/// What is done with a consumer that does not keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowPolicy {
    /// Its connection is cut.
    #[default]
    Cut,
    /// The oldest of what waits for it is dropped.
    DropOldest,
    /// Of what waits for it, the last message of each subject is kept.
    KeepLatest,
}

/// Whether clients must show a certificate of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    #[default]
    Off,
    /// They are asked, and may come without.
    Optional,
    /// Who shows none is refused.
    Required,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2 and newer.
    #[default]
    V1_2,
    /// TLS 1.3 only.
    V1_3,
}

/// How events are written to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line for a person.
    Human,
    /// One JSON object per line.
    Json,
}

/// The least important events that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What ended the server, or will.
    Error,
    /// What needs a person's eye.
    Warn,
    /// What happens once: start and stop.
    Info,
    /// What happens to single connections: they open, they close.
    Debug,
    /// As debug, for now.
    Trace,
}

/// A text that is none of the names that were possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it takes {0}")]
pub struct NoSuchName(String);

fn pick<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, NoSuchName> {
    let names = || all.iter().map(|&one| name(one)).collect::<Vec<_>>().join(", ");
    all.iter().copied().find(|&one| name(one) == text).ok_or_else(|| NoSuchName(names()))
}

impl ServiceName {
    /// All services.
    pub const ALL: [Self; 5] = [Self::Echo, Self::Http, Self::Admin, Self::Nats, Self::Ingest];

    /// Its name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Http => "http",
            Self::Admin => "admin",
            Self::Nats => "nats",
            Self::Ingest => "publish",
        }
    }
}

impl TlsMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Upgrade, Self::First, Self::Auto];

    /// Its name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::First => "first",
            Self::Auto => "auto",
        }
    }
}

impl SlowPolicy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cut, Self::DropOldest, Self::KeepLatest];

    /// Its name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::DropOldest => "drop-oldest",
            Self::KeepLatest => "keep-latest",
        }
    }
}

impl ClientAuth {
    /// All of them, the weakest first.
    pub const ALL: [Self; 3] = [Self::Off, Self::Optional, Self::Required];

    /// Its name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

impl TlsVersion {
    /// All versions, the oldest first.
    pub const ALL: [Self; 2] = [Self::V1_2, Self::V1_3];

    /// Its name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }
}

impl LogFormat {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Human, Self::Json];

    /// Its name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
        }
    }
}

impl LogLevel {
    /// All levels, the most important first.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// Its name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl FromStr for ServiceName {
    type Err = NoSuchName;

    fn from_str(text: &str) -> Result<Self, NoSuchName> {
        pick(text, &Self::ALL, Self::name)
    }
}

impl FromStr for TlsMode {
    type Err = NoSuchName;

    fn from_str(text: &str) -> Result<Self, NoSuchName> {
        pick(text, &Self::ALL, Self::name)
    }
}

impl FromStr for SlowPolicy {
    type Err = NoSuchName;

    fn from_str(text: &str) -> Result<Self, NoSuchName> {
        pick(text, &Self::ALL, Self::name)
    }
}

impl FromStr for ClientAuth {
    type Err = NoSuchName;

    fn from_str(text: &str) -> Result<Self, NoSuchName> {
        pick(text, &Self::ALL, Self::name)
    }
}

impl FromStr for TlsVersion {
    type Err = NoSuchName;

    fn from_str(text: &str) -> Result<Self, NoSuchName> {
        pick(text, &Self::ALL, Self::name)
    }
}

impl FromStr for LogFormat {
    type Err = NoSuchName;

    fn from_str(text: &str) -> Result<Self, NoSuchName> {
        pick(text, &Self::ALL, Self::name)
    }
}

impl FromStr for LogLevel {
    type Err = NoSuchName;

    fn from_str(text: &str) -> Result<Self, NoSuchName> {
        pick(text, &Self::ALL, Self::name)
    }
}
