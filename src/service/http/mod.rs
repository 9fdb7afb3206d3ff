//! HTTP/1.1, and WebSocket on the same connections: from requests to the pages of a [`Site`] and back.
//!
//! A session goes round: the head of a request, its content, the answer, the next head. All answers that one turn makes
//! leave in one send, in the order of their requests; when too much waits, reading waits, too. The codec is
//! [`protocol::http1`](crate::protocol::http1); what stands at which path is the site's business.

mod admin;
mod answers;
mod authorization;
mod date;
mod head;
mod nats;
mod public;
mod session;
mod settings;
mod site;
mod subjects;
mod talk;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

pub use self::admin::{Admin, Inspect};
use self::date::Date;
pub use self::public::Public;
pub use self::session::Session;
use self::session::{Pending, Phase, Reply};
use self::settings::PerListener;
pub use self::settings::{HubSettings, Settings, WebSocketSettings};
pub use self::site::{Answer, Ask, Content, Page, Site};
use self::subjects::Names;
pub use self::subjects::{Enquiry, Errand, Listen, Opening, Origin, Publication, SUBPROTOCOL, Seat};
pub use self::talk::Talk;
use self::websocket::WebSockets;
use super::house::Wiring;
use super::nats::Nats;
use super::{Closed, Context, Service};
use crate::connection::Inbox;
use crate::hub::{ClientId, Told};
use crate::limits;
use crate::metrics::Refused;
use crate::protocol::http1::{Persistence, Table};
use crate::sys::clock::Time;

/// HTTP for the pages of one site.
pub struct Http<P> {
    site: P,
    settings: PerListener,
    date: Date,
    table: Table,
    websockets: WebSockets,
    /// Names for places where answers from the hub arrive.
    names: Names,
    /// For who asks for it, where it is spoken.
    nats: Option<Nats>,
    /// What long answers are made of.
    zeros: Arc<Vec<u8>>,
}

/// What a step of a session comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There is more to do.
    Go,
    /// Something has to come first: bytes, room, or time.
    Wait,
}

impl<P: Site> Http<P> {
    /// The site on listeners with these settings, in the order of their [numbers](Context::listener). A listener beyond
    /// the last of them has the default settings.
    pub fn new(site: P, settings: Vec<Arc<Settings>>) -> Self {
        Self {
            site,
            settings: PerListener::new(settings),
            date: Date::new(),
            table: Table::new(),
            websockets: WebSockets::default(),
            names: Names::default(),
            nats: None,
            zeros: Arc::new(vec![0; limits::HTTP_ZEROS_BYTES]),
        }
    }

    /// The same, where NATS is spoken as well, within WebSocket.
    pub fn with_nats(self, nats: Nats) -> Self {
        Self { nats: Some(nats), ..self }
    }

    /// Goes on for as long as there is something to do.
    fn advance(
        &mut self,
        session: &mut Session<P::Route, P::Seat>,
        inbox: &mut Inbox<'_>,
        context: &mut Context<'_>,
    ) {
        while !context.is_ending() && self.step(session, inbox, context) == Step::Go {}
        if matches!(session.phase, Phase::Head) {
            // Between two requests the connection is nobody's.
            session.place = None;
        }
    }

    fn step(
        &mut self,
        session: &mut Session<P::Route, P::Seat>,
        inbox: &mut Inbox<'_>,
        context: &mut Context<'_>,
    ) -> Step {
        match &mut session.phase {
            Phase::Head => self.step_head(session, inbox, context),
            Phase::Asking(_) => self.step_asking(session, inbox, context),
            Phase::Content(_) => self.step_content(session, inbox, context),
            Phase::Zeros(..) => self.step_zeros(session, context),
            Phase::WebSocket(websocket) => {
                self.websockets.receive(&mut self.site, websocket, inbox, context);
                Step::Wait
            }
            Phase::Events(subscriber) => {
                subscriber.ignore(inbox, context);
                Step::Wait
            }
            Phase::Nats(_) => {
                self.nats_do(session, |socket, nats, websockets| {
                    socket.receive(nats, websockets, inbox, context);
                });
                Step::Wait
            }
            Phase::Later(_) | Phase::Exchange(_) => Step::Wait,
        }
    }

    // --- The content of a request -------------------------------------------------------------------------------

    fn step_content(
        &mut self,
        session: &mut Session<P::Route, P::Seat>,
        inbox: &mut Inbox<'_>,
        context: &mut Context<'_>,
    ) -> Step {
        let Phase::Content(pending) = &mut session.phase else { return Step::Go };
        while !pending.body.is_done() {
            if inbox.is_empty() {
                let settings = self.settings.of(context.listener);
                context.set_timer(settings.content_deadline(pending.since, pending.received));
                return Step::Wait;
            }
            let decoded = match pending.body.decode(inbox.bytes()) {
                Ok(decoded) => decoded,
                Err(refusal) => {
                    let reply = pending.reply;
                    return self.refuse(refusal, reply, context);
                }
            };
            pending.received += decoded.data.len() as u64;
            if let Some(content) = &mut pending.content {
                content.extend_from_slice(&inbox.bytes()[decoded.data]);
            }
            inbox.consume(decoded.consumed);
        }
        context.clear_timer();
        let Phase::Content(pending) = std::mem::replace(&mut session.phase, Phase::Head) else {
            return Step::Go;
        };
        let Pending { route, reply, origin, content, content_type, .. } = *pending;
        let ask = Ask { content: content.unwrap_or_default(), content_type, ready: context.ready };
        let answer = match self.site.answer(route, ask) {
            // The head is gone, and whoever waits for 101 before the first frame has no content to send.
            Answer::WebSocket(_) | Answer::Nats | Answer::Listen(_) => {
                Answer::Page(Page::sentence(400, "Who asks for this sends no content."))
            }
            answer => answer,
        };
        self.answer(answer, reply.last_if(!context.ready), origin, session, inbox, context)
    }

    // --- Time ---------------------------------------------------------------------------------------------------

    /// What was awaited may have come, and we did not read it: its time begins anew when we do. Silence has its own bound.
    fn wait_anew(
        &self,
        until: Time,
        session: &mut Session<P::Route, P::Seat>,
        inbox: &Inbox<'_>,
        context: &mut Context<'_>,
    ) {
        let settings = self.settings.of(context.listener);
        context.set_timer(match &mut session.phase {
            Phase::Head if inbox.is_empty() && session.head_since.is_none() => {
                until.saturating_add(settings.keep_alive_timeout)
            }
            Phase::Content(pending) => {
                pending.since = until;
                settings.content_deadline(until, pending.received)
            }
            _ => {
                session.head_since = Some(until);
                until.saturating_add(settings.header_timeout)
            }
        });
    }

    /// What was awaited has not come in time.
    fn expire(
        &mut self,
        session: &mut Session<P::Route, P::Seat>,
        inbox: &Inbox<'_>,
        context: &mut Context<'_>,
    ) {
        if let Some(until) = context.throttled_until() {
            return self.wait_anew(until, session, inbox, context);
        }
        match &session.phase {
            Phase::Head if inbox.is_empty() && session.head_since.is_none() => context.finish(),
            Phase::Head if inbox.is_empty() => {
                // It was opened, and nothing came.
                context.refuse(Refused::Slow);
                context.finish();
            }
            phase => {
                let reply = if let Phase::Content(pending) = phase { pending.reply } else { Reply::last() };
                context.refuse(Refused::Slow);
                let page = Page::sentence(408, "The request took too long.");
                self.send(&page, reply.last_if(true), context);
            }
        }
    }
}

impl<P: Site> Service for Http<P> {
    type Session = Session<P::Route, P::Seat>;

    fn open(&mut self, context: &mut Context<'_>) -> Self::Session {
        let settings = self.settings.of(context.listener);
        context.set_timer(context.now.saturating_add(settings.header_timeout));
        Session::new(context.now)
    }

    fn receive(&mut self, session: &mut Self::Session, inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
        if let Phase::WebSocket(websocket) = &mut session.phase {
            // Also when no frame is whole yet. A timer of our own comes another way.
            websocket.hear(context.now);
        } else if let Phase::Nats(socket) = &mut session.phase {
            socket.hear(context);
        }
        self.advance(session, inbox, context);
    }

    fn timer(&mut self, session: &mut Self::Session, inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
        context.clear_timer();
        match &mut session.phase {
            Phase::Later(_) => {
                let later = std::mem::replace(&mut session.phase, Phase::Head);
                if let Phase::Later(later) = later {
                    self.send(&later.0, later.1.last_if(!context.ready), context);
                }
            }
            Phase::WebSocket(websocket) => self.websockets.expire(&mut self.site, websocket, context),
            Phase::Events(subscriber) => subscriber.expire(context),
            Phase::Exchange(_) => self.give_up(session, context),
            Phase::Nats(_) => self.nats_do(session, |socket, nats, websockets| {
                socket.expire(nats, websockets, context);
            }),
            Phase::Asking(_) | Phase::Zeros(..) => {}
            Phase::Head | Phase::Content(_) => self.expire(session, inbox, context),
        }
        self.advance(session, inbox, context);
    }

    fn told(&mut self, session: &mut Self::Session, told: &Told, context: &mut Context<'_>) {
        match &mut session.phase {
            Phase::WebSocket(websocket) => {
                let site = &mut self.site;
                self.websockets.consult(websocket, context, |seat, talk| site.told(seat, told, talk));
            }
            Phase::Exchange(exchange) if exchange.is_answer(told) => {
                self.pass_on(told, session, context);
            }
            _ => {}
        }
    }

    fn rewire(&mut self, wiring: &Wiring) {
        self.settings = PerListener::new(wiring.http());
        self.nats.iter_mut().for_each(|nats| nats.change(&wiring.nats));
    }

    /// Requests are judged one by one; whatever lasts longer is ended if it would not begin now.
    fn review(&mut self, session: &mut Self::Session, context: &mut Context<'_>) {
        let settings = self.settings.of(context.listener);
        match &mut session.phase {
            Phase::WebSocket(websocket) if !websocket.wishes.who.is_confirmed(settings, context) => {
                websocket.revoke(context);
            }
            Phase::Events(subscriber) if !session.who.is_confirmed(settings, context) => {
                context.refuse(Refused::CredentialRevoked);
                subscriber.go_away(context);
            }
            Phase::Nats(_) => self.nats_do(session, |socket, nats, _| socket.judge_again(nats, context)),
            Phase::WebSocket(_)
            | Phase::Events(_)
            | Phase::Head
            | Phase::Asking(_)
            | Phase::Content(_)
            | Phase::Later(_)
            | Phase::Zeros(..)
            | Phase::Exchange(_) => {}
        }
    }

    fn forewarn(&mut self, session: &mut Self::Session, context: &mut Context<'_>) {
        // Others hear of it in their next answer, which is the last one, or when it is their turn.
        self.nats_do(session, |socket, nats, _| socket.forewarn(nats, context));
    }

    fn drain(&mut self, session: &mut Self::Session, context: &mut Context<'_>) {
        session.closing = true;
        match &mut session.phase {
            // Between two requests nothing is lost; one that is coming gets its answer, and no other.
            Phase::Head if session.progress.is_new() => context.finish(),
            Phase::WebSocket(websocket) => self.websockets.go_away(websocket, context),
            Phase::Events(subscriber) => subscriber.go_away(context),
            Phase::Exchange(exchange) => exchange.reply.persistence = Persistence::Close,
            Phase::Nats(_) => self.nats_do(session, |socket, nats, _| socket.send_away(nats, context)),
            Phase::Later(later) => later.1.persistence = Persistence::Close,
            Phase::Content(pending) => pending.reply.persistence = Persistence::Close,
            // What it was told of the connection has been sent already.
            Phase::Zeros(_, reply) => reply.persistence = Persistence::Close,
            // The answer of what is asked is the last one, now that this is closing.
            Phase::Head | Phase::Asking(_) => {}
        }
    }

    fn close(&mut self, session: Self::Session, closed: &mut Closed<'_>) {
        if let Some(letterbox) = session.letterbox {
            closed.hub.leave(letterbox.client);
        }
        match session.phase {
            Phase::WebSocket(websocket) => {
                closed.counters.websockets_open -= 1;
                if let Some(client) = websocket.wishes.client {
                    closed.hub.leave(client);
                }
                self.site.left(websocket.seat, closed);
            }
            Phase::Events(subscriber) => subscriber.leave(closed),
            Phase::Nats(socket) => {
                closed.counters.websockets_open -= 1;
                if let Some(nats) = &self.nats {
                    socket.leave(nats, closed);
                }
            }
            Phase::Head
            | Phase::Asking(_)
            | Phase::Content(_)
            | Phase::Later(_)
            | Phase::Zeros(..)
            | Phase::Exchange(_) => {}
        }
    }

    fn memory(&self, session: &Self::Session) -> usize {
        session.memory_bytes()
    }

    fn client(&self, session: &Self::Session) -> Option<ClientId> {
        session.client()
    }

    fn protocol(&self, session: &Self::Session) -> &'static str {
        match session.phase {
            Phase::WebSocket(_) => "websocket",
            Phase::Nats(_) => "nats+ws",
            Phase::Events(_) => "events",
            Phase::Head
            | Phase::Asking(_)
            | Phase::Content(_)
            | Phase::Later(_)
            | Phase::Zeros(..)
            | Phase::Exchange(_) => "http",
        }
    }
}

impl Settings {
    /// When content that began then, and of which so much has come, is too slow.
    fn content_deadline(&self, since: Time, received: u64) -> Time {
        let earned = Duration::from_secs(received / self.body_rate_min.max(1));
        since.saturating_add(self.header_timeout).saturating_add(earned)
    }
}
