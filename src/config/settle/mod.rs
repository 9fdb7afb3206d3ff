//! The validation: from what was said to what holds.
//!
//! Each setting is checked against its bounds, then against its neighbours. A problem is told at the place where
//! somebody said the value, and a default is never blamed when somebody said the other one.

mod access;
mod drain;
mod hub;
mod listener;
mod names;
mod speaker;
mod tls;
mod web;

use std::path::Path;
use std::time::Duration;

use super::error::ConfigError;
use super::layer::{Layer, Place, Said, SaidListener};
use super::units::{Cores, show_bytes_per_second, show_duration, show_size};
use super::{Config, LogFormat, LogLevel};
use crate::limits;

/// More connections than any configuration can have.
#[expect(clippy::cast_possible_truncation, reason = "it is 1024")]
const CONNECTIONS_MAX: u32 = limits::CONNECTIONS_PER_SHARD_MAX * limits::SHARDS_MAX as u32;

/// Fills what `layer` leaves open with the defaults and validates the whole; `allowed` are the process's cores.
pub(super) fn settle(mut layer: Layer, allowed: &[usize]) -> Result<Config, ConfigError> {
    let drains = drain::settle(&mut layer)?;
    let tls = tls::of_flags(layer.tls_certificate, layer.tls_key, layer.tls_self_signed)?;
    let hub = hub::settle(layer.hub)?;
    let listeners = listener::settle(layer.listeners, tls, &hub)?;
    let cores = layer.cores.map(|cores| settle_cores(cores, allowed)).transpose()?;
    let shards = layer.shards.map(|shards| settle_shards(&shards, cores.as_ref())).transpose()?;
    let cores = cores.map(|said| said.value.0);
    let shard_count = shards.or(cores.as_ref().map(Vec::len)).unwrap_or(allowed.len()).max(1);
    let connections = settle_connections(layer.connections, shard_count)?;
    let (high, low, per_shard) = settle_outbox(layer.high_water, layer.low_water, layer.outbox_per_shard)?;
    Ok(Config {
        listeners,
        shards,
        cores,
        connections,
        engine: layer.engine.map(|said| said.value),
        engine_max: layer.engine_max.map(|said| said.value),
        sandbox: layer.sandbox.is_none_or(|said| said.value),
        congestion: layer.congestion.map(settle_congestion).transpose()?,
        idle_timeout: settle_timeout(layer.idle_timeout, limits::IDLE_TIMEOUT)?,
        stall_timeout: settle_timeout(layer.stall_timeout, limits::STALL_TIMEOUT)?,
        linger_timeout: settle_timeout(layer.linger_timeout, limits::LINGER_TIMEOUT)?,
        drain_timeout: drains.stop.0,
        drain_spread: drains.stop.1,
        handover_drain_timeout: drains.hand_over.0,
        handover_drain_spread: drains.hand_over.1,
        outbox_high_water_bytes: high,
        outbox_low_water_bytes: low,
        outbox_bytes_per_shard: per_shard,
        connections_per_address: settle_count(
            layer.connections_per_address,
            limits::CONNECTIONS_PER_ADDRESS,
            CONNECTIONS_MAX,
        )?,
        accept_rate: layer.accept_rate.map(|said| said.value),
        accept_rate_per_address: layer.accept_rate_per_address.map(|said| said.value),
        request_rate: layer.request_rate.map(|said| said.value),
        request_rate_per_address: layer.request_rate_per_address.map(|said| said.value),
        message_rate: layer.message_rate.map(|said| said.value),
        message_rate_per_address: layer.message_rate_per_address.map(|said| said.value),
        byte_rate: layer.byte_rate.map(|said| said.value),
        byte_rate_per_address: layer.byte_rate_per_address.map(|said| said.value),
        handshake_timeout: settle_timeout(layer.handshake_timeout, limits::HANDSHAKE_TIMEOUT)?,
        header_timeout: settle_timeout(layer.header_timeout, limits::HEADER_TIMEOUT)?,
        keep_alive_timeout: settle_timeout(layer.keep_alive_timeout, limits::KEEP_ALIVE_TIMEOUT)?,
        body_rate_min: settle_body_rate(layer.body_rate_min)?,
        head_bytes: settle_size(
            layer.head_bytes,
            limits::HEAD_BYTES,
            (limits::HEAD_BYTES_MIN, limits::HEAD_BYTES_MAX),
        )?,
        headers: settle_count(layer.headers, limits::HEADERS, limits::HEADERS_MAX)?,
        body_bytes: settle_size(layer.body_bytes, limits::BODY_BYTES, (1, limits::BODY_BYTES_MAX))?,
        message_bytes: settle_size(
            layer.message_bytes,
            limits::MESSAGE_BYTES,
            (1, limits::MESSAGE_BYTES_MAX),
        )?,
        ping_interval: settle_timeout(layer.ping_interval, limits::PING_INTERVAL)?,
        log_format: layer.log_format.map_or(LogFormat::Human, |said| said.value),
        log_level: layer.log_level.map_or(LogLevel::Info, |said| said.value),
        hub,
    })
}

fn wrong(place: Place, problem: String) -> ConfigError {
    ConfigError::Setting { place, problem }
}

/// As [`check_path`], of a listener's key.
fn check_file(said: &SaidListener, key: &'static str, file: &Path) -> Result<(), ConfigError> {
    check_path(said.place_of(key), file)
}

/// Refuses a file whose name cannot be printed and read again. Whether it is there is found out when it is read.
fn check_path(place: Place, file: &Path) -> Result<(), ConfigError> {
    let problem = match file.to_str() {
        Some("") => "is \"\": it takes the path of a file".to_owned(),
        Some(_) => return Ok(()),
        None => format!("is {file:?}, which is not UTF-8: a configuration can only name files that are"),
    };
    Err(wrong(place, problem))
}

fn settle_cores(Said { value, place }: Said<Cores>, allowed: &[usize]) -> Result<Said<Cores>, ConfigError> {
    if value.0.is_empty() {
        return Err(wrong(place, "is empty: a shard needs a core".to_owned()));
    }
    if let Some(twice) = (1..value.0.len()).find(|&index| value.0[..index].contains(&value.0[index])) {
        return Err(wrong(place, format!("names core {} twice", value.0[twice])));
    }
    if let Some(core) = value.0.iter().find(|core| !allowed.contains(core)) {
        let allowed = Cores(allowed.to_vec());
        let problem = format!("is {value}: core {core} may not be used by this process, which has {allowed}");
        return Err(wrong(place, problem));
    }
    Ok(Said { value, place })
}

fn settle_shards(said: &Said<u64>, cores: Option<&Said<Cores>>) -> Result<usize, ConfigError> {
    let shards = within(said, (1, limits::SHARDS_MAX as u64), ("least", "most"), u64::to_string)?;
    let shards = usize::try_from(shards).unwrap_or(limits::SHARDS_MAX);
    match cores {
        Some(cores) if cores.value.0.len() < shards => {
            let problem = format!("is {shards}: {} names {} only", cores.place.name(), cores.value.0.len());
            Err(wrong(said.place.clone(), problem))
        }
        _ => Ok(shards),
    }
}

fn settle_connections(said: Option<Said<u64>>, shards: usize) -> Result<u32, ConfigError> {
    let said = said.unwrap_or_else(|| Said::by_default("server.connections", limits::CONNECTIONS.into()));
    let most = u64::from(limits::CONNECTIONS_PER_SHARD_MAX) * shards as u64;
    within(&said, (1, most.min(u32::MAX.into())), ("least", "most"), u64::to_string).map(narrow)
}

fn settle_congestion(Said { value, place }: Said<String>) -> Result<String, ConfigError> {
    // TCP_CA_NAME_MAX of linux/tcp.h is 16, its end included.
    if value.is_empty() || 15 < value.len() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        let problem = format!("is {value:?}: it takes a name such as cubic or bbr, of at most 15 letters");
        return Err(wrong(place, problem));
    }
    Ok(value)
}

fn settle_timeout(said: Option<Said<Duration>>, default: Duration) -> Result<Duration, ConfigError> {
    let Some(said) = said else { return Ok(default) };
    let bounds = (limits::TIMEOUT_MIN, limits::TIMEOUT_MAX);
    within(&said, bounds, ("shortest", "longest"), |duration| show_duration(*duration))
}

/// Refuses a time that does not lie between the two bounds, which belong to what is allowed.
fn within_time(place: Place, value: Duration, bounds: (Duration, Duration)) -> Result<(), ConfigError> {
    let said = Said { value, place };
    within(&said, bounds, ("shortest", "longest"), |duration| show_duration(*duration)).map(|_| ())
}

fn settle_count(said: Option<Said<u64>>, default: u32, most: u32) -> Result<u32, ConfigError> {
    let Some(said) = said else { return Ok(default) };
    within(&said, (1, most.into()), ("least", "most"), u64::to_string).map(narrow)
}

fn settle_size(said: Option<Said<u64>>, default: u32, (least, most): (u32, u32)) -> Result<u32, ConfigError> {
    let Some(said) = said else { return Ok(default) };
    let bounds = (least.into(), most.into());
    within(&said, bounds, ("smallest", "largest"), |bytes| show_size(*bytes)).map(narrow)
}

fn settle_body_rate(said: Option<Said<u64>>) -> Result<u32, ConfigError> {
    let Some(said) = said else { return Ok(limits::BODY_RATE_MIN) };
    let bounds = (1, limits::BODY_RATE_MIN_MAX.into());
    within(&said, bounds, ("slowest", "fastest"), |bytes| show_bytes_per_second(*bytes)).map(narrow)
}

/// High water, low water and the shard's memory, each within its bounds and in this order: low < high <= memory.
fn settle_outbox(
    high: Option<Said<u64>>,
    low: Option<Said<u64>>,
    per_shard: Option<Said<u64>>,
) -> Result<(u32, u32, u64), ConfigError> {
    let high =
        high.unwrap_or_else(|| Said::by_default("limits.high_water", limits::OUTBOX_HIGH_WATER_BYTES.into()));
    let low =
        low.unwrap_or_else(|| Said::by_default("limits.low_water", limits::OUTBOX_LOW_WATER_BYTES.into()));
    let per_shard = per_shard
        .unwrap_or_else(|| Said::by_default("limits.outbox_per_shard", limits::OUTBOX_BYTES_PER_SHARD));
    let highest = u64::from(limits::OUTBOX_HIGH_WATER_BYTES_MAX);
    let bounds = (u64::from(limits::OUTBOX_HIGH_WATER_BYTES_MIN), highest);
    within(&high, bounds, ("smallest", "largest"), |bytes| show_size(*bytes))?;
    within(&low, (1, highest), ("smallest", "largest"), |bytes| show_size(*bytes))?;
    let bounds = (1, limits::OUTBOX_BYTES_PER_SHARD_MAX);
    within(&per_shard, bounds, ("smallest", "largest"), |bytes| show_size(*bytes))?;
    if high.value <= low.value {
        return Err(out_of_order(&low, "below", &high, "above"));
    }
    if per_shard.value < high.value {
        return Err(out_of_order(&high, "at most", &per_shard, "at least"));
    }
    Ok((narrow(high.value), narrow(low.value), per_shard.value))
}

/// Two values against each other: the one that somebody set is the one to complain about.
fn out_of_order(low: &Said<u64>, below: &str, high: &Said<u64>, above: &str) -> ConfigError {
    let (wrong_one, relation, other) =
        if let Place::Default(_) = low.place { (high, above, low) } else { (low, below, high) };
    let (size, other_size) = (show_size(wrong_one.value), show_size(other.value));
    let problem = format!("is {size}: it must be {relation} {}, which is {other_size}", other.place.name());
    wrong(wrong_one.place.clone(), problem)
}

/// The value, if it lies between the two bounds, which belong to what is allowed.
fn within<T: Copy + PartialOrd>(
    said: &Said<T>,
    (least, most): (T, T),
    (small, large): (&str, &str),
    show: impl Fn(&T) -> String,
) -> Result<T, ConfigError> {
    let value = said.value;
    let (name, bound) = if value < least { (small, least) } else { (large, most) };
    if least <= value && value <= most {
        return Ok(value);
    }
    Err(wrong(said.place.clone(), format!("is {}: the {name} is {}", show(&value), show(&bound))))
}

/// A number whose bounds, checked before, fit into 32 bits.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
