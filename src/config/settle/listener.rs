//! The listeners: each by itself, and against the others.

use super::super::error::ConfigError;
use super::super::layer::{Said, SaidListener};
use super::super::listener::{ANY_ORIGIN, Listener, SAME_ORIGIN, default_listeners, default_tls_listeners};
use super::super::names::ServiceName;
use super::tls::TlsOfFlags;
use super::{auth, tls, wrong};
use crate::limits;
use crate::sys::address::Listen;

/// The listeners that were said, or the default ones; those that take it get the certificate that flags name.
pub(super) fn settle(
    said: Option<Said<Vec<SaidListener>>>,
    flags: Option<TlsOfFlags>,
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
        refuse_collision(&listeners[..index], said)?;
    }
    Ok(listeners.into_iter().map(|said| said.value).collect())
}

fn check(said: &SaidListener) -> Result<(), ConfigError> {
    check_transport(said)?;
    check_mode(said)?;
    check_web(said)?;
    if let Some(settings) = &said.value.tls {
        tls::check(said, settings)?;
    }
    if let Some(settings) = &said.value.auth {
        auth::check(said, settings)?;
    }
    Ok(())
}

/// Refuses what the kind of socket cannot do.
fn check_transport(said: &SaidListener) -> Result<(), ConfigError> {
    let Listener { listen, service, .. } = &said.value;
    let refuse =
        |key, words: &str| Err(wrong(said.place_of(key), format!("{words}, and the address is {listen}")));
    if !listen.is_stream() {
        if *service != ServiceName::Echo {
            return refuse(
                "listener.service",
                &format!("is {}, which is for tcp:// and unix:", service.name()),
            );
        }
        if said.value.tls.is_some() {
            return refuse("listener.tls", "is for tcp:// and unix:");
        }
        if said.value.proxy_protocol {
            return refuse("listener.proxy_protocol", "is for tcp:// and unix:");
        }
    }
    Ok(())
}

/// A file's mode has been looked at where it stands; a program may write any number.
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

/// Settings that only pages and WebSocket have.
fn check_web(said: &SaidListener) -> Result<(), ConfigError> {
    let Listener { listen, service, origins, subprotocols, deflate, .. } = &said.value;
    let _ = (origins, subprotocols, deflate, service, listen, ANY_ORIGIN, SAME_ORIGIN);
    Ok(())
}

fn refuse_collision(earlier: &[SaidListener], said: &SaidListener) -> Result<(), ConfigError> {
    let listen = &said.value.listen;
    match earlier.iter().find(|earlier| earlier.value.listen.collides_with(listen)) {
        Some(earlier) => {
            let problem = format!("is {listen}, which cannot be open beside {}", earlier.value.listen);
            Err(wrong(said.place.clone(), problem))
        }
        None => Ok(()),
    }
}
