//! Server-Sent Events (HTML, section 9.2): an answer without an end, into which the hub writes.
//!
//! `GET /sse?subject=scores.final` sends each message as one event. `subject` may stand there several times, hold a list
//! with commas, and have wildcards; a subject that another one covers is left out, and what two others stand for comes
//! twice. Whatever the number of subjects, an event's data is the payload and it has no name, so that `onmessage` hears it.
//! With `event=subject` it is named by its subject, for `addEventListener`; with `format=json` its data is an object with
//! `subject` and `data`, or `base64` for bytes that are no text, which no other form can carry as they are.
//!
//! The stream begins with the time after which a browser is to come again; the comment `listening` says that from now on
//! nothing that is published anywhere is missed. Silence is broken by comments. Each event has an `id`; a `Last-Event-ID`
//! is taken, and says nothing yet. An event named `dropped` has no `id`: it says how many were left out for one who did not keep
//! up. The answer has neither a length nor chunks, because many share its bytes: it ends with
//! the connection.

use super::super::answers::count_answer;
use super::super::authorization;
use super::super::session::{Phase, Reply, Session};
use super::super::site::{Page, Site};
use super::errand::Listen;
use super::origin::Origin;
use super::permission::{HUB_IS_FULL, NO_SUBSCRIBE, too_many};
use crate::connection::Inbox;
use crate::hub::{ClientId, ClientOptions, Form, Hidden, Subscribe};
use crate::limits;
use crate::metrics::Refused;
use crate::protocol::http1::{BodyLength, Persistence, ResponseHead, encode_response, parse_request};
use crate::service::http::Http;
use crate::service::{Closed, Context};

/// Somebody who listens to events.
#[derive(Debug)]
pub(crate) struct Subscriber {
    client: ClientId,
    /// Whether it was told that it hears everything from now on.
    is_greeted: bool,
    /// Whether it has left the hub.
    has_left: bool,
    /// Messages that it had been sent when it was looked at last.
    heard: u64,
    /// Bytes that it has sent, for nobody.
    ignored_bytes: usize,
    /// From which second since 1970 on its credential is not good any more.
    ends_at: Option<u64>,
}

impl<P: Site> Http<P> {
    /// Begins a stream of events.
    pub(in crate::service::http) fn listen(
        &mut self,
        listen: &Listen,
        reply: Reply,
        origin: Option<Box<Origin>>,
        session: &mut Session<P::Route, P::Seat>,
        inbox: &Inbox<'_>,
        context: &mut Context<'_>,
    ) {
        if !context.ready {
            let page = Page { origin, ..Page::sentence(503, "The server is stopping.") };
            return self.send(&page, reply.last_if(true), context);
        }
        let settings = self.settings.of(context.listener);
        let most = session.who.subscriptions_max(settings.hub);
        if most < listen.filters.len() {
            context.refuse(Refused::Subscriptions);
            return self.send(&Page { origin, ..Page::sentence(403, &too_many(most)) }, reply, context);
        }
        let hidden = listen.filters.iter().map(|filter| session.who.may_listen(filter));
        let Some(hidden) = hidden.collect::<Option<Vec<_>>>() else {
            context.refuse(Refused::Permission);
            return self.send(&Page { origin, ..Page::sentence(403, NO_SUBSCRIBE) }, reply, context);
        };
        if reply.head_only {
            self.send_events_head(origin, context);
            return context.finish();
        }
        let options = settings.hub.options(Form::Events(listen.style), true);
        let Some(client) = subscribe_all(listen, hidden, options, context) else {
            context.refuse(Refused::Subscriptions);
            return self.send(&Page { origin, ..Page::sentence(503, HUB_IS_FULL) }, reply, context);
        };
        self.send_events_head(origin, context);
        let settings = self.settings.of(context.listener);
        // The head is read once more: this happens once in the life of a connection.
        let parsed = parse_request(inbox.bytes(), &mut Default::default(), &settings.head, &mut self.table);
        let Ok(Some(request)) = parsed else { return context.abort() };
        let ends_at = authorization::end_of(&request, settings, context).or(session.who.expires());
        let retry = retry_ms(context);
        context.outbox.write_with(|out| out.extend_from_slice(format!("retry: {retry}\n\n").as_bytes()));
        if let Some(place) = session.place.take() {
            context.sit(*place);
        }
        context.counters.events_open += 1;
        let mut subscriber =
            Subscriber { client, is_greeted: false, has_left: false, heard: 0, ignored_bytes: 0, ends_at };
        subscriber.greet(context);
        context.set_timer(context.now.saturating_add(limits::EVENT_HEARTBEAT));
        session.phase = Phase::Events(Box::new(subscriber));
    }

    fn send_events_head(&mut self, origin: Option<Box<Origin>>, context: &mut Context<'_>) {
        let mut fields = vec![
            (&b"Content-Type"[..], &b"text/event-stream"[..]),
            (b"Cache-Control", b"no-cache"),
            // nginx keeps back what it passes on, unless it is told not to.
            (b"X-Accel-Buffering", b"no"),
        ];
        fields.extend(origin.iter().flat_map(|origin| origin.fields()));
        let head = ResponseHead {
            status: 200,
            date: self.date.at(context.unix_seconds),
            persistence: Persistence::Close,
            body: BodyLength::UntilClose,
            headers: &fields,
        };
        let sent = context.outbox.write_with(|out| encode_response(out, &head));
        debug_assert!(sent.is_ok(), "an origin was compared with a rule");
        count_answer(200, context);
    }
}

/// Lets somebody listen to all of this; or, when the hub has no room for that, to nothing.
fn subscribe_all(
    listen: &Listen,
    hidden: Vec<Option<Hidden>>,
    options: ClientOptions,
    context: &mut Context<'_>,
) -> Option<ClientId> {
    let client = context.hub.join(context.id, options);
    for (place, (filter, hidden)) in listen.filters.iter().zip(hidden).enumerate() {
        let sid = place.to_string();
        let wish = Subscribe { filter, hidden, sid: sid.as_bytes(), ..Subscribe::default() };
        if context.hub.subscribe(client, &wish).is_err() {
            context.hub.leave(client);
            return None;
        }
    }
    Some(client)
}

impl Subscriber {
    /// Who it is in the hub, as long as it listens.
    pub(crate) fn client(&self) -> Option<ClientId> {
        (!self.has_left).then_some(self.client)
    }

    /// Says that nothing is missed from now on, as soon as that is so.
    fn greet(&mut self, context: &mut Context<'_>) {
        if self.is_greeted || self.has_left {
            return;
        }
        if !context.hub.is_known_elsewhere(self.client) {
            return context.hold_until_known();
        }
        self.is_greeted = true;
        context.hub.catch_up(self.client, context.outbox);
        context.outbox.write(b": listening\n\n");
    }

    /// Whatever it sends is read for nobody.
    pub(crate) fn ignore(&mut self, inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
        if context.is_held() {
            return;
        }
        self.greet(context);
        self.ignored_bytes += inbox.bytes().len();
        inbox.consume(inbox.bytes().len());
        if limits::EVENT_IGNORED_BYTES_MAX < self.ignored_bytes {
            context.refuse(Refused::TooLarge);
            context.abort();
        }
    }

    /// Breaks a silence, or ends what may last no longer.
    pub(crate) fn expire(&mut self, context: &mut Context<'_>) {
        if self.ends_at.is_some_and(|end| end <= context.unix_seconds) {
            context.refuse(Refused::CredentialExpired);
            return self.go_away(context);
        }
        let heard = context.hub.client_counts(self.client).map_or(0, |counts| counts.messages_out);
        if std::mem::replace(&mut self.heard, heard) == heard {
            context.outbox.write(b":\n\n");
        }
        context.set_timer(context.now.saturating_add(limits::EVENT_HEARTBEAT));
    }

    /// Ends the stream: the browser is to come again, after a time of its own.
    pub(crate) fn go_away(&mut self, context: &mut Context<'_>) {
        if !std::mem::replace(&mut self.has_left, true) {
            context.hub.catch_up(self.client, context.outbox);
            context.hub.leave(self.client);
            let retry = retry_ms(context);
            context.outbox.write_with(|out| out.extend_from_slice(format!("retry: {retry}\n\n").as_bytes()));
        }
        context.finish();
    }

    /// The connection is over.
    pub(crate) fn leave(self, closed: &mut Closed<'_>) {
        closed.counters.events_open -= 1;
        if !self.has_left {
            closed.hub.leave(self.client);
        }
    }
}

/// After how many milliseconds a browser is to come again: chance, from the time and the place of the connection.
fn retry_ms(context: &Context<'_>) -> u128 {
    // The last step of SplitMix64 (Steele, Lea and Flood 2014): neighbours become strangers.
    let seed = context.now.as_nanos() ^ (u64::from(context.id.slot()) << 32);
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let (least, most) = (limits::EVENT_RETRY_MIN.as_millis(), limits::EVENT_RETRY_MAX.as_millis());
    least + u128::from(mixed ^ (mixed >> 31)) % (most - least + 1)
}
