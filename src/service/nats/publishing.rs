//! PUB and HPUB: the way of a message into the hub.

use super::Nats;
use super::session::State;
use super::settings::Settings;
use crate::hub::{ClientId, Message, Published};
use crate::metrics::NatsError;
use crate::protocol::nats::server::{Fault, Publish, Rules, read_next};
use crate::protocol::nats::subject;
use crate::service::Context;

impl Nats {
    /// Publishes a message, and those that follow it in `rest` and differ from it in nothing but the payload.
    #[inline]
    pub(super) fn publish(
        &mut self,
        publish: &Publish<'_>,
        rest: &mut &[u8],
        state: &mut State,
        settings: &Settings,
        context: &mut Context<'_>,
    ) {
        context.counters.nats_messages_received += 1;
        context.counters.nats_payload_bytes_received += publish.message.len() as u64;
        if state.asks.pedantic && !subject::is_literal(publish.subject) {
            self.complain(Fault::InvalidPublishSubject, NatsError::Subject, state, context);
        }
        let may_always = state.pass.as_ref().is_none_or(|pass| pass.may_always_publish(publish.subject));
        if !may_always
            && !state.pass.as_ref().is_some_and(|pass| pass.may_answer(publish.subject, context.now))
        {
            let fault = Fault::Publish { subject: publish.subject };
            return self.complain(fault, NatsError::PublishPermission, state, context);
        }
        self.confirm(state, context);
        let client = state.join(settings, context);
        let message = Message {
            subject: publish.subject,
            reply: publish.reply.unwrap_or_default(),
            headers: publish.headers(),
            payload: publish.payload(),
            ..Message::default()
        };
        // What has an empty token is for nobody.
        let published = if subject::has_empty_token(publish.subject) {
            Published::default()
        } else if may_always && publish.is_plain() && !state.asks.verbose && !state.asks.pedantic {
            publish_streak(client, &message, rest, &state.rules, context)
        } else {
            context.counters.published_nats += 1;
            context.hub.publish(Some(client), &message)
        };
        if let Some(reply) = publish.reply
            && state.asks.no_responders
            && !published.is_heard()
            && !subject::has_empty_token(reply)
        {
            self.tell_no_responders(reply, publish.subject, state, context);
        }
    }

    /// Tells who has asked that nobody is there to answer, if it listens for answers.
    fn tell_no_responders(&mut self, reply: &[u8], subject: &[u8], state: &State, context: &mut Context<'_>) {
        let Some(client) = state.client else { return };
        self.scratch.clear();
        for part in [b"NATS/1.0 503\r\nNats-Subject: ", subject, b"\r\n\r\n"] {
            self.scratch.extend_from_slice(part);
        }
        context.hub.tell(client, &Message { subject: reply, headers: &self.scratch, ..Message::default() });
    }
}

/// Publishes a plain message and those that follow it with other payloads, none of which is answered.
fn publish_streak<'a>(
    client: ClientId,
    first: &Message<'_>,
    rest: &mut &'a [u8],
    rules: &Rules,
    context: &mut Context<'_>,
) -> Published {
    let (mut messages, mut bytes) = (0, 0);
    let next = || {
        let (length, payload): (usize, &'a [u8]) = read_next(rest, first.subject, rules)?;
        *rest = &rest[length..];
        messages += 1;
        bytes += payload.len() as u64;
        Some(payload)
    };
    let published = context.hub.publish_streak(Some(client), first, next);
    context.counters.published_nats += 1 + messages;
    context.counters.nats_messages_received += messages;
    context.counters.nats_payload_bytes_received += bytes;
    published
}
