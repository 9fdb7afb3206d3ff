//! What only listeners of the hub have.

use super::super::error::ConfigError;
use super::super::hub::Hub;
use super::super::layer::SaidListener;
use super::super::listener::Listener;
use super::super::names::{ServiceName, SlowPolicy, TlsMode};
use super::wrong;
use crate::access::users::{Permissions, Rules};
use crate::limits;
use crate::protocol::nats::subject::is_literal;

const NO_AUTH_USER: &str = "listener.no_auth_user";
const SUBJECT: &str = "listener.subject";

/// Refuses these settings where nothing would look at them, users who are not there, and subjects that are none.
pub(super) fn check(said: &SaidListener, hub: &Hub) -> Result<(), ConfigError> {
    let Listener { listen, service, tls_mode, no_auth_user, slow, subject, .. } = &said.value;
    let is_http = *service == ServiceName::Http;
    let (is_nats, is_ingest) = (*service == ServiceName::Nats, *service == ServiceName::Ingest);
    let settings = [
        ("listener.tls_mode", *tls_mode != TlsMode::default() && !is_nats, "service nats"),
        (
            NO_AUTH_USER,
            no_auth_user.is_some() && !(is_nats || is_http || is_ingest),
            "services nats, http and publish",
        ),
        ("listener.slow", *slow != SlowPolicy::default() && !(is_nats || is_http), "services nats and http"),
        (SUBJECT, subject.is_some() && !is_ingest, "service publish"),
    ];
    if let Some((key, _, services)) = settings.into_iter().find(|(_, is_misplaced, _)| *is_misplaced) {
        let problem = format!("is for the {services}, and {listen} serves {}", service.name());
        return Err(wrong(said.place_of(key), problem));
    }
    if *tls_mode != TlsMode::default() && said.value.tls.is_none() {
        let problem = format!("is {}, and there is no TLS: add a table [listener.tls]", tls_mode.name());
        return Err(wrong(said.place_of("listener.tls_mode"), problem));
    }
    if let Some(name) = no_auth_user.as_ref().filter(|name| !hub.users.iter().any(|user| user.name == **name))
    {
        let problem = format!("is {name:?}, who is no user: add a table [[hub.user]] with that name");
        return Err(wrong(said.place_of(NO_AUTH_USER), problem));
    }
    let is_subject =
        |text: &&String| is_literal(text.as_bytes()) && text.len() <= limits::PERMISSION_SUBJECT_BYTES_MAX;
    match subject.as_ref().filter(|text| !is_subject(text)) {
        Some(text) => {
            let problem =
                format!("is {text:?}: it takes one subject, such as sensors.roof, without wildcards");
            Err(wrong(said.place_of(SUBJECT), problem))
        }
        None if is_ingest => check_ingest(said, hub),
        None => Ok(()),
    }
}

/// Refuses datagrams of nobody, and such as could never be published.
fn check_ingest(said: &SaidListener, hub: &Hub) -> Result<(), ConfigError> {
    let Listener { listen, no_auth_user, subject, .. } = &said.value;
    let user = no_auth_user.as_ref().and_then(|name| hub.users.iter().find(|user| user.name == **name));
    if user.is_none() && !hub.users.is_empty() {
        let problem = format!(
            "is publish, and a datagram cannot show which user of the hub it is from: say whose those of {listen} are, as \
             in no_auth_user = {:?}",
            hub.users[0].name
        );
        return Err(wrong(said.place_of("listener.service"), problem));
    }
    let rules = user.and_then(|user| user.rules.as_ref()).or(hub.default_permissions.as_ref());
    let may_publish = |subject: &String, rules: &Rules| {
        // Rules that cannot be used are refused where they stand.
        Permissions::new(rules).map_or(true, |permissions| permissions.may_publish(subject.as_bytes()))
    };
    match (subject, rules) {
        (Some(subject), Some(rules)) if !may_publish(subject, rules) => {
            let problem = format!("is {subject:?}, where the user of this listener may not publish");
            Err(wrong(said.place_of(SUBJECT), problem))
        }
        _ => Ok(()),
    }
}
