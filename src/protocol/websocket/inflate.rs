//! Inflating the messages of a peer (RFC 7692, 7.2.2), never to more bytes than a bound.
//!
//! It does not know of frames: it takes the pieces of a message in order, and a word when the message ends.

use super::Failure;
use super::receiver::reserve;
use crate::limits;
use flate2::{Decompress, FlushDecompress, Status};

/// The window and tables of one direction of one connection.
#[derive(Debug)]
pub(super) struct Inflater {
    stream: Decompress,
    /// Messages may refer to those before them.
    keeps_context: bool,
    /// A final block has just ended its stream: there is nothing that the tail of a message would complete.
    is_at_end: bool,
}

impl Inflater {
    /// `window_bits` as agreed; a smaller window of the peer's is served as well by the smallest of ours.
    pub(super) fn new(window_bits: u8, keeps_context: bool) -> Self {
        let bits = window_bits.clamp(limits::WEBSOCKET_WINDOW_BITS_MIN, 15);
        Self { stream: Decompress::new_with_window_bits(false, bits), keeps_context, is_at_end: false }
    }

    /// Appends what the next piece of a message holds, as long as `out` stays within `bytes_max`.
    pub(super) fn inflate(
        &mut self,
        mut input: &[u8],
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> Result<(), Failure> {
        loop {
            let had_room = self.step(&mut input, out, bytes_max)?;
            if input.is_empty() && had_room {
                return Ok(());
            }
        }
    }

    /// The message has ended: completes it with the tail that its sender removed (RFC 7692, 7.2.2).
    pub(super) fn finish(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> Result<(), Failure> {
        if !self.is_at_end {
            self.inflate(&TAIL, out, bytes_max)?;
        }
        if !self.keeps_context {
            self.stream.reset(false);
        }
        self.is_at_end = false;
        Ok(())
    }

    /// One call of the library; true when it had more room than it needed, so that it keeps nothing back.
    fn step(&mut self, input: &mut &[u8], out: &mut Vec<u8>, bytes_max: usize) -> Result<bool, Failure> {
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let mut beyond = [0; 1];
        let is_full = out.len() >= bytes_max;
        let status = if is_full {
            // One byte more than allowed is looked for, in a place of its own.
            self.stream.decompress(input, &mut beyond, FlushDecompress::Sync)
        } else {
            if out.len() == out.capacity() {
                reserve(out, 1, bytes_max);
            }
            self.stream.decompress_vec(input, out, FlushDecompress::Sync)
        };
        let status = status.map_err(|_| Failure::data("A compressed message that cannot be inflated."))?;
        let read = self.stream.total_in() - read;
        let written = self.stream.total_out() - written;
        if out.len() > bytes_max || (is_full && written > 0) {
            return Err(Failure::size("A message that inflates to more than is taken."));
        }
        let had_room = is_full || out.len() < out.capacity();
        *input = usize::try_from(read).ok().and_then(|read| input.get(read..)).unwrap_or_default();
        if read > 0 {
            self.is_at_end = false;
        }
        if status == Status::StreamEnd {
            // RFC 7692, 7.2.3.4: more may follow a final block. It is a stream of its own, with an empty window.
            self.stream.reset(false);
            self.is_at_end = true;
        } else if read == 0 && written == 0 && had_room && !input.is_empty() {
            return Err(Failure::data("A compressed message that cannot be inflated."));
        }
        Ok(had_room)
    }
}

/// What the library allocates for inflating: a window of 32 KiB whatever was agreed, and tables.
pub(super) const INFLATER_BYTES: usize = 48 * 1024;
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
