//! A row for each interval, for spreadsheets and plotters (RFC 4180).

use std::fmt::Write;

use crate::report::label::labels;
use crate::result::{Interval, Latency, RunResult};

/// Columns before those of latencies; the unit stands last in each name, and counts have none.
const COLUMNS: &str = "run,start_s,length_s,sent,ok,failed,timed_out,in_flight,sent_per_s,ok_per_s,stalled_ms,server_cpu_s,server_rss_bytes,server_switches";
/// Kinds of latency, in the order of their columns.
const KINDS: [&str; 3] = ["response", "service", "lag"];
/// Figures of each kind.
const FIGURES: [&str; 6] = ["p50_us", "p90_us", "p99_us", "p999_us", "p9999_us", "max_us"];

/// The intervals of all results, warm-up too, which begins below 0. What was not measured is an empty field.
pub fn csv(results: &[RunResult]) -> String {
    let mut text = COLUMNS.to_owned();
    for (kind, figure) in KINDS.iter().flat_map(|kind| FIGURES.map(|figure| (kind, figure))) {
        append(&mut text, format_args!(",{kind}_{figure}"));
    }
    text.push_str("\r\n");
    for (label, result) in labels(results).iter().zip(results) {
        result.series.iter().for_each(|interval| row(&mut text, label, interval));
    }
    text
}

fn row(text: &mut String, label: &str, interval: &Interval) {
    let per_s = |count: u64| if 0.0 < interval.length_s { count as f64 / interval.length_s } else { 0.0 };
    append(
        text,
        format_args!(
            "{},{},{},{},{},{},{},{},{},{},{},",
            field(label),
            rounded(interval.start_s),
            rounded(interval.length_s),
            interval.sent,
            interval.ok,
            interval.failed,
            interval.timed_out,
            interval.in_flight,
            rounded(per_s(interval.sent)),
            rounded(per_s(interval.ok)),
            rounded(interval.stalled_ms),
        ),
    );
    text.push_str(&interval.server_cpu_s.map(|seconds| seconds.to_string()).unwrap_or_default());
    text.push(',');
    text.push_str(&interval.server_rss_bytes.map(|bytes| bytes.to_string()).unwrap_or_default());
    text.push(',');
    text.push_str(&interval.server_switches.map(|switches| switches.to_string()).unwrap_or_default());
    for latency in [&interval.response, &interval.service, &interval.lag] {
        figures(text, latency);
    }
    text.push_str("\r\n");
}

fn figures(text: &mut String, latency: &Latency) {
    let figures =
        [latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.p9999_us, latency.max_us];
    for figure in figures {
        text.push(',');
        if 0 < latency.count {
            append(text, format_args!("{}", rounded(figure)));
        }
    }
}

/// The name of a run as a field. Commas between digits are for eyes, and here they would divide fields.
pub(super) fn field(label: &str) -> String {
    let letters: Vec<char> = label.chars().collect();
    let is_digit = |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(char::is_ascii_digit);
    let divides = |at: usize| letters[at] == ',' && is_digit(at.checked_sub(1)) && is_digit(Some(at + 1));
    let kept = letters.iter().enumerate().filter(|(at, _)| !divides(*at));
    quoted(&kept.map(|(_, letter)| letter).collect::<String>())
}

/// A figure to the thousandth: what follows is how a double ends, and not what was measured.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// A field, in quotes where it has what would end it.
fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

fn append(text: &mut String, words: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(words);
    debug_assert!(written.is_ok(), "writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::example::{example, example_at};

    #[test]
    fn rows_have_as_many_fields_as_the_header() {
        let text = csv(&[example()]);
        let rows: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(rows.len(), 1 + 11);
        let fields = |row: &str| row.split(',').count();
        assert!(rows.iter().all(|row| fields(row) == 14 + 18), "{text}");
        assert!(rows[0].starts_with("run,start_s,") && rows[0].ends_with(",lag_max_us"), "{}", rows[0]);
        assert!(rows[1].starts_with("tcp://127.0.0.1:7000,-1,1,10000,10000,0,0,"), "{}", rows[1]);
        assert!(!text.replace("\r\n", "").contains('\n'));
    }

    #[test]
    fn fields_are_quoted_as_the_rfc_says() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("10,000/s"), "\"10,000/s\"");
        assert_eq!(quoted("a \"b\"\nc"), "\"a \"\"b\"\"\nc\"");
        let text = csv(&[example_at(5000.0), example()]);
        assert_eq!(text.matches("\n5000/s,").count(), 11);
        assert_eq!(field("a,b at 1,234,567/s"), "\"a,b at 1234567/s\"");
        assert_eq!([rounded(0.1 + 0.2), rounded(2.345_678)], [0.3, 2.346]);
    }

    #[test]
    fn what_was_not_measured_is_empty() {
        let mut result = example();
        result.series = vec![Interval { server_cpu_s: Some(0.5), ..Interval::default() }];
        let text = csv(&[result]);
        let row = text.lines().nth(1).unwrap();
        assert!(row.ends_with(&format!(",0.5,{}", ",".repeat(19))), "{row}");
    }
}
