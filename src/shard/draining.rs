//! Stopping in order: let in whom the kernel has already greeted, answer what was received, end every connection with
//! FIN, and cut what is left at the deadline.

use std::time::Duration;

use super::Shard;
use super::streams::owned;
use crate::connection::{ConnectionId, Cut, State};
use crate::ring::Kernel;
use crate::service::Service;
use crate::sys::clock::Time;

/// After the deadline, how long cut connections may take to be over before the shard leaves them to the kernel.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// A stop in progress.
#[derive(Debug)]
pub(super) struct Drain {
    deadline: Time,
    /// When connections that are never caught up, because their peers go on sending, are ended in order, too: half of
    /// the time is for answers, the other half for their orderly end.
    hurry: Time,
    /// Whether that time has come.
    hurried: bool,
    /// Turns since it began.
    turns: u32,
    /// Whether the deadline has come.
    late: bool,
    /// Connections to look at in the next turn: caught up, unless bytes arrive until then.
    again: Vec<ConnectionId>,
}

impl Drain {
    /// Whether a turn must follow at once: what the kernel has already received is still to come.
    pub(super) fn is_busy(&self) -> bool {
        self.turns < 2 || !self.again.is_empty()
    }

    pub(super) fn next_deadline(&self, now: Time) -> Time {
        let last = self.deadline.saturating_add(LAST_PATIENCE);
        let next = [self.hurry, self.deadline].into_iter().find(|deadline| now < *deadline);
        next.unwrap_or(last)
    }

    /// Whether even the cut connections are not over.
    pub(super) fn is_hopeless(&self, now: Time) -> bool {
        self.late && self.deadline.saturating_add(LAST_PATIENCE) <= now
    }
}

impl<K: Kernel, S: Service> Shard<K, S> {
    /// Begins to stop. A second stop changes only the deadline.
    pub(super) fn start_drain(&mut self, timeout: Duration) {
        let deadline = self.now.saturating_add(timeout);
        let hurry = self.now.saturating_add(timeout / 2);
        match &mut self.drain {
            Some(drain) => {
                drain.deadline = drain.deadline.min(deadline);
                drain.hurry = drain.hurry.min(hurry);
            }
            None => {
                let again = Vec::new();
                self.drain = Some(Drain { deadline, hurry, hurried: false, turns: 0, late: false, again });
            }
        }
    }

    /// One step of stopping in each turn, before everything is settled.
    pub(super) fn advance_drain(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        drain.turns = drain.turns.saturating_add(1);
        let turns = drain.turns;
        let overdue = drain.deadline <= self.now && !drain.late;
        drain.late |= overdue;
        let late = drain.late;
        let hurries = 1 < turns && drain.hurry <= self.now && !drain.hurried;
        drain.hurried |= hurries;
        for id in std::mem::take(&mut drain.again) {
            self.touch(id);
        }
        self.close_listeners(turns, late);
        self.close_sockets(turns);
        if turns == 1 || hurries || overdue {
            let ids: Vec<_> = self.connections.ids().collect();
            for id in ids {
                if overdue {
                    self.cut(id, Cut::Drain);
                }
                self.touch(id);
            }
        }
    }

    /// Closes a listener whose backlog is empty: all its accepts have been submitted and none has been answered. The
    /// first turn cannot tell: it may have woken for the stop alone, before the kernel answered the accepts.
    fn close_listeners(&mut self, turns: u32, late: bool) {
        for index in 0..self.listeners.len() {
            let listener = &mut self.listeners[index];
            let file = listener.descriptor;
            let empty = 1 < turns && (listener.is_waiting() || listener.backoff.is_paused(self.now));
            if (empty || late)
                && let Some(token) = listener.close()
            {
                self.close(token, file);
            }
        }
    }

    fn close_sockets(&mut self, turns: u32) {
        for index in 0..self.sockets.len() {
            let socket = &mut self.sockets[index];
            let file = socket.descriptor;
            // What this turn received is answered at its end.
            if 1 < turns
                && self.replies.queued.is_empty()
                && let Some(token) = socket.close()
            {
                self.close(token, file);
            }
        }
    }

    /// Ends a connection in order, if a stop is in progress and all it asked for is answered, or half of the time is
    /// over; or at once, if it came after the deadline.
    pub(super) fn drain_connection(&mut self, id: ConnectionId) {
        let Some(drain) = &self.drain else { return };
        if drain.late {
            return self.cut(id, Cut::Drain);
        }
        let (ripe, hurried) = (1 < drain.turns, drain.hurried);
        let connection = owned(&mut self.connections, id);
        if ripe && connection.state() == State::Open && (hurried || connection.is_caught_up()) {
            self.serve(id, |service, _, context| service.drain(context));
        }
    }

    /// Has a connection that wants nothing more looked at again, if a stop is in progress: no other event may come.
    pub(super) fn drain_again(&mut self, id: ConnectionId) {
        if let Some(drain) = &mut self.drain
            && let Some(connection) = self.connections.get_mut(id)
            && connection.state() == State::Open
            && connection.is_caught_up()
        {
            drain.again.push(id);
        }
    }
}
