//! One connection, as the hub knows it.

use std::ops::Range;

use super::backlog::{Backlog, SlowPolicy};
use super::form::Form;
use super::group::{GroupId, SubscriptionId};
use super::speech::Speech;
use crate::connection::ConnectionId;

/// Which client of a hub: its place, and its generation among the owners of that place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId {
    pub(super) place: u32,
    pub(super) generation: u32,
}

/// What a client wants of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// How it is told what it has subscribed to.
    pub form: Form,
    /// Whether it hears what it says itself.
    pub echo: bool,
    /// Bytes that may wait for it; when more would, it is cut.
    pub pending_bytes_max: usize,
    /// What is done when it does not keep up.
    pub slow: SlowPolicy,
}

/// What was delivered to a client, and what it listens to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCounts {
    /// Subscriptions that it has now.
    pub subscriptions: usize,
    /// Messages that it was sent.
    pub messages_out: u64,
    /// Messages that were left out because it did not keep up.
    pub dropped: u64,
    /// Bytes that are held back for it.
    pub held_bytes: usize,
}

/// One connection, as the hub knows it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) generation: u32,
    pub(super) connection: ConnectionId,
    pub(super) options: ClientOptions,
    /// Its subscriptions, in no order.
    pub(super) subscriptions: Vec<u32>,
    /// What it is to be sent of this turn, but for what it hears now.
    pub(super) pieces: Vec<Piece>,
    /// What it hears now, from a place on.
    pub(super) hears: Hears,
    /// What it is sent of this turn and nobody else is.
    pub(super) own: Option<Box<Speech>>,
    /// The last run that it hears.
    pub(super) run: u64,
    /// The number of the last change that the other shards must know of before this client is sure to hear all.
    pub(super) asked: u64,
    /// Whether it is on the list of those to be sent something.
    pub(super) touched: bool,
    /// Messages that it was sent.
    pub(super) messages_out: u64,
    /// What waits until its outbox is empty.
    pub(super) backlog: Option<Box<Backlog>>,
    /// Messages that were left out for it.
    pub(super) dropped: u64,
}

/// From where on a client hears which bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Hears {
    /// None.
    #[default]
    Nothing,
    /// Its own, which were so many messages before.
    Own { start: usize, messages: u64 },
    /// Those of a group, as this member of it; they were so many messages before.
    Group { group: GroupId, subscription: SubscriptionId, start: usize, messages: u64 },
}

impl Hears {
    /// Whether it is its own.
    #[inline]
    pub(super) fn is_own(self) -> bool {
        matches!(self, Self::Own { .. })
    }
}

/// Some of what a client is to be sent: a range of the bytes of this turn.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) whose: Whose,
    pub(super) range: Range<usize>,
    /// How many messages it is.
    pub(super) messages: u64,
}

/// Whose bytes a piece is a range of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose {
    /// The client's own.
    Own,
    /// Those of a group.
    Group(GroupId),
}
