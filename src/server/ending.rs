//! The end of a server: how much time it has, and the wait for it.

use std::time::Duration;

use super::Server;
use crate::config::Config;
use crate::error::StartError;
use crate::limits;
use crate::shard::DrainTimes;
use crate::sys::signal::{Signals, StopSignal, Woken};

/// How a server ends that was asked to stop.
pub(super) fn by_stop(config: &Config) -> DrainTimes {
    DrainTimes { timeout: config.drain_timeout, spread: config.drain_spread }
}

/// How one ends whose place another process has taken.
pub(super) fn by_hand_over(config: &Config) -> DrainTimes {
    DrainTimes { timeout: config.handover_drain_timeout, spread: config.handover_drain_spread }
}

/// The longest that it may take until the process is gone.
pub(super) fn patience(times: DrainTimes) -> Duration {
    times.timeout.saturating_add(limits::DRAIN_LAST_PATIENCE).saturating_add(limits::EXIT_PATIENCE)
}

/// Stops in order, in these times. A signal to stop ends the wait, and is returned; but where nobody has asked this process to
/// stop before, the first one has it end in the time `when_asked`, as it would have.
pub(super) fn drain(
    server: &mut Server,
    signals: &Signals,
    times: DrainTimes,
    mut when_asked: Option<DrainTimes>,
) -> Result<Option<StopSignal>, StartError> {
    server.stop(times);
    tracing::info!("stopping: {}", said(times));
    while !server.crew.is_over() {
        // The shards end by themselves after the deadline; this wait has no other bound.
        match signals.wait(&server.waker, None).map_err(StartError::Signals)? {
            Woken::Stop(signal) => {
                let Some(times) = when_asked.take() else {
                    tracing::warn!("stopping at once: connections are cut");
                    return Ok(Some(signal));
                };
                server.stop(times);
                tracing::info!("asked to stop as well: {}, if that is sooner", said(times));
            }
            Woken::Reload => tracing::info!("stopping: nothing is read again"),
            Woken::Report | Woken::Upgrade | Woken::Waker | Woken::TimedOut => {}
        }
    }
    Ok(None)
}

fn said(DrainTimes { timeout, spread }: DrainTimes) -> String {
    let timeout = humantime::format_duration(timeout);
    match spread {
        Duration::ZERO => format!("answers have {timeout} to finish"),
        spread => {
            let spread = humantime::format_duration(spread);
            format!("connections are sent away within {spread}, and answers have {timeout} to finish")
        }
    }
}
