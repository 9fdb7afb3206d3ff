//! What has come and cannot be taken yet: an unfinished record, or a handshake message that goes on in the next one.
//!
//! It knows where records end and nothing of what stands in them. An idle connection has nothing here, and no memory
//! for it either.

use crate::limits;

/// Bytes on their way into TLS.
#[derive(Debug, Default)]
pub(super) struct Carry {
    bytes: Vec<u8>,
    /// Bytes at the front whose records were looked at before and are needed again: parts of a handshake message.
    seen: usize,
}

impl Carry {
    /// Adds what the socket brought.
    pub(super) fn extend(&mut self, wire: &[u8]) {
        self.bytes.extend_from_slice(wire);
    }

    /// Everything that is here.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Whether TLS has something new to do: a whole record, or a header that may be refused before its record is whole.
    /// So bytes that trickle in are not looked at again and again.
    pub(super) fn is_ready(&self) -> bool {
        let new = &self.bytes[self.seen..];
        record_bytes(new).is_some_and(|length| length <= new.len() || !is_ordinary(new, length))
    }

    /// The first record, when it is all here and nothing was taken before.
    pub(super) fn first_record(&self) -> Option<&[u8]> {
        let length = record_bytes(&self.bytes).filter(|_| self.seen == 0)?;
        self.bytes.get(..length)
    }

    /// TLS has looked at all whole records and is done with `used` bytes.
    pub(super) fn advance(&mut self, used: usize) {
        let mut whole = self.seen;
        while let Some(length) = record_bytes(&self.bytes[whole..])
            && length <= self.bytes.len() - whole
        {
            whole += length;
        }
        self.seen = whole.saturating_sub(used);
        if used == self.bytes.len() {
            self.clear();
        } else {
            self.bytes.drain(..used);
            self.bytes.shrink_to_fit();
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes that are here.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory that are held.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

const HEADER_BYTES: usize = 5;

/// The length of the record that begins here, once its header is here.
fn record_bytes(bytes: &[u8]) -> Option<usize> {
    let &[_, _, _, high, low] = bytes.first_chunk::<HEADER_BYTES>()?;
    Some(HEADER_BYTES + usize::from(u16::from_be_bytes([high, low])))
}

/// Whether a record has a type (RFC 8446, B.1), a version and a length that are worth waiting for.
fn is_ordinary(header: &[u8], length: usize) -> bool {
    (20..=23).contains(&header[0]) && header[1] == 3 && length <= limits::TLS_RECORD_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_record_or_a_wrong_header_is_news() {
        let check = |bytes: &[u8], expected: bool| {
            let mut carry = Carry::default();
            for (at, byte) in bytes.iter().enumerate() {
                assert!(!carry.is_ready() || at == bytes.len(), "{bytes:?} at {at}");
                carry.extend(&[*byte]);
            }
            assert_eq!(carry.is_ready(), expected, "{bytes:?}");
        };
        check(&[22, 3, 1, 0, 2, 1, 1], true);
        check(&[22, 3, 1, 0, 2, 1], false);
        check(&[23, 3, 3, 0, 0], true);
        check(&[23, 3, 3, 0x48, 0x00], false);
        check(&[23, 3, 3, 0x48, 0x01], true);
        check(&[25, 3, 3, 0, 9], true);
        check(&[22, 2, 3, 0, 9], true);
    }

    #[test]
    fn what_was_seen_is_not_news() {
        let mut carry = Carry::default();
        carry.extend(&[22, 3, 1, 0, 1, 1, 22, 3, 1, 0, 1]);
        assert!(carry.is_ready());
        carry.advance(0); // The handshake message goes on.
        assert!(!carry.is_ready());
        carry.extend(&[9]);
        assert!(carry.is_ready());
        carry.advance(12);
        assert_eq!((carry.bytes().len(), carry.capacity()), (0, 0));
    }

    #[test]
    fn what_is_done_goes_and_the_rest_stays() {
        let mut carry = Carry::default();
        carry.extend(&[23, 3, 3, 0, 1, 7, 23, 3, 3]);
        carry.advance(6);
        assert_eq!(carry.bytes(), [23, 3, 3]);
        assert!(!carry.is_ready());
        carry.extend(&[0, 0]);
        assert!(carry.is_ready());
    }
}
