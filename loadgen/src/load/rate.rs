//! The rate over time, and which moment belongs to the n-th request.

/// Requests per second over the time of a load: the same during the warm-up, then changing evenly to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course {
    /// During the warm-up and at its end.
    pub from: f64,
    /// At the end of the measured time, and after it.
    pub to: f64,
    /// Seconds of warm-up.
    pub warmup_s: f64,
    /// Seconds in which the rate changes.
    pub change_s: f64,
}

impl Course {
    /// How many requests are due before this moment, in seconds after the start of the load: the integral of the rate.
    pub fn requests_before(&self, seconds: f64) -> f64 {
        let level = self.from * seconds.min(self.warmup_s);
        let changing = (seconds - self.warmup_s).clamp(0.0, self.change_s);
        let slope = self.slope();
        let after = (seconds - self.warmup_s - self.change_s).max(0.0);
        level + (self.from + slope * changing / 2.0) * changing + self.to * after
    }

    /// The moment at which so many requests have been due, in seconds after the start: the inverse of the integral.
    pub fn moment_of(&self, requests: f64) -> f64 {
        let level = self.from * self.warmup_s;
        if self.is_constant() || requests <= level {
            return requests / self.from;
        }
        let whole_change = (self.from + self.to) / 2.0 * self.change_s;
        let rest = requests - level;
        if whole_change <= rest {
            return self.warmup_s + self.change_s + (rest - whole_change) / self.to;
        }
        // The root of from·t + slope·t²/2 = rest, in the form that does not cancel.
        let root = (self.from * self.from + 2.0 * self.slope() * rest).max(0.0).sqrt();
        self.warmup_s + 2.0 * rest / (self.from + root)
    }

    /// Whether it never changes.
    #[expect(clippy::float_cmp, reason = "a range with equal ends was typed as one number")]
    pub fn is_constant(&self) -> bool {
        self.from == self.to || self.change_s == 0.0
    }

    fn slope(&self) -> f64 {
        if self.change_s == 0.0 { 0.0 } else { (self.to - self.from) / self.change_s }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_integrated() {
        // 100/s for 2 s, then from 100/s to 300/s in 4 s: 200 + 800 requests; the middle of the change has 200/s.
        let course = Course { from: 100.0, to: 300.0, warmup_s: 2.0, change_s: 4.0 };
        let check = |seconds: f64, requests: f64| {
            assert!((course.requests_before(seconds) - requests).abs() < 1e-9, "{seconds} s");
            assert!((course.moment_of(requests) - seconds).abs() < 1e-9, "{requests} requests");
        };
        check(0.0, 0.0);
        check(1.0, 100.0);
        check(2.0, 200.0);
        check(4.0, 200.0 + 300.0);
        check(6.0, 1000.0);
        check(7.0, 1300.0);
    }

    #[test]
    fn a_falling_ramp_is_integrated_too() {
        let course = Course { from: 300.0, to: 100.0, warmup_s: 0.0, change_s: 4.0 };
        for (seconds, requests) in [(2.0, 500.0), (4.0, 800.0), (5.0, 900.0)] {
            assert!((course.requests_before(seconds) - requests).abs() < 1e-9);
            assert!((course.moment_of(requests) - seconds).abs() < 1e-9);
        }
    }
}
