//! What the frames of one subscription look like on the wire: bytes that are always the same, around a stamp.
//!
//! A subscription to one subject gets frames that differ in their stamp alone, so that a comparison of a few words takes
//! the place of reading the protocol. A frame that is not as expected is no fault: it is read in full then.

use super::stamp::{STAMP_BYTES, Stamp};

/// Bytes of a word of the comparison.
const WORD: usize = 16;

/// The bytes before a stamp and behind it.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Whole, for frames whose prefix is longer than two words.
    prefix: Box<[u8]>,
    /// The first word of the frame, as far as it belongs to the prefix.
    first: u128,
    mask: u128,
    /// The last word of the prefix, and where it begins; the first one again when there is no other.
    last: u128,
    last_at: usize,
    last_mask: u128,
    /// What stands behind the stamp.
    tail: Box<[u8]>,
}

impl Shape {
    /// Frames with this before the stamp and this behind it.
    pub fn new(prefix: &[u8], tail: &[u8]) -> Self {
        let used = prefix.len().min(WORD);
        let mask = if used == WORD { u128::MAX } else { (1 << (8 * used)) - 1 };
        let mut first = [0; WORD];
        first[..used].copy_from_slice(&prefix[..used]);
        let first = u128::from_le_bytes(first);
        let (last_at, last, last_mask) = match prefix.last_chunk() {
            Some(word) => (prefix.len() - WORD, u128::from_le_bytes(*word), u128::MAX),
            None => (0, first, mask),
        };
        Self { prefix: prefix.into(), first, mask, last, last_at, last_mask, tail: tail.into() }
    }

    /// Bytes of a frame.
    pub fn frame_bytes(&self) -> usize {
        self.prefix.len() + STAMP_BYTES + self.tail.len()
    }

    /// Whether this frame, of the right length, has this stamp and is right in all else.
    #[inline]
    pub fn is(&self, frame: &[u8], stamp: Stamp) -> bool {
        let at = self.prefix.len();
        let (Some(first), Some(last), Some(found)) =
            (word(frame, 0), word(frame, self.last_at), word(frame, at))
        else {
            return false;
        };
        // All words in one comparison: they are nearly always right.
        let differs =
            (first ^ self.first) & self.mask | (last ^ self.last) & self.last_mask | stamp.difference(found);
        differs == 0 && self.has_tail(&frame[at + STAMP_BYTES..]) && self.has_middle(frame)
    }

    #[inline]
    fn has_middle(&self, frame: &[u8]) -> bool {
        self.prefix.len() <= 2 * WORD || frame.starts_with(&self.prefix)
    }

    #[inline]
    fn has_tail(&self, tail: &[u8]) -> bool {
        match (tail, &*self.tail) {
            ([], []) => true,
            ([a, b], [c, d]) => a == c && b == d,
            (found, expected) => found == expected,
        }
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u128> {
    bytes.get(at..)?.first_chunk().map(|word| u128::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte of a frame counts, whatever the lengths of its parts.
    #[test]
    fn a_frame_is_as_expected_or_not() {
        let stamp = Stamp::new(1, 77);
        for prefix_bytes in [0, 2, 4, 15, 16, 17, 31, 32, 33, 60] {
            for tail_bytes in [0, 1, 2, 3, 114] {
                let prefix: Vec<u8> = (0..prefix_bytes).map(|byte| b'a' + byte % 26).collect();
                let tail: Vec<u8> = (0..tail_bytes).map(|byte| b'A' + byte % 26).collect();
                let shape = Shape::new(&prefix, &tail);
                let frame = [&prefix[..], &stamp.bytes(), &tail].concat();
                assert_eq!(shape.frame_bytes(), frame.len());
                assert!(shape.is(&frame, stamp) && !shape.is(&frame, Stamp::new(1, 78)));
                for at in 0..frame.len() {
                    let mut spoiled = frame.clone();
                    spoiled[at] ^= 1;
                    assert!(!shape.is(&spoiled, stamp), "{prefix_bytes} {tail_bytes} at {at}");
                }
            }
        }
    }
}
