//! The configuration file: TOML, with a place for every value.
//!
//! The parser gives a tree of values with their spans; here each known key is taken out of it, and whatever is left is
//! refused. So every complaint, from a missing bracket to a time-out that is too short, can name file, line and column.

mod hub;
mod listener;
mod values;

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use self::values::{
    Reader, byte_rate, bytes_per_second, connections, count, duration, rate, shards, size, text_as, yes_or_no,
};
use super::error::{ConfigError, nearest};
use super::keys::{HUB, KEYS, LISTENER};
use super::layer::{Layer, Place, Position, Said, SaidListener};
use super::units;
use crate::limits;

/// Reads the file at `path`.
pub(super) fn read(path: &Path) -> Result<Layer, ConfigError> {
    let name = path.display().to_string();
    let bytes = read_bytes(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        ConfigError::NotText(position(&name, &valid, valid.len()))
    })?;
    // Absolute, so that a configuration that is printed means the same wherever it is put.
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    parse(&name, whole.parent().unwrap_or(Path::new("")), text)
}

/// Reads the text of a file of that name; paths in it begin at its folder.
pub(super) fn parse(name: &str, folder: &Path, text: &str) -> Result<Layer, ConfigError> {
    let source = Source { name, folder, text };
    let root = DeTable::parse(text).map_err(|error| source.syntax(&error))?;
    let root = Table { source, section: "", table: root.get_ref() };
    root.refuse_unknown(&mut SECTIONS.into_iter())?;
    let table = |section| root.table(section, section);
    let (server, limits, log) = (table("server")?, table("limits")?, table("log")?);
    for table in [server, limits, log].into_iter().flatten() {
        table.refuse_unknown(
            &mut KEYS.iter().filter(|key| key.section == table.section).map(|key| key.name),
        )?;
    }
    Ok(Layer {
        listeners: root.listeners()?,
        shards: server.get("shards", shards)?,
        cores: server.get("cores", text_as)?,
        connections: server.get("connections", connections)?,
        engine: server.get("engine", text_as)?,
        engine_max: server.get("engine_max", text_as)?,
        sandbox: server.get("sandbox", yes_or_no)?,
        congestion: server.get("congestion", text_as)?,
        idle_timeout: limits.get("idle_timeout", duration)?,
        stall_timeout: limits.get("stall_timeout", duration)?,
        linger_timeout: limits.get("linger_timeout", duration)?,
        drain_timeout: limits.get("drain_timeout", duration)?,
        drain_spread: limits.get("drain_spread", duration)?,
        handover_drain_timeout: limits.get("handover_drain_timeout", duration)?,
        handover_drain_spread: limits.get("handover_drain_spread", duration)?,
        high_water: limits.get("high_water", size)?,
        low_water: limits.get("low_water", size)?,
        outbox_per_shard: limits.get("outbox_per_shard", size)?,
        connections_per_address: limits.get("connections_per_address", count)?,
        accept_rate: limits.get("accept_rate", rate)?,
        accept_rate_per_address: limits.get("accept_rate_per_address", rate)?,
        request_rate: limits.get("request_rate", rate)?,
        request_rate_per_address: limits.get("request_rate_per_address", rate)?,
        message_rate: limits.get("message_rate", rate)?,
        message_rate_per_address: limits.get("message_rate_per_address", rate)?,
        byte_rate: limits.get("byte_rate", byte_rate)?,
        byte_rate_per_address: limits.get("byte_rate_per_address", byte_rate)?,
        handshake_timeout: limits.get("handshake_timeout", duration)?,
        header_timeout: limits.get("header_timeout", duration)?,
        keep_alive_timeout: limits.get("keep_alive_timeout", duration)?,
        body_rate_min: limits.get("body_rate_min", bytes_per_second)?,
        head_bytes: limits.get("head_bytes", size)?,
        headers: limits.get("headers", count)?,
        body_bytes: limits.get("body_bytes", size)?,
        message_bytes: limits.get("message_bytes", size)?,
        ping_interval: limits.get("ping_interval", duration)?,
        log_format: log.get("format", text_as)?,
        log_level: log.get("level", text_as)?,
        hub: root.hub()?,
        ..Layer::default()
    })
}

/// The tables that may stand in a file.
const SECTIONS: [&str; 5] = ["server", LISTENER, "limits", "log", HUB];

/// A file's name and text: what a span needs to become a place. And its folder, where relative paths begin.
#[derive(Clone, Copy)]
struct Source<'a> {
    name: &'a str,
    folder: &'a Path,
    text: &'a str,
}

/// One table of the file.
#[derive(Clone, Copy)]
struct Table<'a> {
    source: Source<'a>,
    section: &'static str,
    table: &'a DeTable<'a>,
}

/// A table that may be missing, in which case all its keys are.
trait Get {
    fn get<T>(&self, key: &str, read: Reader<T>) -> Result<Option<Said<T>>, ConfigError>;
}

impl Get for Option<Table<'_>> {
    fn get<T>(&self, key: &str, read: Reader<T>) -> Result<Option<Said<T>>, ConfigError> {
        self.map_or(Ok(None), |table| table.get(key, read))
    }
}

impl<'a> Table<'a> {
    /// The value of `key`, if it is there.
    fn get<T>(&self, key: &str, read: Reader<T>) -> Result<Option<Said<T>>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let value_read = self.read(key, value, read)?;
        Ok(Some(Said { value: value_read, place: self.place(key, value.span()) }))
    }

    /// One value, under the name of its key.
    fn read<T>(&self, key: &str, value: &Spanned<DeValue<'_>>, read: Reader<T>) -> Result<T, ConfigError> {
        read(value.get_ref()).map_err(|reason| {
            let problem = format!("is {}: {reason}", self.source.excerpt(value.span()));
            self.refuse(key, value.span(), problem)
        })
    }

    /// The table of that key, if it is there.
    fn table(&self, key: &str, section: &'static str) -> Result<Option<Self>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let Some(table) = value.get_ref().as_table() else {
            return Err(self.refuse(key, value.span(), format!("is a table: write [{section}]")));
        };
        Ok(Some(Self { source: self.source, section, table }))
    }

    /// The listeners, if there are any tables of them.
    fn listeners(&self) -> Result<Option<Said<Vec<SaidListener>>>, ConfigError> {
        self.each(LISTENER, LISTENER, Self::listener)
    }

    /// What each of a list of tables says, if the list is there; `read` gets the table and its place in the text.
    fn each<T>(
        &self,
        key: &str,
        section: &'static str,
        read: impl Fn(&Self, Range<usize>) -> Result<T, ConfigError>,
    ) -> Result<Option<Said<Vec<T>>>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let wrong = |span| {
            let problem = format!("is a list of tables: write [[{section}]] for each");
            self.refuse(key, span, problem)
        };
        let mut all = Vec::new();
        for each in value.get_ref().as_array().ok_or_else(|| wrong(value.span()))? {
            let table = each.get_ref().as_table().ok_or_else(|| wrong(each.span()))?;
            let table = Self { source: self.source, section, table };
            all.push(read(&table, each.span())?);
        }
        Ok(Some(Said { value: all, place: self.place(key, value.span()) }))
    }

    /// Refuses the first key of the table that is not among `known`.
    fn refuse_unknown(&self, known: &mut dyn Iterator<Item = &'static str>) -> Result<(), ConfigError> {
        let allowed: Vec<&'static str> = known.collect();
        let unknown = self.table.keys().filter(|key| !allowed.contains(&key.get_ref().as_ref()));
        let Some(first) = unknown.min_by_key(|key| key.span().start) else { return Ok(()) };
        Err(ConfigError::UnknownKey {
            position: self.source.position(first.span()),
            key: self.path(first.get_ref()),
            nearest: nearest(first.get_ref(), allowed.iter().copied()),
            allowed,
        })
    }

    fn refuse(&self, key: &str, span: Range<usize>, problem: String) -> ConfigError {
        ConfigError::Setting { place: self.place(key, span), problem }
    }

    fn place(&self, key: &str, span: Range<usize>) -> Place {
        Place::File { position: self.source.position(span), key: self.path(key) }
    }

    /// The key with its section: limits.idle_timeout.
    fn path(&self, key: &str) -> String {
        if self.section.is_empty() { key.to_owned() } else { format!("{}.{key}", self.section) }
    }
}

impl Source<'_> {
    fn position(&self, span: Range<usize>) -> Position {
        position(self.name, self.text, span.start)
    }

    /// The text of a value as it stands in the file, if it is short and on one line.
    fn excerpt(&self, span: Range<usize>) -> &str {
        match self.text.get(span) {
            Some(value) if value.len() <= 80 && !value.contains('\n') => value,
            _ => "something longer",
        }
    }

    fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let span = error.span().unwrap_or(self.text.len()..self.text.len());
        let problem = error.message().lines().collect::<Vec<_>>().join(", ");
        ConfigError::Syntax { position: self.position(span), problem }
    }
}

/// Line and column of a byte, both from 1; columns count characters.
fn position(file: &str, text: &str, byte: usize) -> Position {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let column = before.chars().rev().take_while(|&letter| letter != '\n').count() + 1;
    Position { file: file.to_owned(), line, column }
}

/// The bytes of a file, if they are not too many.
fn read_bytes(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let explain = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound => ConfigError::Missing(path.to_owned()),
        io::ErrorKind::IsADirectory => ConfigError::Directory(path.to_owned()),
        _ => ConfigError::Unreadable { path: path.to_owned(), cause },
    };
    // Looked at before it is opened: opening a pipe without a writer never ends. A directory says so when it is read.
    let kind = fs::metadata(path).map_err(explain)?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(ConfigError::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(explain)?;
    let length = file.take(limits::CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(explain)?;
    if limits::CONFIG_BYTES_MAX < length as u64 {
        return Err(ConfigError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}
