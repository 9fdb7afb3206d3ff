//! What a server has to keep: percentiles below a time, and answers for nearly all.

use std::fmt;
use std::str::FromStr;

use crate::result::{Latency, RunResult};

/// An objective for the response time, as in `p99<2ms`.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    figure: Figure,
    limit_us: f64,
    /// Whether the limit itself is allowed.
    is_inclusive: bool,
    /// As it was typed, without blanks.
    text: String,
}

/// The share of requests that must get a good answer, as in `99.9%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MinOk(pub f64);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Figure {
    /// As in 99.9.
    Percentile(f64),
    Mean,
    Max,
}

impl Slo {
    /// What the run says of it, in microseconds: the greater of two figures, that of good answers, and that of all
    /// requests, in which those that failed or were never answered have the age that they reached. So neither fast
    /// errors nor answers that never came make a server look quick. `None` without a good answer.
    pub fn measured_us(&self, run: &RunResult) -> Option<f64> {
        let response = self.figure.of(&run.latency.response)?;
        Some(self.figure.of(&run.latency.all).map_or(response, |all| all.max(response)))
    }

    /// Whether a figure in microseconds keeps it.
    pub fn is_kept_by(&self, measured_us: f64) -> bool {
        measured_us < self.limit_us || (self.is_inclusive && measured_us <= self.limit_us)
    }

    /// How many good answers lie beyond its percentile, where it is one: with few, it is chance.
    pub fn samples_beyond(&self, run: &RunResult) -> Option<f64> {
        match self.figure {
            Figure::Percentile(percentile) => {
                Some(run.latency.response.count as f64 * (1.0 - percentile / 100.0))
            }
            Figure::Mean | Figure::Max => None,
        }
    }

    /// The name of its figure.
    pub fn figure(&self) -> String {
        match self.figure {
            Figure::Percentile(percentile) => format!("p{percentile}"),
            Figure::Mean => "mean".to_owned(),
            Figure::Max => "max".to_owned(),
        }
    }
}

impl Figure {
    fn of(self, latency: &Latency) -> Option<f64> {
        if latency.count == 0 {
            return None;
        }
        Some(match self {
            Self::Mean => latency.mean_us,
            Self::Max => latency.max_us,
            Self::Percentile(percentile) => {
                let places = crate::result::PERCENTILES.into_iter().zip(latency.percentiles());
                let stated = places.into_iter().find(|(stated, _)| (stated - percentile).abs() < 1e-9);
                match stated {
                    Some((_, value)) => value,
                    None => latency.histogram().ok()?.value_at_percentile(percentile) as f64 / 1000.0,
                }
            }
        })
    }
}

impl MinOk {
    /// The share as it was typed: 0.999, and not one that a double can tell from it.
    pub fn rounded(self) -> f64 {
        (self.0 * 1e8).round() / 1e8
    }

    /// The share of requests that got a good answer.
    pub fn measured(run: &RunResult) -> f64 {
        let requests = &run.requests;
        if requests.scheduled == 0 { 0.0 } else { requests.ok as f64 / requests.scheduled as f64 }
    }
}

impl FromStr for Slo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "an objective is a figure, < or <=, and a time, as in p99<2ms, p99.9<=500us, mean<1ms or max<0.1s"
                .to_owned()
        };
        let text: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
        let (figure, limit) = text.split_once('<').ok_or_else(wrong)?;
        let (is_inclusive, limit) = limit.strip_prefix('=').map_or((false, limit), |limit| (true, limit));
        let figure = match figure {
            "mean" => Figure::Mean,
            "max" => Figure::Max,
            _ => {
                let percentile = figure.strip_prefix('p').and_then(|number| number.parse().ok());
                let percentile = percentile.filter(|percentile| (50.0..=99.99).contains(percentile));
                Figure::Percentile(percentile.ok_or("a percentile is one from p50 to p99.99, as in p99<2ms")?)
            }
        };
        // The longer units first: every one of them ends in s.
        let units = [("us", 1.0), ("µs", 1.0), ("ms", 1e3), ("s", 1e6)];
        let number = units.iter().find_map(|(unit, scale)| Some((limit.strip_suffix(unit)?, scale)));
        let (number, scale) = number.ok_or_else(wrong)?;
        let limit_us = number.parse::<f64>().map_err(|_| wrong())? * scale;
        if !(limit_us.is_finite() && 0.0 < limit_us) {
            return Err(wrong());
        }
        Ok(Self { figure, limit_us, is_inclusive, text })
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for MinOk {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a share is a percentage of more than 0 and at most 100, as in 99.9%".to_owned();
        let percent: f64 = text.strip_suffix('%').ok_or_else(wrong)?.trim().parse().map_err(|_| wrong())?;
        if 0.0 < percent && percent <= 100.0 { Ok(Self(percent / 100.0)) } else { Err(wrong()) }
    }
}

impl fmt::Display for MinOk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded, so that 0.999 is 99.9 and not one that a double can tell from it.
        write!(f, "{} % ok", (self.0 * 1e8).round() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::simulated::run;
    use crate::record::new_histogram;
    use crate::result::Requests;

    fn slo(text: &str) -> Slo {
        text.parse().unwrap()
    }

    #[test]
    fn objectives_are_read() {
        for (text, limit_us) in [
            ("p99<2ms", 2000.0),
            ("p99.9 < 500us", 500.0),
            ("max<0.5s", 5e5),
            ("mean<=10µs", 10.0),
            ("p50<1s", 1e6),
        ] {
            let slo = slo(text);
            assert!(slo.is_kept_by(limit_us * 0.999) && !slo.is_kept_by(limit_us * 1.001), "{text}");
            assert_eq!(slo.is_kept_by(limit_us), text.contains("<="), "{text}");
        }
        assert_eq!(
            (slo("p99.9 < 1ms").to_string(), slo("p99.9<1ms").figure()),
            ("p99.9<1ms".into(), "p99.9".into())
        );
        for wrong in
            ["p99", "p99>2ms", "p99<2", "p99<ms", "p99<-1ms", "p100<1ms", "p49<1ms", "p<1ms", "min<1s", ""]
        {
            assert!(wrong.parse::<Slo>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_are_read() {
        assert_eq!("99.9%".parse::<MinOk>().map(|share| share.to_string()), Ok("99.9 % ok".to_owned()));
        assert_eq!("100%".parse::<MinOk>(), Ok(MinOk(1.0)));
        let rounded = |text: &str| text.parse::<MinOk>().unwrap().rounded().to_string();
        assert_eq!(["99.9%", "99.99%", "0.1%"].map(rounded), ["0.999", "0.9999", "0.001"]);
        for wrong in ["99.9", "0%", "101%", "x%", "NaN%"] {
            assert!(wrong.parse::<MinOk>().is_err(), "{wrong}");
        }
        let mut result = run(1000.0);
        result.requests = Requests { scheduled: 1000, ok: 998, unsent: 2, ..Requests::default() };
        assert!((MinOk::measured(&result) - 0.998).abs() < 1e-12);
    }

    /// Requests that were never answered count with their age, and errors that come fast help nobody.
    #[test]
    fn neither_silence_nor_fast_errors_help() {
        let mut histogram = new_histogram();
        (1..=1000_u64).for_each(|micros| histogram.record(micros * 1000).unwrap());
        let mut result = run(1000.0);
        assert_eq!(slo("p99<1s").measured_us(&result), None);
        result.latency.response = Latency::of(&histogram);
        let measured = |result: &RunResult, text: &str| slo(text).measured_us(result).unwrap();
        assert!((measured(&result, "p97<1s") / 970.0 - 1.0).abs() < 0.001, "a percentile that is not stated");
        assert!((measured(&result, "max<1s") / 1000.0 - 1.0).abs() < 0.001);
        let mut all = histogram.clone();
        all.record_n(5_000_000_000, 100).unwrap();
        result.latency.all = Latency::of(&all);
        assert!((measured(&result, "p99<1s") / 5e6 - 1.0).abs() < 0.001);
        all.record_n(1000, 100_000).unwrap();
        result.latency.all = Latency::of(&all);
        assert!((measured(&result, "p99<1s") / 990.0 - 1.0).abs() < 0.001);
    }
}
