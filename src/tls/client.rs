//! Configurations for the client's role: the load generator and tests.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::error::CredentialsError;
use super::{Versions, provider, roots};
use crate::limits;

/// How a client meets servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// Which servers it believes.
    pub trust: Trust,
    /// The application protocols it offers, best first (ALPN): `http/1.1`, for example.
    pub alpn: Vec<Vec<u8>>,
    /// The versions it offers.
    pub versions: Versions,
    /// Whether it resumes earlier sessions.
    pub resumption: bool,
}

/// Which servers a client believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those whose certificate one of these authorities has signed, for their name and for today.
    Authorities(PathBuf),
    /// Everybody who holds the key of the certificate they show. For tests and measurements only.
    Anybody,
}

/// Makes a configuration for clients.
///
/// # Errors
///
/// When the file of authorities cannot be read or used.
pub fn client_config(settings: &ClientSettings) -> Result<Arc<ClientConfig>, CredentialsError> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(settings.versions.allowed())
        .map_err(|error| CredentialsError::Other(error.to_string()))?;
    let builder = match &settings.trust {
        Trust::Authorities(path) => builder.with_root_certificates(roots(path)?.0),
        Trust::Anybody => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAnyCertificate(provider)))
        }
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols.clone_from(&settings.alpn);
    config.resumption = if settings.resumption {
        Resumption::in_memory_sessions(limits::TLS_CLIENT_SESSIONS)
    } else {
        Resumption::disabled()
    };
    Ok(Arc::new(config))
}

/// Believes every certificate, whoever signed it and whatever name it is for. The peer must still hold its key.
#[derive(Debug)]
struct AcceptAnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
