//! What an operator meets: mistakes, missing permissions, tight limits, figures and logs. Whatever keeps the server
//! from starting is said in one sentence on standard error, with the documented exit code, and never by a panic.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::forbid::forbid_io_uring;
use crate::support::launch::{BINARY, can_run, check_calm, check_refused, check_sentence, run, tidemill};
use crate::support::server::Server;
use crate::support::{Folder, has_ipv6, skip, streams, text};

// --- Mistakes ----------------------------------------------------------------------------------------------------

/// What clap finds wrong takes several lines, of which the first is the sentence, and ends with 2.
#[track_caller]
fn check_usage(arguments: &[&str], words: &str) {
    let ended = run(tidemill(arguments));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:#?}");
    let first = ended.stderr.lines().next().unwrap_or_default();
    assert!(first.starts_with("error: ") && first.contains(words), "{words}: {first}");
    check_calm(&ended.stderr);
}

/// Flags that do not exist, values that cannot be, addresses that are none: each is named, and nothing is started.
#[test]
fn wrong_flags_are_named() {
    check_usage(&["--bogus"], "--bogus");
    check_usage(&["bogus"], "bogus");
    check_usage(&["--shards", "many"], "--shards");
    check_usage(&["--engine", "io_uring"], "an engine is uring or epoll");
    check_usage(&["--engine-max", "5.1"], "a tier is 6.1, 6.6, 6.12 or 6.17");
    check_usage(&["--log-format", "xml"], "--log-format");
    check_usage(&["--listen", "localhost:7000"], "an address begins with tcp://, udp:// or unix:");
    check_usage(&["--listen", "tcp://localhost:7000"], "names are not looked up");
    check_usage(&["--listen", "tcp://127.0.0.1"], "the port is missing");
    check_usage(&["--listen", "tcp://127.0.0.1:65536"], "a port is a number from 0");
    check_usage(&["--listen", "tcp://::1:7000"], "brackets");
    check_usage(&["--listen", "tcp://*:7000"], "* is not an address");
    check_usage(&["--listen", "unix:"], "takes the path");
    check_usage(
        &["--listen", "ws://127.0.0.1:80"],
        "http://, https:// or http+unix: for pages and WebSocket",
    );
    check_usage(&["--listen", "https://localhost:443"], "names are not looked up");
    check_usage(&["--connections-per-address", "many"], "--connections-per-address");
}

/// Values out of their bounds, and values that contradict each other, are told by flag.
#[test]
fn values_that_cannot_be_are_named() {
    let check = |arguments: &[&str], words| check_refused(tidemill(arguments), 2, words);
    check(&["--shards", "0"], "--shards is 0: the least is 1");
    check(&["--connections", "0"], "--connections is 0");
    check(&["--idle-timeout", "1ms"], "--idle-timeout is 1ms");
    check(&["--high-water", "1KiB"], "--high-water is 1KiB");
    check(&["--low-water", "1MiB"], "--low-water is 1MiB");
    check(&["--cores", "1000"], "core 1000 may not be used");
    let address = "tcp://127.0.0.1:7000";
    check(&["--listen", address, "--listen", address], "which another listener has already");
    check(&["--listen", address, "--listen", "tcp://0.0.0.0:7000"], "which cannot be open beside tcp://127");
    check(&["--connections-per-address", "0"], "--connections-per-address is 0: the least is 1");
    check(
        &["--listen", "https://127.0.0.1:0"],
        "which needs a certificate: add --tls-cert FILE and --tls-key FILE",
    );
    check(&["--tls-cert", "a.pem"], "--tls-cert is alone: it needs --tls-key FILE beside it");
    check(&["--listen", address, "--tls-self-signed"], "is for listeners behind TLS");
    check(&["--listen", "admin://0.0.0.0:0"], "add [listener.auth] in a file, or listen at 127.0.0.1");
    check(&["--config", "/nowhere/t.toml"], "/nowhere/t.toml does not exist");
    check(&["--config", "/tmp"], "/tmp is a directory");
}

/// What is wrong in a file is told by file, line and column, by `check` as by a start.
#[test]
fn a_wrong_file_is_told_by_its_place() {
    let folder = Folder::new();
    let check = |toml: &str, place: &str, words| {
        let file = folder.write("t.toml", toml);
        let words = format!("{}:{place}: {words}", text(&file));
        check_refused(tidemill(&["--config", text(&file)]), 2, &words);
        check_refused(tidemill(&["check", "--config", text(&file)]), 2, &words);
    };
    check("[server]\nbogus = 1\n", "2:1", "server.bogus is not known");
    check(
        "[server]\n\n  conections = 1\n",
        "3:3",
        "server.conections is not known (did you mean connections?)",
    );
    check("[bogus]\n", "1:2", "bogus is not known");
    check("[server\n", "1:8", "this is not TOML");
    check("[server]\nshards = \"two\"\n", "2:10", "server.shards");
    check("[limits]\nidle_timeout = \"soon\"\n", "2:16", "limits.idle_timeout");
    check("[[listener]]\naddress = \"tcp://localhost:7\"\n", "2:11", "listener.address");
    check(
        "[[listener]]\naddress = \"udp://[::1]:7\"\ntls.self_signed = true\n",
        "3:1",
        "listener.tls is for tcp://",
    );
    check("[limits]\naccept_rate = \"often\"\n", "2:15", "limits.accept_rate");
}

// --- Data and questions --------------------------------------------------------------------------------------------

/// Questions are answered on standard output, with nothing on standard error, and end with 0.
#[test]
fn questions_are_answered_on_standard_output() {
    let answer = |arguments: &[&str]| {
        let ended = run(tidemill(arguments));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:#?}");
        ended.stdout
    };
    assert_eq!(answer(&["--version"]), concat!("tidemill ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(answer(&["check"]), "The configuration is valid.\n");
    let help = answer(&["--help"]);
    for word in [
        "--listen",
        "https://ADDRESS",
        "--tls-self-signed",
        "--drain-timeout",
        "SIGUSR1",
        "Exit codes:",
        "143",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

/// What `--print-config` prints is a file that says the same: printed again from that file it does not change.
#[test]
fn the_printed_configuration_is_a_configuration() {
    let folder = Folder::new();
    let printed = run(tidemill(&["--print-config", "--connections", "123", "--listen", "udp://[::1]:9"]));
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    assert!(printed.stdout.contains("connections = 123\n"), "{}", printed.stdout);
    let file = folder.write("t.toml", &printed.stdout);
    let again = run(tidemill(&["--config", text(&file), "--print-config"]));
    assert_eq!(again.stdout, printed.stdout);
    assert_eq!(run(tidemill(&["check", "--config", text(&file)])).code, Some(0));
}

/// Files that flags and files name are printed from the root, so that the printed file may lie anywhere.
#[test]
fn a_printed_configuration_may_be_moved() {
    let folder = Folder::new();
    let toml = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\nservice = \"http\"\n\
                tls = { certificate = \"a.pem\", key = \"a.key\" }\nauth = { tokens = \"tokens\" }\n";
    let file = folder.write("t.toml", toml);
    let printed = run(tidemill(&["--config", text(&file), "--print-config"])).stdout;
    let tokens = file.with_file_name("tokens");
    assert!(printed.contains(&format!("tokens = \"{}\"\n", text(&tokens))), "{printed}");
    let elsewhere = Folder::new();
    let moved = elsewhere.write("moved.toml", &printed);
    assert_eq!(run(tidemill(&["--config", text(&moved), "--print-config"])).stdout, printed);
}

/// The listeners of a file echo, and a flag goes before the file.
#[test]
fn the_listeners_of_a_file_echo() {
    let folder = Folder::new();
    let toml = "[server]\nconnections = 7\nshards = 1\n\n[[listener]]\naddress = \"tcp://127.0.0.1:0\"\n\n\
                [[listener]]\naddress = \"tcp://127.0.0.2:0\"\nservice = \"echo\"\n";
    let file = folder.write("t.toml", toml);
    let server = Server::start(&["--config", text(&file), "--connections", "2"]);
    let addresses = server.addresses("tcp://");
    assert_eq!(addresses.len(), 2);
    let mut clients: Vec<_> = addresses.into_iter().map(streams::tcp).collect();
    clients.iter_mut().for_each(|client| streams::ping(client, b"from the file"));
    streams::check_ended(&mut streams::tcp(server.tcp_address()));
    drop(clients);
    server.stop_clean();
}

// --- What the host refuses -----------------------------------------------------------------------------------------

/// A second server on the same port is refused, for TCP as for UDP, and the first one goes on.
#[test]
fn a_taken_port_is_refused() {
    let server = Server::listen(&["tcp://127.0.0.1:0", "udp://127.0.0.1:0"], &[]);
    for listener in [format!("tcp://{}", server.tcp_address()), format!("udp://{}", server.udp_address())] {
        let words = format!("{listener} is taken by another process");
        check_refused(tidemill(&["--listen", &listener]), 3, &words);
    }
    streams::ping(&mut streams::tcp(server.tcp_address()), b"still here");
    server.stop_clean();
}

/// An address of another host (RFC 5737 keeps this one for documents) is refused.
#[test]
fn an_address_of_another_host_is_refused() {
    for listener in ["tcp://192.0.2.1:7000", "udp://192.0.2.1:7000"] {
        check_refused(tidemill(&["--listen", listener]), 3, "is no address of this host");
    }
}

const NOBODY: &[&str] = &["--reuid", "65534", "--clear-groups", "--inh-caps=-all"];

/// The server as a user without rights; `None`, and a line that says why, where this process cannot become one.
fn as_nobody(before: &[&str], arguments: &[&str]) -> Option<Command> {
    let question = [NOBODY, &[BINARY, "--version"]].concat();
    if !can_run("setpriv", &question) {
        skip("setpriv is missing, or we are not root, or the binary is not open to others");
        return None;
    }
    let mut command = Command::new("setpriv");
    command.args(NOBODY).args(before).arg(BINARY).args(arguments);
    Some(command)
}

/// A privileged port is refused to a user without rights.
#[test]
fn a_privileged_port_is_refused() {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if !first.is_ok_and(|first| first.trim() == "1024") {
        return skip("on this host everybody may listen below port 1024");
    }
    let Some(command) = as_nobody(&[], &["--listen", "tcp://127.0.0.1:1023"]) else { return };
    check_refused(command, 3, "tcp://127.0.0.1:1023 is not allowed for this user");
}

/// With too little memory to lock, it starts with smaller rings and serves, or says so in one sentence.
#[test]
fn too_little_lockable_memory_is_said_or_borne() {
    if !can_run("prlimit", &["--version"]) {
        return skip("prlimit is missing");
    }
    let limited =
        |memlock| as_nobody(&["prlimit", memlock], &["--listen", "tcp://127.0.0.1:0", "--shards", "2"]);
    let Some(command) = limited("--memlock=65536:65536") else { return };
    check_refused(command, 3, "io_uring got no memory for its rings (it may lock 64KiB)");
    let Some(command) = limited("--memlock=1048576:1048576") else { return };
    let server = Server::launch(command);
    streams::ping(&mut streams::tcp(server.tcp_address()), b"in small rings");
    server.stop_clean();
}

/// A hard limit of descriptors below what the connections need is said, with what to do; fewer connections fit.
#[test]
fn too_few_descriptors_are_said() {
    if !can_run("prlimit", &["--nofile=256:256", "true"]) {
        return skip("prlimit is missing");
    }
    let limited = |arguments: &[&str]| {
        let mut command = Command::new("prlimit");
        command.args(["--nofile=256:256", BINARY, "--listen", "tcp://127.0.0.1:0"]).args(arguments);
        command
    };
    check_refused(limited(&[]), 3, "descriptors are needed and the hard limit is 256. Try: ulimit -n");
    let server = Server::launch(limited(&["--connections", "100"]));
    streams::ping(&mut streams::tcp(server.tcp_address()), b"one of few");
    server.stop_clean();
}

/// Without IPv6 the defaults start, with a warning for each listener that is left out; one that was asked for is
/// refused. A network of its own makes such a host, and keeps the default port free.
#[test]
fn without_ipv6_the_defaults_start_and_a_wish_is_refused() {
    let alone = |arguments: &str| {
        let script = "sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 && ip link set lo up && exec";
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", &format!("{script} {arguments}")]);
        command
    };
    if !alone("true").status().is_ok_and(|status| status.success()) {
        return skip("a network of its own takes root, unshare, ip and sysctl");
    }
    let server = Server::launch(alone(BINARY));
    let count = |scheme| server.addresses(scheme).len();
    let found = ["tcp://", "udp://", "http://", "admin://"].map(count);
    assert_eq!(found, [1, 1, 1, 1]);
    let farewell = server.stop();
    assert_eq!(farewell.code, Some(0));
    let warnings =
        farewell.stderr.iter().filter(|line| line.contains("WARN") && line.contains("is left out"));
    // Echo by TCP and by UDP, pages, figures, and NATS.
    assert_eq!(warnings.count(), 5, "{farewell:#?}");
    let wish = alone(&format!("{BINARY} --listen 'tcp://[::1]:0'"));
    check_refused(wish, 3, "tcp://[::1]:0 needs IPv6, which this host does not have");
}

/// The host's own IPv6 needs no warning.
#[test]
fn with_ipv6_nothing_is_left_out() {
    if !has_ipv6() {
        return;
    }
    let server = Server::listen(&["tcp://[::1]:0", "udp://[::1]:0"], &[]);
    let farewell = server.stop();
    assert!(farewell.stderr.iter().all(|line| !line.contains("WARN")), "{farewell:#?}");
}

// --- io_uring forbidden --------------------------------------------------------------------------------------------

/// Set for the process that is to become a server without io_uring: the errno with which it is refused.
const FORBIDDEN_ERRNO: &str = "TIDEMILL_TEST_FORBIDDEN_ERRNO";
/// The engine that it asks for, if it does.
const FORBIDDEN_ENGINE: &str = "TIDEMILL_TEST_FORBIDDEN_ENGINE";
/// The libtest name of [`becomes_a_server_without_io_uring`].
const BECOMES: &str = "operators::becomes_a_server_without_io_uring";

/// Not a test of its own: run as a process by the tests below, it forbids itself io_uring as a container's profile
/// does, and becomes the server.
#[test]
fn becomes_a_server_without_io_uring() {
    let Ok(errno) = std::env::var(FORBIDDEN_ERRNO) else { return };
    forbid_io_uring(errno.parse().expect("it is a number"));
    let mut command = tidemill(&["--listen", "tcp://127.0.0.1:0", "--shards", "2"]);
    let engine = std::env::var(FORBIDDEN_ENGINE).ok();
    command.args(engine.into_iter().flat_map(|engine| ["--engine".to_owned(), engine]));
    panic!("the server cannot be run: {}", command.exec());
}

/// The process that forbids itself io_uring and then becomes the server, with this engine.
fn forbidden(errno: i32, engine: Option<&str>) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a test knows its binary"));
    command.args(["--exact", BECOMES, "--nocapture", "--test-threads", "1"]);
    command.env(FORBIDDEN_ERRNO, errno.to_string());
    command.envs(engine.map(|engine| (FORBIDDEN_ENGINE, engine)));
    command
}

/// A server that is to serve by io_uring or not at all says why it cannot, and what to do; one that is free to choose
/// says the same as a warning, in one line, and serves by epoll; and one that is to serve by epoll has nothing to warn of.
#[track_caller]
fn check_forbidden(errno: i32, cause: &str, remedy: &str) {
    let ended = run(forbidden(errno, Some("uring")));
    check_sentence(&ended, 3, cause);
    assert!(ended.stderr.contains(remedy), "{ended:#?}");
    // What the test's own frame said before it became the server.
    let frame = ended.stdout.trim().trim_end_matches(&format!("test {BECOMES} ..."));
    assert_eq!(frame.trim(), "running 1 test", "standard output is for data");

    for (engine, warnings) in [(None, 1), (Some("epoll"), 0)] {
        let server = Server::launch(forbidden(errno, engine));
        for _ in 0..4 {
            streams::ping(&mut streams::tcp(server.tcp_address()), b"by readiness");
        }
        assert_eq!(server.counters().total("shards_epoll"), 2);
        let farewell = server.stop();
        assert_eq!(farewell.code, Some(0), "{farewell:#?}");
        let said: Vec<&String> = farewell.stderr.iter().filter(|line| line.contains("WARN")).collect();
        assert_eq!(said.len(), warnings, "{farewell:#?}");
        let tells =
            |line: &&String| [cause, remedy, "serving by epoll"].iter().all(|words| line.contains(words));
        assert!(said.iter().all(tells), "{said:?}");
        assert!(farewell.stderr.iter().any(|line| line.starts_with("  epoll tier")), "{farewell:#?}");
    }
}

/// A security profile that refuses io_uring, as Docker's does, is told apart from a kernel that does not have it.
#[test]
fn a_forbidden_io_uring_is_explained_and_borne() {
    let sysctl = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    if sysctl.is_ok_and(|disabled| disabled.trim() != "0") {
        return skip("this host has io_uring switched off, which is told before its profile");
    }
    let cause = "io_uring is not available: a security profile refuses it";
    check_forbidden(libc::EPERM, cause, "Try: docker run --security-opt seccomp=FILE");
}

/// A profile that hides io_uring, or a kernel without it.
#[test]
fn a_missing_io_uring_is_explained_and_borne() {
    check_forbidden(libc::ENOSYS, "io_uring is not available: the kernel does not have it", "Try: uname -r");
}

// --- Figures and logs ----------------------------------------------------------------------------------------------

/// SIGUSR1 prints figures that say what the test did, byte by byte, and the server goes on.
#[test]
fn the_figures_say_what_happened() {
    let server = Server::listen(&["tcp://127.0.0.1:0", "udp://127.0.0.1:0"], &["--shards", "2"]);
    let mut clients: Vec<_> = (0..3).map(|_| streams::tcp(server.tcp_address())).collect();
    for client in &mut clients {
        (0..10).for_each(|_| streams::ping(client, &[7; 100]));
    }
    let during = server.counters();
    let figures = |names: &[&str]| names.iter().map(|name| during.total(name)).collect::<Vec<_>>();
    assert_eq!(figures(&["accepted", "connections_open", "closed"]), [3, 3, 0]);
    assert_eq!(figures(&["bytes_received", "bytes_sent"]), [3_000, 3_000]);
    assert_eq!(during.shards("accepted").iter().sum::<u64>(), 3);
    clients.pop();
    server.await_count("closed", 1);
    drop(clients);
    let last = server.stop().counters();
    assert_eq!((last.total("accepted"), last.total("closed"), last.total("connections_open")), (3, 3, 0));
}

/// A start that fails says so where everything else is said: one object for programs, one sentence for people.
#[test]
fn a_start_that_fails_is_an_event_of_the_log() {
    // 192.0.2.0/24 belongs to documents (RFC 5737), and .254 is nobody's here.
    let listen = ["--listen", "tcp://192.0.2.254:7000"];
    check_sentence(&run(tidemill(&listen)), 3, "tcp://192.0.2.254:7000 is no address of this host");
    let ended = run(tidemill(&[&listen[..], &["--log-format", "json"]].concat()));
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    let events: Vec<serde_json::Value> =
        ended.stderr.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let last = events.last().expect("it says something");
    let message = last["message"].as_str().unwrap_or_default();
    assert!(
        last["level"] == "ERROR" && message.starts_with("tcp://192.0.2.254:7000 is no address"),
        "{last}"
    );
}

/// With `--log-format json` every line on standard error is one JSON object, the banner and the figures included.
#[test]
fn every_line_of_a_json_log_is_json() {
    let server = Server::tcp(&["--log-format", "json", "--idle-timeout", "50ms", "--shards", "1"]);
    streams::check_ended(&mut streams::tcp(server.tcp_address()));
    server.await_line("cut a connection");
    server.signal(Signal::USR1);
    server.await_line("cut_idle");
    let farewell = server.stop();
    assert_eq!(farewell.code, Some(0));
    assert!(4 <= farewell.stderr.len(), "banner, cut, figures, stop: {farewell:#?}");
    for line in &farewell.stderr {
        let value: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        for key in ["timestamp", "level", "message"] {
            assert!(value[key].is_string(), "{key}: {line}");
        }
    }
}

/// Whoever reads the log may stop reading it, for ever: the server goes on serving, and stops when it is told to. What
/// does not fit is lost.
#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    let mut child = tidemill(&["--listen", "tcp://127.0.0.1:0", "--shards", "2"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the process can be started");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let banner = lines.by_ref().map(|line| line.expect("it speaks"));
    let address = banner.filter_map(|line| line.split("tcp://").nth(1)?.trim().parse().ok()).next();
    let address: SocketAddr = address.expect("the banner names the listener");
    let process = Pid::from_child(&child);
    let mut client = streams::tcp(address);
    // Each report has more than 1,500 bytes, and a pipe holds 65,536 (pipe(7)).
    for _ in 0..200 {
        kill_process(process, Signal::USR1).expect("it is there");
        streams::ping(&mut client, b"still there");
    }
    kill_process(process, Signal::TERM).expect("it is there");
    assert_eq!(client.read_to_end(&mut Vec::new()).expect("an end, and no reset"), 0);
    drop(client);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    drop(lines);
}

/// The figures were asked for, so that no level hides them; a machine finds them in a line of JSON.
#[test]
fn the_figures_are_written_at_every_level() {
    let server = Server::tcp(&["--log-format", "json", "--log-level", "error", "--shards", "1"]);
    streams::ping(&mut streams::tcp(server.tcp_address()), b"counted");
    server.signal(Signal::USR1);
    let line = server.await_line("bytes_received").pop().expect("it came");
    let value: serde_json::Value = serde_json::from_str(&line).expect("a line is JSON");
    let figures = value["message"].as_str().expect("the figures are its message");
    let received = figures.lines().find(|line| line.contains("bytes_received")).expect("they have it");
    assert!(received.contains('7'), "{received}");
    let farewell = server.stop();
    assert_eq!(farewell.code, Some(0));
    let last = farewell.stderr.last().expect("it spoke");
    assert!(last.contains("bytes_received"), "the final figures: {farewell:#?}");
    assert!(farewell.stderr.iter().all(|line| !line.contains("stopping")), "{farewell:#?}");
}

/// Opening a pipe that nobody writes to would never end, so a pipe is no configuration.
#[test]
fn a_pipe_is_no_configuration() {
    if !can_run("mkfifo", &["--version"]) {
        return skip("mkfifo is missing");
    }
    let folder = Folder::new();
    let pipe = folder.write("t.toml", "");
    std::fs::remove_file(&pipe).expect("it was just written");
    assert!(can_run("mkfifo", &[text(&pipe)]));
    for command in [&["--config", text(&pipe)][..], &["check", "--config", text(&pipe)]] {
        check_refused(tidemill(command), 2, &format!("{} is not a regular file", text(&pipe)));
    }
}

// --- A lost terminal -----------------------------------------------------------------------------------------------

/// SIGHUP has files read again and stops nothing, whether it was ignored when the server was started, as under nohup, or
/// not.
#[test]
fn a_hangup_stops_nothing() {
    for prefix in ["", "trap '' HUP; "] {
        let mut command = Command::new("sh");
        let script = format!("{prefix}exec \"$0\" --listen tcp://127.0.0.1:0 --shards 1");
        command.args(["-c", &script, BINARY]);
        let server = Server::launch(command);
        server.signal(Signal::HUP);
        server.await_line("read again");
        streams::ping(&mut streams::tcp(server.tcp_address()), b"after");
        let ended = server.stop();
        assert_eq!(ended.code, Some(0), "{:?}", ended.stderr);
    }
}
