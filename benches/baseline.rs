//! The baseline: the same echo as a user of tokio-uring would write it, on one pinned thread.
//!
//! tokio-uring 0.5 has had no release since 2024 and nobody maintains it; it is measured here and used nowhere else.
//! `--serve` makes this the served child; without it, it compares itself with the server.

mod support;

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::rc::Rc;

use clap::Parser;
use socket2::Socket;
use tokio_uring::buf::BoundedBuf;

use support::child::{self, Report, Transport};
use support::compare::{self, Comparison, Side};

#[derive(Parser)]
#[command(about = "Compares a tokio-uring echo with tidemill.")]
struct Options {
    /// Serve as a child: print the port, serve until standard input closes, print a report.
    #[arg(long)]
    serve: Option<Transport>,
    #[arg(long, default_value_t = 0)]
    port: u16,
    #[arg(long, default_value_t = 0)]
    core: usize,
    #[command(flatten)]
    variant: Variant,
    /// Compare two variants of the baseline: the options of side A.
    #[arg(long, allow_hyphen_values = true)]
    variant_a: Option<String>,
    /// Compare two variants of the baseline: the options of side B.
    #[arg(long, allow_hyphen_values = true)]
    variant_b: Option<String>,
    #[command(flatten)]
    comparison: Comparison,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What may be done in another way; the defaults are the fastest measured. Measured as in the floor, by the server's
/// CPU time per message: 16 receivers cost 0.466 [0.465, 0.469] of what one costs, 64 cost 0.926 [0.901, 0.932] of what
/// 16 cost; with COOP_TASKRUN and without, it is equal.
#[derive(Clone, Copy, clap::Args)]
struct Variant {
    /// Set up with COOP_TASKRUN.
    #[arg(long)]
    coop: bool,
    /// Tasks that receive from the one datagram socket.
    #[arg(long, default_value_t = 64)]
    receivers: usize,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    match options.serve {
        Some(transport) => serve(transport, &options),
        None => compare::run(&options.comparison, &sides(&options)?),
    }
}

/// The baseline against the server, or two variants of the baseline.
fn sides(options: &Options) -> io::Result<[Side; 2]> {
    let variant = |extra: &Option<String>| {
        let extra = extra.as_deref().unwrap_or("");
        Side::this_binary(&format!("tokio-uring {extra}"), extra.split_whitespace())
    };
    if options.variant_a.is_some() || options.variant_b.is_some() {
        return Ok([variant(&options.variant_a)?, variant(&options.variant_b)?]);
    }
    Ok([variant(&None)?, Side::opponent(&options.comparison)])
}

fn serve(transport: Transport, options: &Options) -> io::Result<()> {
    child::pin(options.core);
    let socket = child::listen(transport, options.port)?;
    let messages = Rc::new(Cell::new(0u64));
    let mut ring = tokio_uring::uring_builder();
    ring.setup_cqsize(COMPLETIONS);
    if options.variant.coop {
        ring.setup_coop_taskrun();
    }
    tokio_uring::builder().entries(SUBMISSIONS).uring_builder(&ring).start(async {
        match transport {
            Transport::Tcp => {
                tokio_uring::spawn(accept(socket, Rc::clone(&messages)));
            }
            Transport::Udp => {
                let socket = Rc::new(tokio_uring::net::UdpSocket::from_std(UdpSocket::from(socket)));
                for _ in 0..options.variant.receivers {
                    tokio_uring::spawn(echo_datagrams(Rc::clone(&socket), Rc::clone(&messages)));
                }
            }
        }
        stdin_closed().await
    })?;
    Report { messages: messages.get(), ..Report::default() }.print();
    Ok(())
}

async fn accept(listener: Socket, messages: Rc<Cell<u64>>) {
    let listener = tokio_uring::net::TcpListener::from_std(TcpListener::from(listener));
    while let Ok((stream, _)) = listener.accept().await {
        tokio_uring::spawn(echo_stream(stream, Rc::clone(&messages)));
    }
}

async fn echo_stream(stream: tokio_uring::net::TcpStream, messages: Rc<Cell<u64>>) {
    let mut buffer = vec![0u8; STREAM_BUFFER_BYTES];
    loop {
        let (received, filled) = stream.read(buffer).await;
        let Ok(length @ 1..) = received else { return };
        let (sent, slice) = stream.write_all(filled.slice(..length)).await;
        if sent.is_err() {
            return;
        }
        buffer = slice.into_inner();
        messages.set(messages.get() + 1);
    }
}

async fn echo_datagrams(socket: Rc<tokio_uring::net::UdpSocket>, messages: Rc<Cell<u64>>) {
    let mut buffer = vec![0u8; DATAGRAM_BUFFER_BYTES];
    loop {
        let (received, filled) = socket.recv_from(buffer).await;
        let Ok((length, peer)) = received else { return };
        let (sent, slice) = socket.send_to(filled.slice(..length), peer).await;
        if sent.is_err() {
            return;
        }
        buffer = slice.into_inner();
        messages.set(messages.get() + 1);
    }
}

async fn stdin_closed() -> io::Result<()> {
    let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (result, _) = tokio_uring::fs::File::from_std(stdin).read_at(vec![0u8; 1], 0).await;
    result.map(drop)
}

const SUBMISSIONS: u32 = 4096;
const COMPLETIONS: u32 = 32_768;
const STREAM_BUFFER_BYTES: usize = 2048;
const DATAGRAM_BUFFER_BYTES: usize = 2048;
