//! A histogram log, V2: whole histograms, one line for each interval and kind, as HdrHistogram's log tools read them.

use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::FileError;
use crate::result::{Interval, Latency, RunResult};

/// The one column that is for people to read is in milliseconds.
const NANOS_PER_MS: f64 = 1e6;

/// The histograms of the measured time; the sum of a tag's lines leaves the warm-up out, as the result does.
///
/// # Errors
/// When a histogram is damaged or was not kept, and when the result does not tell when it began.
pub fn hlog(result: &RunResult) -> Result<Vec<u8>, FileError> {
    let start = started_at(result)?;
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("[Values are nanoseconds; Interval_Max is in milliseconds]")
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(NANOS_PER_MS);
    let (mut log, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    let cannot = |error: &dyn std::fmt::Display| FileError::Format(error.to_string());
    let mut writer = builder.begin_log_with(&mut log, &mut serializer).map_err(|error| cannot(&error))?;
    for interval in result.series.iter().filter(|interval| 0.0 <= interval.start_s) {
        let (start, length) = (seconds(interval.start_s)?, seconds(interval.length_s)?);
        for (tag, latency) in tagged(interval) {
            if latency.hdr.is_none() && 0 < latency.count {
                return Err(FileError::NoHistograms);
            }
            let histogram = latency.histogram()?;
            writer
                .write_histogram(&histogram, start, length, Tag::new(tag))
                .map_err(|error| cannot(&error))?;
        }
    }
    Ok(log)
}

/// The tags of the lines, with their histograms.
fn tagged(interval: &Interval) -> [(&'static str, &Latency); 3] {
    [("response", &interval.response), ("service", &interval.service), ("lag", &interval.lag)]
}

fn started_at(result: &RunResult) -> Result<SystemTime, FileError> {
    let wrong = |_| FileError::Start(result.started_at.clone());
    humantime::parse_rfc3339_weak(&result.started_at).map_err(wrong)
}

fn seconds(seconds: f64) -> Result<Duration, FileError> {
    Duration::try_from_secs_f64(seconds).map_err(|error| FileError::Format(error.to_string()))
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::result::example::example;

    #[test]
    fn there_is_a_line_for_each_interval_and_kind() {
        let log = hlog(&example()).unwrap();
        let text = std::str::from_utf8(&log).unwrap();
        // 2026-01-31T12:00:00.250Z by date(1).
        assert!(text.contains("#[StartTime: 1769860800.250 (seconds since epoch)]\n"), "{}", &text[..300]);
        assert!(text.contains("#[BaseTime: 1769860800.250 (seconds since epoch)]\n"));
        assert!(text.contains("Tag=response,9.000,1.000,"));
        let intervals =
            IntervalLogIterator::new(&log).filter(|entry| matches!(entry, Ok(LogEntry::Interval(_)))).count();
        assert_eq!(intervals, 30);
    }

    #[test]
    fn what_is_not_there_is_not_made_up() {
        let mut result = example();
        result.series[3].lag.hdr = None;
        assert!(matches!(hlog(&result), Err(FileError::NoHistograms)));
        let mut result = example();
        result.started_at = "yesterday".to_owned();
        assert!(hlog(&result).unwrap_err().to_string().contains("yesterday"));
        let mut result = example();
        result.series[3].length_s = f64::NAN;
        assert!(matches!(hlog(&result), Err(FileError::Format(_))));
    }
}
