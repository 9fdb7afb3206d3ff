//! Letting connections in: keeping accepts in flight, admitting who comes, pausing while descriptors are short.

use super::streams::owned;
use super::{Place, Shard};
use crate::connection::{Connection, Cut, Listener};
use crate::ring::{AcceptError, Accepted, Kernel, Op, Token};
use crate::service::Service;
use crate::sys::address::Peer;

impl<K: Kernel, S: Service> Shard<K, S> {
    pub(super) fn handle_accepted(&mut self, token: Token, result: Result<Accepted, AcceptError>) {
        let index = Listener::index_of(token.slot());
        let listener = &mut self.listeners[index];
        listener.handle_accept(token.slot());
        self.accepting -= 1;
        match result {
            Ok(accepted) => {
                listener.backoff.reset();
                self.admit(accepted, index);
            }
            Err(AcceptError::Cancelled | AcceptError::PeerGone) => {}
            Err(error) => {
                // One pause for the many accepts that fail together.
                if !listener.backoff.is_paused(self.now) {
                    listener.backoff.pause(self.now);
                    self.metrics.counters.accept_pauses += 1;
                    let suppressed = self.notices.accept_pause(self.options.number, error, self.now);
                    self.metrics.counters.log_lines_suppressed += u64::from(suppressed);
                }
            }
        }
    }

    fn admit(&mut self, accepted: Accepted, index: usize) {
        let peer = accepted.address.map_or(Peer::Unix, Peer::from_ip);
        let listener = self.listeners[index].number;
        let connection = Connection::new(accepted.descriptor, peer, listener, self.now);
        let id = self.connections.insert(connection);
        let slot = id.slot() as usize;
        if self.places.len() <= slot {
            self.places.resize_with(slot + 1, Place::default);
        }
        if self.admission.enter() {
            self.metrics.counters.accepted += 1;
            tracing::debug!(shard = self.options.number, %peer, "a connection was opened");
            self.let_in(id);
        } else {
            self.cut(id, Cut::Refused);
        }
        debug_assert!(!owned(&mut self.connections, id).is_over(), "a new connection is not over");
        self.touch(id);
    }

    /// Keeps as many accepts in flight as there are slots for.
    pub(super) fn settle_listeners(&mut self) {
        for index in 0..self.listeners.len() {
            while self.accepting < self.connections.room() {
                let listener = &mut self.listeners[index];
                let Some(token) = listener.next_accept(self.now) else { break };
                let listener = listener.descriptor;
                self.accepting += 1;
                self.push(Op::Accept { token, listener });
            }
        }
    }
}
