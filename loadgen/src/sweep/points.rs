//! The points of a sweep, as they are typed.

use std::str::FromStr;

/// Most points: more is a slip of the finger, and a day of waiting.
pub const POINTS_MAX: usize = 200;

/// Rates, as in `1000,2000,4000` or `1000..10000:1000`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates(pub Vec<f64>);

/// Numbers of connections, as in `1,8,64,512`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections(pub Vec<u32>);

/// So many values from `from` to `to`, both included, equally far apart; one value is `from`.
pub fn evenly(from: f64, to: f64, count: usize) -> Vec<f64> {
    let step = if 1 < count { (to - from) / (count as f64 - 1.0) } else { 0.0 };
    (0..count).map(|place| from + step * place as f64).collect()
}

impl FromStr for Rates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "rates are requests per second, more than 0, as in 1000,2000,4000, or from..to:step, as in \
             1000..10000:1000"
                .to_owned()
        };
        let number = |text: &str| -> Result<f64, String> {
            let rate: f64 = text.trim().replace('_', "").parse().map_err(|_| wrong())?;
            if rate.is_finite() && 0.0 < rate { Ok(rate) } else { Err(wrong()) }
        };
        let mut rates = Vec::new();
        for part in text.split(',') {
            match part.split_once("..") {
                None => rates.push(number(part)?),
                Some((from, rest)) => {
                    let (to, step) = rest.split_once(':').ok_or_else(wrong)?;
                    let (from, to, step) = (number(from)?, number(to)?, number(step)?);
                    if to < from {
                        return Err(
                            "the first rate must be lower than the last, as in 1000..5000:1000".to_owned()
                        );
                    }
                    // The last one may be missed by as much as a double rounds.
                    let steps = (0..=POINTS_MAX).map(|place| from + step * place as f64);
                    rates.extend(steps.take_while(|rate| *rate <= to * (1.0 + 1e-9)));
                }
            }
        }
        check_count(rates.len())?;
        Ok(Self(rates))
    }
}

impl FromStr for Connections {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "numbers of connections are at least 1, as in 1,8,64,512".to_owned();
        let number = |part: &str| part.trim().replace('_', "").parse().ok().filter(|count| 0 < *count);
        let counts: Option<Vec<u32>> = text.split(',').map(number).collect();
        let counts = counts.ok_or_else(wrong)?;
        check_count(counts.len())?;
        Ok(Self(counts))
    }
}

fn check_count(count: usize) -> Result<(), String> {
    if count <= POINTS_MAX { Ok(()) } else { Err(format!("a sweep has at most {POINTS_MAX} points")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_read() {
        let rates = |text: &str| text.parse::<Rates>().map(|rates| rates.0);
        assert_eq!(rates("1000,2_000,4e3"), Ok(vec![1000.0, 2000.0, 4000.0]));
        assert_eq!(rates("1000..3000:1000,9000"), Ok(vec![1000.0, 2000.0, 3000.0, 9000.0]));
        assert_eq!(rates("0.1..0.3:0.1").map(|rates| rates.len()), Ok(3));
        assert_eq!(rates("5..5:1"), Ok(vec![5.0]));
        for wrong in ["", "0", "-1", "1,", "1..2", "2..1:1", "1..2:0", "inf", "x", "1..1000:1"] {
            assert!(rates(wrong).is_err(), "{wrong}");
        }
        assert_eq!("1,8,64".parse(), Ok(Connections(vec![1, 8, 64])));
        for wrong in ["", "0", "1,x", "-1", "1.5"] {
            assert!(wrong.parse::<Connections>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn points_are_spread_evenly() {
        assert_eq!(evenly(1000.0, 4000.0, 4), [1000.0, 2000.0, 3000.0, 4000.0]);
        assert_eq!(evenly(1000.0, 4000.0, 1), [1000.0]);
        assert!(evenly(1.0, 2.0, 0).is_empty());
    }
}
