//! The protocol between a benchmark and the server that it starts as its child.
//!
//! The child prints its port on one line of standard output, serves until its standard input is closed, then prints
//! one line of JSON ([`Report`]) and ends.
#![expect(unsafe_code, reason = "getrusage has no safe form here")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

/// What is echoed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    /// A stream: what arrives goes back.
    Tcp,
    /// Datagrams: each goes back to its sender.
    Udp,
}

/// What a child did in its life.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Receives answered.
    pub(crate) messages: u64,
    /// `io_uring_enter` calls; zero where the child does not know them.
    pub(crate) enters: u64,
    /// Completions read; zero where the child does not know them.
    pub(crate) completions: u64,
    /// Nanoseconds outside of `io_uring_enter`; zero unless it was asked to read the clock twice per turn.
    pub(crate) outside_ns: u64,
    /// CPU time in user space, in seconds. The kernel samples the split by its tick.
    pub(crate) user_seconds: f64,
    /// CPU time in the kernel, in seconds.
    pub(crate) kernel_seconds: f64,
}

impl Report {
    /// Prints the report with the CPU time of this process.
    #[expect(clippy::print_stdout, reason = "the parent reads it from standard output")]
    pub(crate) fn print(mut self) {
        let usage = usage();
        self.user_seconds = seconds(usage.ru_utime);
        self.kernel_seconds = seconds(usage.ru_stime);
        println!("{}", serde_json::to_string(&self).expect("numbers and nothing else"));
    }
}

/// Pins this thread to `core`.
pub(crate) fn pin(core: usize) {
    assert!(core_affinity::set_for_current(core_affinity::CoreId { id: core }), "core {core} is not ours");
}

/// Binds on loopback, as every side of a comparison does, and prints the port.
#[expect(clippy::print_stdout, reason = "the parent reads it from standard output")]
pub(crate) fn listen(transport: Transport, port: u16) -> io::Result<Socket> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let socket = match transport {
        Transport::Tcp => Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?,
        Transport::Udp => Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?,
    };
    match transport {
        Transport::Tcp => {
            socket.set_tcp_congestion(CONGESTION)?;
            socket.set_tcp_nodelay(true)?;
            socket.bind(&address.into())?;
            socket.listen(4096)?;
        }
        Transport::Udp => {
            socket.set_recv_buffer_size(DATAGRAM_SOCKET_BYTES)?;
            socket.bind(&address.into())?;
        }
    }
    let bound = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    println!("{}", bound.port());
    Ok(socket)
}

fn usage() -> libc::rusage {
    // SAFETY: `rusage` is integers only, for which zero is valid.
    let mut usage = unsafe { std::mem::zeroed::<libc::rusage>() };
    // SAFETY: `usage` is a writable `rusage` for the length of the call.
    let result = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    assert!(result == 0, "getrusage knows this process");
    usage
}

fn seconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 / 1e6
}

/// The congestion control of every socket here: the host's default may be one whose timers distort loopback.
pub(crate) const CONGESTION: &[u8] = b"cubic";
/// Receive buffer of a datagram socket, on both sides, so that a closed loop loses nothing.
pub(crate) const DATAGRAM_SOCKET_BYTES: usize = 2 * 1024 * 1024;
