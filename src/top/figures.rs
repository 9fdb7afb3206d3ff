//! Figures in few columns: three digits that count, and a letter for the rest.

use super::text;

/// A figure that is not known.
pub(super) const UNKNOWN: &str = "-";

/// A number in at most 5 columns: 999, 1.23k, 12.3k, 123k, 1.23M; decimal.
pub(super) fn count(value: u64) -> String {
    if value < 1000 {
        value.to_string()
    } else {
        scaled(value as f64, 1000.0, &["", "k", "M", "G", "T", "P", "E"])
    }
}

/// How often a second, in at most 5 columns; one decimal below 10.
pub(super) fn rate(value: Option<f64>) -> String {
    match value {
        None => UNKNOWN.to_owned(),
        Some(value) if value < 0.05 => "0".to_owned(),
        Some(value) if value < 9.95 => format!("{value:.1}").trim_end_matches(".0").to_owned(),
        Some(value) => scaled(value, 1000.0, &["", "k", "M", "G", "T", "P", "E"]),
    }
}

/// Memory in at most 6 columns: 0, 999B, 1.23Ki, 12.3Mi; binary.
pub(super) fn memory(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        1..1000 => format!("{bytes}B"),
        _ => scaled(bytes as f64, 1024.0, &["B", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]),
    }
}

/// A share of one core, in at most 5 columns.
pub(super) fn share(value: Option<f64>) -> String {
    value.map_or(UNKNOWN.to_owned(), |value| format!("{:.0}%", value * 100.0))
}

/// A span of microseconds, in at most 5 columns: 999us, 1.2ms, 12ms, 123ms, 1.2s.
pub(super) fn span(micros: u64) -> String {
    let value = micros as f64;
    match micros {
        0..1000 => format!("{micros}us"),
        1000..9_950 => format!("{:.1}ms", value / 1e3),
        9_950..999_500 => format!("{:.0}ms", value / 1e3),
        999_500..9_950_000 => format!("{:.1}s", value / 1e6),
        _ => format!("{:.0}s", value / 1e6),
    }
}

/// An age in at most 6 columns, by its two largest units.
pub(super) fn age(seconds: f64) -> String {
    // A float becomes the nearest number that there is.
    #[expect(clippy::cast_possible_truncation, reason = "fractions of a second are not shown")]
    let seconds = seconds.max(0.0) as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        86_400..864_000 => format!("{days}d{:02}h", hours % 24),
        _ => text::cut(&format!("{days}d"), 6),
    }
}

/// Three digits and the letter of the least power that brings them below 1000.
fn scaled(value: f64, base: f64, letters: &[&str]) -> String {
    let mut value = value;
    let mut letter = 0;
    // 999.5 would be shown as 1000.
    while 999.5 <= value && letter + 1 < letters.len() {
        value /= base;
        letter += 1;
    }
    let digits = match value {
        _ if letter == 0 => format!("{value:.0}"),
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    digits + letters[letter]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_five_columns() {
        for (value, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.00k"),
            (1234, "1.23k"),
            (9994, "9.99k"),
            (9996, "10.0k"),
            (99_949, "99.9k"),
            (99_951, "100k"),
            (999_499, "999k"),
            (999_500, "1.00M"),
            (12_345_678, "12.3M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(count(value), expected);
        }
        for (value, expected) in [
            (None, "-"),
            (Some(0.0), "0"),
            (Some(0.04), "0"),
            (Some(0.26), "0.3"),
            (Some(4.0), "4"),
            (Some(9.94), "9.9"),
            (Some(9.96), "10"),
            (Some(999.4), "999"),
            (Some(999.6), "1.00k"),
            (Some(1.84e20), "184E"),
        ] {
            assert_eq!(rate(value), expected);
        }
    }

    #[test]
    fn memory_is_counted_by_1024() {
        for (value, expected) in [
            (0, "0"),
            (1, "1B"),
            (999, "999B"),
            (1000, "0.98Ki"),
            (1024, "1.00Ki"),
            (1536, "1.50Ki"),
            (131_072, "128Ki"),
            (1_048_576, "1.00Mi"),
            (u64::MAX, "16.0Ei"),
        ] {
            assert_eq!(memory(value), expected);
        }
    }

    #[test]
    fn spans_and_ages_have_their_units() {
        for (value, expected) in [
            (0, "0us"),
            (999, "999us"),
            (1000, "1.0ms"),
            (9_949, "9.9ms"),
            (9_950, "10ms"),
            (999_499, "999ms"),
            (999_500, "1.0s"),
            (60_000_000, "60s"),
        ] {
            assert_eq!(span(value), expected);
        }
        for (value, expected) in [
            (0.0, "0s"),
            (59.9, "59s"),
            (61.0, "1m01s"),
            (3_599.0, "59m59s"),
            (3_600.0, "1h00m"),
            (86_399.0, "23h59m"),
            (86_400.0 + 7_200.0, "1d02h"),
            (86_400.0 * 400.0, "400d"),
            (f64::MAX, "21350~"),
            (-1.0, "0s"),
            (f64::NAN, "0s"),
        ] {
            assert_eq!(age(value), expected);
        }
        assert_eq!(
            (share(None).as_str(), share(Some(0.456)).as_str(), share(Some(12.0)).as_str()),
            ("-", "46%", "1200%")
        );
    }
}
