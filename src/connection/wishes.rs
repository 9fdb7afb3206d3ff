//! What a connection waits for: its peer alone; or for its service room for answers, a moment, bytes within the peer's rate.

use super::{Bounds, Connection, NEVER, Receiving, State};
use crate::sys::clock::Time;

/// Why what the peer sends is kept back from the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hold {
    /// It is not.
    #[default]
    No,
    /// Until most of what waits for the peer has been sent.
    ForRoom,
    /// Until the service's timer comes.
    ForTimer,
    /// Until the hub lets it go on: the other shards know what this one listens to, or a turn has room.
    ForOthers,
}

impl Connection {
    /// Whether it is open, and everything that the peer sent has been read as far as we know, and answered.
    pub fn is_caught_up(&self) -> bool {
        let reads = self.receiving == Receiving::Armed && self.is_read();
        self.outbox.is_empty() && self.state == State::Open && reads
    }

    /// Whether there is nothing to do for it when all that waits now has been sent, but to wait for the peer.
    pub(super) fn rests_after(&self, bounds: &Bounds) -> bool {
        let goes_on = self.outbox.pending_bytes() <= bounds.low_water_bytes && !self.is_throttled();
        let reads = self.receiving == Receiving::Armed && self.is_read() && goes_on;
        let keeps = !self.carried.is_empty() || self.session_bytes != 0 || self.transport.is_some();
        self.state == State::Open && reads && !self.peer_ended() && !keeps
    }

    /// Whether what the peer sends is to be shown to the service now.
    pub(crate) fn is_read(&self) -> bool {
        self.state == State::Open && self.hold == Hold::No && !self.opening
    }

    /// What the service waits for, and when it wants to be called.
    pub(crate) fn service_wishes(&self) -> (Hold, Option<Time>) {
        (self.hold, (self.service_timer != NEVER).then_some(self.service_timer))
    }

    /// The service wants to be called then, and what comes until then, perhaps, kept back.
    pub(crate) fn set_service_wishes(&mut self, hold: Hold, timer: Option<Time>) {
        self.hold = hold;
        self.service_timer = timer.unwrap_or(NEVER);
    }

    /// Whether its service waits for room.
    pub(crate) fn waits_for_room(&self) -> bool {
        self.hold == Hold::ForRoom
    }

    /// Whether what was kept back until there is room can be shown to the service now; told once.
    pub(crate) fn take_room(&mut self, bounds: &Bounds) -> bool {
        let room = self.state == State::Open && self.outbox.pending_bytes() <= bounds.low_water_bytes;
        let taken = room && self.hold == Hold::ForRoom;
        if taken {
            self.hold = Hold::No;
        }
        taken
    }

    /// Whether what was kept back until the other shards know can be shown to the service now; told once.
    pub(crate) fn take_known(&mut self) -> bool {
        let taken = self.state == State::Open && self.hold == Hold::ForOthers;
        if taken {
            self.hold = Hold::No;
        }
        taken
    }

    /// Before the service has begun its timer is free for what comes before it.
    pub(crate) fn set_opening_timer(&mut self, time: Option<Time>) {
        self.service_timer = time.unwrap_or(NEVER);
    }

    /// Whether the service's timer has come; told once.
    pub(crate) fn take_service_timer(&mut self, now: Time) -> bool {
        let due = self.state == State::Open && self.service_timer <= now;
        if due {
            self.service_timer = NEVER;
            if self.hold == Hold::ForTimer {
                self.hold = Hold::No;
            }
        }
        due
    }

    /// Whether it may be read from again after it was throttled; told once.
    pub(crate) fn take_throttle(&mut self, now: Time) -> bool {
        let due = self.throttled_until <= now;
        if due {
            self.throttled_until = NEVER;
        }
        due
    }

    /// Whether it is neither read from nor armed because it sent more than its rate.
    pub(crate) fn is_throttled(&self) -> bool {
        self.throttled_until != NEVER
    }

    /// Until when, if it is.
    pub(crate) fn throttled_until(&self) -> Option<Time> {
        self.is_throttled().then_some(self.throttled_until)
    }

    /// It has sent more than its rate: it is not read from for so long.
    pub(crate) fn throttle(&mut self, until: Time) {
        self.throttled_until = until;
    }
}
