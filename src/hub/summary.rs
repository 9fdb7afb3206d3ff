//! What the other shards listen to, as compactly as it can be said.
//!
//! A filter is kept as a number of 64 bits, a keyed hash of its literal tokens and of its shape: where its wildcards
//! stand. To match a subject its own tokens are hashed once for each shape that is in use. Two filters with the same
//! number would only let a message cross that nobody there wants; the shard it comes to matches it exactly.
//!
//! Few shapes are in use where people choose the filters. Who subscribes to many odd ones must not make every subject dear,
//! so only so many are kept apart; filters of further shapes stand in a tree, which costs more memory and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use slab::Slab;

use super::index::{Index, number, tokens};

/// A set of shards. From the 128th on, several share a bit: a message for one of them goes to all of those.
pub(super) type Shards = u128;

/// The bit of a shard.
pub(super) fn bit(shard: u16) -> Shards {
    1 << (shard % 128)
}

/// Shapes that are kept apart.
const SHAPES_MAX: usize = 64;
/// Tokens whose place is kept in a shape. A filter with more stands in the tree.
const SHAPE_TOKENS: usize = 64;

/// Where the wildcards of a filter stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Shape {
    /// Tokens before the end, or before `>`.
    tokens: u16,
    /// Which of them are literal, by their bits.
    literals: u64,
    /// Whether more tokens must follow.
    open: bool,
}

/// Members of a queue group on another shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FarQueue {
    pub(super) name: Box<[u8]>,
    pub(super) shard: u16,
    /// Its members there.
    pub(super) members: u32,
}

/// What one number stands for. There may be one for each client of each other shard, so it is small.
#[derive(Debug, Default)]
struct Interest {
    /// Shards with plain subscriptions.
    plain: Shards,
    /// What few have.
    more: Option<Box<More>>,
}

/// What few filters have.
#[derive(Debug, Default)]
struct More {
    /// Plain subscriptions beyond the first, by shard: of other filters that share the number.
    further: Vec<(Shards, u32)>,
    /// Queue groups, by name: the shards, and how many members each has.
    queues: BTreeMap<Box<[u8]>, Vec<(u16, u32)>>,
}

/// What the other shards listen to.
#[derive(Debug)]
pub(super) struct Summary {
    key: RandomState,
    /// The shapes that are kept apart, and how many filters each has.
    shapes: Vec<(Shape, u32)>,
    interests: HashMap<u64, Interest>,
    /// Filters of further shapes.
    rare: Index,
    rare_interests: Slab<Interest>,
    /// Memory for the numbers of a subject.
    scratch: Vec<u32>,
}

impl Summary {
    pub(super) fn new() -> Self {
        Self {
            key: RandomState::new(),
            shapes: Vec::new(),
            interests: HashMap::new(),
            rare: Index::new(),
            rare_interests: Slab::new(),
            scratch: Vec::new(),
        }
    }

    /// A shard now has so many members in a queue group, or, without a queue, at least one plain subscription (or none
    /// any more).
    pub(super) fn set(&mut self, shard: u16, filter: &[u8], queue: Option<&[u8]>, members: u32) {
        let rare = self.rare.find(filter);
        match shape_of(filter).filter(|shape| rare.is_none() && self.keeps_apart(*shape)) {
            Some(shape) => self.set_common(shape, shard, filter, queue, members),
            None => self.set_rare(rare, shard, filter, queue, members),
        }
    }

    /// The shards with plain subscriptions that match, and the queue groups. Says also how much was looked at.
    pub(super) fn matches(&mut self, subject: &[u8], queues: &mut Vec<FarQueue>) -> (Shards, usize) {
        let (mut mask, mut looks) = (0, self.shapes.len());
        let count = tokens(subject).count();
        for (shape, _) in &self.shapes {
            if shape.fits(count)
                && let Some(interest) = self.interests.get(&self.number(*shape, subject))
            {
                mask |= interest.list(queues);
            }
        }
        if !self.rare_interests.is_empty() {
            let mut found = std::mem::take(&mut self.scratch);
            looks += self.rare.matches(subject, &mut found);
            for id in found.drain(..) {
                mask |= self.rare_interests[id as usize].list(queues);
            }
            self.scratch = found;
        }
        (mask, looks)
    }

    /// Filters that are kept.
    pub(super) fn len(&self) -> usize {
        self.interests.len() + self.rare_interests.len()
    }

    /// Whether filters of this shape are known by their number, or can be from now on.
    fn keeps_apart(&self, shape: Shape) -> bool {
        self.shapes.len() < SHAPES_MAX || self.shapes.iter().any(|(other, _)| *other == shape)
    }

    fn set_common(&mut self, shape: Shape, shard: u16, filter: &[u8], queue: Option<&[u8]>, members: u32) {
        let number = self.number(shape, filter);
        let interest = self.interests.entry(number).or_default();
        let change = interest.set(shard, queue, members);
        if interest.is_empty() {
            self.interests.remove(&number);
        }
        self.count(shape, change);
    }

    fn set_rare(
        &mut self,
        known: Option<u32>,
        shard: u16,
        filter: &[u8],
        queue: Option<&[u8]>,
        members: u32,
    ) {
        let id = match known {
            Some(id) => id,
            None if members == 0 => return,
            None => {
                let id = number(self.rare_interests.insert(Interest::default()));
                self.rare.insert(filter, id);
                id
            }
        };
        let interest = &mut self.rare_interests[id as usize];
        interest.set(shard, queue, members);
        if interest.is_empty() {
            self.rare_interests.remove(id as usize);
            self.rare.remove(filter);
        }
    }

    /// A shape has more filters, or fewer.
    fn count(&mut self, shape: Shape, change: i32) {
        match self.shapes.iter_mut().position(|(other, _)| *other == shape) {
            Some(place) => {
                let uses = &mut self.shapes[place].1;
                *uses = uses.saturating_add_signed(change);
                if *uses == 0 {
                    self.shapes.swap_remove(place);
                }
            }
            None if 0 < change => self.shapes.push((shape, change.unsigned_abs())),
            None => {}
        }
    }

    /// The number of a filter of this shape, or of what a subject shows of it.
    fn number(&self, shape: Shape, text: &[u8]) -> u64 {
        let mut hasher = self.key.build_hasher();
        shape.hash(&mut hasher);
        for (place, token) in tokens(text).take(usize::from(shape.tokens)).enumerate() {
            if shape.literals >> place & 1 == 1 {
                token.hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}

impl Shape {
    /// Whether a subject of so many tokens can match a filter of this shape.
    fn fits(self, count: usize) -> bool {
        let taken = usize::from(self.tokens);
        if self.open { taken < count } else { taken == count }
    }
}

impl Interest {
    fn is_empty(&self) -> bool {
        self.plain == 0 && self.more.is_none()
    }

    /// Appends the queue groups. Returns the shards with plain subscriptions.
    fn list(&self, queues: &mut Vec<FarQueue>) -> Shards {
        let named = self.more.iter().flat_map(|more| &more.queues);
        queues.extend(named.flat_map(|(name, shards)| {
            shards.iter().map(|(shard, members)| FarQueue {
                name: name.clone(),
                shard: *shard,
                members: *members,
            })
        }));
        self.plain
    }

    /// Returns by how many the subscriptions have grown.
    fn set(&mut self, shard: u16, queue: Option<&[u8]>, members: u32) -> i32 {
        match queue {
            None => self.set_plain(shard, 0 < members),
            Some(name) => self.set_queue(shard, name, members),
        }
    }

    fn forget_more(&mut self) {
        if self.more.as_ref().is_some_and(|more| more.further.is_empty() && more.queues.is_empty()) {
            self.more = None;
        }
    }

    fn set_plain(&mut self, shard: u16, listens: bool) -> i32 {
        let bit = bit(shard);
        let known = self.plain & bit != 0;
        match (known, listens) {
            (false, false) => return 0,
            (false, true) => self.plain |= bit,
            (true, true) => {
                let further = &mut self.more.get_or_insert_default().further;
                match further.iter_mut().find(|(other, _)| *other == bit) {
                    Some((_, count)) => *count += 1,
                    None => further.push((bit, 1)),
                }
            }
            (true, false) => {
                let further = self.more.as_mut().map(|more| &mut more.further);
                let entry = further.and_then(|all| all.iter_mut().find(|(other, _)| *other == bit));
                match entry {
                    Some((_, count)) => *count -= 1,
                    None => self.plain &= !bit,
                }
                if let Some(more) = &mut self.more {
                    more.further.retain(|(_, count)| *count != 0);
                }
                self.forget_more();
            }
        }
        if listens { 1 } else { -1 }
    }

    fn set_queue(&mut self, shard: u16, name: &[u8], members: u32) -> i32 {
        if members == 0 && self.more.is_none() {
            return 0;
        }
        let queues = &mut self.more.get_or_insert_default().queues;
        let shards = match queues.get_mut(name) {
            Some(shards) => shards,
            None => queues.entry(name.into()).or_default(),
        };
        let place = shards.iter().position(|(other, _)| *other == shard);
        let change = match place {
            Some(place) if members == 0 => {
                shards.swap_remove(place);
                -1
            }
            Some(place) => {
                shards[place].1 = members;
                0
            }
            None if members == 0 => 0,
            None => {
                shards.push((shard, members));
                1
            }
        };
        if shards.is_empty() {
            queues.remove(name);
        }
        self.forget_more();
        change
    }
}

/// The shape of a filter; `None`, it has too many tokens for one.
fn shape_of(filter: &[u8]) -> Option<Shape> {
    let mut shape = Shape { tokens: 0, literals: 0, open: false };
    for token in tokens(filter) {
        if token == b">" {
            shape.open = true;
            break;
        }
        if usize::from(shape.tokens) == SHAPE_TOKENS {
            return None;
        }
        if token != b"*" {
            shape.literals |= 1 << shape.tokens;
        }
        shape.tokens += 1;
    }
    Some(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(summary: &mut Summary, subject: &str) -> (Shards, usize) {
        let mut queues = Vec::new();
        (summary.matches(subject.as_bytes(), &mut queues).0, queues.len())
    }

    #[test]
    fn a_subject_finds_the_shards_whose_filters_match() {
        let mut summary = Summary::new();
        for (shard, filter) in [(1, "a.b"), (2, "a.*"), (3, "a.>"), (4, ">"), (5, "*.b"), (1, "a.*")] {
            summary.set(shard, filter.as_bytes(), None, 1);
        }
        let mask = |shards: &[u16]| shards.iter().fold(0, |mask, shard| mask | bit(*shard));
        assert_eq!(found(&mut summary, "a.b").0, mask(&[1, 2, 3, 4, 5]));
        assert_eq!(found(&mut summary, "a.c").0, mask(&[1, 2, 3, 4]));
        assert_eq!(found(&mut summary, "a.c.d").0, mask(&[3, 4]));
        assert_eq!(found(&mut summary, "a").0, mask(&[4]));
        summary.set(1, b"a.*", None, 0);
        assert_eq!(found(&mut summary, "a.c").0, mask(&[2, 3, 4]));
        assert_eq!(found(&mut summary, "a.b").0, mask(&[1, 2, 3, 4, 5]));
        for (shard, filter) in [(1, "a.b"), (2, "a.*"), (3, "a.>"), (4, ">"), (5, "*.b")] {
            summary.set(shard, filter.as_bytes(), None, 0);
        }
        assert_eq!((summary.len(), summary.shapes.len()), (0, 0));
    }

    #[test]
    fn queue_groups_are_kept_by_shard_with_their_members() {
        let mut summary = Summary::new();
        summary.set(1, b"a", Some(b"q"), 2);
        summary.set(2, b"a", Some(b"q"), 1);
        summary.set(1, b"*", Some(b"r"), 1);
        assert_eq!(found(&mut summary, "a"), (0, 3));
        summary.set(1, b"a", Some(b"q"), 0);
        assert_eq!(found(&mut summary, "a"), (0, 2));
        summary.set(2, b"a", Some(b"q"), 0);
        summary.set(1, b"*", Some(b"r"), 0);
        assert_eq!((summary.len(), summary.shapes.len()), (0, 0));
    }

    /// A queue group is found by what its filter matches and by nothing else, whatever its shape: the message would be lost.
    #[test]
    fn queue_groups_of_unusual_shapes_are_matched_exactly() {
        let mut summary = Summary::new();
        for number in 0..300u32 {
            let tokens = (0..9).map(|place| if number >> place & 1 == 1 { "*" } else { "q" });
            summary.set(3, tokens.collect::<Vec<_>>().join(".").as_bytes(), None, 1);
        }
        for filter in [&b"orders.*.eu"[..], b"orders.*.us"] {
            summary.set(1, filter, Some(b"q"), 1);
        }
        assert_eq!(found(&mut summary, "orders.x.us").1, 1);
        summary.set(1, b"orders.*.eu", Some(b"q"), 0);
        assert_eq!(found(&mut summary, "orders.x.us").1, 1);
        for length in [63, 64, 70] {
            let long = vec!["a"; length].join(".");
            summary.set(1, format!("{long}.*").as_bytes(), Some(b"q"), 1);
            assert_eq!(found(&mut summary, &format!("{long}.b")).1, 1);
            assert_eq!(found(&mut summary, &format!("{long}.b.c")).1, 0);
        }
    }

    /// More shapes than are kept apart: each filter is found by what it matches and by nothing else, and leaves nothing behind,
    /// whether its shape was kept apart when it came or not.
    #[test]
    fn filters_of_unusual_shapes_are_matched_exactly() {
        let mut summary = Summary::new();
        let filters: Vec<String> = (0..2000u32)
            .map(|number| {
                let tokens = (0..11).map(|place| if number >> place & 1 == 1 { "*" } else { "a" });
                tokens.collect::<Vec<_>>().join(".")
            })
            .collect();
        for filter in &filters {
            summary.set(7, filter.as_bytes(), None, 1);
        }
        assert_eq!((summary.shapes.len(), summary.len()), (SHAPES_MAX, 2000));
        for filter in &filters {
            assert_eq!(found(&mut summary, &filter.replace('*', "b")).0, bit(7), "{filter}");
        }
        for other in ["a", "a.b", "b.b.b.b.b.b.b.b.b.b.b.b", "c", "a.a.a.a.a.a.a.a.a.a.a.a"] {
            assert_eq!(found(&mut summary, other).0, 0, "{other}");
        }
        for filter in &filters {
            // Shapes become free meanwhile; this one stays where it is.
            summary.set(8, filter.as_bytes(), None, 1);
            summary.set(7, filter.as_bytes(), None, 0);
            assert_eq!(found(&mut summary, &filter.replace('*', "b")).0 & bit(8), bit(8));
            summary.set(8, filter.as_bytes(), None, 0);
        }
        assert_eq!((summary.len(), summary.shapes.len(), summary.rare.len()), (0, 0, 0));
    }
}
