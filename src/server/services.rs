//! From the configuration of listeners to the services behind them.

use std::sync::Arc;

use crate::access::credential::Sources;
use crate::config::{Config, Listener, ServiceName};
use crate::protocol::http1::HeadLimits;
use crate::protocol::websocket::{DeflateSettings, Limits, OriginRule, Policy};
use crate::service::house::Behind;
use crate::service::http::{SUBPROTOCOL, Settings, WebSocketSettings};

/// What stands behind these listeners.
pub(super) fn behind(config: &Config, listeners: &[Listener]) -> Vec<Behind> {
    let behind = |listener: &Listener| match listener.service {
        ServiceName::Echo => Behind::Echo,
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
