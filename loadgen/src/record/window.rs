//! The part of a run that is measured.

use tidemill::sys::clock::Time;

/// From the end of the warm-up to the end of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The end of the warm-up.
    pub from: Time,
    /// The end of the load; unknown beforehand when messages are counted.
    pub until: Option<Time>,
}

impl Window {
    /// Everything.
    pub const ALWAYS: Self = Self { from: Time::ZERO, until: None };

    /// Whether this moment is within.
    pub fn contains(self, time: Time) -> bool {
        self.from <= time && self.until.is_none_or(|until| time < until)
    }

    /// The moment so many seconds after the start of the measured time, or before it.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the sign is taken off")]
    pub fn at(self, seconds: f64) -> Time {
        let (from, nanos) = (self.from.as_nanos(), (seconds.abs() * 1e9) as u64);
        Time::from_nanos(if seconds < 0.0 { from.saturating_sub(nanos) } else { from.saturating_add(nanos) })
    }

    /// Seconds after the start of the measured time; negative before it.
    pub fn seconds_at(self, time: Time) -> f64 {
        let (time, from) = (time.as_nanos(), self.from.as_nanos());
        if from <= time { (time - from) as f64 / 1e9 } else { (from - time) as f64 / -1e9 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_not_within() {
        let at = Time::from_nanos;
        let window = Window { from: at(10), until: Some(at(20)) };
        assert_eq!([9, 10, 19, 20].map(|nanos| window.contains(at(nanos))), [false, true, true, false]);
        assert_eq!((window.at(5e-9), window.at(-5e-9)), (at(15), at(5)));
        let seconds = [window.seconds_at(at(0)), window.seconds_at(at(10))];
        assert!((seconds[0] + 1e-8).abs() < 1e-15 && seconds[1].abs() < 1e-15, "{seconds:?}");
    }
}
