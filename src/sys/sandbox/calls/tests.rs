//! Each denial, tried: in a process of its own, which walls itself up for ever, and from a thread that was there before.

#![allow(unsafe_code, reason = "system calls that no library would make")]

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;

use libc::{EACCES, ENOSYS, EPERM};
use rustix::net::SendFlags;

use super::*;

/// Says to a process of the tests that it is to be walled up, and by which probe.
const VARIABLE: &str = "TIDEMILL_PROBE";

/// Runs a probe of this name in a process of its own. The threads of this one stay as they are.
#[track_caller]
fn run(probe: &str) {
    let own = std::env::current_exe().unwrap();
    let name = "sys::sandbox::calls::tests::in_a_process_of_its_own";
    let output = Command::new(own)
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"])
        .env(VARIABLE, probe)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{probe}: {said}{complaints}");
}

#[test]
#[ignore = "it walls its process up: the tests below start it"]
fn in_a_process_of_its_own() {
    let probe = match std::env::var(VARIABLE).as_deref() {
        Ok("refused") => refused_calls,
        Ok("natural") => natural_tries,
        Ok("served") => what_a_server_does,
        other => panic!("{other:?} is no probe"),
    };
    // A thread that was there before is walled up as well.
    let (begin, begun) = channel();
    let (ready, prepared) = channel();
    let thread = thread::spawn(move || {
        let act = probe();
        ready.send(()).unwrap();
        begun.recv().unwrap();
        act();
    });
    prepared.recv().unwrap();
    wall_up(Around::AllThreads).unwrap();
    begin.send(()).unwrap();
    thread.join().unwrap();
    // And those that come later.
    thread::spawn(|| assert_eq!(raw(libc::SYS_socket, [0; 4]), EPERM)).join().unwrap();
}

/// What a probe does once the walls stand.
type Act = Box<dyn FnOnce()>;

/// The error number of a system call; 0 if it was made.
fn raw(call: c_long, arguments: [c_long; 4]) -> i32 {
    let [a, b, c, d] = arguments;
    // SAFETY: the calls of these tests are refused before the kernel looks at an argument. Were one not, it would find no
    // pointer but null, which it refuses to follow, and -1 for most descriptors.
    let answer = unsafe { libc::syscall(call, a, b, c, d) };
    if answer < 0 { io::Error::last_os_error().raw_os_error().unwrap() } else { 0 }
}

/// What the manuals and the advisories name as ways out of a process, with arguments that would do no harm.
const WAYS_OUT: &[(&str, c_long, [c_long; 4])] = &[
    ("execve", libc::SYS_execve, [0; 4]),
    ("execveat", libc::SYS_execveat, [-1, 0, 0, 0]),
    ("ptrace(PTRACE_ATTACH)", libc::SYS_ptrace, [16, 0, 0, 0]),
    ("process_vm_readv", libc::SYS_process_vm_readv, [0; 4]),
    ("process_vm_writev", libc::SYS_process_vm_writev, [0; 4]),
    ("pidfd_open", libc::SYS_pidfd_open, [-1, 0, 0, 0]),
    ("pidfd_getfd", libc::SYS_pidfd_getfd, [-1, 0, 0, 0]),
    ("kill(1, 0)", libc::SYS_kill, [1, 0, 0, 0]),
    ("tgkill(1, 1, 0)", libc::SYS_tgkill, [1, 1, 0, 0]),
    ("socket", libc::SYS_socket, [1, 1, 0, 0]),
    ("socketpair", libc::SYS_socketpair, [1, 1, 0, 0]),
    ("bind", libc::SYS_bind, [-1, 0, 0, 0]),
    ("listen", libc::SYS_listen, [-1, 0, 0, 0]),
    ("connect", libc::SYS_connect, [-1, 0, 0, 0]),
    ("io_uring_setup", libc::SYS_io_uring_setup, [1, 0, 0, 0]),
    ("io_uring_register(IORING_REGISTER_FILES)", libc::SYS_io_uring_register, [-1, 2, 0, 0]),
    ("memfd_create", libc::SYS_memfd_create, [0; 4]),
    ("userfaultfd", libc::SYS_userfaultfd, [0; 4]),
    ("bpf", libc::SYS_bpf, [-1, 0, 0, 0]),
    ("perf_event_open", libc::SYS_perf_event_open, [0, -1, -1, -1]),
    ("unshare(CLONE_NEWUSER)", libc::SYS_unshare, [0x1000_0000, 0, 0, 0]),
    ("setns", libc::SYS_setns, [-1, 0, 0, 0]),
    ("mount", libc::SYS_mount, [0; 4]),
    ("chroot", libc::SYS_chroot, [0; 4]),
    ("keyctl", libc::SYS_keyctl, [-1, 0, 0, 0]),
    ("init_module", libc::SYS_init_module, [0; 4]),
    ("setuid(-1)", libc::SYS_setuid, [-1, 0, 0, 0]),
    ("openat(O_WRONLY)", libc::SYS_openat, [-1, 0, 1, 0]),
    ("openat(O_RDWR)", libc::SYS_openat, [-1, 0, 2, 0]),
    ("openat(O_CREAT)", libc::SYS_openat, [-1, 0, libc::O_CREAT as c_long, 0]),
    ("openat(O_TRUNC)", libc::SYS_openat, [-1, 0, libc::O_TRUNC as c_long, 0]),
    ("renameat2", libc::SYS_renameat2, [-1, 0, -1, 0]),
    ("linkat", libc::SYS_linkat, [-1, 0, -1, 0]),
    ("mmap(PROT_EXEC)", libc::SYS_mmap, [0, 0, 5, 0x22]),
    ("mprotect(PROT_EXEC)", libc::SYS_mprotect, [0, 0, 4, 0]),
    ("clone(SIGCHLD)", libc::SYS_clone, [17, 0, 0, 0]),
    // Without CLONE_SIGHAND it would be invalid.
    ("clone(CLONE_THREAD | CLONE_NEWNS)", libc::SYS_clone, [0x0003_0000, 0, 0, 0]),
    ("clone(CLONE_THREAD | CLONE_NEWUSER)", libc::SYS_clone, [0x1001_0000, 0, 0, 0]),
    ("clone(CLONE_THREAD | CLONE_NEWNET)", libc::SYS_clone, [0x4001_0000, 0, 0, 0]),
    ("sendto(MSG_FASTOPEN)", libc::SYS_sendto, [-1, 0, 0, 0x2000_0000]),
    ("sendmsg(MSG_FASTOPEN)", libc::SYS_sendmsg, [-1, 0, 0x2000_0000, 0]),
    ("sendmmsg(MSG_FASTOPEN)", libc::SYS_sendmmsg, [-1, 0, 0, 0x2000_0000]),
    ("fcntl(F_SETOWN)", libc::SYS_fcntl, [-1, 8, 1, 0]),
    ("fcntl(F_SETSIG)", libc::SYS_fcntl, [-1, 10, 0, 0]),
    ("fcntl(F_SETOWN_EX)", libc::SYS_fcntl, [-1, 15, 0, 0]),
    ("setpriority of another", libc::SYS_setpriority, [0, -1, 0, 0]),
    ("setpriority of a user's", libc::SYS_setpriority, [2, -1, 0, 0]),
    ("sched_setaffinity of another", libc::SYS_sched_setaffinity, [-1, 0, 0, 0]),
    ("prctl(PR_SET_DUMPABLE)", libc::SYS_prctl, [4, 1, 0, 0]),
    ("ioctl(TIOCSTI)", libc::SYS_ioctl, [-1, 0x5412, 0, 0]),
    ("ioctl(TIOCLINUX)", libc::SYS_ioctl, [-1, 0x541c, 0, 0]),
    ("ioctl(FIOSETOWN)", libc::SYS_ioctl, [-1, 0x8901, 0, 0]),
    ("ioctl(SIOCSIFADDR)", libc::SYS_ioctl, [-1, 0x8916, 0, 0]),
];

/// What no server makes does not exist.
const UNKNOWN: &[(&str, c_long)] = &[
    ("clone3", libc::SYS_clone3),
    ("landlock_create_ruleset", libc::SYS_landlock_create_ruleset),
    ("quotactl", libc::SYS_quotactl),
    ("a call of years to come", 1_000),
];

fn refused_calls() -> Act {
    Box::new(|| {
        for (name, call, arguments) in WAYS_OUT {
            assert_eq!(raw(*call, *arguments), EPERM, "{name}");
        }
        for (name, call) in UNKNOWN {
            assert_eq!(raw(*call, [-1, 0, 0, 0]), ENOSYS, "{name}");
        }
        // Limits are read, and stay.
        assert_eq!(raw(libc::SYS_prlimit64, [0, 7, 1, 0]), EPERM);
        assert!(rustix::process::getrlimit(rustix::process::Resource::Nofile).current.is_some());
    })
}

#[track_caller]
fn check_refused<T>(outcome: io::Result<T>) {
    match outcome {
        Ok(_) => panic!("it was allowed"),
        Err(error) => assert!([Some(EPERM), Some(EACCES)].contains(&error.raw_os_error()), "{error}"),
    }
}

/// The same as a program would do it, through the standard library.
fn natural_tries() -> Act {
    let file = std::env::temp_dir().join(format!("tidemill-probe-{}", std::process::id()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = other.local_addr().unwrap();
    Box::new(move || {
        check_refused::<()>(Err(Command::new("/bin/true").exec()));
        check_refused(Command::new("/bin/true").status());
        check_refused(TcpStream::connect(address));
        check_refused(TcpListener::bind("127.0.0.1:0"));
        check_refused(UdpSocket::bind("127.0.0.1:0"));
        check_refused(UnixStream::pair());
        check_refused(UnixDatagram::unbound());
        check_refused(File::create(&file));
        check_refused(fs::write(&file, "spoils"));
        check_refused(File::options().append(true).open("/dev/null"));
        check_refused(io_uring::IoUring::new(2).map(drop));
        // A listener that becomes a client, as Landlock lets it (landlock-lsm/linux#41).
        let fast_open = SendFlags::from_bits_retain(libc::MSG_FASTOPEN.unsigned_abs());
        rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).unwrap();
        check_refused(rustix::net::sendto(&listener, b"spoils", fast_open, &target).map_err(io::Error::from));
    })
}

/// And what a server does goes on.
fn what_a_server_does() -> Act {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ring = io_uring::IoUring::new(2).unwrap();
    let (mut reader, mut writer) = io::pipe().unwrap();
    Box::new(move || {
        let (mut server, _) = listener.accept().unwrap();
        peer.write_all(b"ping").unwrap();
        let mut bytes = [0; 4];
        server.read_exact(&mut bytes).unwrap();
        server.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(peer.read(&mut bytes).unwrap(), 0);
        datagrams.send_to(b"ping", datagrams.local_addr().unwrap()).unwrap();
        assert_eq!(datagrams.recv(&mut bytes).unwrap(), 4);
        ring.submit_and_wait(0).unwrap();
        writer.write_all(b"pong").unwrap();
        reader.read_exact(&mut bytes).unwrap();
        // Memory, chance, time, threads, pipes, figures of itself.
        drop(vec![1u8; 64 << 20]);
        drop(HashMap::<u8, u8>::new());
        thread::Builder::new().name("a name".to_owned()).spawn(thread::yield_now).unwrap().join().unwrap();
        drop(io::pipe().unwrap());
        drop(writer.try_clone().unwrap());
        datagrams.set_nonblocking(true).unwrap();
        let _ = io::stdout().is_terminal();
        let before = rustix::process::getpriority_process(None).unwrap();
        crate::sys::priority::step_back();
        assert!(before < rustix::process::getpriority_process(None).unwrap() || before == 19);
        assert!(!fs::read_to_string("/proc/self/stat").unwrap().is_empty());
        assert!(fs::read_dir("/proc/self/fd").unwrap().count() > 2);
    })
}

#[test]
fn every_way_out_is_closed() {
    run("refused");
}

#[test]
fn nothing_leads_out_that_a_program_would_try() {
    run("natural");
}

#[test]
fn a_server_serves_on() {
    run("served");
}
