//! Who may come to a listener, and what requests there must bring.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::super::error::ConfigError;
use super::super::layer::SaidListener;
use super::super::listener::{Auth, Listener};
use super::super::names::ServiceName;
use super::names::{is_parameter, is_plain, is_token};
use super::{check_file, within_time, wrong};
use crate::limits;
use crate::sys::address::Listen;

/// Refuses settings that cannot be, that would not be looked at, or that leave the operators' service open to all.
pub(super) fn check(said: &SaidListener) -> Result<(), ConfigError> {
    check_networks(said, "listener.allow", &said.value.allow)?;
    check_networks(said, "listener.deny", &said.value.deny)?;
    match &said.value.auth {
        Some(auth) => check_auth(said, auth),
        None => refuse_open_admin(said),
    }
}

fn check_networks(said: &SaidListener, key: &'static str, networks: &[IpNet]) -> Result<(), ConfigError> {
    let problem = if networks.is_empty() {
        return Ok(());
    } else if let Some(network) = networks.iter().find(|network| network.addr() != network.network()) {
        format!(
            "names {network}: the network is {}, and the address alone is {}",
            network.trunc(),
            network.addr()
        )
    } else if limits::NETWORKS_MAX < networks.len() {
        format!("has {} entries: the most is {}", networks.len(), limits::NETWORKS_MAX)
    } else if matches!(said.value.listen, Listen::Unix(_)) && !said.value.proxy_protocol {
        let listen = &said.value.listen;
        format!("is for peers with an address, which those of {listen} do not have without proxy_protocol")
    } else {
        return Ok(());
    };
    Err(wrong(said.place_of(key), problem))
}

/// Figures and connections are not for everybody.
fn refuse_open_admin(said: &SaidListener) -> Result<(), ConfigError> {
    let Listener { listen, service, .. } = &said.value;
    let is_open = |address: SocketAddr| !address.ip().is_loopback();
    if *service != ServiceName::Admin || !listen.ip().is_some_and(is_open) {
        return Ok(());
    }
    let problem = format!(
        "is {listen}, where other hosts could read what is for operators: add [listener.auth] in a file, or listen at \
         127.0.0.1, [::1] or a Unix socket"
    );
    Err(wrong(said.place.clone(), problem))
}

fn check_auth(said: &SaidListener, auth: &Auth) -> Result<(), ConfigError> {
    let refuse = |key, problem: String| Err(wrong(said.place_of(key), problem));
    let Listener { listen, service, .. } = &said.value;
    if matches!(service, ServiceName::Echo | ServiceName::Ingest) {
        let problem =
            format!("is for the services http, admin and nats, and {listen} serves {}", service.name());
        return refuse("listener.auth", problem);
    }
    let has_jwt = auth.jwt_secret.is_some() || !auth.jwt_keys.is_empty() || auth.jwks.is_some();
    if auth.tokens.is_none() && !has_jwt {
        let problem =
            "names nothing to check requests by: add tokens, jwt_secret, jwt_keys or jwks, each with a file";
        return refuse("listener.auth", problem.to_owned());
    }
    for (key, claim) in [("listener.auth.audience", &auth.audience), ("listener.auth.issuer", &auth.issuer)] {
        match claim.as_deref() {
            Some(_) if !has_jwt => {
                let problem = "is for JSON Web Tokens: add jwt_secret, jwt_keys or jwks".to_owned();
                return refuse(key, problem);
            }
            Some(name) if name.is_empty() || limits::NAME_BYTES_MAX < name.len() => {
                return refuse(key, format!("is {name:?}: it takes 1 to {} bytes", limits::NAME_BYTES_MAX));
            }
            Some(_) | None => {}
        }
    }
    check_auth_files(said, auth)?;
    check_carriers(said, auth)?;
    let bounds = (std::time::Duration::ZERO, limits::JWT_LEEWAY_MAX);
    within_time(said.place_of("listener.auth.leeway"), auth.leeway, bounds)
}

fn check_auth_files(said: &SaidListener, auth: &Auth) -> Result<(), ConfigError> {
    if limits::JWT_KEYS_MAX < auth.jwt_keys.len() {
        let problem = format!("has {} entries: the most is {}", auth.jwt_keys.len(), limits::JWT_KEYS_MAX);
        return Err(wrong(said.place_of("listener.auth.jwt_keys"), problem));
    }
    let single = [
        ("listener.auth.tokens", &auth.tokens),
        ("listener.auth.jwt_secret", &auth.jwt_secret),
        ("listener.auth.jwks", &auth.jwks),
    ];
    for (key, file) in single.into_iter().filter_map(|(key, file)| file.as_ref().map(|file| (key, file))) {
        check_file(said, key, file)?;
    }
    auth.jwt_keys.iter().try_for_each(|file| check_file(said, "listener.auth.jwt_keys", file))
}

/// The names under which a token may come, and the realm.
fn check_carriers(said: &SaidListener, auth: &Auth) -> Result<(), ConfigError> {
    let wanted =
        |key, name: &str, what: &str| Err(wrong(said.place_of(key), format!("is {name:?}: it takes {what}")));
    match auth.cookie.as_deref() {
        Some(name) if !is_token(name) => {
            return wanted("listener.auth.cookie", name, "the name of a cookie, such as token");
        }
        Some(_) | None => {}
    }
    match auth.query.as_deref() {
        Some(name) if !is_parameter(name) => {
            return wanted(
                "listener.auth.query",
                name,
                "the name of a parameter, of letters, digits, -, ., _ and ~",
            );
        }
        Some(_) | None => {}
    }
    if is_plain(&auth.realm) {
        return Ok(());
    }
    wanted(
        "listener.auth.realm",
        &auth.realm,
        "a short text of ASCII letters, without quotes and backslashes",
    )
}
