//! Serving connections: from what the ring brought, through the service, to what the ring is asked next.

use super::{Place, Shard, push};
use crate::connection::{
    Action, Carried, Connection, ConnectionId, Cut, Delivery, Due, Inbox, InboxFull, State, Table, delivery,
};
use crate::metrics::Refused;
use crate::ring::{Gather, Kernel, Kind, Op, ReceiveError, Received, RecvBuf, SendError, SendMode, Token};
use crate::service::{Closed, Context, Ending, Service};

impl<K: Kernel, S: Service> Shard<K, S> {
    pub(super) fn handle_received(
        &mut self,
        token: Token,
        result: Result<Received, ReceiveError>,
        more: bool,
    ) {
        let Some(id) = self.owner(token) else { return };
        match result {
            Ok(Received::Bytes(bytes)) => self.handle_bytes(id, bytes, more),
            Ok(Received::End) => self.handle_end(id, more),
            Err(error) => self.handle_receive_error(id, error, more),
        }
        self.touch(id);
    }

    fn handle_bytes(&mut self, id: ConnectionId, bytes: RecvBuf, more: bool) {
        let counters = &mut self.metrics.counters;
        counters.receives += 1;
        counters.bytes_received += bytes.len() as u64;
        let connection = owned(&mut self.connections, id);
        #[cfg(test)]
        if self.planted == Some(super::tests::Planted::DoubleReturn) {
            bytes.plant_double_return();
        }
        let Some(bytes) = connection.handle_bytes(bytes, more, self.now) else { return };
        let has_transport = connection.transport().is_some();
        if self.counts_bytes {
            self.charge_bytes(id, bytes.len());
        }
        if has_transport {
            self.handle_wire(id, bytes);
        } else {
            self.serve_received(id, bytes);
        }
    }

    /// Gives the service what was received, or keeps it back.
    pub(super) fn serve_received(&mut self, id: ConnectionId, bytes: RecvBuf) {
        let connection = owned(&mut self.connections, id);
        connection.has_spoken = true;
        if connection.is_read() {
            self.serve_bytes(id, |service, session, carried, context| {
                let mut inbox = Inbox::received(carried, bytes);
                service.receive(session, &mut inbox, context);
                inbox.carry()
            });
        } else if connection.state() == State::Open {
            connection.carried.append(&bytes);
        }
    }

    /// Counts what came against the peer's rates, and reads no more from it for as long as it is too much. Who is still
    /// coming in is read from all the same: its time for that runs, and a PROXY header and a handshake have bounds.
    fn charge_bytes(&mut self, id: ConnectionId, count: usize) {
        let meter = &mut self.places[id.slot() as usize].meter;
        let debt = meter.charge_bytes(&self.options.rates, count as u64, self.now);
        let connection = owned(&mut self.connections, id);
        if !debt.is_zero() && !connection.is_opening() {
            self.metrics.counters.throttled += 1;
            connection.throttle(self.now.saturating_add(debt));
        }
    }

    fn handle_end(&mut self, id: ConnectionId, more: bool) {
        let connection = owned(&mut self.connections, id);
        connection.handle_end(more, self.now);
        if connection.is_opening() {
            // Whoever leaves before it has come is not missed.
            return connection.finish(self.now);
        }
        self.tell_of_end(id);
    }

    /// Tells the service of the peer's end, once, when it has seen all that came before.
    pub(super) fn tell_of_end(&mut self, id: ConnectionId) {
        let connection = owned(&mut self.connections, id);
        if connection.peer_ended() && connection.is_read() && !connection.told_of_end {
            connection.told_of_end = true;
            self.serve(id, |service, session, _, context| service.end(session, context));
        }
    }

    fn handle_receive_error(&mut self, id: ConnectionId, error: ReceiveError, more: bool) {
        let connection = owned(&mut self.connections, id);
        let ending = connection.handle_receive_error(error, more);
        if error == ReceiveError::NoBuffers {
            self.metrics.counters.no_buffers += 1;
            if connection.is_starved() {
                self.starved.push(id);
            }
        }
        match ending {
            None => {}
            Some(ReceiveError::PeerGone) => self.cut(id, Cut::PeerGone),
            Some(_) => self.cut(id, Cut::Unexpected),
        }
    }

    pub(super) fn handle_sent(&mut self, token: Token, gather: Gather, result: Result<usize, SendError>) {
        let Some(id) = self.owner(token) else { return };
        let connection = owned(&mut self.connections, id);
        let ending = connection.handle_sent(gather, result, self.now);
        let counters = &mut self.metrics.counters;
        match result {
            Ok(sent) => {
                counters.sends += 1;
                counters.bytes_sent += sent as u64;
                counters.send_short += u64::from(connection.outbox.is_stalled());
            }
            Err(_) => counters.send_blocked += u64::from(result == Err(SendError::WouldBlock)),
        }
        if self.hub.holds_back() && connection.outbox.is_empty() {
            self.hub.resume(id);
        }
        match ending {
            // The commonest case of all: everything is said, so there is nothing to settle.
            None if connection.is_caught_up() && !connection.keeps_memory() && self.drain.is_none() => return,
            None => {}
            Some(SendError::PeerGone) => self.cut(id, Cut::PeerGone),
            Some(_) => self.cut(id, Cut::Unexpected),
        }
        self.touch(id);
    }

    pub(super) fn handle_shut_down(&mut self, token: Token) {
        let Some(id) = self.owner(token) else { return };
        owned(&mut self.connections, id).handle_shut_down(self.now);
        self.touch(id);
    }

    pub(super) fn handle_connection_other(&mut self, token: Token) {
        let Some(id) = self.owner(token) else { return };
        owned(&mut self.connections, id).handle_other();
        self.touch(id);
    }

    /// A deadline has come, or might have.
    pub(super) fn handle_due(&mut self, slot: u32) {
        let Some(id) = self.connections.at(slot) else { return };
        let connection = owned(&mut self.connections, id);
        connection.handle_timer();
        match connection.deadline(&self.options.bounds) {
            Some((deadline, Due::Cut(cut))) if deadline <= self.now => {
                if cut == Cut::Opening {
                    self.note_refused(id, Refused::OpeningTimeout);
                }
                self.cut(id, cut);
            }
            Some((_, Due::Service)) if connection.take_service_timer(self.now) => {
                if connection.is_opening() {
                    return self.greet_before_tls(id);
                }
                self.serve_kept(id, |service, session, inbox, context| {
                    service.timer(session, inbox, context);
                });
            }
            Some((_, Due::Rate)) if connection.take_throttle(self.now) => {}
            _ => {}
        }
        // Settling it sets its next timer.
        self.touch(id);
    }

    /// Lets the service go on with what was kept back from it, if there is room for the answers now.
    fn serve_on(&mut self, id: ConnectionId) {
        let connection = owned(&mut self.connections, id);
        if connection.take_room(&self.options.bounds) {
            self.serve_kept(id, |service, session, inbox, context| service.receive(session, inbox, context));
        }
    }

    /// Lets the service act on what was kept back or left over.
    pub(super) fn serve_kept(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&mut S, &mut S::Session, &mut Inbox<'_>, &mut Context<'_>),
    ) {
        self.serve_bytes(id, |service, session, carried, context| {
            let mut inbox = Inbox::carried(carried);
            act(service, session, &mut inbox, context);
            inbox.carry()
        });
        self.tell_of_end(id);
    }

    /// Lets the service act on bytes, and sees to those that it leaves.
    pub(super) fn serve_bytes(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&mut S, &mut S::Session, &mut Carried, &mut Context<'_>) -> Result<(), InboxFull>,
    ) {
        let mut left = Ok(());
        self.serve(id, |service, session, carried, context| left = act(service, session, carried, context));
        // Who waits may leave as much as came; it is the kernel that is given credit for no more.
        if left == Err(InboxFull) && owned(&mut self.connections, id).is_read() {
            self.cut(id, Cut::InboxFull);
        }
    }

    /// Begins the service's part of a connection.
    pub(super) fn open_session(&mut self, id: ConnectionId) {
        self.with_context(id, |service, session, _, context| *session = Some(service.open(context)));
    }

    /// Lets the service act on a connection, and does as it says.
    pub(super) fn serve(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&mut S, &mut S::Session, &mut Carried, &mut Context<'_>),
    ) {
        self.with_context(id, |service, session, carried, context| {
            let session = session.as_mut().expect("a session is there while its connection is open");
            act(service, session, carried, context);
        });
    }

    fn with_context(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&mut S, &mut Option<S::Session>, &mut Carried, &mut Context<'_>),
    ) {
        let connection = owned(&mut self.connections, id);
        let Place { session, meter } = &mut self.places[id.slot() as usize];
        let door = self.doors.get(usize::from(connection.listener));
        let (hold, timer) = connection.service_wishes();
        let encrypts = connection.filter().is_some();
        let throttled_until = connection.throttled_until();
        let deaf = !connection.outbox.is_empty() || throttled_until.is_some();
        let Connection { carried, outbox, peer, listener, .. } = connection;
        // What TLS is to encrypt is collected apart; what it has encrypted already waits all the same.
        let encrypted_bytes = if encrypts { outbox.pending_bytes() } else { 0 };
        let mut context = Context {
            id,
            listener: *listener,
            peer,
            now: self.now,
            outbox: if encrypts { &mut self.unencrypted } else { outbox },
            counters: &mut self.metrics.counters,
            unix_seconds: self.unix_seconds,
            ready: self.drain.is_none(),
            leave_by: self.drain.as_ref().map(|drain| drain.leave_by),
            authenticator: door.and_then(|door| door.authenticator.as_deref()),
            users: door.and_then(|door| door.users.as_deref()),
            hub: &mut self.hub,
            meter,
            rates: &self.options.rates,
            refused: None,
            allowance: self.options.bounds.high_water_bytes.saturating_sub(encrypted_bytes),
            deaf,
            throttled_until,
            ending: Ending::No,
            hold,
            timer,
        };
        act(&mut self.service, session, carried, &mut context);
        if context.ending == Ending::Finish {
            // What was said to it before is not lost.
            let client = session.as_ref().and_then(|session| self.service.client(session));
            client.into_iter().for_each(|client| context.hub.flush(client, context.outbox));
        }
        let Context { ending, hold, timer, refused, .. } = context;
        connection.set_service_wishes(hold, timer);
        connection.session_bytes = session.as_ref().map_or(0, |session| self.service.memory(session));
        if encrypts {
            self.encrypt(id, ending == Ending::Finish);
        }
        if let Some(refused) = refused {
            // One line for a turn is enough.
            self.log_refused(id, refused);
        }
        match ending {
            Ending::No => {}
            Ending::Finish => owned(&mut self.connections, id).finish(self.now),
            Ending::Abort => self.cut(id, Cut::Service),
        }
    }

    /// Ends a connection at once, and says why.
    pub(super) fn cut(&mut self, id: ConnectionId, cut: Cut) {
        let connection = owned(&mut self.connections, id);
        if connection.state() == State::Closing {
            return;
        }
        self.note_slow(id, cut);
        let connection = owned(&mut self.connections, id);
        connection.cut(cut, self.now);
        self.note_cut(id, cut);
    }

    /// Counts why a connection ends early, and says it unless that was said often enough.
    pub(super) fn note_cut(&mut self, id: ConnectionId, cut: Cut) {
        let peer = owned(&mut self.connections, id).peer;
        let counters = &mut self.metrics.counters;
        match cut {
            Cut::Idle => counters.cut_idle += 1,
            Cut::Stalled => counters.cut_stalled += 1,
            Cut::Linger | Cut::LingerInDrain => counters.cut_linger += 1,
            Cut::OutboxFull => counters.cut_outbox += 1,
            Cut::InboxFull => counters.cut_inbox += 1,
            Cut::Drain => counters.cut_drain += 1,
            Cut::Refused => counters.refused_full += 1,
            Cut::PeerGone => counters.reset_by_peer += 1,
            Cut::Unexpected => counters.unexpected_errors += 1,
            // The hub has counted it.
            Cut::SlowConsumer => {}
            Cut::Service | Cut::Opening | Cut::TurnedAway => {}
        }
        let suppressed = self.notices.cut(self.options.number, peer, cut, self.now);
        self.metrics.counters.log_lines_suppressed += u64::from(suppressed);
    }

    /// Asks a connection what it wants until it wants nothing more, and frees it when it is over.
    pub(super) fn settle_connection(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.dirty = false;
        if connection.waits_for_room() {
            self.serve_on(id);
        }
        let connection = owned(&mut self.connections, id);
        let keeps_memory = connection.keeps_memory();
        if keeps_memory {
            self.keep_private(id);
        }
        if self.drain.is_some() {
            self.drain_connection(id);
        }
        self.act(id);
        if keeps_memory {
            // A cut has thrown away what waited.
            self.charge(id);
        }
        self.keep_deadline(id);
    }

    /// Pushes what a connection asks for.
    fn act(&mut self, id: ConnectionId) {
        let connection = owned(&mut self.connections, id);
        #[cfg(test)]
        if self.planted == Some(super::tests::Planted::LostRearm) {
            connection.plant_lost_rearm();
        }
        let file = connection.descriptor;
        let quiet = self.quiet;
        while let Some(action) = connection.next_action(&self.options.bounds, self.now) {
            let op = match action {
                Action::Receive { credit, wait_first } => {
                    Op::Receive { token: id.token(Kind::Receive), file, credit, wait_first }
                }
                Action::Send { wait, is_last } => {
                    let gather = connection.outbox.take_send();
                    #[cfg(test)]
                    let is_last = is_last || self.planted == Some(super::tests::Planted::TooQuiet);
                    let is_quiet = is_last && !connection.outbox.has_queued() && quiet.takes(&gather);
                    let mode = match (wait, is_quiet) {
                        (true, _) => SendMode::Wait,
                        (false, true) => SendMode::Quiet,
                        (false, false) => SendMode::Now,
                    };
                    Op::Send { token: id.token(Kind::Send), file, gather, mode }
                }
                Action::Pause => {
                    Op::Cancel { token: id.token(Kind::Cancel), target: id.token(Kind::Receive) }
                }
                Action::Shutdown => Op::Shutdown { token: id.token(Kind::Shutdown), file },
                Action::Close => Op::Close { token: id.token(Kind::Close), file },
            };
            push(&mut self.kernel, &mut self.deferred, op);
        }
        let counters = &mut self.metrics.counters;
        match connection.pause_changed(&self.options.bounds) {
            None => {}
            Some(true) => counters.receive_paused += 1,
            Some(false) => counters.receive_resumed += 1,
        }
    }

    /// Frees receive buffers that a slow peer would keep, and bounds the private memory that takes.
    fn keep_private(&mut self, id: ConnectionId) {
        let level = self.kernel.buffers();
        let connection = owned(&mut self.connections, id);
        if connection.outbox.is_stalled() && delivery(level) == Delivery::Copy {
            self.metrics.counters.copied_bytes += connection.outbox.make_private() as u64;
        }
        // Whose memory grows because it does not read, or does not finish what it began to say.
        let unfinished = !connection.carried.is_empty() || connection.session_bytes != 0;
        let hoards = connection.outbox.is_stalled() || unfinished;
        if self.charge(id) && hoards && self.options.outbox_bytes < self.private_bytes {
            self.cut(id, Cut::OutboxFull);
            self.charge(id);
        }
    }

    /// Counts the private memory of a connection anew. Returns whether it has grown.
    fn charge(&mut self, id: ConnectionId) -> bool {
        let connection = owned(&mut self.connections, id);
        let bytes = connection.private_bytes();
        let before = std::mem::replace(&mut connection.charged_bytes, bytes);
        self.private_bytes = self.private_bytes + bytes as u64 - before as u64;
        before < bytes
    }

    /// Sets the next deadline, or frees the connection when it is over.
    fn keep_deadline(&mut self, id: ConnectionId) {
        let connection = owned(&mut self.connections, id);
        let over = connection.is_over();
        #[cfg(test)]
        let early = self.planted == Some(super::tests::Planted::EarlyFree);
        #[cfg(test)]
        let over = over || early && connection.state() == State::Closing;
        if over {
            return self.free(id);
        }
        if let Some(deadline) = connection.next_timer(&self.options.bounds) {
            self.timers.schedule(id.slot(), deadline);
        }
    }

    fn free(&mut self, id: ConnectionId) {
        let connection = self.connections.remove(id);
        self.timers.cancel(id.slot());
        self.private_bytes -= connection.charged_bytes as u64;
        let cut = connection.cut_reason();
        if cut != Some(Cut::Refused) {
            self.admission.leave();
            self.metrics.counters.closed += 1;
            tracing::debug!(shard = self.options.number, peer = %connection.peer, ?cut, "a connection was closed");
        }
        let place = std::mem::take(&mut self.places[id.slot() as usize]);
        if let Some(session) = place.session {
            let (counters, hub) = (&mut self.metrics.counters, &mut self.hub);
            self.service.close(session, &mut Closed { id, cut, counters, hub });
        }
    }

    /// Lets connections that wait for a receive buffer try again, as many as there are buffers.
    pub(super) fn feed_starved(&mut self) {
        let free = usize::from(self.kernel.buffers().free);
        for id in self.starved.drain(..free.min(self.starved.len())) {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.handle_buffers_free();
                if !connection.dirty {
                    connection.dirty = true;
                    self.dirty.push(id);
                }
            }
        }
    }
}

/// A connection that is known to be there.
pub(super) fn owned(table: &mut Table, id: ConnectionId) -> &mut Connection {
    table.get_mut(id).expect("the connection was found in this step")
}
