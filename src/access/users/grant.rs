//! Who somebody is, and what follows from it.

use std::sync::Arc;

use super::permissions::Permissions;
use super::tallies::{Seat, Tallies, TooManyConnections, UserLimits};
use crate::sys::clock::Time;

/// Who somebody is, and what follows from it.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The user's name, or whom a JSON Web Token is for; empty for those whom nobody has asked.
    pub name: Arc<str>,
    /// What may be published and subscribed to; without them, everything.
    pub permissions: Option<Arc<Permissions>>,
    /// From which second since 1970 on the credential is not good any more; unset, it stays good.
    pub expires: Option<u64>,
    /// What the user may do; what is counted over all shards is charged by the [`Seat`].
    pub limits: UserLimits,
    pub(super) tallies: Arc<Tallies>,
    /// As what it was granted: it is another one once that has changed.
    pub(super) mark: Arc<Mark>,
    /// Whether nothing was shown for it.
    pub(super) is_silent: bool,
}

/// Stands for what a user proves himself with and what he may publish and subscribe to, or for what those may who have no
/// permissions of their own. It stays the same for as long as that does, from one reading of the files to the next.
#[derive(Debug, Default)]
pub(super) struct Mark {
    /// So that each has a place of its own in memory, by which it is told from others.
    _place: u8,
}

impl Grant {
    /// Takes a place among the connections of the user. It is given back when the seat is dropped.
    ///
    /// # Errors
    /// When the user has all the connections that are allowed.
    pub fn enter(&self, now: Time) -> Result<Seat, TooManyConnections> {
        self.tallies.enter(&self.name, self.limits, now)
    }

    /// Takes a seat that counts as no connection, for what has none.
    pub fn stand(&self, now: Time) -> Seat {
        self.tallies.stand(&self.name, self.limits, now)
    }

    /// Whether nothing was shown for it.
    pub fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Whether a message to this subject may be published, other than as a response.
    pub fn may_publish(&self, subject: &[u8]) -> bool {
        self.permissions.as_ref().is_none_or(|permissions| permissions.may_publish(subject))
    }

    /// Whether this may be subscribed to, alone or as a member of a queue group.
    pub fn may_subscribe(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        self.permissions.as_ref().is_none_or(|permissions| permissions.may_subscribe(filter, queue))
    }
}
