//! A certificate for a first try: made at start-up, signed by itself, known to nobody else.
//!
//! Its key never leaves the process. Whoever connects can compare the fingerprint.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::sign::CertifiedKey;

use super::error::CredentialsError;
use crate::limits;

/// The names and addresses of the host itself.
pub const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A certificate with its key.
#[derive(Clone)]
pub(super) struct SelfSigned {
    pub(super) key: Arc<CertifiedKey>,
    /// SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` writes it.
    pub(super) fingerprint: String,
}

impl SelfSigned {
    /// Makes one for these names and addresses, good from an hour ago (clocks differ) for a year.
    pub(super) fn new(
        names: &[&str],
        now: UnixTime,
        provider: &CryptoProvider,
    ) -> Result<Self, CredentialsError> {
        let explain = |error: rcgen::Error| CredentialsError::Other(error.to_string());
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).map_err(explain)?;
        params.distinguished_name.push(DnType::CommonName, "tidemill, self-signed");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let epoch = date_time_ymd(1970, 1, 1);
        let now = Duration::from_secs(now.as_secs());
        params.not_before = epoch + now.saturating_sub(Duration::from_secs(3600));
        params.not_after = epoch + now + Duration::from_secs(limits::SELF_SIGNED_DAYS * 24 * 3600);

        let pair = KeyPair::generate().map_err(explain)?;
        let certificate = params.self_signed(&pair).map_err(explain)?;
        let der = CertificateDer::from(certificate.der().to_vec());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pair.serialize_der()));
        let fingerprint = fingerprint(&der);
        let key = CertifiedKey::from_der(vec![der], key, provider)
            .map_err(|error| CredentialsError::Other(error.to_string()))?;
        Ok(Self { key: Arc::new(key), fingerprint })
    }
}

/// SHA-256 in pairs of digits.
pub(super) fn fingerprint(certificate: &[u8]) -> String {
    let mut text = String::new();
    let Some(suite) = aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13() else { return text };
    for byte in suite.common.hash_provider.hash(certificate).as_ref() {
        let colon = if text.is_empty() { "" } else { ":" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{colon}{byte:02X}");
    }
    text
}
