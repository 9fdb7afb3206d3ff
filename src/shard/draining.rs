//! Stopping in order: let in whom the kernel has already greeted, answer what was received, end every connection with
//! FIN, and cut what is left at the deadline.

use std::collections::VecDeque;
use std::time::Duration;

use super::Shard;
use super::streams::owned;
use crate::connection::{ConnectionId, Cut, Listener, State};
use crate::limits;
use crate::ring::Kernel;
use crate::service::Service;
use crate::sys::clock::Time;

/// After the deadline, how long cut connections may take to be over before the shard leaves them to the kernel.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// A stop in progress.
#[derive(Debug)]
pub(super) struct Drain {
    /// Until then everything is served as before: what peers have sent may be on its way through the kernel.
    grace: Time,
    /// How long a connection that comes now is served though it is silent.
    silence: Duration,
    deadline: Time,
    /// When connections that are never caught up, because their peers go on sending, are ended in order, too: half of
    /// the time is for answers, the other half for an orderly end.
    hurry: Time,
    /// Whether that time has come.
    hurried: bool,
    /// Whether all connections have been looked at once.
    begun: bool,
    /// Whether the deadline has come.
    late: bool,
    /// When to look at connections again that want nothing; no other event may come. About in order.
    again: VecDeque<(Time, ConnectionId)>,
}

impl Drain {
    fn new(timeout: Duration, now: Time) -> Self {
        let silence = limits::DRAIN_GRACE.min(timeout / 2);
        let deadline = now.saturating_add(timeout);
        Self {
            silence,
            grace: now.saturating_add(silence),
            deadline,
            hurry: now.saturating_add(timeout / 2),
            hurried: false,
            begun: false,
            late: false,
            again: VecDeque::new(),
        }
    }

    pub(super) fn next_deadline(&self, now: Time) -> Time {
        let again = self.again.front().map(|(due, _)| *due);
        let last = self.deadline.saturating_add(LAST_PATIENCE);
        let greeted = self.grace.saturating_add(self.silence);
        let next = [self.grace, greeted, self.hurry, self.deadline].into_iter().filter(|due| now < *due);
        next.chain(again).min().unwrap_or(last)
    }

    /// Whether enough was done to let in who was there before the stop: others may never cease to come.
    fn has_greeted(&self, now: Time) -> bool {
        self.grace.saturating_add(self.silence) <= now
    }

    /// When a connection that came at `since` and is caught up may be ended.
    fn ripe(&self, since: Time) -> Time {
        self.grace.max(since.saturating_add(self.silence))
    }

    /// Whether even the cut connections are not over.
    pub(super) fn is_hopeless(&self, now: Time) -> bool {
        self.late && self.deadline.saturating_add(LAST_PATIENCE) <= now
    }
}

impl<K: Kernel, S: Service> Shard<K, S> {
    /// Begins to stop. A second stop changes only the deadline.
    pub(super) fn start_drain(&mut self, timeout: Duration) {
        let new = Drain::new(timeout, self.now);
        match &mut self.drain {
            Some(drain) => {
                drain.deadline = drain.deadline.min(new.deadline);
                drain.hurry = drain.hurry.min(new.hurry);
            }
            None => self.drain = Some(new),
        }
    }

    /// One step of stopping in each turn, before everything is settled.
    pub(super) fn advance_drain(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        let overdue = drain.deadline <= self.now && !drain.late;
        let hurries = drain.hurry <= self.now && !drain.hurried;
        let all = overdue || hurries || !std::mem::replace(&mut drain.begun, true);
        drain.late |= overdue;
        drain.hurried |= hurries;
        let (graceful, late) = (self.now < drain.grace, drain.late || drain.has_greeted(self.now));
        if all {
            let ids: Vec<_> = self.connections.ids().collect();
            ids.into_iter().for_each(|id| self.touch(id));
        }
        self.touch_again();
        if !graceful || late {
            self.close_listeners(late);
            self.close_sockets(late);
        }
    }

    /// Has connections settled whose time to be looked at again has come.
    fn touch_again(&mut self) {
        while let Some(drain) = &mut self.drain
            && let Some((due, id)) = drain.again.front().copied()
            && due <= self.now
        {
            drain.again.pop_front();
            if let Some(connection) = self.connections.get_mut(id) {
                connection.drains = false;
            }
            self.touch(id);
        }
    }

    /// Closes listeners whose backlog is empty, or of whom nobody more can be let in.
    fn close_listeners(&mut self, late: bool) {
        let enough = self.turns_to_be_sure();
        let full = self.connections.room() <= self.accepting;
        for index in 0..self.listeners.len() {
            let listener = &mut self.listeners[index];
            let file = listener.descriptor;
            let empty = enough <= listener.count_quiet_turn();
            let stuck = full || listener.backoff.is_paused(self.now);
            if (empty || stuck || late)
                && let Some(token) = listener.close()
            {
                self.close(token, file);
            }
        }
    }

    /// Turns without an answer to an accept that prove a backlog empty. The first may have woken for something else; and
    /// an enter handles no more than twenty of the events that wait in order (`IO_LOCAL_TW_DEFAULT_MAX`), of which each
    /// connection may have two.
    fn turns_to_be_sure(&self) -> u32 {
        2 + u32::try_from(self.connections.len() / 10).unwrap_or(u32::MAX)
    }

    /// Whether turns must follow one another, until the backlogs are known to be empty.
    pub(super) fn drains_busily(&self) -> bool {
        let past_grace = |drain: &Drain| drain.grace <= self.now;
        self.drain.as_ref().is_some_and(past_grace) && self.listeners.iter().any(Listener::is_open)
    }

    /// Closes datagram sockets that a turn has found silent, and at last those that never are.
    fn close_sockets(&mut self, late: bool) {
        for index in 0..self.sockets.len() {
            let socket = &mut self.sockets[index];
            let file = socket.descriptor;
            // What this turn received is answered at its end.
            if (late || self.replies.queued.is_empty())
                && let Some(token) = socket.close()
            {
                self.close(token, file);
            }
        }
    }

    /// Ends a connection in order, if a stop is in progress and all it asked for is answered, or half of the time is
    /// over; or at once, if the deadline has come.
    pub(super) fn drain_connection(&mut self, id: ConnectionId) {
        let Some(drain) = &self.drain else { return };
        let connection = owned(&mut self.connections, id);
        if drain.late {
            // Who has been told everything and only does not end loses nothing.
            let lingers = connection.state() != State::Open && connection.outbox.is_empty();
            return self.cut(id, if lingers { Cut::LingerInDrain } else { Cut::Drain });
        }
        let done = drain.ripe(connection.since) <= self.now && connection.is_caught_up();
        let open = connection.state() == State::Open && !connection.told_to_drain;
        if open && connection.is_opening() {
            // It was promised nothing yet, so there is nothing to linger for.
            if drain.hurried {
                self.cut(id, Cut::Opening);
            }
        } else if open && (done || drain.hurried) {
            connection.told_to_drain = true;
            self.serve(id, |service, session, _, context| service.drain(session, context));
        }
    }

    /// Has a connection that wants nothing more looked at again.
    pub(super) fn drain_again(&mut self, id: ConnectionId) {
        if let Some(drain) = &mut self.drain
            && let Some(connection) = self.connections.get_mut(id)
            && connection.is_caught_up()
            && !connection.drains
            && !connection.told_to_drain
        {
            connection.drains = true;
            drain.again.push_back((drain.ripe(connection.since), id));
        }
    }
}
