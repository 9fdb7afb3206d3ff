//! What connections say to one another: at the end of a turn into the outboxes, and to the other shards.

use std::sync::Arc;

use super::Shard;
use super::mailbox::{Contact, Delivered, Message, Undelivered};
use super::streams::owned;
use crate::connection::{ConnectionId, Cut};
use crate::hub::{ClientId, Parcel, Written};
use crate::limits;
use crate::ring::{Generation, Kernel, Kind, Op, Token};
use crate::service::Service;

impl<K: Kernel, S: Service> Shard<K, S> {
    /// Tells services what was published for them; what that causes waits for the next turn.
    pub(super) fn tell_services(&mut self) {
        for _ in 0..self.hub.told_waiting() {
            let Some((to, told)) = self.hub.take_told() else { break };
            if self.connections.get_mut(to).is_some_and(|connection| connection.takes_messages()) {
                self.serve(to, |service, session, _, context| service.told(session, &told, context));
                self.touch(to);
            }
        }
    }

    /// Moves what this turn's messages made into the outboxes, and hands the other shards theirs.
    pub(super) fn deliver(&mut self) {
        if !self.hub.has_work() {
            #[cfg(test)]
            if self.planted == Some(super::tests::Planted::ForgottenParcel) {
                return;
            }
            // What a full mailbox did not take is offered again all the same.
            return self.post_parcels();
        }
        self.hub.close_turn();
        let mut deliveries = 0;
        while let Some((client, id)) = self.hub.next_touched() {
            deliveries += 1;
            self.deliver_to(client, id);
        }
        let now = self.kernel.now();
        for (came, count) in self.hub.take_deliveries() {
            self.metrics.record_delivery(now.saturating_since(came), count);
        }
        self.hub.end_turn();
        if deliveries != 0 {
            self.metrics.counters.hub_turns += 1;
        }
        if let Some(parcel) = self.hub.take_parcel() {
            let readers = self.hub.readers(&parcel);
            self.outgoing.extend(readers.map(|shard| (shard, Arc::clone(&parcel))));
        }
        self.post_parcels();
    }

    fn deliver_to(&mut self, client: ClientId, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id).filter(|one| one.takes_messages()) else {
            return self.hub.skip(client);
        };
        let waiting = connection.outbox.pending_bytes();
        let encrypts = connection.filter().is_some();
        let outbox = if encrypts { &mut self.unencrypted } else { &mut connection.outbox };
        match self.hub.deliver(client, waiting, outbox) {
            Written::Fine if encrypts => self.encrypt(id, false),
            Written::Fine => {}
            Written::TooSlow(farewell) => self.send_away(id, &farewell),
        }
        self.touch(id);
    }

    /// Ends the connection of a client that does not keep up, and says why behind what was begun to be said.
    fn send_away(&mut self, id: ConnectionId, farewell: &[u8]) {
        let connection = owned(&mut self.connections, id);
        if connection.filter().is_some() {
            // What is encrypted has its place in the stream, and nothing of it can be left out: it waits, within the bound
            // of private memory, until it is read or the peer has stalled for too long.
            self.unencrypted.write(farewell);
            self.encrypt(id, true);
        } else if limits::HUB_CROWDED_BYTES < connection.outbox.forget_queued() {
            // One send has begun more than is kept for somebody who is to go.
            return self.cut(id, Cut::SlowConsumer);
        } else {
            connection.outbox.write(farewell);
        }
        self.note_cut(id, Cut::SlowConsumer);
        owned(&mut self.connections, id).finish(self.now);
    }

    /// Counts a subscriber that is cut because it does not read. Those that the hub has cut were told, and are counted there.
    pub(super) fn note_slow(&mut self, id: ConnectionId, cut: Cut) {
        if !matches!(cut, Cut::Stalled | Cut::OutboxFull) {
            return;
        }
        let connection = owned(&mut self.connections, id);
        let keeps_up = !connection.takes_messages() || connection.outbox.pending_bytes() == 0;
        let session = self.places.get(id.slot() as usize).and_then(|place| place.session.as_ref());
        let client = session.and_then(|session| self.service.client(session));
        let listens = client.and_then(|client| self.hub.client_counts(client));
        if keeps_up || listens.is_none_or(|counts| counts.subscriptions == 0) {
            return;
        }
        let counters = &mut self.metrics.counters;
        counters.hub_slow_stalled += u64::from(cut == Cut::Stalled);
        counters.hub_slow_outbox += u64::from(cut == Cut::OutboxFull);
    }

    /// Hands parcels over, in order. What a full mailbox does not take waits.
    pub(super) fn post_parcels(&mut self) {
        if self.outgoing.is_empty() {
            return;
        }
        let Some(contacts) = self.contacts.clone() else { return };
        let mut full = 0u128;
        let mut waiting = std::mem::take(&mut self.outgoing);
        waiting.retain(|(shard, parcel)| {
            let bit = 1 << (shard % 128);
            let blocked = full & bit != 0;
            let stays = blocked || !self.post_parcel(&contacts, *shard, parcel);
            full |= if stays { bit } else { 0 };
            stays
        });
        self.outgoing = waiting;
    }

    /// Returns whether the parcel is delivered, or need not be any more.
    fn post_parcel(&mut self, contacts: &[Contact], shard: u16, parcel: &Arc<Parcel>) -> bool {
        let Some(contact) = contacts.get(usize::from(shard)) else { return true };
        match contact.address.post(Message::Parcel(Arc::clone(parcel))) {
            Ok(Delivered::Awake) => {}
            #[cfg(test)]
            Ok(Delivered::Asleep) if self.planted == Some(super::tests::Planted::SilentParcel) => {}
            Ok(Delivered::Asleep) => {
                let token = Token::new(Kind::DoorbellSent, u32::from(shard), Generation::default());
                self.push(Op::Ring { token, bell: contact.bell.clone() });
            }
            Err(Undelivered::Full(_)) => return false,
            Err(Undelivered::Gone(_)) => self.hub.forget_shard(shard),
        }
        self.metrics.counters.parcels_sent += 1;
        true
    }

    /// A bell was not heard: the kernel had no memory for a moment. It is rung again; whoever is awake meanwhile sees it as
    /// one too many.
    pub(super) fn ring_again(&mut self, token: Token) {
        let contact = self.contacts.as_ref().and_then(|all| all.get(token.slot() as usize));
        let Some(contact) = contact.filter(|contact| !contact.address.is_gone()) else { return };
        let bell = contact.bell.clone();
        self.push(Op::Ring { token, bell });
    }

    /// Lets connections go on that have waited until a turn has room for what they publish, in their order.
    pub(super) fn release_held(&mut self) {
        // Who is to wait again waits behind the others.
        for _ in 0..self.hub.waiting_for_turn() {
            let Some(id) = self.hub.take_held() else { break };
            self.release(id);
        }
    }

    /// Lets connections go on that have waited until the other shards know what is listened to here.
    pub(super) fn release_known(&mut self) {
        while let Some(id) = self.hub.take_known() {
            self.release(id);
        }
    }

    fn release(&mut self, id: ConnectionId) {
        if self.connections.get_mut(id).is_some_and(|connection| connection.take_known()) {
            self.serve_kept(id, |service, session, inbox, context| service.receive(session, inbox, context));
            self.touch(id);
        }
    }
}
