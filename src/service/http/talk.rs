//! What a site can do with a WebSocket connection: answer it, and speak to the others of its shard.

use std::sync::Arc;

use crate::connection::ConnectionId;
use crate::protocol::websocket::{Deflater, Kind, sender};
use crate::service::Context;
use crate::sys::address::Peer;

/// One WebSocket connection, for the length of a call.
pub struct Talk<'a, 'b> {
    pub(super) context: &'a mut Context<'b>,
    /// The compressor, where compression was agreed.
    pub(super) deflater: Option<&'a mut Deflater>,
}

/// A message for many, encoded once.
#[derive(Clone, Debug)]
pub struct Frame(Arc<[u8]>);

impl Frame {
    /// A message in one frame. It is not compressed, which every peer takes.
    pub fn new(kind: Kind, payload: &[u8]) -> Self {
        let mut bytes = Vec::new();
        sender::message(&mut bytes, kind, payload, None);
        Self(bytes.into())
    }

    /// Its bytes on the wire, to be [told](Context::tell) to a session of an HTTP service.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.0
    }
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

    /// Sends a message to a WebSocket connection of the same shard, this one or another. A peer that does not keep up
    /// misses it, and that is counted.
    pub fn tell(&mut self, to: ConnectionId, frame: &Frame) {
        self.context.tell(to, Arc::clone(&frame.0));
    }
}
