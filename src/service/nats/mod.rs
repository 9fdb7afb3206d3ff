//! NATS: from what a client says to the hub and back, with the words and the ways of nats-server.
//!
//! The protocol is [`protocol::nats::server`](crate::protocol::nats::server), and what is published goes through the
//! [hub](crate::hub), which writes to subscribers itself. Here is what lies between: who a client is, what it may do, whether
//! it is still there, and the order of answers. A session does not know how its bytes come: over TCP as they are, or in
//! WebSocket messages, where they are cut anywhere; then its answers go in binary frames.

mod access;
mod introduction;
mod liveness;
mod publishing;
mod session;
mod settings;
mod subscribing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::access::{Entry, Gate};
use self::session::State;
pub use self::session::{Facts, Session};
pub use self::settings::{Identity, Settings};
use super::{Closed, Context, Service};
use crate::access::token::Denied;
use crate::access::users::Grant;
use crate::connection::{About, Inbox};
use crate::hub::ClientId;
use crate::limits;
use crate::metrics::{NatsError, Refused};
use crate::protocol::nats::server::{Connect, Fault, Op, Violation, encode};
use crate::protocol::nats::subject;
use crate::protocol::websocket::{Kind, sender};

/// NATS for listeners with these settings.
#[derive(Debug)]
pub struct Nats {
    settings: Vec<Arc<Settings>>,
    gate: Gate,
    /// Where answers and headers are put together.
    scratch: Vec<u8>,
}

impl Nats {
    /// NATS on listeners with these settings, in the order of their [numbers](Context::listener).
    pub fn new(settings: Vec<Arc<Settings>>) -> Self {
        let judge = settings.iter().find_map(|settings| settings.judge.clone());
        Self { settings, gate: Gate::new(judge), scratch: Vec::new() }
    }

    /// From now on these are the settings.
    pub(crate) fn change(&mut self, settings: &[Arc<Settings>]) {
        let judge = settings.iter().find_map(|settings| settings.judge.clone());
        self.settings = settings.to_vec();
        self.gate.change_judge(judge);
    }

    /// Greets a client. In `framed` sessions each answer is a binary WebSocket message.
    /// A `grant` is what it has shown already, before it says CONNECT.
    pub(crate) fn greet(&mut self, framed: bool, grant: Option<Grant>, context: &mut Context<'_>) -> Session {
        let settings = self.settings(context);
        let vouched = grant.is_some();
        let asked = !vouched && self.gate.asks(&settings, context);
        let mut session = Session::new(&settings, asked, framed, context.now);
        session.state.nonce = self.gate.nonce(context);
        context.counters.nats_open += 1;
        session.state.at.vouched = vouched;
        let silent = match grant {
            Some(grant) => Some(Entry::Granted(grant)),
            None => (!asked).then(|| self.gate.judge(Connect::default(), &session.state, &settings, context)),
        };
        self.tell_info(&mut session.state, &settings, false, context);
        // Who is not asked need not say CONNECT, and may do what those may who say nothing in it.
        if let Some(Entry::Granted(grant)) = silent {
            if session.state.admit(grant, &settings, context).is_err() {
                context.refuse(Refused::UserConnections);
                self.complain(Fault::Connections, NatsError::Authorization, &session.state, context);
            }
        } else {
            session.state.rules.introduced = false;
        }
        session
    }

    /// The longest payload of a message at this listener, in bytes.
    pub(crate) fn payload_bytes_max(&self, context: &Context<'_>) -> usize {
        self.settings(context).payload_bytes as usize
    }

    /// Judges a token that a client has shown before its first byte. Where nobody is asked, none is looked at.
    pub(crate) fn judge_token(&self, token: &str, context: &Context<'_>) -> Result<Option<Grant>, Denied> {
        self.gate.judge_token(token, &self.settings(context), context)
    }

    /// Reads what came. Returns how many bytes were used: fewer than there are when the rest has to wait.
    pub(crate) fn hear(&mut self, session: &mut Session, bytes: &[u8], context: &mut Context<'_>) -> usize {
        let settings = self.settings(context);
        if !self.is_ready(&mut session.state, &settings, context) {
            return 0;
        }
        if context.hub.is_congested() {
            context.counters.nats_pauses += 1;
            context.hold_until(context.now.saturating_add(limits::NATS_CONGESTED_PAUSE));
            return 0;
        }
        let mut rest = bytes;
        let before = context.counters.nats_messages_received;
        while !context.is_ending() {
            if context.room() == 0 {
                context.hold_for_room();
                break;
            }
            if context.hub.is_sated() {
                context.hold_for_turn();
                break;
            }
            let Session { reader, state } = session;
            match reader.next(&mut rest, &state.rules) {
                Ok(Some(op)) => self.handle(op, &mut rest, state, &settings, context),
                Ok(None) => break,
                Err(violation) => {
                    // The line of a message is judged before its payload is awaited.
                    let is_wrong = |subject: &[u8]| state.asks.pedantic && !subject::is_literal(subject);
                    if reader.announced(rest).is_some_and(is_wrong) {
                        self.complain(Fault::InvalidPublishSubject, NatsError::Subject, state, context);
                    }
                    self.end_for(violation, state, context);
                }
            }
            if session.state.at.owes_pong || session.state.waiting.is_some() {
                break;
            }
        }
        if context.is_ending() {
            return bytes.len();
        }
        self.charge(context.counters.nats_messages_received - before, context);
        bytes.len() - rest.len()
    }

    fn read(&mut self, session: &mut Session, inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
        let used = self.hear(session, inbox.bytes(), context);
        inbox.consume(used);
        session.watch(inbox.bytes().len(), context);
    }

    /// Whether what it said before is done, as far as what follows has to wait for it.
    fn is_ready(&mut self, state: &mut State, settings: &Settings, context: &mut Context<'_>) -> bool {
        let knows = state.waiting.is_none() || self.go_on(state, settings, context);
        knows && (!state.at.owes_pong || self.pay_pong(state, settings, context))
    }

    /// Does what it says. Of the messages in `rest` those that are like this one are taken with it.
    #[inline]
    fn handle(
        &mut self,
        op: Op<'_>,
        rest: &mut &[u8],
        state: &mut State,
        settings: &Settings,
        context: &mut Context<'_>,
    ) {
        match op {
            Op::Publish(publish) => self.publish(&publish, rest, state, settings, context),
            Op::Subscribe { subject, queue, sid } => {
                self.subscribe(subject, queue, sid, state, settings, context);
            }
            Op::Unsubscribe { sid, max } => self.unsubscribe(sid, max, state, context),
            Op::Ping => {
                state.at.owes_pong = true;
                self.pay_pong(state, settings, context);
            }
            Op::Pong => state.pings_out = 0,
            Op::Ok => {}
            Op::Connect(json) => self.connect(json, state, settings, context),
            Op::Info(json) => {
                // It has nothing to say; but what is not even JSON ends the connection, as in nats-server.
                if !matches!(
                    serde_json::from_slice(json),
                    Ok(serde_json::Value::Object(_) | serde_json::Value::Null)
                ) {
                    self.end_for(Violation::Arguments, state, context);
                }
            }
        }
    }

    /// Slows a client that sends more messages than it may.
    fn charge(&self, messages: u64, context: &mut Context<'_>) {
        if messages == 0 {
            return;
        }
        let debt = context.charge_messages(messages);
        if !debt.is_zero() {
            context.counters.throttled += 1;
            context.hold_until(context.now.saturating_add(debt));
        }
    }

    fn settings(&self, context: &Context<'_>) -> Arc<Settings> {
        self.settings.get(usize::from(context.listener)).cloned().unwrap_or_default()
    }

    // --- Answers ------------------------------------------------------------------------------------------------

    /// Says something, behind what the client was sent of this turn already.
    fn say(&self, bytes: &[u8], state: &State, context: &mut Context<'_>) {
        if let Some(client) = state.client {
            context.hub.catch_up(client, context.outbox);
        }
        if state.framed {
            context.outbox.write(&sender::message_header(Kind::Binary, bytes.len(), None));
        }
        context.outbox.write(bytes);
    }

    /// Says that something was done, to those who want to know.
    fn confirm(&self, state: &State, context: &mut Context<'_>) {
        if state.asks.verbose {
            self.say(encode::OK, state, context);
        }
    }

    /// Says what went wrong, and ends the connection if that is what it leads to.
    fn complain(&mut self, fault: Fault<'_>, error: NatsError, state: &State, context: &mut Context<'_>) {
        *error.count(context.counters) += 1;
        match error {
            NatsError::PublishPermission | NatsError::SubscribePermission => {
                context.refuse(Refused::Permission);
            }
            NatsError::Subscriptions => context.refuse(Refused::Subscriptions),
            // Said already where it is one, with more precision; or no refusal but a mistake.
            NatsError::Authorization
            | NatsError::Connect
            | NatsError::Operation
            | NatsError::ControlLine
            | NatsError::Payload
            | NatsError::Arguments
            | NatsError::Reported
            | NatsError::Stale
            | NatsError::Subject => {}
        }
        self.scratch.clear();
        fault.write(&mut self.scratch);
        self.say(&self.scratch, state, context);
        if fault.closes() {
            context.finish();
        }
    }

    /// Ends the connection of a client that broke the protocol.
    fn end_for(&mut self, violation: Violation, state: &State, context: &mut Context<'_>) {
        if matches!(violation, Violation::Unintroduced) {
            context.refuse(Refused::CredentialMissing);
        }
        let error = match violation {
            Violation::UnknownOperation => NatsError::Operation,
            Violation::ControlLine => NatsError::ControlLine,
            Violation::Payload => NatsError::Payload,
            Violation::Arguments | Violation::Headers => NatsError::Arguments,
            Violation::Unintroduced => NatsError::Authorization,
            Violation::Reported => NatsError::Reported,
        };
        match violation.fault() {
            Some(fault) => self.complain(fault, error, state, context),
            None => *error.count(context.counters) += 1,
        }
        context.finish();
    }
}

impl Service for Nats {
    type Session = Session;

    fn open(&mut self, context: &mut Context<'_>) -> Session {
        let session = self.greet(false, None, context);
        context.set_timer(session.state.check_at);
        session
    }

    #[inline]
    fn receive(&mut self, session: &mut Session, inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
        session.hear(context.now);
        self.read(session, inbox, context);
    }

    fn timer(&mut self, session: &mut Session, inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
        self.check(session, context);
        if context.is_ending() {
            return;
        }
        context.set_timer(session.state.check_at);
        self.read(session, inbox, context);
    }

    fn review(&mut self, session: &mut Session, context: &mut Context<'_>) {
        self.judge_again(session, context);
    }

    fn forewarn(&mut self, session: &mut Session, context: &mut Context<'_>) {
        self.warn(session, context);
    }

    fn drain(&mut self, session: &mut Session, context: &mut Context<'_>) {
        self.send_away(session, context);
        if !context.is_ending() {
            // A pause that ends before stays.
            context.advance_timer(session.state.check_at);
        }
    }

    fn close(&mut self, session: Session, closed: &mut Closed<'_>) {
        self.leave(&session, closed);
    }

    fn memory(&self, session: &Session) -> usize {
        session.memory_bytes()
    }

    fn client(&self, session: &Session) -> Option<ClientId> {
        session.client()
    }

    fn about(&self, session: &Session) -> Option<About> {
        session.facts().map(|facts| About {
            name: facts.name().to_owned(),
            lang: facts.lang().to_owned(),
            version: facts.version().to_owned(),
            user: String::new(),
        })
    }

    fn protocol(&self, _: &Session) -> &'static str {
        "nats"
    }
}
