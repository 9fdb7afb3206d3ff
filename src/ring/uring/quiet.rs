//! Sends that are no news when they succeed: which of them are done.
//!
//! Such a send does not wait, so it is over when the kernel has taken its entry; and the kernel posts a completion only if
//! it failed, or was short. So when `enter` has come back, and the completions that it has left behind are collected, those
//! that have not answered have succeeded.

use std::collections::VecDeque;

use crate::ring::token::Token;

/// Quiet sends in the order of their entries.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    /// Each with the number of its entry.
    sends: VecDeque<(Token, u64)>,
    /// Those with smaller numbers are over.
    over: u64,
    /// Completions that are still to be collected before it is known how.
    before: usize,
    /// Whether the kernel has left one that was pushed.
    late: bool,
}

impl Quiet {
    /// One is pushed, as the entry with this number.
    pub(super) fn begin(&mut self, token: Token, entry: u64) {
        self.sends.push_back((token, entry));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    /// The kernel has taken all entries with smaller numbers, and so many completions are to be collected.
    pub(super) fn entered(&mut self, over: u64, before: usize) {
        self.over = over;
        self.before = before;
        self.late = self.sends.back().is_some_and(|(_, entry)| over <= *entry);
    }

    /// So many completions were collected.
    pub(super) fn collected(&mut self, count: usize) {
        self.before = self.before.saturating_sub(count);
    }

    /// Whether the next wait must not last: one is done that nobody was told of, or will be, and was pushed a turn ago, so that
    /// something may follow from it by now.
    pub(super) fn is_pressing(&self) -> bool {
        self.has_done() || self.late
    }

    /// Whether one is done that nobody was told of.
    fn has_done(&self) -> bool {
        self.before == 0 && self.sends.front().is_some_and(|(_, entry)| *entry < self.over)
    }

    /// The next that is over, with the number of its entry. It has succeeded, unless it has answered.
    pub(super) fn next_done(&mut self) -> Option<(Token, u64)> {
        if self.has_done() { self.sends.pop_front() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::token::{Generation, Kind};

    fn token(slot: u32) -> Token {
        Token::new(Kind::Send, slot, Generation::default())
    }

    /// Nothing is said of a send before the kernel has taken it, nor before it is seen what has failed.
    #[test]
    fn a_send_is_done_when_all_that_could_say_otherwise_is_read() {
        let mut quiet = Quiet::default();
        quiet.begin(token(1), 0);
        quiet.begin(token(2), 5);
        assert_eq!(quiet.next_done(), None, "it is not submitted");
        quiet.entered(5, 3);
        assert!(quiet.is_pressing(), "the second was left");
        assert_eq!(quiet.next_done(), None, "its failure may be among three");
        quiet.collected(2);
        assert!(!quiet.has_done());
        quiet.collected(1);
        assert_eq!(quiet.next_done(), Some((token(1), 0)));
        assert_eq!(quiet.next_done(), None, "the second is not submitted");
        quiet.entered(6, 0);
        assert_eq!(quiet.next_done(), Some((token(2), 5)));
        assert!(quiet.is_empty() && !quiet.is_pressing());
    }
}
