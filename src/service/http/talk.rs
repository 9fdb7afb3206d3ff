//! What a site can do with a WebSocket connection: answer it, and speak to the others through the hub.

use crate::connection::ConnectionId;
use crate::hub::Hub;
use crate::protocol::websocket::{Deflater, Kind, sender};
use crate::service::Context;
use crate::sys::address::Peer;

/// One WebSocket connection, for the length of a call.
pub struct Talk<'a, 'b> {
    pub(super) context: &'a mut Context<'b>,
    /// The compressor, where compression was agreed.
    pub(super) deflater: Option<&'a mut Deflater>,
}

impl Talk<'_, '_> {
    /// Which connection it is.
    pub fn id(&self) -> ConnectionId {
        self.context.id
    }

    /// Who its peer is.
    pub fn peer(&self) -> &Peer {
        self.context.peer
    }

    /// Sends a message to this peer.
    pub fn send(&mut self, kind: Kind, payload: &[u8]) {
        self.context.counters.websocket_messages_sent += 1;
        let deflater = self.deflater.as_deref_mut();
        self.context.outbox.write_with(|out| match deflater {
            None => sender::message(out, kind, payload, None),
            Some(deflater) => sender::message_deflated(out, kind, payload, deflater, None),
        });
    }

    /// The subjects that all connections share. What this connection hears there is sent as it is, behind what was
    /// [sent](Self::send) in the same turn.
    pub fn hub(&mut self) -> &mut Hub {
        self.context.hub
    }
}
