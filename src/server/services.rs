//! From the configuration of listeners to the services behind them.

use std::sync::Arc;

use crate::access::credential::Sources;
use crate::config::{Config, Listener, ServiceName};
use crate::protocol::http1::HeadLimits;
use crate::protocol::websocket::{DeflateSettings, Limits, OriginRule, Policy};
use crate::service::house::Behind;
use crate::service::http::{SUBPROTOCOL, Settings, WebSocketSettings};
use crate::service::nats::{self, Identity};
use crate::sys::address::Listen;
use crate::sys::clock;

/// What stands behind these listeners.
pub(super) fn behind(config: &Config, listeners: &[Listener]) -> Vec<Behind> {
    let identity = Arc::new(Identity::new(server_id()));
    let behind = |listener: &Listener| match listener.service {
        ServiceName::Echo => Behind::Echo,
        ServiceName::Nats => Behind::Nats(Arc::new(nats_settings(listener, &identity))),
        ServiceName::Http | ServiceName::Admin => Behind::Http(with_hub(http_settings(config, listener))),
    };
    listeners.iter().map(behind).collect()
}

/// Whatever else a listener's WebSockets may speak, they may speak the hub's own subprotocol.
fn with_hub(mut settings: Arc<Settings>) -> Arc<Settings> {
    let spoken = &mut Arc::make_mut(&mut settings).websocket.policy.subprotocols;
    if !spoken.iter().any(|name| name == SUBPROTOCOL) {
        spoken.push(SUBPROTOCOL.to_owned());
    }
    settings
}

/// What a configuration says of a listener that speaks HTTP: for an [`Http`](crate::service::http::Http) of one's own,
/// which knows no configuration.
pub fn http_settings(config: &Config, listener: &Listener) -> Arc<Settings> {
    let auth = listener.auth.clone().unwrap_or_default();
    Arc::new(Settings {
        head: HeadLimits { head_bytes: config.head_bytes as usize, headers: config.headers as usize },
        body_bytes: config.body_bytes.into(),
        header_timeout: config.header_timeout,
        keep_alive_timeout: config.keep_alive_timeout,
        body_rate_min: config.body_rate_min.into(),
        credentials: Sources {
            authorization: true,
            cookie: auth.cookie,
            query: auth.query,
            websocket_subprotocol: auth.subprotocol,
        },
        realm: auth.realm,
        websocket: websocket_settings(config, listener),
    })
}

fn websocket_settings(config: &Config, listener: &Listener) -> WebSocketSettings {
    let bytes = config.message_bytes as usize;
    WebSocketSettings {
        policy: Policy {
            // The configuration has checked them.
            origins: listener.origins.iter().filter_map(|entry| OriginRule::parse(entry)).collect(),
            subprotocols: listener.subprotocols.clone(),
            deflate: listener.deflate.then(|| DeflateSettings {
                server_context_takeover: listener.deflate_context,
                client_context_takeover: listener.deflate_context,
                ..DeflateSettings::default()
            }),
        },
        limits: Limits { message_bytes_max: bytes, frame_bytes_max: bytes },
        ping_interval: config.ping_interval,
    }
}

fn nats_settings(listener: &Listener, identity: &Arc<Identity>) -> nats::Settings {
    let (host, port) = match &listener.listen {
        Listen::Tcp(address) | Listen::Udp(address) => (address.ip().to_string(), address.port()),
        Listen::Unix(path) => (path.display().to_string(), 0),
    };
    nats::Settings { host, port, identity: Arc::clone(identity), ..nats::Settings::default() }
}

/// A name that no other server has: 130 bits of chance, in letters and digits as nats-server's own have them.
fn server_id() -> String {
    let mut bytes = [0; SERVER_ID_LETTERS];
    // Without chance there would be no TLS either; the process and the time are enough for a name.
    if rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut bytes).is_err() {
        let seed = clock::now().as_nanos() ^ u64::from(std::process::id());
        bytes.iter_mut().zip(seed.to_le_bytes()).for_each(|(byte, seed)| *byte = seed);
    }
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

const SERVER_ID_LETTERS: usize = 26;
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
