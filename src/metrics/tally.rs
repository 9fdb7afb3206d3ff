//! The figures of several shards: all together, and some of each by its number.

use super::{Counters, Snapshot};

/// What so many shards have counted.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    total: Snapshot,
    shards: Vec<(usize, Counters)>,
    is_hung_out: bool,
}

impl Tally {
    /// For figures that shards have hung out, each at a time of its own, and may have left hanging since.
    pub fn hung_out() -> Self {
        Self { is_hung_out: true, ..Self::default() }
    }

    /// Whether the figures are of some time ago.
    pub fn is_hung_out(&self) -> bool {
        self.is_hung_out
    }

    /// Takes in the figures of the shard of this number.
    pub fn add(&mut self, shard: usize, snapshot: &Snapshot) {
        self.total.add(snapshot);
        self.shards.push((shard, snapshot.counters.clone()));
    }

    /// All of them together.
    pub fn total(&self) -> &Snapshot {
        &self.total
    }

    /// The counters of each, in the order in which they were taken in.
    pub fn shards(&self) -> &[(usize, Counters)] {
        &self.shards
    }
}
