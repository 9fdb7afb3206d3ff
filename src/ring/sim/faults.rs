//! What goes wrong, and how often: everything here is something that a real kernel may do.

use super::random::Random;

/// How often each fault happens, in one thousand occasions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A push is refused: the submission queue is full.
    pub refuse_push: u16,
    /// A completion comes late, and so may the act of a shutdown.
    pub late: u16,
    /// By how much at most, in microseconds.
    pub late_us_max: u32,
    /// A completion changes places with others of its turn.
    pub reorder: u16,
    /// A wait ends early, with nothing to show, as after a signal.
    pub early_wake: u16,
    /// An accepted connection takes a random free place rather than the one that was freed last.
    pub random_place: u16,
    /// An accept fails because the process has no descriptor left; the connection stays in the backlog.
    pub process_full: u16,
    /// An accept fails because its peer has gone; the connection is lost.
    pub peer_gone: u16,
    /// A receive takes only a part of what is there.
    pub short_receive: u16,
    /// A multishot receive ends with data and without need.
    pub receive_ends: u16,
    /// A receive does not know that nothing more is there, and asks for one buffer too many.
    pub eager_receive: u16,
    /// A send takes only a part of what fits, and comes home.
    pub short_send: u16,
    /// A datagram is not taken now.
    pub datagram_would_block: u16,
    /// A reset takes away what its receiver has not read.
    pub lossy_reset: u16,
}

impl Faults {
    /// None: everything is whole, at once and in order. For benchmarks.
    pub const fn none() -> Self {
        Self {
            refuse_push: 0,
            late: 0,
            late_us_max: 0,
            reorder: 0,
            early_wake: 0,
            random_place: 0,
            process_full: 0,
            peer_gone: 0,
            short_receive: 0,
            receive_ends: 0,
            eager_receive: 0,
            short_send: 0,
            datagram_would_block: 0,
            lossy_reset: 0,
        }
    }

    /// Each as often as the dice say: one in three not at all, so that every seed has a character of its own.
    pub fn seeded(random: &mut Random) -> Self {
        let mut up_to = |most: u16| match random.index(3) {
            0 => 0,
            1 => draw(random, most / 10),
            _ => draw(random, most),
        };
        Self {
            refuse_push: up_to(200),
            late: up_to(600),
            reorder: up_to(1000),
            early_wake: up_to(300),
            random_place: up_to(1000),
            process_full: up_to(200),
            peer_gone: up_to(100),
            short_receive: up_to(800),
            receive_ends: up_to(200),
            eager_receive: up_to(500),
            short_send: up_to(600),
            datagram_would_block: up_to(300),
            lossy_reset: up_to(1000),
            late_us_max: [20, 500, 20_000][random.index(3)],
        }
    }
}

/// A number from 1 to `most`.
fn draw(random: &mut Random, most: u16) -> u16 {
    1 + u16::try_from(random.below(u64::from(most))).expect("below a u16")
}

/// The generator together with what it decides about.
#[derive(Debug)]
pub(super) struct Dice {
    pub(super) random: Random,
    pub(super) faults: Faults,
}

impl Dice {
    /// Whether a fault of this frequency happens now.
    pub(super) fn falls(&mut self, fault: fn(&Faults) -> u16) -> bool {
        let per_mille = fault(&self.faults);
        self.random.chance(per_mille)
    }

    /// All of `whole`, or a part of it when the fault happens; never nothing of something.
    pub(super) fn part(&mut self, whole: usize, fault: fn(&Faults) -> u16) -> usize {
        if 1 < whole && self.falls(fault) { 1 + self.random.index(whole - 1) } else { whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_fault_is_the_default() {
        assert_eq!(Faults::none(), Faults::default());
    }

    #[test]
    fn seeds_give_different_faults_and_the_same_seed_the_same() {
        let faults = |seed| Faults::seeded(&mut Random::new(seed));
        assert_eq!(faults(1), faults(1));
        assert_ne!(faults(1), faults(2));
        let calm = (0..1000).filter(|seed| faults(*seed).late == 0).count();
        assert!((250..420).contains(&calm), "one in three: {calm}");
    }

    #[test]
    fn a_part_is_never_nothing_and_never_all() {
        let faults = Faults { short_send: 1000, ..Faults::none() };
        let mut dice = Dice { random: Random::new(3), faults };
        for whole in [2, 3, 100] {
            let parts: Vec<usize> = (0..1000).map(|_| dice.part(whole, |faults| faults.short_send)).collect();
            assert_eq!(parts.iter().min(), Some(&1));
            assert_eq!(parts.iter().max(), Some(&(whole - 1)));
        }
        assert_eq!(dice.part(1, |faults| faults.short_send), 1);
        assert_eq!(dice.part(0, |faults| faults.short_send), 0);
    }
}
