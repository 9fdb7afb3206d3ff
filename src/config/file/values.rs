//! Single values of the file: what each kind looks like, and what to say when it does not.
//!
//! Nothing is known here of keys and places. What a reader cannot take it explains with the rest of a sentence that
//! begins with the value.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use toml::de::DeValue;

use super::units;
use crate::access::networks::parse_network;
use crate::access::rate::Rate;

/// Reads one kind of value.
pub(super) type Reader<T> = fn(&DeValue<'_>) -> Result<T, String>;

fn number(value: &DeValue<'_>) -> Option<u64> {
    value.as_integer().and_then(|digits| u64::from_str_radix(digits.as_str(), digits.radix()).ok())
}

pub(super) fn shards(value: &DeValue<'_>) -> Result<u64, String> {
    number(value).ok_or_else(|| format!("{}, without quotes", units::shards_wanted()))
}

pub(super) fn connections(value: &DeValue<'_>) -> Result<u64, String> {
    number(value).ok_or_else(|| format!("{}, without quotes", units::connections_wanted()))
}

pub(super) fn yes_or_no(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "it takes true or false".to_owned())
}

pub(super) fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| "it takes a text in quotes".to_owned())
}

pub(super) fn text_as<T: FromStr<Err: ToString>>(value: &DeValue<'_>) -> Result<T, String> {
    text(value)?.parse().map_err(|error: T::Err| error.to_string())
}

pub(super) fn duration(value: &DeValue<'_>) -> Result<Duration, String> {
    let Some(text) = value.as_str() else {
        return Err("it takes a duration in quotes, such as \"10m\"".to_owned());
    };
    units::parse_duration(text).map_err(|error| error.to_string())
}

/// A size in quotes, or a bare number of bytes.
pub(super) fn size(value: &DeValue<'_>) -> Result<u64, String> {
    let Some(text) = value.as_str() else {
        return number(value)
            .ok_or_else(|| "it takes a size in quotes, such as \"256KiB\", or a number of bytes".to_owned());
    };
    units::parse_size(text).map_err(|error| error.to_string())
}

pub(super) fn mode(value: &DeValue<'_>) -> Result<u32, String> {
    units::parse_mode(text(value)?).map_err(|error| error.to_string())
}

/// A whole number, whatever its bounds are.
pub(super) fn count(value: &DeValue<'_>) -> Result<u64, String> {
    number(value).ok_or_else(|| "it takes a whole number, without quotes".to_owned())
}

/// A whole number of some user's own limit; the larger ones are no limits.
pub(super) fn small_count(value: &DeValue<'_>) -> Result<u32, String> {
    count(value).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

/// A size of some user's own limit.
pub(super) fn small_size(value: &DeValue<'_>) -> Result<u32, String> {
    size(value).map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX))
}

/// Bytes in each second.
pub(super) fn bytes_per_second(value: &DeValue<'_>) -> Result<u64, String> {
    units::parse_bytes_per_second(text(value)?).map_err(|error| error.to_string())
}

/// How often something may happen.
pub(super) fn rate(value: &DeValue<'_>) -> Result<Rate, String> {
    let text = value.as_str().ok_or("it takes a rate in quotes, such as \"100/s\"")?;
    units::parse_rate(text)
}

/// How many bytes may come.
pub(super) fn byte_rate(value: &DeValue<'_>) -> Result<Rate, String> {
    let text = value.as_str().ok_or("it takes a rate in quotes, such as \"1MiB/s\"")?;
    units::parse_byte_rate(text)
}

/// An address or a network.
pub(super) fn network(value: &DeValue<'_>) -> Result<IpNet, String> {
    parse_network(text(value)?).map_err(|error| error.to_string())
}

/// The path of a file, as it stands there.
pub(super) fn path(value: &DeValue<'_>) -> Result<PathBuf, String> {
    let text = text(value)?;
    if text.is_empty() { Err("it takes the path of a file".to_owned()) } else { Ok(text.into()) }
}
