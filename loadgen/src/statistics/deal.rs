//! Dealing out: random places and random orders.

use crate::random::Random;

/// A random number below `count`, which is not 0. The unevenness is `count` divided by 2^64.
pub fn below(random: &mut Random, count: usize) -> usize {
    usize::try_from(random.next_u64() % count as u64).expect("below a number of this type")
}

/// Brings these into a random order (Fisher and Yates).
pub fn shuffle<T>(random: &mut Random, items: &mut [T]) {
    for count in (2..=items.len()).rev() {
        items.swap(count - 1, below(random, count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All six orders of three occur equally often, within five standard errors.
    #[test]
    fn every_order_is_as_probable() {
        let mut random = Random::new(8);
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            let mut items = [1, 2, 3];
            shuffle(&mut random, &mut items);
            *seen.entry(items).or_insert(0) += 1;
        }
        assert!(seen.len() == 6 && seen.values().all(|count| (856..=1144).contains(count)), "{seen:?}");
    }
}
