//! Bytes to events (RFC 6455, 5 and 6.2): frames are checked, unmasked, assembled and inflated.
//!
//! It works in the buffer that the bytes arrived in. A message that lies there whole, in one frame and not compressed,
//! is never copied. Everything else goes into the receiver's own assembly, which grows with what has arrived and not
//! with what was announced, and is gone when the connection is idle.

use super::close::{self, CloseCode};
use super::frame::{self, Header, Opcode};
use super::inflate::{INFLATER_BYTES, Inflater};
use super::{DeflateParameters, Failure, Kind, Role, mask};
use crate::limits;
use std::ops::Range;

/// What a receiver takes at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest message, in bytes, after inflation.
    pub message_bytes_max: usize,
    /// Longest payload of a data frame, in bytes as sent.
    pub frame_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let bytes = limits::MESSAGE_BYTES as usize;
        Self { message_bytes_max: bytes, frame_bytes_max: bytes }
    }
}

/// What a peer said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message. Text has been checked to be UTF-8.
    Message {
        /// Text or bytes.
        kind: Kind,
        /// What it says.
        payload: &'a [u8],
    },
    /// What has come of a message of bytes; more of it follows, and the last of it is a [message](Self::Message). Only where
    /// messages are taken [in pieces](Receiver::take_in_pieces).
    Piece(&'a [u8]),
    /// To be answered with a pong of the same payload.
    Ping(&'a [u8]),
    /// An answer to a ping, or a sign of life.
    Pong(&'a [u8]),
    /// The last event. To be answered with a close frame of the same code.
    Close {
        /// Why, where the peer says so.
        code: Option<CloseCode>,
        /// Words for the log; possibly empty.
        reason: &'a str,
    },
}

/// What one call made of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// How many bytes are done with. The next call starts behind them.
    pub consumed: usize,
    /// What they said. Without an event, more bytes are needed: call again with what is left and what has come since.
    pub event: Option<Event<'a>>,
}

/// The receiving half of one connection.
#[derive(Debug)]
pub struct Receiver {
    /// The message so far, inflated. Empty when none is open.
    assembly: Vec<u8>,
    inflater: Option<Box<Inflater>>,
    limits: Limits,
    /// Whether messages of bytes are handed out in pieces.
    in_pieces: bool,
    /// Bytes of the open message that were handed out.
    handed_out: usize,
    /// How much of the assembly is known to be UTF-8.
    checked: usize,
    /// Payload bytes of the open frame that have not come yet.
    left: u64,
    /// The mask, turned to meet the next byte. An unmasked frame has one of zeros.
    key: [u8; 4],
    frame: OpenFrame,
    message: Option<OpenMessage>,
    role: Role,
    /// The peer's window and whether it is kept, where compression was agreed.
    deflate: Option<(u8, bool)>,
    /// The assembly has been handed out and is to be forgotten.
    is_delivered: bool,
    /// Nothing more is read.
    has_ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenFrame {
    None,
    MoreFollow,
    Last,
}

#[derive(Clone, Copy, Debug)]
struct OpenMessage {
    kind: Kind,
    is_compressed: bool,
}

/// Where an event lies.
enum Found {
    Nothing,
    Here(Opcode, Range<usize>),
    Piece(Range<usize>),
    Assembled(Kind),
}

impl Receiver {
    /// The receiving half for `role`, which is ours.
    pub fn new(role: Role, limits: Limits, deflate: Option<&DeflateParameters>) -> Self {
        let sender = match role {
            Role::Server => Role::Client,
            Role::Client => Role::Server,
        };
        Self {
            assembly: Vec::new(),
            inflater: None,
            limits,
            in_pieces: false,
            handed_out: 0,
            checked: 0,
            left: 0,
            key: [0; 4],
            frame: OpenFrame::None,
            message: None,
            role,
            deflate: deflate.map(|agreed| agreed.direction(sender)),
            is_delivered: false,
            has_ended: false,
        }
    }

    /// From now on messages of bytes that are not compressed are handed out as they come, piece by piece, and are not
    /// assembled: for those to whom a message is no unit. Call it before the first byte.
    pub const fn take_in_pieces(&mut self, limits: Limits) {
        self.limits = limits;
        self.in_pieces = true;
    }

    /// Reads on, up to the next event. Call it until there is no event; what is left then (at most
    /// [`limits::WEBSOCKET_CARRY_BYTES_MAX`] bytes) is to be given again, with what comes next behind it.
    ///
    /// It unmasks in place, so `bytes` that were consumed are not what was received. After a close frame or a failure all
    /// bytes are consumed without a word.
    pub fn receive<'a>(&'a mut self, bytes: &'a mut [u8]) -> Result<Step<'a>, Failure> {
        match self.advance(bytes) {
            Ok((consumed, found)) => Ok(Step { consumed, event: self.event(bytes, found) }),
            Err(failure) => {
                self.end();
                Err(failure)
            }
        }
    }

    /// Whether the peer has begun a message and not ended it.
    pub const fn is_within_message(&self) -> bool {
        self.message.is_some()
    }

    /// About how much memory it holds beside itself, in bytes.
    pub const fn memory_bytes(&self) -> usize {
        self.assembly.capacity() + if self.inflater.is_some() { INFLATER_BYTES } else { 0 }
    }

    fn advance(&mut self, bytes: &mut [u8]) -> Result<(usize, Found), Failure> {
        if self.has_ended {
            return Ok((bytes.len(), Found::Nothing));
        }
        self.forget_delivered();
        let mut at = 0;
        loop {
            if self.frame != OpenFrame::None {
                let (piece, hands_out) = (at, self.hands_out());
                at += self.take_payload(&mut bytes[at..])?;
                let kind = if self.left == 0 { self.end_frame()? } else { None };
                match kind {
                    Some(_) if hands_out => return Ok((at, Found::Here(Opcode::Binary, piece..at))),
                    Some(kind) => return Ok((at, Found::Assembled(kind))),
                    None if hands_out && piece < at => return Ok((at, Found::Piece(piece..at))),
                    None if self.left > 0 => return Ok((at, Found::Nothing)),
                    None => {}
                }
            }
            let Some((header, header_bytes)) = frame::parse(&bytes[at..])? else {
                self.rest();
                return Ok((at, Found::Nothing));
            };
            self.admit(&header)?;
            let start = at + header_bytes;
            let whole = usize::try_from(header.length).ok().and_then(|length| start.checked_add(length));
            let whole = whole.filter(|end| *end <= bytes.len());
            let is_control = header.opcode.is_control();
            match whole {
                Some(end) if is_control || self.is_whole_message(&header) => {
                    self.take_whole(&header, &mut bytes[start..end])?;
                    return Ok((end, Found::Here(header.opcode, start..end)));
                }
                None if is_control => {
                    self.rest();
                    return Ok((at, Found::Nothing));
                }
                _ => self.open_frame(&header),
            }
            at = start;
        }
    }

    /// Checks a header against what came before it, and its length before anything is allocated for it.
    #[inline]
    fn admit(&self, header: &Header) -> Result<(), Failure> {
        match (self.role, header.mask) {
            (Role::Server, Some(_)) | (Role::Client, None) => {}
            (Role::Server, None) => return Err(Failure::protocol("A client's frame that is not masked.")),
            (Role::Client, Some(_)) => return Err(Failure::protocol("A server's frame that is masked.")),
        }
        if header.is_compressed && self.deflate.is_none() {
            return Err(Failure::protocol("A reserved bit is set."));
        }
        match (header.opcode, self.message) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => Ok(()),
            (Opcode::Continuation, None) => Err(Failure::protocol("A continuation of nothing.")),
            (Opcode::Text | Opcode::Binary, Some(_)) => Err(Failure::protocol("A message within a message.")),
            (_, open) => self.admit_length(header, open.is_some_and(|open| open.is_compressed)),
        }
    }

    fn admit_length(&self, header: &Header, continues_compressed: bool) -> Result<(), Failure> {
        let is_compressed = header.is_compressed || continues_compressed;
        let Limits { message_bytes_max, frame_bytes_max } = self.limits;
        // Deflate makes what it cannot compress a little longer: five bytes in a block of some thousands.
        let allowance = if is_compressed { frame_bytes_max / 256 + 64 } else { 0 };
        let longest = frame_bytes_max.saturating_add(allowance);
        let room = message_bytes_max.saturating_sub(self.assembly.len() + self.handed_out);
        if header.length > longest as u64 {
            return Err(Failure::size("A frame that is longer than is taken."));
        }
        if !is_compressed && header.length > room as u64 {
            return Err(Failure::size("A message that is longer than is taken."));
        }
        Ok(())
    }

    fn is_whole_message(&self, header: &Header) -> bool {
        header.is_last && header.opcode != Opcode::Continuation && !header.is_compressed
    }

    /// A frame that can be handed out as it lies.
    fn take_whole(&mut self, header: &Header, payload: &mut [u8]) -> Result<(), Failure> {
        if let Some(key) = header.mask {
            mask::apply(key, payload);
        }
        match header.opcode {
            Opcode::Text if simdutf8::basic::from_utf8(payload).is_err() => Err(NOT_UTF8),
            Opcode::Close => {
                close::parse(payload)?;
                self.end();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn open_frame(&mut self, header: &Header) {
        self.left = header.length;
        self.key = header.mask.unwrap_or_default();
        self.frame = if header.is_last { OpenFrame::Last } else { OpenFrame::MoreFollow };
        let kind = match header.opcode {
            Opcode::Text => Kind::Text,
            Opcode::Binary => Kind::Binary,
            Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => return,
        };
        self.message = Some(OpenMessage { kind, is_compressed: header.is_compressed });
        self.handed_out = 0;
    }

    /// Whether what comes of the open message is handed out at once.
    fn hands_out(&self) -> bool {
        self.in_pieces && self.message.is_some_and(|open| open.kind == Kind::Binary && !open.is_compressed)
    }

    /// Takes what is there of the open frame's payload.
    fn take_payload(&mut self, bytes: &mut [u8]) -> Result<usize, Failure> {
        let count = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let piece = &mut bytes[..count];
        if count > 0 {
            mask::apply(self.key, piece);
            self.key = mask::advanced(self.key, count);
            self.left -= count as u64;
            if self.hands_out() {
                self.handed_out += count;
            } else {
                self.append(piece)?;
                self.check_text()?;
            }
        }
        Ok(count)
    }

    fn append(&mut self, piece: &[u8]) -> Result<(), Failure> {
        let bytes_max = self.limits.message_bytes_max;
        if self.message.is_some_and(|open| open.is_compressed) {
            let (inflater, assembly) = self.inflater();
            return inflater.inflate(piece, assembly, bytes_max);
        }
        reserve(&mut self.assembly, piece.len(), bytes_max);
        self.assembly.extend_from_slice(piece);
        Ok(())
    }

    /// The open frame is complete, and with it perhaps its message.
    fn end_frame(&mut self) -> Result<Option<Kind>, Failure> {
        let is_last = self.frame == OpenFrame::Last;
        self.frame = OpenFrame::None;
        let Some(open) = self.message.filter(|_| is_last) else {
            return Ok(None);
        };
        if open.is_compressed {
            let bytes_max = self.limits.message_bytes_max;
            let (inflater, assembly) = self.inflater();
            inflater.finish(assembly, bytes_max)?;
        }
        self.check_text()?;
        if open.kind == Kind::Text && self.checked < self.assembly.len() {
            return Err(NOT_UTF8); // It ends within a character.
        }
        self.message = None;
        self.handed_out = 0;
        self.is_delivered = true;
        Ok(Some(open.kind))
    }

    /// Checks the text that has come since the last time, so that what can never be UTF-8 is refused at once. At most
    /// three bytes, of a character that is not complete, are looked at again.
    fn check_text(&mut self) -> Result<(), Failure> {
        if !self.message.is_some_and(|open| open.kind == Kind::Text) {
            return Ok(());
        }
        match simdutf8::compat::from_utf8(&self.assembly[self.checked..]) {
            Ok(_) => self.checked = self.assembly.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(NOT_UTF8),
        }
        Ok(())
    }

    fn inflater(&mut self) -> (&mut Inflater, &mut Vec<u8>) {
        let (window_bits, keeps_context) = self.deflate.unwrap_or((15, false));
        let make = || Box::new(Inflater::new(window_bits, keeps_context));
        (self.inflater.get_or_insert_with(make), &mut self.assembly)
    }

    fn event<'a>(&'a self, bytes: &'a [u8], found: Found) -> Option<Event<'a>> {
        let (opcode, range) = match found {
            Found::Nothing => return None,
            Found::Assembled(kind) => return Some(Event::Message { kind, payload: &self.assembly }),
            Found::Piece(range) => return Some(Event::Piece(&bytes[range])),
            Found::Here(opcode, range) => (opcode, range),
        };
        let payload = &bytes[range];
        Some(match opcode {
            Opcode::Text => Event::Message { kind: Kind::Text, payload },
            Opcode::Binary | Opcode::Continuation => Event::Message { kind: Kind::Binary, payload },
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            Opcode::Close => {
                let (code, reason) = close::parse(payload).unwrap_or_default(); // It was checked.
                Event::Close { code, reason }
            }
        })
    }

    /// What was handed out by the call before is not needed any more. Its memory serves the next message.
    fn forget_delivered(&mut self) {
        if self.is_delivered {
            self.is_delivered = false;
            self.assembly.clear();
            self.checked = 0;
        }
    }

    /// Nothing more to do until bytes come: an idle connection keeps no buffer.
    fn rest(&mut self) {
        if self.message.is_some() {
            return;
        }
        self.assembly = Vec::new();
        if self.inflater.is_some() && self.deflate.is_none_or(|(_, keeps_context)| !keeps_context) {
            self.inflater = None;
        }
    }

    fn end(&mut self) {
        self.has_ended = true;
        self.message = None;
        self.assembly = Vec::new();
        self.inflater = None;
    }
}

/// Makes room for `extra` bytes: for twice as many as before, but never for more than `bytes_max` in all.
pub(super) fn reserve(buffer: &mut Vec<u8>, extra: usize, bytes_max: usize) {
    let needed = buffer.len().saturating_add(extra);
    if needed > buffer.capacity() {
        let doubled = buffer.capacity().saturating_mul(2).max(limits::WEBSOCKET_ASSEMBLY_BYTES_MIN);
        let wanted = doubled.min(bytes_max).max(needed);
        buffer.reserve_exact(wanted - buffer.len());
    }
}

const NOT_UTF8: Failure = Failure::data("Text that is not UTF-8.");
