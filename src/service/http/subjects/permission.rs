//! Who may publish and who may listen: the one place where the doors of HTTP ask.

use crate::hub::Hidden;
use crate::service::Context;

/// Somebody who asks, for as long as the connection lasts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Who;

impl Who {
    /// Whoever is behind this connection.
    pub(super) fn behind(_: &Context<'_>) -> Self {
        Self
    }
}

/// Whether somebody may publish there.
pub(super) fn may_publish(_: Who, _: &[u8]) -> bool {
    true
}

/// Whether somebody may listen to it, alone or in a queue group; and which messages of it are to be kept from him.
pub(super) fn may_subscribe(_: Who, _: &[u8], _: Option<&[u8]>) -> Option<Option<Hidden>> {
    Some(None)
}

/// What is said to somebody who may not publish.
pub(super) const NO_PUBLISH: &str = "You may not publish there.";
/// What is said to somebody who may not listen.
pub(super) const NO_SUBSCRIBE: &str = "You may not listen there.";
