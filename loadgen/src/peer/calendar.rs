//! What is to happen later, in the order of its time; what has the same time, in the order in which it was entered.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use tidemill::sys::clock::Time;

/// Things to do and their times.
#[derive(Debug)]
pub struct Calendar<T> {
    entries: BinaryHeap<Reverse<Entry<T>>>,
    /// Entries so far.
    entered: u64,
}

#[derive(Debug)]
struct Entry<T> {
    key: (Time, u64),
    what: T,
}

impl<T> Calendar<T> {
    /// An empty one.
    pub fn new() -> Self {
        Self { entries: BinaryHeap::new(), entered: 0 }
    }

    /// Enters what is to be done then. How much may be entered is the caller's care.
    pub fn enter(&mut self, at: Time, what: T) {
        self.entries.push(Reverse(Entry { key: (at, self.entered), what }));
        self.entered += 1;
    }

    /// When the next is due.
    pub fn next(&self) -> Option<Time> {
        self.entries.peek().map(|Reverse(entry)| entry.key.0)
    }

    /// Takes the next, and its time, if it is due.
    pub fn take_due(&mut self, now: Time) -> Option<(Time, T)> {
        if now < self.next()? {
            return None;
        }
        self.entries.pop().map(|Reverse(entry)| (entry.key.0, entry.what))
    }

    /// How much is to be done.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<T> Default for Calendar<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_time_and_then_of_entry() {
        let mut calendar = Calendar::new();
        for (at, what) in [(5, 'a'), (3, 'b'), (5, 'c'), (4, 'd'), (3, 'e')] {
            calendar.enter(Time::from_nanos(at), what);
        }
        assert_eq!((calendar.len(), calendar.next()), (5, Some(Time::from_nanos(3))));
        assert_eq!(calendar.take_due(Time::from_nanos(2)), None);
        let due = std::iter::from_fn(|| calendar.take_due(Time::from_nanos(5)));
        let due: Vec<(u64, char)> = due.map(|(at, what)| (at.as_nanos(), what)).collect();
        assert_eq!(due, [(3, 'b'), (3, 'e'), (4, 'd'), (5, 'a'), (5, 'c')]);
        assert!(calendar.is_empty());
    }
}
