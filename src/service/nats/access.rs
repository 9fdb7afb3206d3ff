//! Who a client is, and what it may do: the one place where a NATS session asks.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::session::State;
use super::settings::Settings;
use crate::access::token::Denied;
use crate::access::users::{
    Asker, Circumstances, Credentials, Grant, Judge, TooManyConnections, Users, Verdict,
};
use crate::limits;
use crate::protocol::nats::server::Connect;
use crate::service::Context;
use crate::service::pass::Pass;

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

impl Gate {
    /// What takes long is asked of this judge.
    pub(super) fn new(judge: Option<Arc<Judge>>) -> Self {
        let nobody = Users::load(&Default::default(), &Arc::default()).ok();
        Self { nobody, judge }
    }

    /// From now on this judge is asked; passwords that another one checks are checked all the same.
    pub(super) fn change_judge(&mut self, judge: Option<Arc<Judge>>) {
        self.judge = judge;
    }

    /// Whether what a client was let in with would be granted now.
    pub(super) fn confirms(&self, pass: Option<&Pass>, settings: &Settings, context: &Context<'_>) -> bool {
        let Some(users) = context.users.or(self.nobody.as_ref()) else { return true };
        let at = circumstances(settings, context, b"");
        match pass {
            Some(pass) => pass.is_confirmed(users, &at),
            // It was not asked, and may do everything.
            None => users.judge_silence(&at).is_ok_and(|grant| !Pass::new(grant).is_of_somebody()),
        }
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

impl State {
    /// Lets the client in with what it was granted.
    pub(super) fn admit(
        &mut self,
        grant: Grant,
        settings: &Settings,
        context: &mut Context<'_>,
    ) -> Result<(), TooManyConnections> {
        // Whoever it was before, it is not any more.
        context.stand();
        let pass = Pass::new(grant);
        let seat = pass.enter(context.now)?;
        context.sit(seat);
        self.rules.payload_bytes_max = pass.payload_bytes_max(settings.payload_bytes as usize);
        self.subscriptions_max = pass.subscriptions_max(settings.subscriptions);
        self.pass = pass.is_of_somebody().then(|| Box::new(pass));
        Ok(())
    }
}
