//! Sends that need not end a shard's sleep.
//!
//! A lone answer costs three steps: wake up for the question, send, wake up once more because the send is done. The last is
//! worth nothing where nothing follows from it. So a connection that has said all it has to say, and waits for its peer,
//! sends [quietly](crate::ring::SendMode::Quiet): that it was taken is heard with whatever comes next. A send that was not
//! taken whole is heard of at once.
//!
//! What such a send has lent comes home later, perhaps much later; so they are few, and small, and take no receive buffers
//! where these are scarce. A turn that touches many connections has none: more come at once, and not sleeping is cheaper.

use crate::limits;
use crate::ring::{Gather, Part};

/// What the sends of this turn may be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet {
    /// Whether there may be quiet ones.
    pub(super) may_be: bool,
    /// Whether they may have receive buffers.
    pub(super) lends: bool,
}

impl Quiet {
    /// Whether this may be one.
    pub(super) fn takes(self, gather: &Gather) -> bool {
        let lent = |part: &Part| matches!(part, Part::Received(..));
        self.may_be
            && gather.len() <= limits::QUIET_BYTES_MAX
            && (self.lends || !gather.parts().iter().any(lent))
    }
}
