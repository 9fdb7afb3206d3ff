//! Who may publish and who may listen: the one place where the doors of HTTP ask.
//!
//! Where the hub has users, a request shows who it is by a token, wherever the listener takes credentials; without one it
//! is the listener's user for those who show nothing, if it has one. A password is only for NATS clients. Without users it
//! is the listener alone that decides who may ask, and whoever may ask may do everything.

use std::sync::Arc;

use super::super::authorization::{self, Denial};
use super::super::settings::Settings;
use crate::access::token::Denied;
use crate::access::users::{Circumstances, Credentials, Grant, Verdict};
use crate::hub::{Hidden, Message};
use crate::protocol::http1::Request;
use crate::service::Context;

/// Somebody who asks. The default may do everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Who(Option<Arc<Grant>>);

impl Who {
    /// Who makes a request to the hub; or why it is not served.
    pub(in crate::service::http) fn asks(
        request: &Request<'_>,
        settings: &Settings,
        context: &mut Context<'_>,
    ) -> Result<Self, Denial> {
        let Some(users) = context.users else {
            return authorization::check(request, settings, false, context).map_or(Ok(Self(None)), Err);
        };
        if let Some(denial) = authorization::check(request, settings, true, context) {
            return Err(denial);
        }
        let at = Circumstances {
            authenticator: context.authenticator,
            no_auth_user: settings.no_auth_user.as_deref(),
            nonce: b"",
            unix_now: context.unix_seconds,
        };
        let token = match authorization::credential(request, settings) {
            Ok(token) => Some(token),
            Err(Denied::Missing) => None,
            Err(denied) => return Err(authorization::denial(denied, settings)),
        };
        let credentials = Credentials { auth_token: token.as_deref(), ..Credentials::default() };
        match users.judge(&credentials, &at) {
            Verdict::Granted(grant) => Ok(Self(Some(Arc::new(grant)))),
            Verdict::Denied(denied) => Err(authorization::denial(denied, settings)),
            // Only a password takes that long, and none was shown.
            Verdict::Later(_) => Err(authorization::denial(Denied::Missing, settings)),
        }
    }

    /// From which second since 1970 on it is nobody any more.
    pub(in crate::service::http) fn expires(&self) -> Option<u64> {
        self.0.as_ref().and_then(|grant| grant.expires)
    }
}

/// Whether somebody may publish there.
pub(super) fn may_publish(who: &Who, subject: &[u8]) -> bool {
    who.0.as_ref().is_none_or(|grant| grant.may_publish(subject))
}

/// Whether somebody may listen to it, alone or in a queue group; and which messages of it are to be kept from him.
pub(super) fn may_subscribe(who: &Who, filter: &[u8], queue: Option<&[u8]>) -> Option<Option<Hidden>> {
    let Some(grant) = &who.0 else { return Some(None) };
    if !grant.may_subscribe(filter, queue) {
        return None;
    }
    let hidden = grant.permissions.as_ref().and_then(|permissions| permissions.hidden(filter, queue));
    Some(
        hidden.map(|filters| {
            Arc::new(move |message: &Message<'_>, _| filters.matches(message.subject)) as Hidden
        }),
    )
}

/// What is said to somebody who may not publish.
pub(super) const NO_PUBLISH: &str = "You may not publish there.";
/// What is said to somebody who may not listen.
pub(super) const NO_SUBSCRIBE: &str = "You may not listen there.";
