//! Every key of the file: its section, its name, what it means and how its value is shown.
//!
//! The reader knows from here what may stand in a file, and the printer what to explain, so that neither can know a key
//! that the other does not.

mod hub;
mod listener;
mod settings;

use std::path::Path;

pub(super) use self::hub::{
    DEFAULT_PERMISSIONS, HUB, HUB_KEYS, HUB_TABLES, PERMISSION_KEYS, SLOW, SLOW_KEYS, USER, USER_KEYS,
};
pub(super) use self::listener::{
    AUTH, AUTH_KEYS, CERTIFICATES, LISTENER, LISTENER_KEYS, LISTENER_TABLES, TLS, TLS_KEYS,
};
pub(super) use self::settings::KEYS;

/// A key of the configuration, or of one listener in it.
pub(super) struct Key<T> {
    /// The table it stands in.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its meaning, its unit, and the trouble it prevents; the default is added by the printer.
    pub about: &'static str,
    /// A value to show where there is none.
    pub example: &'static str,
    /// What becomes of another value that a server reads while it runs.
    pub reload: Reload<T>,
    /// The value as TOML; `None` where it is unset.
    pub show: fn(&T) -> Option<String>,
}

/// What becomes of another value that a server reads while it runs. Whatever needs other sockets, threads, rings or buffers
/// waits for a start.
pub(super) enum Reload<T> {
    /// It holds at once, for connections that are open as well.
    Now,
    /// It holds for connections that come from then on.
    New,
    /// It holds for requests that come from then on, by connections that are open as well.
    Requests,
    /// It holds for connections that come from then on, and those that are open are ended of the users whom it is about.
    Users,
    /// It holds at once, if this count of it is no larger than at the start; else, what runs is put back.
    UpTo(fn(&T) -> u64, fn(&mut T, &T)),
    /// It holds from the next start on: this puts back what runs, from its second argument into the first.
    Start(fn(&mut T, &T)),
}

impl<T> Reload<T> {
    /// The same in words, for whoever edits a file.
    pub(super) fn about(&self) -> &'static str {
        match self {
            Self::Now => "Reload: at once.",
            Self::New => "Reload: for new connections.",
            Self::Requests => "Reload: for new requests and connections.",
            Self::Users => "Reload: for new connections, and those of the users whom it is about are ended.",
            Self::UpTo(..) => "Reload: at once, up to what it was at the start.",
            Self::Start(_) => "Reload: no, from the next start on.",
        }
    }
}

/// A TOML string, escaped where TOML needs it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A path as a TOML string. One that is no text has been refused before.
fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// A list of TOML values; `None` where it is empty.
fn list(values: impl Iterator<Item = String>) -> Option<String> {
    let values: Vec<String> = values.collect();
    (!values.is_empty()).then(|| format!("[{}]", values.join(", ")))
}
