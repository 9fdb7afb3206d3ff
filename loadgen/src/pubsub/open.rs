//! Opening connections to a hub: TCP, and HTTP where it comes first.
//!
//! This happens before anything is measured, one connection after the other and without the ring: what comes behind the
//! handshake is handed over with the connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tidemill::protocol::http1::{HeadLimits, Method, Progress, Refusal, Table, parse_response};
use tidemill::protocol::websocket::{Offer, Unacceptable};

use super::endpoint::{Endpoint, Spoken};
use super::input::{Events, Frames, Input, Nats};
use crate::plan::CONNECT_TIMEOUT;
use crate::random::Random;

/// A small receive buffer.
const LITTLE_BYTES: usize = 4096;
/// Segments as over Ethernet. A kernel takes as much to send as some segments hold: with those of loopback, which have 64
/// KiB, that is 3 MB for a peer that does not read, and with these 75 KB (Linux 6.18).
const SEGMENT_BYTES: u32 = 1460;
/// Most bytes that are read in one go while a head is awaited.
const PIECE_BYTES: usize = 4096;

/// A connection behind its handshake.
#[derive(Debug)]
pub struct Opened {
    /// The socket.
    pub socket: OwnedFd,
    /// What reads it.
    pub input: Input,
    /// What has come behind the handshake.
    pub rest: Vec<u8>,
}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Nobody is there.
    #[error("nobody listens at {0}. Try: start the server, or another address")]
    Refused(Endpoint),
    /// The operating system says why.
    #[error("{endpoint}: connection {number} could not be made: {cause}")]
    Connect {
        /// Where.
        endpoint: Endpoint,
        /// Which.
        number: u32,
        /// Why.
        cause: io::Error,
    },
    /// The server refuses it, as this sentence says.
    #[error("{endpoint}: connection {number}: {sentence}")]
    Denied {
        /// Where.
        endpoint: Endpoint,
        /// Which.
        number: u32,
        /// Why.
        sentence: String,
    },
    /// The answer is none that was asked for.
    #[error("{endpoint}: connection {number}: {cause}")]
    Handshake {
        /// Where.
        endpoint: Endpoint,
        /// Which.
        number: u32,
        /// Why.
        cause: HandshakeError,
    },
}

/// What is wrong with an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// It is not HTTP.
    #[error("no HTTP answer to the handshake: {0}")]
    Http(Refusal),
    /// It opens no WebSocket.
    #[error("the WebSocket handshake failed: {0}")]
    WebSocket(Unacceptable),
    /// It is not 200.
    #[error("events were asked for, and the answer has status {0}")]
    Status(u16),
}

/// What the kernels at both ends are to take of what one end does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// As much as they like.
    Usual,
    /// Little.
    Little,
}

/// Opens the connection of this number to an endpoint, for this subject where its path names one.
///
/// # Errors
/// When it cannot be made, or the handshake fails.
pub fn open(
    endpoint: &Endpoint,
    number: u32,
    subject: &str,
    room: Room,
    random: &mut Random,
) -> Result<Opened, OpenError> {
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::ConnectionRefused => OpenError::Refused(endpoint.clone()),
        _ => OpenError::Connect { endpoint: endpoint.clone(), number, cause },
    };
    let mut stream = connect(endpoint, room).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    stream.set_read_timeout(Some(CONNECT_TIMEOUT)).map_err(failed)?;
    stream.set_write_timeout(Some(CONNECT_TIMEOUT)).map_err(failed)?;
    let mut nonce = [0; 16];
    nonce.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&random.next_u64().to_le_bytes()));
    let offer = Offer { nonce, subprotocols: &[], deflate: None };
    let (input, rest) = match request(endpoint, subject, &offer) {
        None => (Input::Nats(Nats::default()), Vec::new()),
        Some(request) => {
            stream.write_all(&request).map_err(failed)?;
            let broken = |cause| OpenError::Handshake { endpoint: endpoint.clone(), number, cause };
            read_head(&mut stream, endpoint.spoken, &offer).map_err(failed)?.map_err(broken)?
        }
    };
    stream.set_read_timeout(None::<Duration>).map_err(failed)?;
    stream.set_write_timeout(None::<Duration>).map_err(failed)?;
    stream.set_nonblocking(true).map_err(failed)?;
    Ok(Opened { socket: stream.into(), input, rest })
}

fn connect(endpoint: &Endpoint, room: Room) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(endpoint.address), Type::STREAM, None)?;
    if room == Room::Little {
        // Both before the handshake, which tells the peer of them.
        socket.set_recv_buffer_size(LITTLE_BYTES)?;
        socket.set_tcp_mss(SEGMENT_BYTES)?;
    }
    socket.connect_timeout(&endpoint.address.into(), CONNECT_TIMEOUT)?;
    Ok(socket.into())
}

/// What is asked first, where HTTP comes first.
fn request(endpoint: &Endpoint, subject: &str, offer: &Offer<'_>) -> Option<Vec<u8>> {
    let (path, host) = (&endpoint.path, endpoint.host());
    // What has a meaning in a path or in a query; wildcards are among it.
    let subject = subject.replace('%', "%25").replace('>', "%3E").replace('&', "%26").replace('#', "%23");
    let target = match endpoint.spoken {
        Spoken::Nats => return None,
        Spoken::NatsOverWebSocket => path.clone(),
        Spoken::WebSocket => format!("{path}/{}", subject.replace('?', "%3F").replace('/', "%2F")),
        Spoken::Events => format!("{path}?subject={}", subject.replace('+', "%2B")),
    };
    let mut request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n").into_bytes();
    match endpoint.spoken {
        Spoken::Events => {
            request.extend_from_slice(b"Accept: text/event-stream\r\nCache-Control: no-store\r\n")
        }
        Spoken::Nats | Spoken::NatsOverWebSocket | Spoken::WebSocket => offer.write_fields(&mut request),
    }
    request.extend_from_slice(b"\r\n");
    Some(request)
}

type Head = Result<(Input, Vec<u8>), HandshakeError>;

/// Reads the head of the answer, and judges it.
fn read_head(stream: &mut TcpStream, spoken: Spoken, offer: &Offer<'_>) -> io::Result<Head> {
    let (mut bytes, mut piece) = (Vec::new(), [0; PIECE_BYTES]);
    let (mut progress, mut table) = (Progress::new(), Table::new());
    loop {
        match parse_response(&bytes, &Method::Get, &mut progress, &HeadLimits::default(), &mut table) {
            Err(refusal) => return Ok(Err(HandshakeError::Http(refusal))),
            Ok(Some(response)) => {
                let rest = bytes[response.head_bytes..].to_vec();
                let input = match spoken {
                    Spoken::Events if response.status != 200 => Err(HandshakeError::Status(response.status)),
                    Spoken::Events => Events::new(response.body)
                        .map(|events| Input::Events(Box::new(events)))
                        .map_err(HandshakeError::Http),
                    Spoken::Nats | Spoken::NatsOverWebSocket | Spoken::WebSocket => offer
                        .verify(response.status, response.headers.iter())
                        .map(|_| of_websocket(spoken))
                        .map_err(HandshakeError::WebSocket),
                };
                return Ok(input.map(|input| (input, rest)));
            }
            Ok(None) => {}
        }
        match stream.read(&mut piece) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            // What comes on connections that the ring has already interrupts a read on this one.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn of_websocket(spoken: Spoken) -> Input {
    let frames = Box::new(Frames::new());
    if spoken.is_nats() {
        Input::NatsOverWebSocket(frames, Nats::default())
    } else {
        Input::WebSocket(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_in_the_path_or_in_the_query() {
        let offer = Offer { nonce: [0; 16], subprotocols: &[], deflate: None };
        let line = |url: &str, subject: &str| {
            let request = request(&url.parse().unwrap(), subject, &offer);
            request.map(|bytes| String::from_utf8(bytes).unwrap().lines().next().unwrap().to_owned())
        };
        let check = |url, subject, expected: &str| {
            assert_eq!(line(url, subject).as_deref(), Some(format!("GET {expected} HTTP/1.1").as_str()));
        };
        assert_eq!(line("nats://127.0.0.1:1", "a"), None);
        check("nats+ws://127.0.0.1:1", "a", "/nats");
        check("ws://127.0.0.1:1", "a.b", "/ws/a.b");
        check("ws://127.0.0.1:1/hub", "a.0.>", "/hub/a.0.%3E");
        check("sse://127.0.0.1:1", "a&b", "/sse?subject=a%26b");
    }
}
