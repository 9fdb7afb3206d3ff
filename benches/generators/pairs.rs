//! Slices in turns, and the ratio of two of a pair.

use std::io;

use super::{Options, placement};

/// What alternating slices measured, `[one, other]` each.
pub(crate) struct Pairs<T> {
    pub(crate) kept: Vec<[T; 2]>,
    /// During how many the two cores moved.
    pub(crate) dropped: usize,
}

/// A value over all slices: the median, between the quartiles.
pub(crate) struct Quartiles([f64; 3]);

impl<T> Pairs<T> {
    /// Measures the two in turns: each is first as often as it is second.
    pub(crate) fn measure(
        options: &Options,
        mut one: impl FnMut() -> io::Result<T>,
        mut other: impl FnMut() -> io::Result<T>,
    ) -> io::Result<Self> {
        let (mut kept, mut dropped) = (Vec::new(), 0);
        // The first requests of each are not like the rest.
        one()?;
        other()?;
        let near = || placement::round_trip_ns(options.server_core, options.client_core) < NEAR_NS;
        while kept.len() < options.pairs && dropped < 4 * options.pairs {
            let mut nearness = vec![near()];
            let swapped = (kept.len() + dropped) % 2 == 1;
            let first = if swapped { other()? } else { one()? };
            nearness.push(near());
            let second = if swapped { one()? } else { other()? };
            nearness.push(near());
            if nearness.iter().all(|near| *near == nearness[0]) {
                kept.push(if swapped { [second, first] } else { [first, second] });
            } else {
                dropped += 1;
            }
        }
        Ok(Self { kept, dropped })
    }

    /// A value of one side.
    pub(crate) fn of(&self, side: usize, value: impl Fn(&T) -> f64) -> Quartiles {
        Quartiles::of(self.kept.iter().map(|pair| value(&pair[side])))
    }

    /// One divided by the other, pair by pair.
    pub(crate) fn ratio(&self, value: impl Fn(&T) -> f64) -> Quartiles {
        Quartiles::of(self.kept.iter().map(|[one, other]| value(one) / value(other)))
    }

    /// How many count, and how many do not.
    pub(crate) fn counts(&self) -> String {
        format!("{}, {} dropped", self.kept.len(), self.dropped)
    }
}

impl Quartiles {
    /// What is not a number is left out: a tool does not say everything.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        // Between two values when there is none at that place, so that few pairs have quartiles, too.
        let at = |quarter: usize| {
            let place = values.len().saturating_sub(1) * quarter;
            let (low, share) = (*values.get(place / 4)?, (place % 4) as f64 / 4.0);
            let high = values.get(place / 4 + 1).copied().unwrap_or(low);
            Some(low + (high - low) * share)
        };
        Self([1, 2, 3].map(|quarter| at(quarter).unwrap_or(f64::NAN)))
    }

    pub(crate) fn median(&self) -> f64 {
        self.0[1]
    }
}

impl std::fmt::Display for Quartiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [low, median, high] = self.0;
        write!(f, "{median:.3} [{low:.3}, {high:.3}]")
    }
}

/// Below this the two cores share a cache, in nanoseconds.
const NEAR_NS: f64 = 150.0;
