//! A line for each of several results, as a sweep has them.

use super::latencies::cell;
use crate::report::show_count;
use crate::result::RunResult;

const HEADER: [&str; 8] = ["connections", "asked/s", "got/s", "p50", "p99", "p99.9", "errors", "verdict"];
const WIDTH: usize = 12;

/// One row for each result: what was asked for, what came, how long it took, and whether to believe it.
pub fn rows(results: &[RunResult]) -> String {
    let header = HEADER.map(str::to_owned);
    std::iter::once(header).chain(results.iter().map(row)).map(|cells| line(&cells)).collect()
}

fn row(result: &RunResult) -> [String; 8] {
    let response = &result.latency.response;
    let requests = &result.requests;
    let errors = requests.failed + requests.timed_out + requests.outstanding + requests.unsent;
    [
        show_count(f64::from(result.config.connections)),
        result.config.rate.map_or_else(|| "closed".to_owned(), show_count),
        show_count(result.throughput.requests_per_second),
        cell(response.count, 50.0, response.p50_us),
        cell(response.count, 99.0, response.p99_us),
        cell(response.count, 99.9, response.p999_us),
        show_count(errors as f64),
        result.verdict.to_string(),
    ]
}

fn line(cells: &[String; 8]) -> String {
    let line: String = cells.iter().map(|cell| format!("{cell:>WIDTH$}")).collect();
    line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::example::example_at;

    #[test]
    fn each_result_has_a_row() {
        let mut closed = example_at(1000.0);
        (closed.config.rate, closed.requests.unsent) = (None, 7);
        let text = rows(&[example_at(20_000.0), closed]);
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0], HEADER);
        assert_eq!(words[1][..3], ["200", "20,000", "20,000"]);
        assert_eq!((words[2][1], words[2][2]), ("closed", "1,000"));
        assert!(text.lines().nth(2).unwrap().ends_with("           7        WARN"), "{text}");
    }
}
