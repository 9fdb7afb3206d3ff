//! What a shard is told when the configuration was read again, and how it takes that over.
//!
//! All of it comes in one message, so that no connection meets one half of the old and one of the new.

use super::{House, Options, Shard};
use crate::connection::State;
use crate::ring::Kernel;
use crate::service::Service;
use crate::service::house::Wiring;

/// What holds from now on.
#[derive(Debug)]
pub struct Terms {
    /// What the shard has in common with the others. How many connections are counted is theirs already, and how many shards
    /// there are does not change.
    pub house: House,
    /// What it may do. Its number and its slots do not change.
    pub options: Options,
    /// What holds of the listeners, for the services; nothing where they are not made by the configuration.
    pub wiring: Option<Wiring>,
}

impl<K: Kernel, S: Service> Shard<K, S> {
    /// From now on these terms hold: for completions that are handled in this turn, too.
    pub(super) fn take_over(&mut self, terms: &Terms) {
        let Options { number: _, slots: _, bounds, outbox_bytes, rates } = terms.options;
        self.options = Options { bounds, outbox_bytes, rates, ..self.options };
        // One by one, so that a new field asks whether it can change.
        let House {
            shards: _,
            slow_rules,
            subscriptions,
            shared_bytes,
            admission: _,
            doors,
            datagram_networks,
            addresses,
            senders,
            counts_bytes,
            board: _,
        } = terms.house.clone();
        self.hub.set_rules(slow_rules.to_vec());
        self.hub.set_subscriptions_max(subscriptions);
        self.hub.set_lent_bytes_max(shared_bytes);
        self.doors = doors;
        self.datagram_networks = datagram_networks;
        self.addresses = addresses;
        self.senders = senders;
        self.counts_bytes = rates.bytes.is_some() || counts_bytes;
        if let Some(wiring) = &terms.wiring {
            self.service.rewire(wiring);
        }
        self.has_new_terms = true;
    }

    /// Looks at each connection once when the terms have changed: its deadline may have come nearer, its address has other
    /// limits, and it may be somebody's who is not let in any more.
    pub(super) fn review(&mut self) {
        if !std::mem::take(&mut self.has_new_terms) {
            return;
        }
        let ids: Vec<_> = self.connections.ids().collect();
        for id in ids {
            if let Some(addresses) = &self.addresses {
                self.places[id.slot() as usize].meter.move_under(addresses);
            }
            let has_session = self.places[id.slot() as usize].session.is_some();
            let connection = self.connections.get_mut(id).expect("it is one of all");
            // One that is opening is reviewed when it is open; and when all have to go, nobody is judged.
            if has_session
                && self.drain.is_none()
                && connection.state() == State::Open
                && !connection.is_opening()
            {
                self.serve(id, |service, session, _, context| service.review(session, context));
            }
            self.touch(id);
        }
    }
}
