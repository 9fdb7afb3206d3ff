//! Who a client is, and what it may do: the one place where a NATS session asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::session::State;
use super::settings::Settings;
use crate::access::token::Denied;
use crate::access::users::{
    Asker, Circumstances, Credentials, Grant, Judge, Replies, TooManyConnections, UserLimits, Users, Verdict,
};
use crate::hub::Hidden;
use crate::limits;
use crate::protocol::nats::server::Connect;
use crate::service::Context;
use crate::sys::clock::Time;

/// What a shard knows of those who come.
#[derive(Debug)]
pub(super) struct Gate {
    /// For listeners without users.
    nobody: Option<Users>,
    judge: Option<Arc<Judge>>,
}

/// A client that waits for its password to be checked.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) asker: Asker,
    pub(super) connect: Connect,
}

/// What is known at once.
pub(super) enum Entry {
    /// Let in.
    Granted(Grant),
    /// Not let in.
    Denied(Denied),
    /// It takes a while to find out.
    Later(Box<Waiting>),
}

/// What a client may do, where not everybody may do everything.
#[derive(Debug)]
pub(super) struct Pass {
    grant: Grant,
    /// Where it may answer, if it may answer where it is asked: subscriptions note it, each on this shard.
    replies: Option<Arc<Mutex<Replies>>>,
}

impl Gate {
    /// What takes long is asked of this judge.
    pub(super) fn new(judge: Option<Arc<Judge>>) -> Self {
        let nobody = Users::load(&Default::default(), &Arc::default()).ok();
        Self { nobody, judge }
    }

    /// Whether a client has to say who it is.
    pub(super) fn asks(&self, settings: &Settings, context: &Context<'_>) -> bool {
        let users = context.users.or(self.nobody.as_ref());
        users.is_some_and(|users| users.asks(&circumstances(settings, context, b"")))
    }

    /// Judges a token that a client has shown before its first byte.
    pub(super) fn judge_token(
        &self,
        token: &str,
        settings: &Settings,
        context: &Context<'_>,
    ) -> Result<Option<Grant>, Denied> {
        if !self.asks(settings, context) {
            return Ok(None);
        }
        let Some(users) = context.users.or(self.nobody.as_ref()) else { return Err(Denied::Missing) };
        users.judge_token(token, context.authenticator, context.unix_seconds).map(Some)
    }

    /// What a client with a key is to sign, where there are such.
    pub(super) fn nonce(&self, context: &Context<'_>) -> Option<Box<str>> {
        context.users.filter(|users| users.has_keys())?;
        let mut bytes = [0; limits::NATS_NONCE_BYTES];
        rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut bytes).ok()?;
        Some(URL_SAFE_NO_PAD.encode(bytes).into())
    }

    /// Who the client is that says this.
    pub(super) fn judge(
        &self,
        connect: Connect,
        state: &State,
        settings: &Settings,
        context: &Context<'_>,
    ) -> Entry {
        let credentials = Credentials {
            user: connect.user.as_deref(),
            pass: connect.pass.as_deref(),
            auth_token: connect.auth_token.as_deref(),
            jwt: connect.jwt.as_deref(),
            nkey: connect.nkey.as_deref(),
            sig: connect.sig.as_deref(),
        };
        let nonce = state.nonce.as_deref().unwrap_or_default().as_bytes();
        let Some(users) = context.users.or(self.nobody.as_ref()) else {
            return Entry::Denied(Denied::Missing);
        };
        let question = match users.judge(&credentials, &circumstances(settings, context, nonce)) {
            Verdict::Granted(grant) => return Entry::Granted(grant),
            Verdict::Denied(denied) => return Entry::Denied(denied),
            Verdict::Later(question) => question,
        };
        // Without a judge nobody is there who could check it.
        let Some(judge) = &self.judge else { return Entry::Denied(Denied::WrongPassword) };
        let asker = judge.ask(question, context.peer.ip(), context.now);
        match asker.answer() {
            Some(Ok(grant)) => Entry::Granted(grant),
            Some(Err(denied)) => Entry::Denied(denied),
            None => Entry::Later(Box::new(Waiting { asker, connect })),
        }
    }
}

fn circumstances<'a>(settings: &'a Settings, context: &Context<'a>, nonce: &'a [u8]) -> Circumstances<'a> {
    Circumstances {
        authenticator: context.authenticator,
        no_auth_user: settings.no_auth_user.as_deref(),
        nonce,
        unix_now: context.unix_seconds,
    }
}

/// Nobody else has it: the client and what it listens to are on one shard.
fn open(replies: &Mutex<Replies>) -> MutexGuard<'_, Replies> {
    replies.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Lets the client in with what it was granted.
    pub(super) fn admit(
        &mut self,
        grant: Grant,
        context: &mut Context<'_>,
    ) -> Result<(), TooManyConnections> {
        let seat = grant.enter(context.now)?;
        context.sit(seat);
        let UserLimits { payload_bytes, subscriptions, .. } = grant.limits;
        if let Some(most) = payload_bytes {
            self.rules.payload_bytes_max = self.rules.payload_bytes_max.min(most as usize);
        }
        self.subscriptions_max =
            subscriptions.map_or(self.subscriptions_max, |most| self.subscriptions_max.min(most));
        let is_somebody = !grant.name.is_empty() || grant.permissions.is_some() || grant.expires.is_some();
        let answers = grant.permissions.as_ref().is_some_and(|permissions| permissions.responses().is_some());
        let replies = answers.then(Arc::default);
        self.pass = is_somebody.then(|| Box::new(Pass { grant, replies }));
        Ok(())
    }
}

impl Pass {
    /// Whether it may publish there: always, or because it was asked to answer there.
    pub(super) fn may_publish(&self, subject: &[u8], now: Time) -> bool {
        if self.grant.may_publish(subject) {
            return true;
        }
        let rule = self.grant.permissions.as_ref().and_then(|permissions| permissions.responses());
        let (Some(rule), Some(replies)) = (rule, &self.replies) else { return false };
        open(replies).take(rule, subject, now)
    }

    /// Whether it may subscribe to that.
    pub(super) fn may_subscribe(&self, filter: &[u8], queue: Option<&[u8]>) -> bool {
        self.grant.may_subscribe(filter, queue)
    }

    /// What it must not hear of it.
    pub(super) fn hidden(&self, filter: &[u8], queue: Option<&[u8]>) -> Option<Hidden> {
        let permissions = self.grant.permissions.as_ref()?;
        let filters = permissions.hidden(filter, queue);
        let notes = permissions.responses().copied().zip(self.replies.clone());
        if filters.is_none() && notes.is_none() {
            return None;
        }
        Some(Arc::new(move |message, now| {
            let is_hidden = filters.as_ref().is_some_and(|filters| filters.matches(message.subject));
            if let Some((rule, replies)) = &notes
                && !is_hidden
                && !message.reply.is_empty()
            {
                open(replies).note(rule, message.reply, now);
            }
            is_hidden
        }))
    }

    /// From which second since 1970 on it is not good any more.
    pub(super) fn expires(&self) -> Option<u64> {
        self.grant.expires
    }

    /// Who it is.
    pub(super) fn name(&self) -> &str {
        &self.grant.name
    }
}
