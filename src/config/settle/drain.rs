//! How a server ends: the time that it may take, and the part of it in which connections are sent away.

use std::time::Duration;

use super::super::error::ConfigError;
use super::super::layer::{Layer, Place, Said};
use super::super::units::show_duration;
use super::{within, wrong};
use crate::limits;

/// What the keys of an end come to.
pub(super) struct Drains {
    /// Of a stop: its time-out, and its spread.
    pub(super) stop: (Duration, Duration),
    /// Of a hand-over.
    pub(super) hand_over: (Duration, Duration),
}

/// Takes what `layer` says of ends.
pub(super) fn settle(layer: &mut Layer) -> Result<Drains, ConfigError> {
    let stop = settle_pair(
        said(layer.drain_timeout.take(), "limits.drain_timeout", limits::DRAIN_TIMEOUT),
        said(layer.drain_spread.take(), "limits.drain_spread", limits::DRAIN_SPREAD),
    )?;
    let hand_over = settle_pair(
        said(
            layer.handover_drain_timeout.take(),
            "limits.handover_drain_timeout",
            limits::HANDOVER_DRAIN_TIMEOUT,
        ),
        said(
            layer.handover_drain_spread.take(),
            "limits.handover_drain_spread",
            limits::HANDOVER_DRAIN_SPREAD,
        ),
    )?;
    Ok(Drains { stop, hand_over })
}

fn said(said: Option<Said<Duration>>, key: &'static str, default: Duration) -> Said<Duration> {
    said.unwrap_or_else(|| Said::by_default(key, default))
}

/// A time-out, and the spread that has to lie below it.
fn settle_pair(timeout: Said<Duration>, spread: Said<Duration>) -> Result<(Duration, Duration), ConfigError> {
    let show = |duration: &Duration| show_duration(*duration);
    within(&timeout, (limits::TIMEOUT_MIN, limits::TIMEOUT_MAX), ("shortest", "longest"), show)?;
    within(&spread, (Duration::ZERO, limits::TIMEOUT_MAX), ("shortest", "longest"), show)?;
    if spread.value < timeout.value {
        return Ok((timeout.value, spread.value));
    }
    // The one that somebody set is the one to complain about.
    let (wrong_one, relation, other) = match spread.place {
        Place::Default(_) => (timeout, "longer than", spread),
        Place::Flag(_) | Place::File { .. } => (spread, "shorter than", timeout),
    };
    let (time, other_time) = (show_duration(wrong_one.value), show_duration(other.value));
    Err(wrong(
        wrong_one.place,
        format!("is {time}: it must be {relation} {}, which is {other_time}", other.place.name()),
    ))
}
