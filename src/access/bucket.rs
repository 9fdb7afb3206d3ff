//! Token buckets, each in one number.
//!
//! The generic cell rate algorithm: a bucket remembers only the moment at which it will be full again (the *theoretical
//! arrival time* of ITU-T I.371), in nanoseconds. Each unit taken moves the moment on by the time that the unit takes;
//! when it would lie farther ahead than the burst reaches, the unit has to wait. Nothing has to be refilled, and an unused
//! bucket is a zero. Time is passed in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::rate::Rate;
use crate::sys::clock::Time;

/// How long to wait until the same would be let through, if nobody else comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait(pub Duration);

/// A bucket that one owner holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: u64,
}

impl Bucket {
    /// Takes `units`, or says how long to wait; then nothing was taken.
    ///
    /// More units than the burst are taken once the bucket is full, and are charged in full: what comes next waits the
    /// longer. So nothing waits for ever, and the average holds.
    pub fn take(&mut self, rate: &Rate, units: u64, now: Time) -> Result<(), Wait> {
        self.full_at = taken(self.full_at, rate, units, now)?;
        Ok(())
    }

    /// Says what [`take`](Self::take) would, and takes nothing.
    pub fn check(&self, rate: &Rate, units: u64, now: Time) -> Result<(), Wait> {
        taken(self.full_at, rate, units, now).map(drop)
    }

    /// Takes `units` that cannot be refused any more, as bytes that have arrived; says how long to take no others. That is
    /// the time until the bucket is out of debt.
    pub fn charge(&mut self, rate: &Rate, units: u64, now: Time) -> Duration {
        let (full_at, debt) = charged(self.full_at, rate, units, now);
        self.full_at = full_at;
        debt
    }

    /// The moment from which on the bucket is as if it had never been used.
    pub const fn full_at(&self) -> Time {
        Time::from_nanos(self.full_at)
    }
}

/// A bucket that all shards share, without a lock.
///
/// The number is all that it protects, so every access is relaxed: a compare-and-swap decides each race, and a shard
/// whose `now` is a little behind lets through less, never more.
#[derive(Debug, Default)]
pub struct SharedBucket {
    full_at: AtomicU64,
}

impl SharedBucket {
    /// As [`Bucket::take`].
    pub fn take(&self, rate: &Rate, units: u64, now: Time) -> Result<(), Wait> {
        let mut refusal = Ok(());
        // Relaxed: see the type.
        let _ = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            match taken(full_at, rate, units, now) {
                Ok(next) => {
                    refusal = Ok(());
                    Some(next)
                }
                Err(wait) => {
                    refusal = Err(wait);
                    None
                }
            }
        });
        refusal
    }

    /// As [`Bucket::check`].
    pub fn check(&self, rate: &Rate, units: u64, now: Time) -> Result<(), Wait> {
        taken(self.full_at().as_nanos(), rate, units, now).map(drop)
    }

    /// As [`Bucket::charge`].
    pub fn charge(&self, rate: &Rate, units: u64, now: Time) -> Duration {
        let mut debt = Duration::ZERO;
        // Relaxed: see the type.
        let _ = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let (next, owed) = charged(full_at, rate, units, now);
            debt = owed;
            Some(next)
        });
        debt
    }

    /// Makes it as if it had never been used.
    pub fn fill(&self) {
        self.full_at.store(0, Ordering::Relaxed); // See the type.
    }

    /// As [`Bucket::full_at`].
    pub fn full_at(&self) -> Time {
        Time::from_nanos(self.full_at.load(Ordering::Relaxed)) // See the type.
    }
}

/// The bucket's number after `units` were taken.
fn taken(full_at: u64, rate: &Rate, units: u64, now: Time) -> Result<u64, Wait> {
    let now = now.as_nanos();
    let cost = rate.cost_nanos(units);
    let start = full_at.max(now);
    let needed = start.saturating_add(cost.min(rate.fill_nanos()));
    let reach = now.saturating_add(rate.fill_nanos());
    if needed > reach {
        return Err(Wait(Duration::from_nanos(needed - reach)));
    }
    Ok(start.saturating_add(cost))
}

/// The bucket's number after `units` were charged, and its debt.
fn charged(full_at: u64, rate: &Rate, units: u64, now: Time) -> (u64, Duration) {
    let now = now.as_nanos();
    let next = full_at.max(now).saturating_add(rate.cost_nanos(units));
    (next, Duration::from_nanos(next.saturating_sub(now.saturating_add(rate.fill_nanos()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::thread;

    const MS: u64 = 1_000_000;

    fn rate(text: &str) -> Rate {
        Rate::parse(text).unwrap()
    }

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * MS)
    }

    /// Feeds (millisecond, units) and expects the wait in milliseconds, zero for none; both forms answer the same.
    #[track_caller]
    fn check(text: &str, takes: &[(u64, u64, u64)]) {
        let (rate, mut bucket, shared) = (rate(text), Bucket::default(), SharedBucket::default());
        for &(now, units, wait_millis) in takes {
            let answer = bucket.take(&rate, units, at(now));
            let waits = answer.map_or_else(|wait| wait.0, |()| Duration::ZERO);
            // What rounding adds to the burst lets one in by less than a microsecond earlier.
            let expected = Duration::from_millis(wait_millis);
            assert!(waits <= expected && expected - waits < Duration::from_micros(1), "{now}: {answer:?}");
            assert_eq!(answer.is_ok(), wait_millis == 0);
            assert_eq!(shared.take(&rate, units, at(now)), answer);
            assert_eq!(shared.full_at(), bucket.full_at());
        }
    }

    #[test]
    fn arithmetic_by_hand() {
        // A unit each 100 ms, two at once.
        check("10/s burst 2", &[(0, 1, 0), (0, 1, 0), (0, 1, 100), (99, 1, 1), (100, 1, 0), (100, 1, 100)]);
        check("10/s burst 2", &[(0, 2, 0), (100, 1, 0), (150, 1, 50), (150, 2, 150), (300, 2, 0)]);
        // After a long rest no more than the burst has gathered.
        check("10/s burst 2", &[(0, 2, 0), (9000, 2, 0), (9000, 1, 100)]);
        check("1/s", &[(500, 1, 0), (500, 1, 1000), (1499, 1, 1), (1500, 1, 0)]);
        check("60/m burst 1", &[(0, 1, 0), (1, 1, 999), (1000, 1, 0)]);
        // A third of a second is not a whole number of nanoseconds; the burst is three all the same.
        check("3/s", &[(0, 1, 0), (0, 1, 0), (0, 1, 0)]);
        check("10/s", &[(0, 0, 0), (0, 10, 0), (0, 0, 0)]);
    }

    #[test]
    fn more_than_the_burst_passes_a_full_bucket_and_is_charged_as_debt() {
        // Seven units are 700 ms; two may be ahead, so the next one waits until 600 ms.
        check("10/s burst 2", &[(0, 7, 0), (0, 1, 600), (599, 1, 1), (600, 1, 0)]);
        check("10/s burst 2", &[(0, 1, 0), (0, 7, 100), (100, 7, 0), (100, 1, 600)]);
    }

    #[test]
    fn what_has_arrived_is_charged_and_the_debt_is_told() {
        let (rate, mut bucket, shared) = (rate("10/s burst 2"), Bucket::default(), SharedBucket::default());
        let mut charge = |now, units, debt_millis: u64| {
            let debt = bucket.charge(&rate, units, at(now));
            assert_eq!(debt.as_micros().next_multiple_of(1000), u128::from(debt_millis) * 1000, "{now}");
            assert_eq!(shared.charge(&rate, units, at(now)), debt);
        };
        charge(0, 2, 0);
        charge(0, 3, 300);
        charge(100, 0, 200);
        charge(300, 1, 100);
        // After a rest the bucket is full, and no fuller.
        charge(5000, 2, 0);
        charge(5000, 1, 100);
    }

    #[test]
    fn the_extremes_overflow_nothing() {
        let times = [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX];
        let units = [0, 1, 1 << 40, u64::MAX - 1, u64::MAX];
        for text in
            ["1/h", "1/h burst 24", "1/s", "1099511627776/s", "1099511627776/s burst 1", "3/m burst 7"]
        {
            let rate = rate(text);
            for (first, second) in times.iter().flat_map(|one| times.iter().map(move |two| (*one, *two))) {
                for units in units {
                    let mut bucket = Bucket::default();
                    let shared = SharedBucket::default();
                    for now in [first, second] {
                        let now = Time::from_nanos(now);
                        assert_eq!(bucket.take(&rate, units, now), shared.take(&rate, units, now));
                        assert_eq!(bucket.charge(&rate, units, now), shared.charge(&rate, units, now));
                    }
                }
            }
        }
    }

    /// A bucket that really holds tokens: in units of one nanosecond at one token per period, so that nothing is rounded.
    struct Naive {
        level: i128,
        last: u64,
        count: i128,
        period: i128,
        full: i128,
    }

    impl Naive {
        fn take(&mut self, units: u64, now: u64) -> bool {
            self.level = (self.level + i128::from(now - self.last) * self.count).min(self.full);
            self.last = now;
            let needed = i128::from(units) * self.period;
            let passes = self.level >= needed.min(self.full);
            if passes {
                self.level -= needed;
            }
            passes
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// Where a unit takes a whole number of nanoseconds the two agree, but for what the rounding allows: it is worth at
        /// most a thousandth of the burst, which is less than the smallest unit asked for here.
        #[test]
        fn a_bucket_lets_through_what_a_naive_one_does(
            count in prop::sample::select(vec![1_u64, 2, 10, 100, 1000]),
            burst in 1_u64..200,
            steps in prop::collection::vec((0_u64..400, 0_u64..250), 1..60),
        ) {
            let rate = Rate::new(count, Period::Second, Some(burst)).unwrap();
            let period = 1_000_000_000;
            let full = i128::from(burst) * period;
            let mut naive = Naive { level: full, last: 0, count: count.into(), period, full };
            let mut bucket = Bucket::default();
            let mut now = 0;
            for (pause, units) in steps {
                now += pause * MS;
                let passes = bucket.take(&rate, units, Time::from_nanos(now)).is_ok();
                prop_assert_eq!(passes, naive.take(units, now), "{} at {}", units, now);
            }
        }

        /// However it is asked, no span of time lets through more than the rate and one burst, and one take of debt.
        #[test]
        fn never_more_than_the_rate_and_the_burst(
            count in 1_u64..5_000_000_000,
            burst in 1_u64..10_000_000,
            steps in prop::collection::vec((0_u64..100_000_000, 1_u64..1_000_000), 1..100),
        ) {
            let Ok(rate) = Rate::new(count, Period::Second, Some(burst)) else { return Ok(()) };
            let mut bucket = Bucket::default();
            let (mut now, mut total, mut largest) = (0_u64, 0_u128, 0);
            for (pause, units) in steps {
                now += pause;
                if bucket.take(&rate, units, Time::from_nanos(now)).is_ok() {
                    total += u128::from(units);
                    largest = largest.max(u128::from(units.saturating_sub(burst)));
                }
                let allowed = u128::from(now) * u128::from(count) / 1_000_000_000;
                let burst = u128::from(burst);
                prop_assert!(total <= allowed + burst + burst / 1000 + largest + 1);
            }
        }

        /// Whoever waits as long as he was told is let through, and not a nanosecond before.
        #[test]
        fn the_wait_is_exact(
            count in 1_u64..5_000_000_000,
            burst in 1_u64..1_000_000,
            before in prop::collection::vec(1_u64..1_000_000, 1..5),
            units in 1_u64..2_000_000,
            start in 0..u64::MAX / 2,
        ) {
            let Ok(rate) = Rate::new(count, Period::Minute, Some(burst)) else { return Ok(()) };
            let mut bucket = Bucket::default();
            for units in before {
                bucket.charge(&rate, units, Time::from_nanos(start));
            }
            if let Err(Wait(wait)) = bucket.take(&rate, units, Time::from_nanos(start)) {
                let then = Time::from_nanos(start).saturating_add(wait);
                prop_assert!(bucket.check(&rate, units, Time::from_nanos(then.as_nanos() - 1)).is_err());
                prop_assert!(bucket.take(&rate, units, then).is_ok());
            }
        }
    }

    use super::super::rate::Period;

    #[test]
    fn threads_together_get_no_more_than_one_would() {
        let rate = rate("1000000/s burst 500");
        let bucket = SharedBucket::default();
        let clock = AtomicU64::new(0);
        let admitted = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50_000 {
                        // All turn the one simulated clock, and each works with a reading that may be old.
                        let now = clock.fetch_add(100, Ordering::Relaxed);
                        if bucket.take(&rate, 1, Time::from_nanos(now)).is_ok() {
                            admitted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        // 200,000 readings 100 ns apart are 20 ms: 20,000 units at this rate.
        let admitted = admitted.into_inner();
        assert!(admitted <= 20_000 + 500, "{admitted}");
        assert!(
            admitted > 10_000,
            "{admitted} were let through, and that is too few for a clock that went on"
        );
    }
}
