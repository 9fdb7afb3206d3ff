//! One place to listen at: its service, its peers, and what they must show.
//!
//! These are plain values. Files are named and never opened here, so that no secret can end up in a message or in a
//! printed configuration; whoever starts the server reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::names::{ClientAuth, ServiceName, SlowPolicy, TlsMode, TlsVersion};
use crate::limits;
use crate::sys::address::Listen;

/// The entry of [`Listener::origins`] that stands for the host that the page itself was asked at.
pub const SAME_ORIGIN: &str = "same-origin";
/// The entry of [`Listener::origins`] that stands for every origin.
pub const ANY_ORIGIN: &str = "*";

/// One place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The address.
    pub listen: Listen,
    /// What is served there.
    pub service: ServiceName,
    /// For a Unix socket, the permissions of its file.
    pub mode: Option<u32>,
    /// Whether the server starts without it where the host has no IPv6.
    pub optional: bool,
    /// Whether every connection must begin with a PROXY header, version 1 or 2, which names the real peer.
    pub proxy_protocol: bool,
    /// Who may come; empty, everybody.
    pub allow: Vec<IpNet>,
    /// Who may not come, even when allowed.
    pub deny: Vec<IpNet>,
    /// What TLS shows and asks for; `None`, there is no TLS.
    pub tls: Option<Tls>,
    /// What requests must bring to say who sends them; `None`, nothing.
    pub auth: Option<Auth>,
    /// The pages that may open a WebSocket here: origins as browsers send them, [`SAME_ORIGIN`] or [`ANY_ORIGIN`]. Empty
    /// for services other than HTTP.
    pub origins: Vec<String>,
    /// The WebSocket subprotocols that are spoken here, the preferred one first.
    pub subprotocols: Vec<String>,
    /// Whether WebSocket messages may be compressed.
    pub deflate: bool,
    /// Whether compressed messages may refer to those before them (context takeover, RFC 7692).
    pub deflate_context: bool,
    /// For NATS behind TLS, when TLS begins.
    pub tls_mode: TlsMode,
    /// The user of the hub that those are who show nothing; unset, they are refused where there are users or `auth`.
    pub no_auth_user: Option<String>,
    /// What is done with consumers that do not keep up, where no rule of the hub says it for the subject.
    pub slow: SlowPolicy,
    /// For datagrams that are published: under which subject. Unset, each begins with a line that names it.
    pub subject: Option<String>,
}

/// TLS at one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The certificates; a client gets the first one that fits the name it asks for, or else the first.
    pub certificates: Vec<CertificateFiles>,
    /// Whether a certificate is made at the start that nobody has signed; then there are no files.
    pub self_signed: bool,
    /// The authorities that clients' certificates are checked against.
    pub client_ca: Option<PathBuf>,
    /// Whether clients must show a certificate.
    pub client_auth: ClientAuth,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
}

/// The files of one certificate, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What requests must bring to say who sends them: one of these suffices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// A file of static tokens.
    pub tokens: Option<PathBuf>,
    /// A file with the secret of JSON Web Tokens signed with HS256.
    pub jwt_secret: Option<PathBuf>,
    /// Files with the public keys of JSON Web Tokens, PEM.
    pub jwt_keys: Vec<PathBuf>,
    /// A file with a set of such keys (RFC 7517).
    pub jwks: Option<PathBuf>,
    /// The audience that a JSON Web Token must name.
    pub audience: Option<String>,
    /// The issuer that a JSON Web Token must name.
    pub issuer: Option<String>,
    /// How far the clocks of those who make tokens may be off.
    pub leeway: Duration,
    /// The cookie that may carry the token.
    pub cookie: Option<String>,
    /// The query parameter that may carry the token.
    pub query: Option<String>,
    /// Whether a WebSocket subprotocol may carry the token.
    pub subprotocol: bool,
    /// The realm that a refusal names.
    pub realm: String,
}

impl Listener {
    /// This service at `listen`, which must open; everybody may come, and without TLS.
    pub fn new(listen: Listen, service: ServiceName) -> Self {
        let origins = if service == ServiceName::Http { vec![SAME_ORIGIN.to_owned()] } else { Vec::new() };
        Self {
            listen,
            service,
            mode: None,
            optional: false,
            proxy_protocol: false,
            allow: Vec::new(),
            deny: Vec::new(),
            tls: None,
            auth: None,
            origins,
            subprotocols: Vec::new(),
            deflate: false,
            deflate_context: false,
            tls_mode: TlsMode::default(),
            no_auth_user: None,
            slow: SlowPolicy::default(),
            subject: None,
        }
    }

    /// Echo at `listen`, which must open.
    pub fn echo(listen: Listen) -> Self {
        Self::new(listen, ServiceName::Echo)
    }
}

impl Tls {
    /// TLS with a certificate that nobody has signed, for a first try.
    pub fn self_signed() -> Self {
        Self { self_signed: true, ..Self::default() }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            tokens: None,
            jwt_secret: None,
            jwt_keys: Vec::new(),
            jwks: None,
            audience: None,
            issuer: None,
            leeway: limits::JWT_LEEWAY,
            cookie: None,
            query: None,
            subprotocol: false,
            realm: "tidemill".to_owned(),
        }
    }
}

/// What is served when nobody says anything: echo over TCP and UDP, pages, the operators' figures, and the hub for NATS
/// clients, each on the loopback of both families; a host without IPv6 does without those.
pub(super) fn default_listeners() -> Vec<Listener> {
    let echo = |kind: fn(SocketAddr) -> Listen| {
        on_loopbacks(move |ip| Listener::echo(kind(SocketAddr::new(ip, limits::DEFAULT_PORT))))
    };
    let http = on_loopbacks(|ip| tcp_at(ip, limits::HTTP_PORT, ServiceName::Http));
    let admin = on_loopbacks(|ip| tcp_at(ip, limits::ADMIN_PORT, ServiceName::Admin));
    let nats = on_loopbacks(|ip| tcp_at(ip, limits::NATS_PORT, ServiceName::Nats));
    let ([tcp, tcp_six], [udp, udp_six]) = (echo(Listen::Tcp), echo(Listen::Udp));
    [[tcp, udp], [tcp_six, udp_six], http, admin, nats].into_iter().flatten().collect()
}

/// What is served beside it when only a certificate was asked for.
pub(super) fn default_tls_listeners(tls: &Tls) -> Vec<Listener> {
    let with_tls = |listener| Listener { tls: Some(tls.clone()), ..listener };
    let https = on_loopbacks(|ip| with_tls(tcp_at(ip, limits::HTTPS_PORT, ServiceName::Http)));
    let echo = on_loopbacks(|ip| with_tls(tcp_at(ip, limits::TLS_PORT, ServiceName::Echo)));
    let nats = on_loopbacks(|ip| with_tls(tcp_at(ip, limits::NATS_TLS_PORT, ServiceName::Nats)));
    https.into_iter().chain(echo).chain(nats).collect()
}

fn tcp_at(ip: IpAddr, port: u16, service: ServiceName) -> Listener {
    Listener::new(Listen::Tcp(SocketAddr::new(ip, port)), service)
}

/// The listener on both loopbacks; the one of IPv6 is optional.
fn on_loopbacks(make: impl Fn(IpAddr) -> Listener) -> [Listener; 2] {
    let six = make(Ipv6Addr::LOCALHOST.into());
    [make(Ipv4Addr::LOCALHOST.into()), Listener { optional: true, ..six }]
}
