//! What a connection costs that has one subscription and gets nothing.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};

use super::servers::{Kind, Server};

/// Opens so many, and returns the bytes that the server's own memory has grown by for each.
pub(crate) fn bytes_per_connection(server: &Server, connections: usize) -> io::Result<f64> {
    raise_limit()?;
    // What the first ones bring with them is no connection's.
    let warm: Vec<TcpStream> = open(server, WARM)?;
    let before = server.memory_bytes();
    let opened = open(server, connections)?;
    let grown = server.memory_bytes().saturating_sub(before);
    drop((warm, opened));
    Ok(grown as f64 / connections as f64)
}

fn open(server: &Server, connections: usize) -> io::Result<Vec<TcpStream>> {
    (0..connections).map(|number| subscribe(server, number)).collect()
}

/// One connection that has a subscription of its own, and knows that the server has it, too.
fn subscribe(server: &Server, number: usize) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port()))?;
    let (first, last) = greeting(server.kind, number);
    (&stream).write_all(first.as_bytes())?;
    // Byte by byte it takes nothing that it does not need; whatever comes later stays in the kernel.
    let mut reader = BufReader::with_capacity(1, stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if !["INFO ", "HTTP/1.1 101 ", "HTTP/1.1 200 "].iter().any(|good| line.starts_with(good)) {
        return Err(io::Error::other(format!("the server answered with {}", line.trim())));
    }
    while line != last {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(stream)
}

/// What is said to a server, and the last line of its answer.
fn greeting(kind: Kind, number: usize) -> (String, &'static str) {
    if kind.is_websocket() {
        let request = format!(
            "GET /ws/idle.{number} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        (request, "\r\n")
    } else if kind == Kind::TidemillEvents {
        (format!("GET /sse?subject=idle.{number} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), "\r\n")
    } else {
        (format!("CONNECT {{\"verbose\":false}}\r\nSUB idle.{number} 1\r\nPING\r\n"), "PONG\r\n")
    }
}

/// As many descriptors as this process may have.
fn raise_limit() -> io::Result<()> {
    let wanted = rustix::process::Resource::Nofile;
    let limit = rustix::process::getrlimit(wanted);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(wanted, raised).map_err(io::Error::from)
}

/// Connections before the count begins.
const WARM: usize = 100;
