//! Subscriptions that are sent the same bytes.

use std::sync::Arc;

use smallvec::SmallVec;

use super::form::Form;
use super::index::FilterId;
use super::message::Message;
use super::speech::{Listener, Speech};
use crate::sys::clock::Time;

/// A group's number.
pub(super) type GroupId = u32;
/// A subscription's number.
pub(super) type SubscriptionId = u32;

/// What is asked of each message before a subscription hears it, with the time: whether it is hidden, because the filter is
/// wider than what the client may hear. Who asks to know what was delivered learns it here, too.
pub type Hidden = Arc<dyn Fn(&Message<'_>, Time) -> bool + Send + Sync>;

/// Subscriptions that are sent the same bytes: they have the same filter, form and `sid`.
pub(super) struct Group {
    pub(super) filter: FilterId,
    pub(super) form: Form,
    pub(super) sid: SmallVec<[u8; 16]>,
    pub(super) members: SmallVec<[Member; 1]>,
    /// Its place among the plain groups of the filter, while it stands there.
    pub(super) place: Option<u32>,
    /// For a subscription that has its own: because it is one of a queue group, because its messages are counted, or
    /// because some are hidden from it.
    pub(super) alone: Option<Box<Alone>>,
    /// Messages ever.
    pub(super) messages: u64,
    /// What it hears in this turn, if it hears anything.
    pub(super) speech: Option<Box<Speech>>,
    /// Whether its last member has left: it goes when the turn is over.
    pub(super) is_dead: bool,
}

/// One who hears a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) client: u32,
    pub(super) subscription: SubscriptionId,
}

/// What makes a subscription different from all others.
#[derive(Clone, Default)]
pub(super) struct Alone {
    /// Messages after which it ends.
    pub(super) left: Option<u64>,
    /// What it must not hear.
    pub(super) hidden: Option<Hidden>,
}

impl Group {
    pub(super) fn new(filter: FilterId, form: Form, sid: &[u8], alone: Option<Alone>) -> Self {
        Self {
            filter,
            form,
            sid: sid.into(),
            // Most have one member for ever.
            members: SmallVec::new(),
            place: None,
            alone: alone.map(Box::new),
            messages: 0,
            speech: None,
            is_dead: false,
        }
    }

    /// For whom its messages are written.
    #[inline]
    pub(super) fn listener(&self) -> Listener<'_> {
        Listener { form: self.form, sid: &self.sid }
    }

    /// The client of a group of one, which is told by itself what it hears, unless others have heard it in this turn.
    #[inline]
    pub(super) fn only_client(&self) -> Option<u32> {
        match (&self.speech, &self.members[..]) {
            (None, [only]) => Some(only.client),
            _ => None,
        }
    }

    /// Whether all members hear what it is told now.
    #[inline]
    pub(super) fn is_ready(&self) -> bool {
        self.speech.as_ref().is_some_and(|speech| speech.late.is_empty())
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("form", &self.form)
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}
