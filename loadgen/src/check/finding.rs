//! What one check came to, and how it is said.

use crate::result::Status;

/// What a check found. It gets its name from the list of all checks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) status: Status,
    pub(super) sentence: String,
}

impl Finding {
    /// It does not apply, or there is nothing to judge by.
    pub(super) fn skipped(sentence: impl Into<String>) -> Self {
        Self { status: Status::Skipped, sentence: sentence.into() }
    }

    /// It holds.
    pub(super) fn pass(sentence: impl Into<String>) -> Self {
        Self { status: Status::Pass, sentence: sentence.into() }
    }

    /// The figures, and what to do when they are not good.
    pub(super) fn judged(status: Status, figures: impl Into<String>, advice: &str) -> Self {
        let mut sentence = figures.into();
        if Status::Pass < status {
            sentence.push(' ');
            sentence.push_str(advice);
        }
        Self { status, sentence }
    }
}

/// A failure above one bound, a warning above another.
pub(super) fn above(value: f64, warn: f64, fail: f64) -> Status {
    if fail < value {
        Status::Fail
    } else if warn < value {
        Status::Warn
    } else {
        Status::Pass
    }
}

/// No worse than a warning.
pub(super) fn at_most_warn(status: Status) -> Status {
    status.min(Status::Warn)
}

/// A time in the unit that suits it, to three digits.
pub(super) fn time(nanos: f64) -> String {
    let (value, unit) = match nanos {
        _ if nanos < 1e3 => (nanos, "ns"),
        _ if nanos < 1e6 => (nanos / 1e3, "µs"),
        _ if nanos < 1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let digits = if 99.95 <= value || unit == "ns" {
        0
    } else if 9.995 <= value {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// A count with the noun that it counts.
pub(super) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        let cases = [
            (0.0, "0 ns"),
            (42.0, "42 ns"),
            (1_500.0, "1.50 µs"),
            (50_000.0, "50.0 µs"),
            (999_000.0, "999 µs"),
            (1_234_000.0, "1.23 ms"),
            (2e9, "2.00 s"),
        ];
        for (nanos, expected) in cases {
            assert_eq!(time(nanos), expected);
        }
    }

    #[test]
    fn a_bound_itself_is_still_good() {
        assert_eq!(above(2.0, 2.0, 3.0), Status::Pass);
        assert_eq!(above(2.1, 2.0, 3.0), Status::Warn);
        assert_eq!(above(3.1, 2.0, 3.0), Status::Fail);
        assert_eq!(above(f64::NAN, 2.0, 3.0), Status::Pass);
        assert_eq!(at_most_warn(Status::Fail), Status::Warn);
        assert_eq!(at_most_warn(Status::Skipped), Status::Skipped);
    }

    #[test]
    fn advice_is_for_those_who_need_it() {
        assert_eq!(Finding::judged(Status::Pass, "All is well.", "Try: less").sentence, "All is well.");
        assert_eq!(Finding::judged(Status::Warn, "It is not.", "Try: less").sentence, "It is not. Try: less");
    }
}
