//! The server in the hands of a supervisor, as systemd is one: what it tells, and the sockets that it is passed
//! (sd_notify(3), sd_listen_fds(3)).

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::http::fetch;
use crate::support::launch::{BINARY, can_run, check_sentence, run_from, tidemill};
use crate::support::server::{Server, unix};
use crate::support::{DEADLINE, Folder, quiet_port, skip, streams, text};

/// Where a supervisor hears.
struct Ear {
    socket: UnixDatagram,
    folder: Folder,
}

impl Ear {
    fn new() -> Self {
        let folder = Folder::new();
        let socket = UnixDatagram::bind(folder.path("notify")).expect("a socket");
        socket.set_read_timeout(Some(DEADLINE)).expect("a time-out");
        Self { socket, folder }
    }

    /// A server that is told where it hears.
    fn start(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Server {
        let mut command = tidemill(arguments);
        command.env("NOTIFY_SOCKET", self.folder.path("notify")).envs(environment.iter().copied());
        Server::launch(command)
    }

    /// The next message: its assignments, one a line.
    #[track_caller]
    fn hear(&self) -> HashSet<String> {
        let mut bytes = [0; 4096];
        let count = self.socket.recv(&mut bytes).expect("it says something");
        let text = str::from_utf8(&bytes[..count]).expect("it is text");
        text.lines().map(str::to_owned).collect()
    }

    /// Reads a message that says this.
    #[track_caller]
    fn check(&self, expected: &str) -> HashSet<String> {
        let heard = self.hear();
        assert!(heard.contains(expected), "{expected}: {heard:?}");
        heard
    }
}

/// It is ready when it serves, reads its files again on SIGHUP and says so, and asks for the time that its stop may take.
#[test]
fn it_tells_how_it_is() {
    let ear = Ear::new();
    let server = ear.start(&["--listen", "tcp://127.0.0.1:0", "--drain-timeout", "7s"], &[]);
    let heard = ear.check("READY=1");
    assert!(heard.iter().any(|line| line.starts_with("STATUS=serves at 1 addresses")), "{heard:?}");
    streams::ping(&mut streams::tcp(server.tcp_address()), b"it serves");
    server.signal(Signal::HUP);
    let heard = ear.check("RELOADING=1");
    // Type=notify-reload asks when that was.
    assert!(heard.iter().any(|line| line.starts_with("MONOTONIC_USEC=")), "{heard:?}");
    ear.check("READY=1");
    server.signal(Signal::TERM);
    let heard = ear.check("STOPPING=1");
    assert!(heard.contains("EXTEND_TIMEOUT_USEC=9000000"), "{heard:?}");
    assert_eq!(server.wait().code, Some(0));
}

/// A reload that fails is over as well, and the status says so until one succeeds.
#[test]
fn a_reload_that_fails_is_told() {
    let ear = Ear::new();
    let listener = "[[listener]]\naddress = \"tcp://127.0.0.1:0\"\n";
    let file = ear.folder.write("t.toml", listener);
    let server = ear.start(&["--config", text(&file)], &[]);
    ear.check("READY=1");
    for (config, is_stale) in [("[server]\nshards = 0\n", true), (listener, false)] {
        ear.folder.write("t.toml", config);
        server.signal(Signal::HUP);
        ear.check("RELOADING=1");
        let heard = ear.check("READY=1");
        let status =
            heard.iter().find(|line| line.starts_with("STATUS=serves at 1 addresses")).expect("it has one");
        assert_eq!(status.ends_with("; the last reload changed nothing"), is_stale, "{status}");
    }
    server.stop_clean();
}

/// A watchdog is fed three times in the time that it waits, and no one else is.
#[test]
fn a_watchdog_is_fed() {
    let ear = Ear::new();
    let server = ear.start(&["--listen", "tcp://127.0.0.1:0"], &[("WATCHDOG_USEC", "300000")]);
    ear.check("READY=1");
    for _ in 0..5 {
        ear.check("WATCHDOG=1");
    }
    // Signals in between do not starve it.
    server.signal(Signal::USR1);
    ear.check("WATCHDOG=1");
    drop(server);

    let server =
        ear.start(&["--listen", "tcp://127.0.0.1:0"], &[("WATCHDOG_USEC", "300000"), ("WATCHDOG_PID", "1")]);
    while !ear.hear().contains("READY=1") {}
    server.signal(Signal::TERM);
    ear.check("STOPPING=1");
}

/// Who serves now is told by the one that goes, before the new one says a word: a supervisor may listen to the main process only
/// (systemd.service(5), NotifyAccess=main).
#[test]
fn the_main_process_is_told_before_the_new_one_speaks() {
    let ear = Ear::new();
    let server = ear.start(&["--listen", "tcp://127.0.0.1:0"], &[]);
    ear.check("READY=1");
    server.signal(Signal::USR2);
    let pid = Successor(server.await_successor());
    ear.check(&format!("MAINPID={}", pid.0.as_raw_nonzero()));
    let heard = ear.check("READY=1");
    assert!(heard.iter().any(|line| line.starts_with("STATUS=serves at 1 addresses")), "{heard:?}");
}

/// One that has taken over, and goes with the test.
struct Successor(Pid);

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

/// A supervisor that is gone is no reason to end.
#[test]
fn nobody_has_to_hear() {
    let ear = Ear::new();
    let place = ear.folder.path("notify");
    std::fs::remove_file(place).expect("it is there");
    let server = ear.start(&["--listen", "tcp://127.0.0.1:0"], &[("WATCHDOG_USEC", "300000")]);
    streams::ping(&mut streams::tcp(server.tcp_address()), b"it serves");
    server.stop_clean();
}

/// The server, which is passed its standard input so many times, as systemd would.
pub(crate) fn passed(times: usize, arguments: &[&str]) -> Command {
    let script = format!(
        "exec {}; export LISTEN_PID=$$ LISTEN_FDS={times}; exec \"$@\" </dev/null",
        (0..times).map(|number| format!("{}<&0", 3 + number)).collect::<Vec<_>>().join(" ")
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script, "bash", BINARY]).args(arguments);
    command
}

pub(crate) fn handle(socket: &(impl Twin + ?Sized)) -> Stdio {
    socket.twin().into()
}

/// What has a second handle.
pub(crate) trait Twin {
    fn twin(&self) -> OwnedFd;
}

impl Twin for TcpListener {
    fn twin(&self) -> OwnedFd {
        self.try_clone().expect("a handle").into()
    }
}

impl Twin for UdpSocket {
    fn twin(&self) -> OwnedFd {
        self.try_clone().expect("a handle").into()
    }
}

impl Twin for UnixListener {
    fn twin(&self) -> OwnedFd {
        self.try_clone().expect("a handle").into()
    }
}

/// Clients come while nobody serves: before the first start, and between a stop and the next start. All of them are
/// answered by whoever comes.
#[test]
fn who_comes_while_nobody_serves_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has one");
    let listen = format!("tcp://{address}");
    for round in 0..3u8 {
        let mut waiting: Vec<_> = (0..20).map(|_| streams::tcp(address)).collect();
        let command = passed(1, &["--listen", &listen, "--shards", "2"]);
        let server = Server::launch_from(command, handle(&listener));
        assert_eq!(server.tcp_address(), address);
        waiting.iter_mut().for_each(|client| streams::ping(client, &[round; 100]));
        streams::ping(&mut streams::tcp(address), b"another");
        drop(waiting);
        server.stop_clean();
    }
}

#[test]
fn datagrams_and_unix_sockets_are_passed_too() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("it has one");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
    client.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    client.connect(address).expect("an address");
    client.send(b"early").expect("it is taken");
    let command = passed(1, &["--listen", &format!("udp://{address}"), "--shards", "2"]);
    let server = Server::launch_from(command, handle(&socket));
    let mut buffer = [0; 100];
    let count = client.recv(&mut buffer).expect("it comes back");
    assert_eq!(&buffer[..count], b"early");
    server.stop_clean();

    let folder = Folder::new();
    let path = folder.path("socket");
    let listener = UnixListener::bind(&path).expect("a path");
    let mut early = streams::unix(&path);
    let server = Server::launch_from(passed(1, &["--listen", &unix(&path)]), handle(&listener));
    streams::ping(&mut early, b"early");
    drop(early);
    server.stop_clean();
    assert!(path.exists(), "the file is whose who made it");
}

#[track_caller]
fn check_refused(command: Command, input: Stdio, words: &str) {
    check_sentence(&run_from(command, input), 3, words);
}

#[test]
fn what_cannot_be_used_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has one");
    let other = format!("tcp://127.0.0.1:{}", quiet_port());
    let unknown =
        format!("a socket at tcp://{address} was passed to this process, and no listener has this address");
    check_refused(passed(1, &["--listen", &other]), handle(&listener), &unknown);
    check_refused(passed(1, &[]), Stdio::null(), "descriptor 3 was passed to listen at, and it is no socket");
    let connection = std::net::TcpStream::connect(address).expect("it listens");
    check_refused(passed(1, &[]), OwnedFd::from(connection).into(), "it does not listen");
}

/// What was passed to another process is not ours: the environment of a shell goes on to all that it starts.
#[test]
fn what_is_for_another_process_is_left_alone() {
    let mut command = tidemill(&["--listen", "tcp://127.0.0.1:0"]);
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "1");
    Server::launch(command).stop_clean();
}

/// systemd's own tool passes sockets as systemd does.
#[test]
fn systemd_itself_passes_sockets() {
    const TOOL: &str = "systemd-socket-activate";
    if !can_run(TOOL, &["--version"]) {
        return skip(&format!("{TOOL} is not installed (apt install systemd)"));
    }
    let ports = [quiet_port(), quiet_port()];
    let addresses = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let mut command = Command::new(TOOL);
    for address in addresses {
        command.arg("--listen").arg(address.to_string());
    }
    command.arg(BINARY);
    for address in addresses {
        command.arg("--listen").arg(format!("tcp://{address}"));
    }
    // It starts the server when somebody comes.
    let first = std::thread::spawn(move || {
        let mut client = loop {
            match std::net::TcpStream::connect(addresses[1]) {
                Ok(client) => break streams::patient(client),
                Err(_) => std::thread::yield_now(),
            }
        };
        streams::ping(&mut client, b"first");
    });
    let server = Server::launch(command);
    first.join().expect("it was answered");
    streams::ping(&mut streams::tcp(addresses[0]), b"second");
    server.stop_clean();
}

/// Where the journal reads, lines have their level first and no time (sd-daemon(3)); into any other stream they have both in
/// words, whatever is in the environment.
#[test]
fn the_journal_is_told_the_level_in_its_own_way() {
    let script = "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); exec \"$@\"";
    let arguments = ["--listen", "tcp://127.0.0.1:0"];
    let mut command = Command::new("bash");
    command.args(["-c", script, "bash", BINARY]).args(arguments);
    let server = Server::launch(command);
    let farewell = server.stop();
    let stopping = farewell.stderr.iter().find(|line| line.contains("stopping: ")).expect("it says so");
    assert!(stopping.starts_with("<6>stopping: "), "{stopping}");

    let mut command = tidemill(&arguments);
    command.env("JOURNAL_STREAM", "1:1");
    let farewell = Server::launch(command).stop();
    let stopping = farewell.stderr.iter().find(|line| line.contains("stopping: ")).expect("it says so");
    assert!(stopping.contains(" INFO ") && stopping.starts_with("20"), "{stopping}");
}

/// A supervisor that hears nothing any more keeps nobody from serving, and nobody from ending.
#[test]
fn a_supervisor_that_does_not_read_holds_nothing_up() {
    let ear = Ear::new();
    let crowd = UnixDatagram::unbound().expect("a socket");
    crowd.connect(ear.folder.path("notify")).expect("it is there");
    crowd.set_nonblocking(true).expect("it can be");
    while crowd.send(b"X=1").is_ok() {}
    let server = ear.start(&["--listen", "tcp://127.0.0.1:0"], &[("WATCHDOG_USEC", "300000")]);
    streams::ping(&mut streams::tcp(server.tcp_address()), b"hello");
    server.stop_clean();
}

/// The unit that is shipped is one that systemd understands, with this server in it, and exposed to 2.0 of 10 at most.
#[test]
fn the_unit_is_valid_and_hardened() {
    const TOOL: &str = "systemd-analyze";
    if !can_run(TOOL, &["--offline=true", "security", "--help"]) {
        return skip(&format!("{TOOL} is not installed, or older than systemd 250 (apt install systemd)"));
    }
    let folder = Folder::new();
    for name in ["tidemill.service", "tidemill.socket"] {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning/systemd").join(name);
        let unit = std::fs::read_to_string(shipped).expect("it is shipped");
        folder.write(name, &unit.replace("/usr/local/bin/tidemill", BINARY));
    }
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new(TOOL);
        command.args(arguments).arg(folder.path("tidemill.service"));
        let ended = run_from(command, Stdio::null());
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:#?}");
        ended
    };
    let ended = analyze(&["verify", text(&folder.path("tidemill.socket"))]);
    assert_eq!(ended.stderr, "", "nothing is odd about it");
    // The threshold is in tenths.
    analyze(&["security", "--offline=true", "--threshold=20"]);
    // What is advised where a unit refuses io_uring.
    assert!(calls_of("@aio").contains("io_uring_setup"));
}

/// All that the server asks of the kernel, from its start to its end, the unit allows: systemd says which calls are in the
/// sets that the unit names.
#[test]
fn the_unit_allows_what_is_asked_of_the_kernel() {
    // A container may have strace, and not let it trace.
    let traces = can_run("strace", &["--quiet=all", "--output=/dev/null", "true"]);
    if !traces || !can_run("systemd-analyze", &["--version"]) {
        return skip(
            "strace or systemd-analyze is missing, or may not be used here (apt install strace systemd)",
        );
    }
    let folder = Folder::new();
    let trace = folder.path("trace");
    let mut command = Command::new("strace");
    // A process that is traced stays what was started, so that signals reach it.
    command.args(["--daemonize", "--follow-forks", "--quiet=all", "--output", text(&trace), BINARY]);
    command.args([
        "--listen",
        "tcp://127.0.0.1:0",
        "--listen",
        "udp://127.0.0.1:0",
        "--listen",
        "http://127.0.0.1:0",
    ]);
    command.args(["--listen", "admin://127.0.0.1:0", "--shards", "2"]);
    let server = Server::launch(command);
    streams::ping(&mut streams::tcp(server.tcp_address()), b"it serves");
    assert_eq!(fetch(server.admin_address(), "/metrics").status, 200);
    server.signal(Signal::HUP);
    server.stop_clean();

    let [allowed, denied] = filters_of_the_unit();
    let traced = std::fs::read_to_string(trace).expect("strace has written it");
    // "PID NAME(ARGUMENTS) = RESULT"
    let calls: HashSet<&str> = traced
        .lines()
        .filter_map(|line| line.split_once(' ')?.1.trim_start().split_once('('))
        .map(|(name, _)| name)
        .collect();
    assert!(calls.contains("sched_setaffinity") && calls.contains("openat"), "{calls:?}");
    let is_name = |name: &&&str| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let refused: Vec<_> = calls
        .iter()
        .filter(is_name)
        .filter(|name| !allowed.contains(**name) || denied.contains(**name))
        .collect();
    assert!(refused.is_empty(), "the unit does not allow {refused:?}");
}

/// The system calls that the unit allows, and those that it takes away again.
fn filters_of_the_unit() -> [HashSet<String>; 2] {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning/systemd/tidemill.service");
    let unit = std::fs::read_to_string(unit).expect("it is shipped");
    let filters: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")).collect();
    let (denied, allowed): (Vec<&str>, Vec<&str>) =
        filters.iter().partition(|filter| filter.starts_with('~'));
    [allowed, denied].map(|filters| {
        let names = filters.iter().flat_map(|filter| filter.trim_start_matches('~').split_whitespace());
        names
            .flat_map(|name| if name.starts_with('@') { calls_of(name) } else { [name.to_owned()].into() })
            .collect()
    })
}

/// The system calls of one of systemd's sets, with those of the sets in it.
fn calls_of(set: &str) -> HashSet<String> {
    let mut command = Command::new("systemd-analyze");
    command.args(["syscall-filter", set]);
    let listed = run_from(command, Stdio::null()).stdout;
    let names =
        listed.lines().skip(1).map(str::trim).filter(|name| !name.is_empty() && !name.starts_with('#'));
    names
        .flat_map(
            |name| if name.starts_with('@') { calls_of(name) } else { HashSet::from([name.to_owned()]) },
        )
        .collect()
}
