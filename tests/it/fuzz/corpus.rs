//! The corpus of each fuzz target, its mutations and its cuts, on stable and in every run.

use tidemill::ring::sim::Random;

use super::harness::{self, TARGETS};
use crate::support::say;

/// Mutations of each file. `TIDEMILL_MUTATIONS` makes them more.
const MUTATIONS: usize = 60;

fn inputs(name: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("each target has a corpus")
        .map(|file| file.expect("it is listed").path())
        .collect();
    files.sort();
    assert!(10 <= files.len(), "{name}: a corpus of ten inputs and more");
    files.iter().map(|file| std::fs::read(file).expect("a file of ours")).collect()
}

fn mutate(input: &[u8], all: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.index(3) {
        let at = random.index(bytes.len() + 1);
        let end = at + random.index(bytes.len() - at + 1);
        match random.index(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.index(8),
            1 if at < bytes.len() => bytes[at] = random.number().to_le_bytes()[0],
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => {
                let other = &all[random.index(all.len())];
                let from = random.index(other.len() + 1);
                bytes.splice(at..end, other[from..].iter().copied());
            }
            _ => {
                let piece = bytes[at..end.min(at + 64)].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

fn check(name: &str) {
    let run = |data: &[u8]| harness::run(name, data);
    let seed = std::env::var("TIDEMILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mutations = std::env::var("TIDEMILL_MUTATIONS").ok().and_then(|count| count.parse().ok());
    say(&format!("{name}: TIDEMILL_SEED={seed}"));
    let mut random = Random::new(seed);
    let all = inputs(name);
    for input in &all {
        run(input);
        // The harness itself cuts; here the peer falls silent at each byte.
        (0..input.len()).step_by(1 + input.len() / 100).for_each(|cut| run(&input[..cut]));
        for _ in 0..mutations.unwrap_or(MUTATIONS) {
            run(&mutate(input, &all, &mut random));
        }
    }
}

/// `TIDEMILL_TARGET` runs one of them alone.
#[test]
fn every_reader_of_strangers_bytes_keeps_its_promises() {
    let alone = std::env::var("TIDEMILL_TARGET").ok();
    let wanted = |name: &str| alone.as_ref().is_none_or(|alone| alone == name);
    TARGETS.iter().filter(|(name, _)| wanted(name)).for_each(|(name, _)| check(name));
}
