//! What a site can do with a WebSocket connection: answer it, end it, and speak to the others through the hub.

use std::borrow::Cow;

use super::settings::HubSettings;
use super::subjects::{Unsaid, Who};
use crate::connection::ConnectionId;
use crate::hub::{ClientId, Form, Hub, Message, Published};
use crate::metrics::Refused;
use crate::protocol::websocket::{CloseCode, Deflater, Kind, sender};
use crate::service::Context;
use crate::sys::address::Peer;
use crate::sys::clock::Time;

/// One WebSocket connection, for the length of a call.
pub struct Talk<'a, 'b> {
    pub(super) context: &'a mut Context<'b>,
    /// The compressor, where compression was agreed.
    pub(super) deflater: Option<&'a mut Deflater>,
    pub(super) wishes: &'a mut Wishes,
}

/// What a site has asked for one of its WebSocket connections.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// Who it is.
    pub(super) who: Who,
    /// How it is treated by the hub.
    pub(super) settings: HubSettings,
    /// As whom it takes part in the hub, once it does.
    pub(super) client: Option<ClientId>,
    /// When the site wants to be called.
    pub(super) wake_at: Option<Time>,
    /// Whether the site waits until all shards know what it listens to.
    pub(super) until_known: bool,
    /// How the site wants it to end.
    pub(super) goodbye: Option<(CloseCode, Cow<'static, str>)>,
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

    /// When this turn began.
    pub fn now(&self) -> Time {
        self.context.now
    }

    /// Sends a message to this peer, behind what the hub has for it so far.
    pub fn send(&mut self, kind: Kind, payload: &[u8]) {
        if let Some(client) = self.wishes.client {
            self.context.hub.catch_up(client, self.context.outbox);
        }
        self.context.counters.websocket_messages_sent += 1;
        let deflater = self.deflater.as_deref_mut();
        self.context.outbox.write_with(|out| match deflater {
            None => sender::message(out, kind, payload, None),
            Some(deflater) => sender::message_deflated(out, kind, payload, deflater, None),
        });
    }

    /// Lets the connection take part in the hub, or changes how it does. It leaves when it is closed, so that nothing
    /// follows the close frame.
    pub fn join(&mut self, form: Form, echo: bool) -> ClientId {
        let options = self.wishes.settings.options(form, echo);
        if let Some(client) = self.wishes.client {
            self.context.hub.set_options(client, options);
            return client;
        }
        let client = self.context.hub.join(self.context.id, options);
        self.wishes.client = Some(client);
        client
    }

    /// The subjects that all connections share. What this connection hears there is sent as it is, behind what was
    /// [sent](Self::send) in the same turn.
    pub fn hub(&mut self) -> &mut Hub {
        self.context.hub
    }

    /// Publishes a message as this connection's, which must have [joined](Self::join).
    #[inline]
    pub fn publish(&mut self, message: &Message<'_>) -> Published {
        self.context.counters.published_websocket += 1;
        self.context.hub.publish(self.wishes.client, message)
    }

    /// Whether this connection's user may publish so many bytes there.
    #[inline]
    pub(super) fn may_say(&self, subject: &[u8], bytes: usize) -> Result<(), Unsaid> {
        self.wishes.who.may_say(subject, bytes, self.wishes.settings, self.context.now)
    }

    /// Says that something it asked for was turned away: it is counted, and logged with the peer's address.
    pub fn refuse(&mut self, refused: Refused) {
        self.context.refuse(refused);
    }

    /// Has [`Site::known`](super::Site::known) called when all shards know what this connection listens to, so that whatever
    /// is published from then on is heard; until then nothing is read from the peer.
    pub fn wait_until_known(&mut self) {
        self.wishes.until_known = true;
    }

    /// Has [`Site::woken`](super::Site::woken) called then. Setting it again moves it.
    pub fn wake_at(&mut self, time: Option<Time>) {
        self.wishes.wake_at = time;
    }

    /// Ends the connection with a close frame that says why, behind all that was said.
    pub fn close(&mut self, code: CloseCode, reason: impl Into<Cow<'static, str>>) {
        self.wishes.goodbye.get_or_insert((code, reason.into()));
    }
}
