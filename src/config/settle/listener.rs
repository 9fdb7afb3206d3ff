//! The listeners: each by itself, and against the others.

use super::super::error::ConfigError;
use super::super::hub::Hub;
use super::super::layer::{Said, SaidListener};
use super::super::listener::{Listener, default_listeners, default_tls_listeners};
use super::super::names::ServiceName;
use super::tls::TlsOfFlags;
use super::{access, speaker, tls, web, wrong};
use crate::limits;
use crate::sys::address::Listen;

/// The listeners that were said, or the default ones; those that take it get the certificate that flags name.
pub(super) fn settle(
    said: Option<Said<Vec<SaidListener>>>,
    flags: Option<TlsOfFlags>,
    hub: &Hub,
) -> Result<Vec<Listener>, ConfigError> {
    let Some(Said { value: mut listeners, place }) = said else {
        let more = flags.map(|flags| flags.without_listeners()).transpose()?;
        let more = more.iter().flat_map(default_tls_listeners);
        return Ok(default_listeners().into_iter().chain(more).collect());
    };
    if listeners.is_empty() {
        return Err(wrong(place, "is empty: a server needs at least one".to_owned()));
    }
    if limits::LISTENERS_MAX < listeners.len() {
        let problem = format!("has {} entries: the most is {}", listeners.len(), limits::LISTENERS_MAX);
        return Err(wrong(place, problem));
    }
    tls::hand_out(flags, &mut listeners)?;
    for (index, said) in listeners.iter().enumerate() {
        check(said)?;
        speaker::check(said, hub)?;
        refuse_collision(&listeners[..index], said)?;
    }
    Ok(listeners.into_iter().map(|said| said.value).collect())
}

fn check(said: &SaidListener) -> Result<(), ConfigError> {
    check_transport(said)?;
    check_mode(said)?;
    access::check(said)?;
    if let Some(settings) = &said.value.tls {
        tls::check(said, settings)?;
    }
    web::check(said)
}

/// Refuses what datagrams cannot carry.
fn check_transport(said: &SaidListener) -> Result<(), ConfigError> {
    let Listener { listen, service, .. } = &said.value;
    let is_for_datagrams = matches!(service, ServiceName::Echo | ServiceName::Ingest);
    let settings = [
        ("listener.service", !is_for_datagrams, format!("is {}, which is", service.name())),
        ("listener.tls", said.value.tls.is_some(), "is".to_owned()),
        ("listener.proxy_protocol", said.value.proxy_protocol, "is".to_owned()),
    ];
    match settings.into_iter().find(|(_, is_set, _)| *is_set) {
        Some((key, _, is)) if !listen.is_stream() => {
            let problem = format!("{is} for tcp:// and unix: addresses, and this one is {listen}");
            Err(wrong(said.place_of(key), problem))
        }
        _ if *service == ServiceName::Ingest && listen.is_stream() => {
            let problem =
                format!("is {}, which is for udp:// addresses, and this one is {listen}", service.name());
            Err(wrong(said.place_of("listener.service"), problem))
        }
        Some(_) | None => Ok(()),
    }
}

/// The permissions of a Unix socket. The file's form allows no more than three digits; a program may write any number.
fn check_mode(said: &SaidListener) -> Result<(), ConfigError> {
    let listen = &said.value.listen;
    let problem = match said.value.mode {
        Some(_) if !matches!(listen, Listen::Unix(_)) => {
            format!("is for Unix sockets only, and the address is {listen}")
        }
        Some(mode @ 0o1000..) => format!("is {mode:o}, at {listen}: the most is 777"),
        Some(_) | None => return Ok(()),
    };
    Err(wrong(said.place_of("listener.mode"), problem))
}

fn refuse_collision(earlier: &[SaidListener], said: &SaidListener) -> Result<(), ConfigError> {
    let listen = &said.value.listen;
    match earlier.iter().find(|earlier| earlier.value.listen.collides_with(listen)) {
        Some(earlier) if earlier.value.listen == *listen => {
            Err(wrong(said.place.clone(), format!("is {listen}, which another listener has already")))
        }
        Some(earlier) => {
            let problem = format!("is {listen}, which cannot be open beside {}", earlier.value.listen);
            Err(wrong(said.place.clone(), problem))
        }
        None => Ok(()),
    }
}
