//! The hub across whole shards on simulated kernels: what is said on one is heard on all, in order, once.
//!
//! Each seed makes one to three shards, each on a kernel of its own with faults of its own, and peers of a small line
//! protocol that subscribe, unsubscribe, publish and leave at random. A shard that sleeps stays asleep until something
//! completes or its bell is rung, so that a parcel nobody was woken for is found. `TIDEMILL_SEED=n` runs one seed,
//! `TIDEMILL_SEEDS=n` so many.

mod judge;
mod peer;
mod service;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use self::world::{Reached, World};
use super::tests::{Planted, Seed, number};

/// Seeds of an ordinary run.
const SEEDS: u64 = 1_500;

#[test]
fn what_is_said_is_heard_once_and_in_order_for_all_seeds() {
    let alone = number("TIDEMILL_SEED");
    let seeds = match alone {
        Some(seed) => seed..seed + 1,
        None => 0..number("TIDEMILL_SEEDS").unwrap_or(SEEDS),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let seeds = &seeds;
    let run = move |first: u64| {
        let mut total = Reached::default();
        for seed in seeds.clone().filter(|seed| seed % threads == first) {
            let _says_which = Seed(seed);
            total.add(&World::new(seed, None).run());
        }
        total
    };
    let mut total = Reached::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(move || run(first))).collect();
        for worker in workers {
            total.add(&worker.join().expect("a seed failed, as said above"));
        }
    });
    if alone.is_none() {
        total.check();
    }
}

/// Runs seeds with a planted bug until one fails, and returns what it said.
fn caught(planted: Planted) -> String {
    for seed in 0..500 {
        let failed = catch_unwind(AssertUnwindSafe(|| World::new(seed, Some(planted)).run()));
        if let Err(panic) = failed {
            let text = panic.downcast_ref::<String>().cloned();
            return text
                .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
                .unwrap_or_default();
        }
    }
    panic!("{planted:?} was not caught by any of 500 seeds");
}

#[test]
fn a_parcel_without_a_bell_is_caught() {
    let said = caught(Planted::SilentParcel);
    assert!(said.contains("heard") || said.contains("answered") || said.contains("stands still"), "{said}");
}

#[test]
fn a_parcel_that_is_offered_once_is_caught() {
    let said = caught(Planted::ForgottenParcel);
    assert!(said.contains("heard") || said.contains("answered") || said.contains("stands still"), "{said}");
}

#[test]
fn an_answer_that_overtakes_messages_is_caught() {
    let said = caught(Planted::LateCatchUp);
    assert!(said.contains("overtook"), "{said}");
}
