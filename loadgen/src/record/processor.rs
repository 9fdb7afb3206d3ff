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
    /// How often it gave the core up, to wait.
    pub voluntary_switches: u64,
    /// How often the kernel took the core away from it.
    pub involuntary_switches: u64,
}

impl ProcessorTime {
    /// What the calling thread has used; nothing where /proc does not say.
    pub fn of_this_thread() -> Self {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
        let (user, system) = parse_stat(&stat).unwrap_or_default();
        let schedstat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let total = parse_schedstat(&schedstat).unwrap_or(user + system);
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let (voluntary_switches, involuntary_switches) = parse_switches(&status).unwrap_or_default();
        Self { user, system, total, voluntary_switches, involuntary_switches }
    }
}

impl Sub for ProcessorTime {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
            total: self.total.saturating_sub(earlier.total),
            voluntary_switches: self.voluntary_switches.saturating_sub(earlier.voluntary_switches),
            involuntary_switches: self.involuntary_switches.saturating_sub(earlier.involuntary_switches),
        }
    }
}

impl AddAssign for ProcessorTime {
    fn add_assign(&mut self, other: Self) {
        self.user += other.user;
        self.system += other.system;
        self.total += other.total;
        self.voluntary_switches += other.voluntary_switches;
        self.involuntary_switches += other.involuntary_switches;
    }
}

/// Fields 14 and 15. The name in field 2 may contain spaces and brackets; the last bracket ends it.
pub(crate) fn parse_stat(text: &str) -> Option<(Duration, Duration)> {
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok().map(|ticks| TICK * ticks);
    Some((ticks()?, ticks()?))
}

/// The first field: nanoseconds on a processor.
pub(crate) fn parse_schedstat(text: &str) -> Option<Duration> {
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Voluntary and involuntary context switches (proc_pid_status(5)).
pub(crate) fn parse_switches(status: &str) -> Option<(u64, u64)> {
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    Some((number("voluntary_ctxt_switches:")?, number("nonvoluntary_ctxt_switches:")?))
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

    /// Lines as a kernel printed them.
    #[test]
    fn switches_stand_in_the_status() {
        let status =
            "Mems_allowed_list:\t0\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";
        assert_eq!(parse_switches(status), Some((150, 545)));
        assert_eq!((parse_switches(""), parse_switches("voluntary_ctxt_switches:\t1\n")), (None, None));
    }

    #[test]
    fn waiting_is_a_voluntary_switch() {
        let before = ProcessorTime::of_this_thread();
        let (said, heard) = std::sync::mpsc::sync_channel(0);
        // Each waits for the other one, time and again; at some time the wait is long enough to sleep.
        let other = std::thread::spawn(move || while said.send(()).is_ok() {});
        while (ProcessorTime::of_this_thread() - before).voluntary_switches == 0 {
            heard.recv().unwrap();
        }
        drop(heard);
        other.join().unwrap();
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
