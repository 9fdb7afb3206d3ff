//! Who sends this: judging a credential by static tokens and by the keys of JSON Web Tokens.
//!
//! [`Authenticator::load`] reads all files, at start-up and again when asked to; whoever holds the one from before keeps it
//! when that fails. Judging is pure. Neither errors nor `Debug` hold a secret or a credential.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::credential::{Malformed, is_token};
use super::error::AccessError;
use super::files;
use super::jwt::Verifier;
use super::keys::{self, VerifyingKey};
use super::keyset;
use super::statics::Statics;
use crate::limits;

/// Where tokens and keys are, and what a JSON Web Token must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSettings {
    /// A file of static tokens: `name:token` or `token` on each line, `#` for comments.
    pub tokens: Option<PathBuf>,
    /// Files of HS256 secrets.
    pub secrets: Vec<PathBuf>,
    /// PEM files of public keys: RSA for RS256, P-256 for ES256, P-384 for ES384, Ed25519 for EdDSA.
    pub public_keys: Vec<PathBuf>,
    /// Key sets (JWKS, RFC 7517).
    pub key_sets: Vec<PathBuf>,
    /// Whether key sets may hold symmetric keys.
    pub symmetric_key_sets: bool,
    /// Whom a token must be for (`aud`): one of these. When it is empty, a token that says for whom it is is refused
    /// (RFC 7519, section 4.1.3): it was made for somebody else.
    pub audiences: Vec<String>,
    /// Who may have made a token (`iss`): one of these; when it is empty, anyone who has the key.
    pub issuers: Vec<String>,
    /// How far the clocks of those who make tokens may be off.
    pub leeway: Duration,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            tokens: None,
            secrets: Vec::new(),
            public_keys: Vec::new(),
            key_sets: Vec::new(),
            symmetric_key_sets: false,
            audiences: Vec::new(),
            issuers: Vec::new(),
            leeway: limits::JWT_LEEWAY,
        }
    }
}

/// Who sent a good credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name of a static token, or the subject (`sub`) of a JSON Web Token; empty when that has none.
    pub name: String,
    /// From which second since 1970 on the credential is not good any more, the leeway included. Static tokens stay good.
    pub expires: Option<u64>,
}

/// Why a credential was not good. It never holds the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the credential was refused: {}", self.label())]
pub enum Denied {
    /// There is none.
    Missing,
    /// It cannot be read, is too long, demands extensions, or a token lacks its end (`exp`).
    Malformed,
    /// It is neither a token that was handed out nor a JSON Web Token.
    UnknownToken,
    /// The signature is not one of the key's.
    BadSignature,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
    /// It is for somebody else.
    WrongAudience,
    /// It was made by somebody else.
    WrongIssuer,
    /// It names a key that is not here.
    UnknownKey,
    /// No key here is for its algorithm.
    Algorithm,
    /// There is no such user, or it is not the user's password.
    WrongPassword,
}

impl Denied {
    /// All reasons, for counters.
    pub const ALL: [Self; 11] = [
        Self::Missing,
        Self::Malformed,
        Self::UnknownToken,
        Self::BadSignature,
        Self::Expired,
        Self::NotYet,
        Self::WrongAudience,
        Self::WrongIssuer,
        Self::UnknownKey,
        Self::Algorithm,
        Self::WrongPassword,
    ];

    /// Its name in counters.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::UnknownToken => "unknown_token",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::WrongAudience => "wrong_audience",
            Self::WrongIssuer => "wrong_issuer",
            Self::UnknownKey => "unknown_key",
            Self::Algorithm => "algorithm",
            Self::WrongPassword => "wrong_password",
        }
    }
}

impl From<Malformed> for Denied {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Judges credentials.
#[derive(Debug)]
pub struct Authenticator {
    statics: Statics,
    verifier: Verifier,
    warnings: Vec<String>,
}

impl Authenticator {
    /// Reads all tokens and keys.
    pub fn load(settings: &AuthSettings) -> Result<Self, AccessError> {
        if settings.leeway > limits::JWT_LEEWAY_MAX {
            return Err(AccessError::Leeway);
        }
        let mut loading = Loading::default();
        if let Some(path) = &settings.tokens {
            loading.statics = Statics::parse(path, &loading.read_secret(path)?)?;
        }
        for path in &settings.secrets {
            let bytes = loading.read_secret(path)?;
            loading.add(path, keys::from_secret(&bytes).map(|key| vec![key]))?;
        }
        for path in &settings.public_keys {
            loading.add(path, keys::from_pem(&files::read(path)?))?;
        }
        for path in &settings.key_sets {
            // With symmetric keys in it, it is a file of secrets.
            let bytes =
                if settings.symmetric_key_sets { loading.read_secret(path)? } else { files::read(path)? };
            loading.add(path, keyset::parse(&bytes, settings.symmetric_key_sets))?;
        }
        let Loading { statics, keys, warnings } = loading;
        if statics.is_empty() && keys.is_empty() {
            return Err(AccessError::Nothing);
        }
        let verifier = Verifier {
            keys,
            audiences: settings.audiences.clone(),
            issuers: settings.issuers.clone(),
            leeway_seconds: settings.leeway.as_secs(),
        };
        Ok(Self { statics, verifier, warnings })
    }

    /// Says who sent this credential; `unix_now` is the seconds since 1970. Without a credential there is
    /// [`Denied::Missing`].
    pub fn verify(&self, credential: &str, unix_now: u64) -> Result<Identity, Denied> {
        self.verify_with_claim(credential, unix_now, "").map(|(identity, _)| identity)
    }

    /// As [`verify`](Self::verify), and says what a JSON Web Token holds in the claim of that name. Static tokens have none.
    pub fn verify_with_claim(
        &self,
        credential: &str,
        unix_now: u64,
        claim: &str,
    ) -> Result<(Identity, Option<Value>), Denied> {
        if credential.is_empty() {
            return Err(Denied::Missing);
        }
        if credential.len() > limits::CREDENTIAL_BYTES_MAX || !is_token(credential) {
            return Err(Denied::Malformed);
        }
        if let Some(name) = self.statics.find(credential) {
            return Ok((Identity { name: name.to_owned(), expires: None }, None));
        }
        let is_jwt = credential.bytes().filter(|byte| *byte == b'.').count() == 2;
        match (self.verifier.keys.is_empty(), is_jwt) {
            (false, true) => self.verifier.verify_with_claim(credential, unix_now, claim),
            (false, false) if self.statics.is_empty() => Err(Denied::Malformed),
            (false, false) | (true, _) => Err(Denied::UnknownToken),
        }
    }

    /// What an operator should know about the files: each a sentence for the log.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// What was read so far.
#[derive(Default)]
struct Loading {
    statics: Statics,
    keys: Vec<VerifyingKey>,
    warnings: Vec<String>,
}

impl Loading {
    fn read_secret(&mut self, path: &Path) -> Result<Vec<u8>, AccessError> {
        let bytes = files::read(path)?;
        self.warnings.extend(files::warning(path));
        Ok(bytes)
    }

    /// Takes the keys of a file. Those that cannot be told apart by a token are few, so that all of them are tried.
    fn add(&mut self, path: &Path, keys: Result<Vec<VerifyingKey>, String>) -> Result<(), AccessError> {
        let wrong = |problem: String| AccessError::File { path: path.to_owned(), problem };
        for key in keys.map_err(wrong)? {
            let is_like = |other: &&VerifyingKey| (&other.id, other.algorithm) == (&key.id, key.algorithm);
            if self.keys.iter().filter(is_like).count() == limits::JWT_TRIES_MAX {
                let most = limits::JWT_TRIES_MAX;
                return Err(wrong(format!(
                    "there are more than {most} keys of one algorithm and one \"kid\", or with none"
                )));
            }
            if self.keys.len() == limits::JWT_KEYS_MAX {
                return Err(AccessError::TooManyKeys);
            }
            self.keys.push(key);
        }
        Ok(())
    }
}
