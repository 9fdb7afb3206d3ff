//! A [`Latency`] as it is written: figures of nothing are null, and not 0.

use serde::{Deserialize, Serialize};

use super::Latency;

/// The fields of a [`Latency`], each of which may be missing. Results that older versions wrote have zeros there.
#[derive(Serialize, Deserialize)]
pub(super) struct Figures {
    count: u64,
    min_us: Option<f64>,
    mean_us: Option<f64>,
    stdev_us: Option<f64>,
    p50_us: Option<f64>,
    p75_us: Option<f64>,
    p90_us: Option<f64>,
    p95_us: Option<f64>,
    p99_us: Option<f64>,
    p999_us: Option<f64>,
    p9999_us: Option<f64>,
    max_us: Option<f64>,
    hdr: Option<String>,
}

impl From<Latency> for Figures {
    fn from(latency: Latency) -> Self {
        let seen = |figure: f64| (0 < latency.count).then_some(figure);
        Self {
            count: latency.count,
            min_us: seen(latency.min_us),
            mean_us: seen(latency.mean_us),
            stdev_us: seen(latency.stdev_us),
            p50_us: seen(latency.p50_us),
            p75_us: seen(latency.p75_us),
            p90_us: seen(latency.p90_us),
            p95_us: seen(latency.p95_us),
            p99_us: seen(latency.p99_us),
            p999_us: seen(latency.p999_us),
            p9999_us: seen(latency.p9999_us),
            max_us: seen(latency.max_us),
            hdr: latency.hdr,
        }
    }
}

impl From<Figures> for Latency {
    fn from(written: Figures) -> Self {
        let figure = Option::unwrap_or_default;
        Self {
            count: written.count,
            min_us: figure(written.min_us),
            mean_us: figure(written.mean_us),
            stdev_us: figure(written.stdev_us),
            p50_us: figure(written.p50_us),
            p75_us: figure(written.p75_us),
            p90_us: figure(written.p90_us),
            p95_us: figure(written.p95_us),
            p99_us: figure(written.p99_us),
            p999_us: figure(written.p999_us),
            p9999_us: figure(written.p9999_us),
            max_us: figure(written.max_us),
            hdr: written.hdr,
        }
    }
}
