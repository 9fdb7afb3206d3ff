//! Where messages go, remembered by subject.
//!
//! Matching a subject anew for each message would cost more than sending it. A route holds until somebody begins or ends
//! to listen to something that its subject could match: a literal filter concerns one subject, a wildcard all subjects with
//! its first token, or all there are.

use std::hash::BuildHasher;
use std::num::NonZeroU64;

use hashbrown::DefaultHashBuilder;

use super::index::tokens;
use super::route::{Found, Route};

/// Routes by subject: a bounded number of them, each in one of a few places.
#[derive(Debug)]
pub(super) struct Routes {
    places: Vec<Route>,
    hasher: DefaultHashBuilder,
    /// Changes of wildcards, by their first token.
    changes: [u64; FIRST_TOKENS],
    /// Changes of wildcards whose first token is one.
    changes_in_all: u64,
    /// Groups and members that the routes name elsewhere than in their places.
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

    /// The place of a subject's route, if it is known. If not, [room is made](Self::make_room) for one that is
    /// [put](Self::put) there.
    #[inline]
    pub(super) fn find(&mut self, subject: &[u8]) -> Option<usize> {
        let stamp = self.stamp(subject);
        if self.places[self.last].is_of(subject, stamp) {
            self.hits += 1;
            return Some(self.last);
        }
        let found =
            self.candidates(subject).into_iter().find(|place| self.places[*place].is_of(subject, stamp))?;
        self.last = found;
        self.hits += 1;
        Some(found)
    }

    /// The place for a route that is not known. Another may lose it, or all theirs.
    pub(super) fn make_room(&mut self, subject: &[u8]) -> usize {
        self.misses += 1;
        if PLACES_GROW * self.places.len() as u64 <= self.misses && self.places.len() < PLACES_MAX {
            self.grow();
        }
        self.victim(subject)
    }

    /// The place that a new route takes: that of its own old one, one that holds no more, or else any.
    fn victim(&self, subject: &[u8]) -> usize {
        let candidates = self.candidates(subject);
        let is_free =
            |place: &usize| self.places[*place].is_over() || self.places[*place].leads_from(subject);
        let free = candidates.into_iter().find(is_free);
        let any = usize::try_from(self.misses % CANDIDATES as u64).expect("they are few");
        free.unwrap_or(candidates[any])
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

    /// Remembers a route. What all of them hold has a bound; when it is met, all others are forgotten.
    pub(super) fn put(&mut self, place: usize, subject: &[u8], found: &mut Found) {
        let stamp = self.stamp(subject).filter(|_| subject.len() <= SUBJECT_BYTES_MAX);
        let route = Route::new(subject, stamp, found);
        self.ids += route.ids();
        self.ids -= std::mem::take(&mut self.places[place]).ids();
        if IDS_MAX < self.ids {
            self.places.fill_with(Route::default);
            self.ids = route.ids();
        }
        self.places[place] = route;
        self.last = place;
    }

    /// A number for a subject: two of them hardly ever have the same.
    pub(super) fn number(&self, subject: &[u8]) -> u64 {
        self.hasher.hash_one(subject)
    }

    #[inline]
    pub(super) fn at(&self, place: usize) -> &Route {
        &self.places[place]
    }

    /// Somebody began or ended to listen to this.
    pub(super) fn forget(&mut self, filter: &[u8]) {
        if !filter.contains(&b'*') && !filter.contains(&b'>') {
            for place in self.candidates(filter) {
                if self.places[place].leads_from(filter) {
                    self.places[place].end();
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
    fn stamp(&self, subject: &[u8]) -> Option<NonZeroU64> {
        let end = memchr::memchr(b'.', subject).unwrap_or(subject.len());
        NonZeroU64::new(1 + self.changes[first_kind(&subject[..end])] + self.changes_in_all)
    }

    /// Where a subject's route may be: in two pairs of neighbours, so that hardly any two subjects are in each other's way while
    /// half of the places are free.
    #[inline]
    fn candidates(&self, subject: &[u8]) -> [usize; CANDIDATES] {
        let hash = self.hasher.hash_one(subject);
        let mask = self.places.len() as u64 - 1;
        let [one, other] =
            [hash & mask, hash >> 32 & mask].map(|place| usize::try_from(place).expect("places are fewer"));
        [one, one ^ 1, other, other ^ 1]
    }
}

/// Places of which a route takes one.
const CANDIDATES: usize = 4;
/// How many misses for each place make more places worth while.
const PLACES_GROW: u64 = 2;

/// A token's kind: cheap, and different for most.
#[inline]
fn first_kind(token: &[u8]) -> usize {
    let at = |place: usize| token.get(place).map_or(0, |byte| usize::from(*byte));
    (at(0) * 31 + at(token.len() / 2) * 7 + at(token.len().wrapping_sub(1)) * 3 + token.len()) % FIRST_TOKENS
}

#[cfg(test)]
mod tests {
    use super::super::group::GroupId;
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
            let mut found = Found { groups: groups.clone(), ..Found::default() };
            routes.put(place, subject.as_bytes(), &mut found);
            assert_eq!(routes.find(subject.as_bytes()), Some(place), "the last one is known");
            assert_eq!(routes.at(place).groups(), groups);
            let held: usize = routes.places.iter().map(|route| route.groups().len()).sum();
            assert!(held <= IDS_MAX, "{held} numbers are held");
            assert_eq!(routes.places.iter().map(Route::ids).sum::<usize>(), routes.ids);
        }
    }

    /// 10,000 subjects in turns: after the first times, next to none of them has to be matched anew.
    #[test]
    fn many_subjects_are_hardly_ever_in_each_others_way() {
        let mut routes = Routes::new();
        let subjects: Vec<String> = (0..10_000).map(|number| format!("s.{number}")).collect();
        let mut missed = 0;
        for round in 0..20 {
            for subject in &subjects {
                if routes.find(subject.as_bytes()).is_none() {
                    let place = routes.make_room(subject.as_bytes());
                    routes.put(place, subject.as_bytes(), &mut Found::default());
                    missed += u64::from(round == 19);
                }
            }
        }
        // Four places of 32,768 are all taken for fewer than 1 % at this load.
        assert!(missed < 100, "{missed} of 10,000 were not known");
    }
}
