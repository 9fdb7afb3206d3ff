//! How far apart two cores are at this moment.
//!
//! A virtual machine's cores are threads of its host, which moves them. Whether they share a cache decides more than
//! any change to a server: with one cache line's round trip at 50 ns an echo over loopback cost 3.9 µs of the
//! server's time, with 345 ns it cost 6.1 µs, in the same second and by the same binary. So the round trip is measured
//! around every slice, and only slices measured under one placement are compared.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use super::child;

/// Nanoseconds of one cache line's round trip between two cores: the median over batches, which a preemption or two
/// do not move.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures from outside of any turn")]
pub(crate) fn round_trip_ns(one: usize, other: usize) -> f64 {
    let ball = Ball(AtomicU32::new(0));
    let mut batches = Vec::with_capacity(BATCHES);
    thread::scope(|scope| {
        scope.spawn(|| {
            child::pin(other);
            (0..BATCHES * TRIPS).for_each(|_| ball.pass(1, 0));
        });
        scope.spawn(|| {
            child::pin(one);
            ball.0.store(1, Ordering::Release);
            for _ in 0..BATCHES {
                let start = Instant::now();
                (0..TRIPS).for_each(|_| ball.pass(0, 1));
                batches.push(start.elapsed().as_nanos() as f64 / TRIPS as f64);
            }
        });
    });
    batches.sort_by(f64::total_cmp);
    batches[BATCHES / 2]
}

/// Alone in its cache line.
#[repr(align(128))]
struct Ball(AtomicU32);

impl Ball {
    /// Waits for the ball in one state and puts it into the next. The orders pair with each other: nothing else moves
    /// with the ball.
    fn pass(&self, from: u32, to: u32) {
        let mut spins = 0u32;
        while self.0.load(Ordering::Acquire) != from {
            spins += 1;
            if spins.is_multiple_of(SPINS_BEFORE_YIELD) {
                thread::yield_now(); // Both threads may be on one core.
            } else {
                spin_loop();
            }
        }
        self.0.store(to, Ordering::Release);
    }
}

const BATCHES: usize = 41;
const TRIPS: usize = 200;
const SPINS_BEFORE_YIELD: u32 = 100_000;
