//! Content on its way in: by length, in chunks, or until the connection ends.
//!
//! The decoder keeps a few numbers and no bytes. It tells where in the input content lies; chunk sizes, extensions and
//! trailers are checked as strictly as heads and thrown away. It must not know what the content is for.

use std::ops::Range;

use super::message::BodyLength;
use super::refusal::Refusal;
use super::token;
use crate::limits::{
    HTTP_BODY_EXTENSION_BYTES_MAX, HTTP_CHUNK_EXTENSION_BYTES_MAX, HTTP_CHUNK_SIZE_DIGITS_MAX,
    HTTP_TRAILER_BYTES_MAX, HTTP_TRAILERS_MAX,
};

/// What one call of [`Body::decode`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that are done with, content included.
    pub consumed: usize,
    /// Where in the input content lies. It may be empty.
    pub data: Range<usize>,
    /// Whether the message ends at `consumed`.
    pub done: bool,
}

/// Decodes the content of one message.
#[derive(Clone, Debug)]
pub struct Body {
    state: State,
    /// Bytes that are still to come of the content, or of the chunk.
    left: u64,
    /// Bytes of content that may still be announced.
    room: u64,
    /// Bytes of extensions behind the present chunk size.
    extension_bytes: usize,
    /// Bytes of extensions behind all chunk sizes.
    extension_bytes_total: usize,
    trailer_bytes: usize,
    trailers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Content by length.
    Length,
    /// Content until the connection ends.
    UntilClose,
    /// A chunk size, of which so many digits have come.
    Size {
        digits: u8,
    },
    /// The line of a chunk size, behind the size.
    Extension(Extension),
    /// The line feed behind a chunk size.
    SizeLf,
    /// Content of a chunk.
    Chunk,
    /// The carriage return behind a chunk.
    ChunkCr,
    /// The line feed behind a chunk.
    ChunkLf,
    /// The trailer section.
    Trailer(Trailer),
    Done,
    Failed(Refusal),
}

/// Where in the extensions of a chunk: `;name=value;name="value"` (RFC 9112, section 7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    NameStart,
    Name,
    ValueStart,
    Value,
    Quoted,
    Escaped,
    QuotedEnd,
}

/// Where in the trailer section (RFC 9112, section 7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trailer {
    LineStart,
    Name,
    Value,
    LineLf,
    LastLf,
}

impl Body {
    /// A decoder for content of that length, of at most `bytes_max` bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::BodyTooLong`], if the head has already announced more.
    pub fn new(length: BodyLength, bytes_max: u64) -> Result<Self, Refusal> {
        let (state, left) = match length {
            BodyLength::None | BodyLength::Length(0) => (State::Done, 0),
            BodyLength::Length(bytes) if bytes > bytes_max => return Err(Refusal::BodyTooLong),
            BodyLength::Length(bytes) => (State::Length, bytes),
            BodyLength::Chunked => (State::Size { digits: 0 }, 0),
            BodyLength::UntilClose => (State::UntilClose, 0),
        };
        Ok(Self {
            state,
            left,
            room: bytes_max,
            extension_bytes: 0,
            extension_bytes_total: 0,
            trailer_bytes: 0,
            trailers: 0,
        })
    }

    /// Decodes what has come. Call it again with the rest of the input until that is empty or the message is done:
    /// each call finds one stretch of content at most, and takes something of every input that is not empty.
    ///
    /// # Errors
    ///
    /// What is wrong with the message; then the same again for ever.
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, Refusal> {
        let mut at = 0;
        let mut data = 0..0;
        while at < input.len() && self.state != State::Done {
            if !matches!(self.state, State::Length | State::UntilClose | State::Chunk) {
                self.state = self.step(input[at]).unwrap_or_else(State::Failed);
                at += 1;
            } else if data.is_empty() {
                data = at..at + self.take(input.len() - at);
                at = data.end;
            } else {
                break;
            }
            if let State::Failed(refusal) = self.state {
                return Err(refusal);
            }
        }
        Ok(Decoded { consumed: at, data, done: self.is_done() })
    }

    /// Whether the message is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The connection has ended: whether that ends the content in order.
    ///
    /// # Errors
    ///
    /// [`Refusal::Truncated`] if more was to come, or what was wrong before.
    pub fn finish(&self) -> Result<(), Refusal> {
        match self.state {
            State::Done | State::UntilClose => Ok(()),
            State::Failed(refusal) => Err(refusal),
            _ => Err(Refusal::Truncated),
        }
    }

    /// Takes content, of which `available` bytes have come, and returns how much of them it is.
    fn take(&mut self, available: usize) -> usize {
        let bytes = u64::try_from(available).unwrap_or(u64::MAX);
        if self.state == State::UntilClose {
            match self.room.checked_sub(bytes) {
                Some(room) => self.room = room,
                None => self.state = State::Failed(Refusal::BodyTooLong),
            }
            return available;
        }
        let taken = self.left.min(bytes);
        self.left -= taken;
        if self.left == 0 {
            self.state = if self.state == State::Length { State::Done } else { State::ChunkCr };
        }
        usize::try_from(taken).unwrap_or(available)
    }

    /// The state behind one byte that is not content.
    fn step(&mut self, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::Size { digits }, _) => self.step_size(digits, byte),
            (State::Extension(place), _) => self.step_extension(place, byte),
            (State::SizeLf, b'\n') if self.left == 0 => Ok(State::Trailer(Trailer::LineStart)),
            (State::SizeLf, b'\n') => Ok(State::Chunk),
            (State::SizeLf, _) => Err(Refusal::BareCr),
            (State::ChunkCr, b'\r') => Ok(State::ChunkLf),
            (State::ChunkLf, b'\n') => Ok(State::Size { digits: 0 }),
            (State::ChunkCr | State::ChunkLf, _) => Err(Refusal::BadChunkEnd),
            (State::Trailer(place), _) => self.step_trailer(place, byte),
            (State::Failed(refusal), _) => Err(refusal),
            (state @ (State::Length | State::UntilClose | State::Chunk | State::Done), _) => Ok(state),
        }
    }

    fn step_size(&mut self, digits: u8, byte: u8) -> Result<State, Refusal> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\r' | b';' if digits > 0 => return self.end_size(byte),
            b'\n' => return Err(Refusal::BareLf),
            _ => return Err(Refusal::BadChunkSize),
        };
        if digits == HTTP_CHUNK_SIZE_DIGITS_MAX {
            return Err(Refusal::BadChunkSize);
        }
        self.left = (self.left << 4) | u64::from(digit); // Sixteen digits fit.
        Ok(State::Size { digits: digits + 1 })
    }

    fn end_size(&mut self, byte: u8) -> Result<State, Refusal> {
        self.room = self.room.checked_sub(self.left).ok_or(Refusal::BodyTooLong)?;
        self.extension_bytes = 0;
        if byte == b';' {
            self.count_extension(State::Extension(Extension::NameStart))
        } else {
            Ok(State::SizeLf)
        }
    }

    fn step_extension(&mut self, place: Extension, byte: u8) -> Result<State, Refusal> {
        let is_token = token::is(byte, token::TOKEN);
        let is_text = byte == b'\t' || token::is_text(byte);
        let next = match (place, byte) {
            (_, b'\n') => return Err(Refusal::BareLf),
            (Extension::Name | Extension::Value | Extension::QuotedEnd, b'\r') => return Ok(State::SizeLf),
            (Extension::Name | Extension::Value | Extension::QuotedEnd, b';') => Extension::NameStart,
            (Extension::NameStart | Extension::Name, _) if is_token => Extension::Name,
            (Extension::Name, b'=') => Extension::ValueStart,
            (Extension::ValueStart, b'"') => Extension::Quoted,
            (Extension::ValueStart | Extension::Value, _) if is_token => Extension::Value,
            (Extension::Quoted, b'"') => Extension::QuotedEnd,
            (Extension::Quoted, b'\\') => Extension::Escaped,
            (Extension::Quoted | Extension::Escaped, _) if is_text => Extension::Quoted,
            _ => return Err(Refusal::BadChunkExtension),
        };
        self.count_extension(State::Extension(next))
    }

    fn count_extension(&mut self, next: State) -> Result<State, Refusal> {
        self.extension_bytes += 1;
        self.extension_bytes_total += 1;
        let is_too_long = self.extension_bytes > HTTP_CHUNK_EXTENSION_BYTES_MAX
            || self.extension_bytes_total > HTTP_BODY_EXTENSION_BYTES_MAX;
        if is_too_long { Err(Refusal::ChunkExtensionTooLong) } else { Ok(next) }
    }

    fn step_trailer(&mut self, place: Trailer, byte: u8) -> Result<State, Refusal> {
        self.trailer_bytes += 1;
        self.trailers += usize::from(place == Trailer::LineStart && byte != b'\r');
        if self.trailer_bytes > HTTP_TRAILER_BYTES_MAX || self.trailers > HTTP_TRAILERS_MAX {
            return Err(Refusal::TrailersTooLong);
        }
        let is_token = token::is(byte, token::TOKEN);
        let is_text = byte == b'\t' || token::is_text(byte);
        Ok(State::Trailer(match (place, byte) {
            (Trailer::LineStart, b'\r') => Trailer::LastLf,
            (Trailer::LineStart | Trailer::Name, _) if is_token => Trailer::Name,
            (Trailer::Name, b':') => Trailer::Value,
            (Trailer::Value, b'\r') => Trailer::LineLf,
            (Trailer::Value, _) if is_text => Trailer::Value,
            (Trailer::LineLf, b'\n') => Trailer::LineStart,
            (Trailer::LastLf, b'\n') => return Ok(State::Done),
            (Trailer::LineLf | Trailer::LastLf, _) => return Err(Refusal::BareCr),
            (_, b'\n') => return Err(Refusal::BareLf),
            _ => return Err(Refusal::BadTrailer),
        }))
    }
}

#[cfg(test)]
mod tests;
