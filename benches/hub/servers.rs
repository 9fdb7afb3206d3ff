//! The servers that are compared, each as one process on one core.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Options;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    NatsServer,
    Tidemill,
    /// The same, spoken to over plain WebSocket.
    TidemillWebSocket,
    Bun,
    Floor,
}

/// A running server. It is ended with this value.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    child: Child,
    port: u16,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NatsServer => "nats-server",
            Self::Tidemill | Self::TidemillWebSocket => "tidemill",
            Self::Bun => "Bun",
            Self::Floor => "bare program",
        }
    }

    pub(crate) fn is_websocket(self) -> bool {
        matches!(self, Self::Bun | Self::TidemillWebSocket)
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(self, options: &Options) -> io::Result<Server> {
        let port = free_port()?;
        let command = match self {
            Self::NatsServer => nats_server(options, port),
            Self::Tidemill => tidemill(options, &format!("nats://127.0.0.1:{port}")),
            Self::TidemillWebSocket => tidemill(options, &format!("http://127.0.0.1:{port}")),
            Self::Bun => bun(options, port),
            Self::Floor => return floor(options),
        };
        let child = pinned(&command, options.server_core).stdin(Stdio::null()).spawn()?;
        let mut server = Server { kind: self, child, port };
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
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().map_or(0, |kilobytes| kilobytes << 10)
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

fn nats_server(options: &Options, port: u16) -> Command {
    let mut command = Command::new(&options.nats_server);
    command.args(["-a", "127.0.0.1", "-p", &port.to_string()]);
    command
}

fn tidemill(options: &Options, listen: &str) -> Command {
    let mut command = Command::new(&options.tidemill);
    command.args(["serve", "--shards", "1", "--cores", &options.server_core.to_string()]);
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
    Ok(Server { kind: Kind::Floor, child, port })
}

/// On one core, whatever the server itself thinks of it. A shell's limit on descriptors is raised for it.
fn pinned(command: &Command, core: usize) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", &core.to_string()]).arg(command.get_program()).args(command.get_args());
    pinned.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    pinned
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
