//! How long what is delivered was in the server: what a turn sends, by when it came in.
//!
//! What clients have heard is counted when it is published, and taken away again where it is not sent after all: because it is
//! held back, or for somebody who has gone. It must not know who heard what.

use crate::sys::clock::Time;

/// Messages that are sent in a turn, one for each who is sent it, by when they came in.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    counts: Vec<(Time, u64)>,
}

impl Deliveries {
    /// So many are sent that came in then.
    pub(super) fn add(&mut self, came: Time, count: u64) {
        match self.counts.last_mut() {
            Some((last, sum)) if *last == came => *sum += count,
            _ if count == 0 => {}
            _ => self.counts.push((came, count)),
        }
    }

    /// So many are not sent after all. Those that came in then go first: where it is not known when they came, the times of
    /// others may go in their place, but the number stays true.
    pub(super) fn take_away(&mut self, came: Time, count: u64) {
        let mut left = count;
        let of_then = self.counts.iter().position(|(time, _)| *time == came);
        for place in of_then.into_iter().chain(0..self.counts.len()) {
            let sum = &mut self.counts[place].1;
            let taken = left.min(*sum);
            *sum -= taken;
            left -= taken;
            if left == 0 {
                break;
            }
        }
        debug_assert_eq!(left, 0, "what is taken away was added");
    }

    /// All of them; then there are none.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Time, u64)> {
        self.counts.drain(..).filter(|(_, count)| 0 < *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_away_is_of_its_time_if_there_is_so_much() {
        let at = Time::from_nanos;
        let mut deliveries = Deliveries::default();
        for (came, count) in [(1, 5), (2, 3), (2, 4), (3, 0), (4, 1)] {
            deliveries.add(at(came), count);
        }
        deliveries.take_away(at(2), 6);
        deliveries.take_away(at(9), 2);
        deliveries.take_away(at(4), 2);
        assert_eq!(deliveries.drain().collect::<Vec<_>>(), [(at(1), 2), (at(2), 1)]);
        assert_eq!(deliveries.drain().count(), 0);
    }
}
