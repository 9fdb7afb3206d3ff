//! What waits for a client that does not keep up, message by message, so that some of it can be left out.
//!
//! As long as a client keeps up, what it hears goes to its outbox at once, and nothing stands here. When bytes of an earlier
//! turn still wait there, what is published under a policy that may drop is held back here; it follows in order when the
//! outbox is empty. Of what is held back the oldest may give way to the newest, or each subject keep its latest only.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::connection::Outbox;
use crate::limits;

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
}

impl Mark {
    /// That of a message which is never left out.
    pub(super) const KEPT: Self = Self { subject: 0, rule: Some(SlowPolicy::Cut) };
}

/// One message that is held back.
#[derive(Debug)]
struct Held {
    subject: u64,
    policy: SlowPolicy,
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

/// What is held back for one client.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    held: VecDeque<Held>,
    /// How many were taken from the front ever: the number of the first.
    first: u64,
    /// The number of the latest message of each subject that keeps only that.
    latest: HashMap<u64, u64>,
    bytes: usize,
    /// Bytes of messages that may not be dropped.
    kept_bytes: usize,
    /// Messages left out that the client was not told of yet.
    untold: u64,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.untold == 0
    }

    /// Bytes that must not be left out.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// Bytes of memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.held.len() * HELD_BYTES
    }

    /// Holds a message back. Returns how many were left out for it.
    pub(super) fn push(&mut self, mark: Mark, policy: SlowPolicy, parts: Parts) -> u64 {
        let policy = mark.rule.unwrap_or(policy);
        let mut dropped = 0;
        if policy == SlowPolicy::KeepLatest {
            let next = self.first + self.held.len() as u64;
            let place = self.latest.insert(mark.subject, next).and_then(|number| self.place(number));
            if let Some(place) = place {
                let held = &mut self.held[place];
                self.bytes = self.bytes + parts.len() - held.parts.len();
                held.parts = parts;
                // It stays where it was: so every subject comes to its turn.
                self.latest.insert(mark.subject, self.first + place as u64);
                dropped = 1;
                return self.trim(dropped);
            }
        }
        self.bytes += parts.len();
        self.kept_bytes += if policy == SlowPolicy::Cut { parts.len() } else { 0 };
        self.held.push_back(Held { subject: mark.subject, policy, parts });
        self.trim(dropped)
    }

    /// Leaves out what is too much, the oldest first.
    fn trim(&mut self, mut dropped: u64) -> u64 {
        let mut kept = Vec::new();
        while limits::HUB_BACKLOG_BYTES < self.bytes() - self.kept_bytes {
            let Some(held) = self.pop() else { break };
            if held.policy == SlowPolicy::Cut {
                kept.push(held);
            } else {
                dropped += 1;
            }
        }
        for held in kept.into_iter().rev() {
            self.put_back(held);
        }
        self.untold += dropped;
        dropped
    }

    fn place(&self, number: u64) -> Option<usize> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        (place < self.held.len()).then_some(place)
    }

    fn pop(&mut self) -> Option<Held> {
        let held = self.held.pop_front()?;
        self.first += 1;
        self.bytes -= held.parts.len();
        match held.policy {
            SlowPolicy::Cut => self.kept_bytes -= held.parts.len(),
            SlowPolicy::KeepLatest => drop(self.latest.remove(&held.subject)),
            SlowPolicy::DropOldest => {}
        }
        Some(held)
    }

    fn put_back(&mut self, held: Held) {
        self.first -= 1;
        self.bytes += held.parts.len();
        self.kept_bytes += held.parts.len();
        self.held.push_front(held);
    }

    /// Moves messages to the outbox, as many as go there at once.
    pub(super) fn send(&mut self, outbox: &mut Outbox) {
        let mut sent = 0;
        while sent < limits::HUB_BACKLOG_SEND_BYTES {
            let Some(held) = self.pop() else { break };
            sent += held.parts.len();
            held.parts.write(outbox);
        }
    }

    /// Bytes that the next [`send`](Self::send) moves.
    pub(super) fn next_bytes(&self) -> usize {
        let mut sum = 0;
        for held in &self.held {
            if limits::HUB_BACKLOG_SEND_BYTES <= sum {
                break;
            }
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

    fn push(backlog: &mut Backlog, subject: u64, policy: SlowPolicy, text: &str) -> u64 {
        let parts = Parts::Copied(text.as_bytes().into());
        backlog.push(Mark { subject, rule: None }, policy, parts)
    }

    fn sent(backlog: &mut Backlog) -> String {
        let mut outbox = Outbox::default();
        let expected = backlog.next_bytes();
        backlog.send(&mut outbox);
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
        assert_eq!(push(&mut backlog, 1, SlowPolicy::Cut, "kept"), 0);
        for _ in 0..3 {
            assert_eq!(push(&mut backlog, 2, SlowPolicy::DropOldest, &text), 0);
        }
        assert_eq!(push(&mut backlog, 2, SlowPolicy::DropOldest, &format!("{text}!")), 1);
        assert_eq!((backlog.kept_bytes(), backlog.take_untold()), (4, 1));
        assert!(sent(&mut backlog).starts_with("keptx"));
    }
}
