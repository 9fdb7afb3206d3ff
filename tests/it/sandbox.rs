//! The server has shut itself in: all of it, without harm to what it does, and as far as the host knows how.
//!
//! What each wall refuses is tried beside the walls (`src/sys/sandbox`, `src/ring/uring/tests.rs`), since nobody can have a
//! server try it.

use std::collections::HashMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal};

use crate::support::forbid::forbid;
use crate::support::http::fetch;
use crate::support::launch::{BINARY, can_run, check_sentence, run, tidemill};
use crate::support::server::{Server, engine, unix};
use crate::support::tls::Authority;
use crate::support::web::serve;
use crate::support::{Folder, skip, streams, text};

/// The values of two keys in the status of each thread (proc_pid_status(5)), by the thread's name.
fn walls(pid: Pid) -> HashMap<String, [String; 2]> {
    let folder = format!("/proc/{}/task", pid.as_raw_nonzero());
    let threads = fs::read_dir(folder).expect("it runs, and is ours");
    let status = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("status")).expect("it stays");
    threads
        .map(|thread| status(thread.expect("it can be listed")))
        .map(|status| {
            let value = |key: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(key));
                line.expect("proc(5) promises it").trim().to_owned()
            };
            (value("Name:"), [value("NoNewPrivs:"), value("Seccomp:")])
        })
        .collect()
}

/// When memory is short the kernel forgets what nobody uses, and finds it again.
#[test]
fn figures_stay_when_the_kernel_forgets() {
    const SWITCH: &str = "/proc/sys/vm/drop_caches";
    let server = Server::start(&["--listen", "admin://127.0.0.1:0", "--shards", "1"]);
    let figures = || {
        let page = fetch(server.admin_address(), "/metrics");
        page.text().lines().filter(|line| line.starts_with("process_")).count()
    };
    let before = figures();
    assert!(0 < before);
    if fs::write(SWITCH, "2").is_err() {
        return skip(&format!("this user may not write to {SWITCH}"));
    }
    assert_eq!(figures(), before);
    server.stop_clean();
}

/// Every thread is behind both walls, those that judge passwords and write the log among them, and the one process that is
/// outside can be told nothing but to start this program.
#[test]
fn every_thread_is_shut_in() {
    let folder = Folder::new();
    // bcrypt's own example.
    let hash = "$2a$04$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
    let user = format!("[[hub.user]]\nname = \"anna\"\npassword_bcrypt = \"{hash}\"\n");
    let listener = format!("[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"nats\"\n{user}");
    let server = serve(&folder, "", &listener, &["--shards", "2"]);
    if !server.banner().contains("  sandbox: files, ports, processes, rings, system calls\n") {
        return skip("this host lacks a wall, which its banner says");
    }
    let threads = walls(server.pid());
    for name in ["tidemill", "log", "passwords", "shard 0", "shard 1"] {
        assert_eq!(threads.get(name), Some(&["1".to_owned(), "2".to_owned()]), "{name}: {threads:?}");
    }
    assert!(threads.values().all(|walls| walls == &["1", "2"]), "{threads:?}");
    let outside = walls(server.launcher());
    assert_eq!(outside.get("tidemill-launch"), Some(&["0".to_owned(), "0".to_owned()]), "{outside:?}");
    let open = fs::read_dir(format!("/proc/{}/fd", server.launcher().as_raw_nonzero())).expect("it is ours");
    assert_eq!(open.count(), 4, "three streams, and the way to the server");
    server.stop_clean();
}

/// Whoever does not want it says so, and the banner says how it is.
#[test]
fn it_can_be_left_out() {
    let server = Server::tcp(&["--no-sandbox", "--shards", "1"]);
    assert!(walls(server.pid()).values().all(|walls| walls == &["0", "0"]));
    assert!(server.banner().contains("  sandbox: off\n"), "{}", server.banner());
    streams::ping(&mut streams::tcp(server.tcp_address()), b"it serves");
    server.stop_clean();

    let folder = Folder::new();
    let file = "[server]\nsandbox = false\n[[listener]]\naddress = \"tcp://127.0.0.1:0\"\n";
    let server = Server::start(&["--config", text(&folder.write("tidemill.toml", file))]);
    assert!(server.banner().contains("  sandbox: off\n"), "{}", server.banner());
    server.stop_clean();
}

/// From its start to its end, with a hand-over and all that signals ask for, nothing that it asks of the kernel is refused:
/// the walls are where nobody goes.
#[test]
fn nothing_that_it_does_is_refused() {
    if !can_run("strace", &["--quiet=all", "--output=/dev/null", "true"]) {
        return skip("strace is missing, or may not trace here (apt install strace)");
    }
    let folder = Folder::new();
    let (trace, socket) = (folder.path("trace"), folder.path("socket"));
    let authority = Authority::new("authority");
    let issued = authority.issue(&["localhost"]);
    let tls = issued.keys(&folder, "server");
    let listener = |address: &str, keys: &str| format!("[[listener]]\naddress = \"{address}\"\n{keys}\n");
    let file = [
        listener("tcp://127.0.0.1:0", ""),
        listener("udp://127.0.0.1:0", ""),
        listener("tcp://127.0.0.1:0", "service = \"http\""),
        listener("tcp://127.0.0.1:0", "service = \"admin\""),
        listener(&unix(&socket), ""),
        listener("tcp://127.0.0.1:0", &format!("tls = {{ {tls} }}")),
    ];
    let file = folder.write("tidemill.toml", &file.concat());
    let mut command = Command::new("strace");
    command.args(["--daemonize", "--follow-forks", "--quiet=all", "--output", text(&trace), BINARY]);
    command.args(["--config", text(&file), "--shards", "2"]);
    command.args(engine().into_iter().flat_map(|engine| ["--engine".to_owned(), engine]));
    let server = Server::launch(command);
    streams::ping(&mut streams::tcp(server.tcp_address()), b"it serves");
    streams::ping(&mut streams::unix(&socket), b"it serves");
    for path in ["/metrics", "/varz", "/connz", "/subsz"] {
        assert_eq!(fetch(server.admin_address(), path).status, 200);
    }
    server.signal(Signal::HUP);
    server.await_line("were read again");
    server.counters();
    server.stop_clean();
    assert!(!socket.exists(), "it takes its file away");
    let traced = fs::read_to_string(trace).expect("strace has written it");
    check_nothing_refused(&traced);
}

/// "PID NAME(ARGUMENTS) = -1 ERROR (words)", after the last filter was set.
#[track_caller]
fn check_nothing_refused(traced: &str) {
    let lines: Vec<&str> = traced.lines().collect();
    let walled =
        lines.iter().rposition(|line| line.contains("seccomp(SECCOMP_SET_MODE_FILTER")).expect("it is set");
    let refused = |line: &&&str| {
        ["EPERM", "EACCES", "ENOSYS"].iter().any(|name| line.contains(&format!("= -1 {name}")))
    };
    let refused: Vec<_> =
        lines[walled..].iter().filter(refused).filter(|line| !line.contains("clone3(")).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(lines[walled..].iter().any(|line| line.contains("unlink")), "its whole life was seen");
}

/// A file that was put outside of the folders which the start had named is not read again, and that is said; the one that
/// was read before stays.
#[test]
fn a_file_from_elsewhere_is_not_read() {
    let (inside, outside) = (Folder::new(), Folder::new());
    let tokens = inside.write("tokens", "dave:dave-dave-dave-dave-dave-1\n");
    let listener = format!(
        "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"http\"\nauth = {{ tokens = {:?} }}\n",
        text(&tokens)
    );
    let server = serve(&inside, "", &listener, &["--shards", "1"]);
    if !server.banner().contains("sandbox: files") {
        return skip("this kernel has no Landlock");
    }
    let elsewhere = outside.write("tokens", "dave:dave-dave-dave-dave-dave-2\n");
    fs::remove_file(&tokens).expect("it is ours");
    std::os::unix::fs::symlink(&elsewhere, &tokens).expect("it is ours");
    server.signal(Signal::HUP);
    let said = server.await_line("Permission denied");
    server.await_line("is outside; the next start reads it");
    assert!(said.last().is_some_and(|line| line.contains("tokens")), "{said:?}");
    server.stop_clean();
}

/// A folder that was put in the place of another one is outside as well, whatever its name; also when it holds the configuration.
#[test]
fn another_folder_of_the_same_name_is_outside() {
    let folder = Folder::new();
    let (inside, moved) = (folder.path("inside"), folder.path("moved"));
    fs::create_dir(&inside).expect("it is ours");
    let file = inside.join("tidemill.toml");
    let config = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\n";
    fs::write(&file, config).expect("it is ours");
    let server = Server::start(&["--config", text(&file), "--shards", "1"]);
    if !server.banner().contains("sandbox: files") {
        return skip("this kernel has no Landlock");
    }
    server.signal(Signal::HUP);
    server.await_line("were read again");
    fs::rename(&inside, &moved).expect("it is ours");
    fs::create_dir(&inside).expect("it is ours");
    fs::write(&file, config).expect("it is ours");
    server.signal(Signal::HUP);
    server.await_line("nothing was changed: ");
    server.await_line(&format!("and {} is outside; the next start reads it", text(&file)));
    server.stop_clean();
}

// --- Hosts that know less ------------------------------------------------------------------------------------------

/// Set for the process that is to become a server on such a host: the number of the system call that it lacks.
const LACKING: &str = "TIDEMILL_TEST_LACKING";
/// The libtest name of [`becomes_a_server_that_lacks_a_wall`].
const BECOMES: &str = "sandbox::becomes_a_server_that_lacks_a_wall";

/// Not a test of its own: run as a process by the tests below.
#[test]
fn becomes_a_server_that_lacks_a_wall() {
    let Ok(call) = std::env::var(LACKING) else { return };
    forbid(&[call.parse().expect("it is a number")], libc::ENOSYS.unsigned_abs());
    let mut command = tidemill(&["--listen", "tcp://127.0.0.1:0", "--shards", "1"]);
    command.args(engine().into_iter().flat_map(|engine| ["--engine".to_owned(), engine]));
    panic!("the server cannot be run: {}", command.exec());
}

/// A server on a host that lacks a call serves behind the walls that are left, and says which.
#[track_caller]
fn check_lacking(call: i64, words: &str) {
    let mut command = Command::new(std::env::current_exe().expect("a test knows its binary"));
    command.args(["--exact", BECOMES, "--nocapture", "--test-threads", "1"]);
    command.env(LACKING, call.to_string());
    let server = Server::launch(command);
    assert!(server.banner().contains(words), "{}", server.banner());
    streams::ping(&mut streams::tcp(server.tcp_address()), b"it serves");
    server.stop_clean();
}

/// As before Linux 5.13, or where it was not switched on.
#[test]
fn a_kernel_without_landlock_shuts_in_what_it_can() {
    check_lacking(
        libc::SYS_landlock_create_ruleset,
        "sandbox: rings, system calls; not files, ports, processes\n",
    );
}

/// As where a container's own filter allows no other.
#[test]
fn a_host_without_filters_shuts_in_what_it_can() {
    check_lacking(libc::SYS_seccomp, "system calls stay open: ");
}

/// Where no process can be split off there is no hand-over, and all walls. A fork is a `clone`, and a thread a `clone3`.
#[test]
fn a_host_without_another_process_shuts_in_all_it_can() {
    let everything = Server::tcp(&["--shards", "1"]);
    let walls = everything.banner().lines().find(|line| line.starts_with("  sandbox: ")).expect("it says so");
    check_lacking(libc::SYS_clone, walls);
    check_lacking(libc::SYS_clone, "no other process can take over from this one: ");
    everything.stop_clean();
}

/// A user who may have no more threads is told so.
#[test]
fn who_may_have_no_thread_is_told() {
    const NOBODY: [&str; 3] = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let server = ["prlimit", "--nproc=1", BINARY];
    if !can_run("setpriv", &[&NOBODY[..], &["prlimit", "--nproc=1", BINARY, "--version"]].concat()) {
        return skip(
            "this user may not become another one, or that one may not run the program (run it as root)",
        );
    }
    let mut command = Command::new("setpriv");
    command.args(NOBODY).args(server).args(["--listen", "tcp://127.0.0.1:0"]);
    let ended = run(command);
    check_sentence(&ended, 3, "there is no thread for the log: ");
    check_sentence(&ended, 3, "Try: ulimit -u, or TasksMax= in the unit");
}
