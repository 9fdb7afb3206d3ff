//! SUB and UNSUB.

use super::Nats;
use super::session::State;
use super::settings::Settings;
use crate::hub::{NotSubscribed, Subscribe};
use crate::metrics::NatsError;
use crate::protocol::nats::server::Fault;
use crate::protocol::nats::subject;
use crate::service::Context;

impl Nats {
    pub(super) fn subscribe(
        &mut self,
        filter: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
        state: &mut State,
        settings: &Settings,
        context: &mut Context<'_>,
    ) {
        // In the order of nats-server: permission, number, name, validity.
        if state.pass.as_ref().is_some_and(|pass| !pass.may_subscribe(filter, queue)) {
            let fault = Fault::Subscribe { subject: filter, queue };
            return self.complain(fault, NatsError::SubscribePermission, state, context);
        }
        let client = state.join(settings, context);
        let has = context.hub.client_counts(client).map_or(0, |counts| counts.subscriptions);
        if state.subscriptions_max as usize <= has {
            return self.complain(Fault::Subscriptions, NatsError::Subscriptions, state, context);
        }
        if !subject::is_valid_filter(filter) {
            let known = context.hub.has_subscribed(client, sid);
            if !known {
                return self.complain(Fault::InvalidSubject, NatsError::Subject, state, context);
            }
        } else {
            let hidden = state.pass.as_ref().and_then(|pass| pass.hidden(filter, queue));
            // A second one of the same name is ignored, and the first one stays.
            match context.hub.subscribe(client, &Subscribe { filter, queue, sid, hidden }) {
                Err(NotSubscribed::Full) => {
                    return self.complain(Fault::Subscriptions, NatsError::Subscriptions, state, context);
                }
                Ok(()) | Err(NotSubscribed::Duplicate | NotSubscribed::NoClient) => {}
            }
        }
        self.confirm(state, context);
    }

    pub(super) fn unsubscribe(
        &mut self,
        sid: &[u8],
        max: Option<u64>,
        state: &mut State,
        context: &mut Context<'_>,
    ) {
        if let Some(client) = state.client {
            context.hub.unsubscribe(client, sid, max);
        }
        self.confirm(state, context);
    }
}
