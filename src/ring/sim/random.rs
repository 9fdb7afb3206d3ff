//! A small generator of random numbers: the same seed, the same run.
//!
//! SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): one addition and three
//! mixing steps, so that a die is cast faster than memory is reached. It is no source of secrets.

/// A generator.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of this seed. Every seed is a good one.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, as good as evenly (Lemire's multiplication, without his correction: the error is
    /// `bound / 2^64`).
    ///
    /// # Panics
    /// When nothing is below the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(0 < bound, "there is a number below the bound");
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// An index below `bound`.
    ///
    /// # Panics
    /// When there is none.
    #[expect(clippy::cast_possible_truncation, reason = "the number is below a usize")]
    pub fn index(&mut self, bound: usize) -> usize {
        self.below(bound as u64) as usize
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, per_mille: u16) -> bool {
        0 < per_mille && self.below(1000) < u64::from(per_mille)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that Vigna's splitmix64.c gives for the seed 1234567.
    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut random = Random::new(1_234_567);
        let numbers: Vec<u64> = (0..5).map(|_| random.number()).collect();
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(numbers, expected);
    }

    #[test]
    fn chances_are_as_asked() {
        let mut random = Random::new(7);
        let hits = |random: &mut Random, per_mille| (0..100_000).filter(|_| random.chance(per_mille)).count();
        assert_eq!(hits(&mut random, 0), 0);
        assert_eq!(hits(&mut random, 1000), 100_000);
        assert!((24_000..26_000).contains(&hits(&mut random, 250)));
    }

    #[test]
    fn every_number_below_the_bound_comes() {
        let mut random = Random::new(1);
        let mut seen = [false; 10];
        (0..1000).for_each(|_| seen[random.index(10)] = true);
        assert_eq!(seen, [true; 10]);
    }
}
