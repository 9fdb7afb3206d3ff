//! The parser: from bytes, cut anywhere, to where an operation lies in them.
//!
//! It keeps no bytes; it remembers what it knows of those that it was shown, so that no byte is looked at again when more
//! have come. [`Reader`](super::Reader) keeps them, and hands out [`Op`]s.

use super::fault::Violation;
use super::op::{Op, Publish};
use super::publish;

/// What holds for a connection at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Most bytes of an operation's arguments.
    pub control_line_bytes_max: usize,
    /// Most bytes of headers and payload.
    pub payload_bytes_max: usize,
    /// Whether the client has announced headers.
    pub headers: bool,
    /// Whether anything but CONNECT is heard.
    pub introduced: bool,
}

/// What the parser knows of the operation that is coming.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Parser {
    /// At most a part of its verb is there.
    #[default]
    Start,
    /// Its verb is gone, and nothing of its arguments has come.
    Blanks(Verb),
    /// The bytes begin with its arguments, and the first `seen` of them do not end the line.
    Arguments { verb: Verb, seen: usize },
    /// What stands on this line does not matter; the operation is told at its end.
    Rest(Verb),
    /// The bytes begin with the arguments of a message, and are to go on to its end.
    Message(Layout),
}

/// What a look at the bytes came to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// The first bytes are done with; look again at what follows.
    Skip(usize),
    /// The bytes begin with an operation.
    Found(Found),
    /// More bytes are needed. None are done with.
    More,
}

/// Where an operation lies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    Message(Layout),
    Line {
        verb: Verb,
        /// The length of its arguments, from the first byte on.
        arguments: usize,
        /// Its whole length.
        length: usize,
    },
}

/// Where a message lies, from the first byte of its arguments on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    subject_end: u32,
    reply: (u32, u32),
    from: u32,
    header_bytes: u32,
    size: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Pub,
    Hpub,
    Sub,
    Unsub,
    Connect,
    Info,
    Ping,
    Pong,
    Ok,
    Err,
}

impl Parser {
    /// Reads the operation at the front of the bytes if it is there whole and nothing special, as nearly all are.
    #[inline]
    pub(super) fn read_at_once<'a>(&self, bytes: &'a [u8], rules: &Rules) -> Option<(usize, Op<'a>)> {
        if !matches!(self, Self::Start) {
            return None;
        }
        publish::read_at_once(bytes, rules).map(|(length, publish)| (length, Op::Publish(publish)))
    }

    /// Looks at the bytes: at those it has seen before and asked for more of, and at what has come.
    pub(super) fn look(&mut self, bytes: &[u8], rules: &Rules) -> Result<Step, Violation> {
        match *self {
            Self::Start => self.look_at_verb(bytes, rules),
            Self::Blanks(verb) => {
                let blanks = bytes.iter().position(|byte| !is_blank(*byte)).unwrap_or(bytes.len());
                if blanks == bytes.len() {
                    return Ok(if blanks == 0 { Step::More } else { Step::Skip(blanks) });
                }
                *self = Self::Arguments { verb, seen: 0 };
                if blanks == 0 { self.look(bytes, rules) } else { Ok(Step::Skip(blanks)) }
            }
            Self::Rest(verb) => Ok(match memchr::memchr(b'\n', bytes) {
                Some(end) => {
                    *self = Self::Start;
                    Step::Found(Found::Line { verb, arguments: 0, length: end + 1 })
                }
                None if bytes.is_empty() => Step::More,
                None => Step::Skip(bytes.len()),
            }),
            Self::Arguments { verb, seen } => self.look_at_arguments(verb, seen, bytes, rules),
            Self::Message(layout) => self.look_at_message(layout, bytes),
        }
    }

    /// How many bytes of those that came belong to this operation, as far as is known yet: never more.
    pub(super) fn wanted(&self, known: usize, fresh: &[u8]) -> usize {
        match self {
            Self::Message(layout) => layout.length().saturating_sub(known).min(fresh.len()),
            _ => memchr::memchr(b'\n', fresh).map_or(fresh.len(), |end| end + 1),
        }
    }

    /// How long the operation will be, if that is known.
    pub(super) fn length(&self) -> Option<usize> {
        match self {
            Self::Message(layout) => Some(layout.length()),
            _ => None,
        }
    }

    /// Where the subject of the message ends whose line has been read and whose end has not.
    pub(super) fn subject_end(&self) -> Option<usize> {
        match self {
            Self::Message(layout) => Some(layout.subject_end as usize),
            _ => None,
        }
    }

    fn look_at_verb(&mut self, bytes: &[u8], rules: &Rules) -> Result<Step, Violation> {
        let Some(first) = bytes.first() else { return Ok(Step::More) };
        if !rules.introduced && !first.eq_ignore_ascii_case(&b'C') {
            return Err(Violation::Unintroduced);
        }
        let Some((verb, name)) = verb(bytes)? else { return Ok(Step::More) };
        *self = match verb {
            Verb::Ping | Verb::Pong | Verb::Ok => Self::Rest(verb),
            _ => Self::Blanks(verb),
        };
        Ok(Step::Skip(name))
    }

    fn look_at_arguments(
        &mut self,
        verb: Verb,
        seen: usize,
        bytes: &[u8],
        rules: &Rules,
    ) -> Result<Step, Violation> {
        let end = memchr::memchr(b'\n', &bytes[seen..]).map(|offset| seen + offset);
        let line = &bytes[..end.unwrap_or(bytes.len())];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if rules.control_line_bytes_max < line.len() {
            return Err(Violation::ControlLine);
        }
        let Some(end) = end else {
            *self = Self::Arguments { verb, seen: bytes.len() };
            return Ok(Step::More);
        };
        let length = end + 1;
        if matches!(verb, Verb::Pub | Verb::Hpub) {
            let layout = Layout::read(verb, line, length, rules)?;
            return self.look_at_message(layout, bytes);
        }
        *self = Self::Start;
        Ok(Step::Found(Found::Line { verb, arguments: line.len(), length }))
    }

    fn look_at_message(&mut self, layout: Layout, bytes: &[u8]) -> Result<Step, Violation> {
        let end = bytes.get(layout.length() - 2..).unwrap_or_default();
        match end {
            [b'\r', b'\n', ..] => {
                *self = Self::Start;
                Ok(Step::Found(Found::Message(layout)))
            }
            [] | [b'\r'] => {
                *self = Self::Message(layout);
                Ok(Step::More)
            }
            _ => {
                *self = Self::Message(layout);
                Err(Violation::UnknownOperation)
            }
        }
    }
}

impl Layout {
    /// What the arguments of a message say; the line takes `length` bytes.
    fn read(verb: Verb, line: &[u8], length: usize, rules: &Rules) -> Result<Self, Violation> {
        if verb == Verb::Hpub && !rules.headers {
            return Err(Violation::Headers);
        }
        let (arguments, count) = split::<4>(line, is_blank).ok_or(Violation::Arguments)?;
        let sizes = if verb == Verb::Hpub { 2 } else { 1 };
        let reply = match count.checked_sub(sizes) {
            Some(1) => (0, 0),
            Some(2) => arguments[1],
            _ => return Err(Violation::Arguments),
        };
        let number = |(from, to): (usize, usize)| number(&line[from..to]).ok_or(Violation::Arguments);
        let size = number(arguments[count - 1])?;
        let header_bytes = if verb == Verb::Hpub { number(arguments[count - 2])? } else { 0 };
        if size < header_bytes {
            return Err(Violation::Arguments);
        }
        if rules.payload_bytes_max < size as usize {
            return Err(Violation::Payload);
        }
        // A line is shorter than 4 GiB: it is bounded, and in memory.
        let place = |at: usize| u32::try_from(at).map_err(|_| Violation::ControlLine);
        Ok(Self {
            subject_end: place(arguments[0].1)?,
            reply: (place(reply.0)?, place(reply.1)?),
            from: place(length)?,
            header_bytes,
            size,
        })
    }

    fn length(&self) -> usize {
        self.from as usize + self.size as usize + 2
    }
}

impl Found {
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Message(layout) => layout.length(),
            Self::Line { length, .. } => *length,
        }
    }

    /// The operation that lies at the front of these bytes.
    pub(super) fn op<'a>(&self, bytes: &'a [u8]) -> Result<Op<'a>, Violation> {
        match self {
            Self::Message(layout) => {
                let from = layout.from as usize;
                let (reply, reply_end) = (layout.reply.0 as usize, layout.reply.1 as usize);
                Ok(Op::Publish(Publish {
                    subject: &bytes[..layout.subject_end as usize],
                    reply: (reply < reply_end).then(|| &bytes[reply..reply_end]),
                    message: &bytes[from..from + layout.size as usize],
                    header_bytes: layout.header_bytes as usize,
                }))
            }
            Self::Line { verb, arguments, .. } => line(*verb, &bytes[..*arguments]),
        }
    }
}

/// The operation on a line.
fn line(verb: Verb, line: &[u8]) -> Result<Op<'_>, Violation> {
    match verb {
        Verb::Ping => Ok(Op::Ping),
        Verb::Pong => Ok(Op::Pong),
        Verb::Ok => Ok(Op::Ok),
        Verb::Err => Err(Violation::Reported),
        Verb::Connect => Ok(Op::Connect(line)),
        Verb::Info => Ok(Op::Info(line)),
        Verb::Pub | Verb::Hpub | Verb::Sub | Verb::Unsub => {
            // Here a lone CR counts as a blank, too; in `PUB` it does not.
            let (places, count) = split::<3>(line, is_space).ok_or(Violation::Arguments)?;
            let argument = |number: usize| &line[places[number].0..places[number].1];
            match (verb, count) {
                (Verb::Sub, 2) => Ok(Op::Subscribe { subject: argument(0), queue: None, sid: argument(1) }),
                (Verb::Sub, 3) => {
                    Ok(Op::Subscribe { subject: argument(0), queue: Some(argument(1)), sid: argument(2) })
                }
                (Verb::Unsub, 1) => Ok(Op::Unsubscribe { sid: argument(0), max: None }),
                // What is no number is no bound: then it ends at once.
                (Verb::Unsub, 2) => Ok(Op::Unsubscribe {
                    sid: argument(0),
                    max: number(argument(1)).map(u64::from).filter(|max| *max != 0),
                }),
                _ => Err(Violation::Arguments),
            }
        }
    }
}

/// The verb at the front, and how many bytes are done with; `None` while it may still become one.
fn verb(bytes: &[u8]) -> Result<Option<(Verb, usize)>, Violation> {
    for (name, verb) in VERBS {
        let common = bytes.len().min(name.len());
        if !bytes[..common].eq_ignore_ascii_case(&name[..common]) {
            continue;
        }
        let Some(next) = bytes.get(name.len()) else {
            // It may be all there: what comes next says so.
            let is_whole = common == name.len() && !verb.needs_blank();
            return Ok(is_whole.then_some((*verb, common)));
        };
        if !verb.needs_blank() {
            return Ok(Some((*verb, name.len())));
        }
        return if is_blank(*next) {
            Ok(Some((*verb, name.len() + 1)))
        } else {
            Err(Violation::UnknownOperation)
        };
    }
    Err(Violation::UnknownOperation)
}

impl Verb {
    /// Whether a blank must follow. Of the others, nats-server takes what follows as it comes.
    fn needs_blank(self) -> bool {
        match self {
            Self::Pub | Self::Hpub | Self::Sub | Self::Unsub | Self::Err => true,
            Self::Connect | Self::Info | Self::Ping | Self::Pong | Self::Ok => false,
        }
    }
}

/// Where up to `N` arguments lie, and how many there are; `None` when there are more.
fn split<const N: usize>(line: &[u8], is_gap: fn(u8) -> bool) -> Option<([(usize, usize); N], usize)> {
    let mut places = [(0, 0); N];
    let mut count = 0;
    let mut at = 0;
    while let Some(skipped) = line[at..].iter().position(|byte| !is_gap(*byte)) {
        let from = at + skipped;
        at = line[from..].iter().position(|byte| is_gap(*byte)).map_or(line.len(), |length| from + length);
        *places.get_mut(count)? = (from, at);
        count += 1;
    }
    Some((places, count))
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn is_space(byte: u8) -> bool {
    is_blank(byte) || byte == b'\r'
}

/// A number of a few digits and nothing else.
fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || SIZE_DIGITS_MAX < digits.len() {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
}

/// Most digits of a number; leading zeros count. With ten, nats-server ends the connection.
pub(super) const SIZE_DIGITS_MAX: usize = 9;

const VERBS: &[(&[u8], Verb)] = &[
    (b"PUB", Verb::Pub),
    (b"HPUB", Verb::Hpub),
    (b"SUB", Verb::Sub),
    (b"UNSUB", Verb::Unsub),
    (b"PING", Verb::Ping),
    (b"PONG", Verb::Pong),
    (b"CONNECT", Verb::Connect),
    (b"INFO", Verb::Info),
    (b"+OK", Verb::Ok),
    (b"-ERR", Verb::Err),
];
