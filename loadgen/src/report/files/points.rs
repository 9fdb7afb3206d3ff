//! A row for each run of several, for spreadsheets and plotters (RFC 4180).

use std::fmt::Write;

use super::csv::{field, rounded};
use crate::report::label::labels;
use crate::result::{Latency, RunResult};

/// Columns before those of latencies; the unit stands last in each name, and counts have none.
const COLUMNS: &str = "run,rate_per_s,connections,depth,ok_per_s,scheduled,ok,failed,timed_out,outstanding,unsent,generator_cpu_us,server_cpu_us,verdict";
/// Figures of each kind of latency.
const FIGURES: [&str; 7] = ["mean_us", "p50_us", "p90_us", "p99_us", "p999_us", "p9999_us", "max_us"];

/// The figures of all runs as wholes. What was not asked for or not measured is an empty field.
pub fn points(results: &[RunResult]) -> String {
    let mut text = COLUMNS.to_owned();
    for (kind, figure) in ["response", "service"].iter().flat_map(|kind| FIGURES.map(|name| (kind, name))) {
        append(&mut text, format_args!(",{kind}_{figure}"));
    }
    text.push_str("\r\n");
    for (label, result) in labels(results).iter().zip(results) {
        row(&mut text, label, result);
    }
    text
}

fn row(text: &mut String, label: &str, result: &RunResult) {
    let (config, requests) = (&result.config, &result.requests);
    let optional = |value: Option<f64>| value.map(|value| rounded(value).to_string()).unwrap_or_default();
    append(
        text,
        format_args!(
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            field(label),
            optional(config.rate),
            config.connections,
            config.depth,
            rounded(result.throughput.requests_per_second),
            requests.scheduled,
            requests.ok,
            requests.failed,
            requests.timed_out,
            requests.outstanding,
            requests.unsent,
            optional(result.generator.cpu_us_per_request),
            optional(result.server.as_ref().and_then(|server| server.cpu_us_per_request)),
            result.verdict.to_string().to_lowercase(),
        ),
    );
    for latency in [&result.latency.response, &result.latency.service] {
        figures(text, latency);
    }
    text.push_str("\r\n");
}

fn figures(text: &mut String, latency: &Latency) {
    let figures = [
        latency.mean_us,
        latency.p50_us,
        latency.p90_us,
        latency.p99_us,
        latency.p999_us,
        latency.p9999_us,
        latency.max_us,
    ];
    for figure in figures {
        text.push(',');
        if 0 < latency.count {
            append(text, format_args!("{}", rounded(figure)));
        }
    }
}

fn append(text: &mut String, words: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(words);
    debug_assert!(written.is_ok(), "writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::example::example_at;

    #[test]
    fn each_run_is_a_row_with_as_many_fields_as_the_header() {
        let mut closed = example_at(2000.0);
        (closed.config.rate, closed.server, closed.latency.service) = (None, None, Latency::default());
        let text = points(&[example_at(1000.0), closed]);
        let rows: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(rows.iter().map(|row| row.split(',').count()).collect::<Vec<_>>(), [14 + 14; 3]);
        assert!(rows[1].starts_with("1000/s,1000,200,1,1000,10000,10000,0,0,0,0,"), "{}", rows[1]);
        assert!(rows[1].contains(",warn,") && !text.contains('"'), "{}", rows[1]);
        assert!(rows[2].starts_with("200 × 1,,200,1,2000,20000,") && rows[2].ends_with(&",".repeat(7)));
    }
}
