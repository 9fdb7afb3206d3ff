//! Messages to bytes.
//!
//! A server gives no mask, a client a fresh one for each frame. The payload of a frame may be shared among many
//! connections of a server: then only its [`HeaderBytes`] are made for each.

use super::close::{self, CloseCode};
use super::{Deflater, HeaderBytes, Kind, Opcode, mask};
use crate::limits;

/// The header of a whole message, sent as it is; the payload goes behind it.
pub fn message_header(kind: Kind, length: usize, mask: Option<[u8; 4]>) -> HeaderBytes {
    HeaderBytes::new(opcode(kind), true, false, length as u64, mask)
}

/// Appends a whole message.
pub fn message(out: &mut Vec<u8>, kind: Kind, payload: &[u8], mask: Option<[u8; 4]>) {
    frame(out, opcode(kind), true, payload, mask);
}

/// Appends a whole message whose payload `write` appends. It gets no mask: only a server sends so.
pub fn message_with(out: &mut Vec<u8>, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) {
    let start = leave_room(out);
    write(out);
    let length = out.len() - start - limits::WEBSOCKET_HEADER_BYTES_MAX;
    fill_room(out, start, &HeaderBytes::new(opcode(kind), true, false, length as u64, None));
}

/// Leaves room for a header, whose length shows only when what follows it is written. Returns where.
fn leave_room(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.resize(start + limits::WEBSOCKET_HEADER_BYTES_MAX, 0);
    start
}

/// Puts a header into the room that was left for it, and moves up what was written behind.
fn fill_room(out: &mut Vec<u8>, start: usize, header: &[u8]) {
    let behind = start + limits::WEBSOCKET_HEADER_BYTES_MAX;
    let length = out.len() - behind;
    out[start..][..header.len()].copy_from_slice(header);
    out.copy_within(behind.., start + header.len());
    out.truncate(start + header.len() + length);
}

/// Appends a whole message, compressed when that is worthwhile.
pub fn message_deflated(
    out: &mut Vec<u8>,
    kind: Kind,
    payload: &[u8],
    deflater: &mut Deflater,
    mask: Option<[u8; 4]>,
) {
    if !deflater.is_worthwhile(payload.len()) {
        return message(out, kind, payload, mask);
    }
    let start = leave_room(out);
    if !deflater.deflate(payload, out) {
        out.truncate(start);
        return message(out, kind, payload, mask);
    }
    let length = out.len() - start - limits::WEBSOCKET_HEADER_BYTES_MAX;
    let header = HeaderBytes::new(opcode(kind), true, true, length as u64, mask);
    fill_room(out, start, &header);
    apply(&mut out[start + header.len()..], mask);
}

/// Appends one frame: for messages in several, and for pings and pongs. A control frame's payload is cut at 125 bytes.
pub fn frame(out: &mut Vec<u8>, opcode: Opcode, is_last: bool, payload: &[u8], mask: Option<[u8; 4]>) {
    let longest = if opcode.is_control() { limits::WEBSOCKET_CONTROL_BYTES_MAX } else { payload.len() };
    let payload = &payload[..payload.len().min(longest)];
    let header = HeaderBytes::new(opcode, is_last || opcode.is_control(), false, payload.len() as u64, mask);
    out.reserve(header.len() + payload.len());
    out.extend_from_slice(&header);
    let start = out.len();
    out.extend_from_slice(payload);
    apply(&mut out[start..], mask);
}

/// Appends a ping.
pub fn ping(out: &mut Vec<u8>, payload: &[u8], mask: Option<[u8; 4]>) {
    frame(out, Opcode::Ping, true, payload, mask);
}

/// Appends a pong: the answer to a ping has its payload.
pub fn pong(out: &mut Vec<u8>, payload: &[u8], mask: Option<[u8; 4]>) {
    frame(out, Opcode::Pong, true, payload, mask);
}

/// Appends a close frame. Without a code there is no reason either; a reason that is too long is cut between
/// characters. The answer to a close frame has its code.
pub fn close(out: &mut Vec<u8>, code: Option<CloseCode>, reason: &str, mask: Option<[u8; 4]>) {
    let mut payload = Vec::new();
    if let Some(code) = code {
        payload.extend_from_slice(&code.number().to_be_bytes());
        payload.extend_from_slice(close::fitting(reason).as_bytes());
    }
    frame(out, Opcode::Close, true, &payload, mask);
}

const fn opcode(kind: Kind) -> Opcode {
    match kind {
        Kind::Text => Opcode::Text,
        Kind::Binary => Opcode::Binary,
    }
}

fn apply(payload: &mut [u8], key: Option<[u8; 4]>) {
    if let Some(key) = key {
        mask::apply(key, payload);
    }
}
