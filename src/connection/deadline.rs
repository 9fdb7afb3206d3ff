//! When something happens to a connection if nothing else does.

use super::{Bounds, Connection, Cut, Hold, NEVER, State};
use crate::sys::clock::Time;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The connection is cut.
    Cut(Cut),
    /// The service asked to be called.
    Service,
    /// It may be read from again.
    Rate,
}

impl Connection {
    /// When something is to happen to it if nothing else does, and what. Early is harmless: ask again then.
    pub fn deadline(&self, bounds: &Bounds) -> Option<(Time, Due)> {
        let (due, cut) = self.cut_deadline(bounds)?;
        let others = self.service_timer.min(self.throttled_until);
        if others < due {
            let for_service = self.service_timer == others;
            return Some((others, if for_service { Due::Service } else { Due::Rate }));
        }
        Some((due, Due::Cut(cut)))
    }

    fn cut_deadline(&self, bounds: &Bounds) -> Option<(Time, Cut)> {
        let stalled = (self.deadline_since.saturating_add(bounds.stall_timeout), Cut::Stalled);
        match self.state {
            State::Open if self.opening => {
                Some((self.since.saturating_add(bounds.opening_timeout), Cut::Opening))
            }
            State::Open | State::Finishing if !self.outbox.is_empty() => Some(stalled),
            State::Open => Some((self.silent_since().saturating_add(bounds.idle_timeout), Cut::Idle)),
            State::Finishing | State::Lingering => {
                Some((self.deadline_since.saturating_add(bounds.linger_timeout), Cut::Linger))
            }
            State::Closing => None,
        }
    }

    /// Since when it is the peer that says nothing: not while it waits for an answer that its service gives later.
    fn silent_since(&self) -> Time {
        let owes = self.hold == Hold::ForTimer && self.service_timer != NEVER;
        if owes { self.last_active.max(self.service_timer) } else { self.last_active }
    }

    /// When to set its timer to, if that is earlier than it is set. A timer that comes too early is set again: so the
    /// deadlines that every byte moves cost nothing per byte.
    pub(crate) fn next_timer(&mut self, bounds: &Bounds) -> Option<Time> {
        let (deadline, _) = self.deadline(bounds)?;
        if self.timer <= deadline {
            return None;
        }
        self.timer = deadline;
        Some(deadline)
    }

    /// Its timer has come, and is set no more.
    pub(crate) fn handle_timer(&mut self) {
        self.timer = NEVER;
    }
}
