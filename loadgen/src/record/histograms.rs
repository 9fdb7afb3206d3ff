//! The histograms of a worker: fixed memory, added up without loss.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::result::{Confidence, Latency, LatencySet};

/// Longest latency that is told apart; longer ones count as this.
pub const LATENCY_MAX: Duration = Duration::from_secs(3600);

/// A histogram from 1 ns to [`LATENCY_MAX`], to three digits, in memory that never grows.
#[expect(clippy::missing_panics_doc, reason = "the bounds are constants, and valid")]
pub fn new_histogram() -> Histogram<u64> {
    let max = u64::try_from(LATENCY_MAX.as_nanos()).expect("an hour has few nanoseconds");
    Histogram::new_with_bounds(1, max, 3).expect("the bounds are valid")
}

/// Adds one histogram of ours to another.
pub fn add(sum: &mut Histogram<u64>, other: &Histogram<u64>) {
    let added = sum.add(other);
    debug_assert!(added.is_ok(), "all histograms have the same bounds");
}

macro_rules! histograms {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// All latencies of a worker, in nanoseconds; what each is, [`LatencySet`] says.
        #[derive(Clone, Debug)]
        #[expect(missing_docs, reason = "the names are those of `LatencySet`")]
        pub struct Histograms { $($(#[$doc])* pub $name: Histogram<u64>,)* }

        impl Histograms {
            /// Without a sample.
            pub fn new() -> Self {
                Self { $($name: new_histogram(),)* }
            }

            /// Adds those of another worker.
            pub fn add(&mut self, other: &Self) {
                $(add(&mut self.$name, &other.$name);)*
            }

            /// As they stand in a result.
            pub fn latencies(&self) -> LatencySet {
                LatencySet { all: Latency::of(&self.all()), response_ci: Confidence::default(), $($name: Latency::of(&self.$name),)* }
            }
        }
    };
}

histograms! {
    response,
    service,
    lag,
    generator_lag,
    queue_wait,
    failed,
    unanswered,
    connect,
    handshake,
}

impl Histograms {
    /// Whatever became of the requests.
    fn all(&self) -> Histogram<u64> {
        let mut all = self.response.clone();
        add(&mut all, &self.failed);
        add(&mut all, &self.unanswered);
        all
    }
}

impl Default for Histograms {
    fn default() -> Self {
        Self::new()
    }
}
