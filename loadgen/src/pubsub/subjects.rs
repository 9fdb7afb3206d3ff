//! Which subjects there are, who publishes on them in which order, and who subscribes to which.
//!
//! Each publisher goes through all subjects in turns: its n-th message is for subject n modulo their number. So the
//! messages of a subscription are, of each publisher, every so-manieth one: one that is missing shows at once, and the
//! stamp tells where a message was meant to go. Subjects stand in groups, and a wildcard takes a whole group.

use std::ops::Range;

/// All subjects.
#[derive(Clone, Debug)]
pub struct Subjects {
    names: Vec<Box<[u8]>>,
    prefix: String,
    groups: usize,
}

/// What a subscription takes of each publisher: these numbers, and every `stride`-th behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The first.
    pub start: u64,
    /// The distance from one to the next.
    pub stride: u64,
}

/// A subscription, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// The subject, or a pattern.
    pub subject: String,
    /// What it takes.
    pub share: Share,
    /// Whether it is a pattern, so that its messages have several subjects.
    pub is_wildcard: bool,
}

/// Who subscribes to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audience {
    /// Subscribers.
    pub subscribers: u32,
    /// Of these, the ones that take a whole group by a wildcard: the last ones.
    pub wildcards: u32,
}

impl Subjects {
    /// So many of them: one has the prefix as its name, several are `prefix.GROUP.NUMBER`.
    pub fn new(prefix: &str, count: usize) -> Self {
        let groups = groups(count);
        let name = |at: usize| format!("{prefix}.{}.{}", at % groups, at / groups).into_bytes().into();
        let names = if count == 1 { vec![prefix.as_bytes().into()] } else { (0..count).map(name).collect() };
        Self { names, prefix: prefix.to_owned(), groups }
    }

    /// Their number.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// Where this message of every publisher goes.
    #[inline]
    pub fn of(&self, number: u64) -> usize {
        if self.names.len() == 1 { 0 } else { place(number % self.names.len() as u64) }
    }

    /// The name of a subject.
    pub fn name(&self, subject: usize) -> &[u8] {
        &self.names[subject]
    }

    /// What a subscriber asks for. Where there are more subjects than subscribers, it takes several; where there are
    /// more subscribers, several take the same.
    pub fn interests(&self, audience: Audience, subscriber: u32) -> Vec<Interest> {
        let exact = audience.subscribers - audience.wildcards;
        if exact <= subscriber {
            return vec![self.group((subscriber - exact) as usize)];
        }
        let count = self.names.len();
        let first = subscriber as usize % count;
        let one = |subject: usize| Interest {
            subject: String::from_utf8_lossy(&self.names[subject]).into_owned(),
            share: Share { start: subject as u64, stride: count as u64 },
            is_wildcard: false,
        };
        (first..count).step_by((exact as usize).min(count)).take(self.taken(exact, first)).map(one).collect()
    }

    /// How many subscriptions take each subject.
    pub fn fan_out(&self, audience: Audience) -> Vec<u32> {
        let mut takers = vec![0; self.names.len()];
        for subscriber in 0..audience.subscribers {
            for Interest { share, .. } in self.interests(audience, subscriber) {
                let taken = (place(share.start)..takers.len()).step_by(place(share.stride));
                taken.for_each(|subject| takers[subject] += 1);
            }
        }
        takers
    }

    /// Subjects that an exact subscriber takes whose first is this.
    fn taken(&self, exact: u32, first: usize) -> usize {
        let count = self.names.len();
        if count <= exact as usize { 1 } else { (count - first).div_ceil(exact as usize) }
    }

    /// A whole group, by one of two wildcards in turns.
    fn group(&self, number: usize) -> Interest {
        let group = number % self.groups;
        let last = if number.is_multiple_of(2) { '*' } else { '>' };
        Interest {
            subject: format!("{}.{group}.{last}", self.prefix),
            share: Share { start: group as u64, stride: self.groups as u64 },
            is_wildcard: true,
        }
    }
}

impl Share {
    /// Whether this message is one of them.
    pub fn has(self, number: u64) -> bool {
        number % self.stride == self.start % self.stride
    }

    /// How many of them there are in a range that begins with one of them.
    pub fn count(self, numbers: &Range<u64>) -> u64 {
        numbers.end.saturating_sub(numbers.start).div_ceil(self.stride)
    }
}

/// A number as a place in memory, of which it is known that it is one.
#[inline]
pub(super) fn place(number: u64) -> usize {
    usize::try_from(number).expect("it is smaller than a length")
}

/// As many groups as evenly divide the subjects, and no more than each has members: 100 of 10,000.
fn groups(count: usize) -> usize {
    (1..=count.isqrt()).rev().find(|groups| count.is_multiple_of(*groups)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(subjects: &Subjects, subscribers: u32, wildcards: u32) -> Vec<Vec<String>> {
        let audience = Audience { subscribers, wildcards };
        let of = |subscriber| subjects.interests(audience, subscriber).into_iter().map(|one| one.subject);
        (0..subscribers).map(|subscriber| of(subscriber).collect()).collect()
    }

    #[test]
    fn one_subject_is_everybodys() {
        assert_eq!(names(&Subjects::new("bench", 1), 2, 0), [["bench"], ["bench"]]);
    }

    #[test]
    fn subjects_are_dealt_out() {
        let four = Subjects::new("b", 4);
        assert_eq!(names(&four, 2, 0), [["b.0.0", "b.0.1"], ["b.1.0", "b.1.1"]]);
        assert_eq!(names(&four, 3, 0), [&["b.0.0", "b.1.1"][..], &["b.1.0"], &["b.0.1"]]);
        assert_eq!(names(&four, 5, 0).concat(), ["b.0.0", "b.1.0", "b.0.1", "b.1.1", "b.0.0"]);
        assert_eq!(names(&four, 6, 2).concat(), ["b.0.0", "b.1.0", "b.0.1", "b.1.1", "b.0.*", "b.1.>"]);
    }

    /// What a subscription takes follows from the names alone: a naive match of each name against each pattern.
    #[test]
    fn every_subscription_takes_what_its_pattern_matches() {
        let matches = |pattern: &str, name: &str| {
            let (mut pattern, mut name) = (pattern.split('.'), name.split('.'));
            loop {
                match (pattern.next(), name.next()) {
                    (Some(">"), Some(_)) | (None, None) => return true,
                    (Some("*"), Some(_)) => {}
                    (Some(wanted), Some(found)) if wanted == found => {}
                    _ => return false,
                }
            }
        };
        for (count, subscribers, wildcards) in [(1, 3, 0), (12, 5, 2), (100, 30, 10), (7, 20, 3), (9, 2, 1)] {
            let subjects = Subjects::new("x", count);
            let audience = Audience { subscribers, wildcards };
            let mut takers = vec![0; count];
            for interest in (0..subscribers).flat_map(|number| subjects.interests(audience, number)) {
                for number in 0..3 * count as u64 {
                    let subject = subjects.of(number);
                    let name = std::str::from_utf8(subjects.name(subject)).unwrap();
                    let is_taken = matches(&interest.subject, name);
                    assert_eq!(interest.share.has(number), is_taken, "{interest:?} and {name}");
                    takers[subject] += u32::from(is_taken && number < count as u64);
                }
            }
            assert_eq!(subjects.fan_out(audience), takers, "{count} {subscribers} {wildcards}");
        }
    }

    #[test]
    fn a_share_is_counted_without_going_through_it() {
        let share = Share { start: 3, stride: 10 };
        let check = |numbers: Range<u64>| {
            let counted = numbers.clone().filter(|number| share.has(*number)).count() as u64;
            assert_eq!(share.count(&numbers), counted, "{numbers:?}");
        };
        [3..3, 3..4, 3..13, 3..14, 13..104, Range { start: 23, end: 20 }].into_iter().for_each(check);
    }
}
