//! What a server sends, as events: incremental, bounded, and without a copy where a message lies whole in the input.

use super::line::{self, Announced, Line};
use crate::limits;

/// What is taken from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a line, without its end.
    pub line_bytes_max: usize,
    /// Most bytes of headers and payload together.
    pub payload_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes_max: limits::NATS_CLIENT_LINE_BYTES_MAX,
            payload_bytes_max: limits::NATS_CLIENT_PAYLOAD_BYTES_MAX,
        }
    }
}

/// What a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// `INFO`: who it is and what it takes, in JSON.
    Info(&'a [u8]),
    /// `MSG` or `HMSG`.
    Message(Message<'a>),
    /// To be answered with [`PONG`](super::write::PONG).
    Ping,
    /// The answer to a `PING`: everything that was sent before it has been dealt with.
    Pong,
    /// `+OK`, which only a verbose connection gets.
    Ok,
    /// `-ERR`, without its quotes. Some errors end the connection.
    Error(&'a [u8]),
}

/// A message for a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Where it was published.
    pub subject: &'a [u8],
    /// The subscription, by the name that the client gave it.
    pub sid: &'a [u8],
    /// Where an answer goes.
    pub reply: Option<&'a [u8]>,
    /// The block of headers, from its version line to its empty line; empty where there is none.
    pub headers: &'a [u8],
    /// What it says.
    pub payload: &'a [u8],
}

/// What one call made of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// How many bytes are done with. The next call starts behind them.
    pub consumed: usize,
    /// What they said; without it all bytes were taken, and more are needed.
    pub event: Option<Event<'a>>,
}

/// Why no more can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A line does not end.
    #[error("a line of the server is longer than {0} bytes")]
    LineTooLong(usize),
    /// A line ends with LF alone.
    #[error("a line of the server ends without CR")]
    NoReturn,
    /// The verb is none that a server uses.
    #[error("the server sent what is neither INFO, MSG, HMSG, PING, PONG, +OK nor -ERR")]
    Unknown,
    /// A message has too few arguments, too many, or such that are no numbers.
    #[error("the server sent a message whose arguments cannot be understood")]
    Arguments,
    /// A message is longer than is taken.
    #[error("the server sent a message of {bytes} bytes, and at most {most} are taken")]
    PayloadTooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// A payload does not end where it should.
    #[error("the server sent a message that does not end where its length says")]
    NoEnd,
}

/// The receiving half of a client's connection.
#[derive(Debug, Default)]
pub struct Reader {
    limits: Limits,
    /// What has come of a line, or of a message, that was cut.
    held: Vec<u8>,
    /// The message that `held` begins with, once its line is there, and where its headers begin.
    open: Option<(Announced, usize)>,
    /// What is held has been handed out.
    is_delivered: bool,
}

/// Bytes of the end of a line.
const END: usize = 2;

impl Reader {
    /// Takes no more than this.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Whether the next byte begins something: nothing is held of what came before.
    #[inline]
    pub fn is_between(&self) -> bool {
        self.held.is_empty() || self.is_delivered
    }

    /// Reads at most one event.
    ///
    /// # Errors
    /// When this is no server, or one that says too much at once. Then nothing more can be read.
    pub fn read<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Step<'a>, ReadError> {
        if self.is_delivered {
            self.held.clear();
            self.is_delivered = false;
        }
        if self.held.is_empty() { self.read_whole(bytes) } else { self.read_cut(bytes) }
    }

    /// Nothing is held: an event that lies whole in the input is lent from there.
    fn read_whole<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Step<'a>, ReadError> {
        let Some(feed) = self.find_feed(bytes)? else {
            self.held.extend_from_slice(bytes);
            return Ok(Step { consumed: bytes.len(), event: None });
        };
        let text = text_before(bytes, feed)?;
        let line = line::read(text, self.limits.payload_bytes_max)?;
        let start = feed + 1;
        let Line::Message(announced) = line else {
            return Ok(Step { consumed: start, event: Some(short(text, &line)) });
        };
        let whole = start + announced.total + END;
        if bytes.len() < whole {
            self.held.extend_from_slice(bytes);
            self.open = Some((announced, start));
            return Ok(Step { consumed: bytes.len(), event: None });
        }
        let message = message(&bytes[..whole], &announced, start)?;
        Ok(Step { consumed: whole, event: Some(Event::Message(message)) })
    }

    /// Something is held: it is completed, and lent from where it is held.
    fn read_cut<'a>(&'a mut self, bytes: &[u8]) -> Result<Step<'a>, ReadError> {
        let mut consumed = 0;
        if self.open.is_none() {
            let Some(feed) = self.find_feed(bytes)? else {
                self.held.extend_from_slice(bytes);
                return Ok(Step { consumed: bytes.len(), event: None });
            };
            consumed = feed + 1;
            self.held.extend_from_slice(&bytes[..consumed]);
            let text = text_before(&self.held, self.held.len() - 1)?;
            match line::read(text, self.limits.payload_bytes_max)? {
                Line::Message(announced) => self.open = Some((announced, self.held.len())),
                line => {
                    self.is_delivered = true;
                    let text = text_before(&self.held, self.held.len() - 1)?;
                    return Ok(Step { consumed, event: Some(short(text, &line)) });
                }
            }
        }
        let whole = self.open.as_ref().map_or(0, |(announced, start)| start + announced.total + END);
        let more = (whole - self.held.len()).min(bytes.len() - consumed);
        self.held.extend_from_slice(&bytes[consumed..consumed + more]);
        consumed += more;
        if self.held.len() < whole {
            return Ok(Step { consumed, event: None });
        }
        self.is_delivered = true;
        let event = match self.open.take() {
            Some((announced, start)) => Some(Event::Message(message(&self.held, &announced, start)?)),
            None => None,
        };
        Ok(Step { consumed, event })
    }

    /// Where the line ends that is held up to here; an error when it is too long and its end has not come.
    fn find_feed(&self, bytes: &[u8]) -> Result<Option<usize>, ReadError> {
        let most = self.limits.line_bytes_max;
        let room = (most + END).saturating_sub(self.held.len());
        let within = &bytes[..bytes.len().min(room)];
        match memchr::memchr(b'\n', within) {
            None if within.len() == room => Err(ReadError::LineTooLong(most)),
            found => Ok(found),
        }
    }
}

/// The line that ends with the feed at this place.
fn text_before(bytes: &[u8], feed: usize) -> Result<&[u8], ReadError> {
    bytes[..feed].strip_suffix(b"\r").ok_or(ReadError::NoReturn)
}

/// The event of a line that has no payload.
fn short<'a>(text: &'a [u8], line: &Line) -> Event<'a> {
    match line {
        Line::Info(json) => Event::Info(&text[json.clone()]),
        Line::Error(words) => Event::Error(&text[words.clone()]),
        Line::Ping => Event::Ping,
        Line::Pong => Event::Pong,
        Line::Ok => Event::Ok,
        Line::Message(_) => unreachable!("a message has a payload, and the callers take it before"),
    }
}

/// The message in these bytes, which are exactly its own.
fn message<'a>(bytes: &'a [u8], announced: &Announced, start: usize) -> Result<Message<'a>, ReadError> {
    let body = bytes[start..].strip_suffix(b"\r\n").ok_or(ReadError::NoEnd)?;
    let (headers, payload) = body.split_at(announced.headers);
    Ok(Message {
        subject: &bytes[announced.subject.clone()],
        sid: &bytes[announced.sid.clone()],
        reply: announced.reply.clone().map(|place| &bytes[place]),
        headers,
        payload,
    })
}
