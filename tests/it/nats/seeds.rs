//! Runs of a random test, each from a seed that is said when it fails.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::say;

/// Random numbers from a seed: SplitMix64 of Steele, Lea and Flood.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a size")
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Says which seed it was when a run fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(&format!("seed {0}: run it alone with TIDEMILL_SEED={0}", self.0));
        }
    }
}

/// Runs so many seeds, or as many as `TIDEMILL_SEEDS` says over [`LIVE_SHARE`], or the one that `TIDEMILL_SEED` names.
pub(super) fn each(usual: u64, mut run: impl FnMut(&mut Dice)) {
    let seeds = match number("TIDEMILL_SEED") {
        Some(seed) => seed..seed.wrapping_add(1),
        None => 0..number("TIDEMILL_SEEDS").map_or(usual, |seeds| usual.max(seeds / LIVE_SHARE)),
    };
    for seed in seeds {
        let _says_which = Seed(seed);
        run(&mut Dice::new(seed));
    }
}

/// A run with real sockets takes so many times as long as one on the simulated kernel.
const LIVE_SHARE: u64 = 1000;

/// A name that no other run of this process has, always of the same length.
pub(super) fn unique(letter: char) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0); // Relaxed: the number needs only to be unique.
    format!("{letter}{:07}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|value| value.parse().ok())
}
