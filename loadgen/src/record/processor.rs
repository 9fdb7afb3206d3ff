//! The processor time of a thread, as the kernel tells it in /proc (proc_pid_stat(5)).
//!
//! A generator that is busy all the time measures itself; so its own use belongs to the result. The ticks of `stat`
//! last 10 ms, the sum in `schedstat` has nanoseconds.

use std::fs;
use std::ops::{AddAssign, Sub};
use std::time::Duration;

/// How long a tick of /proc lasts: `USER_HZ` is 100 on every architecture that Linux still has.
const TICK: Duration = Duration::from_millis(10);

/// Processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessorTime {
    /// In the program itself.
    pub user: Duration,
    /// In the kernel for it.
    pub system: Duration,
    /// Both, in finer steps than either.
    pub total: Duration,
}

impl ProcessorTime {
    /// What the calling thread has used; nothing where /proc does not say.
    pub fn of_this_thread() -> Self {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
        let (user, system) = parse_stat(&stat).unwrap_or_default();
        let schedstat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let total = parse_schedstat(&schedstat).unwrap_or(user + system);
        Self { user, system, total }
    }
}

impl Sub for ProcessorTime {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
            total: self.total.saturating_sub(earlier.total),
        }
    }
}

impl AddAssign for ProcessorTime {
    fn add_assign(&mut self, other: Self) {
        self.user += other.user;
        self.system += other.system;
        self.total += other.total;
    }
}

/// Fields 14 and 15. The name in field 2 may contain spaces and brackets; the last bracket ends it.
fn parse_stat(text: &str) -> Option<(Duration, Duration)> {
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok().map(|ticks| TICK * ticks);
    Some((ticks()?, ticks()?))
}

/// The first field: nanoseconds on a processor.
fn parse_schedstat(text: &str) -> Option<Duration> {
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_manual() {
        // A line as a kernel printed it; the name is made up to be difficult.
        let line = "8 (a) R (b) S 1 8 8 0 -1 4194304 120 0 0 0 231 45 0 0 20 0 1 0 100 0 0";
        assert_eq!(parse_stat(line), Some((Duration::from_millis(2310), Duration::from_millis(450))));
        assert_eq!(parse_schedstat("2761234567 12 9\n"), Some(Duration::from_nanos(2_761_234_567)));
        assert_eq!((parse_stat(""), parse_schedstat("")), (None, None));
    }

    #[test]
    fn work_takes_processor_time() {
        let before = ProcessorTime::of_this_thread();
        let mut number = 1_u64;
        while (ProcessorTime::of_this_thread() - before).total < Duration::from_millis(1) {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
    }
}
