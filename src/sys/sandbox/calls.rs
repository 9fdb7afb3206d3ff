//! The wall around system calls: seccomp (seccomp(2)).
//!
//! Two filters, because two answers are right. A call that no server makes does not exist here (ENOSYS): a library that tries
//! a new one first then takes the old one. A call that leads out, or one that would be made with what leads out, is not
//! permitted (EPERM), which is said where a person or a program would look for it. Both are asked for one call in a thousand
//! only: the kernel keeps, by number, what they always allow.

use std::collections::BTreeMap;
use std::io;

use libc::c_long;
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter, apply_filter_all_threads,
};

/// Who is walled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// All threads, those to come among them.
    AllThreads,
    /// The calling thread, and those that it starts.
    ThisThread,
}

/// Refuses, for ever, what a server that serves does not ask of the kernel.
///
/// # Errors
/// When the kernel has no seccomp, does not let this process use it, or the processor is one without a filter.
pub fn wall_up(around: Around) -> io::Result<()> {
    // The one that comes last is asked first, and of two errors the first one counts.
    let filters = [known()?, refused()?];
    let apply = match around {
        Around::AllThreads => apply_filter_all_threads,
        Around::ThisThread => apply_filter,
    };
    filters.iter().try_for_each(|filter| apply(filter).map_err(io::Error::other))
}

/// What a server asks of the kernel once it serves, whatever the engine, the libc and the hour.
const KNOWN: &[c_long] = &[
    // Bytes.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    // Files, of which Landlock knows which.
    libc::SYS_openat,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_getcwd,
    libc::SYS_unlinkat,
    // Sockets that there are.
    libc::SYS_accept4,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    // Waiting.
    libc::SYS_ppoll,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_restart_syscall,
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_mlock,
    libc::SYS_munlock,
    libc::SYS_membarrier,
    libc::SYS_getrandom,
    // Threads and signals. clone3 is missing: its flags stand where no filter reads, and without it clone is taken.
    libc::SYS_clone,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_futex,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_prctl,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_setpriority,
    libc::SYS_getpriority,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    // About itself.
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_prlimit64,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    // One more filter is one more wall.
    libc::SYS_seccomp,
];

/// The same by their old names, which some libcs call.
#[cfg(target_arch = "x86_64")]
const KNOWN_BY_OLD_NAMES: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_readlink,
    libc::SYS_access,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_unlink,
    libc::SYS_poll,
    libc::SYS_epoll_wait,
    libc::SYS_getrlimit,
    libc::SYS_time,
    libc::SYS_getdents,
    libc::SYS_dup2,
];
#[cfg(not(target_arch = "x86_64"))]
const KNOWN_BY_OLD_NAMES: &[c_long] = &[];

/// What leads out: other programs, other processes, new sockets and rings, the system itself.
const REFUSED: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_connect,
    libc::SYS_io_uring_setup,
    libc::SYS_memfd_create,
    libc::SYS_userfaultfd,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_by_handle_at,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
];

/// Which rustix asks before it reads a clock (prctl(2)); libc has no name for it yet.
const PR_GET_AUXV: i32 = 0x4155_5856;

/// Who gets the signals of a descriptor, and which (fcntl(2)); libc has no names for these yet.
const F_SETSIG: i32 = 10;
const F_SETOWN_EX: i32 = 15;

/// setpriority(2); its type is another one in each libc.
const PRIO_PROCESS: i32 = 0;

/// `IORING_UNREGISTER_RING_FDS`.
const UNREGISTER_RING_FDS: i32 = 21;

fn known() -> io::Result<BpfProgram> {
    let all = [KNOWN, KNOWN_BY_OLD_NAMES, REFUSED].concat();
    let rules = all.into_iter().map(|call| (call, Vec::new())).collect();
    compile(rules, SeccompAction::Errno(libc::ENOSYS.unsigned_abs()), SeccompAction::Allow)
}

fn refused() -> io::Result<BpfProgram> {
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    for (call, cases) in REFUSED_BY_ARGUMENT {
        let cases: io::Result<Vec<_>> = cases.iter().map(|tests| rule(tests)).collect();
        rules.insert(*call, cases?);
    }
    // A thread may end its own process, as an abort does, and no other.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![rule(&[(0, Dword, Ne, own)])?]);
    compile(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM.unsigned_abs()))
}

/// What is asked of one argument: its place, how many of its bits the kernel looks at, and what they are compared with.
type Test = (u8, SeccompCmpArgLen, SeccompCmpOp, u64);
/// The cases in which a call is meant; without one, always.
type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Bits of an `int` that are set.
const fn has(place: u8, bits: i32) -> Test {
    let bits = bits.unsigned_abs() as u64;
    (place, Dword, MaskedEq(bits), bits)
}

/// An `int` that is this one.
const fn is(place: u8, value: i32) -> Test {
    (place, Dword, Eq, value.unsigned_abs() as u64)
}

/// An `int` that is another one.
const fn is_not(place: u8, value: i32) -> Test {
    (place, Dword, Ne, value.unsigned_abs() as u64)
}

/// Calls that are fine, and in these cases are not.
const REFUSED_BY_ARGUMENT: &[(c_long, &[&[Test]])] = &[
    // Files are read, and neither made nor written.
    (
        libc::SYS_openat,
        &[
            &[has(2, libc::O_WRONLY)],
            &[has(2, libc::O_RDWR)],
            &[has(2, libc::O_CREAT)],
            &[has(2, libc::O_TRUNC)],
        ],
    ),
    #[cfg(target_arch = "x86_64")]
    (
        libc::SYS_open,
        &[
            &[has(1, libc::O_WRONLY)],
            &[has(1, libc::O_RDWR)],
            &[has(1, libc::O_CREAT)],
            &[has(1, libc::O_TRUNC)],
        ],
    ),
    // Memory is never code.
    (libc::SYS_mmap, &[&[has(2, libc::PROT_EXEC)]]),
    (libc::SYS_mprotect, &[&[has(2, libc::PROT_EXEC)]]),
    // Threads, and no processes; and of namespaces those that there are.
    (
        libc::SYS_clone,
        &[
            &[(0, Dword, MaskedEq(libc::CLONE_THREAD as u64), 0)],
            &[has(0, libc::CLONE_NEWNS)],
            &[has(0, libc::CLONE_NEWCGROUP)],
            &[has(0, libc::CLONE_NEWUTS)],
            &[has(0, libc::CLONE_NEWIPC)],
            &[has(0, libc::CLONE_NEWUSER)],
            &[has(0, libc::CLONE_NEWPID)],
            &[has(0, libc::CLONE_NEWNET)],
        ],
    ),
    // A listener that was shut down and sends so has connected (tcp(7), Fast Open), which Landlock does not see.
    (libc::SYS_sendto, &[&[has(3, libc::MSG_FASTOPEN)]]),
    (libc::SYS_sendmsg, &[&[has(2, libc::MSG_FASTOPEN)]]),
    (libc::SYS_sendmmsg, &[&[has(3, libc::MSG_FASTOPEN)]]),
    // No signal to others by a descriptor of theirs or ours.
    (libc::SYS_fcntl, &[&[is(1, libc::F_SETOWN)], &[is(1, F_SETSIG)], &[is(1, F_SETOWN_EX)]]),
    // Threads are made nicer and pinned by themselves; other processes are left as they are.
    (libc::SYS_setpriority, &[&[is_not(0, PRIO_PROCESS)], &[is_not(1, 0)]]),
    (libc::SYS_sched_setaffinity, &[&[is_not(0, 0)]]),
    // Names of threads, and of memory; and what the kernel told this process at its start.
    (
        libc::SYS_prctl,
        &[&[
            is_not(0, libc::PR_SET_NAME),
            is_not(0, PR_GET_AUXV),
            is_not(0, libc::PR_GET_NAME),
            is_not(0, libc::PR_SET_VMA),
        ]],
    ),
    // How a ring ends; all else that registers was done before.
    (libc::SYS_io_uring_register, &[&[is_not(1, UNREGISTER_RING_FDS)]]),
    // Limits are read.
    (libc::SYS_prlimit64, &[&[(2, Qword, Ne, 0)]]),
    // What libraries ask of descriptors: whether it is a terminal and how wide, how much waits, whether to wait, whether to close.
    (
        libc::SYS_ioctl,
        &[&[
            asks_not(libc::TCGETS),
            asks_not(libc::TIOCGWINSZ),
            asks_not(libc::FIONREAD),
            asks_not(libc::TIOCOUTQ),
            asks_not(libc::FIONBIO),
            asks_not(libc::FIOCLEX),
            asks_not(libc::FIONCLEX),
        ]],
    ),
];

/// Another request of ioctl(2), of which the kernel reads an `int`.
#[allow(clippy::unnecessary_cast, reason = "it is an int in musl")]
const fn asks_not(request: libc::Ioctl) -> Test {
    (1, Dword, Ne, request as u64)
}

/// One case: all of it is so.
fn rule(tests: &[Test]) -> io::Result<SeccompRule> {
    let condition = |(place, length, operator, value): &Test| {
        SeccompCondition::new(*place, length.clone(), operator.clone(), *value).map_err(io::Error::other)
    };
    let conditions: io::Result<Vec<_>> = tests.iter().map(condition).collect();
    SeccompRule::new(conditions?).map_err(io::Error::other)
}

fn compile(rules: Rules, otherwise: SeccompAction, answer: SeccompAction) -> io::Result<BpfProgram> {
    let processor = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, otherwise, answer, processor).map_err(io::Error::other)?;
    filter.try_into().map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
