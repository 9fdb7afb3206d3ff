//! What of one publisher's messages has come on one subscription: what is missing, what came twice, what came late.

use std::ops::Range;

use super::stamp::{Stamp, Stride};
use super::subjects::Share;

/// Gaps that are remembered on each track, to tell a message that comes late from one that comes twice. Of older ones
/// nothing more is expected: what comes of them is called a duplicate.
const GAPS_MAX: usize = 256;

/// What came, over all tracks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that came for the first time.
    pub delivered: u64,
    /// Messages that were passed over, and have not come since.
    pub lost: u64,
    /// Messages that came once more.
    pub duplicated: u64,
    /// Messages that came after one that was published later.
    pub reordered: u64,
    /// Messages that are not what was published, or not for that subscription.
    pub corrupt: u64,
}

/// Of one publisher, on one subscription.
#[derive(Clone, Debug)]
pub struct Track {
    /// The stamp of the message that comes next.
    pub expected: Stamp,
    /// Its number.
    pub next: u64,
    /// Messages before this one are not waited for.
    forgiven: u64,
    /// Ranges that were passed over, of which each begins with a message of this track; the oldest first.
    gaps: Vec<Range<u64>>,
}

/// What a message turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is the first time, in order or not.
    New,
    /// It has come before.
    Again,
}

impl Track {
    /// Nothing has come.
    pub fn new(publisher: u32, share: Share) -> Self {
        let expected = Stamp::new(publisher, share.start);
        Self { expected, next: share.start, forgiven: 0, gaps: Vec::new() }
    }

    /// Takes a message that is not, or need not be, the one that comes next.
    pub fn take(&mut self, publisher: u32, number: u64, share: Share, tally: &mut Tally) -> Arrival {
        if number < self.next {
            return self.take_late(number, share, tally);
        }
        if self.next < number {
            let gap = self.next..number;
            tally.lost += share.count(&gap);
            if self.gaps.len() == GAPS_MAX {
                self.gaps.remove(0);
            }
            self.gaps.push(gap);
        }
        self.next = number + share.stride;
        self.expected = Stamp::new(publisher, self.next);
        tally.delivered += 1;
        Arrival::New
    }

    /// Takes the messages that come next, one by one, as [`super::listener`] has found them.
    #[inline]
    pub fn advance(&mut self, messages: u64, expected: Stamp, share: Share) {
        self.next += messages * share.stride;
        self.expected = expected;
    }

    /// The same for one message.
    #[inline]
    pub fn advance_one(&mut self, stride: Stride, share: Share) {
        self.advance(1, self.expected.plus(stride), share);
    }

    /// How far it is behind, when so many were published.
    #[inline]
    pub fn lag(&self, published: u64) -> u64 {
        published.saturating_sub(self.next.max(self.forgiven))
    }

    /// What was published up to now is not waited for any more.
    pub fn forgive(&mut self, published: u64) {
        self.forgiven = published;
    }

    /// Messages that were published behind the last one that came.
    pub fn tail(&self, published: u64, share: Share) -> u64 {
        share.count(&(self.next..published))
    }

    fn take_late(&mut self, number: u64, share: Share, tally: &mut Tally) -> Arrival {
        let Some(at) = self.gaps.iter().position(|gap| gap.contains(&number)) else {
            tally.duplicated += 1;
            return Arrival::Again;
        };
        let gap = self.gaps[at].clone();
        let (before, behind) = (gap.start..number, number + share.stride..gap.end);
        match (before.is_empty(), behind.is_empty()) {
            (true, true) => drop(self.gaps.remove(at)),
            (true, false) => self.gaps[at] = behind,
            (false, true) => self.gaps[at] = before,
            (false, false) => {
                self.gaps[at] = behind;
                self.gaps.insert(at, before);
            }
        }
        tally.lost -= 1;
        tally.reordered += 1;
        tally.delivered += 1;
        Arrival::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What this order of arrivals comes to when `published` were published: delivered, lost, duplicated, reordered.
    fn check(share: Share, arrivals: &[u64], published: u64, expected: [u64; 4]) {
        let mut track = Track::new(2, share);
        let mut tally = Tally::default();
        for &number in arrivals {
            track.take(2, number, share, &mut tally);
            assert_eq!(track.expected, Stamp::new(2, track.next));
        }
        tally.lost += track.tail(published, share);
        let found = [tally.delivered, tally.lost, tally.duplicated, tally.reordered];
        assert_eq!(found, expected, "{arrivals:?} of {published}");
    }

    #[test]
    fn every_fault_is_counted_as_what_it_is() {
        let all = Share { start: 0, stride: 1 };
        check(all, &[0, 1, 2], 3, [3, 0, 0, 0]);
        check(all, &[0, 2], 3, [2, 1, 0, 0]);
        check(all, &[0], 5, [1, 4, 0, 0]);
        check(all, &[], 5, [0, 5, 0, 0]);
        check(all, &[0, 1, 1, 2, 0], 3, [3, 0, 2, 0]);
        check(all, &[1, 0, 2], 3, [3, 0, 0, 1]);
        check(all, &[5, 2, 2, 0, 4], 6, [4, 2, 1, 3]);
        check(all, &[4, 0, 1, 2, 3], 5, [5, 0, 0, 4]);
        check(all, &[4, 3, 2, 1, 0], 5, [5, 0, 0, 4]);
    }

    #[test]
    fn a_track_with_a_stride_counts_its_own_messages() {
        let some = Share { start: 3, stride: 10 };
        check(some, &[3, 13, 23], 30, [3, 0, 0, 0]);
        check(some, &[3, 33], 34, [2, 2, 0, 0]);
        check(some, &[3, 33, 13, 23, 23], 40, [4, 0, 1, 2]);
        check(some, &[3], 13, [1, 0, 0, 0]);
        check(some, &[3], 14, [1, 1, 0, 0]);
    }

    /// Memory is bounded whatever a server does; the sums stay those of what is remembered.
    #[test]
    fn gaps_have_a_bound() {
        let all = Share { start: 0, stride: 1 };
        let (mut track, mut tally) = (Track::new(0, all), Tally::default());
        for number in (1..10_000).step_by(2) {
            assert_eq!(track.take(0, number, all, &mut tally), Arrival::New);
        }
        assert_eq!((track.gaps.len(), tally.lost), (GAPS_MAX, 5000));
        assert_eq!(track.take(0, 0, all, &mut tally), Arrival::Again);
        assert_eq!(track.take(0, 9998, all, &mut tally), Arrival::New);
        assert_eq!((tally.lost, tally.duplicated, tally.reordered), (4999, 1, 1));
    }

    #[test]
    fn what_is_forgiven_does_not_hold_anybody_up() {
        let some = Share { start: 1, stride: 4 };
        let mut track = Track::new(0, some);
        assert_eq!([0, 1, 2, 9].map(|published| track.lag(published)), [0, 0, 1, 8]);
        track.forgive(9);
        assert_eq!([9, 12].map(|published| track.lag(published)), [0, 3]);
        assert_eq!(track.tail(9, some), 2, "it is missing all the same");
    }
}
