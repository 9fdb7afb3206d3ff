//! How long something took, in microseconds: to two digits, in fixed memory.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Spans of up to a minute; what is longer counts as a minute.
#[derive(Clone, Debug)]
pub(super) struct Micros(Histogram<u64>);

/// The longest span that is told apart.
const MICROS_MAX: u64 = 60_000_000;

impl Micros {
    pub(super) fn record(&mut self, span: Duration, count: u64) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record_n(micros, count);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all of them have the same bounds");
    }

    pub(super) fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    /// The named percentiles: half, and how bad it gets.
    pub(super) fn marks(&self, names: [&'static str; 4]) -> [(&'static str, u64); 4] {
        let mark = |quantile| self.0.value_at_quantile(quantile).min(MICROS_MAX);
        let [half, rare, rarer, worst] = names;
        [(half, mark(0.5)), (rare, mark(0.99)), (rarer, mark(0.999)), (worst, mark(1.0))]
    }
}

impl Default for Micros {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, MICROS_MAX, 2).expect("the bounds are constant and in order"))
    }
}
