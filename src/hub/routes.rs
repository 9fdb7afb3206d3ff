//! Where messages go, remembered by subject.
//!
//! Matching a subject anew for each message would cost more than sending it. A route holds until somebody begins or ends
//! to listen to something that its subject could match: a literal filter concerns one subject, a wildcard all subjects with
//! its first token, or all there are.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

use super::backlog::Mark;
use super::group::{GroupId, SubscriptionId};
use super::index::tokens;
use super::queues::Queue;
use super::summary::{FarQueue, Shards};

/// Where the messages of one subject go.
#[derive(Debug)]
pub(super) struct Route {
    subject: Vec<u8>,
    /// What [`Routes::stamp`] said when it was made; none, it holds no more.
    stamp: Option<u64>,
    pub(super) groups: Vec<GroupId>,
    pub(super) queues: Vec<RouteQueue>,
    /// What a message of this subject is to those who hold it back.
    pub(super) mark: Mark,
    /// Shards whose plain subscriptions match.
    pub(super) shards: Shards,
}

/// A queue group, over all filters that match.
#[derive(Debug)]
pub(super) struct RouteQueue {
    pub(super) name: Box<[u8]>,
    /// Members on this shard.
    pub(super) members: Vec<SubscriptionId>,
    /// Other shards that have members, and how many each of them has.
    pub(super) far: Vec<(u16, u32)>,
}

impl RouteQueue {
    /// The members of a filter's queue group.
    pub(super) fn here(queue: &Queue) -> Self {
        Self { name: queue.name.clone(), members: queue.members.clone(), far: Vec::new() }
    }

    /// Members on another shard.
    pub(super) fn elsewhere(queue: FarQueue) -> Self {
        Self { name: queue.name, members: Vec::new(), far: vec![(queue.shard, queue.members)] }
    }

    /// Makes one of all that have the same name, and sorts them by it, so that they are [found](Self::find).
    pub(super) fn join(queues: &mut Vec<Self>) {
        queues.sort_by(|one, other| one.name.cmp(&other.name));
        queues.dedup_by(|next, kept| {
            let same = next.name == kept.name;
            if same {
                kept.members.append(&mut next.members);
                kept.far.append(&mut next.far);
            }
            same
        });
    }

    /// The place of this name among joined ones.
    pub(super) fn find(queues: &[Self], name: &[u8]) -> Option<usize> {
        queues.binary_search_by(|queue| (*queue.name).cmp(name)).ok()
    }
}

impl Default for Route {
    fn default() -> Self {
        Self {
            subject: Vec::new(),
            stamp: None,
            groups: Vec::new(),
            queues: Vec::new(),
            mark: Mark { subject: 0, rule: None },
            shards: 0,
        }
    }
}

impl Route {
    /// How many groups and members it names; a queue group counts for as many as take its room.
    fn ids(&self) -> usize {
        let queues =
            self.queues.iter().map(|queue| QUEUE_IDS + queue.members.len() + QUEUE_IDS * queue.far.len());
        self.groups.len() + queues.sum::<usize>()
    }
}

/// What a queue group takes beside its members, in numbers of four bytes.
const QUEUE_IDS: usize = 20;

/// Routes by subject: a bounded number of them, each in one of two places.
#[derive(Debug)]
pub(super) struct Routes {
    places: Vec<Route>,
    hasher: DefaultHashBuilder,
    /// Changes of wildcards, by their first token.
    changes: [u64; FIRST_TOKENS],
    /// Changes of wildcards whose first token is one.
    changes_in_all: u64,
    /// Groups and members that the routes name.
    ids: usize,
    /// The place that was asked for last.
    last: usize,
    pub(super) hits: u64,
    pub(super) misses: u64,
}

/// Subjects that are remembered at most.
const PLACES_MAX: usize = 1 << 15;
/// Subjects that are remembered at first.
const PLACES_MIN: usize = 1 << 6;
/// Groups and members that all routes together name: each route has lists of its own, so that few subjects with many
/// subscribers, and many subjects with few, both find theirs at once.
const IDS_MAX: usize = 1 << 20;
/// Room for numbers that a route keeps when it becomes that of another subject.
const KEPT_MAX: usize = 64;
/// A longer subject is not remembered, so that all routes together have a bound.
const SUBJECT_BYTES_MAX: usize = 256;
/// Kinds of first tokens that are told apart.
const FIRST_TOKENS: usize = 256;

impl Routes {
    pub(super) fn new() -> Self {
        Self {
            places: std::iter::repeat_with(Route::default).take(PLACES_MIN).collect(),
            hasher: DefaultHashBuilder::default(),
            changes: [0; FIRST_TOKENS],
            changes_in_all: 0,
            ids: 0,
            last: 0,
            hits: 0,
            misses: 0,
        }
    }

    /// The place of a subject's route, if it is known. If not, [room is made](Self::make_room) and [filled](Self::fill).
    #[inline]
    pub(super) fn find(&mut self, subject: &[u8]) -> Option<usize> {
        let last = &self.places[self.last];
        if last.subject == subject && last.stamp == Some(self.stamp(subject)) {
            self.hits += 1;
            return Some(self.last);
        }
        self.find_by_hash(subject)
    }

    fn find_by_hash(&mut self, subject: &[u8]) -> Option<usize> {
        let stamp = Some(self.stamp(subject));
        let pair = self.pair(subject);
        for place in pair {
            if self.places[place].subject == subject && self.places[place].stamp == stamp {
                self.last = place;
                self.hits += 1;
                return Some(place);
            }
        }
        None
    }

    /// The place for a route that is not known. Another may lose it, or all theirs.
    pub(super) fn make_room(&mut self, subject: &[u8]) -> usize {
        self.misses += 1;
        if PLACES_GROW * self.places.len() as u64 <= self.misses && self.places.len() < PLACES_MAX {
            self.grow();
        }
        self.victim(subject)
    }

    /// The place that a new route takes: that of its own old one, one that holds no more, or else either.
    fn victim(&self, subject: &[u8]) -> usize {
        let [one, other] = self.pair(subject);
        let is_free =
            |place: &usize| self.places[*place].stamp.is_none() || self.places[*place].subject == subject;
        let chosen = [one, other].into_iter().find(is_free);
        chosen.unwrap_or(if self.misses.is_multiple_of(2) { one } else { other })
    }

    /// Many subjects are in use: more of them are remembered.
    fn grow(&mut self) {
        self.misses = 0;
        let count = (self.places.len() * 4).min(PLACES_MAX);
        self.ids = 0;
        self.places.clear();
        self.places.resize_with(count, Route::default);
        self.last = 0;
    }

    /// An emptied route at this place, to be filled, and good from now on.
    pub(super) fn fill(&mut self, place: usize, subject: &[u8]) -> &mut Route {
        let (stamp, number) = (self.stamp(subject), self.hasher.hash_one(subject));
        self.last = place;
        let route = &mut self.places[place];
        self.ids -= route.ids();
        if KEPT_MAX < route.groups.capacity() + route.queues.capacity() {
            *route = Route::default();
        }
        route.subject.clear();
        route.subject.extend_from_slice(subject);
        route.stamp = (subject.len() <= SUBJECT_BYTES_MAX).then_some(stamp);
        route.groups.clear();
        route.queues.clear();
        route.shards = 0;
        route.mark.subject = number;
        route
    }

    /// A route is complete. What all of them hold has a bound; when it is met, all others are forgotten.
    pub(super) fn filled(&mut self, place: usize) {
        self.ids += self.places[place].ids();
        if self.ids <= IDS_MAX {
            return;
        }
        let kept = std::mem::take(&mut self.places[place]);
        self.places.fill_with(Route::default);
        self.ids = kept.ids();
        self.places[place] = kept;
    }

    #[inline]
    pub(super) fn at(&self, place: usize) -> &Route {
        &self.places[place]
    }

    /// Somebody began or ended to listen to this.
    pub(super) fn forget(&mut self, filter: &[u8]) {
        if !filter.contains(&b'*') && !filter.contains(&b'>') {
            for place in self.pair(filter) {
                if self.places[place].subject == filter {
                    self.places[place].stamp = None;
                }
            }
            return;
        }
        match tokens(filter).next() {
            Some(b"*" | b">") | None => self.changes_in_all += 1,
            Some(first) => self.changes[first_kind(first)] += 1,
        }
    }

    /// A number that changes whenever a wildcard changes that could match the subject. Both parts only grow.
    #[inline]
    fn stamp(&self, subject: &[u8]) -> u64 {
        let end = memchr::memchr(b'.', subject).unwrap_or(subject.len());
        self.changes[first_kind(&subject[..end])] + self.changes_in_all
    }

    fn pair(&self, subject: &[u8]) -> [usize; 2] {
        let hash = self.hasher.hash_one(subject);
        let mask = self.places.len() as u64 - 1;
        [hash & mask, hash >> 32 & mask].map(|place| usize::try_from(place).expect("places are fewer"))
    }
}

/// How many misses for each place make more places worth while.
const PLACES_GROW: u64 = 2;

/// A token's kind: cheap, and different for most.
#[inline]
fn first_kind(token: &[u8]) -> usize {
    let sum = token
        .iter()
        .take(16)
        .fold(token.len(), |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    (sum ^ sum >> 8 ^ sum >> 16) % FIRST_TOKENS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Few subjects with many subscribers and many subjects with few fit; many with many do not, and the bound holds.
    #[test]
    fn what_all_routes_name_has_a_bound() {
        let mut routes = Routes::new();
        let groups: Vec<GroupId> = (0..20_000).collect();
        for number in 0..2_000u32 {
            let subject = format!("r.{number}");
            assert_eq!(routes.find(subject.as_bytes()), None);
            let place = routes.make_room(subject.as_bytes());
            routes.fill(place, subject.as_bytes()).groups.extend_from_slice(&groups);
            routes.filled(place);
            assert_eq!(routes.find(subject.as_bytes()), Some(place), "the last one is known");
            assert_eq!(routes.at(place).groups, groups);
            let held: usize = routes.places.iter().map(|route| route.groups.len()).sum();
            assert!(held <= IDS_MAX, "{held} numbers are held");
            assert_eq!(held, routes.ids);
        }
    }
}
