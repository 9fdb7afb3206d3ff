//! A line of JSON for each interval while the run goes, and one for the whole at its end.

use crate::result::{Interval, RunResult};

/// One interval, with its end of line.
///
/// # Errors
/// When it cannot be JSON, as figures that are not numbers cannot.
pub fn interval_line(interval: &Interval) -> Result<String, serde_json::Error> {
    serde_json::to_string(interval).map(|line| line + "\n")
}

/// The result without its series, whose lines came before; it is told by its `schema`, which they do not have.
///
/// # Errors
/// As above.
pub fn total_line(result: &RunResult) -> Result<String, serde_json::Error> {
    let total = RunResult { series: Vec::new(), ..result.clone() };
    serde_json::to_string(&total).map(|line| line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::example::example;

    #[test]
    fn each_is_one_line_that_can_be_read_back() {
        let result = example();
        let line = interval_line(&result.series[0]).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(serde_json::from_str::<Interval>(&line).unwrap(), result.series[0]);
        let line = total_line(&result).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        let total: RunResult = serde_json::from_str(&line).unwrap();
        assert!(total.series.is_empty() && total.latency == result.latency);
    }
}
