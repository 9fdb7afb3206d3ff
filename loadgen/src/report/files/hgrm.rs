//! A percentile distribution as HdrHistogram prints it, which its plotter takes.
//!
//! The columns are those of `outputPercentileDistribution` in HdrHistogram's Java code, values in milliseconds; see
//! <https://hdrhistogram.github.io/HdrHistogram/plotFiles.html>.

use std::fmt::{self, Write};

use hdrhistogram::Histogram;

use super::FileError;
use crate::result::RunResult;

/// Points on the way to each next half of what is left: 50 %, 75 %, 87.5 % and so on.
const TICKS_PER_HALF_DISTANCE: f64 = 5.0;
const NANOS_PER_MS: f64 = 1e6;

/// The response times of a run.
///
/// # Errors
/// When the result's histogram is damaged.
pub fn hgrm(result: &RunResult) -> Result<String, FileError> {
    let histogram = result.latency.response.histogram()?;
    let mut text = String::new();
    write(&mut text, &histogram).map_err(|error| FileError::Format(error.to_string()))?;
    Ok(text)
}

fn write(text: &mut String, nanos: &Histogram<u64>) -> fmt::Result {
    writeln!(text, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    let digits = usize::from(nanos.sigfig());
    for (level, value, total) in distribution(nanos) {
        let (quantile, ms) = (level / 100.0, value as f64 / NANOS_PER_MS);
        write!(text, "{ms:12.digits$} {quantile:14.12} {total:10}")?;
        // Nothing is beyond the last one, so that nothing can be divided by it.
        if level < 100.0 {
            write!(text, " {:14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(text)?;
    }
    let [mean, deviation, max] =
        [nanos.mean(), nanos.stdev(), nanos.max() as f64].map(|nanos| nanos / NANOS_PER_MS);
    writeln!(text, "#[Mean    = {mean:12.digits$}, StdDeviation   = {deviation:12.digits$}]")?;
    writeln!(text, "#[Max     = {max:12.digits$}, Total count    = {:12}]", nanos.len())?;
    let sub_buckets = (2 * 10_u64.pow(u32::from(nanos.sigfig()))).next_power_of_two();
    writeln!(text, "#[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]", nanos.buckets())
}

/// Percentiles on the way to 100, with the values that reach them, and how many samples are no larger.
///
/// The crate has an iterator of that name, but its levels are sums of inexact fractions, so that it takes 31 of 100
/// samples for 30 %. These are exact, as those of the Java code are.
fn distribution(nanos: &Histogram<u64>) -> Vec<(f64, u64, u64)> {
    let (mut rows, mut level, mut total) = (Vec::new(), 0.0, 0);
    for step in nanos.iter_recorded() {
        total += step.count_at_value();
        let value = nanos.highest_equivalent(step.value_iterated_to());
        while level <= 100.0 * total as f64 / nanos.len() as f64 {
            rows.push((level, value, total));
            let halves = (100.0_f64 / (100.0 - level)).log2().floor();
            level += 100.0 / (TICKS_PER_HALF_DISTANCE * (halves + 1.0).exp2());
            // Every further level is reached by the last value, too; one line stands for them.
            if total == nanos.len() {
                rows.push((100.0, value, total));
                return rows;
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::new_histogram;
    use crate::result::Latency;
    use crate::result::example::example;

    #[test]
    fn the_columns_are_those_of_hdrhistogram() {
        let mut nanos = new_histogram();
        (1..=100_u64).for_each(|ms| nanos.record(ms * 1_000_000).unwrap());
        let mut result = example();
        result.latency.response = Latency::of(&nanos);
        let text = hgrm(&result).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "       Value     Percentile TotalCount 1/(1-Percentile)");
        assert_eq!(lines[1], "");
        assert_eq!(lines[2], "       1.000 0.000000000000          1           1.00");
        let half = lines.iter().find(|line| line.contains(" 0.500000000000 ")).unwrap();
        assert_eq!(*half, "      50.004 0.500000000000         50           2.00");
        assert!(lines.contains(&"      30.015 0.300000000000         30           1.43"), "{text}");
        assert!(lines.iter().any(|line| line.ends_with(" 1.000000000000        100")), "{text}");
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("#[Mean    =       50.499, StdDeviation   =       28.866]")),
            "{text}"
        );
        assert_eq!(
            lines.last().unwrap().len(),
            "#[Buckets =           25, SubBuckets     =         2048]".len()
        );
    }

    #[test]
    fn nothing_recorded_is_still_a_file() {
        let mut result = example();
        result.latency.response = Latency::default();
        assert!(hgrm(&result).unwrap().contains("Total count    =            0]"));
    }
}
