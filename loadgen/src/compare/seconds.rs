//! Two single runs, second by second: what is drawn anew to learn how far their figures scatter.

use hdrhistogram::Histogram;

use super::{Metric, Scale};
use crate::random::Random;
use crate::result::{Interval, Latency, RunResult};
use crate::statistics::Estimate;
use crate::statistics::bootstrap::{self, Merged, PARTS_MAX, Pool, RESAMPLES, draw};

/// The seconds of two runs, and the differences of all figures in all resamples.
#[derive(Clone, Debug)]
pub(super) struct Seconds {
    /// For each figure what the seconds themselves give, and what each resample gives; not a number where it has none.
    figures: Vec<(Metric, f64, Vec<f64>)>,
    /// Parts of the side that has fewer.
    parts: usize,
    /// Whether both have as many.
    is_even: bool,
}

/// The seconds of one run, put together to at most [`PARTS_MAX`] parts.
#[derive(Clone, Debug)]
struct Side {
    sums: Vec<Sums>,
    response: Option<Pool>,
    service: Option<Pool>,
}

/// What adds up.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    length_s: f64,
    ok: f64,
    wrong: f64,
    /// Not a number when the server was not watched.
    server_cpu_s: f64,
}

impl Seconds {
    /// Draws from the seconds of both runs.
    pub(super) fn of(a: &RunResult, b: &RunResult, seed: u64) -> Self {
        let sides = [Side::of(a), Side::of(b)];
        let counts = [sides[0].sums.len(), sides[1].sums.len()];
        let (parts, is_even) = (counts[0].min(counts[1]), counts[0] == counts[1]);
        if parts < bootstrap::PARTS_MIN {
            return Self { figures: Vec::new(), parts, is_even };
        }
        let mut random = Random::new(seed);
        let whole =
            difference([0, 1].map(|side: usize| sides[side].figures(&vec![1; sides[side].sums.len()])));
        let drawn: Vec<_> = (0..RESAMPLES)
            .map(|_| {
                difference(
                    [0, 1].map(|side: usize| sides[side].figures(&draw(&mut random, sides[side].sums.len()))),
                )
            })
            .collect();
        let figures = Metric::ALL.into_iter().enumerate();
        let figures = figures.map(|(place, metric)| {
            (metric, whole[place], drawn.iter().map(|figures| figures[place]).collect())
        });
        Self { figures: figures.collect(), parts, is_even }
    }

    /// Parts of the side that has fewer.
    pub(super) const fn parts(&self) -> usize {
        self.parts
    }

    /// Whether both sides have as many.
    pub(super) const fn is_even(&self) -> bool {
        self.is_even
    }

    /// The interval around a difference of the whole runs, on the scale of the figure.
    pub(super) fn estimate(&self, metric: Metric, point: f64) -> Option<Estimate> {
        let (_, whole, drawn) = self.figures.iter().find(|(named, ..)| *named == metric)?;
        bootstrap::estimate(point, *whole, drawn.clone(), self.parts)
    }
}

impl Side {
    fn of(run: &RunResult) -> Self {
        let measured: Vec<&Interval> =
            run.series.iter().filter(|part| 0.0 <= part.start_s && 0.0 < part.length_s).collect();
        let together = measured.len().div_ceil(PARTS_MAX).max(1);
        let groups: Vec<&[&Interval]> = measured.chunks(together).collect();
        let pool = |of: fn(&Interval) -> &Latency| {
            let merged = groups.iter().map(|group| merge(group, of)).collect::<Option<Vec<_>>>();
            merged.map(|parts| Pool::of(&parts))
        };
        Self {
            sums: groups.iter().map(|group| Sums::of(group)).collect(),
            response: pool(|part| &part.response),
            service: pool(|part| &part.service),
        }
    }

    /// All figures when each part is in so often; not a number where there is none.
    fn figures(&self, times: &[u64]) -> Vec<f64> {
        let mut sums = Sums::default();
        for (part, times) in self.sums.iter().zip(times) {
            sums.add(part, *times as f64);
        }
        let response = self.response.as_ref().map(|pool| pool.merge(times));
        let service = self.service.as_ref().map(|pool| pool.merge(times));
        let percentile = |merged: &Option<Merged<'_>>, metric: Metric| {
            merged.as_ref().zip(metric.percentile()).and_then(|(merged, share)| merged.percentile(share))
        };
        let figure = |metric: Metric| match metric {
            Metric::RequestsPerSecond => Some(sums.ok / sums.length_s),
            Metric::ResponseMean => response.as_ref().and_then(Merged::mean),
            Metric::ResponseP50 | Metric::ResponseP90 | Metric::ResponseP99 | Metric::ResponseP999 => {
                percentile(&response, metric)
            }
            Metric::ServiceP50 | Metric::ServiceP99 => percentile(&service, metric),
            // Its processor time is known for the whole run only.
            Metric::GeneratorCpu => None,
            Metric::ServerCpu => Some(sums.server_cpu_s / sums.ok),
            Metric::Errors => Some(sums.wrong / (sums.ok + sums.wrong)),
        };
        Metric::ALL.map(|metric| figure(metric).unwrap_or(f64::NAN)).to_vec()
    }
}

impl Sums {
    fn of(group: &[&Interval]) -> Self {
        let mut sums = Self::default();
        for part in group {
            sums.length_s += part.length_s;
            sums.ok += part.ok as f64;
            sums.wrong += (part.failed + part.timed_out) as f64;
            sums.server_cpu_s += part.server_cpu_s.unwrap_or(f64::NAN);
        }
        sums
    }

    fn add(&mut self, part: &Self, times: f64) {
        self.length_s += part.length_s * times;
        self.ok += part.ok * times;
        self.wrong += part.wrong * times;
        self.server_cpu_s += part.server_cpu_s * times;
    }
}

/// B's figures minus A's, each on its scale.
fn difference([a, b]: [Vec<f64>; 2]) -> Vec<f64> {
    let scaled = |metric: Metric, value: f64| match metric.scale() {
        Scale::Ratio => value.ln(),
        Scale::Points => value,
    };
    let pairs = a.into_iter().zip(b).zip(Metric::ALL);
    pairs.map(|((a, b), metric)| scaled(metric, b) - scaled(metric, a)).collect()
}

/// The histograms of neighbouring seconds together; `None` when one of them is not there.
fn merge(group: &[&Interval], of: fn(&Interval) -> &Latency) -> Option<Histogram<u64>> {
    let read = |part: &&Interval| {
        let latency = of(part);
        let is_whole = latency.count == 0 || latency.hdr.is_some();
        is_whole.then(|| latency.histogram().ok()).flatten()
    };
    let mut parts = group.iter().map(read);
    let mut whole = parts.next()??;
    for part in parts {
        whole.add(part?).ok()?;
    }
    Some(whole)
}
