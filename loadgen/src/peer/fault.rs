//! What happens to an answer besides its delay: it is dropped, sent twice, or changed.
//!
//! Which answers these are follows from the seed and the order of arrivals alone.

use std::str::FromStr;

use super::law::parse_percentage;
use crate::random::{Random, mix};

/// How many messages a fault befalls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Often {
    /// None.
    #[default]
    Never,
    /// Each with this chance, from 0 to 1.
    Chance(f64),
    /// Exactly the last of each so many.
    Every(u64),
}

/// A text that says not how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a percentage, as in 1% by chance, or 1/100 for exactly every 100th message")]
pub struct OftenError;

impl FromStr for Often {
    type Err = OftenError;

    fn from_str(text: &str) -> Result<Self, OftenError> {
        match text.split_once('/') {
            Some((one, number)) if one.trim() == "1" => {
                let number = number.trim().parse().ok().filter(|&number| number != 0);
                number.map(Self::Every).ok_or(OftenError)
            }
            Some(_) => Err(OftenError),
            None => parse_percentage(text).map(Self::Chance).ok_or(OftenError),
        }
    }
}

/// What befalls one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing: it is sent as it is.
    Whole,
    /// It is not sent.
    Dropped,
    /// It is sent twice.
    Duplicated,
    /// It is sent with one byte changed.
    Corrupted,
}

/// The faults that were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Answers that are not sent.
    pub drop: Often,
    /// Answers that are sent twice, of those that are sent.
    pub duplicate: Often,
    /// Answers that are changed, of those that are sent once.
    pub corrupt: Often,
}

/// Faults at work. An answer has one fault at most, so that a client can count each by itself: what is not dropped may
/// be duplicated, and what is neither may be corrupted.
#[derive(Clone, Debug)]
pub struct Dice {
    drop: Die,
    duplicate: Die,
    corrupt: Die,
}

#[derive(Clone, Debug)]
struct Die {
    often: Often,
    random: Random,
    count: u64,
}

impl Dice {
    /// The same faults and seed give the same answers the same fates.
    pub fn new(faults: Faults, seed: u64) -> Self {
        // Seeds of their own: one fault more does not change which answers the others befall.
        let die = |often, number| Die { often, random: Random::new(mix(seed ^ mix(number))), count: 0 };
        Self {
            drop: die(faults.drop, 1),
            duplicate: die(faults.duplicate, 2),
            corrupt: die(faults.corrupt, 3),
        }
    }

    /// What befalls the next answer.
    pub fn cast(&mut self) -> Fate {
        if self.drop.cast() {
            Fate::Dropped
        } else if self.duplicate.cast() {
            Fate::Duplicated
        } else if self.corrupt.cast() {
            Fate::Corrupted
        } else {
            Fate::Whole
        }
    }
}

impl Die {
    fn cast(&mut self) -> bool {
        self.count += 1;
        match self.often {
            Often::Never => false,
            // The number is above 0: a chance of 0 never hits, and one of 1 always does.
            Often::Chance(chance) => self.random.unit() <= chance,
            Often::Every(number) => self.count.is_multiple_of(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(faults: Faults, count: usize) -> Vec<Fate> {
        let mut dice = Dice::new(faults, 5);
        (0..count).map(|_| dice.cast()).collect()
    }

    fn count(fates: &[Fate], fate: Fate) -> usize {
        fates.iter().filter(|&&it| it == fate).count()
    }

    #[test]
    fn how_often_is_read_as_it_is_written() {
        let check = |text: &str, often| assert_eq!(text.parse::<Often>().ok(), often, "{text}");
        check("1%", Some(Often::Chance(0.01)));
        check("0.5%", Some(Often::Chance(0.005)));
        check("100 %", Some(Often::Chance(1.0)));
        check("1/100", Some(Often::Every(100)));
        check("1 / 1", Some(Often::Every(1)));
        for wrong in ["", "1", "0.01", "2/100", "1/0", "1/-1", "1/", "101%", "-1%", "NaN%", "%"] {
            check(wrong, None);
        }
    }

    #[test]
    fn every_nth_is_exact() {
        let fates = fates(Faults { drop: Often::Every(100), ..Faults::default() }, 1000);
        let dropped: Vec<usize> = (1..=1000).filter(|number| fates[number - 1] == Fate::Dropped).collect();
        assert_eq!(dropped, [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
    }

    /// Of 1000 every tenth is dropped; of the 900 left every ninth is duplicated; of the 800 left every eighth is
    /// corrupted.
    #[test]
    fn an_answer_has_one_fault_at_most() {
        let (drop, duplicate, corrupt) = (Often::Every(10), Often::Every(9), Often::Every(8));
        let fates = fates(Faults { drop, duplicate, corrupt }, 1000);
        for fate in [Fate::Dropped, Fate::Duplicated, Fate::Corrupted] {
            assert_eq!(count(&fates, fate), 100, "{fate:?}");
        }
    }

    /// Of 100,000 one in a hundred is 1000, with a standard deviation of 31.5; five of them are allowed.
    #[test]
    fn chances_are_as_asked() {
        let chance = |chance| Often::Chance(chance);
        let some = fates(Faults { corrupt: chance(0.01), ..Faults::default() }, 100_000);
        assert!((843..=1157).contains(&count(&some, Fate::Corrupted)));
        let none = fates(Faults { drop: chance(0.0), ..Faults::default() }, 100_000);
        assert_eq!(count(&none, Fate::Dropped), 0);
        let all = fates(Faults { duplicate: chance(1.0), ..Faults::default() }, 1000);
        assert_eq!(count(&all, Fate::Duplicated), 1000);
    }
}
