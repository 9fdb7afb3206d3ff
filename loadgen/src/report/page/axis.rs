//! Axes: where a value stands between the ends, and which values are written beside it.

use crate::report::show_count;

/// Least time on an axis of times, in nanoseconds; what is less stands at its end.
const TIME_LEAST: f64 = 100.0;
/// Most ticks of an even axis.
const TICKS_MAX: f64 = 6.0;

/// How values become places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Even,
    Logarithmic,
}

/// One axis of a plot.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// What it counts.
    pub(super) title: String,
    /// Values that are named, and their names.
    pub(super) ticks: Vec<(f64, String)>,
    low: f64,
    high: f64,
    scale: Scale,
}

impl Axis {
    /// Percentiles, spread as 1/(1-p), so that each further nine takes as much room as the one before.
    ///
    /// Values are [`depth_of`] of percentiles.
    pub(super) fn percentiles(deepest: f64) -> Self {
        let named = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999];
        let high = deepest.clamp(1.0, 9.0);
        let ticks = named.map(|percentile| (depth_of(percentile), percentile.to_string()));
        let ticks = ticks.into_iter().filter(|(depth, _)| *depth <= high).collect();
        Self { title: "percentile".to_owned(), ticks, low: 0.0, high, scale: Scale::Even }
    }

    /// Times in nanoseconds, from the least to the most of these, each ten times taking as much room.
    pub(super) fn times(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = ends(values.filter(|value| value.is_finite()).map(|value| value.max(TIME_LEAST)));
        let below = |value: f64| ladder().rev().find(|step| *step <= value).unwrap_or(TIME_LEAST);
        let above = |value: f64| ladder().find(|step| value <= *step).unwrap_or(value);
        let (low, high) = (below(least), above(most.max(below(least) * 2.0)));
        let is_short = high / low <= 1000.0;
        let is_shown = |step: &f64| (low..=high).contains(step) && (is_short || is_decade(*step));
        let ticks = ladder().filter(is_shown).map(|step| (step, show_time(step))).collect();
        Self { title: "latency".to_owned(), ticks, low, high, scale: Scale::Logarithmic }
    }

    /// Evenly spread values, with 0 in it where `from_zero`.
    pub(super) fn even(title: &str, values: impl Iterator<Item = f64>, from_zero: bool) -> Self {
        let (least, most) = ends(values);
        let low = if from_zero { least.min(0.0) } else { least };
        let span = if low < most { most - low } else { 1.0 };
        let step = nice_step(span / TICKS_MAX);
        // A line at the very top would hide behind the edge.
        let high = if from_zero { low + (span / step * 1.02).ceil() * step } else { low + span };
        let first = (low / step).ceil();
        let ticks = (0..=12_u8)
            .map(|n| (first + f64::from(n)) * step)
            .take_while(|tick| *tick <= high + step * 1e-6)
            .map(|tick| (tick, show_even(tick, step)))
            .collect();
        Self { title: title.to_owned(), ticks, low, high, scale: Scale::Even }
    }

    /// Where a value stands: 0 at the low end, 1 at the high one, and never beyond.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Even => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => (value.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
        };
        if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// How deep in the tail a percentile lies: the number of its nines.
pub(super) fn depth_of(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).log10()
}

fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let ends = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if ends.0 <= ends.1 { ends } else { (0.0, 1.0) }
}

/// 1, 2 and 5 of each decade from 100 ns to 500 s.
fn ladder() -> impl DoubleEndedIterator<Item = f64> {
    (2..12).flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10.0_f64.powi(decade)))
}

fn is_decade(step: f64) -> bool {
    let decade = step.log10();
    (decade - decade.round()).abs() < 1e-9
}

/// A rung of the ladder, which has no digits after the point in its unit.
fn show_time(nanos: f64) -> String {
    let units = [("s", 1e9), ("ms", 1e6), ("µs", 1e3)];
    let (name, unit) = units.into_iter().find(|(_, unit)| *unit <= nanos).unwrap_or(("ns", 1.0));
    format!("{:.0} {name}", nanos / unit)
}

/// The least of 1, 2 and 5 times a power of ten that is not less.
fn nice_step(least: f64) -> f64 {
    let decade = 10.0_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|digit| digit * decade)
        .find(|step| least <= step * 1.000_001)
        .unwrap_or(10.0 * decade)
}

fn show_even(tick: f64, step: f64) -> String {
    // A tick at 0 may come out as -0.
    let tick = if tick.abs() < step / 2.0 { 0.0 } else { tick };
    if step < 1.0 {
        format!("{tick:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
    } else if tick < 0.0 {
        format!("-{}", show_count(-tick))
    } else {
        show_count(tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(axis: &Axis) -> String {
        axis.ticks.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_nine_takes_as_much_room() {
        let axis = Axis::percentiles(4.0);
        assert_eq!(names(&axis), "0 50 90 99 99.9 99.99");
        let near = |percentile: f64, place: f64| (axis.place(depth_of(percentile)) - place).abs() < 1e-9;
        assert!(
            near(0.0, 0.0) && near(90.0, 0.25) && near(99.0, 0.5) && near(99.9, 0.75) && near(99.99, 1.0)
        );
    }

    #[test]
    fn times_span_what_there_is() {
        assert_eq!(names(&Axis::times([61e3, 4e6].into_iter())), "50 µs 100 µs 200 µs 500 µs 1 ms 2 ms 5 ms");
        assert_eq!(names(&Axis::times([f64::NAN, 1e6, 2e6].into_iter())), "1 ms 2 ms", "a gap is no time");
        assert_eq!(
            names(&Axis::times([0.0, 4e9].into_iter())),
            "100 ns 1 µs 10 µs 100 µs 1 ms 10 ms 100 ms 1 s"
        );
        let axis = Axis::times([1e3, 1e5].into_iter());
        assert!((axis.place(1e4) - 0.5).abs() < 1e-9);
        assert_eq!((axis.place(1.0), axis.place(1e9)), (0.0, 1.0));
        assert!(!Axis::times(std::iter::empty()).ticks.is_empty());
        assert!(2 <= Axis::times([1e5].into_iter()).ticks.len());
    }

    #[test]
    fn even_ticks_are_round() {
        assert_eq!(names(&Axis::even("s", [-1.0, 10.0].into_iter(), false)), "0 2 4 6 8 10");
        assert_eq!(
            names(&Axis::even("/s", [9_990.0, 10_020.0].into_iter(), true)),
            "0 2,000 4,000 6,000 8,000 10,000 12,000"
        );
        assert_eq!(names(&Axis::even("s", [0.0, 1.0].into_iter(), true)), "0 0.2 0.4 0.6 0.8 1 1.2");
        assert_eq!(names(&Axis::even("s", std::iter::empty(), true)), "0 0.2 0.4 0.6 0.8 1 1.2");
        assert_eq!(Axis::even("s", [5.0, 5.0].into_iter(), false).place(5.0), 0.0);
    }
}
