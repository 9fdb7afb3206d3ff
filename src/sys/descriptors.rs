//! The limits that the operating system sets to this process: descriptors, locked memory, io_uring itself.
//!
//! Read and raised once, at start-up, so that a server which cannot hold its connections says so before it accepts
//! the first one.

#![allow(unsafe_code, reason = "getrlimit and setrlimit have no safe wrapper among our dependencies")]

use std::{fs, io};

/// The descriptors that the configuration needs cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorsError {
    /// The hard limit is lower than what is needed; only the administrator can raise it.
    #[error(
        "{wanted} descriptors are needed and the hard limit is {hard}. \
         Try: ulimit -n {wanted}, or LimitNOFILE={wanted} in the unit, or ask for fewer connections"
    )]
    HardLimit {
        /// The descriptors that are needed.
        wanted: u64,
        /// The most that this process may ask for.
        hard: u64,
    },
    /// The kernel refused to read or set the limit.
    #[error("the limit of descriptors could not be raised to {wanted}: {cause}")]
    Refused {
        /// The descriptors that are needed.
        wanted: u64,
        /// What the kernel said.
        cause: io::Error,
    },
}

/// Raises the soft limit of open descriptors to `wanted` when it is lower, and returns the limit that holds now.
pub fn raise_limit(wanted: u64) -> Result<u64, DescriptorsError> {
    let refused = |cause| DescriptorsError::Refused { wanted, cause };
    let limit = get(libc::RLIMIT_NOFILE).map_err(refused)?;
    if limit.rlim_cur >= wanted {
        return Ok(limit.rlim_cur);
    }
    if limit.rlim_max < wanted {
        return Err(DescriptorsError::HardLimit { wanted, hard: limit.rlim_max });
    }
    set(libc::RLIMIT_NOFILE, libc::rlimit { rlim_cur: wanted, ..limit }).map_err(refused)?;
    Ok(wanted)
}

/// Raises the soft limit of open descriptors to the hard one.
///
/// # Errors
/// When the kernel refuses.
pub fn raise_as_far_as_possible() -> io::Result<()> {
    let limit = get(libc::RLIMIT_NOFILE)?;
    set(libc::RLIMIT_NOFILE, libc::rlimit { rlim_cur: limit.rlim_max, ..limit })
}

/// Who has no descriptor left when a call fails with this errno, and what raises that limit; `None` when it failed for
/// another reason.
pub fn exhausted(errno: i32) -> Option<(&'static str, &'static str)> {
    match errno {
        libc::EMFILE => Some(("the process", "ulimit -n 65536, or LimitNOFILE=65536 in the unit")),
        libc::ENFILE => Some(("the system", "sysctl fs.file-max, and raise it")),
        _ => None,
    }
}

/// What stands behind an error in a message: the remedy, when descriptors ran out, and else nothing.
pub fn remedy(cause: &io::Error) -> String {
    let exhausted = cause.raw_os_error().and_then(exhausted);
    exhausted.map_or_else(String::new, |(_, remedy)| format!(". Try: {remedy}"))
}

/// Bytes of memory that this process may lock, for messages about rings that did not get theirs; `None` when there
/// is no limit.
pub fn memlock_limit() -> Option<u64> {
    let limit = get(libc::RLIMIT_MEMLOCK).ok()?;
    (limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// The sysctl `kernel.io_uring_disabled`: 0 for everybody, 1 for a group, 2 for nobody; `None` before Linux 6.6, which
/// does not have it.
pub fn io_uring_disabled() -> Option<u32> {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}

fn get(resource: libc::__rlimit_resource_t) -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit(2) writes one `rlimit` through its pointer. `limit` is one, lives on this stack until the call
    // has returned, and is borrowed by nobody else.
    let answer = unsafe { libc::getrlimit(resource, &raw mut limit) };
    if answer == 0 { Ok(limit) } else { Err(io::Error::last_os_error()) }
}

fn set(resource: libc::__rlimit_resource_t, limit: libc::rlimit) -> io::Result<()> {
    // SAFETY: setrlimit(2) reads one `rlimit` through its pointer. `limit` is one and lives until the call has returned.
    let answer = unsafe { libc::setrlimit(resource, &raw const limit) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Soft and hard limit of descriptors, as the kernel prints them.
    fn limits_by_proc() -> (u64, u64) {
        let text = fs::read_to_string("/proc/self/limits").unwrap();
        let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let mut words = line.split_whitespace().skip(3).map(|word| word.parse().unwrap());
        (words.next().unwrap(), words.next().unwrap())
    }

    #[test]
    fn the_soft_limit_rises_to_the_hard_one_and_no_further() {
        let (soft, hard) = limits_by_proc();
        assert_eq!(raise_limit(1).unwrap(), soft);
        assert_eq!(raise_limit(hard).unwrap(), hard);
        assert_eq!(limits_by_proc(), (hard, hard));

        let wanted = hard + 1;
        let sentence = format!(
            "{wanted} descriptors are needed and the hard limit is {hard}. Try: ulimit -n {wanted}, or \
             LimitNOFILE={wanted} in the unit, or ask for fewer connections"
        );
        assert_eq!(raise_limit(wanted).unwrap_err().to_string(), sentence);
    }
}
