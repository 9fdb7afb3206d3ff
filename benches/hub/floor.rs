//! A bare program in the place of a hub: what the kernel and the generator can do when the server does next to nothing.
//!
//! It knows one publisher, one subject and one name of subscriptions. It turns each `PUB` into the `MSG` that everybody
//! gets, once, and writes the same bytes to each subscriber with a call that blocks. No limits, no other verbs, no faults:
//! nobody should use it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// Prints the port, and serves one load after the other.
pub(crate) fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    super::say(&listener.local_addr()?.port().to_string());
    // All connections of a load are made before the first of them says anything, and no backlog holds a thousand.
    let (accepted, streams) = channel();
    thread::spawn(move || {
        let _ = listener.incoming().flatten().try_for_each(|stream| accepted.send(stream));
    });
    loop {
        // Whatever ends a load ends it for all of its connections.
        serve_load(&streams).unwrap_or_else(|error| super::say(&error.to_string()));
    }
}

/// The connections of one load: subscribers first, then the publisher.
fn serve_load(streams: &Receiver<TcpStream>) -> io::Result<()> {
    let mut subscribers = Vec::new();
    loop {
        let stream = streams.recv().map_err(io::Error::other)?;
        stream.set_nodelay(true)?;
        let mut reader = BufReader::with_capacity(PIECE_BYTES, stream.try_clone()?);
        if greet(&mut reader, &stream)? {
            subscribers.push(stream);
            continue;
        }
        return publish(&mut reader, &mut subscribers);
    }
}

/// Answers the first lines of a connection. Returns whether it has subscribed.
fn greet(reader: &mut BufReader<TcpStream>, mut stream: &TcpStream) -> io::Result<bool> {
    stream.write_all(b"INFO {} \r\n")?;
    let (mut is_subscriber, mut line) = (false, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(true); // It only looked whether somebody listens; writing to it fails, and does no harm.
        }
        is_subscriber |= line.starts_with("SUB ");
        if line.starts_with("PING") {
            stream.write_all(b"PONG\r\n")?;
            return Ok(is_subscriber);
        }
    }
}

/// Hands on everything that the publisher says.
fn publish(reader: &mut BufReader<TcpStream>, subscribers: &mut Vec<TcpStream>) -> io::Result<()> {
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let words: Vec<&str> = first.split_whitespace().collect();
    let ["PUB", subject, bytes] = words[..] else { return Ok(()) };
    let size: usize = bytes.parse().map_err(io::Error::other)?;
    let head = format!("MSG {subject} 1 {size}\r\n");
    let (frame, body) = (first.len() + size + 2, size + 2);
    let mut input = first.clone().into_bytes();
    input.extend_from_slice(reader.buffer());
    let (mut piece, mut output) = (vec![0; PIECE_BYTES], Vec::new());
    loop {
        let whole = input.len() / frame * frame;
        output.clear();
        for one in input[..whole].chunks_exact(frame) {
            output.extend_from_slice(head.as_bytes());
            output.extend_from_slice(&one[frame - body..]);
        }
        input.drain(..whole);
        subscribers.retain_mut(|subscriber| subscriber.write_all(&output).is_ok());
        let count = reader.get_mut().read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        input.extend_from_slice(&piece[..count]);
    }
}
