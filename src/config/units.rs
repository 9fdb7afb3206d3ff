//! Sizes, durations, cores and permissions, as people write them: the same in flags, in the file and in messages.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::access::rate::{Rate, RateError};
use crate::limits;

/// A text that could not be read, and how it should have been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(&'static str);

const SIZE: Unreadable = Unreadable("a size is a number of bytes, KiB, MiB or GiB, such as 256KiB");
const DURATION: Unreadable = Unreadable("a duration is a number with its unit, such as 250ms, 30s or 10m");
const CORES: Unreadable =
    Unreadable("cores are numbers below 1024 and ranges of them, each core once, such as 0,2-3");
const MODE: Unreadable = Unreadable("a mode is three octal digits, such as 660");

const SPEED: Unreadable = Unreadable("a speed is a size in each second, such as 1KiB/s");
const NUMBER: Unreadable = Unreadable("it takes a whole number");

const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Reads a size in bytes.
pub fn parse_size(text: &str) -> Result<u64, Unreadable> {
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| text.strip_suffix(name).map(|number| (number.trim_end(), *unit)))
        .unwrap_or((text, 1));
    parse_digits(number).and_then(|number| number.checked_mul(unit)).ok_or(SIZE)
}

/// Writes a size with the largest unit that leaves a whole number.
pub fn show_size(bytes: u64) -> String {
    match UNITS.iter().find(|(_, unit)| bytes != 0 && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// Reads bytes in each second.
pub fn parse_bytes_per_second(text: &str) -> Result<u64, Unreadable> {
    text.strip_suffix("/s").and_then(|size| parse_size(size.trim_end()).ok()).ok_or(SPEED)
}

/// Writes bytes in each second.
pub fn show_bytes_per_second(bytes: u64) -> String {
    format!("{}/s", show_size(bytes))
}

/// Reads how often something may happen.
pub fn parse_rate(text: &str) -> Result<Rate, String> {
    Rate::parse(text).map_err(|error| error.to_string())
}

/// Reads how many bytes may come.
pub fn parse_byte_rate(text: &str) -> Result<Rate, String> {
    let rate = Rate::parse_with(text, |size| parse_size(size).ok());
    rate.map_err(|error| match error {
        RateError::Form => {
            "a rate of bytes is a size and its time, such as 1MiB/s or 1MiB/s burst 4MiB".to_owned()
        }
        _ => error.to_string(),
    })
}

/// Writes how many bytes may come.
pub fn show_byte_rate(rate: &Rate) -> String {
    rate.show_with(show_size)
}

/// Writes a size as it stands in a sentence, where a bare number would be a riddle.
pub fn say_size(bytes: u64) -> String {
    let shown = show_size(bytes);
    if shown.bytes().all(|byte| byte.is_ascii_digit()) { format!("{shown} bytes") } else { shown }
}

/// Reads a whole number.
pub fn parse_number(text: &str) -> Result<u64, Unreadable> {
    parse_digits(text).ok_or(NUMBER)
}

/// Reads a number of shards.
pub fn parse_shards(text: &str) -> Result<u64, String> {
    parse_digits(text).ok_or_else(shards_wanted)
}

/// Reads a number of connections.
pub fn parse_connections(text: &str) -> Result<u64, String> {
    parse_digits(text).ok_or_else(connections_wanted)
}

/// What a number of shards can be.
pub fn shards_wanted() -> String {
    format!("it takes a whole number from 1 to {}", limits::SHARDS_MAX)
}

/// What a number of connections can be.
pub fn connections_wanted() -> String {
    format!("it takes a whole number from 1 to {} for each shard", limits::CONNECTIONS_PER_SHARD_MAX)
}

/// Reads a duration.
pub fn parse_duration(text: &str) -> Result<Duration, Unreadable> {
    humantime::parse_duration(text).map_err(|_| DURATION)
}

/// Writes a duration.
pub fn show_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// Reads the permissions of a file.
pub fn parse_mode(text: &str) -> Result<u32, Unreadable> {
    let is_octal = text.len() == 3 && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    if is_octal { u32::from_str_radix(text, 8).map_err(|_| MODE) } else { Err(MODE) }
}

/// Writes the permissions of a file.
pub fn show_mode(mode: u32) -> String {
    format!("{mode:03o}")
}

/// Cores in the order they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cores(pub Vec<usize>);

impl FromStr for Cores {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let mut cores = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (parse_core(first)?, parse_core(last)?);
            if last < first || cores.iter().any(|core| (first..=last).contains(core)) {
                return Err(CORES);
            }
            cores.extend(first..=last);
        }
        Ok(Self(cores))
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, run) in self.0.chunk_by(|core, next| core + 1 == *next).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match run {
                [core] => write!(f, "{comma}{core}")?,
                _ => write!(f, "{comma}{}-{}", run[0], run[run.len() - 1])?,
            }
        }
        Ok(())
    }
}

fn parse_core(text: &str) -> Result<usize, Unreadable> {
    let core = parse_digits(text.trim()).and_then(|core| usize::try_from(core).ok());
    core.filter(|&core| core < limits::SHARDS_MAX).ok_or(CORES)
}

/// Digits and nothing else: the standard library would take a plus sign too.
fn parse_digits(text: &str) -> Option<u64> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |text: &str, bytes| assert_eq!(parse_size(text), Ok(bytes), "{text}");
        check("0", 0);
        check("65537", 65_537);
        check("256KiB", 262_144);
        check("1 MiB", 1_048_576);
        check("3GiB", 3_221_225_472);
        for text in ["", "KiB", "1KB", "1.5MiB", "-1", "+1", "1kib", "17179869184GiB", "99999999999999999999"]
        {
            assert_eq!(parse_size(text), Err(SIZE), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_with_the_largest_whole_unit() {
        let check = |bytes, text: &str| assert_eq!(show_size(bytes), text);
        check(0, "0");
        check(1_000, "1000");
        check(1_024, "1KiB");
        check(1_048_576, "1MiB");
        check(1_573_000, "1573000");
        check(1_572_864, "1536KiB");
        check(268_435_456, "256MiB");
    }

    #[test]
    fn a_sentence_names_the_unit() {
        assert_eq!(say_size(1_000_000), "1000000 bytes");
        assert_eq!(say_size(0), "0 bytes");
        assert_eq!(say_size(65_536), "64KiB");
    }

    #[test]
    fn durations() {
        let check = |text: &str, millis| {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}")
        };
        check("5ms", 5);
        check("10m", 600_000);
        check("1h 30m", 5_400_000);
        for text in ["", "10", "ten minutes", "-1s", "99999999999999999999s"] {
            assert_eq!(parse_duration(text), Err(DURATION), "{text}");
        }
        assert_eq!(show_duration(Duration::from_secs(90)), "1m 30s");
    }

    #[test]
    fn cores() {
        let check = |text: &str, cores: &[usize], shown: &str| {
            let parsed: Cores = text.parse().unwrap();
            assert_eq!(parsed.0, cores, "{text}");
            assert_eq!(parsed.to_string(), shown);
        };
        check("0", &[0], "0");
        check("0,2-3", &[0, 2, 3], "0,2-3");
        check("3, 1, 2", &[3, 1, 2], "3,1-2");
        check("1023", &[1023], "1023");
        for text in ["", ",", "0,", "a", "3-2", "1,1", "0-2,2", "1024", "0-99999999999", "-1", "1-2-3"] {
            assert_eq!(text.parse::<Cores>(), Err(CORES), "{text}");
        }
    }

    #[test]
    fn speeds() {
        let check = |text: &str, bytes| assert_eq!(parse_bytes_per_second(text), Ok(bytes), "{text}");
        check("1KiB/s", 1024);
        check("100/s", 100);
        check("2 MiB /s", 2_097_152);
        assert_eq!(show_bytes_per_second(1024), "1KiB/s");
        for text in ["", "/s", "1KiB", "1KiB/m", "1KB/s"] {
            assert_eq!(parse_bytes_per_second(text), Err(SPEED), "{text}");
        }
    }

    #[test]
    fn rates_of_bytes() {
        let check = |text: &str, shown: &str| {
            let rate = parse_byte_rate(text).unwrap();
            assert_eq!(show_byte_rate(&rate), shown);
            assert_eq!(parse_byte_rate(shown), Ok(rate));
        };
        check("1MiB/s burst 4MiB", "1MiB/s burst 4MiB");
        check("1MiB/s", "1MiB/s burst 1MiB");
        check("60KiB/m", "60KiB/m burst 1KiB");
        check("100/s", "100/s burst 100");
        for (text, words) in
            [("1MB/s", "a rate of bytes is a size"), ("0/s", "lets nothing pass"), ("1MiB", "its time")]
        {
            assert!(parse_byte_rate(text).unwrap_err().contains(words), "{text}");
        }
    }

    #[test]
    fn modes() {
        assert_eq!(parse_mode("660"), Ok(0o660));
        assert_eq!(show_mode(0o007), "007");
        for text in ["", "66", "0660", "888", "+60", "rw-"] {
            assert_eq!(parse_mode(text), Err(MODE), "{text}");
        }
    }
}
