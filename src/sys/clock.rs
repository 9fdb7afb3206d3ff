//! The only clock.
//!
//! Time enters a turn once, as a [`Time`], and is passed down from there; nobody below reads a clock, so every run
//! can be replayed. `clippy.toml` forbids `Instant::now` everywhere else.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A moment: nanoseconds since this process first read its clock. It never goes back, and it lasts 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The moment of the first reading.
    pub const ZERO: Self = Self(0);

    /// The moment so many nanoseconds after the first reading. Simulated clocks are made of these.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the first reading.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment `duration` later; a deadline beyond the end of time is the end of time.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }

    /// The time that passed since `earlier`; nothing when `earlier` is the later one.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Reads the clock. The first reading of the process is [`Time::ZERO`].
#[expect(clippy::disallowed_methods, reason = "this is the one place where time enters")]
pub fn now() -> Time {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let now = Instant::now();
    let first = *FIRST.get_or_init(|| now);
    Time(nanos(now.saturating_duration_since(first)))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_adds_and_subtracts_in_nanoseconds() {
        let second = Time::ZERO.saturating_add(Duration::from_millis(1500));
        assert_eq!(second.as_nanos(), 1_500_000_000);
        assert_eq!(second.saturating_since(Time::from_nanos(500_000_000)), Duration::from_secs(1));
    }

    #[test]
    fn time_stops_at_both_ends() {
        assert_eq!(Time::ZERO.saturating_since(Time::from_nanos(1)), Duration::ZERO);
        assert_eq!(Time::from_nanos(5).saturating_add(Duration::MAX).as_nanos(), 18_446_744_073_709_551_615);
    }

    #[test]
    fn the_clock_never_goes_back() {
        let readings: Vec<Time> = (0..1000).map(|_| now()).collect();
        assert!(readings.is_sorted());
    }
}
