//! Values that are more than a number: rates that change, and lists of addresses.

use std::net::IpAddr;
use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

/// Most addresses that a list may have: as many as a /16 network.
pub const SOURCES_MAX: usize = 1 << 16;

/// Requests per second, from the start of the measured time to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// At the start.
    pub from: f64,
    /// At the end.
    pub to: f64,
}

/// Addresses that connections come from, in turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources(pub Vec<IpAddr>);

/// One rate, which does not change.
pub(super) fn single_rate(text: &str) -> Result<f64, String> {
    let rate: Rate = text.parse()?;
    let is_one = !text.contains("..");
    is_one
        .then_some(rate.from)
        .ok_or_else(|| "a rate that changes is not meant here, but one, as in 5000".to_owned())
}

/// A count, in digits alone.
pub(super) fn whole<N: FromStr<Err = ParseIntError> + Bounded>(text: &str) -> Result<N, String> {
    text.parse().map_err(|error: ParseIntError| match error.kind() {
        IntErrorKind::PosOverflow => format!("it is at most {}", N::MOST),
        _ => "a whole number, as in 1000".to_owned(),
    })
}

/// A kind of number that has an end.
pub(super) trait Bounded {
    /// The last of them.
    const MOST: u64;
}

impl Bounded for u32 {
    const MOST: u64 = Self::MAX as u64;
}

impl Bounded for u64 {
    const MOST: Self = Self::MAX;
}

impl Bounded for usize {
    const MOST: u64 = Self::MAX as u64;
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let rate: f64 = text.replace('_', "").parse().ok()?;
            (rate.is_finite() && 0.0 < rate).then_some(rate)
        };
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        match (number(from), number(to)) {
            (Some(from), Some(to)) => Ok(Self { from, to }),
            _ => Err("a rate is requests per second, more than 0, as in 5000, 0.5 or 1000..5000".to_owned()),
        }
    }
}

impl FromStr for Sources {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "sources are addresses and networks, as in 127.0.0.2,127.1.0.0/24".to_owned();
        let mut addresses = Vec::new();
        for part in text.split(',') {
            match part.parse() {
                Ok(address) => addresses.push(address),
                Err(_) => {
                    let network: ipnet::IpNet = part.parse().map_err(|_| wrong())?;
                    addresses.extend(network.hosts().take(SOURCES_MAX + 1));
                }
            }
            if SOURCES_MAX < addresses.len() {
                return Err(match part.split_once('/') {
                    Some((network, _)) if network.contains('.') => {
                        format!("sources are at most {SOURCES_MAX} addresses. Try: {network}/16")
                    }
                    Some((network, _)) => {
                        format!("sources are at most {SOURCES_MAX} addresses. Try: {network}/112")
                    }
                    None => format!("sources are at most {SOURCES_MAX} addresses"),
                });
            }
        }
        let is_v4 = addresses.first().is_some_and(IpAddr::is_ipv4);
        if addresses.iter().any(|address| address.is_ipv4() != is_v4) {
            return Err("sources are all IPv4 or all IPv6".to_owned());
        }
        Ok(Self(addresses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_numbers_and_ranges() {
        let rate = |text: &str| text.parse::<Rate>().map(|rate| (rate.from, rate.to)).ok();
        assert_eq!(rate("5000"), Some((5000.0, 5000.0)));
        assert_eq!(rate("0.5"), Some((0.5, 0.5)));
        assert_eq!(rate("1_000..2e4"), Some((1000.0, 20_000.0)));
        for wrong in ["", "0", "-1", "inf", "NaN", "1..", "..2", "1..0", "fast"] {
            assert_eq!(rate(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sources_are_addresses_and_networks() {
        let sources = |text: &str| text.parse::<Sources>().map(|sources| sources.0.len());
        assert_eq!(sources("127.0.0.2"), Ok(1));
        assert_eq!(sources("127.0.0.2,127.1.0.0/24"), Ok(255));
        assert_eq!(sources("::1"), Ok(1));
        assert!(sources("127.0.0.0/8").unwrap_err().contains("at most 65536 addresses. Try: 127.0.0.0/16"));
        assert!(sources("127.0.0.1,::1").unwrap_err().contains("all IPv4"));
        assert!(sources("localhost").is_err() && sources("").is_err());
    }
}
