//! Who may publish and who may listen: the one place where the doors of HTTP ask.
//!
//! Where the hub has users, a request shows who it is by a token, wherever the listener takes credentials, or by a name and
//! a password (RFC 7617), where a user has one; without either it is the listener's user for those who show nothing, if it
//! has one. Without users it is the listener alone that decides who may ask, and whoever may ask may do everything.
//!
//! The bounds of a user hold here as they do for NATS clients. A request is one of its user's connections from its head to
//! its answer, and what lasts longer, a WebSocket, a stream of events or a request that waits to be answered, for as long as
//! it lasts. Between two requests a connection is nobody's, so the next one may be another user's. One too many is answered
//! 429, since it is the user who has too much (RFC 6585, section 4); 503 would tell proxies that the server is not well.
//!
//! What comes by WebSocket is charged as it comes, and what is too much waits with its sender. A request can be refused, and
//! is: on a connection of its own it would have nothing to wait for. Whoever may only answer where he is asked may do so on
//! the connection that heard the question, which is one that gives commands: a request of its own has heard nothing.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::authorization::{self, Denial};
use super::super::settings::{HubSettings, Settings};
use super::super::site::Page;
use crate::access::credential::Login;
use crate::access::token::Denied;
use crate::access::users::{self, Asker, Circumstances, Credentials, Grant, Users, Verdict};
use crate::hub::Hidden;
use crate::limits;
use crate::metrics::Refused;
use crate::protocol::http1::Request;
use crate::protocol::websocket::CloseCode;
use crate::service::Context;
use crate::service::pass::Pass;
use crate::sys::clock::Time;

/// Somebody who asks. The default may do everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Who {
    /// What it may do, if not everything.
    pass: Option<Arc<Pass>>,
    /// Whether it was asked who it is: whoever may do everything because nobody asks is asked, too.
    was_asked: bool,
}

/// What is known of somebody who asks.
pub(in crate::service::http) enum Asked {
    /// Who it is.
    By(Who),
    /// Nobody who may.
    Denied(Denial),
    /// It takes a while to find out.
    Later(Asker),
}

/// Why a message is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service::http) enum Unsaid {
    /// It may not be said there.
    There,
    /// It is longer than so many bytes.
    TooLong(usize),
}

impl Who {
    /// Who makes a request to the hub.
    pub(in crate::service::http) fn asks(
        request: &Request<'_>,
        settings: &Settings,
        context: &mut Context<'_>,
    ) -> Asked {
        let open = context.users.is_some();
        if let Some(denial) = authorization::check(request, settings, open, context) {
            return Asked::Denied(denial);
        }
        let Some(users) = context.users else { return Asked::By(Self::default()) };
        let question = match judge(request, settings, users, context) {
            Ok(Verdict::Granted(grant)) => return Asked::By(Self::granted(grant)),
            Ok(Verdict::Denied(denied)) | Err(denied) => {
                return Asked::Denied(deny(denied, settings, context));
            }
            Ok(Verdict::Later(question)) => question,
        };
        // Without a judge nobody is there who could find out.
        let Some(judge) = &settings.judge else {
            return Asked::Denied(deny(Denied::WrongPassword, settings, context));
        };
        let asker = judge.ask(question, context.peer.ip(), context.now);
        match asker.answer() {
            Some(answer) => Self::answered(answer, settings, context).map_or_else(Asked::Denied, Asked::By),
            None => Asked::Later(asker),
        }
    }

    /// Who it turned out to be.
    pub(in crate::service::http) fn answered(
        answer: Result<Grant, Denied>,
        settings: &Settings,
        context: &Context<'_>,
    ) -> Result<Self, Denial> {
        let who = answer.map(Self::granted).map_err(|denied| deny(denied, settings, context))?;
        // The users may be others by now than those who were asked for.
        if who.is_confirmed(settings, context) {
            Ok(who)
        } else {
            Err(deny(Denied::WrongPassword, settings, context))
        }
    }

    /// Whether it would be let in now with what it has shown then.
    pub(in crate::service::http) fn is_confirmed(&self, settings: &Settings, context: &Context<'_>) -> bool {
        let Some(users) = context.users.filter(|_| self.was_asked) else { return true };
        let at = circumstances(settings, context);
        match &self.pass {
            Some(pass) => pass.is_confirmed(users, &at),
            None => users.judge_silence(&at).is_ok_and(|grant| Self::granted(grant).pass.is_none()),
        }
    }

    fn granted(grant: Grant) -> Self {
        let pass = Pass::new(grant);
        let pass = (pass.is_of_somebody() || pass.is_bounded()).then(|| Arc::new(pass));
        Self { pass, was_asked: true }
    }

    /// Takes a place among the connections of the user, if there is one; or says what is answered.
    pub(in crate::service::http) fn enter(&self, now: Time) -> Result<Option<users::Seat>, Denial> {
        let seat = self.pass.as_ref().map(|pass| pass.enter(now)).transpose();
        seat.map_err(|error| {
            let page = Page::sentence(429, &format!("There is no room for this: {error}."));
            Denial { refused: Refused::UserConnections, page }
        })
    }

    /// From which second since 1970 on it is nobody any more.
    pub(in crate::service::http) fn expires(&self) -> Option<u64> {
        self.pass.as_ref().and_then(|pass| pass.expires())
    }

    /// Whether it may publish so many bytes there. Where it may only answer, that is one of the answers.
    pub(in crate::service::http) fn may_say(
        &self,
        subject: &[u8],
        bytes: usize,
        settings: HubSettings,
        now: Time,
    ) -> Result<(), Unsaid> {
        let most = settings.payload_bytes;
        let most = self.pass.as_ref().map_or(most, |pass| pass.payload_bytes_max(most));
        if most < bytes {
            return Err(Unsaid::TooLong(most));
        }
        let may = self.pass.as_ref().is_none_or(|pass| pass.may_publish(subject, now));
        if may { Ok(()) } else { Err(Unsaid::There) }
    }

    /// Whether it may listen to that; and which messages of it are to be kept from it.
    pub(super) fn may_listen(&self, filter: &[u8]) -> Option<Option<Hidden>> {
        let Some(pass) = &self.pass else { return Some(None) };
        pass.may_subscribe(filter, None).then(|| pass.kept_back(filter, None))
    }

    /// The same, alone or in a queue group, for one that can answer what it hears.
    pub(super) fn may_converse(&self, filter: &[u8], queue: Option<&[u8]>) -> Option<Option<Hidden>> {
        let Some(pass) = &self.pass else { return Some(None) };
        pass.may_subscribe(filter, queue).then(|| pass.hidden(filter, queue))
    }

    /// How many subscriptions one connection of it may have.
    pub(super) fn subscriptions_max(&self, settings: HubSettings) -> usize {
        let most = settings.subscriptions;
        let most = self.pass.as_ref().map_or(most, |pass| pass.subscriptions_max(most));
        limits::SEAT_SUBSCRIPTIONS_MAX.min(most as usize)
    }
}

fn circumstances<'a>(settings: &'a Settings, context: &Context<'a>) -> Circumstances<'a> {
    Circumstances {
        authenticator: context.authenticator,
        no_auth_user: settings.no_auth_user.as_deref(),
        nonce: b"",
        unix_now: context.unix_seconds,
    }
}

/// Judges what a request shows.
fn judge(
    request: &Request<'_>,
    settings: &Settings,
    users: &Users,
    context: &Context<'_>,
) -> Result<Verdict, Denied> {
    let at = circumstances(settings, context);
    // Where nobody has a password, one is for somebody else, such as a proxy on the way.
    let login = if users.has_passwords() { authorization::login(request, settings)? } else { None };
    if let Some(Login { name, password }) = login {
        if name.is_empty() {
            return Err(Denied::WrongPassword); // For NATS clients, what is empty is not there.
        }
        let credentials = Credentials { user: Some(&name), pass: Some(&password), ..Credentials::default() };
        return Ok(users.judge(&credentials, &at));
    }
    let token = match authorization::credential(request, settings) {
        Ok(token) => Some(token),
        Err(Denied::Missing) => None,
        Err(denied) => return Err(denied),
    };
    let credentials = Credentials { auth_token: token.as_deref(), ..Credentials::default() };
    Ok(users.judge(&credentials, &at))
}

fn deny(denied: Denied, settings: &Settings, context: &Context<'_>) -> Denial {
    let denial = authorization::denial(denied, settings);
    if context.users.is_some_and(Users::has_passwords) { denial.or_password(settings) } else { denial }
}

impl Unsaid {
    pub(super) fn refused(self) -> Refused {
        match self {
            Self::There => Refused::Permission,
            Self::TooLong(_) => Refused::TooLarge,
        }
    }

    /// The status of an answer that says so.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::There => 403,
            Self::TooLong(_) => 413,
        }
    }

    /// The code of a close frame that says so.
    pub(super) fn close_code(self) -> CloseCode {
        match self {
            Self::There => CloseCode::POLICY,
            Self::TooLong(_) => CloseCode::TOO_BIG,
        }
    }

    pub(super) fn sentence(self) -> Cow<'static, str> {
        match self {
            Self::There => NO_PUBLISH.into(),
            Self::TooLong(most) => format!("One message has {most} bytes at most.").into(),
        }
    }
}

/// What is said to somebody who may not publish.
const NO_PUBLISH: &str = "You may not publish there.";
/// What is said to somebody who may not listen.
pub(super) const NO_SUBSCRIBE: &str = "You may not listen there.";
/// What is said to somebody for whom there is no room.
pub(super) const HUB_IS_FULL: &str = "There is no room for one more subscription: try again later.";
/// What is said to somebody who wants to listen to more than so many subjects.
pub(super) fn too_many(most: usize) -> String {
    format!("One connection has {most} subscriptions at most.")
}
