//! An echo that sockperf and loadgen both understand: blocking calls and nothing else, so that what two clients report of
//! it differs by the clients alone.
//!
//! sockperf takes only answers in whose header the bit "from a client" is cleared, which no plain echo does; and its own
//! server reads a length from the header, which no other client writes. So one program answers in both ways, and the one
//! bit is all the difference.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;

use super::Options;
use super::child::{self, Transport};
use super::process::Server;

/// Of each message.
pub(crate) const BYTES: usize = 64;
/// Low byte of the flags in sockperf's header: behind the sequence number of eight bytes, in network order.
const FLAGS: usize = 9;
/// The bit that says: from a client.
const CLIENT: u8 = 1;

/// Serves until standard input is closed.
pub(crate) fn serve(transport: Transport, as_sockperf: bool, core: usize) -> io::Result<()> {
    child::pin(core);
    let socket = child::listen(transport, 0)?;
    thread::spawn(move || match transport {
        Transport::Tcp => streams(&socket.into(), as_sockperf),
        Transport::Udp => datagrams(&socket.into(), as_sockperf),
    });
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// One peer after the other, so that no thread but one is there.
fn streams(listener: &TcpListener, as_sockperf: bool) {
    while let Ok((mut peer, _)) = listener.accept() {
        let _ = peer.set_nodelay(true);
        let mut message = [0; BYTES];
        while peer.read_exact(&mut message).is_ok() {
            answer(&mut message, as_sockperf);
            if peer.write_all(&message).is_err() {
                break; // It has gone: the next one is waiting.
            }
        }
        let _ = TcpStream::shutdown(&peer, Shutdown::Both);
    }
}

fn datagrams(socket: &UdpSocket, as_sockperf: bool) {
    let mut message = [0; 2048];
    while let Ok((length, peer)) = socket.recv_from(&mut message) {
        answer(&mut message[..length], as_sockperf);
        let _ = socket.send_to(&message[..length], peer); // It may have gone.
    }
}

fn answer(message: &mut [u8], as_sockperf: bool) {
    if let (Some(flags), true) = (message.get_mut(FLAGS), as_sockperf) {
        *flags &= !CLIENT;
    }
}

/// This program itself, serving; and its port.
pub(crate) fn start(options: &Options, transport: Transport, as_sockperf: bool) -> io::Result<(Server, u16)> {
    let mut command = Command::new(std::env::current_exe()?);
    let name = match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    command.args(["--serve-echo", name, "--server-core", &options.server_core.to_string()]);
    if as_sockperf {
        command.arg("--as-sockperf");
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take();
    let server = Server(child);
    let mut line = String::new();
    BufReader::new(output.ok_or(io::ErrorKind::BrokenPipe)?).read_line(&mut line)?;
    let port = line.trim().parse();
    Ok((server, port.map_err(|_| io::Error::other("the echo printed no port"))?))
}
