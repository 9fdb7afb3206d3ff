//! What a session answers: whole pages, long answers in pieces, refusals, and the change to WebSocket.

use std::sync::Arc;

use super::authorization::{self, Denial};
use super::nats::NatsSocket;
use super::session::{Phase, Reply, Session};
use super::site::{Answer, Page, Site};
use super::subjects::Origin;
use super::{Http, Step};
use crate::connection::Inbox;
use crate::limits;
use crate::metrics::Refused;
use crate::protocol::http1::{
    BodyLength, Method, Persistence, Refusal, ResponseHead, encode_answer, encode_response, parse_request,
};
use crate::service::Context;

impl<P: Site> Http<P> {
    pub(super) fn answer(
        &mut self,
        answer: Answer<P::Seat>,
        reply: Reply,
        origin: Option<Box<Origin>>,
        session: &mut Session<P::Route, P::Seat>,
        inbox: &Inbox<'_>,
        context: &mut Context<'_>,
    ) -> Step {
        match answer {
            Answer::Page(page) => self.send(&Page { origin, ..page }, reply, context),
            Answer::Refuse(refused, page) => {
                context.refuse(refused);
                self.send(&Page { origin, ..page }, reply, context);
            }
            Answer::Zeros(count) => {
                self.send_zeros_head(count, reply, context);
                let left = if reply.head_only { 0 } else { count };
                session.phase = Phase::Zeros(left, reply);
            }
            Answer::Later(delay, page) => {
                session.phase = Phase::Later(Box::new((page, reply)));
                context.hold_until(context.now.saturating_add(delay));
                return Step::Wait;
            }
            Answer::WebSocket(seat) => self.upgrade(Some(seat), reply, session, inbox, context),
            Answer::Listen(listen) => self.listen(&listen, reply, origin, session, inbox, context),
            Answer::Publish(publication) => {
                return self.publish(&publication, reply, origin, session, context);
            }
            Answer::Enquire(enquiry) => return self.enquire(&enquiry, reply, origin, session, context),
            Answer::Nats => self.upgrade(None, reply, session, inbox, context),
        }
        Step::Go
    }

    /// Sends a whole answer.
    #[inline]
    pub(super) fn send(&mut self, page: &Page, reply: Reply, context: &mut Context<'_>) {
        let date = self.date.at(context.unix_seconds);
        let (fields, count) = page.fields();
        let head = ResponseHead {
            status: page.status,
            date,
            persistence: reply.persistence_with(page.status),
            body: BodyLength::None,
            headers: &fields[..count],
        };
        let method = if reply.head_only { Method::Head } else { Method::Get };
        let sent = context.outbox.write_with(|out| encode_answer(out, &method, &head, &page.content));
        if let Err(error) = sent {
            // A site has put into a field what cannot stand there: the fault is ours, and the peer is told so.
            tracing::error!("an answer with status {} cannot be sent: {error}", page.status);
            let sorry = Page::sentence(500, "The answer cannot be sent.");
            return self.send(&sorry, reply.last_if(true), context);
        }
        self.finish_answer(page.status, reply, context);
    }

    fn send_zeros_head(&mut self, count: u64, reply: Reply, context: &mut Context<'_>) {
        let head = ResponseHead {
            status: 200,
            date: self.date.at(context.unix_seconds),
            persistence: reply.persistence,
            body: BodyLength::Length(count),
            headers: &[(b"Content-Type", b"application/octet-stream")],
        };
        let sent = context.outbox.write_with(|out| encode_response(out, &head));
        debug_assert!(sent.is_ok(), "nothing in it comes from a peer");
        count_answer(200, context);
    }

    /// Sends as much of a long answer as there is room for.
    pub(super) fn step_zeros(
        &mut self,
        session: &mut Session<P::Route, P::Seat>,
        context: &mut Context<'_>,
    ) -> Step {
        let Phase::Zeros(left, reply) = &mut session.phase else { return Step::Go };
        let reply = *reply;
        while 0 < *left {
            let room = context.room().min(self.zeros.len());
            if room == 0 {
                context.hold_for_room();
                return Step::Wait;
            }
            let count = usize::try_from(*left).unwrap_or(usize::MAX).min(room);
            if count <= limits::HTTP_ZEROS_COPIED_BYTES {
                context.outbox.write(&self.zeros[..count]);
            } else {
                context.outbox.send_shared(Arc::clone(&self.zeros), 0..count);
            }
            *left -= count as u64;
        }
        session.phase = Phase::Head;
        self.end_answer(reply, context);
        Step::Go
    }

    pub(super) fn finish_answer(&mut self, status: u16, reply: Reply, context: &mut Context<'_>) {
        count_answer(status, context);
        self.end_answer(reply, context);
    }

    fn end_answer(&mut self, reply: Reply, context: &mut Context<'_>) {
        if reply.persistence == Persistence::Close {
            context.finish();
        }
    }

    /// Makes a WebSocket of the connection, if the request is right; without a seat, for NATS.
    fn upgrade(
        &mut self,
        seat: Option<P::Seat>,
        reply: Reply,
        session: &mut Session<P::Route, P::Seat>,
        inbox: &Inbox<'_>,
        context: &mut Context<'_>,
    ) {
        if !context.ready {
            // It would be told to go at once.
            return self.send(&Page::sentence(503, "The server is stopping."), reply.last_if(true), context);
        }
        let settings = Arc::clone(self.settings.of(context.listener));
        // The head is read once more: an upgrade happens once in the life of a connection.
        let mut progress = Default::default();
        let parsed = parse_request(inbox.bytes(), &mut progress, &settings.head, &mut self.table);
        let Ok(Some(request)) = parsed else { return context.abort() };
        let grant = match self.nats.as_ref().filter(|_| seat.is_none()) {
            None => Ok(None),
            Some(nats) => super::nats::grant(&request, &settings, nats, context),
        };
        let grant = match grant {
            Ok(grant) => grant,
            Err(denied) => {
                let denial = authorization::denial(denied, &settings);
                context.refuse(denial.refused);
                return self.send(&denial.page, reply, context);
            }
        };
        let identity_ends = authorization::end_of(&request, &settings, context);
        let date = self.date.at(context.unix_seconds);
        let policy = &settings.websocket;
        let Some(seat) = seat else {
            return match self.websockets.accept(&request, (), policy, date, context) {
                Ok((websocket, _)) => {
                    count_answer(101, context);
                    if let Some(nats) = &mut self.nats {
                        session.phase = Phase::Nats(NatsSocket::greet(websocket, grant, nats, context));
                    }
                }
                Err((refused, page)) => {
                    context.refuse(refused);
                    self.send(&page, reply, context);
                }
            };
        };
        match self.websockets.accept(&request, seat, policy, date, context) {
            Ok((mut websocket, subprotocol)) => {
                websocket.wishes.settings = settings.hub;
                websocket.wishes.who = session.who.clone();
                websocket.ends_at = identity_ends.or(session.who.expires());
                if let Some(place) = session.place.take() {
                    context.sit(*place);
                }
                count_answer(101, context);
                context.set_timer(websocket.next_check(context));
                let site = &mut self.site;
                self.websockets.consult(&mut websocket, context, |seat, talk| {
                    site.joined(seat, subprotocol, talk);
                });
                session.phase = Phase::WebSocket(Box::new(websocket));
            }
            Err((refused, page)) => {
                context.refuse(refused);
                self.send(&page, reply, context);
            }
        }
    }

    /// Answers what may not be asked. The connection goes on if no content follows.
    pub(super) fn deny(
        &mut self,
        denial: Denial,
        origin: Option<Box<Origin>>,
        length: BodyLength,
        reply: Reply,
        context: &mut Context<'_>,
    ) -> Step {
        context.refuse(denial.refused);
        let has_content = !matches!(length, BodyLength::None | BodyLength::Length(0));
        let reply = if has_content { Reply { persistence: Persistence::Close, ..reply } } else { reply };
        self.send(&Page { origin, ..denial.page }, reply, context);
        Step::Go
    }

    /// Answers what cannot be understood, and ends the connection: where the next request would begin is not known.
    #[cold]
    pub(super) fn refuse(&mut self, refusal: Refusal, reply: Reply, context: &mut Context<'_>) -> Step {
        let too_large = matches!(refusal.status(), 413 | 414 | 431);
        context.refuse(if too_large { Refused::TooLarge } else { Refused::Malformed });
        let page = Page::sentence(refusal.status(), refusal.reason());
        self.send(&page, reply.last_if(true), context);
        Step::Wait
    }
}

pub(super) fn count_answer(status: u16, context: &mut Context<'_>) {
    let counters = &mut *context.counters;
    match status {
        ..200 => counters.http_answers_1xx += 1,
        200..400 => counters.http_answers_2xx += 1,
        400..500 => counters.http_answers_4xx += 1,
        500.. => counters.http_answers_5xx += 1,
    }
}
