//! What somebody may publish and subscribe to.
//!
//! The answers are those of nats-server, as far as they are safe. It takes the `>` of a subscription for a token like any
//! other, so that being allowed `foo.*` lets in `foo.>`, and with it `foo.a.b`; here that is refused. Being denied `foo.*`
//! refuses `foo.>` there and here, although it could be let in and filtered, as `>` is.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::rules::{Lists, Responses, Rules};
use crate::limits;
use crate::protocol::nats::subject::{
    covers, has_empty_token, has_wildcard, is_valid_filter, matches, overlaps,
};

/// What somebody may publish and subscribe to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    publish: Side,
    subscribe: Side,
    responses: Option<Responses>,
}

/// A list that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct RuleError {
    /// Which one.
    pub list: List,
    /// What is wrong with it, as the rest of a sentence.
    pub problem: String,
}

/// The lists of [`Rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Where somebody may publish.
    PublishAllow,
    /// Where somebody may not publish.
    PublishDeny,
    /// What somebody may subscribe to.
    SubscribeAllow,
    /// What somebody may not subscribe to.
    SubscribeDeny,
}

/// What is allowed and what is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Side {
    /// Everything, where there is no list.
    allow: Option<Entries>,
    deny: Entries,
}

/// One list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entries {
    /// Entries for whoever asks.
    plain: Filters,
    /// Entries for queue groups.
    queued: Vec<Queued>,
}

/// An entry for a queue group.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Queued {
    filter: Box<[u8]>,
    /// The group's name, or a filter of names.
    group: Box<[u8]>,
}

/// Filters that a message is compared with.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Filters {
    literals: HashSet<Box<[u8]>>,
    wildcards: Vec<Box<[u8]>>,
}

impl Permissions {
    /// Makes them of what was written.
    ///
    /// # Errors
    /// Names the list that has an entry which is no filter, or too many of them.
    pub fn new(rules: &Rules) -> Result<Self, RuleError> {
        let mut publish = Side::new(&rules.publish, [List::PublishAllow, List::PublishDeny])?;
        if rules.responses.is_some() {
            // Who may answer may say nothing else, unless that is said: as nats-server has it.
            publish.allow.get_or_insert_default();
        }
        let subscribe = Side::new(&rules.subscribe, [List::SubscribeAllow, List::SubscribeDeny])?;
        Ok(Self { publish, subscribe, responses: rules.responses })
    }

    /// Whether a message to this subject may be published. It may be a response all the same: see
    /// [`responses`](Self::responses).
    pub fn may_publish(&self, subject: &[u8]) -> bool {
        let is_allowed = self.publish.allow.as_ref().is_none_or(|allow| allow.plain.matches(subject));
        is_allowed && !self.publish.deny.plain.matches(subject)
    }

    /// How requests may be answered whose reply subject is not allowed otherwise; who asks for it keeps
    /// [`Replies`](super::Replies).
    pub fn responses(&self) -> Option<&Responses> {
        self.responses.as_ref()
    }

    /// Whether this may be subscribed to, alone or as a member of a queue group. Of a filter wider than what is denied some
    /// messages may have to be kept back: see [`hidden`](Self::hidden).
    pub fn may_subscribe(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        self.subscribe.allow.as_ref().is_none_or(|allow| allow.lets_in(filter, queue))
            && !self.subscribe.deny.keeps_out(filter, queue)
    }

    /// What is denied within a filter that may be subscribed to: messages that match it are not delivered there.
    pub fn hidden(&self, filter: &[u8], queue: Option<&[u8]>) -> Option<Arc<Filters>> {
        let deny = &self.subscribe.deny;
        if !has_wildcard(filter) || deny.is_empty() {
            return None;
        }
        let of_queue = deny.queued_for(queue).map(|entry| &entry.filter[..]);
        let within = deny.plain.iter().chain(of_queue).filter(|entry| overlaps(entry, filter));
        let mut hidden = Filters::default();
        within.for_each(|entry| hidden.add(entry));
        (!hidden.is_empty()).then(|| Arc::new(hidden))
    }
}

impl Side {
    fn new(lists: &Lists, [allow, deny]: [List; 2]) -> Result<Self, RuleError> {
        let allow = lists.allow.as_ref().map(|list| Entries::new(list, allow)).transpose()?;
        Ok(Self { allow, deny: Entries::new(&lists.deny, deny)? })
    }
}

impl Entries {
    fn new(list: &[String], which: List) -> Result<Self, RuleError> {
        let wrong = |problem: String| Err(RuleError { list: which, problem });
        if limits::PERMISSION_SUBJECTS_MAX < list.len() {
            let most = limits::PERMISSION_SUBJECTS_MAX;
            return wrong(format!("has {} entries: the most is {most}", list.len()));
        }
        let takes_queues = matches!(which, List::SubscribeAllow | List::SubscribeDeny);
        let mut entries = Self::default();
        for entry in list {
            let mut words = entry.split_ascii_whitespace();
            let (filter, queue) = (words.next().unwrap_or_default(), words.next());
            let is_bad = !is_valid_filter(filter.as_bytes())
                || queue.is_some_and(|queue| !takes_queues || !is_valid_filter(queue.as_bytes()))
                || words.next().is_some()
                || entry.len() > limits::PERMISSION_SUBJECT_BYTES_MAX;
            match queue {
                _ if is_bad => return wrong(format!("names {entry:?}: {}", wanted(takes_queues))),
                None => entries.plain.add(filter.as_bytes()),
                Some(group) => {
                    let (filter, group) = (filter.as_bytes().into(), group.as_bytes().into());
                    entries.queued.push(Queued { filter, group });
                }
            }
        }
        Ok(entries)
    }

    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.queued.is_empty()
    }

    /// As an allow list. Where some entries are about queue groups, a group must be one of them.
    fn lets_in(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        if has_empty_token(filter) {
            return false; // No entry matches it, as in nats-server.
        }
        let mut groups = self.queued.iter().filter(|entry| covers(&entry.filter, filter)).peekable();
        match queue {
            Some(queue) if groups.peek().is_some() => groups.any(|entry| covers(&entry.group, queue)),
            Some(_) | None => self.plain.iter().any(|entry| covers(entry, filter)),
        }
    }

    /// As a deny list: `>` in a subscription is a token like any other here.
    fn keeps_out(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        self.plain.matches(filter) || self.queued_for(queue).any(|entry| matches(&entry.filter, filter))
    }

    /// The entries about this queue group.
    fn queued_for(&self, queue: Option<&[u8]>) -> impl Iterator<Item = &Queued> {
        self.queued.iter().filter(move |entry| queue.is_some_and(|queue| covers(&entry.group, queue)))
    }
}

impl Filters {
    /// Whether a message to this subject is one of theirs.
    pub fn matches(&self, subject: &[u8]) -> bool {
        self.literals.contains(subject) || self.wildcards.iter().any(|filter| matches(filter, subject))
    }

    fn is_empty(&self) -> bool {
        self.literals.is_empty() && self.wildcards.is_empty()
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.literals.iter().chain(&self.wildcards).map(|filter| &filter[..])
    }

    fn add(&mut self, filter: &[u8]) {
        if !has_wildcard(filter) {
            self.literals.insert(filter.into());
        } else if !self.wildcards.iter().any(|known| **known == *filter) {
            self.wildcards.push(filter.into());
        }
    }
}

impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(String::from_utf8_lossy)).finish()
    }
}

fn wanted(takes_queues: bool) -> String {
    let most = limits::PERMISSION_SUBJECT_BYTES_MAX;
    let queue = if takes_queues { ", with a queue group behind a space where it is about one" } else { "" };
    format!(
        "it takes subjects such as chat.room or chat.*, with > as the last token where all that follows is meant, of at \
         most {most} bytes{queue}"
    )
}
