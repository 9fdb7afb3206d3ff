//! Whether a client is still there, and how it is sent away.

use super::Nats;
use std::time::Duration;

use super::session::{Session, State};
use crate::limits;
use crate::metrics::{NatsError, Refused};
use crate::protocol::nats::server::{Fault, encode};
use crate::service::{Closed, Context};
use crate::sys::clock::Time;

impl State {
    /// Looks at it again when its credential is over, if that comes before.
    pub(super) fn check_before_end(&mut self, context: &Context<'_>) {
        let Some(end) = self.pass.as_ref().and_then(|pass| pass.expires()) else { return };
        let left = Duration::from_secs(end.saturating_sub(context.unix_seconds).max(1));
        self.check_at = self.check_at.min(context.now.saturating_add(left));
    }

    /// The client has given a sign of life, or could not: it was not read from.
    pub(super) fn hear(&mut self, now: Time) {
        self.heard = now;
        self.pings_out = 0;
    }
}

impl Nats {
    /// A time has come: a silent client is pinged, one that does not answer, or does not say who it is, has to go.
    pub(crate) fn check(&mut self, session: &mut Session, context: &mut Context<'_>) {
        let state = &mut session.state;
        if context.now < state.check_at {
            return;
        }
        if state.at.sent_away {
            return context.finish();
        }
        if state.waiting.is_some() {
            // It is not read from meanwhile, and its time has a bound of its own.
            state.hear(context.now);
            state.check_at = context.now.saturating_add(limits::PASSWORD_TIMEOUT);
            return;
        }
        if !state.rules.introduced {
            return self.end_late(Refused::Slow, state, context);
        }
        if state.pass.as_ref().and_then(|pass| pass.expires()).is_some_and(|end| end <= context.unix_seconds)
        {
            context.refuse(Refused::CredentialExpired);
            return self.complain(Fault::AuthenticationExpired, NatsError::Authorization, state, context);
        }
        if context.is_deaf() {
            // Its answer may lie behind what is not read. Whoever takes nothing meets the stall time-out.
            state.hear(context.now);
        }
        let settings = self.settings(context);
        let interval = settings.ping_interval;
        let is_silent = interval <= context.now.saturating_since(state.heard);
        if !is_silent && state.at.pinged {
            state.check_at = state.heard.saturating_add(interval);
            return state.check_before_end(context);
        }
        if settings.pings_out <= state.pings_out {
            return self.complain(Fault::Stale, NatsError::Stale, state, context);
        }
        state.at.pinged = true;
        state.pings_out += 1;
        state.check_at = context.now.saturating_add(interval);
        state.check_before_end(context);
        self.say(encode::PING, state, context);
    }

    /// The server has begun to stop. A client that can be told so learns it before it has to go, as from nats-server.
    pub(crate) fn warn(&mut self, session: &mut Session, context: &mut Context<'_>) {
        let state = &mut session.state;
        if state.at.warned || !(state.at.settled && state.asks.updates) {
            return;
        }
        state.at.warned = true;
        let settings = self.settings(context);
        self.tell_info(state, &settings, false, context);
    }

    /// It is this client's turn to go. One that can be told so has a while to do it by itself.
    pub(crate) fn send_away(&mut self, session: &mut Session, context: &mut Context<'_>) {
        self.warn(session, context);
        let state = &mut session.state;
        state.at.sent_away = true;
        if !state.at.warned {
            return context.finish();
        }
        let own = context.now.saturating_add(limits::NATS_LAME_DUCK_GRACE);
        state.check_at = context.leave_by.map_or(own, |latest| own.min(latest));
    }

    /// The connection is over.
    pub(crate) fn leave(&self, session: &Session, closed: &mut Closed<'_>) {
        closed.counters.nats_open -= 1;
        if let Some(client) = session.client() {
            closed.hub.leave(client);
        }
    }
}
