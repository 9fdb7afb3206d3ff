//! Deflating our messages (RFC 7692, 7.2.1). It does not know of frames.

use super::DeflateSettings;
use crate::limits;
use flate2::{Compress, Compression, FlushCompress};

/// The compressor of what one end sends.
///
/// One that keeps its context belongs to one connection. One that does not may be shared by all connections with the
/// same window, so that its memory is paid for once.
#[derive(Debug)]
pub struct Deflater {
    /// Made when first needed.
    stream: Option<Compress>,
    window_bits: u8,
    level: u8,
    keeps_context: bool,
    bytes_min: usize,
}

impl Deflater {
    pub(super) fn new(window_bits: u8, keeps_context: bool, settings: &DeflateSettings) -> Self {
        let window_bits = window_bits.clamp(limits::WEBSOCKET_WINDOW_BITS_MIN, 15);
        let level = settings.level.min(9);
        Self { stream: None, window_bits, level, keeps_context, bytes_min: settings.bytes_min }
    }

    /// Whether a message of `bytes` is long enough to be compressed.
    pub const fn is_worthwhile(&self, bytes: usize) -> bool {
        bytes >= self.bytes_min
    }

    /// The window, as a power of two.
    pub const fn window_bits(&self) -> u8 {
        self.window_bits
    }

    /// Whether messages refer to those before them, so that it can serve one connection only.
    pub const fn keeps_context(&self) -> bool {
        self.keeps_context
    }

    /// Appends the compressed payload of a message, without the tail that every message has (RFC 7692, 7.2.1). False
    /// when the message must be sent as it is, with nothing appended.
    pub fn deflate(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        if payload.is_empty() {
            out.push(0x00); // RFC 7692, 7.2.3.6: an empty block. The library would give none the second time.
            return true;
        }
        let start = out.len();
        let is_done = self.append(payload, out) && out[start..].ends_with(&TAIL);
        if is_done {
            out.truncate(out.len() - TAIL.len());
        } else {
            // What the peer has not seen must not be referred to.
            out.truncate(start);
            self.stream = None;
        }
        let is_shorter = out.len() - start < payload.len();
        if self.keeps_context {
            return is_done; // The window holds the message now, so the peer must inflate it too.
        }
        if let Some(stream) = &mut self.stream {
            stream.reset();
        }
        if !is_shorter {
            out.truncate(start);
        }
        is_done && is_shorter
    }

    /// Frees what it can, when there is nothing to send: with a context to keep, nothing.
    pub fn rest(&mut self) {
        if !self.keeps_context {
            self.stream = None;
        }
    }

    /// About how much memory it holds, in bytes.
    pub const fn memory_bytes(&self) -> usize {
        // zlib-rs: two windows, a chain entry of two bytes for each position of one, and tables of fixed size.
        if self.stream.is_some() { (4 << self.window_bits) + 246 * 1024 } else { 0 }
    }

    fn append(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> bool {
        let (level, bits) = (Compression::new(u32::from(self.level)), self.window_bits);
        let stream = self.stream.get_or_insert_with(|| Compress::new_with_window_bits(level, false, bits));
        loop {
            out.reserve(input.len() / 2 + STEP_BYTES);
            let read = stream.total_in();
            if stream.compress_vec(input, out, FlushCompress::Sync).is_err() {
                return false;
            }
            let read = stream.total_in() - read;
            input = usize::try_from(read).ok().and_then(|read| input.get(read..)).unwrap_or_default();
            // Room left means that all has been written, the tail too.
            if out.len() < out.capacity() {
                return input.is_empty();
            }
        }
    }
}

/// More than the tail needs, so that a second call never writes it again.
const STEP_BYTES: usize = 64;
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
