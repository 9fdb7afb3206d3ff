//! Why a connection's TLS failed, by cause.
//!
//! The causes are ours, so that counters and logs keep their names whatever the library below calls them.

use rustls::{CertificateError, Error, PeerIncompatible};

/// Why the bytes of a connection cannot be taken or sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The first bytes are those of a plain HTTP request. Nothing has been answered: the caller may, in plain text.
    #[error("the peer speaks plain HTTP, and this port speaks TLS")]
    PlainHttp,
    /// No cipher suite, group or signature scheme is known to both sides.
    #[error("no cipher, group or signature scheme is known to both sides")]
    NoSharedCipher,
    /// No application protocol is known to both sides (ALPN, RFC 7301).
    #[error("no application protocol is known to both sides")]
    NoSharedProtocol,
    /// No version of TLS is allowed by both sides.
    #[error("no version of TLS is allowed by both sides")]
    ProtocolVersion,
    /// The peer's certificate comes from an authority that is not trusted here.
    #[error("the peer's certificate comes from an authority that is not trusted here")]
    UnknownCa,
    /// The peer's certificate is wrong: expired, for another name or use, or not signed as it should be.
    #[error("the peer's certificate is not good: {0}")]
    BadCertificate(String),
    /// The peer showed no certificate, and one is required.
    #[error("the peer showed no certificate, and one is required")]
    NoCertificate,
    /// The peer ended the connection with this alert (RFC 8446, 6).
    #[error("the peer ended the connection with alert {0}")]
    AlertReceived(u8),
    /// A record does not decrypt: it was changed on its way, or never was encrypted with our keys.
    #[error("a record does not decrypt")]
    Decrypt,
    /// The peer broke the protocol.
    #[error("the peer broke the protocol: {0}")]
    Malformed(String),
    /// A message was begun and not ended within its bound.
    #[error("the peer sent an unfinished message of more bytes than are kept")]
    TooLarge,
    /// Data was to be sent before the handshake was done.
    #[error("the handshake is not done yet")]
    NotReady,
    /// The connection has failed or was closed before: nothing can be sent any more.
    #[error("the TLS connection has ended")]
    Ended,
    /// So much was encrypted that the keys must not be used any more; TLS 1.2 cannot change them.
    #[error("the keys have been used up")]
    KeysUsedUp,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl TlsError {
    /// The label of the cause, for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::PlainHttp => "plain_http",
            Self::NoSharedCipher => "no_shared_cipher",
            Self::NoSharedProtocol => "no_shared_protocol",
            Self::ProtocolVersion => "protocol_version",
            Self::UnknownCa => "unknown_ca",
            Self::BadCertificate(_) => "bad_certificate",
            Self::NoCertificate => "no_certificate",
            Self::AlertReceived(_) => "alert_received",
            Self::Decrypt => "decrypt",
            Self::Malformed(_) => "malformed",
            Self::TooLarge => "too_large",
            Self::NotReady => "not_ready",
            Self::Ended => "ended",
            Self::KeysUsedUp => "keys_used_up",
            Self::Other(_) => "other",
        }
    }

    /// Tells the causes of the library apart.
    pub(super) fn from_rustls(error: Error) -> Self {
        match error {
            Error::PeerIncompatible(why) => Self::incompatible(&why),
            Error::NoApplicationProtocol => Self::NoSharedProtocol,
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => Self::UnknownCa,
            Error::InvalidCertificate(why) => Self::BadCertificate(why.to_string()),
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::AlertReceived(alert) => Self::AlertReceived(u8::from(alert)),
            Error::DecryptError => Self::Decrypt,
            Error::PeerSentOversizedRecord
            | Error::InvalidMessage(_)
            | Error::PeerMisbehaved(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. } => Self::Malformed(error.to_string()),
            other => Self::Other(other.to_string()),
        }
    }

    fn incompatible(why: &PeerIncompatible) -> Self {
        match why {
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled => Self::ProtocolVersion,
            PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon
            | PeerIncompatible::NoCipherSuitesInCommon
            | PeerIncompatible::NoEcPointFormatsInCommon
            | PeerIncompatible::NoKxGroupsInCommon
            // Clients older than TLS 1.2 send no such extension (RFC 5246, section 7.4.1.4.1).
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired
            | PeerIncompatible::NoSignatureSchemesInCommon => Self::NoSharedCipher,
            other => Self::Other(format!("the peers are incompatible: {other:?}")),
        }
    }
}
