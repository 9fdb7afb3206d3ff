//! Which requests of a connection are due, since when, and what became of them.

use std::collections::VecDeque;

use tidemill::sys::clock::Time;

use crate::load::Asked;
use crate::record::{ErrorClass, Recorder};
use crate::traffic::pattern::Pattern;
use crate::traffic::verify::Mismatch;

/// The requests of one connection that are not answered yet.
#[derive(Debug, Default)]
pub struct Due {
    /// By the turn that they began in, the oldest first; none is empty.
    turns: VecDeque<(Asked, u64)>,
    total: u64,
}

impl Due {
    /// How many there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// So many more begin.
    pub fn add(&mut self, asked: Asked, count: u64) {
        if count != 0 {
            self.turns.push_back((asked, count));
            self.total += count;
        }
    }

    /// When the oldest was sent.
    pub fn oldest(&self) -> Option<Time> {
        self.turns.front().map(|(asked, _)| asked.sent)
    }

    /// Takes those that were sent at this time or before.
    pub fn take_older(&mut self, than: Time) -> Option<(Asked, u64)> {
        self.oldest().filter(|sent| *sent <= than)?;
        self.take(u64::MAX)
    }

    /// Takes all of them, by the turn that they began in.
    pub fn take_all(&mut self) -> impl Iterator<Item = (Asked, u64)> {
        self.total = 0;
        self.turns.drain(..)
    }

    /// Takes as many of the oldest as began together, at most `count`; says when they began.
    fn take(&mut self, count: u64) -> Option<(Asked, u64)> {
        let (asked, left) = self.turns.front_mut()?;
        let (asked, taken) = (*asked, count.min(*left));
        *left -= taken;
        if *left == 0 {
            self.turns.pop_front();
        }
        self.total -= taken;
        Some((asked, taken))
    }
}

/// Where a conversation writes what came back in one turn. Answers come in the order of their requests.
#[derive(Debug)]
pub struct Book<'a> {
    connection: u32,
    due: &'a mut Due,
    recorder: &'a mut Recorder,
    now: Time,
    /// Answers that are whole and not yet written.
    good: u64,
    /// Of these, the ones with a wrong byte.
    wrong: u64,
}

impl<'a> Book<'a> {
    /// The book of this connection.
    pub fn new(connection: u32, due: &'a mut Due, recorder: &'a mut Recorder, now: Time) -> Self {
        Self { connection, due, recorder, now, good: 0, wrong: 0 }
    }

    /// Whether an answer is awaited.
    pub fn is_due(&self) -> bool {
        self.good < self.due.total
    }

    /// The answer that is due came, whole.
    pub fn good(&mut self) {
        self.good += 1;
    }

    /// Messages of an echo came back, of which so many had a wrong byte. They are whole all the same, see [`Self::good`],
    /// and have failed.
    pub fn compared(&mut self, pattern: &Pattern, messages: u64, wrong: u64, mismatch: Option<Mismatch>) {
        self.recorder.counts.verified(messages, wrong, mismatch, pattern.size());
        self.wrong += wrong;
    }

    /// The answer that is due came, and it is none that could be measured.
    pub fn bad(&mut self, class: ErrorClass, sentence: impl FnOnce() -> String) {
        self.settle();
        if let Some((asked, count)) = self.due.take(1) {
            self.recorder.refused(asked, self.now, count);
        }
        self.error(class, sentence);
    }

    /// An answer had a status that says that the request failed.
    pub fn status(&mut self, status: u16) {
        *self.recorder.counts.statuses.entry(status).or_default() += 1;
    }

    /// An answer had content of so many bytes. Returns how many the others had, if it was another number.
    pub fn content(&mut self, bytes: u64) -> Option<u64> {
        let first = *self.recorder.counts.content_bytes.get_or_insert(bytes);
        (first != bytes).then_some(first)
    }

    /// Counts what went wrong without ending the conversation.
    pub fn error(&mut self, class: ErrorClass, sentence: impl FnOnce() -> String) {
        let connection = self.connection;
        self.recorder.counts.errors.count(class, || format!("connection {connection}: {}", sentence()));
    }

    /// Writes the whole answers down. Returns how many had not been asked for.
    fn settle(&mut self) -> u64 {
        let mut left = std::mem::take(&mut self.good);
        while left != 0 {
            let Some((asked, taken)) = self.due.take(left) else { break };
            let wrong = taken.min(self.wrong);
            self.wrong -= wrong;
            self.recorder.answered(asked, self.now, taken - wrong);
            self.recorder.refused(asked, self.now, wrong);
            left -= taken;
        }
        left
    }
}

impl Drop for Book<'_> {
    fn drop(&mut self) {
        if 0 < self.settle() {
            self.error(ErrorClass::Other, || "it got more than it had sent".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::part::feed;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    fn asked(nanos: u64) -> Asked {
        Asked { intended: at(nanos), sent: at(nanos) }
    }

    #[test]
    fn answers_belong_to_the_oldest_requests() {
        let mut due = Due::default();
        let mut recorder = Recorder::new(feed().0);
        due.add(asked(100), 2);
        due.add(asked(200), 2);
        let mut book = Book::new(7, &mut due, &mut recorder, at(300));
        book.good();
        book.bad(ErrorClass::Status, || "no".to_owned());
        book.good();
        assert!(book.is_due());
        drop(book);
        assert_eq!(due.total(), 1);
        let record = recorder.finish(at(400), 0);
        assert_eq!((record.counts.received, record.counts.measured, record.requests.failed), (3, 2, 1));
        assert_eq!((record.nanos.response.min(), record.nanos.response.max()), (100, 200));
        assert_eq!(record.nanos.failed.max(), 200);
        assert_eq!(record.counts.errors.first.as_deref(), Some("connection 7: no"));
    }

    #[test]
    fn more_than_was_asked_for_is_an_error() {
        let mut due = Due::default();
        let mut recorder = Recorder::new(feed().0);
        due.add(asked(100), 1);
        let mut book = Book::new(7, &mut due, &mut recorder, at(300));
        book.good();
        book.good();
        drop(book);
        let record = recorder.finish(at(400), 0);
        assert_eq!((record.counts.received, record.counts.errors.total()), (1, 1));
    }

    #[test]
    fn a_wrong_answer_has_failed() {
        let mut due = Due::default();
        let mut recorder = Recorder::new(feed().0);
        due.add(asked(100), 3);
        let mut book = Book::new(7, &mut due, &mut recorder, at(300));
        (0..3).for_each(|_| book.good());
        book.compared(&Pattern::new(1, 64), 3, 1, None);
        drop(book);
        let record = recorder.finish(at(400), 0);
        assert_eq!((record.requests.ok, record.requests.failed, record.counts.received), (2, 1, 3));
        assert_eq!((record.counts.measured, record.counts.verification_errors), (2, 1));
    }

    #[test]
    fn what_is_too_old_is_taken_and_what_is_younger_stays() {
        let mut due = Due::default();
        due.add(asked(100), 2);
        due.add(asked(200), 3);
        assert_eq!(due.oldest(), Some(at(100)));
        assert_eq!((due.take_older(at(99)), due.take_older(at(100))), (None, Some((asked(100), 2))));
        assert_eq!((due.take_older(at(199)), due.total()), (None, 3));
        assert_eq!(due.take_all().collect::<Vec<_>>(), [(asked(200), 3)]);
        assert_eq!(due.total(), 0);
    }
}
