//! Certificates and keys: read from files, turned into configurations for [`connection::tls`](crate::connection::tls),
//! and read again without a restart.
//!
//! It knows files and nothing of connections. It reads the wall clock where the library does, at start and at a reload,
//! to say that a certificate has expired. Keys stay in the library's types and are never printed, and secrets of
//! sessions are never written anywhere.

mod choose;
mod client;
mod error;
mod files;
mod self_signed;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use self::choose::Chooser;
pub use self::client::{ClientSettings, Trust, client_config};
pub use self::error::{CredentialsError, Warning};
pub use self::self_signed::LOCAL_NAMES;
use self::self_signed::SelfSigned;
use crate::connection::tls::x509;
use crate::limits;

/// What a listener's TLS is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificates to choose from; the first one is for whoever asks for no name, or for an unknown one.
    pub certificates: Vec<CertificateFiles>,
    /// Whether to make a certificate for this host at start-up, in place of files.
    pub self_signed: bool,
    /// The authorities that sign the certificates of clients.
    pub client_ca: Option<PathBuf>,
    /// Whether clients show certificates.
    pub client_auth: ClientAuth,
    /// The versions that are spoken.
    pub versions: Versions,
    /// The application protocols that are spoken, best first (ALPN). With none, clients may ask for any.
    pub alpn: Vec<Vec<u8>>,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            self_signed: false,
            client_ca: None,
            client_auth: ClientAuth::Off,
            versions: Versions::V1_2AndLater,
            alpn: Vec::new(),
        }
    }
}

/// Where a certificate and its key stand, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The server's certificate, and behind it those that lead to its authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    #[default]
    Off,
    /// They are asked, and may have none; one that they show must be good.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// 1.2 with its authenticated ciphers, and 1.3.
    #[default]
    V1_2AndLater,
    /// 1.3 alone.
    V1_3AndLater,
    /// 1.2 alone: for tests and measurements.
    V1_2Only,
}

impl Versions {
    fn allowed(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
        match self {
            Self::V1_2AndLater => &BOTH,
            Self::V1_3AndLater => &BOTH[..1],
            Self::V1_2Only => &BOTH[1..],
        }
    }
}

/// The keys under which sessions are given to clients as tickets. One for the whole process: whichever shard or
/// listener gave a ticket, every other one takes it, before and after a reload. The library changes the keys every six
/// hours and takes the keys before them for six more.
#[derive(Clone)]
pub struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// New keys: tickets of others are not taken.
    ///
    /// # Errors
    ///
    /// When the system has no randomness to give.
    pub fn new() -> Result<Self, CredentialsError> {
        aws_lc_rs::Ticketer::new().map(Self).map_err(other)
    }
}

/// Without the keys.
impl fmt::Debug for Tickets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tickets").finish_non_exhaustive()
    }
}

/// What a listener proves itself with, ready for connections.
pub struct Credentials {
    settings: TlsSettings,
    tickets: Tickets,
    self_signed: Option<SelfSigned>,
    loaded: Loaded,
}

/// What came out of the files.
struct Loaded {
    config: Arc<ServerConfig>,
    client_ca: Vec<CertificateDer<'static>>,
    warnings: Vec<Warning>,
}

impl Credentials {
    /// Reads the files. `tickets` are shared with other listeners, unless clients show certificates here: a ticket
    /// stands for the certificate that was shown, so it must be one of this listener's own.
    ///
    /// # Errors
    ///
    /// A sentence about the file that cannot be used.
    pub fn load(settings: TlsSettings, tickets: &Tickets) -> Result<Self, CredentialsError> {
        Self::load_at(settings, tickets, UnixTime::now())
    }

    fn load_at(settings: TlsSettings, tickets: &Tickets, now: UnixTime) -> Result<Self, CredentialsError> {
        check(&settings)?;
        let tickets = if settings.client_auth == ClientAuth::Off { tickets.clone() } else { Tickets::new()? };
        let self_signed = settings.self_signed.then(|| make_certificate(now)).transpose()?;
        let loaded = load(&settings, self_signed.as_ref(), &tickets, now)?;
        Ok(Self { settings, tickets, self_signed, loaded })
    }

    /// As [`load`](Self::load), for a listener that has proven itself with `before` until now: a self-signed certificate
    /// stays as it is, and so do the sessions of clients, unless their own certificates are checked in another way.
    ///
    /// # Errors
    ///
    /// A sentence about the file that cannot be used.
    pub fn load_after(
        settings: TlsSettings,
        tickets: &Tickets,
        before: &Self,
    ) -> Result<Self, CredentialsError> {
        check(&settings)?;
        let now = UnixTime::now();
        let made = || before.self_signed.clone().map_or_else(|| make_certificate(now), Ok);
        let self_signed = settings.self_signed.then(made).transpose()?;
        let asks_the_same = settings.client_auth == before.settings.client_auth;
        let mut tickets = match settings.client_auth {
            ClientAuth::Off => tickets.clone(),
            ClientAuth::Optional | ClientAuth::Required if asks_the_same => before.tickets.clone(),
            ClientAuth::Optional | ClientAuth::Required => Tickets::new()?,
        };
        let mut loaded = load(&settings, self_signed.as_ref(), &tickets, now)?;
        if asks_the_same && loaded.client_ca != before.loaded.client_ca {
            // Whoever was let in by an authority that is gone must not come back with a ticket.
            tickets = Tickets::new()?;
            loaded = load(&settings, self_signed.as_ref(), &tickets, now)?;
        }
        Ok(Self { settings, tickets, self_signed, loaded })
    }

    /// Reads the files again. Connections that are open keep what they have; those that come later get the new
    /// certificates. A self-signed certificate stays as it is.
    ///
    /// # Errors
    ///
    /// A sentence about the file that cannot be used; then everything stays as it was.
    pub fn reload(&mut self) -> Result<(), CredentialsError> {
        *self = Self::load_after(self.settings.clone(), &self.tickets, self)?;
        Ok(())
    }

    /// The configuration for new connections.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.loaded.config)
    }

    /// What they were made from.
    pub fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    /// What was odd when the files were last read.
    pub fn warnings(&self) -> &[Warning] {
        &self.loaded.warnings
    }

    /// The SHA-256 fingerprint of the self-signed certificate, if there is one.
    pub fn fingerprint(&self) -> Option<&str> {
        self.self_signed.as_ref().map(|made| made.fingerprint.as_str())
    }
}

/// Without the keys.
impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn make_certificate(now: UnixTime) -> Result<SelfSigned, CredentialsError> {
    SelfSigned::new(&LOCAL_NAMES, now, &provider())
}

/// Refuses what contradicts itself, before any file is read.
fn check(settings: &TlsSettings) -> Result<(), CredentialsError> {
    let count = settings.certificates.len();
    if limits::CERTIFICATES_MAX < count {
        return Err(CredentialsError::TooManyCertificates(count));
    }
    match (count, settings.self_signed) {
        (0, false) => return Err(CredentialsError::NoCertificates),
        (1.., true) => return Err(CredentialsError::SelfSignedBesideFiles),
        _ => {}
    }
    match (&settings.client_ca, settings.client_auth) {
        (Some(path), ClientAuth::Off) => Err(CredentialsError::UnusedClientCa(path.clone())),
        (None, ClientAuth::Optional | ClientAuth::Required) => Err(CredentialsError::NoClientCa),
        _ => Ok(()),
    }
}

fn load(
    settings: &TlsSettings,
    self_signed: Option<&SelfSigned>,
    tickets: &Tickets,
    now: UnixTime,
) -> Result<Loaded, CredentialsError> {
    let provider = provider();
    let mut warnings = Vec::new();
    let chooser = chooser(settings, self_signed, &provider, now, &mut warnings)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(settings.versions.allowed())
        .map_err(other)?;
    let (builder, client_ca) = match &settings.client_ca {
        None => (builder.with_no_client_auth(), Vec::new()),
        Some(path) => {
            let (roots, certificates) = roots(path)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match settings.client_auth {
                ClientAuth::Optional => verifier.allow_unauthenticated(),
                ClientAuth::Off | ClientAuth::Required => verifier,
            };
            let verifier = verifier.build().map_err(|error| CredentialsError::Other(error.to_string()))?;
            (builder.with_client_cert_verifier(verifier), certificates)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(chooser));
    config.alpn_protocols.clone_from(&settings.alpn);
    // Sessions are kept by the clients, so that shards share nothing but keys.
    config.ticketer = Arc::clone(&tickets.0);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = limits::TLS_TICKETS;
    // Early data can be replayed (RFC 8446, 8).
    config.max_early_data_size = 0;
    Ok(Loaded { config: Arc::new(config), client_ca, warnings })
}

/// All certificates with their keys, by name.
fn chooser(
    settings: &TlsSettings,
    self_signed: Option<&SelfSigned>,
    provider: &CryptoProvider,
    now: UnixTime,
    warnings: &mut Vec<Warning>,
) -> Result<Chooser, CredentialsError> {
    let mut chooser = self_signed.map(|made| Chooser::new(Arc::clone(&made.key)));
    for files in &settings.certificates {
        let (key, names) = certified_key(files, provider, now, warnings)?;
        chooser.get_or_insert_with(|| Chooser::new(Arc::clone(&key))).add(&names, &key);
    }
    chooser.ok_or(CredentialsError::NoCertificates)
}

/// One certificate with its key, and the names it is for.
fn certified_key(
    files: &CertificateFiles,
    provider: &CryptoProvider,
    now: UnixTime,
    warnings: &mut Vec<Warning>,
) -> Result<(Arc<CertifiedKey>, Vec<String>), CredentialsError> {
    let CertificateFiles { cert, key } = files;
    let chain = files::certificates(cert)?;
    let secret = files::key(key)?;
    let read = x509::read(&chain[0]).ok_or_else(|| CredentialsError::BadCertificate {
        path: cert.clone(),
        problem: "it is not an X.509 certificate".to_owned(),
    })?;
    let certified = CertifiedKey::from_der(chain, secret, provider).map_err(|error| match error {
        Error::InconsistentKeys(_) => CredentialsError::KeyOfAnother { cert: cert.clone(), key: key.clone() },
        Error::InvalidCertificate(_) => {
            CredentialsError::BadCertificate { path: cert.clone(), problem: error.to_string() }
        }
        error => CredentialsError::BadKey { path: key.clone(), problem: error.to_string() },
    })?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let (first, last) = read.validity;
    if last < now {
        warnings.push(Warning::Expired { path: cert.clone(), days: now.abs_diff(last) / 86_400 });
    }
    if now < first {
        warnings.push(Warning::NotYetValid(cert.clone()));
    }
    if read.names.is_empty() {
        warnings.push(Warning::NoNames(cert.clone()));
    }
    if files::is_open_to_all(key) {
        warnings.push(Warning::OpenKey(key.clone()));
    }
    Ok((Arc::new(certified), read.names))
}

/// The authorities of a file.
fn roots(path: &Path) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), CredentialsError> {
    let certificates = files::certificates(path)?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| CredentialsError::BadCertificate {
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
    }
    Ok((roots, certificates))
}

/// The cryptography, named: nobody's default is relied on.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[expect(clippy::needless_pass_by_value, reason = "it is made for map_err")]
fn other(error: Error) -> CredentialsError {
    CredentialsError::Other(error.to_string())
}

#[cfg(test)]
mod tests;
