//! The only clock: monotonic nanoseconds since the process first looked.
//!
//! It must not know what the time is used for. A turn reads it once and passes the value down.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// An instant, in nanoseconds since the clock's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The clock's start.
    pub const ZERO: Self = Self(0);

    /// The instant that many nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The instant `duration` later, or the last one that can be named.
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }

    /// The time passed since `earlier`, or nothing when that lies ahead.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The present instant.
pub fn now() -> Time {
    static START: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "this is the clock that the lint points to")]
    let now = Instant::now();
    Time(nanos(now.saturating_duration_since(*START.get_or_init(|| now))))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
