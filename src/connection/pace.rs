//! How fast connections go: what each has transferred, compared with what it had a while ago.
//!
//! Whoever asks leaves a mark behind, that the next answer is compared with. So nothing is counted on the path of a byte, and
//! nobody pays but those who look. Several who look share the marks: no answer is compared with one that is nearly as new, so
//! that each covers [`PACE_SPAN_MIN`] at least.

use super::Listed;
use crate::limits::{PACE_KEPT, PACE_SPAN_MIN};
use crate::sys::clock::Time;

/// Bytes per second of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Those that the peer sends.
    pub received: u64,
    /// Those that the peer is sent.
    pub sent: u64,
}

/// What all connections of a shard had transferred when somebody asked: at two moments, of which the later one may be too
/// new to be compared with.
#[derive(Debug, Default)]
pub struct Paces {
    older: Option<Mark>,
    newer: Option<Mark>,
    asked: Time,
}

#[derive(Debug)]
struct Mark {
    at: Time,
    /// By slot, in ascending order.
    transferred: Vec<Transferred>,
}

#[derive(Clone, Copy, Debug)]
struct Transferred {
    slot: u32,
    /// Tells the connection from an earlier one in its slot.
    since: Time,
    received: u64,
    sent: u64,
}

impl Paces {
    /// Tells the paces of all connections of a shard, which come by slot; nobody has one before the second time.
    pub fn tell(&mut self, now: Time, all: &mut [Listed]) {
        self.asked = now;
        let is_old = |mark: &Mark| PACE_SPAN_MIN <= now.saturating_since(mark.at);
        let renews = self.newer.as_ref().is_none_or(is_old);
        let base = if renews { &self.newer } else { &self.older };
        if let Some(base) = base {
            all.iter_mut().for_each(|listed| listed.pace = Some(base.pace(now, listed)));
        }
        if renews {
            self.older = self.newer.replace(Mark::of(now, all));
        }
    }

    /// Forgets all when nobody has asked for long.
    pub fn expire(&mut self, now: Time) {
        if self.newer.is_some() && PACE_KEPT <= now.saturating_since(self.asked) {
            *self = Self::default();
        }
    }
}

impl Mark {
    fn of(at: Time, all: &[Listed]) -> Self {
        let transferred = |listed: &Listed| Transferred {
            slot: listed.slot,
            since: listed.since,
            received: listed.bytes_received,
            sent: listed.bytes_sent,
        };
        Self { at, transferred: all.iter().map(transferred).collect() }
    }

    /// What a connection has transferred since then, by the second. One that has come since then had transferred nothing.
    fn pace(&self, now: Time, listed: &Listed) -> Pace {
        let found = self.transferred.binary_search_by_key(&listed.slot, |before| before.slot);
        let before = found.ok().map(|at| self.transferred[at]).filter(|before| before.since == listed.since);
        let (received, sent) = before.map_or((0, 0), |before| (before.received, before.sent));
        let nanos = now.saturating_since(self.at).as_nanos().max(1);
        let per_second =
            |bytes: u64| u64::try_from(u128::from(bytes) * 1_000_000_000 / nanos).unwrap_or(u64::MAX);
        Pace {
            received: per_second(listed.bytes_received.saturating_sub(received)),
            sent: per_second(listed.bytes_sent.saturating_sub(sent)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sys::address::Peer;

    /// In milliseconds.
    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    /// A connection that came at this second, with what it has received and sent.
    fn listed(slot: u32, (since, bytes_received, bytes_sent): (u64, u64, u64)) -> Listed {
        Listed {
            shard: 0,
            slot,
            listener: 0,
            peer: Peer::Unix,
            since: at(since * 1000),
            last_active: at(since * 1000),
            age: Duration::ZERO,
            idle: Duration::ZERO,
            state: "open",
            protocol: "echo",
            tls: None,
            bytes_received,
            bytes_sent,
            pending_bytes: 0,
            pace: None,
            about: None,
            interest: None,
        }
    }

    /// Those of slots 0, 1 and so on.
    fn all(rows: &[(u64, u64, u64)]) -> Vec<Listed> {
        (0..).zip(rows).map(|(slot, row)| listed(slot, *row)).collect()
    }

    #[track_caller]
    fn check(paces: &mut Paces, millis: u64, rows: &[(u64, u64, u64)], expected: &[Option<(u64, u64)>]) {
        let mut all = all(rows);
        paces.tell(at(millis), &mut all);
        let found: Vec<_> =
            all.iter().map(|listed| listed.pace.map(|pace| (pace.received, pace.sent))).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_pace_is_what_was_transferred_since_the_time_before() {
        let mut paces = Paces::default();
        check(&mut paces, 10_000, &[(1, 1000, 0), (2, 50, 70)], &[None, None]);
        // 2 s later: 3000 and 0 bytes more, 0 and 500.
        check(&mut paces, 12_000, &[(1, 4000, 0), (2, 50, 570)], &[Some((1500, 0)), Some((0, 250))]);
        check(&mut paces, 12_500, &[(1, 4001, 0), (2, 50, 570)], &[Some((2, 0)), Some((0, 0))]);
    }

    #[test]
    fn a_slot_with_another_connection_begins_anew() {
        let mut paces = Paces::default();
        check(&mut paces, 1000, &[(0, 1_000_000, 9)], &[None]);
        check(&mut paces, 2000, &[(1, 30, 40), (1, 7, 8)], &[Some((30, 40)), Some((7, 8))]);
        check(&mut paces, 3000, &[(1, 31, 40)], &[Some((1, 0))]);
    }

    /// Somebody else's question in between changes what the answer covers, and never to less than the least.
    #[test]
    fn several_who_look_share_the_marks() {
        let mut paces = Paces::default();
        check(&mut paces, 1000, &[(0, 0, 0)], &[None]);
        check(&mut paces, 1100, &[(0, 10, 0)], &[None]);
        check(&mut paces, 2000, &[(0, 100, 0)], &[Some((100, 0))]);
        // Too near to the mark at 2000: compared with that at 1000, 200 bytes in 1.25 s.
        check(&mut paces, 2250, &[(0, 200, 0)], &[Some((160, 0))]);
        check(&mut paces, 2500, &[(0, 350, 0)], &[Some((500, 0))]);
    }

    #[test]
    fn marks_are_kept_while_somebody_looks() {
        let mut paces = Paces::default();
        check(&mut paces, 1000, &[(0, 0, 0)], &[None]);
        paces.expire(at(60_999));
        assert!(paces.newer.is_some());
        paces.expire(at(61_000));
        assert!(paces.newer.is_none());
        check(&mut paces, 62_000, &[(0, 5, 0)], &[None]);
    }
}
