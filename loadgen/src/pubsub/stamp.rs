//! The stamp that begins each payload: which publisher, and its how-manieth message.
//!
//! It is sixteen letters from `@` to `O`, each of which holds four bits, the lowest first: twelve for the number, four for
//! the publisher. So it is text, which every protocol carries; and the next stamp follows from the last one in three
//! operations, without a number being written out, because a carry runs through letters whose other bits are all set.

/// Bytes of a stamp.
pub const STAMP_BYTES: usize = 16;
/// Numbers that a stamp can hold.
pub const NUMBERS: u64 = 1 << 48;
/// Publishers that a stamp can hold beside [`PROBE`].
pub const PUBLISHERS_MAX: u32 = 0xffff;
/// The publisher of messages that only ask whether subscriptions are there.
pub const PROBE: u32 = 0xffff;

/// The four bits of each letter that count.
const LOW: u128 = 0x0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f;
/// What makes letters of them.
const TAG: u128 = 0x4040_4040_4040_4040_4040_4040_4040_4040;
/// Bits of the letters of a number, in a stamp.
const NUMBER_BITS: u32 = 96;

/// Where a message stands among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(u128);

/// How far stamps are apart whose numbers are some way apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stride(u128);

impl Stride {
    /// For numbers that are so far apart.
    pub fn of(distance: u64) -> Self {
        Self(spread(distance))
    }
}

impl Stamp {
    /// The stamp of this message of this publisher.
    pub fn new(publisher: u32, number: u64) -> Self {
        debug_assert!(number < NUMBERS && publisher <= PROBE, "a stamp has its bounds");
        Self(spread(number) | spread(u64::from(publisher)) << NUMBER_BITS | TAG)
    }

    /// The stamp of a message that is some way behind, of the same publisher.
    #[inline]
    #[must_use]
    pub fn plus(self, stride: Stride) -> Self {
        Self((self.0 | !LOW).wrapping_add(stride.0) & LOW | TAG)
    }

    /// As it is sent.
    #[inline]
    pub fn bytes(self) -> [u8; STAMP_BYTES] {
        self.0.to_le_bytes()
    }

    /// What is different in sixteen bytes, as a word that was read with the lowest first: nothing, if they are this stamp.
    #[inline]
    pub fn difference(self, word: u128) -> u128 {
        self.0 ^ word
    }

    /// The publisher and the number that a payload begins with; `None` when that is no stamp.
    pub fn read(payload: &[u8]) -> Option<(u32, u64)> {
        let (stamp, _) = payload.split_first_chunk()?;
        let letters = u128::from_le_bytes(*stamp);
        (letters & !LOW == TAG).then(|| {
            let gathered = gather(letters & LOW);
            ((gathered >> 48) as u32, gathered & (NUMBERS - 1))
        })
    }
}

/// Sixteen times four bits, one in each byte.
fn spread(number: u64) -> u128 {
    (0..16).fold(0, |sum, place| sum | (u128::from(number) >> (4 * place) & 0xf) << (8 * place))
}

/// The reverse.
#[expect(clippy::cast_possible_truncation, reason = "sixteen times four bits are 64")]
fn gather(letters: u128) -> u64 {
    (0..16).fold(0, |sum, place| sum | (letters >> (8 * place) & 0xf) << (4 * place)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_sixteen_letters() {
        assert_eq!(&Stamp::new(0, 0).bytes(), b"@@@@@@@@@@@@@@@@");
        assert_eq!(&Stamp::new(0x1234, 0xabc).bytes(), b"LKJ@@@@@@@@@DCBA");
        assert_eq!(&Stamp::new(PROBE, NUMBERS - 1).bytes(), b"OOOOOOOOOOOOOOOO");
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        for (publisher, number) in
            [(0, 0), (1, 15), (7, 16), (PROBE, NUMBERS - 1), (0x8001, 0x1234_5678_9abc)]
        {
            let payload = [&Stamp::new(publisher, number).bytes(), &b"rest"[..]].concat();
            assert_eq!(Stamp::read(&payload), Some((publisher, number)));
        }
        for wrong in [&b""[..], b"@@@@@@@@@@@@@@@", b"@@@@@@@@@@@@@@@P", b"@@@@0@@@@@@@@@@@"] {
            assert_eq!(Stamp::read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_next_one_is_that_of_the_next_number() {
        for (from, distance) in
            [(0, 1), (15, 1), (255, 1), (0xfff_ffff, 1), (9_999, 10_000), (7, 100), (1 << 47, 16)]
        {
            let next = Stamp::new(3, from).plus(Stride::of(distance));
            assert_eq!(next, Stamp::new(3, from + distance), "{from} and {distance}");
            let word = |number| u128::from_le_bytes(Stamp::new(3, number).bytes());
            assert_eq!(next.difference(word(from + distance)), 0);
            assert_ne!(next.difference(word(from)), 0);
        }
    }
}
