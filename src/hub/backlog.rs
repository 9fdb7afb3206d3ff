//! What waits for a client that does not keep up, message by message, so that some of it can be left out.
//!
//! As long as a client keeps up, what it hears goes to its outbox at once, and nothing stands here. When bytes of an earlier
//! turn still wait there, what is published under a policy that may drop is held back here; it follows in order when the
//! outbox is empty. Of what is held back the oldest may give way to the newest, or each subject keep its latest only.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::connection::Outbox;
use crate::limits;
use crate::sys::clock::Time;

/// What is done when a client does not keep up with what it listens to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowPolicy {
    /// Too much waits: the connection is cut, and told why.
    #[default]
    Cut,
    /// The oldest message gives way.
    DropOldest,
    /// The last message of each subject is kept, in the place of the one before.
    KeepLatest,
}

/// What a message is to a backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Its subject, as a number.
    pub(super) subject: u64,
    /// What its subject asks for; `None`, whatever the client does.
    pub(super) rule: Option<SlowPolicy>,
    /// When it came in.
    pub(super) came: Time,
}

impl Mark {
    /// That of a message which is never left out.
    pub(super) fn kept(came: Time) -> Self {
        Self { subject: 0, rule: Some(SlowPolicy::Cut), came }
    }
}

/// Messages that were left out for clients that did not keep up, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// A later one of the same subject took its place.
    pub replaced: u64,
    /// Too much was held back, and they were the oldest.
    pub oldest: u64,
    /// Their client was cut.
    pub cut: u64,
}

impl Losses {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.replaced + self.oldest + self.cut
    }

    pub(super) fn add(&mut self, other: Self) {
        self.replaced += other.replaced;
        self.oldest += other.oldest;
        self.cut += other.cut;
    }
}

/// One message that is held back.
#[derive(Debug)]
struct Held {
    /// Its place among all that were held back.
    number: u64,
    subject: u64,
    came: Time,
    parts: Parts,
}

/// The bytes of a message: small ones are copied, so that they do not keep all that was said in their turn.
#[derive(Debug)]
pub(super) enum Parts {
    Copied(Box<[u8]>),
    /// A large payload between its line and its end.
    Spliced(Box<[u8]>, Arc<Vec<u8>>, Box<[u8]>),
}

impl Parts {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Copied(bytes) => bytes.len(),
            Self::Spliced(head, payload, tail) => head.len() + payload.len() + tail.len(),
        }
    }

    fn write(self, outbox: &mut Outbox) {
        match self {
            Self::Copied(bytes) => outbox.write(&bytes),
            Self::Spliced(head, payload, tail) => {
                outbox.write(&head);
                let length = payload.len();
                outbox.send_shared(payload, 0..length);
                outbox.write(&tail);
            }
        }
    }
}

/// What is held back for one client, in order: what must not be left out, and what may, stand apart, so that nobody has to be
/// searched for to give way.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    kept: Pile,
    losable: Pile,
    /// The number of the next message.
    next: u64,
    /// The number of the latest message of each subject that keeps only that.
    latest: HashMap<u64, u64>,
    /// Messages left out that the client was not told of yet.
    untold: u64,
}

/// Messages in the order in which they came.
#[derive(Debug, Default)]
struct Pile {
    held: VecDeque<Held>,
    bytes: usize,
}

impl Pile {
    fn push(&mut self, held: Held) {
        self.bytes += held.parts.len();
        self.held.push_back(held);
    }

    fn pop(&mut self) -> Option<Held> {
        let held = self.held.pop_front()?;
        self.bytes -= held.parts.len();
        Some(held)
    }

    /// Puts other bytes in the place of those of this number, if it is there.
    fn replace(&mut self, number: u64, came: Time, parts: Parts) -> Result<(), Parts> {
        let Ok(place) = self.held.binary_search_by_key(&number, |held| held.number) else {
            return Err(parts);
        };
        let held = &mut self.held[place];
        self.bytes = self.bytes + parts.len() - held.parts.len();
        held.parts = parts;
        held.came = came;
        Ok(())
    }

    fn first(&self) -> Option<u64> {
        self.held.front().map(|held| held.number)
    }

    /// Bytes of memory, about.
    fn memory(&self) -> usize {
        self.bytes + self.held.len() * HELD_BYTES
    }
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.kept.held.is_empty() && self.losable.held.is_empty() && self.untold == 0
    }

    /// Bytes of memory of what must not be left out, about.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept.memory()
    }

    /// Bytes that are to be sent.
    pub(super) fn bytes(&self) -> usize {
        self.kept.bytes + self.losable.bytes
    }

    /// Messages that are to be sent.
    pub(super) fn len(&self) -> usize {
        self.kept.held.len() + self.losable.held.len()
    }

    /// Holds a message back. Returns what was left out for it.
    pub(super) fn push(&mut self, mark: Mark, policy: SlowPolicy, parts: Parts) -> Losses {
        let (number, Mark { subject, came, .. }) = (self.next, mark);
        self.next += 1;
        let replaced = match mark.rule.unwrap_or(policy) {
            SlowPolicy::Cut => {
                self.kept.push(Held { number, subject, came, parts });
                return Losses::default();
            }
            SlowPolicy::DropOldest => Err(parts),
            // It takes the place of the one before: so every subject comes to its turn.
            SlowPolicy::KeepLatest => match self.latest.get(&subject) {
                Some(earlier) => self.losable.replace(*earlier, came, parts),
                None => {
                    self.latest.insert(subject, number);
                    Err(parts)
                }
            },
        };
        let replaced = match replaced {
            Ok(()) => 1,
            Err(parts) => {
                self.losable.push(Held { number, subject, came, parts });
                0
            }
        };
        let losses = Losses { replaced, oldest: self.trim(), cut: 0 };
        self.untold += losses.total();
        losses
    }

    /// Leaves out what is too much, the oldest first. Returns how many that are.
    fn trim(&mut self) -> u64 {
        let mut dropped = 0;
        while limits::HUB_BACKLOG_BYTES < self.losable.memory() && self.pop_losable().is_some() {
            dropped += 1;
        }
        dropped
    }

    fn pop_losable(&mut self) -> Option<Held> {
        let held = self.losable.pop()?;
        if self.latest.get(&held.subject) == Some(&held.number) {
            self.latest.remove(&held.subject);
        }
        Some(held)
    }

    /// The oldest of all.
    fn pop(&mut self) -> Option<Held> {
        match (self.kept.first(), self.losable.first()) {
            (Some(kept), Some(losable)) if losable < kept => self.pop_losable(),
            (Some(_), _) => self.kept.pop(),
            (None, _) => self.pop_losable(),
        }
    }

    /// Moves messages to the outbox, until it is so many bytes. Of each is told when it came in.
    pub(super) fn send(&mut self, most: usize, outbox: &mut Outbox, mut goes: impl FnMut(Time)) {
        let mut sent = 0;
        while sent < most {
            let Some(held) = self.pop() else { break };
            sent += held.parts.len();
            held.parts.write(outbox);
            goes(held.came);
        }
    }

    /// Bytes that such a [`send`](Self::send) moves.
    pub(super) fn next_bytes(&self, most: usize) -> usize {
        let (mut kept, mut losable) = (self.kept.held.iter().peekable(), self.losable.held.iter().peekable());
        let mut sum = 0;
        while sum < most {
            let is_losable = match (kept.peek(), losable.peek()) {
                (Some(kept), Some(losable)) => losable.number < kept.number,
                (kept, _) => kept.is_none(),
            };
            let next = if is_losable { losable.next() } else { kept.next() };
            let Some(held) = next else { break };
            sum += held.parts.len();
        }
        sum
    }

    /// How many messages were left out that the client was not told of; told once.
    pub(super) fn take_untold(&mut self) -> u64 {
        std::mem::take(&mut self.untold)
    }
}

/// What an entry costs beside its bytes, about.
const HELD_BYTES: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    fn push(backlog: &mut Backlog, subject: u64, policy: SlowPolicy, text: &str) -> Losses {
        let parts = Parts::Copied(text.as_bytes().into());
        backlog.push(Mark { subject, rule: None, came: Time::ZERO }, policy, parts)
    }

    const NONE: Losses = Losses { replaced: 0, oldest: 0, cut: 0 };

    fn sent(backlog: &mut Backlog) -> String {
        let mut outbox = Outbox::default();
        let most = limits::HUB_BACKLOG_SEND_BYTES;
        let expected = backlog.next_bytes(most);
        backlog.send(most, &mut outbox, |_| ());
        assert_eq!(outbox.pending_bytes(), expected);
        let gather = outbox.take_send();
        let bytes: Vec<u8> = gather.parts().iter().flat_map(|part| part.bytes().to_vec()).collect();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_subject_keeps_its_latest_in_its_place() {
        let mut backlog = Backlog::default();
        for (subject, text) in [(1, "a1 "), (2, "b1 "), (1, "a2 "), (3, "c1 "), (2, "b2 "), (1, "a3 ")] {
            push(&mut backlog, subject, SlowPolicy::KeepLatest, text);
        }
        assert_eq!(backlog.take_untold(), 3);
        assert_eq!(sent(&mut backlog), "a3 b2 c1 ");
        push(&mut backlog, 1, SlowPolicy::KeepLatest, "a4 ");
        assert_eq!(sent(&mut backlog), "a4 ", "what was sent is not replaced");
        assert!(backlog.is_empty());
        assert_eq!((backlog.bytes(), backlog.latest.len()), (0, 0));
    }

    #[test]
    fn the_oldest_gives_way_but_not_what_must_be_kept() {
        let mut backlog = Backlog::default();
        let text = "x".repeat(limits::HUB_BACKLOG_BYTES / 4 - HELD_BYTES);
        assert_eq!(push(&mut backlog, 1, SlowPolicy::Cut, "kept"), NONE);
        for _ in 0..3 {
            assert_eq!(push(&mut backlog, 2, SlowPolicy::DropOldest, &text), NONE);
        }
        let gone = push(&mut backlog, 2, SlowPolicy::DropOldest, &format!("{text}!"));
        assert_eq!(gone, Losses { oldest: 1, ..NONE });
        assert_eq!((backlog.kept_bytes(), backlog.take_untold()), (4 + HELD_BYTES, 1));
        assert!(sent(&mut backlog).starts_with("keptx"));
    }

    /// What must not be left out and what may come out in the order in which they went in.
    #[test]
    fn both_kinds_keep_their_order() {
        let mut backlog = Backlog::default();
        let told = [
            (1, SlowPolicy::Cut, "a "),
            (2, SlowPolicy::KeepLatest, "old "),
            (1, SlowPolicy::Cut, "b "),
            (3, SlowPolicy::DropOldest, "c "),
            (2, SlowPolicy::KeepLatest, "new "),
            (1, SlowPolicy::Cut, "d "),
        ];
        for (subject, policy, text) in told {
            push(&mut backlog, subject, policy, text);
        }
        assert_eq!(sent(&mut backlog), "a new b c d ");
        assert!(backlog.take_untold() == 1 && backlog.is_empty());
    }

    /// Many small messages that must be kept count with what each of them takes, and what gives way beside them is found at
    /// once: 200,000 of them were minutes of searching.
    #[test]
    fn many_that_are_kept_cost_no_search() {
        let mut backlog = Backlog::default();
        let filler = "x".repeat(limits::HUB_BACKLOG_BYTES / 2 - HELD_BYTES);
        for _ in 0..2 {
            push(&mut backlog, 2, SlowPolicy::DropOldest, &filler);
        }
        for _ in 0..200_000 {
            assert_eq!(push(&mut backlog, 1, SlowPolicy::Cut, "x"), NONE);
            assert_eq!(push(&mut backlog, 3, SlowPolicy::KeepLatest, "").total(), 1);
        }
        assert_eq!(backlog.kept_bytes(), 200_000 * (1 + HELD_BYTES));
    }
}
