//! What all connections of a run write into: what was published, what came, how long it took, what went wrong.

use std::collections::BTreeMap;

use tidemill::sys::clock::Time;

use super::samples::{Latencies, Samples};
use super::stamp::STAMP_BYTES;
use super::subjects::Subjects;
use super::track::Tally;

/// The run so far.
#[derive(Debug)]
pub struct Ledger {
    /// All subjects.
    pub subjects: Subjects,
    /// Subscriptions that take each of them.
    pub fan_out: Vec<u32>,
    /// What stands behind the stamp in every payload.
    pub fill: Box<[u8]>,
    /// Messages that each publisher has sent.
    pub published: Vec<u64>,
    /// Messages under way that are sampled, by publisher.
    pub samples: Vec<Samples>,
    /// How long they took.
    pub latencies: Latencies,
    /// What came.
    pub tally: Tally,
    /// When something new came last.
    pub last_arrival: Time,
    /// Errors by class.
    pub errors: BTreeMap<&'static str, u64>,
    /// The first error in words.
    pub first_error: Option<String>,
}

impl Ledger {
    /// Nothing has happened.
    pub fn new(subjects: Subjects, fan_out: Vec<u32>, size: usize, samples: Vec<Samples>) -> Self {
        Self {
            subjects,
            fan_out,
            fill: fill(size - STAMP_BYTES),
            published: vec![0; samples.len()],
            samples,
            latencies: Latencies::new(),
            tally: Tally::default(),
            last_arrival: Time::ZERO,
            errors: BTreeMap::new(),
            first_error: None,
        }
    }

    /// Counts an error.
    pub fn error(&mut self, class: &'static str, sentence: impl FnOnce() -> String) {
        *self.errors.entry(class).or_default() += 1;
        if self.first_error.is_none() {
            self.first_error = Some(sentence());
        }
    }

    /// All that was published.
    pub fn published_total(&self) -> u64 {
        self.published.iter().sum()
    }

    /// Whether a payload is one of ours behind its stamp.
    pub fn is_ours(&self, payload: &[u8]) -> bool {
        payload.get(STAMP_BYTES..) == Some(&*self.fill)
    }
}

/// Text without an end of line, which every protocol carries.
fn fill(bytes: usize) -> Box<[u8]> {
    (b'a'..=b'z').cycle().take(bytes).collect()
}
