//! What one stream connection sends: all messages of a turn in one send, in memory that is used again and again.
//!
//! Small messages are written one behind the other into one vector. Of large ones only the header is written, and the
//! body is lent from the pattern's table, so that many connections with large messages cost neither copies nor memory.

use std::sync::Arc;

use tidemill::limits::SEND_PARTS_MAX;
use tidemill::ring::{Gather, Part};

use crate::traffic::pattern::{Message, Pattern};

/// Size from which on bodies are lent: about where copying costs more than one more part.
const LEND_FROM_BYTES: usize = 2048;
/// Most bytes in one send of small messages; the others follow when it has been taken.
const JOINED_BYTES_MAX: usize = 256 * 1024;

/// The sends of one connection. It has one gather, which is here or with the kernel.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// The gather, with its memory; empty while it is in flight.
    gather: Gather,
    /// Vectors that were sent and keep their memory.
    spare: Vec<Vec<u8>>,
}

/// How many messages one send takes.
pub fn messages_per_send(size: usize) -> u64 {
    let messages = if size < LEND_FROM_BYTES { JOINED_BYTES_MAX / size } else { SEND_PARTS_MAX / 2 };
    messages as u64
}

impl Outgoing {
    /// A send of `count` messages, the first of which is `first`.
    pub fn send(&mut self, pattern: &Pattern, first: Message, count: u64) -> Gather {
        let mut gather = std::mem::take(&mut self.gather);
        assert!(gather.is_empty(), "one send in flight per connection");
        let messages = (0..count).map(|offset| Message { sequence: first.sequence + offset, ..first });
        if pattern.size() < LEND_FROM_BYTES {
            let mut bytes = self.vector();
            messages.for_each(|message| pattern.append(message, &mut bytes));
            gather.parts_mut().push(Part::Copied(bytes.into()));
        } else {
            for message in messages {
                let mut header = self.vector();
                header.extend_from_slice(&pattern.header(message));
                let (table, body) = pattern.body(message);
                gather
                    .parts_mut()
                    .extend([Part::Copied(header.into()), Part::Shared(Arc::clone(table), body)]);
            }
        }
        gather
    }

    /// A send of these bytes.
    pub fn send_bytes(&mut self, bytes: Vec<u8>) -> Gather {
        let mut gather = std::mem::take(&mut self.gather);
        assert!(gather.is_empty(), "one send in flight per connection");
        gather.parts_mut().push(Part::Copied(bytes.into()));
        gather
    }

    /// Takes a gather back, of which the kernel took `sent` bytes. Returns the rest, if there is one.
    ///
    /// It does what `Gather::advance` does, and keeps the vectors.
    pub fn sent(&mut self, mut gather: Gather, mut sent: usize) -> Option<Gather> {
        let parts = gather.parts_mut();
        let is_whole = |part: &Part, left: &mut usize| {
            let bytes = part.bytes().len();
            let whole = bytes <= *left;
            *left -= if whole { bytes } else { 0 };
            whole
        };
        let whole = parts.iter().take_while(|part| is_whole(part, &mut sent)).count();
        for part in parts.drain(..whole) {
            if let Part::Copied(bytes) = part {
                self.spare.push(bytes.into_vec());
            }
        }
        match parts.first_mut() {
            Some(part) => part.advance(sent),
            None => {
                self.gather = gather;
                return None;
            }
        }
        Some(gather)
    }

    /// An empty vector, with memory if one has come home.
    pub fn vector(&mut self) -> Vec<u8> {
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Message = Message { connection: 3, lane: 0, sequence: 10 };

    fn bytes(gather: &Gather) -> Vec<u8> {
        gather.parts().iter().flat_map(|part| part.bytes().to_vec()).collect()
    }

    fn expected(pattern: &Pattern, count: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for offset in 0..count {
            pattern.append(Message { sequence: FIRST.sequence + offset, ..FIRST }, &mut bytes);
        }
        bytes
    }

    #[test]
    fn messages_leave_in_order_whether_copied_or_lent() {
        for (size, parts) in [(1, 1), (64, 1), (2047, 1), (2048, 6), (16_384, 6)] {
            let pattern = Pattern::new(1, size);
            let mut outgoing = Outgoing::default();
            for _ in 0..3 {
                let gather = outgoing.send(&pattern, FIRST, 3);
                assert_eq!(gather.parts().len(), parts, "size {size}");
                assert_eq!(bytes(&gather), expected(&pattern, 3), "size {size}");
                assert!(outgoing.sent(gather, 3 * size).is_none());
            }
        }
    }

    #[test]
    fn every_short_send_leaves_the_right_rest() {
        for size in [20, 2050] {
            let pattern = Pattern::new(1, size);
            let whole = expected(&pattern, 2);
            for sent in 0..=whole.len() {
                let mut outgoing = Outgoing::default();
                let gather = outgoing.send(&pattern, FIRST, 2);
                let rest = outgoing.sent(gather, sent);
                let rest = rest.map_or(Vec::new(), |gather| bytes(&gather));
                assert_eq!(rest, whole[sent..], "size {size}, {sent} bytes sent");
            }
        }
    }

    #[test]
    fn memory_is_used_again() {
        for size in [64, 4096] {
            let pattern = Pattern::new(1, size);
            let mut outgoing = Outgoing::default();
            let mut addresses = Vec::new();
            for _ in 0..2 {
                let gather = outgoing.send(&pattern, FIRST, 1);
                addresses.push(gather.parts()[0].bytes().as_ptr());
                assert!(outgoing.sent(gather, size).is_none());
            }
            assert_eq!(addresses[0], addresses[1]);
        }
    }

    #[test]
    fn a_send_has_a_bound() {
        assert_eq!([1, 64, 2048, 1 << 24].map(messages_per_send), [262_144, 4096, 32, 32]);
    }
}
