//! Rates, as people write them: so much in a second, and so much at once.
//!
//! A rate knows nothing of what it counts. It turns a count into the time that the count takes, for
//! [`bucket`](super::bucket); the configuration reads it with the grammar of numbers that the setting has.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::limits;

/// A text that is no rate, and what it should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateError {
    /// Not of the form of a rate.
    #[error("a rate is a count and its time, such as 100/s, 6000/m or 100/s burst 200")]
    Form,
    /// Nothing could ever pass.
    #[error("a rate of nothing lets nothing pass: leave the setting out where there is no limit")]
    Zero,
    /// A count beyond its bound.
    #[error("a rate and its burst are at most {} each", limits::RATE_UNITS_MAX)]
    TooLarge,
    /// Whoever used up the burst would wait for more than a day.
    #[error("the burst takes more than a day to come again: make it smaller, or the rate higher")]
    TooSlow,
}

/// The time over which a count is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// `/s`.
    Second,
    /// `/m`.
    Minute,
    /// `/h`.
    Hour,
}

impl Period {
    const ALL: [(Self, &str); 3] = [(Self::Second, "s"), (Self::Minute, "m"), (Self::Hour, "h")];

    const fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(period, _)| *period == self).map_or("s", |(_, name)| name)
    }
}

/// How often something may happen: on the average, and at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u64,
    period: Period,
    burst: u64,
    /// The time in which an empty bucket fills again, in nanoseconds.
    fill_nanos: u64,
}

impl Rate {
    /// So many units in each period, and so many at once. Without a burst it is what comes in one second, and at least one.
    pub fn new(count: u64, period: Period, burst: Option<u64>) -> Result<Self, RateError> {
        let burst = burst.unwrap_or((count / period.seconds()).max(1));
        if count == 0 || burst == 0 {
            return Err(RateError::Zero);
        }
        if count.max(burst) > limits::RATE_UNITS_MAX {
            return Err(RateError::TooLarge);
        }
        let exact = cost_nanos(burst, count, period);
        if exact > nanos(limits::RATE_FILL_TIME_MAX) {
            return Err(RateError::TooSlow);
        }
        // Each unit of a burst that is taken one by one is rounded up by less than a nanosecond; without as much more room
        // the last of them would be refused. A thousandth is the most that this may add.
        let fill_nanos = exact + burst.min(exact / 1024);
        Ok(Self { count, period, burst, fill_nanos })
    }

    /// Reads `100/s`, `6000/m` or `100/s burst 200`, with numbers that are plain digits.
    pub fn parse(text: &str) -> Result<Self, RateError> {
        Self::parse_with(text, digits)
    }

    /// Reads a rate whose numbers have a grammar of their own, as in `1MiB/s burst 4MiB`.
    pub fn parse_with(text: &str, number: impl Fn(&str) -> Option<u64>) -> Result<Self, RateError> {
        let number = |text: &str| number(text.trim()).ok_or(RateError::Form);
        let (rate, burst) = match text.split_once("burst") {
            Some((rate, burst)) if rate.ends_with(' ') && burst.starts_with(' ') => {
                (rate, Some(number(burst)?))
            }
            Some(_) => return Err(RateError::Form),
            None => (text, None),
        };
        let (count, period) = rate.split_once('/').ok_or(RateError::Form)?;
        let (period, _) =
            Period::ALL.into_iter().find(|(_, name)| *name == period.trim()).ok_or(RateError::Form)?;
        Self::new(number(count)?, period, burst)
    }

    /// Writes it with numbers of a grammar of their own, so that [`parse_with`](Self::parse_with) reads the same again.
    pub fn show_with(&self, number: impl Fn(u64) -> String) -> String {
        format!("{}/{} burst {}", number(self.count), self.period.name(), number(self.burst))
    }

    /// Units that may come at once after a rest.
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// The time in which an empty bucket fills again.
    pub const fn fill_time(&self) -> Duration {
        Duration::from_nanos(self.fill_nanos)
    }

    pub(super) const fn fill_nanos(&self) -> u64 {
        self.fill_nanos
    }

    /// The nanoseconds that so many units take at this rate, rounded up: never is more let through than was said.
    pub(super) fn cost_nanos(&self, units: u64) -> u64 {
        cost_nanos(units, self.count, self.period)
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        Self::parse(text)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show_with(|number| number.to_string()))
    }
}

fn cost_nanos(units: u64, count: u64, period: Period) -> u64 {
    let cost = u128::from(units) * u128::from(period.seconds() * 1_000_000_000);
    u64::try_from(cost.div_ceil(u128::from(count))).unwrap_or(u64::MAX)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Digits and nothing else: the standard library would take a plus sign too.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_as_people_write_them() {
        let check = |text: &str, shown: &str, fill_millis: u64| {
            let rate = Rate::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(rate.to_string(), shown);
            assert_eq!(Rate::parse(shown), Ok(rate), "{shown} is read as it was written");
            // What rounding adds is less than a thousandth.
            let fill = rate.fill_time();
            let exact = Duration::from_millis(fill_millis);
            assert!(fill >= exact && fill <= exact + exact / 1000, "{text}: {fill:?}");
        };
        check("100/s", "100/s burst 100", 1_000);
        check("100/s burst 200", "100/s burst 200", 2_000);
        check("6000/m", "6000/m burst 100", 1_000);
        check("10/m", "10/m burst 1", 6_000);
        check("10/m burst 10", "10/m burst 10", 60_000);
        check("1/h", "1/h burst 1", 3_600_000);
        check("1/h burst 24", "1/h burst 24", 86_400_000);
        check(" 7 / s  burst  9 ", "7/s burst 9", 1_285);
        check("1099511627776/s", "1099511627776/s burst 1099511627776", 1_000);
    }

    #[test]
    fn rates_with_sizes() {
        let size = |text: &str| match text.strip_suffix("MiB") {
            Some(number) => digits(number).map(|number| number << 20),
            None => digits(text),
        };
        let rate = Rate::parse_with("1MiB/s burst 4MiB", size).unwrap();
        assert_eq!(rate.to_string(), "1048576/s burst 4194304");
        assert_eq!(rate.show_with(|number| format!("{}MiB", number >> 20)), "1MiB/s burst 4MiB");
    }

    #[test]
    fn mistakes_are_told_apart() {
        let check = |text: &str, error| assert_eq!(Rate::parse(text), Err(error), "{text:?}");
        for text in
            ["", "100", "100/", "/s", "100/d", "100/ms", "-1/s", "+1/s", "1.5/s", "100/s burst", "1/s/s"]
        {
            check(text, RateError::Form);
        }
        for text in
            ["100/sburst 2", "100/s burst2", "burst 2", "100/s burst 2 burst 3", "99999999999999999999/s"]
        {
            check(text, RateError::Form);
        }
        check("0/s", RateError::Zero);
        check("1/s burst 0", RateError::Zero);
        check("1099511627777/s", RateError::TooLarge);
        check("1/s burst 18446744073709551615", RateError::TooLarge);
        check("1/h burst 25", RateError::TooSlow);
        check("1/s burst 86401", RateError::TooSlow);
    }

    #[test]
    fn costs_are_rounded_up_and_end_at_the_end_of_time() {
        let check = |text: &str, units, expected| {
            assert_eq!(Rate::parse(text).unwrap().cost_nanos(units), expected, "{units} at {text}");
        };
        check("100/s", 0, 0);
        check("100/s", 1, 10_000_000);
        check("3/s", 1, 333_333_334);
        check("3/s", 3, 1_000_000_000);
        check("1099511627776/s", 1, 1);
        check("1/h", 5_124_095, 18_446_742_000_000_000_000);
        check("1/h", 5_124_096, u64::MAX);
        check("1/h", u64::MAX, u64::MAX);
    }
}
