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
use std::sync::Arc;

use clap::Parser;
use rustls::{ClientConnection, StreamOwned};
use tidemill::tls::{ClientSettings, Trust, Versions, client_config};

#[derive(Parser)]
struct Options {
    /// Connections that stay idle.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Shards of the server.
    #[arg(long, default_value_t = 1)]
    shards: usize,
    /// Only kinds whose name contains this.
    #[arg(long)]
    kind: Option<String>,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a connection says once, and what comes back.
struct Kind {
    name: &'static str,
    /// As `--listen` takes it.
    listen: &'static str,
    tls: bool,
    /// What is said, and how many bytes are answered to it; in turns.
    says: &'static [(&'static [u8], Answer)],
}

/// When an answer is whole.
#[derive(Clone, Copy)]
enum Answer {
    Bytes(usize),
    /// A head without content.
    Head,
}

const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// A masked text frame (RFC 6455, section 5.7); its echo is seven bytes.
const HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
const WEBSOCKET: &[(&[u8], Answer)] = &[(UPGRADE, Answer::Head), (HELLO, Answer::Bytes(7))];
const REQUEST: &[u8] = b"GET /bytes/0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

const KINDS: &[Kind] = &[
    Kind { name: "echo", listen: "tcp", tls: false, says: &[(b"once", Answer::Bytes(4))] },
    Kind { name: "http keep-alive", listen: "http", tls: false, says: &[(REQUEST, Answer::Head)] },
    Kind { name: "websocket", listen: "http", tls: false, says: WEBSOCKET },
    Kind { name: "echo behind TLS 1.3", listen: "tls", tls: true, says: &[(b"once", Answer::Bytes(4))] },
    Kind { name: "websocket behind TLS 1.3", listen: "https", tls: true, says: WEBSOCKET },
];

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
    println!("{:<26} {:>12} {:>14} {:>14} {:>12}", "idle", "connections", "without", "with all", "each");
    for kind in KINDS {
        if options.kind.as_ref().is_none_or(|wanted| kind.name.contains(wanted.as_str())) {
            measure(&options, kind)?;
        }
    }
    Ok(())
}

fn measure(options: &Options, kind: &Kind) -> io::Result<()> {
    let (server, address) = start(options, kind)?;
    // The first connection of all makes what all share.
    let mut peers = vec![connect(address, kind)?];
    let none = anonymous_kib(&server)?;
    for _ in 0..options.connections {
        peers.push(connect(address, kind)?);
    }
    let all = anonymous_kib(&server)?;
    let each = (all - none) as f64 / options.connections as f64;
    println!("{:<26} {:>12} {none:>10} KiB {all:>10} KiB {each:>8.2} KiB", kind.name, options.connections);
    Ok(())
}

/// A connection that has said what it has to say.
fn connect(address: SocketAddr, kind: &Kind) -> io::Result<Box<dyn Peer>> {
    let socket = TcpStream::connect(address)?;
    let mut peer: Box<dyn Peer> = if kind.tls {
        let config = client_config(&anybody()).map_err(io::Error::other)?;
        let name = address.ip().into();
        let tls = ClientConnection::new(Arc::clone(&config), name).map_err(io::Error::other)?;
        Box::new(StreamOwned::new(tls, socket))
    } else {
        Box::new(socket)
    };
    for (said, answer) in kind.says {
        peer.write_all(said)?;
        peer.flush()?;
        match answer {
            Answer::Bytes(count) => peer.read_exact(&mut vec![0; *count])?,
            Answer::Head => read_head(&mut *peer)?,
        }
    }
    Ok(peer)
}

/// A client that speaks to whom it finds.
fn anybody() -> ClientSettings {
    ClientSettings {
        trust: Trust::Anybody,
        alpn: Vec::new(),
        versions: Versions::default(),
        resumption: false,
    }
}

/// What can be spoken to.
trait Peer: Read + Write {}
impl<T: Read + Write> Peer for T {}

fn read_head(peer: &mut dyn Peer) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        peer.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(())
}

fn start(options: &Options, kind: &Kind) -> io::Result<(Server, SocketAddr)> {
    let shards = options.shards.to_string();
    let connections = (options.connections + 16).to_string();
    let listen = format!("{}://127.0.0.1:0", kind.listen);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    command.args(["serve", "--listen", &listen, "--shards", &shards, "--connections", &connections]);
    command.args(["--connections-per-address", &connections]);
    if kind.tls {
        command.arg("--tls-self-signed");
    }
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    let banner = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let server = Server(child);
    let mut lines = BufReader::new(banner).lines().map_while(Result::ok);
    let mark = format!("{}://", kind.listen);
    let address = lines.find_map(|line| line.split(mark.as_str()).nth(1)?.trim().parse().ok());
    std::thread::spawn(move || lines.for_each(drop));
    Ok((server, address.ok_or_else(|| io::Error::other("the server named no listener"))?))
}

fn anonymous_kib(server: &Server) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.0.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.ok_or_else(|| io::Error::other("no RssAnon in the status of the process"))
}
