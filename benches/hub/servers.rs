//! The servers that are compared, each as one process on one core.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Options;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    NatsServer,
    Tidemill,
    /// With two shards: the second one has the generator's core.
    TidemillPair,
    /// They soon cut who does not read.
    NatsServerStrict,
    TidemillStrict,
    /// The same, spoken to over plain WebSocket.
    TidemillWebSocket,
    /// The same, asked for events.
    TidemillEvents,
    Bun,
    Floor,
}

/// A running server. It is ended with this value.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    /// How it was started.
    pub(crate) command: String,
    child: Child,
    port: u16,
    files: Files,
}

/// Files of one server's own, without a name in what is reported. They are removed with this value.
#[derive(Default)]
struct Files {
    /// Its configuration, if it has one.
    config: Option<PathBuf>,
    /// What it says, where somebody reads it.
    log: Option<PathBuf>,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NatsServer | Self::NatsServerStrict => "nats-server",
            Self::Tidemill | Self::TidemillStrict | Self::TidemillWebSocket | Self::TidemillEvents => {
                "tidemill"
            }
            Self::TidemillPair => "tidemill, 2 shards",
            Self::Bun => "Bun",
            Self::Floor => "bare program",
        }
    }

    pub(crate) fn is_websocket(self) -> bool {
        matches!(self, Self::Bun | Self::TidemillWebSocket)
    }

    /// What its configuration file says, if it has one.
    fn config(self) -> &'static str {
        match self {
            Self::NatsServerStrict => "max_pending: 256KB\nmax_payload: 64KB\nwrite_deadline: 1s\n",
            Self::TidemillStrict => {
                "limits.stall_timeout = \"1s\"\nlimits.outbox_per_shard = \"16MiB\"\n\
                 hub.pending_bytes_max = \"256KiB\"\nhub.shared_bytes_per_shard = \"16MiB\"\n"
            }
            _ => "",
        }
    }

    /// How many threads serve.
    pub(crate) fn shards(self) -> usize {
        if self == Self::TidemillPair { 2 } else { 1 }
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(self, options: &Options) -> io::Result<Server> {
        let port = free_port()?;
        let mut command = match self {
            Self::NatsServer | Self::NatsServerStrict => nats_server(options, port),
            Self::Tidemill | Self::TidemillStrict | Self::TidemillPair => {
                tidemill(options, self.shards(), &format!("nats://127.0.0.1:{port}"))
            }
            Self::TidemillWebSocket | Self::TidemillEvents => {
                tidemill(options, 1, &format!("http://127.0.0.1:{port}"))
            }
            Self::Bun => bun(options, port),
            Self::Floor => return floor(options),
        };
        let said = said(&command, self.config()).replace(&port.to_string(), "PORT");
        let file = |end: &str| std::env::temp_dir().join(format!("hub-{}-{port}.{end}", std::process::id()));
        let mut files = Files::default();
        if !self.config().is_empty() {
            let path = file(if self == Self::TidemillStrict { "toml" } else { "conf" });
            fs::write(&path, self.config())?;
            command.arg("--config").arg(&path);
            files.config = Some(path);
        }
        let cores = cores(options, self.shards());
        let mut pinned = pinned(&command, &cores);
        if self == Self::TidemillPair {
            let path = file("log");
            pinned.stderr(fs::File::create(&path)?);
            files.log = Some(path);
        }
        let child = pinned.stdin(Stdio::null()).spawn()?;
        let mut server = Server { kind: self, command: said, child, port, files };
        server.await_listener()?;
        Ok(server)
    }
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What the load generator is told.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.kind.is_websocket() { "ws" } else { "nats" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Bytes of memory that belong to the process alone and are no file's.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.status("RssAnon:")
    }

    /// Bytes that the kernel says of the process.
    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().map_or(0, |kilobytes| kilobytes << 10)
    }

    /// The largest resident memory since it was [forgotten](Self::forget_peak), and what is resident now, in bytes.
    pub(crate) fn resident(&self) -> (u64, u64) {
        (self.status("VmHWM:"), self.status("VmRSS:"))
    }

    /// From now on the largest resident memory is looked for anew (`proc(5)`, clear_refs).
    pub(crate) fn forget_peak(&self) -> io::Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")
    }

    /// A counter of each shard, from what it writes when it is asked to (SIGUSR1).
    pub(crate) fn counted(&self, counter: &str) -> io::Result<Vec<u64>> {
        let log = self.files.log.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let before = fs::read_to_string(log)?.len();
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.ok_or(io::ErrorKind::NotFound)?, rustix::process::Signal::USR1)?;
        for _ in 0..200 {
            let text = fs::read_to_string(log)?;
            // The last line of a table names what is zero.
            if let Some((table, _)) = text[before..].split_once("zero:") {
                let line = table.lines().find_map(|line| line.trim_start().strip_prefix(counter));
                let cells = line.unwrap_or_default().split_whitespace();
                // The first is the sum of the others.
                return Ok(cells.skip(1).filter_map(|cell| cell.replace(',', "").parse().ok()).collect());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        Err(io::Error::other("it does not say what it has counted"))
    }

    /// Seconds of processor time of each shard's thread.
    pub(crate) fn shard_seconds(&self) -> io::Result<Vec<f64>> {
        let mut shards = Vec::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let task = task?.path();
            let name = fs::read_to_string(task.join("comm"))?;
            let spent = fs::read_to_string(task.join("schedstat"))?;
            let spent = spent.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok());
            if let Some(number) =
                name.trim().strip_prefix("shard ").and_then(|text| text.parse::<usize>().ok())
            {
                shards.push((number, spent.unwrap_or_default() / 1e9));
            }
        }
        shards.sort_by_key(|(number, _)| *number);
        Ok(shards.into_iter().map(|(_, seconds)| seconds).take(self.kind.shards()).collect())
    }

    fn await_listener(&mut self) -> io::Result<()> {
        for _ in 0..200 {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("it ended at once ({status})")));
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        Err(io::Error::other("it does not listen"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended already.
        let _ = self.child.wait();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let all = [&self.config, &self.log];
        all.into_iter().flatten().for_each(|path| drop(fs::remove_file(path)));
    }
}

/// A command as somebody would type it.
fn said(command: &Command, config: &str) -> String {
    let name = PathBuf::from(command.get_program());
    let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let words =
        std::iter::once(name).chain(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    let words = words.collect::<Vec<_>>().join(" ").replace(concat!(env!("CARGO_MANIFEST_DIR"), "/"), "");
    match config.trim_end().replace('\n', "; ") {
        config if config.is_empty() => words,
        config => format!("{words} --config FILE` with `{config}"),
    }
}

/// The cores of so many threads: the generator's comes second.
fn cores(options: &Options, shards: usize) -> String {
    let cores = [options.server_core, options.client_core];
    cores[..shards].iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn nats_server(options: &Options, port: u16) -> Command {
    let mut command = Command::new(&options.nats_server);
    command.args(["-a", "127.0.0.1", "-p", &port.to_string()]);
    command
}

fn tidemill(options: &Options, shards: usize, listen: &str) -> Command {
    let mut command = Command::new(&options.tidemill);
    command.args(["serve", "--shards", &shards.to_string(), "--cores", &cores(options, shards)]);
    command.args(["--listen", listen, "--connections-per-address", "16384"]);
    command
}

fn bun(options: &Options, port: u16) -> Command {
    let mut command = Command::new(&options.bun);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/hub/fan.js")).arg(port.to_string());
    command
}

/// This program itself, serving.
fn floor(options: &Options) -> io::Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--serve-floor", "--server-core", &options.server_core.to_string()]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?).read_line(&mut line)?;
    let port = line.trim().parse().map_err(|_| io::Error::other("the server printed no port"))?;
    Ok(Server { kind: Kind::Floor, command: said(&command, ""), child, port, files: Files::default() })
}

/// On these cores, whatever the server itself thinks of it. A shell's limit on descriptors is raised for it.
fn pinned(command: &Command, cores: &str) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", cores]).arg(command.get_program()).args(command.get_args());
    pinned.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    pinned
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
