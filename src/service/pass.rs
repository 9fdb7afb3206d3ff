//! What somebody may do in the hub, once it is known who it is: the one place where every door asks.
//!
//! A pass belongs to one connection, or to one request, because who may answer where it is asked may do so there and nowhere
//! else. The bounds are those of the user, within those of the listener.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::access::users::{Circumstances, Grant, Replies, Seat, TooManyConnections, UserLimits, Users};
use crate::hub::Hidden;
use crate::sys::clock::Time;

/// What somebody may do.
#[derive(Debug)]
pub(super) struct Pass {
    grant: Grant,
    /// Where it may answer, if it may answer where it is asked: subscriptions note it, each on this shard.
    replies: Option<Arc<Mutex<Replies>>>,
}

impl Pass {
    pub(super) fn new(grant: Grant) -> Self {
        let answers = grant.permissions.as_ref().is_some_and(|permissions| permissions.responses().is_some());
        let replies = answers.then(Arc::default);
        Self { grant, replies }
    }

    /// Takes a place among the connections of the user.
    ///
    /// # Errors
    /// When the user has all the connections that are allowed.
    pub(super) fn enter(&self, now: Time) -> Result<Seat, TooManyConnections> {
        self.grant.enter(now)
    }

    /// Whether it is somebody's, or does not permit everything: what it says of bounds may be kept elsewhere.
    pub(super) fn is_of_somebody(&self) -> bool {
        let Grant { name, permissions, expires, .. } = &self.grant;
        !name.is_empty() || permissions.is_some() || expires.is_some() || !self.grant.is_silent()
    }

    /// Whether it would be granted now, as far as these users say it.
    pub(super) fn is_confirmed(&self, users: &Users, at: &Circumstances<'_>) -> bool {
        users.confirms(&self.grant, at)
    }

    /// Whether it has bounds of its own.
    pub(super) fn is_bounded(&self) -> bool {
        self.grant.limits != UserLimits::default()
    }

    /// Whether it may publish there: always, or this time.
    pub(super) fn may_publish(&self, subject: &[u8], now: Time) -> bool {
        self.may_always_publish(subject) || self.may_answer(subject, now)
    }

    /// Whether it may publish there, however often.
    pub(super) fn may_always_publish(&self, subject: &[u8]) -> bool {
        self.grant.may_publish(subject)
    }

    /// Whether it may publish there this time, because it was asked to answer there.
    pub(super) fn may_answer(&self, subject: &[u8], now: Time) -> bool {
        let rule = self.grant.permissions.as_ref().and_then(|permissions| permissions.responses());
        let (Some(rule), Some(replies)) = (rule, &self.replies) else { return false };
        open(replies).take(rule, subject, now)
    }

    /// Whether it may subscribe to that.
    pub(super) fn may_subscribe(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        self.grant.may_subscribe(filter, queue)
    }

    /// What it must not hear of it, for those who cannot answer.
    pub(super) fn kept_back(&self, filter: &[u8], queue: Option<&[u8]>) -> Option<Hidden> {
        let filters = self.grant.permissions.as_ref()?.hidden(filter, queue)?;
        Some(Arc::new(move |message, _| filters.matches(message.subject)))
    }

    /// What it must not hear of it. Where it is asked for an answer is noted.
    pub(super) fn hidden(&self, filter: &[u8], queue: Option<&[u8]>) -> Option<Hidden> {
        let permissions = self.grant.permissions.as_ref()?;
        let filters = permissions.hidden(filter, queue);
        let notes = permissions.responses().copied().zip(self.replies.clone());
        if filters.is_none() && notes.is_none() {
            return None;
        }
        Some(Arc::new(move |message, now| {
            let is_hidden = filters.as_ref().is_some_and(|filters| filters.matches(message.subject));
            if let Some((rule, replies)) = &notes
                && !is_hidden
                && !message.reply.is_empty()
            {
                open(replies).note(rule, message.reply, now);
            }
            is_hidden
        }))
    }

    /// The longest payload that it may publish, where everybody may publish `most` bytes.
    pub(super) fn payload_bytes_max(&self, most: usize) -> usize {
        self.grant.limits.payload_bytes.map_or(most, |own| most.min(own as usize))
    }

    /// The most subscriptions that it may have, where everybody may have `most`.
    pub(super) fn subscriptions_max(&self, most: u32) -> u32 {
        self.grant.limits.subscriptions.map_or(most, |own| most.min(own))
    }

    /// From which second since 1970 on it is not good any more.
    pub(super) fn expires(&self) -> Option<u64> {
        self.grant.expires
    }

    /// Who it is.
    pub(super) fn name(&self) -> &str {
        &self.grant.name
    }
}

/// Nobody else has it: the client and what it listens to are on one shard.
fn open(replies: &Mutex<Replies>) -> MutexGuard<'_, Replies> {
    replies.lock().unwrap_or_else(PoisonError::into_inner)
}
