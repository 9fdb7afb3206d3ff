//! The engines, and the tiers of abilities that Tidemill distinguishes, named by the kernel release that completed them for
//! io_uring.
//!
//! At start it is found out by trying what the kernel can do; the tier only caps it, so that one machine can test every
//! path. What a tier switches on is the ring's business.

use std::fmt;
use std::str::FromStr;

/// What completes the operations of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Engine {
    /// The kernel's rings.
    Uring,
    /// The twin by readiness, for hosts that refuse io_uring.
    Epoll,
}

impl Engine {
    /// All engines, the better first.
    pub const ALL: [Self; 2] = [Self::Uring, Self::Epoll];

    /// As it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uring => "uring",
            Self::Epoll => "epoll",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an engine is uring or epoll; leave it out for uring where the host allows it, and epoll elsewhere")]
pub struct NoSuchEngine;

impl FromStr for Engine {
    type Err = NoSuchEngine;

    fn from_str(text: &str) -> Result<Self, NoSuchEngine> {
        Self::ALL.into_iter().find(|engine| engine.name() == text).ok_or(NoSuchEngine)
    }
}

/// A set of an engine's capabilities; a later tier has all of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RingTier {
    /// The floor: multishot accept and receive, provided-buffer rings, deferred task work.
    V6_1,
    /// And no submission array, and multishot time-outs.
    V6_6,
    /// And buffers that are filled incrementally.
    V6_12,
    /// And a credit for multishot receives.
    V6_17,
}

impl RingTier {
    /// All tiers, the earliest first.
    pub const ALL: [Self; 4] = [Self::V6_1, Self::V6_6, Self::V6_12, Self::V6_17];

    /// The kernel release that names the tier.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1",
            Self::V6_6 => "6.6",
            Self::V6_12 => "6.12",
            Self::V6_17 => "6.17",
        }
    }
}

impl fmt::Display for RingTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tier is 6.1, 6.6, 6.12 or 6.17")]
pub struct NoSuchTier;

impl FromStr for RingTier {
    type Err = NoSuchTier;

    fn from_str(text: &str) -> Result<Self, NoSuchTier> {
        Self::ALL.into_iter().find(|tier| tier.name() == text).ok_or(NoSuchTier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tier_is_read_as_it_is_shown_and_the_refusal_lists_it() {
        for tier in RingTier::ALL {
            assert_eq!(tier.to_string().parse(), Ok(tier));
            assert!(NoSuchTier.to_string().contains(tier.name()));
        }
        assert_eq!("6.10".parse::<RingTier>(), Err(NoSuchTier));
    }

    #[test]
    fn every_engine_is_read_as_it_is_shown_and_the_refusal_lists_it() {
        for engine in Engine::ALL {
            assert_eq!(engine.to_string().parse(), Ok(engine));
            assert!(NoSuchEngine.to_string().contains(engine.name()));
        }
        assert_eq!("io_uring".parse::<Engine>(), Err(NoSuchEngine));
    }

    #[test]
    fn tiers_are_ordered_as_releases_and_not_as_text() {
        assert!(RingTier::ALL.is_sorted());
        assert!("6.6".parse::<RingTier>().unwrap() < "6.12".parse().unwrap());
    }
}
