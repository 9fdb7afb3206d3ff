//! What only WebSocket has: origins, subprotocols and compression.

use super::super::error::ConfigError;
use super::super::layer::SaidListener;
use super::super::listener::{ANY_ORIGIN, Listener, SAME_ORIGIN};
use super::super::names::ServiceName;
use super::names::{is_origin, is_token};
use super::wrong;
use crate::limits;

const ORIGINS: &str = "listener.origins";
const SUBPROTOCOLS: &str = "listener.subprotocols";
const DEFLATE_CONTEXT: &str = "listener.deflate_context";

/// Refuses these settings where there is no WebSocket, and names that no peer can send.
pub(super) fn check(said: &SaidListener) -> Result<(), ConfigError> {
    let Listener { listen, service, origins, subprotocols, deflate, deflate_context, .. } = &said.value;
    let settings = [
        (ORIGINS, !origins.is_empty()),
        (SUBPROTOCOLS, !subprotocols.is_empty()),
        ("listener.deflate", *deflate),
        (DEFLATE_CONTEXT, *deflate_context),
    ];
    match settings.into_iter().find(|(_, is_set)| *is_set) {
        Some((key, _)) if *service != ServiceName::Http => {
            let problem = format!("is for the service http, and {listen} serves {}", service.name());
            return Err(wrong(said.place_of(key), problem));
        }
        Some(_) | None => {}
    }
    if *deflate_context && !*deflate {
        let problem = "is true, and nothing is compressed: write deflate = true".to_owned();
        return Err(wrong(said.place_of(DEFLATE_CONTEXT), problem));
    }
    let is_known = |origin: &str| [ANY_ORIGIN, SAME_ORIGIN].contains(&origin) || is_origin(origin);
    let wanted = "an origin is written as browsers send it, such as https://example.org or http://localhost:3000, \
                  in lower case, without a path and without the scheme's own port; or same-origin, or *";
    check_names(said, ORIGINS, origins, is_known, wanted)?;
    check_names(
        said,
        SUBPROTOCOLS,
        subprotocols,
        is_token,
        "a subprotocol is a token, such as chat or v2.example.org",
    )
}

fn check_names(
    said: &SaidListener,
    key: &'static str,
    names: &[String],
    is_possible: impl Fn(&str) -> bool,
    wanted: &str,
) -> Result<(), ConfigError> {
    let problem = if limits::NAMES_PER_LISTENER_MAX < names.len() {
        format!("has {} entries: the most is {}", names.len(), limits::NAMES_PER_LISTENER_MAX)
    } else if let Some(name) = names.iter().find(|name| !is_possible(name)) {
        format!("names {name:?}: {wanted}")
    } else if let Some(twice) = (1..names.len()).find(|&index| names[..index].contains(&names[index])) {
        format!("names {:?} twice", names[twice])
    } else {
        return Ok(());
    };
    Err(wrong(said.place_of(key), problem))
}
