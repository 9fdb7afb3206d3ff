//! The settings that are one name out of a few.

use std::str::FromStr;

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceName {
    /// What is received is sent back.
    Echo,
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
    pub const ALL: [Self; 1] = [Self::Echo];

    /// Its name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
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
