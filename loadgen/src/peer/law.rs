//! When an answer leaves: a law, as it is written on the command line, and the departures that follow from it.
//!
//! A departure is a pure function of the law, the seed and the arrivals so far. Nothing here reads a clock.

use std::str::FromStr;
use std::time::Duration;

use tidemill::config::units::parse_duration;
use tidemill::sys::clock::Time;

use crate::random::Random;

/// Longest delay that a law may ask for: whoever waits longer has given up.
pub const DELAY_MAX: Duration = Duration::from_secs(3600);
/// Most delays that one law may mix.
pub const MIXED_MAX: usize = 16;
/// Highest rate of service, in messages per second: one per nanosecond, the clock's grain.
pub const SERVICE_RATE_MAX: f64 = 1e9;

/// How long answers are held back.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Law {
    /// Not at all.
    #[default]
    None,
    /// Each for the same time.
    Fixed(Duration),
    /// Each for one of these times, by chance. The shares are 1 together.
    Mix(Vec<Share>),
    /// One queue for all, before one server whose work on a message takes an exponential time with this mean, in
    /// nanoseconds: with Poisson arrivals, an M/M/1 queue.
    Mm1(f64),
    /// Nothing departs during the end of each period.
    Stall(Stall),
}

/// One of the delays of a mix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// How often it is drawn, from 0 to 1.
    pub share: f64,
    /// The delay.
    pub delay: Duration,
}

/// A server that stops now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// From the beginning of one period to that of the next. The first begins with the first message.
    pub period: Duration,
    /// The last part of each period, in which nothing departs.
    pub length: Duration,
    /// How long each answer takes besides.
    pub base: Duration,
}

/// A text that is no law, and what it should have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LawError {
    /// No such law.
    #[error(
        "a law is none, fixed:10ms, mix:99%@100us,1%@10ms, mm1:2000 or stall:10s,1s, with an optional third time \
         for each answer, as in stall:10s,1s,1ms"
    )]
    Unknown,
    /// Not a time, or too long a one.
    #[error("{0:?} is not a delay: write a number with its unit, as in 100us or 10ms, of at most an hour")]
    Delay(String),
    /// A part of a mix without its share or its delay.
    #[error("{0:?} is not a part of a mix: write its share and its delay, as in 1%@10ms")]
    Part(String),
    /// The shares are not the whole.
    #[error("the shares of a mix are 100 % together, and these are {0} %")]
    Sum(String),
    /// Too many parts.
    #[error("a mix has at most {MIXED_MAX} parts")]
    TooMany,
    /// Not a rate.
    #[error(
        "{0:?} is not a rate of service: write messages per second, above 0 and at most 1e9, as in mm1:2000"
    )]
    Rate(String),
    /// A stall that leaves no time to depart in.
    #[error("a stall is shorter than its period and longer than nothing, as in stall:10s,1s")]
    Stall,
}

impl FromStr for Law {
    type Err = LawError;

    fn from_str(text: &str) -> Result<Self, LawError> {
        match text.split_once(':') {
            None if text == "none" => Ok(Self::None),
            Some(("fixed", delay)) => parse_delay(delay).map(Self::Fixed),
            Some(("mix", parts)) => parse_mix(parts).map(Self::Mix),
            Some(("mm1", rate)) => parse_service(rate).map(Self::Mm1),
            Some(("stall", times)) => parse_stall(times).map(Self::Stall),
            None | Some(_) => Err(LawError::Unknown),
        }
    }
}

/// A law at work: what it has drawn so far, and what it remembers.
#[derive(Clone, Debug)]
pub struct Departures {
    law: Law,
    random: Random,
    /// When the one server of a queue is done with its work.
    last: Time,
    /// When the first message arrived.
    first: Option<Time>,
}

impl Departures {
    /// The same law and seed give the same delays.
    pub fn new(law: Law, seed: u64) -> Self {
        Self { law, random: Random::new(seed), last: Time::ZERO, first: None }
    }

    /// When the answer to the message leaves that arrived now. Arrivals never go back.
    pub fn departure(&mut self, arrival: Time) -> Time {
        let first = *self.first.get_or_insert(arrival);
        match &self.law {
            Law::None => arrival,
            Law::Fixed(delay) => arrival.saturating_add(*delay),
            Law::Mix(shares) => arrival.saturating_add(draw(shares, self.random.unit())),
            Law::Mm1(mean) => {
                let work = Duration::from_secs_f64(self.random.exponential(*mean) / 1e9);
                self.last = arrival.max(self.last).saturating_add(work);
                self.last
            }
            Law::Stall(stall) => stall.departure(first, arrival),
        }
    }
}

impl Stall {
    /// When the answer leaves: where it would leave during a stall, at the end of that.
    fn departure(&self, first: Time, arrival: Time) -> Time {
        let ready = arrival.saturating_add(self.base);
        let since = ready.saturating_since(first).as_nanos();
        let period = self.period.as_nanos();
        let left = u64::try_from(period - since % period).expect("a period is at most an hour");
        let left = Duration::from_nanos(left);
        if left <= self.length { ready.saturating_add(left) } else { ready }
    }
}

/// The delay whose share this number, above 0 and at most 1, falls into.
fn draw(shares: &[Share], number: f64) -> Duration {
    let mut end = 0.0;
    for share in shares {
        end += share.share;
        if number <= end {
            return share.delay;
        }
    }
    // Shares may add up to a little less than 1.
    shares.last().map_or(Duration::ZERO, |share| share.delay)
}

/// Reads a percentage as a share from 0 to 1.
pub(super) fn parse_percentage(text: &str) -> Option<f64> {
    let number: f64 = text.strip_suffix('%')?.trim_end().parse().ok()?;
    (0.0..=100.0).contains(&number).then_some(number / 100.0)
}

fn parse_delay(text: &str) -> Result<Duration, LawError> {
    let delay = parse_duration(text).ok().filter(|delay| *delay <= DELAY_MAX);
    delay.ok_or_else(|| LawError::Delay(text.to_owned()))
}

fn parse_mix(text: &str) -> Result<Vec<Share>, LawError> {
    let part = |text: &str| {
        let wrong = || LawError::Part(text.to_owned());
        let (share, delay) = text.split_once('@').ok_or_else(wrong)?;
        let share = parse_percentage(share.trim()).ok_or_else(wrong)?;
        Ok(Share { share, delay: parse_delay(delay.trim())? })
    };
    if MIXED_MAX < text.split(',').count() {
        return Err(LawError::TooMany);
    }
    let shares = text.split(',').map(|text| part(text.trim())).collect::<Result<Vec<Share>, LawError>>()?;
    let sum: f64 = shares.iter().map(|share| share.share).sum();
    // What is written in decimal need not be exact in binary.
    if (sum - 1.0).abs() < 1e-9 { Ok(shares) } else { Err(LawError::Sum(format!("{:.6}", 100.0 * sum))) }
}

/// The mean time of service, in nanoseconds.
fn parse_service(text: &str) -> Result<f64, LawError> {
    let rate: Option<f64> = text.replace('_', "").parse().ok();
    let rate = rate.filter(|rate| 0.0 < *rate && *rate <= SERVICE_RATE_MAX);
    let mean = rate.map(|rate| 1e9 / rate).filter(|mean| *mean <= DELAY_MAX.as_secs_f64() * 1e9);
    mean.ok_or_else(|| LawError::Rate(text.to_owned()))
}

fn parse_stall(text: &str) -> Result<Stall, LawError> {
    let times = text.split(',').map(|text| parse_delay(text.trim())).collect::<Result<Vec<_>, LawError>>()?;
    let stall = match times[..] {
        [period, length] => Stall { period, length, base: Duration::ZERO },
        [period, length, base] => Stall { period, length, base },
        _ => return Err(LawError::Unknown),
    };
    let is_stall = !stall.length.is_zero() && stall.length < stall.period;
    if is_stall { Ok(stall) } else { Err(LawError::Stall) }
}

#[cfg(test)]
mod tests;
