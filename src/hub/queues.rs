//! Queue groups: of the members of one, one hears each message.
//!
//! A filter may have very many of them, and a group very many members, because strangers choose the names; so nothing here
//! is searched through: a group is found by its name, and a member gives its place to the last one.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use slab::Slab;

use super::group::SubscriptionId;
use super::index::{FilterId, number};

/// A queue group's number.
pub(super) type QueueId = u32;

/// The queue groups of a shard, over all filters.
#[derive(Debug)]
pub(super) struct Queues {
    all: Slab<Queue>,
    /// By their filter and name.
    by_name: HashTable<QueueId>,
    hasher: DefaultHashBuilder,
}

/// A queue group of one filter.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) filter: FilterId,
    pub(super) name: Box<[u8]>,
    /// Its members, in no order.
    pub(super) members: Vec<SubscriptionId>,
    /// Its place among the queue groups of the filter.
    pub(super) place: u32,
}

/// Which member of a queue group a subscription is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) queue: QueueId,
    /// Its place among the members.
    pub(super) place: u32,
}

impl Queues {
    pub(super) fn new() -> Self {
        Self { all: Slab::new(), by_name: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }

    pub(super) fn at(&self, queue: QueueId) -> &Queue {
        &self.all[queue as usize]
    }

    pub(super) fn at_mut(&mut self, queue: QueueId) -> &mut Queue {
        &mut self.all[queue as usize]
    }

    /// The queue group of this name; `None`, the filter has none.
    pub(super) fn find(&self, filter: FilterId, name: &[u8]) -> Option<QueueId> {
        let is_it = |queue: &QueueId| {
            let queue = &self.all[*queue as usize];
            queue.filter == filter && *queue.name == *name
        };
        self.by_name.find(self.hasher.hash_one((filter, name)), is_it).copied()
    }

    /// A new queue group without members, at this place among those of its filter.
    pub(super) fn insert(&mut self, filter: FilterId, name: &[u8], place: usize) -> QueueId {
        let queue = Queue { filter, name: name.into(), members: Vec::new(), place: number(place) };
        let id = number(self.all.insert(queue));
        let (all, hasher) = (&self.all, &self.hasher);
        let rehash = |queue: &QueueId| {
            let queue = &all[*queue as usize];
            hasher.hash_one((queue.filter, &*queue.name))
        };
        self.by_name.insert_unique(hasher.hash_one((filter, name)), id, rehash);
        id
    }

    /// Forgets a queue group that has no members any more.
    pub(super) fn remove(&mut self, queue: QueueId) {
        let gone = self.all.remove(queue as usize);
        let hash = self.hasher.hash_one((gone.filter, &*gone.name));
        if let Ok(found) = self.by_name.find_entry(hash, |other| *other == queue) {
            found.remove();
        }
    }

    /// A subscription becomes a member.
    pub(super) fn enter(&mut self, queue: QueueId, subscription: SubscriptionId) -> Membership {
        let members = &mut self.all[queue as usize].members;
        members.push(subscription);
        Membership { queue, place: number(members.len() - 1) }
    }

    /// A member leaves. Returns who has its place now.
    pub(super) fn leave(&mut self, membership: Membership) -> Option<SubscriptionId> {
        let members = &mut self.all[membership.queue as usize].members;
        members.swap_remove(membership.place as usize);
        members.get(membership.place as usize).copied()
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}
