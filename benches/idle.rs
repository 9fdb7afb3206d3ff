//! What an idle connection costs: the server's own memory with none, and with thousands that say nothing.
//!
//! Only the process's anonymous memory is counted (`RssAnon` in proc_pid_status(5)): sockets and rings live in the
//! kernel. Both figures are taken after the server has echoed once on each connection, so that every buffer that a
//! connection may keep is there.
//!
//! `cargo bench --bench idle -- --connections 10000`

#![allow(clippy::print_stdout, reason = "the figures are the output")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use clap::Parser;

#[derive(Parser)]
struct Options {
    /// Connections that stay idle.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Shards of the server.
    #[arg(long, default_value_t = 1)]
    shards: usize,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let wanted = options.connections as u64 + 64;
    tidemill::sys::descriptors::raise_limit(wanted).map_err(io::Error::other)?;
    let (server, address) = start(&options)?;
    let none = anonymous_kib(&server)?;
    let mut peers = Vec::with_capacity(options.connections);
    for _ in 0..options.connections {
        let mut peer = TcpStream::connect(address)?;
        peer.write_all(b"once")?;
        peer.read_exact(&mut [0; 4])?;
        peers.push(peer);
    }
    let all = anonymous_kib(&server)?;
    let each = (all - none) as f64 / options.connections as f64;
    println!("connections                {:>10}", options.connections);
    println!("user memory without any    {none:>10} KiB");
    println!("user memory with all       {all:>10} KiB");
    println!("user memory of each        {each:>10.2} KiB");
    Ok(())
}

fn start(options: &Options) -> io::Result<(Server, SocketAddr)> {
    let shards = options.shards.to_string();
    let connections = (options.connections + 16).to_string();
    let arguments =
        ["serve", "--listen", "tcp://127.0.0.1:0", "--shards", &shards, "--connections", &connections];
    let mut child =
        Command::new(env!("CARGO_BIN_EXE_tidemill")).args(arguments).stderr(Stdio::piped()).spawn()?;
    let banner = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let server = Server(child);
    let mut lines = BufReader::new(banner).lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.split("tcp://").nth(1)?.trim().parse().ok());
    std::thread::spawn(move || lines.for_each(drop));
    Ok((server, address.ok_or_else(|| io::Error::other("the server named no listener"))?))
}

fn anonymous_kib(server: &Server) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.0.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.ok_or_else(|| io::Error::other("no RssAnon in the status of the process"))
}
