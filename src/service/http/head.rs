//! The head of a request: what it leads to, who asks, and whether he may.

use super::authorization::{self, Denial};
use super::session::{Pending, Phase, Reply, Session};
use super::settings::Settings;
use super::site::{Ask, Content, Site};
use super::subjects::{Asked, Origin, Who};
use super::{Http, Step};
use crate::access::users::Asker;
use crate::connection::Inbox;
use crate::protocol::http1::{Body, BodyLength, CONTINUE, Request, parse_request};
use crate::service::Context;

impl<P: Site> Http<P> {
    #[inline]
    pub(super) fn step_head(
        &mut self,
        session: &mut Session<P::Route, P::Seat>,
        inbox: &mut Inbox<'_>,
        context: &mut Context<'_>,
    ) -> Step {
        let settings = self.settings.of(context.listener);
        if inbox.is_empty() {
            if session.head_since.is_none() {
                context.set_timer(context.now.saturating_add(settings.keep_alive_timeout));
            }
            return Step::Wait;
        }
        if context.room() == 0 {
            // What has come waits here for its turn: its time begins anew when there is room.
            session.head_since = None;
            context.clear_timer();
            context.hold_for_room();
            return Step::Wait;
        }
        let parsed = parse_request(inbox.bytes(), &mut session.progress, &settings.head, &mut self.table);
        let request = match parsed {
            Ok(Some(request)) => request,
            Ok(None) => {
                let since = *session.head_since.get_or_insert(context.now);
                context.set_timer(since.saturating_add(settings.header_timeout));
                return Step::Wait;
            }
            Err(refusal) => return self.refuse(refusal, Reply::last(), context),
        };
        session.head_since = None;
        context.counters.http_requests += 1;
        let (begun, asker) = Begun::new(&mut self.site, settings, &request, context);
        if let Some(asker) = asker {
            session.phase = Phase::Asking(Box::new(Asking { begun, asker }));
            return Step::Go;
        }
        self.begin_and_consume(begun, session, inbox, context)
    }

    /// Looks whether it is known by now who asks. What comes behind the request waits with it; but one whose peer ends its
    /// side meanwhile is forgotten, and nobody finds out.
    pub(super) fn step_asking(
        &mut self,
        session: &mut Session<P::Route, P::Seat>,
        inbox: &mut Inbox<'_>,
        context: &mut Context<'_>,
    ) -> Step {
        let Phase::Asking(asking) = &session.phase else { return Step::Go };
        let settings = self.settings.of(context.listener);
        let who = match asking.asker.answer() {
            Some(answer) => Who::answered(answer, settings, context),
            None if asking.asker.is_late(context.now) => Err(authorization::late_denial()),
            None => {
                context.hold_until(asking.asker.next_look(context.now));
                context.watch(inbox.bytes().len());
                return Step::Wait;
            }
        };
        context.clear_timer();
        let phase = std::mem::replace(&mut session.phase, Phase::Head);
        let Phase::Asking(asking) = phase else { return Step::Go };
        let (who, denial) = who.map_or_else(|denial| (None, Some(denial)), |who| (Some(who), None));
        self.begin_and_consume(Begun { who, denial, ..asking.begun }, session, inbox, context)
    }

    /// Does what the head has led to; it is in front of the inbox until then, for those who need its fields.
    fn begin_and_consume(
        &mut self,
        begun: Begun<P::Route>,
        session: &mut Session<P::Route, P::Seat>,
        inbox: &mut Inbox<'_>,
        context: &mut Context<'_>,
    ) -> Step {
        let length = begun.head_bytes;
        let step = self.begin(begun, session, inbox, context);
        inbox.consume(length);
        step
    }

    /// Does what the head has led to, which is still in front of the inbox.
    #[inline]
    fn begin(
        &mut self,
        begun: Begun<P::Route>,
        session: &mut Session<P::Route, P::Seat>,
        inbox: &Inbox<'_>,
        context: &mut Context<'_>,
    ) -> Step {
        let Begun { route, reply, who, origin, length, content_type, expects_continue, denial, head_bytes } =
            begun;
        let denial = match (denial, who) {
            (None, Some(who)) => session.admit(who, head_bytes, context.now).err(),
            (denial, _) => denial,
        };
        let reply = reply.last_if(session.closing || !context.ready);
        if let Some(denial) = denial {
            return self.deny(denial, origin, length, reply, context);
        }
        if length == BodyLength::None || length == BodyLength::Length(0) {
            let ask = Ask { content: Vec::new(), content_type: None, ready: context.ready };
            let answer = self.site.answer(route, ask);
            return self.answer(answer, reply, origin, session, inbox, context);
        }
        let settings = self.settings.of(context.listener);
        let body = match Body::new(length, settings.body_bytes) {
            Ok(body) => body,
            Err(refusal) => return self.refuse(refusal, reply, context),
        };
        if expects_continue {
            context.outbox.write(CONTINUE);
        }
        context.set_timer(context.now.saturating_add(settings.header_timeout));
        let keeps = self.site.content(&route) == Content::Keep;
        session.phase = Phase::Content(Box::new(Pending {
            route,
            reply,
            body,
            content: keeps.then(Vec::new),
            content_type,
            origin,
            since: context.now,
            received: 0,
        }));
        Step::Go
    }
}

/// A request of somebody whose password is being checked.
#[derive(Debug)]
pub(super) struct Asking<R> {
    begun: Begun<R>,
    asker: Asker,
}

/// What a head has led to.
#[derive(Debug)]
struct Begun<R> {
    route: R,
    reply: Reply,
    who: Option<Who>,
    origin: Option<Box<Origin>>,
    length: BodyLength,
    content_type: Option<Vec<u8>>,
    expects_continue: bool,
    denial: Option<Denial>,
    head_bytes: usize,
}

impl<R> Begun<R> {
    #[inline]
    fn new(
        site: &mut impl Site<Route = R>,
        settings: &Settings,
        request: &Request<'_>,
        context: &mut Context<'_>,
    ) -> (Self, Option<Asker>) {
        let route = site.route(request, settings.credentials.query.as_deref());
        let (who, denial, asker) = match site.leads_to_hub(&route) {
            false => (None, authorization::check(request, settings, site.is_open(&route), context), None),
            true => match Who::asks(request, settings, context) {
                Asked::By(who) => (Some(who), None, None),
                Asked::Denied(denial) => (None, Some(denial), None),
                Asked::Later(asker) => (None, None, Some(asker)),
            },
        };
        let policy = &settings.websocket.policy;
        let (origin, stranger) = if site.is_shared(&route) {
            Origin::judge(request, policy, site.acts(&route))
        } else if site.is_for_operators(&route) {
            (None, Origin::judge_name(request, policy))
        } else {
            (None, None)
        };
        let keeps = request.body != BodyLength::None && site.content(&route) == Content::Keep;
        let content_type = if keeps { request.headers.get("content-type").map(<[u8]>::to_vec) } else { None };
        let denial = denial.or(stranger);
        let asker = asker.filter(|_| denial.is_none());
        let begun = Self {
            route,
            reply: Reply::to(request),
            who,
            origin,
            length: request.body,
            content_type,
            expects_continue: request.expects_continue,
            denial,
            head_bytes: request.head_bytes,
        };
        (begun, asker)
    }
}
