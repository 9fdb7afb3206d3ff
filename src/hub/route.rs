//! Where the messages of one subject go.

use std::num::NonZeroU64;

use super::backlog::SlowPolicy;
use super::group::{GroupId, SubscriptionId};
use super::index::FilterId;
use super::queues::Queue;
use super::summary::{FarQueue, Shards};

/// Where the messages of one subject go.
///
/// There are tens of thousands of them, and most lie where the cache does not. So all that is asked of one with a short
/// subject and one or two groups stands in one line of the cache, and what few have stands elsewhere.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Route {
    /// What [`Routes`](super::routes::Routes) said of its changes when it was made; none, it holds no more.
    stamp: Option<NonZeroU64>,
    /// All that did not fit; then the groups are there.
    more: Option<Box<More>>,
    groups: [GroupId; GROUPS],
    group_count: u8,
    subject_length: u8,
    subject: [u8; SUBJECT_BYTES],
}

/// Bytes of a subject that stand in its route: those of the inboxes of most NATS clients do.
const SUBJECT_BYTES: usize = 38;
/// Groups that stand in a route.
const GROUPS: usize = 2;
const _: () = assert!(size_of::<Route>() == 64, "a line of the cache");

/// What few routes have: a long subject, several groups, queue groups, listeners on other shards, a rule of their own.
#[derive(Debug, Default)]
struct More {
    subject: Box<[u8]>,
    groups: Box<[GroupId]>,
    queues: Box<[RouteQueue]>,
    shards: Shards,
    rule: Option<SlowPolicy>,
}

/// What a subject was found to lead to.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The filters that match; what else is found here is found at these.
    pub(super) filters: Vec<FilterId>,
    pub(super) groups: Vec<GroupId>,
    /// [Joined](RouteQueue::join).
    pub(super) queues: Vec<RouteQueue>,
    /// Shards whose plain subscriptions match.
    pub(super) shards: Shards,
    /// What is done when those who listen do not keep up; `None`, whatever they do.
    pub(super) rule: Option<SlowPolicy>,
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

impl Default for Route {
    fn default() -> Self {
        Self {
            stamp: None,
            more: None,
            groups: [0; GROUPS],
            group_count: 0,
            subject_length: 0,
            subject: [0; SUBJECT_BYTES],
        }
    }
}

impl Route {
    /// The route of a subject. It holds as long as this stamp does; without one, for this message.
    pub(super) fn new(subject: &[u8], stamp: Option<NonZeroU64>, found: &mut Found) -> Self {
        let mut route = Self { stamp, ..Self::default() };
        let fits = subject.len() <= SUBJECT_BYTES
            && found.groups.len() <= GROUPS
            && found.queues.is_empty()
            && found.shards == 0
            && found.rule.is_none();
        if fits {
            route.group_count = u8::try_from(found.groups.len()).expect("they are few");
            route.groups[..found.groups.len()].copy_from_slice(&found.groups);
            route.subject_length = u8::try_from(subject.len()).expect("it is short");
            route.subject[..subject.len()].copy_from_slice(subject);
        } else {
            route.more = Some(Box::new(More {
                subject: subject.into(),
                groups: found.groups[..].into(),
                queues: std::mem::take(&mut found.queues).into(),
                shards: found.shards,
                rule: found.rule,
            }));
        }
        route
    }

    /// Whether it is that of this subject, and holds as long as this stamp does.
    #[inline]
    pub(super) fn is_of(&self, subject: &[u8], stamp: Option<NonZeroU64>) -> bool {
        self.stamp == stamp && self.leads_from(subject)
    }

    /// Whether it is that of this subject, and held once.
    #[inline]
    pub(super) fn leads_from(&self, subject: &[u8]) -> bool {
        match &self.more {
            None => self.subject[..usize::from(self.subject_length)] == *subject,
            Some(more) => *more.subject == *subject,
        }
    }

    /// Whether it holds no more.
    pub(super) fn is_over(&self) -> bool {
        self.stamp.is_none()
    }

    /// From now on it holds no more.
    pub(super) fn end(&mut self) {
        self.stamp = None;
    }

    /// The groups whose members hear it.
    #[inline]
    pub(super) fn groups(&self) -> &[GroupId] {
        match &self.more {
            None => &self.groups[..usize::from(self.group_count)],
            Some(more) => &more.groups,
        }
    }

    /// The queue groups of which one member hears it.
    #[inline]
    pub(super) fn queues(&self) -> &[RouteQueue] {
        self.more.as_ref().map_or(&[], |more| &more.queues)
    }

    /// The shards whose plain subscriptions match.
    #[inline]
    pub(super) fn shards(&self) -> Shards {
        self.more.as_ref().map_or(0, |more| more.shards)
    }

    /// What is done when those who listen do not keep up.
    pub(super) fn rule(&self) -> Option<SlowPolicy> {
        self.more.as_ref().and_then(|more| more.rule)
    }

    /// Whether there is nobody but groups.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.more.as_ref().is_none_or(|more| more.queues.is_empty() && more.shards == 0)
    }

    /// How many groups and members it names elsewhere; a queue group counts for as many as take its room.
    pub(super) fn ids(&self) -> usize {
        let Some(more) = &self.more else { return 0 };
        let of_queue = |queue: &RouteQueue| QUEUE_IDS + queue.members.len() + QUEUE_IDS * queue.far.len();
        MORE_IDS + more.groups.len() + more.queues.iter().map(of_queue).sum::<usize>()
    }
}

/// What the rest of a route takes beside its lists, in numbers of four bytes.
const MORE_IDS: usize = 48;
/// What a queue group takes beside its members, in numbers of four bytes.
const QUEUE_IDS: usize = 20;

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

    /// The one of this name among joined ones.
    pub(super) fn find<'a>(queues: &'a [Self], name: &[u8]) -> Option<&'a Self> {
        let place = queues.binary_search_by(|queue| (*queue.name).cmp(name)).ok()?;
        Some(&queues[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same is said of a route whether it fits into a line or not.
    #[test]
    fn what_does_not_fit_stands_elsewhere() {
        let stamp = NonZeroU64::new(7);
        for length in [0, 1, 37, 38, 39, 200] {
            for count in 0..5 {
                for (rule, shards) in [(None, 0), (Some(SlowPolicy::KeepLatest), 0), (None, 5)] {
                    let subject = vec![b's'; length];
                    let groups: Vec<GroupId> = (10..10 + count).collect();
                    let mut found = Found { groups: groups.clone(), shards, rule, ..Found::default() };
                    let mut route = Route::new(&subject, stamp, &mut found);
                    assert_eq!((route.groups(), route.shards(), route.rule()), (&groups[..], shards, rule));
                    assert_eq!(route.is_plain(), shards == 0);
                    assert!(route.is_of(&subject, stamp) && !route.is_of(&subject, NonZeroU64::new(8)));
                    assert!(!route.leads_from(&vec![b's'; length + 1]) && !route.leads_from(b"t"));
                    let fits = length <= 38 && count <= 2 && rule.is_none() && shards == 0;
                    assert_eq!(route.ids() == 0, fits, "{length} {count} {rule:?} {shards}");
                    route.end();
                    assert!(route.is_over() && !route.is_of(&subject, stamp) && route.leads_from(&subject));
                }
            }
        }
    }
}
