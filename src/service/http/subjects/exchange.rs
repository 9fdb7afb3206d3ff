//! One message by one request: published with `POST /publish/SUBJECT`, or published and answered with
//! `/request/SUBJECT`.
//!
//! To a publication the answer is `{"delivered":N,"shards":M}`: N subscriptions of the shard that took the request will be
//! sent the message, and it went to M other shards where somebody listens. Nobody is no error. What a message says is
//! known to be text by its `Content-Type`; without one it is text if it reads as UTF-8. With `reply=SUBJECT` in the query
//! it says where answers are expected.
//!
//! A request waits for the first answer, for `timeout=2s` in the query or two seconds. It is 503 when nobody listens, 504
//! when nobody answers in time. Requests that come behind it on the same connection wait, as HTTP has it.

use std::borrow::Cow;

use super::super::authorization::wait_a_moment;
use super::super::session::{Phase, Reply, Session};
use super::super::site::{JSON, Page, Site, TEXT};
use super::errand::{Enquiry, Publication};
use super::letterbox::Letterbox;
use super::origin::Origin;
use super::permission::HUB_IS_FULL;
use crate::hub::{ClientId, Form, Kind, Message, Published, Told};
use crate::limits;
use crate::metrics::Refused;
use crate::service::Context;
use crate::service::http::{Http, Step};

/// A request that waits for its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Where the answer is expected.
    subject: Box<[u8]>,
    origin: Option<Box<Origin>>,
    pub(in crate::service::http) reply: Reply,
}

impl Exchange {
    /// Whether this is what it waits for.
    pub(in crate::service::http) fn is_answer(&self, told: &Told) -> bool {
        self.subject == told.subject
    }
}

impl Publication {
    fn message<'a>(&'a self, reply: &'a [u8]) -> Message<'a> {
        Message { subject: &self.subject, reply, payload: &self.payload, kind: self.kind, headers: b"" }
    }
}

impl<P: Site> Http<P> {
    /// Publishes a message, and says what became of it.
    pub(in crate::service::http) fn publish(
        &mut self,
        publication: &Publication,
        reply: Reply,
        origin: Option<Box<Origin>>,
        session: &mut Session<P::Route, P::Seat>,
        context: &mut Context<'_>,
    ) -> Step {
        let page = match self.say(publication, None, &publication.reply, session, context) {
            Ok(Published { local, shards }) => {
                let text = format!("{{\"delivered\":{local},\"shards\":{shards}}}\n");
                Page::ok(JSON, text.into_bytes())
            }
            Err(page) => page,
        };
        let page = Page { origin, ..page };
        if context.hub.is_congested() {
            // The next request waits until the other shards have caught up, or a moment has passed.
            session.phase = Phase::Later(Box::new((page, reply)));
            context.hold_until(context.now.saturating_add(limits::HUB_PAUSE));
            return Step::Wait;
        }
        self.send(&page, reply, context);
        Step::Go
    }

    /// Publishes a message, and waits for an answer.
    pub(in crate::service::http) fn enquire(
        &mut self,
        enquiry: &Enquiry,
        reply: Reply,
        origin: Option<Box<Origin>>,
        session: &mut Session<P::Route, P::Seat>,
        context: &mut Context<'_>,
    ) -> Step {
        let Some(letterbox) = self.letterbox(session, context) else {
            context.refuse(Refused::Subscriptions);
            self.send(&Page { origin, ..Page::sentence(503, HUB_IS_FULL) }, reply, context);
            return Step::Go;
        };
        let client = letterbox.client;
        let (_, subject) = letterbox.next();
        let page = match self.say(&enquiry.publication, Some(client), subject.as_bytes(), session, context) {
            Ok(published) if published.is_heard() => {
                let exchange = Exchange { subject: subject.into_bytes().into(), origin, reply };
                session.phase = Phase::Exchange(Box::new(exchange));
                context.hold_until(context.now.saturating_add(enquiry.timeout));
                return Step::Wait;
            }
            Ok(_) => {
                context.counters.requests_unheard += 1;
                Page::sentence(503, "Nobody listens to this subject.")
            }
            Err(page) => page,
        };
        self.send(&Page { origin, ..page }, reply, context);
        Step::Go
    }

    /// Publishes a message, if its user may say that much, there and now.
    fn say(
        &self,
        publication: &Publication,
        from: Option<ClientId>,
        reply: &[u8],
        session: &Session<P::Route, P::Seat>,
        context: &mut Context<'_>,
    ) -> Result<Published, Page> {
        let settings = self.settings.of(context.listener).hub;
        let bytes = publication.payload.len();
        if let Err(unsaid) = session.who.may_say(&publication.subject, bytes, settings, context.now) {
            context.refuse(unsaid.refused());
            return Err(Page::sentence(unsaid.status(), &unsaid.sentence()));
        }
        let bytes = (session.head_bytes + bytes) as u64;
        let taken = session.place.as_ref().map(|place| place.take_message(bytes, context.now));
        if let Some(Err(wait)) = taken {
            context.refuse(Refused::UserRate);
            return Err(wait_a_moment(wait, "This user sends too much: wait a moment."));
        }
        context.counters.published_http += 1;
        Ok(context.hub.publish(from, &publication.message(reply)))
    }

    /// Where answers to this connection's requests arrive: it takes part in the hub from its first on.
    fn letterbox<'s>(
        &mut self,
        session: &'s mut Session<P::Route, P::Seat>,
        context: &mut Context<'_>,
    ) -> Option<&'s mut Letterbox> {
        if session.letterbox.is_none() {
            let options = self.settings.of(context.listener).hub.options(Form::Told, true);
            let client = context.hub.join(context.id, options);
            let opened = Letterbox::open(context.hub, client, &mut self.names);
            if opened.is_err() {
                context.hub.leave(client);
            }
            session.letterbox = opened.ok().map(Box::new);
        }
        session.letterbox.as_deref_mut()
    }

    /// Answers with what somebody has answered.
    pub(in crate::service::http) fn pass_on(
        &mut self,
        told: &Told,
        session: &mut Session<P::Route, P::Seat>,
        context: &mut Context<'_>,
    ) {
        let is_text = match told.kind {
            Kind::Text => true,
            Kind::Binary => false,
            Kind::Unknown => simdutf8::basic::from_utf8(&told.payload).is_ok(),
        };
        let media = if is_text { TEXT } else { "application/octet-stream" };
        let page = Page {
            // Whoever answers must not be able to have it taken for a page of ours.
            field: Some(("X-Content-Type-Options", Cow::Borrowed("nosniff"))),
            ..Page::ok(media, told.payload.to_vec())
        };
        self.end_exchange(page, session, context);
        context.clear_timer();
        context.release();
    }

    /// Nobody has answered in time.
    pub(in crate::service::http) fn give_up(
        &mut self,
        session: &mut Session<P::Route, P::Seat>,
        context: &mut Context<'_>,
    ) {
        context.counters.requests_timed_out += 1;
        self.end_exchange(Page::sentence(504, "Nobody has answered in time."), session, context);
    }

    fn end_exchange(
        &mut self,
        page: Page,
        session: &mut Session<P::Route, P::Seat>,
        context: &mut Context<'_>,
    ) {
        let phase = std::mem::replace(&mut session.phase, Phase::Head);
        let Phase::Exchange(exchange) = phase else { return };
        session.place = None;
        let Exchange { origin, reply, .. } = *exchange;
        self.send(&Page { origin, ..page }, reply.last_if(!context.ready), context);
    }
}
