//! What one shard tells the others in a turn: what its connections listen to, and what was published.
//!
//! A parcel is written once and shared. Parcels between two shards arrive in the order they were sent, so that a shard
//! knows who listens before it sees what is said to them.

use std::ops::Range;

use super::ClientId;
use super::message::{Kind, Message};
use super::summary::{Shards, bit};
use crate::sys::clock::Time;

/// One turn's news from one shard.
#[derive(Debug, Default)]
pub struct Parcel {
    /// Whose news it is.
    pub(super) from: u16,
    /// When the turn began.
    pub(super) sent: Time,
    /// Which of the shards it is for.
    pub(super) shards: Shards,
    /// What has changed in what it listens to.
    pub(super) adverts: Vec<Advert>,
    /// The number of these changes, if there are any: to be acknowledged.
    pub(super) number: u64,
    /// Whose changes are known here now, up to which number.
    pub(super) known: Vec<(u16, u64)>,
    pub(super) entries: Vec<Entry>,
    pub(super) called: Vec<Called>,
    /// What the messages consist of, and the names of queue groups.
    pub(super) bytes: Vec<u8>,
}

/// A queue group of which a shard is to serve one member.
#[derive(Clone, Debug)]
pub(super) struct Called {
    pub(super) shard: u16,
    /// The shards that were asked before, and had nobody for it.
    pub(super) tried: Shards,
    /// Its name, among the bytes.
    name: Range<usize>,
}

/// A shard has so many subscriptions of a kind; none means no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Advert {
    pub(super) filter: Box<[u8]>,
    pub(super) queue: Option<Box<[u8]>>,
    pub(super) members: u32,
}

/// One message among the bytes of a parcel.
#[derive(Debug)]
pub(super) struct Entry {
    /// The shards whose plain subscriptions hear it.
    pub(super) plain: Shards,
    /// Of those that are called, the queue groups that hear it.
    pub(super) called: Range<usize>,
    /// Who must not hear it, and on which shard that is: a publisher who wants no echo.
    pub(super) silent: Option<(u16, ClientId)>,
    start: usize,
    subject: u32,
    reply: u32,
    headers: u32,
    payload: u32,
    kind: Kind,
}

impl Parcel {
    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.adverts.is_empty() && self.known.is_empty() && self.entries.is_empty()
    }

    /// Whether a shard is to read it.
    pub(super) fn is_for(&self, shard: u16) -> bool {
        let is_told = self.known.iter().any(|(other, _)| *other == shard);
        shard != self.from && (!self.adverts.is_empty() || is_told || self.shards & bit(shard) != 0)
    }

    /// Calls a member of a queue group for the message that is [added](Self::push) next.
    pub(super) fn call(&mut self, shard: u16, name: &[u8], tried: Shards) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.called.push(Called { shard, tried, name: start..self.bytes.len() });
    }

    /// Adds a message for these shards, and for all that were called since the last one.
    pub(super) fn push(&mut self, message: &Message<'_>, plain: Shards, silent: Option<(u16, ClientId)>) {
        let first = self.entries.last().map_or(0, |entry| entry.called.end);
        let called = first..self.called.len();
        let far = self.called[called.clone()].iter().fold(0, |shards, called| shards | bit(called.shard));
        self.shards |= plain | far;
        let start = self.bytes.len();
        for part in [message.subject, message.reply, message.headers, message.payload] {
            self.bytes.extend_from_slice(part);
        }
        let length = |part: &[u8]| u32::try_from(part.len()).expect("payloads are bounded");
        self.entries.push(Entry {
            plain,
            called,
            silent,
            start,
            subject: length(message.subject),
            reply: length(message.reply),
            headers: length(message.headers),
            payload: length(message.payload),
            kind: message.kind,
        });
    }

    /// The name of a queue group that is called.
    pub(super) fn name(&self, called: &Called) -> &[u8] {
        &self.bytes[called.name.clone()]
    }

    pub(super) fn message(&self, entry: &Entry) -> Message<'_> {
        let mut rest = &self.bytes[entry.start..];
        let mut take = |count: u32| {
            let (part, behind) = rest.split_at(count as usize);
            rest = behind;
            part
        };
        Message {
            subject: take(entry.subject),
            reply: take(entry.reply),
            headers: take(entry.headers),
            payload: take(entry.payload),
            kind: entry.kind,
        }
    }

    /// Makes it empty, and keeps its memory up to a bound.
    pub(super) fn clear(&mut self) {
        self.shards = 0;
        self.number = 0;
        self.adverts.clear();
        self.known.clear();
        self.called.clear();
        self.entries.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.entries.shrink_to(KEPT_BYTES / size_of::<Entry>());
        self.called.shrink_to(KEPT_BYTES / size_of::<Called>());
        self.adverts.shrink_to(KEPT_ADVERTS);
    }
}

/// Memory that an empty parcel keeps.
const KEPT_BYTES: usize = 1 << 20;
/// Room for adverts that an empty parcel keeps.
const KEPT_ADVERTS: usize = 64;
