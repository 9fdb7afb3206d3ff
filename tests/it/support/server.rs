//! A server that runs: a process of its own, on ports that the system chose, killed when a test gives it up.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel, sync_channel};

use rustix::process::{Pid, Signal, kill_process};
use tidemill::sys::clock;

use super::counters::{self, Counters};
use super::launch::{check_calm, tidemill};
use super::{DEADLINE, eventually};

/// A server that runs.
pub(crate) struct Server {
    pid: Pid,
    /// Where it listens, as its banner says.
    addresses: Vec<String>,
    /// All that it said up to the end of its banner.
    banner: String,
    output: Mutex<Output>,
    exit: Receiver<ExitStatus>,
    ended: bool,
}

/// Its standard error, line by line.
struct Output {
    lines: Receiver<String>,
    said: Vec<String>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Farewell {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: Vec<String>,
}

impl Server {
    /// Starts it with these arguments.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = tidemill(arguments);
        if !arguments.contains(&"--engine") {
            command.args(engine().into_iter().flat_map(|engine| ["--engine".to_owned(), engine]));
        }
        Self::launch(command)
    }

    /// Starts it on these listeners with these flags.
    #[track_caller]
    pub(crate) fn listen(listeners: &[&str], flags: &[&str]) -> Self {
        let listeners = listeners.iter().flat_map(|listener| ["--listen", listener]);
        Self::start(&listeners.chain(flags.iter().copied()).collect::<Vec<_>>())
    }

    /// Starts it on a TCP port of the loopback.
    #[track_caller]
    pub(crate) fn tcp(flags: &[&str]) -> Self {
        Self::listen(&["tcp://127.0.0.1:0"], flags)
    }

    /// Starts it by a command of the test's own, which must become the server, and waits until it serves.
    #[track_caller]
    pub(crate) fn launch(command: Command) -> Self {
        Self::launch_from(command, Stdio::null())
    }

    /// The same, with a standard input.
    #[track_caller]
    pub(crate) fn launch_from(command: Command, input: Stdio) -> Self {
        Self::launch_between(command, input, Stdio::null())
    }

    /// The same, with a standard output as well.
    #[track_caller]
    pub(crate) fn launch_between(mut command: Command, input: Stdio, output: Stdio) -> Self {
        let command = command.stdin(input).stdout(output).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the process can be started");
        let pid = Pid::from_child(&child);
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let (sender, exit) = sync_channel(1);
        std::thread::spawn(move || sender.send(child.wait().expect("a child can be waited for")));
        let output = Mutex::new(Output { lines, said: Vec::new() });
        let mut server =
            Self { pid, addresses: Vec::new(), banner: String::new(), output, exit, ended: false };
        // Of a log of JSON, the whole banner is one line.
        let banner = server.await_line("Stop it: ");
        let texts = banner.iter().flat_map(|line| line.split("\\n")).flat_map(str::lines);
        let addresses = texts.filter_map(listener_of);
        server.addresses = addresses.collect();
        server.banner = banner.iter().map(|line| format!("{line}\n")).collect();
        server
    }

    /// All that it said until it served.
    pub(crate) fn banner(&self) -> &str {
        &self.banner
    }

    /// The addresses that begin with `scheme`.
    pub(crate) fn addresses(&self, scheme: &str) -> Vec<SocketAddr> {
        let stripped = self.addresses.iter().filter_map(|address| address.strip_prefix(scheme));
        stripped.map(|address| address.parse().expect("the banner shows an address")).collect()
    }

    /// The first TCP address.
    #[track_caller]
    pub(crate) fn tcp_address(&self) -> SocketAddr {
        self.addresses("tcp://")[0]
    }

    /// The first address of pages without TLS.
    #[track_caller]
    pub(crate) fn http_address(&self) -> SocketAddr {
        self.addresses("http://")[0]
    }

    /// The first address of pages behind TLS.
    #[track_caller]
    pub(crate) fn https_address(&self) -> SocketAddr {
        self.addresses("https://")[0]
    }

    /// The first address of the operators' pages.
    #[track_caller]
    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.addresses("admin://")[0]
    }

    /// The first UDP address.
    #[track_caller]
    pub(crate) fn udp_address(&self) -> SocketAddr {
        self.addresses("udp://")[0]
    }

    /// The number of the process that was started.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// The process that would start the next server.
    pub(crate) fn launcher(&self) -> Pid {
        let own = self.pid.as_raw_nonzero();
        let children =
            fs::read_to_string(format!("/proc/{own}/task/{own}/children")).expect("it runs, and is ours");
        let number = children.split_whitespace().next().and_then(|word| word.parse().ok());
        number.and_then(Pid::from_raw).expect("it has one child")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("the server runs, and is ours");
    }

    /// Stops the process in the sense of SIGSTOP, and waits until each of its threads stands still.
    #[track_caller]
    pub(crate) fn hold(&self) {
        self.signal(Signal::STOP);
        let folder = format!("/proc/{}/task", self.pid.as_raw_nonzero());
        let stands = |thread: fs::DirEntry| {
            // proc(5): the state follows the name, which is in parentheses.
            let stat = fs::read_to_string(thread.path().join("stat")).expect("it stays");
            stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
        };
        eventually("every thread stands still", || {
            let mut threads = fs::read_dir(&folder).expect("it runs, and is ours");
            threads.all(|thread| stands(thread.expect("it can be listed")))
        });
    }

    /// Its counters now.
    #[track_caller]
    pub(crate) fn counters(&self) -> Counters {
        let mut output = self.output.lock().expect("no test panics with it");
        self.signal(Signal::USR1);
        let table = output.next_table();
        Counters::parse(&table)
    }

    /// Waits until it has said these words, and returns all its lines up to them since the last wait.
    #[track_caller]
    pub(crate) fn await_line(&self, words: &str) -> Vec<String> {
        let mut output = self.output.lock().expect("no test panics with it");
        let mut lines = Vec::new();
        loop {
            let line = output.next();
            let line =
                line.unwrap_or_else(|| panic!("it ended without saying {words:?}: {:#?}", output.said));
            let found = line.contains(words);
            lines.push(line);
            if found {
                return lines;
            }
        }
    }

    /// Waits until a counter has reached a value.
    #[track_caller]
    pub(crate) fn await_count(&self, name: &str, value: u64) {
        let mut counters = self.counters();
        let what = format!("{name} is {value}");
        eventually(&what, || {
            counters = self.counters();
            counters.total(name) >= value
        });
        assert_eq!(counters.total(name), value, "{counters:#?}");
    }

    /// Waits until it has begun to wait for a reader, and sends nothing more.
    #[track_caller]
    pub(crate) fn await_paused_sending(&self) {
        let mut last = (0, 0);
        eventually("it waits for a reader", || {
            let counters = self.counters();
            let now = (counters.total("bytes_sent"), counters.total("http_requests"));
            let is_still = now == std::mem::replace(&mut last, now);
            is_still && 0 < counters.total("send_short") + counters.total("send_blocked")
        });
    }

    /// Waits until all connections are over, and checks that nothing is left of them.
    #[track_caller]
    pub(crate) fn check_all_clean(&self, before: &Counters, descriptors: usize) {
        let mut counters = self.counters();
        let is_clean = |counters: &Counters| {
            counters.total("connections_open") == 0
                && counters.total("accepted") == counters.total("closed")
                && counters.total("receive_buffers_free") == before.total("receive_buffers_free")
        };
        let deadline = clock::now().saturating_add(DEADLINE);
        while !is_clean(&counters) {
            assert!(clock::now() < deadline, "something is left: {counters:#?}");
            counters = self.counters();
        }
        assert_eq!(counters.total("unexpected_errors"), 0, "{counters:#?}");
        assert_eq!(self.descriptors(), descriptors);
    }

    /// The descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.pid.as_raw_nonzero());
        fs::read_dir(folder).expect("it runs, and is ours").count()
    }

    /// How nice each of its threads of this name is (proc_pid_stat(5): the 19th field).
    pub(crate) fn niceness(&self, thread: &str) -> Vec<i32> {
        let folder = format!("/proc/{}/task", self.pid.as_raw_nonzero());
        let tasks = fs::read_dir(folder).expect("it runs, and is ours");
        let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
        let nice = |stat: String| {
            let (start, fields) = stat.rsplit_once(')')?;
            let is_it = start.split_once('(').is_some_and(|(_, name)| name == thread);
            is_it.then(|| fields.split_whitespace().nth(16)?.parse().ok())?
        };
        stats.filter_map(nice).collect()
    }

    /// Its memory that is in use, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// The most memory that was ever in use, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, name: &str) -> u64 {
        let file = format!("/proc/{}/status", self.pid.as_raw_nonzero());
        let status = fs::read_to_string(file).expect("it runs, and is ours");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("proc(5) promises it");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("proc(5): in kB");
        kibibytes * 1024
    }

    /// Asks it to stop, and waits until it has.
    #[track_caller]
    pub(crate) fn stop(self) -> Farewell {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Stops it and checks that it ended as it should, with nothing cut.
    #[track_caller]
    pub(crate) fn stop_clean(self) {
        let farewell = self.stop();
        assert_eq!(farewell.code, Some(0), "{farewell:#?}");
    }

    /// Waits until it has ended.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Farewell {
        let status = self.exit.recv_timeout(DEADLINE).expect("it ends in time");
        self.ended = true;
        let output = self.output.get_mut().expect("no test panics with it");
        while output.next().is_some() {}
        let stderr = std::mem::take(&mut output.said);
        check_calm(&stderr.join("\n"));
        Farewell { code: status.code(), stderr }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.ended && self.exit.try_recv().is_err() {
            // It may just have ended by itself.
            let _ = kill_process(self.pid, Signal::KILL);
            let _ = self.exit.recv_timeout(DEADLINE);
        }
    }
}

impl Farewell {
    /// The counters it printed at its end.
    #[track_caller]
    pub(crate) fn counters(&self) -> Counters {
        let start =
            self.stderr.iter().rposition(|line| counters::is_heading(line)).expect("a table at its end");
        Counters::parse(&self.stderr[start..])
    }
}

impl Output {
    /// The next line; none when it has ended.
    #[track_caller]
    fn next(&mut self) -> Option<String> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => {
                self.said.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("it said nothing for {DEADLINE:?}: {:#?}", self.said),
        }
    }

    #[track_caller]
    fn next_table(&mut self) -> Vec<String> {
        let mut table = Vec::new();
        while !counters::is_complete(&table) {
            let line = self.next();
            let line = line.unwrap_or_else(|| panic!("it ended before its counters: {:#?}", self.said));
            if !table.is_empty() || counters::is_heading(&line) {
                table.push(line);
            }
        }
        table
    }
}

/// The engine that all tests run on, where one is named.
pub(crate) fn engine() -> Option<String> {
    std::env::var("TIDEMILL_TEST_ENGINE").ok()
}

/// A path of a Unix socket as an address.
pub(crate) fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

/// What a line of the banner says of a listener, as a word that `--listen` would take.
fn listener_of(line: &str) -> Option<String> {
    let (service, address) = line.strip_prefix("  ")?.split_once(' ')?;
    match service {
        "echo" | "http" | "nats" | "publish" => Some(address.trim_start().to_owned()),
        "admin" => Some(address.trim_start().replacen("http", "admin", 1)),
        _ => None,
    }
}
