//! A process of this host, as `/proc` shows it.
//!
//! The time of all its threads, dead ones included, stands in `stat` in steps of 10 ms. Each living thread's
//! `schedstat` has nanoseconds; their sum is taken as long as it agrees with the former.

use std::fs;
use std::time::Duration;

use tidemill::sys::clock::Time;

use super::{Sample, SourceError};
use crate::record::processor::{parse_schedstat, parse_stat, parse_switches};

/// Most threads that are read one by one: more would take too long.
const THREADS_MAX: usize = 256;
/// What two differences of two counts of 10 ms each can be wrong by, and what happens while the files are read.
const COARSE_ERROR: Duration = Duration::from_millis(40);

/// Reads a process, time and again.
#[derive(Debug)]
pub(super) struct ProcessReader {
    pid: u32,
    /// When it started, in ticks after the host: another process with this number has another.
    started: u64,
    /// The first reading, from which both clocks are counted.
    first: Clocks,
    /// What was told last: it never goes back.
    last: Duration,
}

/// The processor time of a process, read in two ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Clocks {
    /// All threads, in steps.
    coarse: Duration,
    /// Living threads, exactly; `None` when there are too many.
    fine: Option<Duration>,
}

/// What the threads of a process tell.
#[derive(Clone, Copy, Debug, Default)]
struct Threads {
    ran: Duration,
    voluntary: u64,
    involuntary: u64,
}

impl ProcessReader {
    pub(super) fn open(pid: u32) -> Result<Self, SourceError> {
        let stat = read(pid, "stat").ok_or(SourceError::NoProcess(pid))?;
        let started = start_time(&stat).ok_or(SourceError::NoProcess(pid))?;
        let first = Clocks::read(&stat, threads(pid));
        Ok(Self { pid, started, first, last: Duration::ZERO })
    }

    pub(super) fn read(&mut self, now: Time) -> Result<Sample, SourceError> {
        let ended = || SourceError::Ended(self.pid);
        let stat = read(self.pid, "stat").ok_or_else(ended)?;
        if has_ended(&stat) {
            return Err(ended());
        }
        if start_time(&stat) != Some(self.started) {
            return Err(SourceError::Replaced);
        }
        let status = read(self.pid, "status").ok_or_else(ended)?;
        let threads = threads(self.pid);
        let used = Clocks::read(&stat, threads).since(self.first).max(self.last);
        self.last = used;
        Ok(Sample {
            at: now,
            cpu_s: used.as_secs_f64(),
            rss_bytes: resident_bytes(&status).unwrap_or_default(),
            voluntary_switches: threads.map(|threads| threads.voluntary),
            involuntary_switches: threads.map(|threads| threads.involuntary),
        })
    }
}

impl Clocks {
    fn read(stat: &str, threads: Option<Threads>) -> Self {
        let (user, system) = parse_stat(stat).unwrap_or_default();
        Self { coarse: user + system, fine: threads.map(|threads| threads.ran) }
    }

    /// What was used since the first reading. The fine clock is believed until a thread has taken its time with it.
    fn since(self, first: Self) -> Duration {
        let coarse = self.coarse.saturating_sub(first.coarse);
        match (self.fine, first.fine) {
            (Some(fine), Some(first)) if coarse <= fine.saturating_sub(first) + COARSE_ERROR => {
                fine.saturating_sub(first)
            }
            _ => coarse,
        }
    }
}

/// All threads together; `None` when there are too many, or none.
fn threads(pid: u32) -> Option<Threads> {
    let entries: Vec<_> =
        fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten().take(THREADS_MAX + 1).collect();
    if entries.is_empty() || THREADS_MAX < entries.len() {
        return None;
    }
    let mut sum = Threads::default();
    for entry in entries {
        // A thread that has ended in between tells nothing any more.
        let text = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        sum.ran += parse_schedstat(&text("schedstat")).unwrap_or_default();
        let (voluntary, involuntary) = parse_switches(&text("status")).unwrap_or_default();
        sum.voluntary += voluntary;
        sum.involuntary += involuntary;
    }
    Some(sum)
}

fn read(pid: u32, name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/{name}")).ok()
}

/// Whether nobody but its parent waits for this process: field 3 is `Z`, or `X` (proc_pid_stat(5)).
fn has_ended(stat: &str) -> bool {
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
    matches!(state, Some("Z" | "X"))
}

/// Field 22 (proc_pid_stat(5)).
fn start_time(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// `VmRSS`, which is in kB whatever the size of a page is (proc_pid_status(5)).
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_manual() {
        // A line as a kernel printed it; the name is made up to be difficult.
        let stat = "8 (a) R (b) S 1 8 8 0 -1 4194304 120 0 0 0 231 45 0 0 20 0 1 0 100 2400 300";
        assert_eq!((start_time(stat), has_ended(stat)), (Some(100), false));
        assert!(has_ended("8 (a) S) Z 1 8"));
        assert_eq!(
            resident_bytes("VmHWM:\t    1696 kB\nVmRSS:\t    1696 kB\nRssAnon:\t 112 kB\n"),
            Some(1_736_704)
        );
        assert_eq!(resident_bytes("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn the_fine_clock_is_believed_while_the_coarse_one_agrees() {
        let clocks = |coarse: u64, fine: Option<u64>| Clocks {
            coarse: Duration::from_millis(coarse),
            fine: fine.map(Duration::from_micros),
        };
        let check = |first: Clocks, later: Clocks, micros: u64| {
            assert_eq!(later.since(first), Duration::from_micros(micros));
        };
        check(clocks(100, Some(1_000)), clocks(120, Some(13_500)), 12_500);
        // A thread that had used half a second has ended.
        check(clocks(600, Some(600_000)), clocks(700, Some(150_000)), 100_000);
        check(clocks(600, None), clocks(700, None), 100_000);
    }

    #[test]
    fn work_of_this_process_is_seen() {
        let mut reader = ProcessReader::open(std::process::id()).unwrap();
        let before = reader.read(Time::ZERO).unwrap();
        assert!(0 < before.rss_bytes && before.voluntary_switches.is_some());
        let mut number = 1_u64;
        while reader.read(Time::ZERO).unwrap().cpu_s < before.cpu_s + 0.001 {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
    }
}
