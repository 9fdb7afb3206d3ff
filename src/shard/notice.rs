//! Log lines that peers can cause: a few per second, the rest is only counted.

use std::time::Duration;

use crate::connection::Cut;
use crate::limits;
use crate::metrics::Refused;
use crate::ring::AcceptError;
use crate::sys::address::Peer;
use crate::sys::clock::Time;

/// What may still be said this second, of each kind.
#[derive(Debug)]
pub(super) struct Notices {
    cuts: Allowance,
    pauses: Allowance,
    refusals: Allowance,
}

/// How many lines of a kind this second has had.
#[derive(Debug)]
struct Allowance {
    second: Time,
    lines: u32,
}

impl Notices {
    pub(super) fn new(now: Time) -> Self {
        Self { cuts: Allowance::new(now), pauses: Allowance::new(now), refusals: Allowance::new(now) }
    }

    /// A connection was ended. Returns whether its line was suppressed.
    pub(super) fn cut(&mut self, shard: usize, peer: Peer, cut: Cut, now: Time) -> bool {
        let reason = match cut {
            // Peers come and go as they like.
            Cut::PeerGone | Cut::Service => return false,
            // Said already, and why.
            Cut::Opening | Cut::TurnedAway => return false,
            Cut::Idle => "it was silent for too long",
            Cut::Stalled => "it did not read what waited for it",
            Cut::Linger => "it did not close after we had",
            Cut::LingerInDrain => "the stop had no more time for it to close after we had",
            Cut::SlowConsumer => "it did not keep up with what it listens to",
            Cut::OutboxFull => "too much waited in memory for peers that do not read",
            Cut::InboxFull => "its unfinished frame was too long",
            Cut::Drain => "the drain deadline came",
            Cut::Refused => "the server has all the connections it may have",
            Cut::Unexpected => "of an error that was not foreseen",
        };
        let allowed = self.cuts.allow(now);
        if allowed {
            tracing::info!(shard, %peer, "cut a connection because {reason}");
        }
        !allowed
    }

    /// A peer was turned away. Returns whether its line was suppressed.
    pub(super) fn refused(&mut self, shard: usize, peer: Peer, refused: Refused, now: Time) -> bool {
        let allowed = self.refusals.allow(now);
        if allowed {
            tracing::info!(shard, %peer, reason = refused.label(), "turned a peer away: {}", refused.sentence());
        }
        !allowed
    }

    /// Accepting pauses. Returns whether its line was suppressed.
    pub(super) fn accept_pause(&mut self, shard: usize, error: AcceptError, now: Time) -> bool {
        let allowed = self.pauses.allow(now);
        if allowed {
            tracing::warn!(shard, "accepting pauses: {error}. It goes on by itself when there is room again");
        }
        !allowed
    }
}

impl Allowance {
    fn new(now: Time) -> Self {
        Self { second: now, lines: 0 }
    }

    fn allow(&mut self, now: Time) -> bool {
        if Duration::from_secs(1) <= now.saturating_since(self.second) {
            *self = Self::new(now);
        }
        self.lines += 1;
        self.lines <= limits::LOG_LINES_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_lines_and_the_next_has_new_ones() {
        let mut notices = Allowance::new(Time::ZERO);
        let allowed = |notices: &mut Allowance, at| (0..50).filter(|_| notices.allow(at)).count();
        assert_eq!(allowed(&mut notices, Time::ZERO), 5);
        assert_eq!(allowed(&mut notices, Time::from_nanos(999_999_999)), 0);
        assert_eq!(allowed(&mut notices, Time::from_nanos(1_000_000_000)), 5);
    }
}
