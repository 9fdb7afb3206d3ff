//! The keys of one listener, of its TLS and of its authentication.

use super::super::listener::{Auth, CertificateFiles, Listener, Tls};
use super::super::names::ServiceName;
use super::super::units::{show_duration, show_mode};
use super::{Key, Reload, list, path, quoted};

/// The table of listeners.
pub(in super::super) const LISTENER: &str = "listener";
/// The table of a listener's TLS.
pub(in super::super) const TLS: &str = "listener.tls";
/// The tables of a listener's further certificates.
pub(in super::super) const CERTIFICATES: &str = "listener.tls.certificates";
/// The table of what requests at a listener must bring.
pub(in super::super) const AUTH: &str = "listener.auth";
/// The tables that may stand in a listener.
pub(in super::super) const LISTENER_TABLES: [&str; 2] = ["tls", "auth"];

/// The keys of one listener.
pub(in super::super) const LISTENER_KEYS: [Key<Listener>; 15] = [
    Key {
        section: LISTENER,
        name: "address",
        about: "Where it listens: tcp://127.0.0.1:7000, udp://[::1]:7000 or unix:/run/tidemill.sock. [::] is every \
                address of the host, IPv4 included. Anything but loopback is open to whoever reaches the host.",
        example: "\"tcp://[::]:8443\"",
        reload: Reload::Start(|to, from| to.listen.clone_from(&from.listen)),
        show: |listener| Some(quoted(&listener.listen.to_string())),
    },
    Key {
        section: LISTENER,
        name: "service",
        about: "What it serves: echo, which sends back what it receives; http, which is HTTP/1.1 with pages, and \
                WebSocket at /ws; admin, with figures and connections for operators; nats, the hub for NATS clients; or \
                publish, which publishes each datagram in the hub. Of these, echo and publish are for udp.",
        example: "\"http\"",
        reload: Reload::Start(|to, from| to.service = from.service),
        show: |listener| Some(quoted(listener.service.name())),
    },
    Key {
        section: LISTENER,
        name: "mode",
        about: "Unix sockets only: who may connect, as the octal permissions of the file. Unset, what the umask leaves.",
        example: "\"660\"",
        reload: Reload::Start(|to, from| to.mode = from.mode),
        show: |listener| listener.mode.map(|mode| quoted(&show_mode(mode))),
    },
    Key {
        section: LISTENER,
        name: "optional",
        about: "Whether the server starts without this listener, with a warning, where the host has no IPv6.",
        example: "false",
        reload: Reload::Start(|to, from| to.optional = from.optional),
        show: |listener| Some(listener.optional.to_string()),
    },
    Key {
        section: LISTENER,
        name: "proxy_protocol",
        about: "Whether every connection must begin with a PROXY header, version 1 or 2, as load balancers send it to \
                name the real peer. Only for listeners that nobody but the balancer reaches: the header is believed.",
        example: "false",
        reload: Reload::New,
        show: |listener| Some(listener.proxy_protocol.to_string()),
    },
    Key {
        section: LISTENER,
        name: "allow",
        about: "The networks whose peers may come; unset, all. With proxy_protocol, the peer is the one in the header.",
        example: "[\"192.0.2.0/24\", \"2001:db8::/32\"]",
        reload: Reload::New,
        show: |listener| list(listener.allow.iter().map(|network| quoted(&network.to_string()))),
    },
    Key {
        section: LISTENER,
        name: "deny",
        about: "The networks whose peers may not come, even when allowed.",
        example: "[\"192.0.2.66\"]",
        reload: Reload::New,
        show: |listener| list(listener.deny.iter().map(|network| quoted(&network.to_string()))),
    },
    Key {
        section: LISTENER,
        name: "origins",
        about: "Service http only: the pages that may open a WebSocket, as the origins that browsers send. same-origin \
                is the host that is asked itself, and the default; * is every page of the web. Peers that are no \
                browsers send none, and pass. The same pages may use the hub. Bound to loopback and without \
                proxy_protocol, browsers are let in only by an address, by localhost or by a name in this list, for a \
                stranger could point any other here: a site behind a proxy on the same host names itself.",
        example: "[\"same-origin\", \"https://example.org\"]",
        reload: Reload::New,
        show: |listener| match listener.service {
            ServiceName::Http => {
                Some(list(listener.origins.iter().map(|origin| quoted(origin))).unwrap_or("[]".to_owned()))
            }
            ServiceName::Echo | ServiceName::Admin | ServiceName::Nats | ServiceName::Ingest => None,
        },
    },
    Key {
        section: LISTENER,
        name: "subprotocols",
        about: "Service http only: the WebSocket subprotocols that are spoken, the preferred one first. Unset, none.",
        example: "[\"chat\"]",
        reload: Reload::New,
        show: |listener| list(listener.subprotocols.iter().map(|name| quoted(name))),
    },
    Key {
        section: LISTENER,
        name: "deflate",
        about: "Service http only: whether WebSocket messages may be compressed. It saves bytes and costs memory and \
                time for each connection. Default: false.",
        example: "false",
        reload: Reload::New,
        show: |listener| (listener.service == ServiceName::Http).then(|| listener.deflate.to_string()),
    },
    Key {
        section: LISTENER,
        name: "deflate_context",
        about: "With deflate: whether a compressed message may refer to those before it (context takeover). Similar \
                messages become far smaller; each connection that uses it keeps some 420 KiB, which count against \
                limits.outbox_per_shard. Default: false.",
        example: "false",
        reload: Reload::New,
        show: |listener| listener.deflate.then(|| listener.deflate_context.to_string()),
    },
    Key {
        section: LISTENER,
        name: "tls_mode",
        about: "Service nats with TLS only: when TLS begins. upgrade is after INFO, as NATS clients do it by default; first \
                is before anything else; auto waits 50 ms for a client that begins it, then sends INFO. Default: upgrade.",
        example: "\"auto\"",
        reload: Reload::New,
        show: |listener| {
            (listener.service == ServiceName::Nats && listener.tls.is_some())
                .then(|| quoted(listener.tls_mode.name()))
        },
    },
    Key {
        section: LISTENER,
        name: "no_auth_user",
        about: "Services nats, http and publish only: the user of the hub that those are who show nothing. Unset, they are \
                refused where there are users or a table for authentication, and anybody else's equal where not. Datagrams \
                show nothing, so where there are users, service publish has to name theirs.",
        example: "\"guest\"",
        reload: Reload::New,
        show: |listener| listener.no_auth_user.as_deref().map(quoted),
    },
    Key {
        section: LISTENER,
        name: "slow",
        about: "Services nats and http only: what is done with a consumer that does not keep up. cut ends its connection; \
                drop-oldest drops the oldest of what waits for it; keep-latest keeps the last message of each subject. \
                Rules in hub.slow go before it. Default: cut.",
        example: "\"cut\"",
        reload: Reload::New,
        show: |listener| match listener.service {
            ServiceName::Nats | ServiceName::Http => Some(quoted(listener.slow.name())),
            ServiceName::Echo | ServiceName::Admin | ServiceName::Ingest => None,
        },
    },
    Key {
        section: LISTENER,
        name: "subject",
        about: "Service publish only: the subject under which each datagram is published. Unset, the first line of each \
                datagram is its subject.",
        example: "\"sensors.roof\"",
        reload: Reload::Now,
        show: |listener| listener.subject.as_deref().map(quoted),
    },
];

/// The keys of a listener's TLS.
pub(in super::super) const TLS_KEYS: [Key<Tls>; 7] = [
    Key {
        section: TLS,
        name: "certificate",
        about: "The file of the certificate and its chain, the server's own first, as PEM. Relative paths begin at the \
                folder of this file.",
        example: "\"example.org.pem\"",
        reload: Reload::New,
        show: |tls| tls.certificates.first().map(|files| path(&files.certificate)),
    },
    Key {
        section: TLS,
        name: "key",
        about: "The file of its private key, as PEM.",
        example: "\"example.org.key\"",
        reload: Reload::New,
        show: |tls| tls.certificates.first().map(|files| path(&files.key)),
    },
    Key {
        section: TLS,
        name: "certificates",
        about: "More certificates: a client gets the first that fits the name it asks for, or else the first of all.",
        example: "[{ certificate = \"example.com.pem\", key = \"example.com.key\" }]",
        reload: Reload::New,
        show: |tls| list(tls.certificates.iter().skip(1).map(certificate)),
    },
    Key {
        section: TLS,
        name: "self_signed",
        about: "Whether a certificate is made at the start that nobody has signed. For a first try only: clients \
                cannot know whom they speak to. Then no files are named. Default: false.",
        example: "false",
        reload: Reload::New,
        show: |tls| Some(tls.self_signed.to_string()),
    },
    Key {
        section: TLS,
        name: "client_ca",
        about: "The file of the authorities that clients' certificates are checked against, as PEM.",
        example: "\"clients.pem\"",
        reload: Reload::New,
        show: |tls| tls.client_ca.as_deref().map(path),
    },
    Key {
        section: TLS,
        name: "client_auth",
        about: "Whether clients must show a certificate: off, optional or required. Default: required with client_ca, \
                else off.",
        example: "\"required\"",
        reload: Reload::New,
        show: |tls| Some(quoted(tls.client_auth.name())),
    },
    Key {
        section: TLS,
        name: "min_version",
        about: "The oldest version of TLS that is spoken: 1.2 or 1.3. Default: 1.2.",
        example: "\"1.2\"",
        reload: Reload::New,
        show: |tls| Some(quoted(tls.min_version.name())),
    },
];

/// The keys of what requests at a listener must bring.
pub(in super::super) const AUTH_KEYS: [Key<Auth>; 11] = [
    Key {
        section: AUTH,
        name: "tokens",
        about: "The file of static tokens, each on a line of its own, alone or as name:token. A request needs one of what \
                this table names, in its Authorization header: Bearer and the token.",
        example: "\"tokens\"",
        reload: Reload::Requests,
        show: |auth| auth.tokens.as_deref().map(path),
    },
    Key {
        section: AUTH,
        name: "jwt_secret",
        about: "The file of the secret of JSON Web Tokens that are signed with HS256.",
        example: "\"jwt.secret\"",
        reload: Reload::Requests,
        show: |auth| auth.jwt_secret.as_deref().map(path),
    },
    Key {
        section: AUTH,
        name: "jwt_keys",
        about: "The files of public keys of JSON Web Tokens, as PEM.",
        example: "[\"issuer.pem\"]",
        reload: Reload::Requests,
        show: |auth| list(auth.jwt_keys.iter().map(|file| path(file))),
    },
    Key {
        section: AUTH,
        name: "jwks",
        about: "The file of a set of such keys (RFC 7517).",
        example: "\"jwks.json\"",
        reload: Reload::Requests,
        show: |auth| auth.jwks.as_deref().map(path),
    },
    Key {
        section: AUTH,
        name: "audience",
        about: "The audience that a JSON Web Token must name. Unset, it may be meant for anybody: name one where the \
                issuer serves others, too.",
        example: "\"tidemill\"",
        reload: Reload::Requests,
        show: |auth| auth.audience.as_deref().map(quoted),
    },
    Key {
        section: AUTH,
        name: "issuer",
        about: "The issuer that a JSON Web Token must name. Unset, any whose key fits.",
        example: "\"https://login.example.org\"",
        reload: Reload::Requests,
        show: |auth| auth.issuer.as_deref().map(quoted),
    },
    Key {
        section: AUTH,
        name: "leeway",
        about: "How far the clocks of those who make tokens may be off. Default: 30s.",
        example: "\"30s\"",
        reload: Reload::Requests,
        show: |auth| Some(quoted(&show_duration(auth.leeway))),
    },
    Key {
        section: AUTH,
        name: "cookie",
        about: "The cookie that may carry the token instead, for pages.",
        example: "\"token\"",
        reload: Reload::Requests,
        show: |auth| auth.cookie.as_deref().map(quoted),
    },
    Key {
        section: AUTH,
        name: "query",
        about: "The query parameter that may carry the token instead. Queries end up in the logs of proxies.",
        example: "\"token\"",
        reload: Reload::Requests,
        show: |auth| auth.query.as_deref().map(quoted),
    },
    Key {
        section: AUTH,
        name: "subprotocol",
        about: "Whether a WebSocket subprotocol may carry the token instead, for browsers, which cannot set the header. \
                Default: false.",
        example: "true",
        reload: Reload::Requests,
        show: |auth| Some(auth.subprotocol.to_string()),
    },
    Key {
        section: AUTH,
        name: "realm",
        about: "The realm that a refusal names. Default: tidemill.",
        example: "\"tidemill\"",
        reload: Reload::Requests,
        show: |auth| Some(quoted(&auth.realm)),
    },
];

fn certificate(files: &CertificateFiles) -> String {
    format!("{{ certificate = {}, key = {} }}", path(&files.certificate), path(&files.key))
}
