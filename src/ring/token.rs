//! What a submission carries and its completion brings back: `kind 8 | generation 24 | slot 32`.
//!
//! The kind says which operation it was, the slot whose it was, and the generation whether that owner still is the
//! one who asked: a completion that arrives after its slot was given to somebody else is stale, and harmless.

/// Which operation a token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A connection was accepted.
    Accept = 1,
    /// A connection was made.
    Connect = 2,
    /// Bytes of a stream arrived.
    Receive = 3,
    /// Bytes of a stream were taken.
    Send = 4,
    /// A datagram arrived.
    ReceiveFrom = 5,
    /// A datagram was taken.
    SendTo = 6,
    /// Our side of a stream was closed.
    Shutdown = 7,
    /// An operation was asked to end.
    Cancel = 8,
    /// All operations of a descriptor were asked to end, as the first half of its closing.
    CloseCancel = 9,
    /// A descriptor was closed.
    Close = 10,
    /// Another ring rings at ours.
    Doorbell = 11,
    /// We rang at another ring.
    DoorbellSent = 12,
}

impl Kind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 12] = [
        Self::Accept,
        Self::Connect,
        Self::Receive,
        Self::Send,
        Self::ReceiveFrom,
        Self::SendTo,
        Self::Shutdown,
        Self::Cancel,
        Self::CloseCancel,
        Self::Close,
        Self::Doorbell,
        Self::DoorbellSent,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// Which of its successive owners a slot belongs to: 24 bits, moved on whenever the slot is freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(u32);

impl Generation {
    const MASK: u32 = (1 << 24) - 1;

    /// The generation of this number, modulo 2^24.
    pub const fn new(number: u32) -> Self {
        Self(number & Self::MASK)
    }

    /// The next owner's generation; after the last comes the first.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.0.wrapping_add(1))
    }

    /// Its number, below 2^24.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// The `user_data` of a submission and of its completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(u64);

impl Token {
    /// A token for the owner `generation` of `slot`.
    pub const fn new(kind: Kind, slot: u32, generation: Generation) -> Self {
        Self(((kind as u64) << 56) | ((generation.0 as u64) << 32) | slot as u64)
    }

    /// Reads back what a completion carries; `None` when no token of ours has these bits.
    pub fn from_bits(bits: u64) -> Option<Self> {
        Kind::from_number((bits >> 56) as u8).map(|_| Self(bits))
    }

    /// The 64 bits for the kernel.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Which operation it was.
    pub fn kind(self) -> Kind {
        Kind::from_number((self.0 >> 56) as u8).expect("a token is made from a kind")
    }

    /// Whose operation it was.
    #[expect(clippy::cast_possible_truncation, reason = "the slot is the lower half")]
    pub const fn slot(self) -> u32 {
        self.0 as u32
    }

    /// Which owner of the slot it was.
    pub const fn generation(self) -> Generation {
        Generation::new((self.0 >> 32) as u32)
    }

    /// The same owner's token for another operation.
    #[must_use]
    pub const fn with_kind(self, kind: Kind) -> Self {
        Self::new(kind, self.slot(), self.generation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every single bit of slot and generation, and the corners.
    fn samples(bits: u32) -> Vec<u32> {
        let max = u32::try_from((1u64 << bits) - 1).unwrap();
        (0..bits).map(|bit| 1 << bit).chain([0, max, max - 1, max / 3]).collect()
    }

    #[test]
    fn every_kind_with_every_bit_of_slot_and_generation_comes_back() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index + 1, "ALL is in the order of the numbers");
            for slot in samples(32) {
                for generation in samples(24) {
                    let token = Token::new(kind, slot, Generation::new(generation));
                    let back = Token::from_bits(token.bits()).unwrap();
                    assert_eq!(back.kind(), kind);
                    assert_eq!(back.slot(), slot);
                    assert_eq!(back.generation().number(), generation);
                }
            }
        }
    }

    #[test]
    fn every_number_that_is_no_kind_is_refused() {
        for number in 0..=u8::MAX {
            let known = Kind::ALL.iter().any(|kind| *kind as u8 == number);
            assert_eq!(Token::from_bits(u64::from(number) << 56).is_some(), known, "{number}");
        }
    }

    #[test]
    fn the_layout_is_kind_8_generation_24_slot_32() {
        let token = Token::new(Kind::Send, 0x89ab_cdef, Generation::new(0x12_3456));
        assert_eq!(token.bits(), 0x0412_3456_89ab_cdef);
    }

    #[test]
    fn generations_wrap_after_24_bits() {
        assert_eq!(Generation::new(0xff_ffff).next(), Generation::new(0));
        assert_eq!(Generation::new(0x1ff_ffff).number(), 0xff_ffff);
    }
}
