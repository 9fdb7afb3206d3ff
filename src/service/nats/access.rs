//! Who a client is, and what it may do: the one place where a NATS session asks.

use super::session::State;
use crate::hub::Hidden;
use crate::protocol::nats::server::Connect;
use crate::service::Context;

/// What a client may do, where not everybody may do everything.
#[derive(Debug)]
pub(super) struct Pass;

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Denied;

/// Whether a client has to say who it is.
pub(super) fn asks(_: &Context<'_>) -> bool {
    false
}

/// Who the client is that says this.
pub(super) fn authenticate(_: &Connect, _: &State, _: &mut Context<'_>) -> Result<Option<Box<Pass>>, Denied> {
    Ok(None)
}

impl Pass {
    /// Whether it may publish there.
    pub(super) fn may_publish(&self, _: &[u8]) -> bool {
        true
    }

    /// Whether it may subscribe to that.
    pub(super) fn may_subscribe(&self, _: &[u8], _: Option<&[u8]>) -> bool {
        true
    }

    /// What it must not hear of it.
    pub(super) fn hidden(&self, _: &[u8], _: Option<&[u8]>) -> Option<Hidden> {
        None
    }
}
