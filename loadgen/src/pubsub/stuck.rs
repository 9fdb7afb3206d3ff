//! Subscribers that subscribe and then read nothing: what they do to the others is seen there, and here whether the server
//! cuts them.
//!
//! They have no place in the ring, which would read what comes. Their sockets stand in an epoll set of their own that knows
//! ends only, and is looked at a few times a second. A server's end alone is not seen: its FIN stands behind all that was
//! not read, and waits in the server's kernel for a window that never opens. What is seen is RST (`tcp(7)`; RFC 9293,
//! section 3.10.7.4). A kernel sends one when a socket is closed on which something was not read, and for whatever comes in
//! after it was closed. So each of them says a word once a second that asks for no answer.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use tidemill::protocol::websocket::{Kind, sender};
use tidemill::sys::clock::Time;

use super::endpoint::{Endpoint, Spoken};
use super::open::OpenError;
use super::outgoing::NO_MASK;
use super::subjects::place;
use crate::plan::CONNECT_TIMEOUT;

/// Looks in which each of them says a word once.
const LOOKS_PER_ROUND: usize = 20;
/// Ends that are taken at once.
const EVENTS: usize = 256;
/// Bytes that a server may say before it says that the subscription is there.
const GREETING_BYTES_MAX: usize = 64 * 1024;

/// All of them.
pub struct Stuck {
    spoken: Spoken,
    /// What each says that asks for no answer.
    word: Vec<u8>,
    /// By number; unset from when it was seen to be cut.
    sockets: Vec<Option<TcpStream>>,
    epoll: OwnedFd,
    ends: Vec<Event>,
    /// How often it was looked.
    looks: usize,
    cut: u32,
    /// When the first and the last was seen to be cut.
    seen: Option<(Time, Time)>,
}

/// What became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// Those that were seen to be cut.
    pub cut: u32,
    /// When the first was, from the beginning of the load.
    pub first: Option<Duration>,
    /// When the last was.
    pub last: Option<Duration>,
}

impl Stuck {
    /// None yet, of those who speak this.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn new(spoken: Spoken) -> io::Result<Self> {
        Ok(Self {
            spoken,
            word: word(spoken),
            sockets: Vec::new(),
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            ends: Vec::with_capacity(EVENTS),
            looks: 0,
            cut: 0,
            seen: None,
        })
    }

    /// How many there are, and were.
    pub fn count(&self) -> usize {
        self.sockets.len()
    }

    /// Takes in a connection behind its handshake: it says what it has to say first, and reads until a `PONG` says that it
    /// has subscribed. Over HTTP the path has said it all.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn enter(
        &mut self,
        socket: OwnedFd,
        number: u32,
        words: &[u8],
        endpoint: &Endpoint,
    ) -> Result<(), OpenError> {
        let failed = |cause| OpenError::Connect { endpoint: endpoint.clone(), number, cause };
        let mut stream = TcpStream::from(socket);
        if !words.is_empty() {
            let refusal = self.subscribe(&mut stream, words).map_err(failed)?;
            let denied = |sentence| OpenError::Denied { endpoint: endpoint.clone(), number, sentence };
            refusal.map_or(Ok(()), |sentence| Err(denied(sentence)))?;
        }
        let data = EventData::new_u64(self.sockets.len() as u64);
        let added = epoll::add(&self.epoll, &stream, data, EventFlags::RDHUP);
        added.map_err(io::Error::from).map_err(failed)?;
        self.sockets.push(Some(stream));
        Ok(())
    }

    /// Returns what the server has against it, if it has something.
    fn subscribe(&self, stream: &mut TcpStream, words: &[u8]) -> io::Result<Option<String>> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(CONNECT_TIMEOUT))?;
        if self.spoken == Spoken::NatsOverWebSocket {
            let mut message = Vec::new();
            sender::message(&mut message, Kind::Binary, words, Some(NO_MASK));
            stream.write_all(&message)?;
        } else {
            stream.write_all(words)?;
        }
        // Frames of a server are not masked, so that what it says can be found in them.
        let (mut heard, mut piece) = (Vec::new(), [0; 1024]);
        let said = |heard: &[u8], word: &[u8]| heard.windows(word.len()).position(|window| window == word);
        while said(&heard, b"PONG\r\n").is_none() {
            if let Some(at) = said(&heard, b"-ERR") {
                let line = heard[at..].split(|byte| *byte == b'\r').next().unwrap_or_default();
                return Ok(Some(String::from_utf8_lossy(line).into_owned()));
            }
            match stream.read(&mut piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => heard.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if GREETING_BYTES_MAX < heard.len() {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        stream.set_nonblocking(true)?;
        Ok(None)
    }

    /// Sees who was cut, and has some of them say a word.
    pub fn look(&mut self, now: Time) {
        if self.sockets.is_empty() {
            return;
        }
        self.see_ends(now);
        let round = self.looks % LOOKS_PER_ROUND;
        self.looks += 1;
        for number in (round..self.sockets.len()).step_by(LOOKS_PER_ROUND) {
            self.say(number, now);
        }
    }

    /// Has all of them say a word, whose turn it is or not; returns when.
    pub fn look_at_all(&mut self, now: Time) -> Time {
        (0..self.sockets.len()).for_each(|number| self.say(number, now));
        now
    }

    /// Whether nothing more can become of them.
    pub fn is_settled(&self) -> bool {
        self.cut as usize == self.sockets.len()
    }

    /// What became of them, since this began.
    pub fn fate(&self, began: Time) -> Fate {
        let since = |time: Time| time.saturating_since(began);
        let (first, last) = self.seen.map(|(first, last)| (since(first), since(last))).unzip();
        Fate { cut: self.cut, first, last }
    }

    fn see_ends(&mut self, now: Time) {
        let mut ends = std::mem::take(&mut self.ends);
        loop {
            ends.clear();
            // It does not wait. A signal is somebody else's business, and what was not seen now is seen next time.
            let none = Timespec { tv_sec: 0, tv_nsec: 0 };
            let seen = epoll::wait(&self.epoll, spare_capacity(&mut ends), Some(&none));
            ends.iter().for_each(|event| self.ended(place(event.data.u64()), now));
            if seen.is_err() || ends.len() < EVENTS {
                break;
            }
        }
        self.ends = ends;
    }

    fn say(&mut self, number: usize, now: Time) {
        let Some(mut socket) = self.sockets[number].as_ref() else { return };
        match socket.write(&self.word) {
            Ok(_) => {}
            // Nobody reads there either, and that is no end.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.ended(number, now),
        }
    }

    /// Its socket is closed with what it has not read, and leaves the set by that.
    fn ended(&mut self, number: usize, now: Time) {
        if self.sockets[number].take().is_some() {
            self.cut += 1;
            self.seen = Some((self.seen.map_or(now, |(first, _)| first), now));
        }
    }
}

/// What may be said at any time, and asks for no answer.
fn word(spoken: Spoken) -> Vec<u8> {
    match spoken {
        Spoken::Nats => b"PONG\r\n".to_vec(),
        Spoken::NatsOverWebSocket | Spoken::WebSocket => {
            // RFC 6455, section 5.5.3: a pong that nobody has asked for is a sign of life.
            let mut pong = Vec::new();
            sender::pong(&mut pong, &[], Some(NO_MASK));
            pong
        }
        // RFC 9112, section 2.2: an empty line before a request is no request.
        Spoken::Events => b"\r\n".to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// One that is stuck, and the server's end of it.
    fn one() -> (Stuck, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint: Endpoint = format!("sse://{address}").parse().unwrap();
        let mut stuck = Stuck::new(endpoint.spoken).unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        stuck.enter(stream.into(), 0, b"", &endpoint).unwrap();
        (stuck, listener.accept().unwrap().0)
    }

    /// Writes until neither kernel takes any more.
    fn fill(server: &mut TcpStream) {
        server.set_nonblocking(true).unwrap();
        while server.write(&[0; 1 << 16]).is_ok() {}
        // The window is closed only when the peer's kernel has taken what it takes.
        server.set_nonblocking(false).unwrap();
        server.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        while server.write(&[0; 1 << 16]).is_ok() {}
    }

    /// Looks until all were seen to be cut.
    #[track_caller]
    fn look_until_settled(stuck: &mut Stuck) {
        let deadline = tidemill::sys::clock::now().saturating_add(Duration::from_secs(20));
        while !stuck.is_settled() {
            let now = tidemill::sys::clock::now();
            assert!(now < deadline, "it is seen in time");
            stuck.look(now);
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_end_behind_what_was_not_read_is_seen_by_a_word() {
        let (mut stuck, mut server) = one();
        fill(&mut server);
        stuck.look(Time::from_nanos(1));
        assert_eq!(stuck.fate(Time::ZERO), Fate::default(), "who is not cut is not taken for one");
        drop(server);
        look_until_settled(&mut stuck);
        let fate = stuck.fate(Time::ZERO);
        assert!(fate.cut == 1 && fate.first.is_some() && fate.first == fate.last, "{fate:?}");
    }

    #[test]
    fn an_end_is_seen_at_once_where_nothing_stands_before_it() {
        let (mut stuck, server) = one();
        drop(server);
        look_until_settled(&mut stuck);
    }

    #[test]
    fn each_says_a_word_once_a_round() {
        let (mut stuck, mut server) = one();
        (0..2 * LOOKS_PER_ROUND).for_each(|_| stuck.look(Time::ZERO));
        drop(stuck);
        let mut heard = String::new();
        server.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "\r\n\r\n");
    }
}
