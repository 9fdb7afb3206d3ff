//! A configuration in which nothing is as usual: what is printed and read again must not lose any of it.

use super::*;
use crate::access::users::{Lists, Responses, Rules, UserLimits, UserSetting};

/// A configuration in which every setting differs from its default.
pub(super) fn unusual() -> Config {
    let unix = Listener { mode: Some(0o660), ..Listener::echo("unix:/run/\"t\"\\é.sock".parse().unwrap()) };
    let six = Listener { optional: true, ..Listener::echo("udp://[::1]:9".parse().unwrap()) };
    let (https, admin) = (unusual_https(), unusual_admin());
    Config {
        listeners: vec![unix, six, https, admin, unusual_nats(), unusual_ingest()],
        shards: Some(2),
        cores: Some(vec![3, 0, 1]),
        connections: 7,
        engine: Some(Engine::Epoll),
        engine_max: Some(RingTier::V6_12),
        sandbox: false,
        congestion: Some("reno".to_owned()),
        idle_timeout: Duration::from_millis(90_001),
        stall_timeout: Duration::from_secs(2),
        linger_timeout: Duration::from_secs(3),
        drain_timeout: Duration::from_secs(4),
        drain_spread: Duration::from_secs(3),
        handover_drain_timeout: Duration::from_secs(7),
        handover_drain_spread: Duration::from_millis(6_500),
        outbox_high_water_bytes: 100_000,
        outbox_low_water_bytes: 2048,
        outbox_bytes_per_shard: 1 << 30,
        connections_per_address: 9,
        accept_rate: Some("1/m burst 2".parse().unwrap()),
        accept_rate_per_address: Some("2/m burst 3".parse().unwrap()),
        request_rate: Some("3/m burst 4".parse().unwrap()),
        request_rate_per_address: Some("4/m burst 5".parse().unwrap()),
        message_rate: Some("5/m burst 6".parse().unwrap()),
        message_rate_per_address: Some("6/m burst 7".parse().unwrap()),
        byte_rate: Some("7/m burst 8".parse().unwrap()),
        byte_rate_per_address: Some("8/m burst 9".parse().unwrap()),
        handshake_timeout: Duration::from_secs(5),
        header_timeout: Duration::from_secs(6),
        keep_alive_timeout: Duration::from_secs(7),
        body_rate_min: 100,
        head_bytes: 2000,
        headers: 11,
        body_bytes: 12,
        message_bytes: 13,
        ping_interval: Duration::from_secs(8),
        log_format: LogFormat::Json,
        log_level: LogLevel::Trace,
        hub: unusual_hub(),
    }
}

pub(super) fn files(certificate: &str, key: &str) -> CertificateFiles {
    CertificateFiles { certificate: certificate.into(), key: key.into() }
}

/// A listener of HTTP behind TLS in which every setting differs from its default.
pub(super) fn unusual_https() -> Listener {
    let tls = Tls {
        certificates: vec![
            files("/a\\ \"b\".pem", "/a.key"),
            files("/é.pem", "/é.key"),
            files("/c.pem", "/c.key"),
        ],
        self_signed: false,
        client_ca: Some("/ca.pem".into()),
        client_auth: ClientAuth::Optional,
        min_version: TlsVersion::V1_3,
    };
    let auth = Auth {
        tokens: Some("/tokens".into()),
        jwt_secret: Some("/secret".into()),
        jwt_keys: vec!["/1.pem".into(), "/2.pem".into()],
        jwks: Some("/jwks.json".into()),
        audience: Some("a \"b\"".to_owned()),
        issuer: Some("https://é.example".to_owned()),
        leeway: Duration::ZERO,
        cookie: Some("__Host-t".to_owned()),
        query: Some("t".to_owned()),
        subprotocol: true,
        realm: "the mill's".to_owned(),
    };
    Listener {
        proxy_protocol: true,
        allow: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        deny: vec!["10.1.2.3/32".parse().unwrap()],
        tls: Some(tls),
        auth: Some(auth),
        origins: vec!["https://example.org".to_owned(), "*".to_owned()],
        subprotocols: vec!["chat".to_owned(), "v2.chat".to_owned()],
        deflate: true,
        deflate_context: true,
        no_auth_user: Some("guest \"1\"".to_owned()),
        slow: SlowPolicy::DropOldest,
        ..Listener::new("tcp://[::]:443".parse().unwrap(), ServiceName::Http)
    }
}

/// A listener for operators, with a certificate that is made; and one origin less than the default has.
fn unusual_admin() -> Listener {
    let auth = Auth { tokens: Some(PathBuf::from("/tokens")), ..Auth::default() };
    Listener {
        tls: Some(Tls::self_signed()),
        auth: Some(auth),
        ..Listener::new("tcp://0.0.0.0:9180".parse().unwrap(), ServiceName::Admin)
    }
}

/// A listener for NATS clients in which every setting of its own differs from its default.
fn unusual_nats() -> Listener {
    Listener {
        tls: Some(Tls::self_signed()),
        tls_mode: TlsMode::Auto,
        no_auth_user: Some("é".to_owned()),
        slow: SlowPolicy::KeepLatest,
        ..Listener::new("tcp://0.0.0.0:4222".parse().unwrap(), ServiceName::Nats)
    }
}

fn unusual_ingest() -> Listener {
    Listener {
        subject: Some("sensors.roof".to_owned()),
        no_auth_user: Some("é".to_owned()),
        ..Listener::new("udp://0.0.0.0:4222".parse().unwrap(), ServiceName::Ingest)
    }
}

/// A hub in which every setting differs from its default.
fn unusual_hub() -> Hub {
    let lists = |allow: &[&str], deny: &[&str]| Lists { allow: Some(texts(allow)), deny: texts(deny) };
    let rules = Rules {
        publish: lists(&["a.*", "\"b\""], &["a.é"]),
        subscribe: lists(&["a.> q.*", ">"], &["c", "d"]),
        responses: Some(Responses { max: 7, expires: Duration::from_secs(9) }),
    };
    let guest = UserSetting {
        name: "guest \"1\"".to_owned(),
        password_file: Some("/p\\ \"w\"".into()),
        token_file: Some("/token".into()),
        nkey: Some("UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK".to_owned()),
        rules: Some(rules.clone()),
        limits: UserLimits {
            connections: Some(1),
            subscriptions: Some(2),
            payload_bytes: Some(3),
            messages: Some("4/m burst 5".parse().unwrap()),
            bytes: Some("5/m burst 6".parse().unwrap()),
        },
        ..UserSetting::default()
    };
    let hash = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW".to_owned();
    let other = UserSetting {
        name: "é".to_owned(),
        password_hash: Some(hash),
        rules: Some(Rules::default()),
        ..UserSetting::default()
    };
    Hub {
        payload_bytes_max: 1,
        control_line_bytes_max: 600,
        subscriptions_per_connection: 3,
        subscriptions_per_shard: 12,
        pending_bytes_max: 100_000,
        shared_bytes_per_shard: 9_000_000,
        ping_interval: Duration::from_secs(5),
        pings_out: 6,
        auth_timeout: Duration::from_secs(7),
        permissions_claim: "https://example.org/\"may\"".to_owned(),
        connections_per_user: Some(8),
        message_rate_per_user: Some("9/m burst 10".parse().unwrap()),
        byte_rate_per_user: Some("10/m burst 11".parse().unwrap()),
        default_permissions: Some(rules),
        slow: vec![
            SlowRule { subjects: texts(&["game.>", "*"]), policy: SlowPolicy::KeepLatest },
            SlowRule { subjects: texts(&["é"]), policy: SlowPolicy::Cut },
        ],
        users: vec![guest, other],
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
