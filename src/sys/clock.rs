//! The only clock. Time enters a turn once, as a `Time`, and is passed down from there.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A moment, in nanoseconds since the process first asked for the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The first moment.
    pub const ZERO: Self = Self(0);

    /// The moment this many nanoseconds after the first.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the first moment.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment `duration` later, or the last one there is.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Reads the monotonic clock.
pub fn now() -> Time {
    static START: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    let now = Instant::now();
    let start = START.get_or_init(|| now);
    Time::ZERO.saturating_add(now.saturating_duration_since(*start))
}
