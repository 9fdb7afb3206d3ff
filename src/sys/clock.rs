//! The only clock.
//!
//! Time enters a turn once, as a [`Time`], and is passed down from there; nobody below reads a clock, so every run
//! can be replayed. `clippy.toml` forbids `Instant::now` everywhere else.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

    /// Seconds since the first reading that are over.
    pub const fn whole_seconds(self) -> u64 {
        self.0 / 1_000_000_000
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

/// The processor time of the calling thread since it was started, in the kernel and outside it. Unlike the other clock it costs a
/// system call (clock_gettime(2)), so it is for whoever asks, and not for every turn.
pub fn thread_cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(spent.tv_sec), u32::try_from(spent.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// The time of day, for dates in answers and the time of credentials. It may go back, so nothing is measured with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wall {
    read_at: Option<Time>,
    seconds: u64,
}

impl Wall {
    /// Seconds since 1970 at about `now`: read anew when the last reading is a quarter of a second old.
    #[expect(clippy::disallowed_methods, reason = "this is the one place where time enters")]
    pub fn seconds(&mut self, now: Time) -> u64 {
        let fresh = |read_at: Time| now.saturating_since(read_at) < Duration::from_millis(250);
        if !self.read_at.is_some_and(fresh) {
            self.read_at = Some(now);
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            self.seconds = since.unwrap_or_default().as_secs();
        }
        self.seconds
    }
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

    /// The day on which this was written had begun 1,795,132,800 seconds after 1970.
    #[test]
    fn the_time_of_day_is_read_four_times_a_second() {
        let mut wall = Wall::default();
        let seconds = wall.seconds(Time::from_nanos(5));
        assert!(1_795_132_800 <= seconds, "{seconds}");
        wall.seconds = 7;
        assert_eq!(wall.seconds(Time::from_nanos(250_000_004)), 7);
        assert!(7 < wall.seconds(Time::from_nanos(250_000_005)));
    }

    /// A thread that works for as long as it takes spends time; one that sleeps does not spend that of the sleep.
    #[test]
    fn a_thread_spends_time_when_it_works() {
        let before = thread_cpu();
        while thread_cpu() < before + Duration::from_millis(2) {}
        let idle = std::thread::spawn(thread_cpu).join().unwrap();
        assert!(idle < before + Duration::from_millis(2), "{idle:?} is a thread's own");
        assert_eq!(Time::from_nanos(2_999_999_999).whole_seconds(), 2);
    }

    #[test]
    fn the_clock_never_goes_back() {
        let readings: Vec<Time> = (0..1000).map(|_| now()).collect();
        assert!(readings.is_sorted());
    }
}
