//! Who listens to what, for those who look: page by page, so that a look costs the same however many there are.

use std::cmp::Ordering;
use std::ops::Range;

use super::index::FilterId;
use super::queues::{Queue, QueueId};
use super::{ClientId, Hub};
use crate::limits;

/// One subscription, for a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSubscription {
    /// What it listens to.
    pub filter: Box<[u8]>,
    /// Its queue group.
    pub queue: Option<Box<[u8]>>,
    /// The client's name for it.
    pub sid: Box<[u8]>,
    /// Messages that it was sent.
    pub messages: u64,
}

/// One filter, for a listing: who listens to it on one shard, or on several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedFilter {
    /// What is listened to.
    pub filter: Box<[u8]>,
    /// Plain subscriptions.
    pub plain: usize,
    /// Members of all its queue groups.
    pub queued: usize,
    /// Some of its queue groups, each with its members: at most [`limits::SUBSZ_QUEUES_MAX`] of one shard.
    pub queues: Vec<(Box<[u8]>, usize)>,
}

impl ListedFilter {
    /// Subscriptions of both kinds.
    pub fn subscriptions(&self) -> usize {
        self.plain + self.queued
    }

    /// The order of listings: the one with most subscriptions first.
    pub fn most_first(&self, other: &Self) -> Ordering {
        other.subscriptions().cmp(&self.subscriptions()).then_with(|| self.filter.cmp(&other.filter))
    }

    /// Takes in those of another shard who listen to the same.
    pub fn add(&mut self, other: &Self) {
        self.plain += other.plain;
        self.queued += other.queued;
        for (name, members) in &other.queues {
            match self.queues.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += members,
                None => self.queues.push((name.clone(), *members)),
            }
        }
    }
}

impl Hub {
    /// What a client listens to, at most so many of it.
    pub fn subscriptions(&self, client: ClientId, count: usize) -> Vec<ListedSubscription> {
        let ids = self.client(client).map_or(&[][..], |client| &client.subscriptions);
        let ids = &ids[..count.min(ids.len())];
        let listed = |id: &u32| {
            let subscription = &self.subscriptions[*id as usize];
            ListedSubscription {
                filter: self.filters[self.groups[subscription.group as usize].filter as usize].text.clone(),
                queue: subscription.queue.map(|queue| self.queues.at(queue.queue).name.clone()),
                sid: self.groups[subscription.group as usize].sid[..].into(),
                messages: self.heard(*id),
            }
        };
        ids.iter().map(listed).collect()
    }

    /// The filters of this shard at these places of its list. They are in no order; while others come and go one may change
    /// its place.
    pub fn filters(&self, places: Range<usize>) -> Vec<ListedFilter> {
        let end = places.end.min(self.listed.len());
        let start = places.start.min(end);
        self.listed[start..end].iter().map(|filter| self.listed_filter(*filter)).collect()
    }

    fn listed_filter(&self, filter: FilterId) -> ListedFilter {
        let of_queue = |queue: &QueueId| {
            let Queue { name, members, .. } = self.queues.at(*queue);
            (name.clone(), members.len())
        };
        let filter = &self.filters[filter as usize];
        ListedFilter {
            filter: filter.text.clone(),
            plain: filter.plain as usize,
            queued: filter.queued as usize,
            // Strangers choose their names, so there may be very many.
            queues: filter.queues.iter().take(limits::SUBSZ_QUEUES_MAX).map(of_queue).collect(),
        }
    }
}
