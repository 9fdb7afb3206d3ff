//! PUB and HPUB: the way of a message into the hub.

use super::Nats;
use super::session::State;
use super::settings::Settings;
use crate::hub::{Message, Published};
use crate::metrics::NatsError;
use crate::protocol::nats::server::{Fault, Publish};
use crate::protocol::nats::subject;
use crate::service::Context;

impl Nats {
    #[inline]
    pub(super) fn publish(
        &mut self,
        publish: &Publish<'_>,
        state: &mut State,
        settings: &Settings,
        context: &mut Context<'_>,
    ) {
        context.counters.nats_messages_received += 1;
        context.counters.nats_payload_bytes_received += publish.message.len() as u64;
        if state.asks.pedantic && !subject::is_literal(publish.subject) {
            self.complain(Fault::InvalidPublishSubject, NatsError::Subject, state, context);
        }
        if let Some(pass) = &state.pass
            && !pass.may_publish(publish.subject, context.now)
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
        } else {
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
