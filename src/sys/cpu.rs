//! The cores this process may use, and pinning a thread to one of them.
//!
//! A shard is pinned, so that its connections, buffers and timers stay in one core's caches. Which shard gets which
//! core is the server's decision; here it is only carried out.

use std::io;

use core_affinity::CoreId;

/// A thread could not be pinned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// The core is outside of the mask that the process was given by `taskset`, a cpuset or a container.
    #[error(
        "core {core} may not be used by this process (it may use {allowed}). Try: other cores, of those that taskset -cp $$ shows"
    )]
    NotAllowed {
        /// The core that was asked for.
        core: usize,
        /// The cores that would have been possible.
        allowed: String,
    },
    /// The kernel refused, although the core stands in the mask.
    #[error("the thread could not be pinned to core {core}: {cause}")]
    Refused {
        /// The core that was asked for.
        core: usize,
        /// What the kernel said.
        cause: io::Error,
    },
}

/// The cores of the calling thread's affinity mask, in ascending order. Ask before pinning: a pinned thread, and
/// every thread it starts, has one core only.
pub fn allowed_cores() -> Vec<usize> {
    core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect()
}

/// Pins the calling thread to `core`.
pub fn pin(core: usize) -> Result<(), PinError> {
    let allowed = allowed_cores();
    if !allowed.contains(&core) {
        return Err(PinError::NotAllowed { core, allowed: list(&allowed) });
    }
    if !core_affinity::set_for_current(CoreId { id: core }) {
        return Err(PinError::Refused { core, cause: io::Error::last_os_error() });
    }
    Ok(())
}

fn list(cores: &[usize]) -> String {
    cores.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    /// What the kernel itself says about the calling thread, as `taskset -c` writes it.
    fn allowed_by_proc() -> String {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list:")).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    }

    #[test]
    fn a_pinned_thread_has_its_core_only() {
        let core = *allowed_cores().last().unwrap();
        thread::spawn(move || {
            pin(core).unwrap();
            assert_eq!(allowed_by_proc(), core.to_string());
            assert_eq!(allowed_cores(), [core]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_core_outside_of_the_mask_is_refused_with_a_sentence() {
        let problem = pin(4095).unwrap_err().to_string();
        assert!(problem.starts_with("core 4095 may not be used by this process (it may use "), "{problem}");
    }
}
