//! Processes that may not ask something of the kernel, as in a container.

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

/// Forbids this thread, and whatever it becomes, to make rings: the kernel will answer with this errno.
pub(crate) fn forbid_io_uring(errno: u32) {
    forbid(&[libc::SYS_io_uring_setup], errno);
}

/// Forbids it these system calls.
pub(crate) fn forbid(calls: &[i64], errno: u32) {
    let refused = calls.iter().map(|call| (*call, vec![])).collect();
    let arch = std::env::consts::ARCH.try_into().expect("seccomp knows this machine");
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, SeccompAction::Errno(errno), arch);
    let program: BpfProgram = filter.and_then(TryInto::try_into).expect("the filter is right");
    apply_filter(&program).expect("a process may forbid itself anything");
}
