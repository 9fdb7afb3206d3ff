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
    /// The value as TOML; `None` where it is unset.
    pub show: fn(&T) -> Option<String>,
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
