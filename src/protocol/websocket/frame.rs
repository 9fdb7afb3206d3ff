//! The header of a frame (RFC 6455, 5.2), read and written.
//!
//! It knows what is wrong with a header whatever came before it; what may follow what, the receiver knows.

use super::Failure;
use crate::limits;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message before it.
    Continuation,
    /// A message of UTF-8, or its beginning.
    Text,
    /// A message of bytes, or its beginning.
    Binary,
    /// The last frame of its sender.
    Close,
    /// To be answered with a pong of the same payload.
    Ping,
    /// An answer to a ping, or a sign of life.
    Pong,
}

impl Opcode {
    /// Whether it may stand between the frames of a message.
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    const fn number(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    /// FIN: the message ends with this frame.
    pub(super) is_last: bool,
    /// RSV1: the message is compressed (RFC 7692, 6).
    pub(super) is_compressed: bool,
    pub(super) mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub(super) length: u64,
}

/// Reads the header at the start of `bytes` and says how long it is; `None` when more bytes are needed.
#[inline]
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, Failure> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let opcode = first_byte(first)?;
    let Some(&second) = bytes.get(1) else {
        return Ok(None);
    };
    let short = second & !MASK;
    if opcode.is_control() && usize::from(short) > limits::WEBSOCKET_CONTROL_BYTES_MAX {
        return Err(Failure::protocol("A control frame of more than 125 bytes."));
    }
    let Some((length, length_end)) = length(short, bytes)? else {
        return Ok(None);
    };
    let mut end = length_end;
    let mut mask = None;
    if second & MASK != 0 {
        let Some(key) = bytes[end..].first_chunk::<4>() else {
            return Ok(None);
        };
        mask = Some(*key);
        end += key.len();
    }
    let header = Header { opcode, is_last: first & FIN != 0, is_compressed: first & RSV1 != 0, mask, length };
    Ok(Some((header, end)))
}

fn first_byte(first: u8) -> Result<Opcode, Failure> {
    if first & (RSV2 | RSV3) != 0 {
        return Err(Failure::protocol("A reserved bit is set."));
    }
    let opcode = Opcode::from_number(first & OPCODE).ok_or(Failure::protocol("A reserved opcode."))?;
    if opcode.is_control() && first & FIN == 0 {
        return Err(Failure::protocol("A fragmented control frame."));
    }
    if first & RSV1 != 0 && !matches!(opcode, Opcode::Text | Opcode::Binary) {
        return Err(Failure::protocol("A reserved bit is set."));
    }
    Ok(opcode)
}

/// The length of the payload, and where in `bytes` it has been said. The shortest form must be used.
fn length(short: u8, bytes: &[u8]) -> Result<Option<(u64, usize)>, Failure> {
    let tail = &bytes[2..];
    let (length, shortest, size) = match short {
        LENGTH_16 => match tail.first_chunk() {
            Some(long) => (u64::from(u16::from_be_bytes(*long)), u64::from(LENGTH_16), 2),
            None => return Ok(None),
        },
        LENGTH_64 => match tail.first_chunk() {
            Some(long) => (u64::from_be_bytes(*long), 1 << 16, 8),
            None => return Ok(None),
        },
        short => (u64::from(short), 0, 0),
    };
    if length < shortest {
        return Err(Failure::protocol("A length that is not in its shortest form."));
    }
    if length >> 63 != 0 {
        return Err(Failure::protocol("A length with its highest bit set."));
    }
    Ok(Some((length, 2 + size)))
}

/// A header as it is sent.
#[derive(Clone, Copy, Debug)]
pub struct HeaderBytes {
    bytes: [u8; limits::WEBSOCKET_HEADER_BYTES_MAX],
    length: u8,
}

impl HeaderBytes {
    /// The header of a frame with `length` bytes of payload. `is_compressed` sets RSV1, for the first frame of a message
    /// that was deflated; a client gives the mask that it has applied to the payload, a server none.
    pub fn new(
        opcode: Opcode,
        is_last: bool,
        is_compressed: bool,
        length: u64,
        mask: Option<[u8; 4]>,
    ) -> Self {
        let mut header = Self { bytes: [0; limits::WEBSOCKET_HEADER_BYTES_MAX], length: 0 };
        let fin = if is_last { FIN } else { 0 };
        let rsv1 = if is_compressed { RSV1 } else { 0 };
        let masked = if mask.is_some() { MASK } else { 0 };
        header.push(&[fin | rsv1 | opcode.number()]);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < LENGTH_16 => header.push(&[masked | short]),
            (_, Ok(long)) => {
                header.push(&[masked | LENGTH_16]);
                header.push(&long.to_be_bytes());
            }
            _ => {
                header.push(&[masked | LENGTH_64]);
                header.push(&length.to_be_bytes());
            }
        }
        header.push(&mask.unwrap_or_default()[..if mask.is_some() { 4 } else { 0 }]);
        header
    }

    fn push(&mut self, part: &[u8]) {
        for &byte in part {
            self.bytes[usize::from(self.length)] = byte;
            self.length += 1;
        }
    }
}

impl std::ops::Deref for HeaderBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2: u8 = 0x20;
const RSV3: u8 = 0x10;
const OPCODE: u8 = 0x0f;
const MASK: u8 = 0x80;
/// The length follows in two bytes.
const LENGTH_16: u8 = 126;
/// The length follows in eight bytes.
const LENGTH_64: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_in_their_shortest_form() {
        // RFC 6455, 5.2, and the examples of 5.7.
        let check = |length: u64, expected: &[u8]| {
            let header = HeaderBytes::new(Opcode::Binary, true, false, length, None);
            assert_eq!(&header[..], expected, "{length}");
            let read = parse(expected).unwrap().unwrap();
            assert_eq!((read.0.length, read.1), (length, expected.len()));
        };
        check(0, &[0x82, 0]);
        check(125, &[0x82, 125]);
        check(126, &[0x82, 126, 0, 126]);
        check(127, &[0x82, 126, 0, 127]);
        check(255, &[0x82, 126, 0, 255]);
        check(256, &[0x82, 0x7e, 0x01, 0x00]);
        check(65_535, &[0x82, 126, 0xff, 0xff]);
        check(65_536, &[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
        check(u64::MAX >> 1, &[0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    }

    #[test]
    fn all_first_bytes_are_judged() {
        for first in 0..=u8::MAX {
            let (reserved, opcode) = (first & 0x70, first & 0x0f);
            let known = matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10);
            let is_whole = opcode < 8 || first & 0x80 != 0;
            let bits = reserved == 0 || (reserved == 0x40 && matches!(opcode, 1 | 2));
            assert_eq!(parse(&[first, 0]).is_ok(), known && is_whole && bits, "{first:#x}");
        }
    }
}
