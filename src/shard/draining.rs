//! Stopping in order: let in whom the kernel has already greeted, answer what was received, end every connection with
//! FIN when it is its turn, and cut what is left at the deadline.

use std::collections::VecDeque;
use std::time::Duration;

use super::Shard;
use super::pace::{DrainTimes, Pace};
use super::streams::owned;
use crate::connection::{ConnectionId, Cut, Listener, State, Turn};
use crate::limits;
use crate::ring::Kernel;
use crate::service::Service;
use crate::sys::clock::Time;

/// After the deadline, how long cut connections may take to be over before the shard leaves them to the kernel.
const LAST_PATIENCE: Duration = limits::DRAIN_LAST_PATIENCE;

/// A stop in progress.
#[derive(Debug)]
pub(super) struct Drain {
    /// Until then everything is served as before: what peers have sent may be on its way through the kernel.
    grace: Time,
    /// How long a connection that comes now is served though it is silent.
    silence: Duration,
    deadline: Time,
    /// When the last ones are to be on their way: half of the time that the turns leave is for answers, the other half for an
    /// orderly end.
    pub(super) leave_by: Time,
    /// How long after its turn a connection is ended in order though it is never caught up, because its peer goes on sending.
    patience: Duration,
    pace: Pace,
    /// Those that were there at the beginning and whose turn is to come, in the order of their slots.
    awaited: VecDeque<ConnectionId>,
    /// How many of them, from the first on, have been told what is coming.
    warned: usize,
    /// Those that have come since, and when their turn is. About in order.
    newcomers: VecDeque<(Time, ConnectionId)>,
    /// Those that were called and are listened to first, and when they were called. In order.
    silent: VecDeque<(Time, ConnectionId)>,
    /// How long they are listened to: their first words may be on their way, which is longer than ours.
    attention: Duration,
    /// Those whose turn has come, and when that was; they may be gone. In order.
    called: VecDeque<(Time, ConnectionId)>,
    /// Whether the deadline has come.
    late: bool,
}

impl Drain {
    fn new(times: DrainTimes, there: VecDeque<ConnectionId>, now: Time) -> Self {
        let DrainTimes { timeout, spread } = times;
        let silence = limits::DRAIN_GRACE.min(timeout / 2);
        let grace = now.saturating_add(silence);
        let half = timeout.saturating_sub(spread) / 2;
        Self {
            silence,
            grace,
            deadline: now.saturating_add(timeout),
            leave_by: now.saturating_add(timeout.saturating_sub(half)),
            patience: half.saturating_sub(silence),
            pace: Pace::new(grace, spread, there.len()),
            awaited: there,
            warned: 0,
            newcomers: VecDeque::new(),
            silent: VecDeque::new(),
            attention: limits::DRAIN_ATTENTION.min(half),
            called: VecDeque::new(),
            late: false,
        }
    }

    /// Takes over what of a second stop is sooner.
    fn hasten(&mut self, other: &Self) {
        self.deadline = self.deadline.min(other.deadline);
        self.leave_by = self.leave_by.min(other.leave_by);
        self.patience = self.patience.min(other.patience);
        self.attention = self.attention.min(other.attention);
        self.pace.hasten(other.pace);
    }

    pub(super) fn next_deadline(&self, now: Time) -> Time {
        let greeted = self.grace.saturating_add(self.silence);
        let fixed = [self.grace, greeted, self.deadline].into_iter().filter(|due| now < *due);
        // Of these, what is due already was too much for one turn.
        let warning = (self.warned < self.awaited.len()).then_some(now);
        let turn = (!self.awaited.is_empty()).then(|| self.pace.next());
        let newcomer = self.newcomers.front().map(|(due, _)| *due);
        let heard = self.silent.front().map(|(since, _)| since.saturating_add(self.attention));
        let overdue = self.called.front().map(|(since, _)| since.saturating_add(self.patience));
        let others = [warning, turn, newcomer, heard, overdue].into_iter().flatten();
        let last = self.deadline.saturating_add(LAST_PATIENCE);
        fixed.chain(others).min().unwrap_or(last)
    }

    /// Whether enough was done to let in who was there before the stop: others may never cease to come.
    fn has_greeted(&self, now: Time) -> bool {
        self.grace.saturating_add(self.silence) <= now
    }

    /// When it is the turn of a connection that came at `since`, after the stop.
    fn ripe(&self, since: Time) -> Time {
        self.grace.max(since.saturating_add(self.silence))
    }

    /// Until when somebody who came at `since` is listened to, though it is its turn.
    fn heard(&self, since: Time) -> Time {
        since.saturating_add(self.attention)
    }

    /// Whether even the cut connections are not over.
    pub(super) fn is_hopeless(&self, now: Time) -> bool {
        self.late && self.deadline.saturating_add(LAST_PATIENCE) <= now
    }

    /// The next ones to be told what is coming.
    fn take_unwarned(&mut self) -> Vec<ConnectionId> {
        let from = self.warned;
        self.warned = self.awaited.len().min(from + limits::DRAIN_BATCH);
        self.awaited.range(from..self.warned).copied().collect()
    }

    /// Those whose turn is now. One that has gone meanwhile leaves a gap, so that the others keep their pace.
    fn take_called(&mut self, now: Time) -> Vec<ConnectionId> {
        let count = self.pace.take(self.awaited.len(), now).min(self.warned);
        self.warned -= count;
        let mut called: Vec<_> = self.awaited.drain(..count).collect();
        called.extend(due(&mut self.newcomers, Duration::ZERO, now));
        called.extend(due(&mut self.silent, self.attention, now));
        self.called.extend(called.iter().map(|id| (now, *id)));
        called
    }

    /// Those who had their turn so long ago that they are not waited for any more.
    fn take_overdue(&mut self, now: Time) -> Vec<ConnectionId> {
        due(&mut self.called, self.patience, now).take(limits::DRAIN_BATCH).collect()
    }
}

/// Takes from the front of a list in order of time what is so old.
fn due(
    list: &mut VecDeque<(Time, ConnectionId)>,
    age: Duration,
    now: Time,
) -> impl Iterator<Item = ConnectionId> {
    std::iter::from_fn(move || {
        let (since, id) = *list.front()?;
        let is_due = since.saturating_add(age) <= now;
        is_due.then(|| {
            list.pop_front();
            id
        })
    })
}

impl<K: Kernel, S: Service> Shard<K, S> {
    /// Begins to stop. A second stop can only make it faster.
    pub(super) fn start_drain(&mut self, times: DrainTimes) {
        let there: VecDeque<_> = self.connections.ids().collect();
        let new = Drain::new(times, there, self.now);
        if let Some(drain) = &mut self.drain {
            return drain.hasten(&new);
        }
        for id in &new.awaited {
            owned(&mut self.connections, *id).turn = Turn::Awaited;
        }
        self.drain = Some(new);
    }

    /// One step of stopping in each turn, before everything is settled.
    pub(super) fn advance_drain(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        let overdue = drain.deadline <= self.now && !drain.late;
        drain.late |= overdue;
        let (graceful, over) = (self.now < drain.grace, drain.late);
        let late = over || drain.has_greeted(self.now);
        if overdue {
            let ids: Vec<_> = self.connections.ids().collect();
            ids.into_iter().for_each(|id| self.touch(id));
        }
        if !over {
            self.warn();
            self.call();
            self.hurry();
        }
        if !graceful || late {
            self.close_listeners(late);
            self.close_sockets(late);
        }
    }

    /// Tells services what is coming: a turn's share of those who were not told yet.
    fn warn(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        for id in drain.take_unwarned() {
            if let Some(connection) = self.connections.get_mut(id)
                && connection.state() == State::Open
                && !connection.is_opening()
            {
                self.serve(id, |service, session, _, context| service.forewarn(session, context));
                self.touch(id);
            }
        }
    }

    /// Has connections settled whose turn has come.
    fn call(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        for id in drain.take_called(self.now) {
            if let Some(connection) = self.connections.get_mut(id)
                && matches!(connection.turn, Turn::Awaited | Turn::Silent)
            {
                connection.turn = Turn::Come;
                self.touch(id);
            }
        }
    }

    /// Has those settled that are not waited for any more.
    fn hurry(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        for id in drain.take_overdue(self.now) {
            if let Some(connection) = self.connections.get_mut(id)
                && matches!(connection.turn, Turn::Come | Turn::Silent)
            {
                connection.turn = Turn::Over;
                self.touch(id);
            }
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

    /// Ends a connection in order, if a stop is in progress, its turn has come, and all it asked for is answered or was waited
    /// for long enough; or at once, if the deadline has come.
    pub(super) fn drain_connection(&mut self, id: ConnectionId) {
        let Some(drain) = &mut self.drain else { return };
        let connection = owned(&mut self.connections, id);
        if drain.late {
            // Who has been told everything and only does not end loses nothing.
            let lingers = connection.state() != State::Open && connection.outbox.is_empty();
            return self.cut(id, if lingers { Cut::LingerInDrain } else { Cut::Drain });
        }
        let is_due = match connection.turn {
            Turn::No => {
                connection.turn = Turn::Awaited;
                drain.newcomers.push_back((drain.ripe(connection.since), id));
                false
            }
            Turn::Come if !connection.has_spoken && self.now < drain.heard(connection.since) => {
                connection.turn = Turn::Silent;
                drain.silent.push_back((self.now, id));
                false
            }
            Turn::Come => connection.is_caught_up(),
            Turn::Silent => connection.has_spoken && connection.is_caught_up(),
            Turn::Over => true,
            Turn::Awaited | Turn::Told => false,
        };
        if !is_due || connection.state() != State::Open {
            return;
        }
        if !connection.is_opening() {
            connection.turn = Turn::Told;
            self.serve(id, |service, session, _, context| service.drain(session, context));
        } else if connection.turn == Turn::Over {
            // It was promised nothing yet, so there is nothing to linger for.
            self.cut(id, Cut::Opening);
        }
    }
}
