//! From the configuration of listeners to the services behind them.

use std::sync::Arc;

use super::plan;
use crate::access::credential::Sources;
use crate::access::users::{Circumstances, Judge, UserSetting, Users};
use crate::config::{self, Config, Listener, ServiceName};
use crate::error::StartError;
use crate::hub::SlowPolicy;
use crate::limits;
use crate::protocol::http1::HeadLimits;
use crate::protocol::websocket::{DeflateSettings, HostRule, Limits, OriginRule, Policy};
use crate::service::house::{Behind, Wiring};
use crate::service::http::{HubSettings, SUBPROTOCOL, Settings, WebSocketSettings};
use crate::service::nats::{self, Identity};
use crate::service::{Ingest, IngestSubject};
use crate::sys::address::Listen;
use crate::sys::{clock, priority};

/// What services are made of, beside the configuration: for as long as the server runs.
pub(super) struct Kit {
    judge: Option<Arc<Judge>>,
    identity: Arc<Identity>,
}

impl Kit {
    /// # Errors
    /// When passwords are to be checked and the system has no thread for it.
    pub(super) fn new(config: &Config) -> Result<Self, StartError> {
        Ok(Self { judge: judge(config)?, identity: Arc::new(Identity::new(server_id())) })
    }

    /// The same, for a configuration of which other things are said: once there was a judge, there is one.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(super) fn again(&self, config: &Config) -> Result<Self, StartError> {
        let judge = self.judge.clone().map_or_else(|| judge(config), |judge| Ok(Some(judge)))?;
        Ok(Self { judge, identity: Arc::clone(&self.identity) })
    }

    /// What services are told of these listeners and of those for datagrams.
    pub(super) fn wiring(
        &self,
        config: &Config,
        (listeners, datagrams): (&[Listener], &[Listener]),
        users: &Users,
    ) -> Wiring {
        Wiring {
            behind: behind(config, listeners, self.judge.as_ref()),
            nats: self.nats_settings(config, listeners),
            ingest: ingest(config, datagrams, users),
        }
    }
}

/// What the pages for operators are told of their listeners.
pub(super) fn admin_wiring(config: &Config, listeners: &[Listener]) -> Wiring {
    let behind = listeners.iter().map(|listener| Behind::Http(http_settings(config, listener)));
    Wiring { behind: behind.collect(), ..Wiring::default() }
}

/// What stands behind these listeners.
fn behind(config: &Config, listeners: &[Listener], judge: Option<&Arc<Judge>>) -> Vec<Behind> {
    let behind = |listener: &Listener| match listener.service {
        ServiceName::Echo => Behind::Echo,
        ServiceName::Nats => Behind::Nats,
        ServiceName::Ingest => Behind::Echo,
        ServiceName::Http | ServiceName::Admin => {
            Behind::Http(with_hub(http_settings(config, listener), judge))
        }
    };
    listeners.iter().map(behind).collect()
}

/// How the datagrams of these listeners are published; the others are echoed.
fn ingest(config: &Config, listeners: &[Listener], users: &Users) -> Vec<Option<Ingest>> {
    let ingest = |listener: &Listener| {
        let subject = match &listener.subject {
            Some(subject) => IngestSubject::Fixed(subject.as_bytes().into()),
            None => IngestSubject::FirstLine,
        };
        let silent = Circumstances {
            authenticator: None,
            no_auth_user: listener.no_auth_user.as_deref(),
            nonce: b"",
            unix_now: 0,
        };
        // Where there are users and none is named, the configuration was refused; here nobody is let in.
        let grant = users.judge_silence(&silent).ok();
        Ingest::new(subject, config.hub.payload_bytes_max as usize, grant)
    };
    let publishes = |listener: &Listener| listener.service == ServiceName::Ingest;
    listeners.iter().map(|listener| publishes(listener).then(|| ingest(listener))).collect()
}

/// Whatever else a listener's WebSockets may speak, they may speak the hub's own subprotocol; and its users may have
/// passwords.
fn with_hub(mut settings: Arc<Settings>, judge: Option<&Arc<Judge>>) -> Arc<Settings> {
    let own = Arc::make_mut(&mut settings);
    own.judge = judge.cloned();
    let spoken = &mut own.websocket.policy.subprotocols;
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
        hub: HubSettings {
            pending_bytes: config.hub.pending_bytes_max as usize,
            slow: slow_policy(listener.slow),
            payload_bytes: config.hub.payload_bytes_max as usize,
            subscriptions: config.hub.subscriptions_per_connection,
        },
        no_auth_user: listener.no_auth_user.as_deref().map(Into::into),
        judge: None,
    })
}

fn websocket_settings(config: &Config, listener: &Listener) -> WebSocketSettings {
    let bytes = config.message_bytes as usize;
    WebSocketSettings {
        policy: Policy {
            // The configuration has checked them.
            origins: listener.origins.iter().filter_map(|entry| OriginRule::parse(entry)).collect(),
            hosts: host_rule(listener),
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

/// Whoever listens on loopback is asked by browsers of this host alone, and no stranger's name may lead them there. A PROXY
/// header says that they come from elsewhere, by the name of whoever passes them on.
fn host_rule(listener: &Listener) -> HostRule {
    let is_on_loopback =
        listener.listen.ip().is_some_and(|address| address.ip().to_canonical().is_loopback());
    if is_on_loopback && !listener.proxy_protocol { HostRule::Own } else { HostRule::Any }
}

/// Who checks passwords that take long, where somebody may have one: on no more threads than there are shards, which they
/// yield to.
///
/// # Errors
/// When the system has no thread to give.
fn judge(config: &Config) -> Result<Option<Arc<Judge>>, StartError> {
    let may_take_long = |user: &UserSetting| user.password_hash.is_some() || user.password_file.is_some();
    if !config.hub.users.iter().any(may_take_long) {
        return Ok(None);
    }
    let threads = plan::count_shards(config).min(limits::JUDGES_MAX);
    Judge::start(threads, priority::step_back).map(Some).map_err(StartError::NoJudge)
}

impl Kit {
    /// What NATS clients are told and asked at each of these listeners, over TCP or within WebSocket.
    fn nats_settings(&self, config: &Config, listeners: &[Listener]) -> Vec<Arc<nats::Settings>> {
        let settings = |listener: &Listener| {
            let (host, port) = match &listener.listen {
                Listen::Tcp(address) | Listen::Udp(address) => (address.ip().to_string(), address.port()),
                Listen::Unix(path) => (path.display().to_string(), 0),
            };
            // Also where TLS comes first: within it clients look whether it was wanted, and nats-server says so.
            let is_behind_tls = listener.service == ServiceName::Nats && listener.tls.is_some();
            Arc::new(nats::Settings {
                control_line_bytes: config.hub.control_line_bytes_max,
                payload_bytes: config.hub.payload_bytes_max,
                subscriptions: config.hub.subscriptions_per_connection,
                ping_interval: config.hub.ping_interval,
                pings_out: config.hub.pings_out,
                auth_timeout: config.hub.auth_timeout,
                pending_bytes: config.hub.pending_bytes_max as usize,
                slow: slow_policy(listener.slow),
                no_auth_user: listener.no_auth_user.as_deref().map(Into::into),
                tls_required: is_behind_tls,
                host,
                port,
                judge: self.judge.clone(),
                identity: Arc::clone(&self.identity),
            })
        };
        listeners.iter().map(settings).collect()
    }
}

/// What is done with slow consumers, by subject.
pub(super) fn slow_rules(config: &Config) -> Arc<[(Box<[u8]>, SlowPolicy)]> {
    let rules = config.hub.slow.iter();
    let by_subject =
        rules.flat_map(|rule| rule.subjects.iter().map(|subject| (subject.as_bytes().into(), rule.policy)));
    by_subject.map(|(subject, policy)| (subject, slow_policy(policy))).collect()
}

fn slow_policy(policy: config::SlowPolicy) -> SlowPolicy {
    match policy {
        config::SlowPolicy::Cut => SlowPolicy::Cut,
        config::SlowPolicy::DropOldest => SlowPolicy::DropOldest,
        config::SlowPolicy::KeepLatest => SlowPolicy::KeepLatest,
    }
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
