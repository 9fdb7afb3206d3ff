//! NATS within WebSocket: frames carry pieces of a client's stream, cut anywhere, and binary ones its answers.

use super::Http;
use super::authorization;
use super::session::{Phase, Session};
use super::settings::Settings;
use super::site::{Answer, Ask, Content, Page, Site};
use super::talk::Talk;
use super::websocket::{WebSocket, WebSockets};
use crate::access::token::Denied;
use crate::access::users::Grant;
use crate::connection::Inbox;
use crate::hub::ClientId;
use crate::limits;
use crate::protocol::http1::Request;
use crate::protocol::websocket::{CloseCode, Kind};
use crate::service::nats::{self, Nats};
use crate::service::{Closed, Context};

/// A NATS client that came by WebSocket.
#[derive(Debug)]
pub(super) struct NatsSocket {
    pub(super) websocket: WebSocket<()>,
    session: nats::Session,
    /// What came in a message and has to wait, for what was said before it to be done.
    backlog: Vec<u8>,
}

impl NatsSocket {
    /// Greets a client whose request was answered.
    pub(super) fn greet(
        mut websocket: WebSocket<()>,
        grant: Option<Grant>,
        nats: &mut Nats,
        context: &mut Context<'_>,
    ) -> Box<Self> {
        let payloads = nats.payload_bytes_max(context).saturating_mul(limits::NATS_WEBSOCKET_PAYLOADS_MAX);
        websocket.take_in_pieces(payloads.min(limits::NATS_WEBSOCKET_BYTES_MAX));
        let session = nats.greet(true, grant, context);
        let socket = Self { websocket, session, backlog: Vec::new() };
        context.set_timer(socket.next_check(context));
        Box::new(socket)
    }

    /// Reads what has come, and what had to wait.
    pub(super) fn receive(
        &mut self,
        nats: &mut Nats,
        websockets: &mut WebSockets,
        inbox: &mut Inbox<'_>,
        context: &mut Context<'_>,
    ) {
        let backlog = std::mem::take(&mut self.backlog);
        let used = nats.hear(&mut self.session, &backlog, context);
        if used < backlog.len() {
            self.backlog = backlog;
            self.backlog.drain(..used);
        } else if !context.is_ending() && !context.is_held() {
            let mut stream = Stream { nats, session: &mut self.session, backlog: &mut self.backlog };
            websockets.receive(&mut stream, &mut self.websocket, inbox, context);
        }
        self.session.watch(self.backlog.len() + inbox.bytes().len(), context);
        self.say_goodbye(context);
    }

    /// A timer has come.
    pub(super) fn expire(&mut self, nats: &mut Nats, websockets: &mut WebSockets, context: &mut Context<'_>) {
        let mut stream = Stream { nats, session: &mut self.session, backlog: &mut self.backlog };
        websockets.expire(&mut stream, &mut self.websocket, context);
        if !context.is_ending() {
            nats.check(&mut self.session, context);
        }
        self.say_goodbye(context);
        context.set_timer(self.next_check(context));
    }

    /// The peer was heard.
    pub(super) fn hear(&mut self, context: &Context<'_>) {
        self.websocket.hear(context.now);
        self.session.hear(context.now);
    }

    /// The configuration was read again.
    pub(super) fn judge_again(&mut self, nats: &mut Nats, context: &mut Context<'_>) {
        nats.judge_again(&self.session, context);
        self.say_goodbye(context);
    }

    /// The server has begun to stop.
    pub(super) fn forewarn(&mut self, nats: &mut Nats, context: &mut Context<'_>) {
        nats.warn(&mut self.session, context);
    }

    /// The server is stopping, and it is this client's turn.
    pub(super) fn send_away(&mut self, nats: &mut Nats, context: &mut Context<'_>) {
        nats.send_away(&mut self.session, context);
        self.say_goodbye(context);
        // A pause that ends before stays.
        context.advance_timer(self.next_check(context));
    }

    /// The connection is over.
    pub(super) fn leave(&self, nats: &Nats, closed: &mut Closed<'_>) {
        nats.leave(&self.session, closed);
    }

    /// Who it is in the hub.
    pub(super) fn client(&self) -> Option<ClientId> {
        self.session.client()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.websocket.memory_bytes() + self.session.memory_bytes() + self.backlog.capacity()
    }

    /// When NATS ends, WebSocket says so.
    fn say_goodbye(&mut self, context: &mut Context<'_>) {
        if context.is_ending() {
            let is_sent = self.session.is_sent_away();
            self.websocket
                .last_word(if is_sent { CloseCode::GOING_AWAY } else { CloseCode::NORMAL }, context);
        }
    }

    fn next_check(&self, context: &Context<'_>) -> crate::sys::clock::Time {
        self.websocket.next_check(context).min(self.session.check_at())
    }
}

/// A site whose messages are a stream.
struct Stream<'a> {
    nats: &'a mut Nats,
    session: &'a mut nats::Session,
    backlog: &'a mut Vec<u8>,
}

impl Site for Stream<'_> {
    type Route = ();
    type Seat = ();

    fn route(&mut self, _: &Request<'_>, _: Option<&str>) {}

    fn content(&self, (): &()) -> Content {
        Content::Discard
    }

    fn is_open(&self, (): &()) -> bool {
        false
    }

    fn answer(&mut self, (): (), _: Ask) -> Answer<()> {
        Answer::Page(Page::sentence(500, "This is no page."))
    }

    /// The session does, for each message of its own.
    fn charges_messages(&self) -> bool {
        true
    }

    fn message(&mut self, (): &mut (), _: Kind, payload: &[u8], talk: &mut Talk<'_, '_>) {
        let used = self.nats.hear(self.session, payload, talk.context);
        self.backlog.extend_from_slice(&payload[used..]);
    }
}

/// Who a request for NATS shows itself to be, if it does; or why it is not let in.
pub(super) fn grant(
    request: &Request<'_>,
    settings: &Settings,
    nats: &Nats,
    context: &Context<'_>,
) -> Result<Option<Grant>, Denied> {
    match authorization::credential(request, settings) {
        Ok(credential) => nats.judge_token(&credential, context),
        // It may say so in CONNECT.
        Err(Denied::Missing) => Ok(None),
        Err(other) => Err(other),
    }
}

impl<P: Site> Http<P> {
    /// The phase of a NATS client, for the methods of a service.
    pub(super) fn nats_do(
        &mut self,
        session: &mut Session<P::Route, P::Seat>,
        act: impl FnOnce(&mut NatsSocket, &mut Nats, &mut WebSockets),
    ) {
        if let (Phase::Nats(socket), Some(nats)) = (&mut session.phase, &mut self.nats) {
            act(socket, nats, &mut self.websockets);
        }
    }
}
