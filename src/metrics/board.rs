//! Where shards hang out their figures, so that one of them can show those of all without asking.
//!
//! A shard writes to its own place, once a second at most; whoever reads sees figures of the last second. The lock is
//! never waited for on the path of a message.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Snapshot, Tally};

/// The figures of all shards.
#[derive(Debug)]
pub struct Board {
    places: Vec<Mutex<Snapshot>>,
}

impl Board {
    /// How often a shard writes its figures while it works.
    pub const PERIOD: Duration = Duration::from_secs(1);

    /// A place for each of so many shards.
    pub fn new(shards: usize) -> Self {
        Self { places: (0..shards).map(|_| Mutex::default()).collect() }
    }

    /// Writes the figures of a shard. Where another thread reads just now, they are not written this time.
    pub fn write(&self, shard: usize, snapshot: impl FnOnce() -> Snapshot) {
        if let Some(place) = self.places.get(shard)
            && let Ok(mut place) = place.try_lock()
        {
            *place = snapshot();
        }
    }

    /// Those of all shards.
    pub fn read(&self) -> Tally {
        let mut tally = Tally::hung_out();
        for (shard, place) in self.places.iter().enumerate() {
            tally.add(shard, &place.lock().unwrap_or_else(PoisonError::into_inner));
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Counters, Metrics};
    use super::*;

    #[test]
    fn what_each_shard_wrote_last_is_read_and_summed() {
        let board = Board::new(2);
        let accepted = |accepted| {
            Metrics { counters: Counters { accepted, ..Counters::default() }, ..Metrics::default() }
                .snapshot()
        };
        board.write(0, || accepted(1));
        board.write(0, || accepted(20));
        board.write(1, || accepted(3));
        board.write(7, || accepted(1000));
        let tally = board.read();
        assert_eq!(tally.total().counters.accepted, 23);
        let by_shard: Vec<_> =
            tally.shards().iter().map(|(shard, counters)| (*shard, counters.accepted)).collect();
        assert_eq!(by_shard, [(0, 20), (1, 3)]);
    }
}
