//! Numbers as people read them: with their thousands apart, or in the unit that leaves few digits.

use std::fmt::Write;

use tidemill::config::units::show_size;

/// A whole number with its thousands apart.
pub fn show_count(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at != 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// So many of something, in words.
pub fn counted(count: u64, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {what}{ending}", show_count(count as f64))
}

/// A part of a whole in percent. What is not all is never shown as all, nor what is something as nothing.
pub fn show_share(part: u64, whole: u64) -> String {
    let percent = 100.0 * part as f64 / whole.max(1) as f64;
    match percent {
        _ if part == whole => "100 %".to_owned(),
        _ if part == 0 => "0 %".to_owned(),
        _ if percent < 0.01 => "< 0.01 %".to_owned(),
        _ if 99.99 < percent => "> 99.99 %".to_owned(),
        _ => format!("{percent:.2} %"),
    }
}

/// Nanoseconds, in the unit that leaves few digits before the point.
pub fn show_nanos(nanos: f64) -> String {
    show_scaled(nanos, &[("s", 1e9), ("ms", 1e6), ("µs", 1e3)], "ns")
}

/// Bytes, in decimal units, as links are sold.
pub fn show_bytes(bytes: f64) -> String {
    show_scaled(bytes, &[("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)], "B")
}

fn show_scaled(value: f64, units: &[(&str, f64)], least: &str) -> String {
    let mut shown = String::new();
    let written = match units.iter().find(|(_, unit)| *unit <= value) {
        Some((name, unit)) => {
            let scaled = value / unit;
            let digits = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
            write!(shown, "{scaled:.digits$} {name}")
        }
        None => write!(shown, "{value:.0} {least}"),
    };
    debug_assert!(written.is_ok(), "writing to a string does not fail");
    shown
}

/// A size as it was typed, with a unit.
pub fn bytes_of(size: usize) -> String {
    bytes_of_u64(size as u64)
}

/// The same for a size that came from elsewhere.
pub fn bytes_of_u64(size: u64) -> String {
    let shown = show_size(size);
    if shown.ends_with('B') { shown } else { format!("{shown} B") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!([0.0, 999.0, 1000.0, 1_234_567.0].map(show_count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, 999.0, 1500.0, 15_040.0, 999_000.0, 2e9].map(show_nanos),
            ["0 ns", "999 ns", "1.50 µs", "15.0 µs", "999 µs", "2.00 s"]
        );
        assert_eq!([12.0, 64_000.0, 1.25e9].map(show_bytes), ["12 B", "64.0 kB", "1.25 GB"]);
        assert_eq!(
            [(1, 1), (0, 1), (1, 1_000_000), (999_999, 1_000_000), (1, 3), (0, 0)]
                .map(|(part, whole)| show_share(part, whole)),
            ["100 %", "0 %", "< 0.01 %", "> 99.99 %", "33.33 %", "100 %"]
        );
        assert_eq!([64, 16_384].map(bytes_of), ["64 B", "16KiB"]);
    }
}
