//! One run after the other, at one rate or number of connections after the other.
//!
//! It says what it is told to and judges nothing. Where the machine drifts, a rising order makes drift look like load, so
//! the points may be taken in a random order; the result has them in the order of the axis all the same.

mod points;
mod table;

use serde::Serialize;

pub use points::{Connections, POINTS_MAX, Rates, evenly};
pub use table::header;

use crate::random::Random;
use crate::result::RunResult;
use crate::statistics::shuffle;

/// The name and version of the JSON's shape.
pub const SCHEMA: &str = "tidemill-loadgen-sweep/1";

/// What changes from run to run.
#[derive(Clone, Debug, PartialEq)]
pub enum Axis {
    /// Requests per second.
    Rates(Vec<f64>),
    /// Connections.
    Connections(Vec<u32>),
}

/// A run of a sweep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Point {
    /// At this rate.
    Rate(f64),
    /// With so many connections.
    Connections(u32),
}

/// A sweep, whose JSON is the published format.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sweep {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The version of this program.
    pub version: &'static str,
    /// What changed from run to run: `rate` or `connections`.
    pub axis: &'static str,
    /// Whether the order was random; when each run began is in the runs.
    pub is_shuffled: bool,
    /// Why it ended early, if it did.
    pub stopped: Option<String>,
    /// The results, by rising value of the axis.
    pub points: Vec<RunResult>,
}

impl Axis {
    /// All points, rising.
    pub fn points(&self) -> Vec<Point> {
        match self {
            Self::Rates(rates) => {
                let mut rates = rates.clone();
                rates.sort_by(f64::total_cmp);
                rates.into_iter().map(Point::Rate).collect()
            }
            Self::Connections(counts) => {
                let mut counts = counts.clone();
                counts.sort_unstable();
                counts.into_iter().map(Point::Connections).collect()
            }
        }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rates(_) => "rate",
            Self::Connections(_) => "connections",
        }
    }
}

/// Makes a run at each point, in a random order if there is a seed, with `watch` to be told of each. When a run cannot
/// take place, or a signal ends one, what was measured until then is the result.
pub fn sweep<E: ToString>(
    axis: &Axis,
    order: Option<u64>,
    measure: &mut dyn FnMut(Point) -> Result<RunResult, E>,
    watch: &mut dyn FnMut(Point, &RunResult),
) -> (Sweep, Option<E>) {
    let mut points: Vec<(usize, Point)> = axis.points().into_iter().enumerate().collect();
    if let Some(seed) = order {
        shuffle(&mut Random::new(seed), &mut points);
    }
    let mut results = Vec::new();
    let (mut stopped, mut failure) = (None, None);
    for (place, point) in points {
        match measure(point) {
            Ok(result) => {
                watch(point, &result);
                let is_interrupted = result.counts.interrupted;
                results.push((place, result));
                if is_interrupted {
                    stopped = Some("a signal ended it".to_owned());
                    break;
                }
            }
            Err(error) => {
                stopped = Some(error.to_string());
                failure = Some(error);
                break;
            }
        }
    }
    results.sort_by_key(|(place, _)| *place);
    let points = results.into_iter().map(|(_, result)| result).collect();
    let version = env!("CARGO_PKG_VERSION");
    let is_shuffled = order.is_some();
    (Sweep { schema: SCHEMA, version, axis: axis.name(), is_shuffled, stopped, points }, failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::simulated::run;

    fn swept(axis: &Axis, order: Option<u64>) -> (Vec<Point>, Sweep) {
        let mut seen = Vec::new();
        let mut measure = |point| {
            let Point::Rate(rate) = point else { panic!("{point:?}") };
            Ok::<_, String>(run(rate))
        };
        let (sweep, failure) = sweep(axis, order, &mut measure, &mut |point, _| seen.push(point));
        assert_eq!((failure, sweep.stopped.as_ref()), (None, None));
        (seen, sweep)
    }

    #[test]
    fn each_point_is_measured_once_and_in_order() {
        let axis = Axis::Rates(vec![3000.0, 1000.0, 2000.0]);
        let (seen, sweep) = swept(&axis, None);
        assert_eq!(seen, [1000.0, 2000.0, 3000.0].map(Point::Rate));
        let json = serde_json::to_value(&sweep).unwrap();
        assert_eq!((&json["schema"], &json["axis"]), (&"tidemill-loadgen-sweep/1".into(), &"rate".into()));
        assert_eq!(json["points"][2]["config"]["rate"], 3000.0);
        let axis = Axis::Connections(vec![64, 1]);
        assert_eq!(axis.points(), [Point::Connections(1), Point::Connections(64)]);
    }

    /// A random order is the same for the same seed, and the result has the points in the order of the axis.
    #[test]
    fn a_random_order_is_put_right() {
        let axis = Axis::Rates((1..=20).map(f64::from).collect());
        let (seen, sweep) = swept(&axis, Some(1));
        assert_eq!(seen, swept(&axis, Some(1)).0);
        assert_ne!(seen, swept(&axis, Some(2)).0);
        assert_ne!(seen, axis.points());
        let rates: Vec<f64> = sweep.points.iter().filter_map(|point| point.config.rate).collect();
        assert!(rates.is_sorted() && rates.len() == 20 && sweep.is_shuffled, "{rates:?}");
    }

    #[test]
    fn what_was_measured_before_a_failure_stays() {
        let axis = Axis::Rates(vec![1.0, 2.0, 3.0]);
        let mut measure = |point| if point == Point::Rate(3.0) { Err("gone") } else { Ok(run(1.0)) };
        let (sweep_failed, failure) = sweep(&axis, None, &mut measure, &mut |_, _| {});
        assert_eq!((sweep_failed.points.len(), failure), (2, Some("gone")));
        assert_eq!(sweep_failed.stopped.as_deref(), Some("gone"));
        let mut measure = |_| {
            let mut run = run(1.0);
            run.counts.interrupted = true;
            Ok::<_, String>(run)
        };
        let (interrupted, failure) = sweep(&axis, None, &mut measure, &mut |_, _| {});
        assert_eq!((interrupted.points.len(), failure), (1, None));
        assert!(interrupted.stopped.is_some());
    }
}
