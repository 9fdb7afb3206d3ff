//! How fast a stop sends connections away: each has a turn, and the turns are spread evenly over a time, so that those who
//! were sent away do not all come again at once.

use std::time::Duration;

use crate::limits;
use crate::sys::clock::Time;

/// How long a stop may take, and over how much of that connections are sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainTimes {
    /// After this time what is left is cut.
    pub timeout: Duration,
    /// In this time connections are told to go, one after the other; zero, all at once. Shorter than the time-out.
    pub spread: Duration,
}

impl From<Duration> for DrainTimes {
    /// A stop that takes so long at most, and tells all at once.
    fn from(timeout: Duration) -> Self {
        Self { timeout, spread: Duration::ZERO }
    }
}

/// The turns of connections that are to be sent away.
///
/// The rate follows from those who are left and the time that is left. So who was held up does not make up for it by a burst:
/// the rest is spread over the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// When the next turns are.
    next: Time,
    /// When all have had theirs.
    end: Time,
}

impl Pace {
    /// Turns for so many connections from `begin` on, over this time, or a shorter one where few connections make no burst.
    pub(super) fn new(begin: Time, spread: Duration, count: usize) -> Self {
        let few = limits::DRAIN_STEP.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        Self { next: begin, end: begin.saturating_add(spread.min(few)) }
    }

    /// When to [take](Self::take) again.
    pub(super) fn next(&self) -> Time {
        self.next
    }

    /// Goes as fast as this one, if that is faster.
    pub(super) fn hasten(&mut self, other: Self) {
        *self = Self { next: self.next.min(other.next), end: self.end.min(other.end) };
    }

    /// How many of those who are left have their turn now.
    pub(super) fn take(&mut self, left: usize, now: Time) -> usize {
        if left == 0 || now < self.next {
            return 0;
        }
        let time = self.end.saturating_since(now).as_nanos();
        let interval = time / left as u128;
        // Turns that are closer to one another than this come together: a shard need not wake for each of them.
        let together = limits::DRAIN_STEP.as_nanos().checked_div(interval).unwrap_or(u128::MAX);
        let count = usize::try_from(together).unwrap_or(usize::MAX).clamp(1, left.min(limits::DRAIN_BATCH));
        let pause = u64::try_from(interval * count as u128).unwrap_or(u64::MAX);
        self.next = now.saturating_add(Duration::from_nanos(pause));
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Time = Time::from_nanos(1_000_000_000);

    fn after(millis: u64) -> Time {
        BEGIN.saturating_add(Duration::from_millis(millis))
    }

    /// All turns, each with its time in milliseconds from the beginning, where `late` says how late a turn is taken.
    fn turns(count: usize, spread: Duration, mut late: impl FnMut(u64) -> Duration) -> Vec<u64> {
        let (mut pace, mut left, mut turns) = (Pace::new(BEGIN, spread, count), count, Vec::new());
        while 0 < left {
            let now = pace.next().saturating_add(late(turns.len() as u64));
            let taken = pace.take(left, now);
            assert!((1..=limits::DRAIN_BATCH).contains(&taken));
            left -= taken;
            let at = u64::try_from(now.saturating_since(BEGIN).as_millis()).unwrap();
            turns.extend(std::iter::repeat_n(at, taken));
        }
        turns
    }

    fn on_time(_: u64) -> Duration {
        Duration::ZERO
    }

    /// The most turns in any 100 ms.
    fn most_in_100_ms(turns: &[u64]) -> usize {
        let within = |from: &u64| turns.iter().filter(|at| (*from..*from + 100).contains(*at)).count();
        turns.iter().map(within).max().unwrap_or(0)
    }

    /// n turns over a time w are at 0, w/n, 2w/n, ...: 1000 over 10 s are 10 ms apart.
    #[test]
    fn turns_are_even() {
        let expected: Vec<u64> = (0..1000).map(|turn| turn * 10).collect();
        assert_eq!(turns(1000, Duration::from_secs(10), on_time), expected);
    }

    /// Over 10 s, 100 ms are one in a hundred; what comes together for one waking is some more.
    #[test]
    fn no_100_ms_have_more_than_one_in_a_hundred() {
        for count in [1000, 5000, 100_000] {
            let turns = turns(count, Duration::from_secs(10), on_time);
            assert_eq!(turns.len(), count);
            let most = most_in_100_ms(&turns);
            assert!(most <= count / 100 + count / 1000, "{most} of {count}");
            assert!((9_980..10_000).contains(turns.last().unwrap()), "{:?}", turns.last());
        }
    }

    /// 100 in a second are no burst: 20 need 200 ms and not a minute.
    #[test]
    fn few_need_little_time() {
        let expected: Vec<u64> = (0..20).map(|turn| turn * 10).collect();
        assert_eq!(turns(20, Duration::from_secs(60), on_time), expected);
        assert_eq!(turns(1, Duration::from_secs(60), on_time), [0]);
    }

    #[test]
    fn without_a_time_all_have_their_turn_at_once() {
        assert_eq!(turns(3000, Duration::ZERO, on_time), vec![0; 3000]);
    }

    /// A shard that stood still for two of ten seconds after 100 of 1000 (which takes 1 s) has 7 s for the other 900: 900/70
    /// in 100 ms, 13 and no more, where making up for it would have been 200 at once.
    #[test]
    fn a_delay_makes_no_burst() {
        let stall = |turn| Duration::from_secs(if turn == 100 { 2 } else { 0 });
        let turns = turns(1000, Duration::from_secs(10), stall);
        assert_eq!(turns[100], 3_000);
        assert_eq!(most_in_100_ms(&turns), 13);
        assert!((9_980..10_000).contains(turns.last().unwrap()));
    }

    #[test]
    fn nothing_comes_before_its_time() {
        let mut pace = Pace::new(BEGIN, Duration::from_secs(10), 1000);
        assert_eq!(pace.take(1000, Time::from_nanos(999_999_999)), 0);
        assert_eq!(pace.take(1000, BEGIN), 1);
        assert_eq!(pace.take(999, after(9)), 0);
        assert_eq!(pace.take(999, after(10)), 1);
        assert_eq!(pace.take(0, after(1000)), 0);
        pace.hasten(Pace::new(after(10), Duration::ZERO, 998));
        assert_eq!(pace.take(998, after(10)), 998);
    }
}
