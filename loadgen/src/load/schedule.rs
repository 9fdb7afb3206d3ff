//! Intended times: a pure function of seed, thread and number.
//!
//! Requests are numbered over all threads, thread by thread in turns; the n-th is due when the rate's integral has
//! reached n, or, with Poisson arrivals, the sum of n exponential gaps. So threads are interleaved evenly, the sum of
//! their Poisson processes is one, and no error adds up.

use crate::load::Course;
use crate::random::{Random, mix};
use crate::result::Arrivals;

/// What all threads' schedules have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// The law.
    pub arrivals: Arrivals,
    /// The rate, over all threads.
    pub course: Course,
    /// Threads.
    pub workers: usize,
    /// What Poisson gaps follow from.
    pub seed: u64,
}

/// The intended times of one thread, in nanoseconds after the start of the load, in order.
#[derive(Clone, Debug)]
pub struct Schedule {
    shape: Shape,
    worker: usize,
    /// The number of the next one on this thread.
    next: u64,
    /// The next intended time.
    due: u64,
    /// Poisson arrivals: the sum of gaps so far, in mean gaps of this thread.
    sum: f64,
    random: Random,
    hash: u64,
}

impl Schedule {
    /// The schedule of this thread.
    pub fn new(shape: Shape, worker: usize) -> Self {
        let random = Random::new(mix(shape.seed) ^ mix(worker as u64));
        let mut schedule = Self { shape, worker, next: 0, due: 0, sum: 0.0, random, hash: 0 };
        schedule.due = schedule.compute();
        schedule
    }

    /// When the next request is due.
    pub fn due(&self) -> u64 {
        self.due
    }

    /// Goes on to the one behind it.
    pub fn advance(&mut self) {
        self.hash = mix(self.hash ^ self.due);
        self.next += 1;
        self.due = self.compute();
    }

    /// A hash of the intended times that it has given, which tells this thread from the others.
    pub fn hash(&self) -> u64 {
        mix(self.hash ^ mix(self.worker as u64))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times are positive and below 584 years"
    )]
    fn compute(&mut self) -> u64 {
        let workers = self.shape.workers as f64;
        let number = match self.shape.arrivals {
            Arrivals::Constant => self.next as f64 * workers + self.worker as f64,
            Arrivals::Poisson => {
                self.sum += self.random.exponential(1.0);
                self.sum * workers
            }
        };
        (self.shape.course.moment_of(number) * 1e9).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(arrivals: Arrivals, rate: f64, workers: usize) -> Shape {
        let course = Course { from: rate, to: rate, warmup_s: 0.0, change_s: 0.0 };
        Shape { arrivals, course, workers, seed: 7 }
    }

    fn times(shape: Shape, worker: usize, count: usize) -> Vec<u64> {
        let mut schedule = Schedule::new(shape, worker);
        let mut next = || {
            let due = schedule.due();
            schedule.advance();
            due
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn constant_times_are_even_over_all_threads() {
        let shape = shape(Arrivals::Constant, 3000.0, 3);
        assert_eq!(times(shape, 0, 3), [0, 1_000_000, 2_000_000]);
        assert_eq!(times(shape, 1, 3), [333_333, 1_333_333, 2_333_333]);
        assert_eq!(times(shape, 2, 2), [666_667, 1_666_667]);
    }

    #[test]
    fn no_error_adds_up() {
        // 700,000 requests per second for a day: the last is due when arithmetic in whole numbers says so.
        let mut schedule = Schedule::new(shape(Arrivals::Constant, 700_000.0, 1), 0);
        schedule.next = 60_480_000_000 - 1;
        schedule.advance();
        assert_eq!(schedule.due(), 86_400_000_000_000);
    }

    #[test]
    fn poisson_gaps_are_exponential_however_many_threads_there_are() {
        for workers in [1, 4] {
            let shape = shape(Arrivals::Poisson, 1000.0, workers);
            let mut all: Vec<u64> =
                (0..workers).flat_map(|worker| times(shape, worker, 100_000 / workers)).collect();
            all.sort_unstable();
            let gaps: Vec<f64> = all.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e6).collect();
            let share =
                |limit: f64| gaps.iter().filter(|gap| **gap <= limit).count() as f64 / gaps.len() as f64;
            // Exp(1/ms): 1 - e^-x. Five standard deviations of 100,000 samples are 0.008.
            for limit in [0.1_f64, 0.5, 1.0, 2.0, 5.0] {
                let expected = 1.0 - (-limit).exp();
                assert!(
                    (share(limit) - expected).abs() < 0.008,
                    "{workers} threads, {limit}: {}",
                    share(limit)
                );
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_hash_and_another_does_not() {
        let hash = |seed, worker| {
            let mut schedule = Schedule::new(Shape { seed, ..shape(Arrivals::Poisson, 1000.0, 2) }, worker);
            (0..100).for_each(|_| schedule.advance());
            schedule.hash()
        };
        assert_eq!(hash(1, 0), hash(1, 0));
        assert_ne!(hash(1, 0), hash(2, 0));
        assert_ne!(hash(1, 0), hash(1, 1));
    }

    #[test]
    fn a_rate_below_one_per_thread_is_kept() {
        let shape = shape(Arrivals::Constant, 0.5, 2);
        assert_eq!(times(shape, 0, 2), [0, 4_000_000_000]);
        assert_eq!(times(shape, 1, 2), [2_000_000_000, 6_000_000_000]);
    }
}
