//! JSON Web Tokens: the signature, then the claims (RFC 7515, RFC 7519, with the advice of RFC 8725).
//!
//! The keys say which algorithms there are; a token can only choose among them. Nothing in a token is believed before its
//! signature was verified, but the name of its key. Time is passed in, as seconds since 1970, and the library's own look
//! at the clock is not used.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto;
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::keys::{self, VerifyingKey};
use super::token::{Denied, Identity};
use crate::limits;

/// The keys, and what a token must say.
#[derive(Debug, Default)]
pub(super) struct Verifier {
    pub(super) keys: Vec<VerifyingKey>,
    /// Whom a token must be for. When it is empty, a token must not say for whom it is (RFC 7519, section 4.1.3).
    pub(super) audiences: Vec<String>,
    /// Who may have made a token; anyone with the key when it is empty.
    pub(super) issuers: Vec<String>,
    pub(super) leeway_seconds: u64,
}

/// The members of a header that we look at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood; we understand none (RFC 7515, section 4.1.11).
    crit: Option<serde::de::IgnoredAny>,
}

/// The claims that we look at (RFC 7519, section 4.1).
#[derive(Deserialize)]
struct Claims {
    exp: Number,
    nbf: Option<Number>,
    aud: Option<Audience>,
    iss: Option<String>,
    sub: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Verifier {
    /// Says whom a token is for, if it is good now.
    #[cfg(test)]
    pub(super) fn verify(&self, token: &str, unix_now: u64) -> Result<Identity, Denied> {
        self.verify_with_claim(token, unix_now, "").map(|(identity, _)| identity)
    }

    /// Says whom a token is for, if it is good now, and what it holds in the claim of that name; an empty name is no claim.
    pub(super) fn verify_with_claim(
        &self,
        token: &str,
        unix_now: u64,
        claim: &str,
    ) -> Result<(Identity, Option<Value>), Denied> {
        let payload = self.signed_payload(token)?;
        let claims: Claims = serde_json::from_slice(&payload).map_err(|_| Denied::Malformed)?;
        let identity = self.check(claims, unix_now)?;
        if claim.is_empty() {
            return Ok((identity, None));
        }
        let mut all: Map<String, Value> = serde_json::from_slice(&payload).map_err(|_| Denied::Malformed)?;
        Ok((identity, all.remove(claim)))
    }

    /// The payload of a token whose signature is good.
    pub(super) fn signed_payload(&self, token: &str) -> Result<Vec<u8>, Denied> {
        let (message, signature) = token.rsplit_once('.').ok_or(Denied::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(Denied::Malformed)?;
        let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| Denied::Malformed)?;
        if header.crit.is_some() {
            return Err(Denied::Malformed);
        }
        let payload = decoded(payload)?;
        decoded(signature)?;
        let candidates = self.candidates(&header)?;
        let fits = |key: &&VerifyingKey| {
            matches!(crypto::verify(signature, message.as_bytes(), &key.key, key.algorithm), Ok(true))
        };
        candidates.iter().find(|key| fits(key)).map(|_| payload).ok_or(Denied::BadSignature)
    }

    /// The keys to try on a token: those of the name that it gives, or else those without a name; with no name given, any
    /// of its algorithm, those without a name first.
    fn candidates(&self, header: &Header) -> Result<Vec<&VerifyingKey>, Denied> {
        let algorithm = keys::algorithm(&header.alg).ok_or(Denied::Algorithm)?;
        let of = |id: Option<&str>| -> Vec<&VerifyingKey> {
            self.keys.iter().filter(|key| key.id.as_deref() == id).collect()
        };
        let mut keys = match &header.kid {
            Some(id) => of(Some(id)),
            None => of(None).into_iter().chain(self.keys.iter().filter(|key| key.id.is_some())).collect(),
        };
        if keys.is_empty() {
            keys = of(None);
        }
        if keys.is_empty() {
            return Err(Denied::UnknownKey);
        }
        keys.retain(|key| key.algorithm == algorithm);
        keys.truncate(limits::JWT_TRIES_MAX);
        if keys.is_empty() { Err(Denied::Algorithm) } else { Ok(keys) }
    }

    /// Checks what a token says, now that it is known who says it.
    fn check(&self, claims: Claims, unix_now: u64) -> Result<Identity, Denied> {
        let expires = seconds(&claims.exp).saturating_add(self.leeway_seconds);
        if unix_now >= expires {
            return Err(Denied::Expired);
        }
        if claims.nbf.is_some_and(|nbf| unix_now.saturating_add(self.leeway_seconds) < seconds(&nbf)) {
            return Err(Denied::NotYet);
        }
        let is_issuer = |issuer: &String| self.issuers.contains(issuer);
        if !self.issuers.is_empty() && !claims.iss.as_ref().is_some_and(is_issuer) {
            return Err(Denied::WrongIssuer);
        }
        if !self.is_for_us(claims.aud.as_ref()) {
            return Err(Denied::WrongAudience);
        }
        let name = claims.sub.unwrap_or_default();
        if name.len() > limits::IDENTITY_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(Denied::Malformed);
        }
        Ok(Identity { name, expires: Some(expires) })
    }

    fn is_for_us(&self, audience: Option<&Audience>) -> bool {
        match audience {
            None => self.audiences.is_empty(),
            Some(Audience::One(one)) => self.audiences.contains(one),
            Some(Audience::Many(many)) => many.iter().any(|one| self.audiences.contains(one)),
        }
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, Denied> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Denied::Malformed)
}

/// Whole seconds since 1970. A date may have a fraction (RFC 7519, section 2); before 1970 is 1970.
fn seconds(date: &Number) -> u64 {
    let whole = |date: f64| match Duration::try_from_secs_f64(date) {
        Ok(duration) => duration.as_secs(),
        Err(_) if date < 0.0 => 0,
        Err(_) => u64::MAX,
    };
    date.as_u64().or_else(|| date.as_f64().map(whole)).unwrap_or(0)
}
