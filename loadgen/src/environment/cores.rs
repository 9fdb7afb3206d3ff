//! The cores that a server's threads may use, and which of these threads work at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use crate::record::processor::parse_schedstat;

/// Most threads of a process that are looked at.
const THREADS_MAX: usize = 1024;
/// Most cores in a list: what a kernel for the largest machines is built with.
const CORES_MAX: usize = 8192;
/// A thread works when it has used at least this share of its process's time; one that only waits shares no core.
const WORKING_SHARE: f64 = 0.05;
/// Below this nobody has worked, so all threads count.
const WORK_MIN: Duration = Duration::from_millis(10);

/// The threads of a process at one moment, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Threads(BTreeMap<u32, Thread>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Thread {
    /// Time that it has run.
    ran: Duration,
    /// Cores that it may use: a thread that is pinned has fewer than its process.
    allowed: BTreeSet<usize>,
}

impl Threads {
    /// Reads them; `None` when there is no such process.
    pub(super) fn read(pid: u32) -> Option<Self> {
        let entries = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let threads = entries.flatten().take(THREADS_MAX).filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let status = fs::read_to_string(entry.path().join("status")).ok()?;
            let schedstat = fs::read_to_string(entry.path().join("schedstat")).unwrap_or_default();
            let ran = parse_schedstat(&schedstat).unwrap_or_default();
            Some((number, Thread { ran, allowed: allowed_cores(&status)? }))
        });
        let threads: BTreeMap<_, _> = threads.collect();
        (!threads.is_empty()).then_some(Self(threads))
    }

    /// The cores of those that have done the work since an earlier moment.
    pub(super) fn working_cores(&self, earlier: &Self) -> BTreeSet<usize> {
        let ran = |(number, thread): (&u32, &Thread)| {
            thread.ran.saturating_sub(earlier.0.get(number).map_or(Duration::ZERO, |earlier| earlier.ran))
        };
        let all: Duration = self.0.iter().map(ran).sum();
        let works = |entry: &(&u32, &Thread)| all < WORK_MIN || all.mul_f64(WORKING_SHARE) <= ran(*entry);
        self.0.iter().filter(works).flat_map(|(_, thread)| thread.allowed.iter().copied()).collect()
    }
}

/// The mask in a thread's status (proc_pid_status(5)).
fn allowed_cores(status: &str) -> Option<BTreeSet<usize>> {
    status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).map(core_list)
}

/// A list of cores as the kernel writes it (cpuset(7), "List format"): `0-4,9`, or `0-31:2/16`, which is not used for
/// these files. What is not understood is left out.
pub(super) fn core_list(text: &str) -> BTreeSet<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        (last < CORES_MAX).then_some(first..=last)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(threads: &[(u64, &str)]) -> Threads {
        let made = threads.iter().map(|(ran_ms, allowed)| Thread {
            ran: Duration::from_millis(*ran_ms),
            allowed: core_list(allowed),
        });
        Threads((1..).zip(made).collect())
    }

    fn check(earlier: &[(u64, &str)], later: &[(u64, &str)], expected: &[usize]) {
        let found = threads(later).working_cores(&threads(earlier));
        assert_eq!(found, expected.iter().copied().collect());
    }

    /// The examples of cpuset(7), and what is no list.
    #[test]
    fn lists_are_those_of_the_manual() {
        let list = |text: &str| core_list(text).into_iter().collect::<Vec<_>>();
        assert_eq!(list("0-4,9\n"), [0, 1, 2, 3, 4, 9]);
        assert_eq!(list("0-2,7,12-14"), [0, 1, 2, 7, 12, 13, 14]);
        assert_eq!(list("3"), [3]);
        assert_eq!(list(""), [0_usize; 0]);
        assert_eq!(list("x,1,0-99999999"), [1]);
    }

    #[test]
    fn the_mask_stands_in_the_status() {
        let status = "Name:\tcat\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\nMems_allowed_list:\t0\n";
        assert_eq!(allowed_cores(status), Some(BTreeSet::from([0, 1])));
        assert_eq!(allowed_cores("Name:\tcat\n"), None);
    }

    #[test]
    fn a_thread_that_only_waits_shares_no_core() {
        check(&[], &[(10, "0-3"), (5000, "2")], &[2]);
        check(&[], &[(4000, "0"), (5000, "2")], &[0, 2]);
        check(&[], &[(1, "0-3"), (2, "2")], &[0, 1, 2, 3]);
        // The first one has started the process, and waits since then.
        check(&[(5000, "0-3"), (1, "2")], &[(5001, "0-3"), (500, "2")], &[2]);
    }

    #[test]
    fn this_process_has_threads() {
        let threads = Threads::read(std::process::id()).unwrap();
        assert!(!threads.working_cores(&Threads::default()).is_empty());
        assert_eq!(Threads::read(u32::MAX), None);
    }
}
