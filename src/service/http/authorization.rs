//! Who may ask, and how often: before anything is done for a request.

use std::borrow::Cow;

use super::settings::Settings;
use super::site::Page;
use crate::access::bucket::Wait;
use crate::access::challenge::{challenge, password_challenge};
use crate::access::credential::{Login, find_credential, find_login};
use crate::access::token::{Authenticator, Denied, Identity};
use crate::limits;
use crate::metrics::Refused;
use crate::protocol::http1::Request;
use crate::service::Context;

/// Why a request is not served, and what it is told.
#[derive(Debug)]
pub(super) struct Denial {
    pub(super) refused: Refused,
    pub(super) page: Page,
}

/// Asks whether this request may be served. `open` routes need no credential.
#[inline]
pub(super) fn check(
    request: &Request<'_>,
    settings: &Settings,
    open: bool,
    context: &mut Context<'_>,
) -> Option<Denial> {
    if let Err(wait) = context.take_request() {
        let page = wait_a_moment(wait, "You ask too often: wait a moment.");
        return Some(Denial { refused: Refused::RequestRate, page });
    }
    let authenticator = context.authenticator.filter(|_| !open)?;
    let denied = identify(request, settings, authenticator, context.unix_seconds).err()?;
    Some(denial(denied, settings))
}

/// What a request is told that came too soon (RFC 6585, section 4).
pub(super) fn wait_a_moment(wait: Wait, sentence: &str) -> Page {
    let seconds = wait.0.as_secs() + 1;
    let field = Some(("Retry-After", Cow::Owned(seconds.to_string())));
    Page { field, ..Page::sentence(429, sentence) }
}

/// What a request is told whose credential is not good.
pub(super) fn denial(denied: Denied, settings: &Settings) -> Denial {
    let refused = match denied {
        Denied::Missing => Refused::CredentialMissing,
        Denied::Expired | Denied::NotYet => Refused::CredentialExpired,
        _ => Refused::CredentialBad,
    };
    let field = Some(("WWW-Authenticate", Cow::Owned(challenge(&settings.realm, denied))));
    let page = Page { field, ..Page::sentence(401, "This needs a credential that is good here.") };
    Denial { refused, page }
}

impl Denial {
    /// The same where a password would be taken.
    pub(super) fn or_password(self, settings: &Settings) -> Self {
        // RFC 9110, section 11.6.1, lets both stand in one field, but not every browser finds the second there.
        let challenge = ("WWW-Authenticate", password_challenge(&settings.realm));
        Self { page: Page { second_field: Some(Box::new(challenge)), ..self.page }, ..self }
    }
}

/// What a request is told whose password was not checked in time.
pub(super) fn late_denial() -> Denial {
    let seconds = limits::PASSWORD_TIMEOUT.as_secs();
    let field = Some(("Retry-After", Cow::Owned(seconds.to_string())));
    let page = Page { field, ..Page::sentence(503, "So many passwords are checked that yours had no time.") };
    Denial { refused: Refused::PasswordTimeout, page }
}

/// From which second since 1970 on the credential of a request that was let in is not good any more.
pub(super) fn end_of(request: &Request<'_>, settings: &Settings, context: &Context<'_>) -> Option<u64> {
    let authenticator = context.authenticator?;
    identify(request, settings, authenticator, context.unix_seconds).ok()?.expires
}

fn identify(
    request: &Request<'_>,
    settings: &Settings,
    authenticator: &Authenticator,
    unix_seconds: u64,
) -> Result<Identity, Denied> {
    authenticator.verify(&credential(request, settings)?, unix_seconds)
}

/// The name and the password that a request shows, if it does. Then it shows nothing else: two credentials contradict each
/// other.
pub(super) fn login(request: &Request<'_>, settings: &Settings) -> Result<Option<Login>, Denied> {
    let login = authorization(request)?.map(find_login).transpose()?.flatten();
    match login {
        Some(_) if credential(request, settings) != Err(Denied::Missing) => Err(Denied::Malformed),
        login => Ok(login),
    }
}

/// What a request shows of who asks, wherever it may, other than a password.
pub(super) fn credential<'a>(request: &'a Request<'_>, settings: &Settings) -> Result<Cow<'a, str>, Denied> {
    let (headers, authorization) = (&request.headers, authorization(request)?);
    let cookies = headers.get_all("cookie").filter_map(|value| std::str::from_utf8(value).ok());
    let query = request.target.query.and_then(|query| std::str::from_utf8(query).ok());
    let offers = headers.list("sec-websocket-protocol").filter_map(|value| std::str::from_utf8(value).ok());
    let credential = find_credential(&settings.credentials, authorization, cookies, query, offers);
    credential?.ok_or(Denied::Missing)
}

/// The header of that name, if there is one. Two of them contradict each other, whatever they say.
fn authorization<'a>(request: &'a Request<'_>) -> Result<Option<&'a str>, Denied> {
    let mut all = request.headers.get_all("authorization");
    let first = all.next().map(std::str::from_utf8).transpose().map_err(|_| Denied::Malformed)?;
    if all.next().is_some() { Err(Denied::Malformed) } else { Ok(first) }
}
