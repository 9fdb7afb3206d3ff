//! A histogram as it stands in a result: its percentiles to read, and all of it to compute with.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

use super::figures::Figures;
use crate::record::new_histogram;

/// The percentiles of a [`Latency`], in the order of its fields.
pub const PERCENTILES: [f64; 7] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];

/// The same as shares: 99.9 divided by 100 is a little more than 0.999, and so may be one sample further out.
const QUANTILES: [f64; 7] = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999];

/// Latencies, in microseconds. Without a sample all figures are 0 here, and null where they are written: a 0 would pass
/// any bound that somebody else sets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "Figures", from = "Figures")]
#[expect(missing_docs, reason = "the names say it; `p999_us` is the 99.9th percentile")]
pub struct Latency {
    /// Samples.
    pub count: u64,
    pub min_us: f64,
    pub mean_us: f64,
    pub stdev_us: f64,
    pub p50_us: f64,
    pub p75_us: f64,
    pub p90_us: f64,
    pub p95_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub p9999_us: f64,
    pub max_us: f64,
    /// The histogram in nanoseconds, as HdrHistogram's V2 format, compressed and in base64; absent when it is empty.
    pub hdr: Option<String>,
}

/// Why a histogram in a result could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LatencyError {
    /// It is not base64.
    #[error("a histogram is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// It is not a histogram.
    #[error("a histogram cannot be read: {0}")]
    Format(String),
}

impl Latency {
    /// The figures of a histogram in nanoseconds, and the histogram with them.
    pub fn of(nanos: &Histogram<u64>) -> Self {
        if nanos.is_empty() {
            Self::default()
        } else {
            Self { hdr: Some(encode(nanos)), ..Self::figures(nanos) }
        }
    }

    /// The figures alone, for places where there are many.
    pub fn figures(nanos: &Histogram<u64>) -> Self {
        if nanos.is_empty() {
            return Self::default();
        }
        let [p50_us, p75_us, p90_us, p95_us, p99_us, p999_us, p9999_us] =
            QUANTILES.map(|quantile| nanos.value_at_quantile(quantile) as f64 / 1000.0);
        Self {
            count: nanos.len(),
            min_us: nanos.min() as f64 / 1000.0,
            mean_us: nanos.mean() / 1000.0,
            stdev_us: nanos.stdev() / 1000.0,
            p50_us,
            p75_us,
            p90_us,
            p95_us,
            p99_us,
            p999_us,
            p9999_us,
            max_us: nanos.max() as f64 / 1000.0,
            hdr: None,
        }
    }

    /// The percentiles of [`PERCENTILES`], in microseconds.
    pub fn percentiles(&self) -> [f64; 7] {
        [self.p50_us, self.p75_us, self.p90_us, self.p95_us, self.p99_us, self.p999_us, self.p9999_us]
    }

    /// The whole histogram, in nanoseconds; empty where there is none.
    ///
    /// # Errors
    /// When what stands there is none.
    pub fn histogram(&self) -> Result<Histogram<u64>, LatencyError> {
        let Some(hdr) = &self.hdr else { return Ok(new_histogram()) };
        let bytes = STANDARD.decode(hdr)?;
        let read = Deserializer::new().deserialize(&mut bytes.as_slice());
        read.map_err(|error| LatencyError::Format(format!("{error:?}")))
    }
}

fn encode(nanos: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    let written = V2DeflateSerializer::new().serialize(nanos, &mut bytes);
    debug_assert!(written.is_ok(), "writing to memory does not fail");
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_survives_its_journey() {
        let mut histogram = new_histogram();
        (1..=10_000_u64).for_each(|micros| histogram.record(micros * 1000).unwrap());
        let latency = Latency::of(&histogram);
        assert_eq!(latency.count, 10_000);
        let close = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 0.001, "{found}");
        close(latency.p50_us, 5_000.0);
        close(latency.p999_us, 9_990.0);
        close(latency.mean_us, 5_000.5);
        let json = serde_json::to_string(&latency).unwrap();
        let read: Latency = serde_json::from_str(&json).unwrap();
        assert_eq!(read.histogram().unwrap(), histogram);
    }

    /// Of 1000 samples the 999th is the 99.9th percentile, and not the last.
    #[test]
    fn a_percentile_is_the_sample_of_its_rank() {
        let mut histogram = new_histogram();
        (1..=1000_u64).for_each(|micros| histogram.record(micros * 100).unwrap());
        let rank = |us: f64| (us * 10.0).round();
        let latency = Latency::of(&histogram);
        assert_eq!([latency.p50_us, latency.p99_us, latency.p999_us].map(rank), [500.0, 990.0, 999.0]);
        assert_eq!(rank(latency.p9999_us), 1000.0);
    }

    #[test]
    fn nothing_is_nothing() {
        let latency = Latency::of(&new_histogram());
        assert_eq!(latency, Latency::default());
        assert!(latency.histogram().unwrap().is_empty());
    }

    /// A script that asks for less than a bound must not find 0 where no answer ever came.
    #[test]
    fn what_was_never_seen_is_written_as_null() {
        let empty = serde_json::to_value(Latency::default()).unwrap();
        for (name, value) in empty.as_object().unwrap() {
            assert_eq!(value, &if name == "count" { 0.into() } else { serde_json::Value::Null }, "{name}");
        }
        assert_eq!(serde_json::from_value::<Latency>(empty).unwrap(), Latency::default());
        let mut histogram = new_histogram();
        histogram.record(0).unwrap();
        let zero = serde_json::to_value(Latency::of(&histogram)).unwrap();
        assert_eq!((&zero["count"], &zero["p99_us"]), (&1.into(), &0.0.into()));
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        let read = |hdr: &str| Latency { hdr: Some(hdr.to_owned()), ..Latency::default() }.histogram();
        assert!(matches!(read("%"), Err(LatencyError::Base64(_))));
        assert!(matches!(read("AAAA"), Err(LatencyError::Format(_))));
    }
}
