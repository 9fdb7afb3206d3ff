//! Masking (RFC 6455, 5.3): every byte of a payload XOR one byte of a key of four, in turn. It does not know of frames.

/// Masks or unmasks `bytes` in place. The first byte meets the first byte of the key.
#[inline]
pub fn apply(key: [u8; 4], bytes: &mut [u8]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = bytes.as_chunks_mut::<8>(); // The compiler makes vectors of this.
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// The key for what follows after `count` bytes of a payload.
#[inline]
pub(super) fn advanced(mut key: [u8; 4], count: usize) -> [u8; 4] {
    key.rotate_left(count % 4);
    key
}

/// Mask keys from a seed, so that a run can be replayed.
///
/// A mask protects proxies from what a hostile script has a *browser* send (RFC 6455, 10.3), so a browser's keys must
/// be unpredictable. Programs that choose their own payloads, as load generators and tests, need no such protection.
/// Whoever sends what strangers wrote takes keys from the system instead.
#[derive(Clone, Debug)]
pub struct MaskKeys {
    state: u64,
}

impl MaskKeys {
    /// Keys that follow from `seed` alone.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The key of the next frame (SplitMix64).
    pub fn next_key(&mut self) -> [u8; 4] {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let [a, b, c, d, ..] = (mixed ^ (mixed >> 31)).to_be_bytes();
        [a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 6455, 5.3: octet i of the data XOR octet i MOD 4 of the key.
    fn naive(key: [u8; 4], bytes: &mut [u8]) {
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte ^= key[index % 4];
        }
    }

    proptest! {
        #[test]
        fn masking_agrees_with_the_plain_loop_at_every_offset(
            key: [u8; 4],
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            start in 0_usize..16,
        ) {
            let mut ours = bytes.clone();
            let mut plain = bytes;
            let start = start.min(ours.len());
            apply(key, &mut ours[start..]);
            naive(key, &mut plain[start..]);
            prop_assert_eq!(ours, plain);
        }

        #[test]
        fn masking_in_two_pieces_is_masking_at_once(
            key: [u8; 4],
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
            cut in 0_usize..100,
        ) {
            let mut pieces = bytes.clone();
            let mut plain = bytes;
            let cut = cut.min(pieces.len());
            let (head, tail) = pieces.split_at_mut(cut);
            apply(key, head);
            apply(advanced(key, cut), tail);
            naive(key, &mut plain);
            prop_assert_eq!(pieces, plain);
        }
    }

    #[test]
    fn keys_follow_from_the_seed() {
        // The first outputs of SplitMix64 for seed 0, from its author's reference program.
        let mut keys = MaskKeys::new(0);
        assert_eq!(keys.next_key(), [0xe2, 0x20, 0xa8, 0x39]);
        assert_eq!(keys.next_key(), [0x6e, 0x78, 0x9e, 0x6a]);
    }
}
