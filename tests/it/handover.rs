//! A new process takes over while clients come and go: none of them is refused, reset or left alone.
//!
//! By default there are a few hand-overs; `TIDEMILL_HANDOVERS=50` asks for more.

mod between;
mod command;
mod restart;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::http::fetch;
use crate::support::launch::{BINARY, can_run};
use crate::support::server::{Server, engine, unix};
use crate::support::{DEADLINE, Folder, eventually, quiet_port, say, skip, streams, text};

/// Clients that come, ask and go until they are told to stop.
struct Crowd {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn begin(address: SocketAddr) -> Self {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = || {
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    visit(address);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let threads = (0..4).map(|_| client()).collect();
        Self { stop, served, threads }
    }

    /// Waits until so many more were served.
    fn await_more(&self, count: u64) {
        let goal = self.served.load(Ordering::Relaxed) + count;
        eventually("clients are served", || goal <= self.served.load(Ordering::Relaxed));
    }

    /// All that came were served, or this fails.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("all were served"));
        self.served.load(Ordering::Relaxed)
    }
}

/// One client: it comes, is answered, ends, and sees the other end.
fn visit(address: SocketAddr) {
    let mut client = streams::patient(TcpStream::connect(address).expect("it is let in"));
    client.write_all(b"hello").expect("it is taken");
    let mut answer = [0; 5];
    client.read_exact(&mut answer).expect("it is answered");
    client.shutdown(Shutdown::Write).expect("it is connected");
    assert_eq!(client.read(&mut answer).expect("an end, and no reset"), 0);
}

/// The processes that one server has been, from the first on.
struct Line {
    first: Server,
    pid: Pid,
}

impl Line {
    fn begin(command: Command) -> Self {
        let first = Server::launch(command);
        let pid = first.pid();
        Self { first, pid }
    }

    fn ask(&self) {
        kill_process(self.pid, Signal::USR2).expect("it runs, and is ours");
    }

    /// Has the last process hand over. Returns which one that was.
    fn begin_hand_over(&mut self) -> Pid {
        self.ask();
        let next = self.first.await_successor();
        std::mem::replace(&mut self.pid, next)
    }

    /// The same, and waits until it has ended.
    fn hand_over(&mut self) {
        let last = self.begin_hand_over();
        eventually("the predecessor has ended", || has_ended(last));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // The first one is ended by the server of the test.
        if self.pid != self.first.pid() {
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

impl Server {
    /// Waits until it has handed over, or one of those that came after it has. Returns which process serves now.
    #[track_caller]
    pub(crate) fn await_successor(&self) -> Pid {
        let said = self.await_line("handed over to process ");
        let number = said.last().and_then(|line| line.rsplit(' ').next()).and_then(|word| word.parse().ok());
        number.and_then(Pid::from_raw).expect("it says which")
    }
}

/// Whether a process is gone, or waits to be asked how it ended (proc_pid_stat(5)).
fn has_ended(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

/// The server as a file that can be replaced.
fn installed(folder: &Folder) -> PathBuf {
    let path = folder.path("tidemill");
    place(BINARY.as_ref(), &path);
    path
}

/// Puts a program where another one may be, by a process of its own: a file that this one writes could still be open in a
/// child that another test starts just then, and nobody can run it (execve(2), ETXTBSY).
fn place(program: &Path, target: &Path) {
    let copied = target.with_extension("new");
    let done = Command::new("cp").arg("--preserve=mode").args([program, &copied]).status();
    assert!(done.expect("cp is everywhere").success());
    fs::rename(&copied, target).expect("it is replaced");
}

/// Puts a script in the place of the program.
fn replace(folder: &Folder, program: &Path, script: &str) {
    let written = folder.write("script", script);
    fs::set_permissions(&written, fs::Permissions::from_mode(0o755)).expect("it is ours");
    place(&written, program);
}

fn serve(program: &Path, listen: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(["--shards", "2", "--drain-timeout", "20s"]);
    command.args(listen.iter().flat_map(|listen| ["--listen", listen]));
    on_engine(&mut command);
    command
}

/// The engine that all tests run on, where one is named.
fn on_engine(command: &mut Command) {
    command.args(engine().into_iter().flat_map(|engine| ["--engine".to_owned(), engine]));
}

#[test]
fn nobody_is_lost_when_a_new_process_takes_over() {
    let count = std::env::var("TIDEMILL_HANDOVERS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let address = SocketAddr::from(([127, 0, 0, 1], quiet_port()));
    let mut line = Line::begin(serve(BINARY.as_ref(), &[&format!("tcp://{address}")]));
    let crowd = Crowd::begin(address);
    for _ in 0..count {
        crowd.await_more(50);
        line.hand_over();
    }
    crowd.await_more(50);
    let served = crowd.end();
    say(&format!("{served} clients were served during {count} hand-overs"));
}

/// The new program crashes, or does not know its configuration: the old one serves on, and says why. The next try with a
/// good one succeeds.
#[test]
fn a_successor_that_fails_changes_nothing() {
    let folder = Folder::new();
    let program = installed(&folder);
    let address = SocketAddr::from(([127, 0, 0, 1], quiet_port()));
    let file = folder.write("tidemill.toml", &format!("[[listener]]\naddress = \"tcp://{address}\"\n"));
    let mut command = Command::new(&program);
    command.args(["--config", text(&file), "--shards", "2"]);
    on_engine(&mut command);
    let mut line = Line::begin(command);
    let crowd = Crowd::begin(address);

    replace(&folder, &program, "#!/bin/sh\nexit 7\n");
    line.ask();
    line.first.await_line("did not come to serve (exit status: 7), and this one serves on");
    crowd.await_more(20);

    fs::remove_file(&program).expect("it is ours");
    line.ask();
    line.first.await_line("no process can be started to take over, and this one serves on");
    crowd.await_more(20);

    installed(&folder);
    let good = fs::read_to_string(&file).expect("it is ours");
    fs::write(&file, "[[listener]]\naddress = \"nonsense\"\n").expect("it is ours");
    line.ask();
    line.first.await_line("did not come to serve (exit status: 2), and this one serves on");
    crowd.await_more(20);

    fs::write(&file, good).expect("it is ours");
    line.hand_over();
    crowd.await_more(20);
    crowd.end();
}

/// A stop is a stop: a successor that has not come to serve goes as well.
#[test]
fn a_stop_ends_a_successor_that_does_not_serve_yet() {
    let folder = Folder::new();
    let program = installed(&folder);
    let server = Server::launch(serve(&program, &["tcp://127.0.0.1:0"]));
    replace(&folder, &program, "#!/bin/sh\nexec sleep 600\n");
    server.signal(Signal::USR2);
    let said = server.await_line("is to take over");
    let words = said.last().expect("it was said").split_whitespace();
    let number = words.skip_while(|word| *word != "process").nth(1).and_then(|word| word.parse().ok());
    let successor = number.and_then(Pid::from_raw).expect("it says which");
    assert!(!has_ended(successor));
    // A second time changes nothing.
    server.signal(Signal::USR2);
    server.await_line("is taking over already");
    // What is read now the successor may have read before.
    server.signal(Signal::HUP);
    server.await_line("send SIGHUP to it, too");
    server.stop_clean();
    assert!(has_ended(successor));
}

/// A configuration with so many shards and these listeners, each an address and a service.
fn configured(folder: &Folder, shards: usize, listeners: &[(&str, &str)]) -> PathBuf {
    let listener = |(address, service): &(&str, &str)| {
        format!("[[listener]]\naddress = \"{address}\"\nservice = \"{service}\"\n")
    };
    let listeners: String = listeners.iter().map(listener).collect();
    folder.write("tidemill.toml", &format!("[server]\nshards = {shards}\n{listeners}"))
}

fn serve_file(file: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["--config", text(file)]);
    on_engine(&mut command);
    command
}

/// The successor may have fewer shards, each with several sockets of a listener, or more, each with a queue of its own; clients
/// of every listener come to its service, and nobody is lost.
#[test]
fn the_number_of_shards_may_change() {
    let folder = Folder::new();
    let ports = [(); 4].map(|()| quiet_port());
    let [echo, pages, datagrams, _] = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let [tcp, http, udp, admin] = [("tcp", 0), ("tcp", 1), ("udp", 2), ("tcp", 3)]
        .map(|(scheme, at)| format!("{scheme}://127.0.0.1:{}", ports[at]));
    let path = folder.path("socket");
    let unix = unix(&path);
    // Datagrams stand between streams, so that neither group is in the order of the file.
    let listeners =
        [(&*tcp, "echo"), (&*udp, "echo"), (&*http, "http"), (&*admin, "admin"), (&*unix, "echo")];
    let file = configured(&folder, 2, &listeners);
    let mut line = Line::begin(serve_file(&file));
    let crowd = Crowd::begin(echo);
    for shards in [1, 3, 2, 2, 1] {
        crowd.await_more(50);
        configured(&folder, shards, &listeners);
        line.hand_over();
        // The kernel chooses among the sockets by a hash of both ends: 20 clients miss one of three once in 3,000 runs.
        for _ in 0..20 {
            visit(echo);
            assert_eq!(fetch(pages, "/healthz").status, 200);
            streams::ping(&mut streams::unix(&path), b"hello");
            let client = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
            client.connect(datagrams).expect("an address");
            client.set_read_timeout(Some(DEADLINE)).expect("a time-out");
            client.send(b"hello").expect("it is taken");
            assert_eq!(client.recv(&mut [0; 16]).expect("it comes back"), 5);
        }
        assert_eq!(fetch(SocketAddr::from(([127, 0, 0, 1], ports[3])), "/healthz").status, 200);
        assert_eq!(shards_of(line.pid), shards);
    }
    crowd.end();
}

/// The threads of a process that are shards.
fn shards_of(pid: Pid) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).expect("it runs, and is ours");
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    let names = tasks.filter_map(|task| Some(name(task.ok()?)));
    // The one behind the operators' pages has the number after the last.
    names.filter(|name| name.starts_with("shard ")).count() - 1
}

/// The file of a Unix socket goes with the last process that listens there: when it is not named any more, with the one that
/// has handed over.
#[test]
fn the_file_of_a_listener_that_is_gone_is_removed() {
    let folder = Folder::new();
    let [stays, goes] = ["stays", "goes"].map(|name| folder.path(name));
    let file = configured(&folder, 2, &[(&unix(&stays), "echo"), (&unix(&goes), "echo")]);
    let mut line = Line::begin(serve_file(&file));
    line.hand_over();
    assert!(stays.exists() && goes.exists());
    configured(&folder, 2, &[(&unix(&stays), "echo")]);
    line.hand_over();
    assert!(stays.exists() && !goes.exists());
    streams::ping(&mut streams::unix(&stays), b"hello");
    line.hand_over();
    streams::ping(&mut streams::unix(&stays), b"hello");
    kill_process(line.pid, Signal::TERM).expect("it runs, and is ours");
    eventually("the last one has ended", || has_ended(line.pid));
    assert!(!stays.exists());
}

/// Listeners of each kind go over, with the file of a Unix socket, which only the last process removes. Whoever speaks
/// with the old process may finish, and what the new configuration does not name is closed.
#[test]
fn all_kinds_of_listeners_go_over() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let ports = [quiet_port(), quiet_port()];
    let [tcp, udp] = [format!("tcp://127.0.0.1:{}", ports[0]), format!("udp://127.0.0.1:{}", ports[1])];
    let mut line = Line::begin(serve(BINARY.as_ref(), &[&tcp, &udp, &unix(&path)]));
    let mut old = streams::tcp(SocketAddr::from(([127, 0, 0, 1], ports[0])));
    streams::ping(&mut old, b"hello");
    let first = line.begin_hand_over();
    // It was in the midst of a conversation, which ends in order.
    let mut rest = Vec::new();
    old.read_to_end(&mut rest).expect("an end, and no reset");
    assert!(rest.is_empty());
    eventually("the predecessor has ended", || has_ended(first));

    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    datagrams.connect(("127.0.0.1", ports[1])).expect("an address");
    datagrams.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    datagrams.send(b"hello").expect("it is taken");
    let mut buffer = [0; 16];
    assert_eq!(datagrams.recv(&mut buffer).expect("it comes back"), 5);
    streams::ping(&mut streams::unix(&path), b"hello");
    streams::ping(&mut streams::tcp(SocketAddr::from(([127, 0, 0, 1], ports[0]))), b"hello");
    assert!(path.exists());
    kill_process(line.pid, Signal::TERM).expect("it runs, and is ours");
    eventually("the last one has ended", || has_ended(line.pid));
    assert!(!path.exists(), "the last one removes the file");
}

/// What is PID 1 of a container cannot go without it, and says so.
#[test]
fn the_first_process_of_a_container_stays() {
    if !can_run("unshare", &["--pid", "--fork", "--mount-proc", "true"]) {
        return skip("namespaces cannot be made here (it takes root and unshare of util-linux)");
    }
    let mut command = Command::new("unshare");
    command.args([
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        BINARY,
        "--listen",
        "tcp://127.0.0.1:0",
    ]);
    on_engine(&mut command);
    let server = Server::launch(command);
    let outer = server.pid().as_raw_nonzero();
    let children = format!("/proc/{outer}/task/{outer}/children");
    let child =
        fs::read_to_string(children).ok().and_then(|text| text.split_whitespace().next()?.parse().ok());
    kill_process(child.and_then(Pid::from_raw).expect("it has one child"), Signal::USR2).expect("it is ours");
    server.await_line("it is PID 1 of its container");
    streams::ping(&mut streams::tcp(server.tcp_address()), b"it serves on");
}
