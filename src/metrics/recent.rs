//! The longest turns of the last minute, so that a stall is seen by whoever looks soon after it, however many look.
//!
//! Seconds come from whoever records and reads; a second in which nothing was recorded has no turn.

/// The longest turn of each of the last seconds, in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    /// That of a second is at its number, modulo how many there are.
    longest: [u32; SECONDS],
    /// The latest second in which something was recorded.
    latest: u64,
}

/// The last minute, and the second that has begun.
const SECONDS: usize = 61;

impl Recent {
    /// Notes a turn that ended in this second.
    pub(super) fn record(&mut self, second: u64, micros: u64) {
        let begun = second.saturating_sub(self.latest).min(SECONDS as u64);
        for past in (0..begun).map(|back| second - back) {
            self.longest[place(past)] = 0;
        }
        self.latest = self.latest.max(second);
        let longest = &mut self.longest[place(self.latest)];
        *longest = (*longest).max(u32::try_from(micros).unwrap_or(u32::MAX));
    }

    /// The longest turn of the last so many seconds, and of the one that has begun.
    pub(super) fn longest(&self, second: u64, seconds: u64) -> u64 {
        let first = second.saturating_sub(seconds.min(SECONDS as u64 - 1));
        let known = first.max(self.latest.saturating_sub(SECONDS as u64 - 1));
        (known..=self.latest.min(second))
            .map(|second| u64::from(self.longest[place(second)]))
            .max()
            .unwrap_or(0)
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self { longest: [0; SECONDS], latest: 0 }
    }
}

fn place(second: u64) -> usize {
    usize::try_from(second % SECONDS as u64).expect("it is below a size")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(turns: &[(u64, u64)]) -> Recent {
        let mut recent = Recent::default();
        turns.iter().for_each(|(second, micros)| recent.record(*second, *micros));
        recent
    }

    fn check(turns: &[(u64, u64)], second: u64, expected: [u64; 3]) {
        let recent = recorded(turns);
        assert_eq!(
            [1, 10, 60].map(|seconds| recent.longest(second, seconds)),
            expected,
            "{turns:?} at {second}"
        );
    }

    #[test]
    fn a_turn_is_the_longest_until_its_time_is_over() {
        let turns = [(100, 7), (100, 900), (100, 30), (101, 40)];
        check(&turns, 101, [900, 900, 900]);
        check(&turns, 102, [40, 900, 900]);
        check(&turns, 110, [0, 900, 900]);
        check(&turns, 111, [0, 40, 900]);
        check(&turns, 160, [0, 0, 900]);
        check(&turns, 161, [0, 0, 40]);
        check(&turns, 162, [0, 0, 0]);
        check(&turns, u64::MAX, [0, 0, 0]);
    }

    #[test]
    fn what_was_recorded_a_minute_ago_is_not_found_in_its_place_again() {
        check(&[(0, 5), (61, 1)], 61, [1, 1, 1]);
        check(&[(3, 5), (60, 1)], 60, [1, 1, 5]);
        check(&[(3, 5), (5_000, 1)], 5_000, [1, 1, 1]);
        check(&[(3, 5), (63, 2), (64, 1)], 64, [2, 2, 2]);
    }

    #[test]
    fn every_window_is_that_of_all_turns_looked_at_one_by_one() {
        let turns: Vec<(u64, u64)> =
            (0..300).map(|number| (number * number % 97 / 3 + number, number * 31 % 211)).collect();
        let mut so_far = Vec::new();
        let mut latest = 0;
        let mut recent = Recent::default();
        for (second, micros) in turns {
            latest = latest.max(second);
            recent.record(latest, micros);
            so_far.push((latest, micros));
            for seconds in [1, 10, 60] {
                let inside = so_far.iter().filter(|(at, _)| latest - at <= seconds);
                assert_eq!(recent.longest(latest, seconds), inside.map(|(_, micros)| *micros).max().unwrap());
            }
        }
    }

    #[test]
    fn nothing_recorded_is_nothing_and_a_turn_without_end_has_a_number() {
        check(&[], 0, [0, 0, 0]);
        check(&[], 1_000, [0, 0, 0]);
        check(&[(0, u64::MAX)], 0, [4_294_967_295; 3]);
    }
}
