//! Random numbers that follow from a seed, so that every run can be repeated.
//!
//! SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014): one addition and
//! three mixing steps. Because its state is a counter, the n-th number can also be had without the ones before it, with
//! [`mix`]. It is no source of secrets.

/// How far the state moves with each number: 2^64 divided by the golden ratio, and odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A number that looks random, from one that need not: two numbers next to each other give two without likeness.
#[must_use]
pub fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(STEP);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A sequence of random numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence of this seed. Every seed is a good one.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number, of 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let number = mix(self.state);
        self.state = self.state.wrapping_add(STEP);
        number
    }

    /// A number above 0 and at most 1, evenly distributed: its logarithm is always finite.
    #[expect(clippy::cast_precision_loss, reason = "a number of 53 bits is exact in a double")]
    pub fn unit(&mut self) -> f64 {
        const SMALLEST: f64 = 1.0 / (1u64 << 53) as f64;
        ((self.next_u64() >> 11) + 1) as f64 * SMALLEST
    }

    /// A number of the exponential distribution with this mean: the time to the next of many independent events. At
    /// most 37 times the mean, which is where the 53 bits of [`unit`](Self::unit) end.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that Vigna's splitmix64.c gives for the seed 1234567.
    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut random = Random::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        for (place, expected) in (0u64..).zip(expected) {
            assert_eq!(random.next_u64(), expected);
            assert_eq!(
                mix(1_234_567u64.wrapping_add(STEP.wrapping_mul(place))),
                expected,
                "the same, at once"
            );
        }
    }

    /// Half a million numbers: mean 1/2 and variance 1/12, within six standard errors.
    #[test]
    fn the_unit_is_even() {
        let mut random = Random::new(3);
        let numbers: Vec<f64> = (0..500_000).map(|_| random.unit()).collect();
        assert!(numbers.iter().all(|&number| 0.0 < number && number <= 1.0));
        let mean = numbers.iter().sum::<f64>() / 5e5;
        let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / 5e5;
        assert!((mean - 0.5).abs() < 0.0025, "{mean}");
        assert!((variance - 1.0 / 12.0).abs() < 0.001, "{variance}");
    }

    /// Half a million numbers: mean, variance and the share above the mean (1/e), within six standard errors.
    #[test]
    fn the_exponential_has_its_mean_and_its_tail() {
        let mut random = Random::new(4);
        let numbers: Vec<f64> = (0..500_000).map(|_| random.exponential(3.0)).collect();
        assert!(numbers.iter().all(|&number| (0.0..111.5).contains(&number)));
        let mean = numbers.iter().sum::<f64>() / 5e5;
        let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / 5e5;
        let above = numbers.iter().filter(|&&number| 3.0 < number).count();
        assert!((mean - 3.0).abs() < 0.026, "{mean}");
        assert!((variance - 9.0).abs() < 0.22, "{variance}");
        assert!((181_890..=185_990).contains(&above), "{above}");
    }
}
