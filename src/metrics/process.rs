//! What the process as a whole has used, as the kernel tells it.
//!
//! Reading it opens files, so it is for threads that may wait, and never for a shard.

use std::fs;
use std::time::Duration;

/// How long a tick of /proc lasts: `USER_HZ` is 100 on every architecture that Linux still has.
const TICK: Duration = Duration::from_millis(10);

/// The use of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Processor time of all its threads since it started, those that have ended included, in steps of 10 ms.
    pub cpu: Duration,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
}

impl Process {
    /// Reads that of this process; `None` where /proc does not say.
    pub fn read() -> Option<Self> {
        let cpu = parse_cpu(&fs::read_to_string("/proc/self/stat").ok()?)?;
        let resident_bytes = parse_resident(&fs::read_to_string("/proc/self/status").ok()?)?;
        Some(Self { cpu, resident_bytes })
    }
}

/// Fields 14 and 15 (proc_pid_stat(5)). The name in field 2 may contain spaces and brackets; the last bracket ends it.
fn parse_cpu(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut ticks = after_name.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    let (user, system) = (ticks.next()??, ticks.next()??);
    user.checked_add(system)?.checked_mul(u64::try_from(TICK.as_millis()).ok()?).map(Duration::from_millis)
}

/// `VmRSS`, which is in kB whatever the size of a page is (proc_pid_status(5)).
fn parse_resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_manual() {
        // Lines as a kernel printed them; the name is made up to be difficult.
        let stat = "8 (a) R (b) S 1 8 8 0 -1 4194304 120 0 0 0 231 45 0 0 20 0 1 0 100 0 0";
        assert_eq!(parse_cpu(stat), Some(Duration::from_millis(2760)));
        assert_eq!(parse_resident("VmHWM:\t    1700 kB\nVmRSS:\t    1696 kB\n"), Some(1_736_704));
        assert_eq!((parse_cpu(""), parse_resident("")), (None, None));
        assert_eq!(parse_resident("VmRSS:\t 18446744073709551615 kB\n"), None);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(Process::read().is_some_and(|process| 0 < process.resident_bytes));
    }
}
