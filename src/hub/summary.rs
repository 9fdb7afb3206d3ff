//! What the other shards listen to, as compactly as it can be said.
//!
//! A filter is kept as a number of 64 bits, a keyed hash of its literal tokens and of its shape: where its wildcards
//! stand. To match a subject its own tokens are hashed once for each shape that is in use. Two filters with the same
//! number would only let a message cross that nobody there wants; the shard it comes to matches it exactly.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use super::index::tokens;
use crate::protocol::nats::subject;

/// A set of shards. From the 128th on, several share a bit: a message for one of them goes to all of those.
pub(super) type Shards = u128;

/// The bit of a shard.
pub(super) fn bit(shard: u16) -> Shards {
    1 << (shard % 128)
}

/// Shapes that are kept apart. Filters of further shapes are kept by their literal beginning alone, which matches more.
const SHAPES_MAX: usize = 256;
/// Tokens whose place is kept in a shape; what a filter demands behind them is not looked at.
const SHAPE_TOKENS: usize = 64;

/// Literal tokens that are kept of a filter that came when there were too many shapes.
const WIDENED_TOKENS: u16 = 8;

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

/// A queue group on some shard.
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
    queues: Vec<FarQueue>,
}

/// What the other shards listen to.
#[derive(Debug)]
pub(super) struct Summary {
    key: RandomState,
    shapes: Vec<(Shape, u32)>,
    interests: HashMap<u64, Interest>,
    /// Filters that came when there were too many shapes, with the shape they were given.
    widened: HashMap<Box<[u8]>, (Shape, u32)>,
    /// Queue groups whose filter has a shape that is not kept apart: each has to be matched by itself, because a queue group
    /// must not be chosen where nobody would hear.
    odd: Vec<(Box<[u8]>, FarQueue)>,
    /// Memory for the numbers of a subject.
    scratch: Vec<u64>,
}

impl Summary {
    pub(super) fn new() -> Self {
        Self {
            key: RandomState::new(),
            shapes: Vec::new(),
            interests: HashMap::new(),
            widened: HashMap::new(),
            odd: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// A shard now has so many members in a queue group, or, without a queue, at least one plain subscription (or none
    /// any more).
    pub(super) fn set(&mut self, shard: u16, filter: &[u8], queue: Option<&[u8]>, members: u32) {
        if let Some(name) = queue
            && self.is_odd(filter)
        {
            return self.set_odd(shard, filter, name, members);
        }
        let shape = self.shape_for(filter, 0 < members);
        let number = self.number(shape, filter);
        let interest = self.interests.entry(number).or_default();
        let change = match queue {
            None => interest.set_plain(shard, 0 < members),
            Some(queue) => interest.set_queue(shard, queue, members),
        };
        if interest.is_empty() {
            self.interests.remove(&number);
        }
        self.count(shape, filter, change);
    }

    /// The shards with plain subscriptions that match, and the queue groups.
    pub(super) fn matches(&mut self, subject: &[u8], queues: &mut Vec<FarQueue>) -> Shards {
        let mut mask = 0;
        let odd = self.odd.iter().filter(|(filter, _)| subject::matches(filter, subject));
        queues.extend(odd.map(|(_, queue)| queue.clone()));
        if self.shapes.is_empty() {
            return mask;
        }
        let mut numbers = std::mem::take(&mut self.scratch);
        numbers.clear();
        let count = tokens(subject).count();
        for (shape, _) in &self.shapes {
            let taken = usize::from(shape.tokens);
            if if shape.open { taken < count } else { taken == count } {
                let number = self.number(*shape, subject);
                // A widened filter and another of its shape have one number.
                if !numbers.contains(&number) {
                    numbers.push(number);
                }
            }
        }
        for number in &numbers {
            if let Some(interest) = self.interests.get(number) {
                mask |= interest.plain;
                queues.extend(interest.more.iter().flat_map(|more| more.queues.iter().cloned()));
            }
        }
        self.scratch = numbers;
        mask
    }

    /// Filters that are kept.
    pub(super) fn len(&self) -> usize {
        self.interests.len() + self.odd.len()
    }

    /// Whether a filter would be widened, or is longer than a shape can say.
    fn is_odd(&self, filter: &[u8]) -> bool {
        let shape = shape_of(filter);
        let known = self.shapes.iter().any(|(other, _)| *other == shape);
        let is_long = usize::from(shape.tokens) == SHAPE_TOKENS - 1;
        is_long
            || (!known && SHAPES_MAX <= self.shapes.len())
            || self.widened.contains_key(filter)
            || self.odd.iter().any(|(odd, _)| **odd == *filter)
    }

    fn set_odd(&mut self, shard: u16, filter: &[u8], name: &[u8], members: u32) {
        self.odd.retain(|(odd, queue)| !(**odd == *filter && queue.shard == shard && *queue.name == *name));
        if 0 < members {
            self.odd.push((filter.into(), FarQueue { name: name.into(), shard, members }));
        }
    }

    fn shape_for(&mut self, filter: &[u8], adds: bool) -> Shape {
        let shape = shape_of(filter);
        if let Some((widened, _)) = self.widened.get(filter) {
            return *widened;
        }
        let known = self.shapes.iter().any(|(other, _)| *other == shape);
        if known || !adds || self.shapes.len() < SHAPES_MAX {
            return shape;
        }
        // More tokens must follow what is kept, as they do in all that the filter matches.
        let most = if shape.open { shape.tokens } else { shape.tokens - 1 };
        let literal = u16::try_from(shape.literals.trailing_ones()).expect("there are 64 bits");
        let tokens = literal.min(most).min(WIDENED_TOKENS);
        let wide = Shape { tokens, literals: (1 << tokens) - 1, open: true };
        self.widened.insert(filter.into(), (wide, 0));
        wide
    }

    /// Counts what a change added to the filters of a shape.
    fn count(&mut self, shape: Shape, filter: &[u8], change: i32) {
        if let Some((_, uses)) = self.widened.get_mut(filter) {
            *uses = uses.saturating_add_signed(change);
            if *uses == 0 {
                self.widened.remove(filter);
            }
        }
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

impl Interest {
    fn is_empty(&self) -> bool {
        self.plain == 0 && self.more.is_none()
    }

    fn forget_more(&mut self) {
        if self.more.as_ref().is_some_and(|more| more.further.is_empty() && more.queues.is_empty()) {
            self.more = None;
        }
    }

    /// Returns by how many the subscriptions under this number have grown.
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
        let place = queues.iter().position(|queue| queue.shard == shard && *queue.name == *name);
        let change = match place {
            Some(place) if members == 0 => {
                queues.swap_remove(place);
                -1
            }
            Some(place) => {
                queues[place].members = members;
                0
            }
            None if members == 0 => 0,
            None => {
                queues.push(FarQueue { name: name.into(), shard, members });
                1
            }
        };
        self.forget_more();
        change
    }
}

fn shape_of(filter: &[u8]) -> Shape {
    let mut shape = Shape { tokens: 0, literals: 0, open: false };
    for token in tokens(filter) {
        if token == b">" || usize::from(shape.tokens) == SHAPE_TOKENS - 1 {
            shape.open = true;
            break;
        }
        if token != b"*" {
            shape.literals |= 1 << shape.tokens;
        }
        shape.tokens += 1;
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(summary: &mut Summary, subject: &str) -> (Shards, usize) {
        let mut queues = Vec::new();
        (summary.matches(subject.as_bytes(), &mut queues), queues.len())
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
        let long = vec!["a"; 70].join(".");
        summary.set(1, format!("{long}.*").as_bytes(), Some(b"q"), 1);
        assert_eq!(found(&mut summary, &format!("{long}.b")).1, 1);
        assert_eq!(found(&mut summary, &format!("{long}.b.c")).1, 0);
    }

    /// More shapes than are kept apart: what is found may be too much, and never too little.
    #[test]
    fn unusual_shapes_are_widened_and_leave_nothing_behind() {
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
        assert!(summary.shapes.len() <= SHAPES_MAX + 16, "{}", summary.shapes.len());
        assert_eq!(found(&mut summary, "a.a.a.a.a.a.a.a.a.a.a").0, bit(7));
        for (number, filter) in filters.iter().enumerate() {
            let subject = filter.replace('*', "b");
            assert_eq!(found(&mut summary, &subject).0, bit(7), "{number}: {filter}");
        }
        for filter in &filters {
            summary.set(7, filter.as_bytes(), None, 0);
        }
        assert_eq!((summary.len(), summary.shapes.len(), summary.widened.len()), (0, 0, 0));
    }
}
