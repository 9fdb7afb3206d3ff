//! Sets of keys in JSON (JWKS, RFC 7517).
//!
//! A key that is for something else (encryption, another algorithm, another kind) is passed over, as section 5 of the RFC
//! asks. A key that contradicts itself is a mistake, and said to be one.

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::keys::{self, VerifyingKey};

/// The keys of a set that verify tokens. Symmetric ones are taken only when this is `allow_symmetric`: in a file of public
/// keys they are a mistake, and whoever can read the file could make tokens.
pub(super) fn parse(bytes: &[u8], allow_symmetric: bool) -> Result<Vec<VerifyingKey>, String> {
    let set: Set = serde_json::from_slice(bytes).map_err(|error| {
        // Of the parser's message only the place is told: the rest may hold a piece of the file.
        let (line, column) = (error.line(), error.column());
        format!("this is not a key set, {{\"keys\": [...]}}: see line {line}, column {column}")
    })?;
    let mut found = Vec::new();
    for (number, member) in (1..).zip(set.keys) {
        let wrong = |problem: String| format!("key {number} of the set: {problem}");
        let key: Key = serde_json::from_value(member)
            .map_err(|_| wrong("a key has a \"kty\", and its members are texts".to_owned()))?;
        found.extend(key.read(allow_symmetric).map_err(wrong)?);
    }
    if found.is_empty() {
        return Err("no key of this set verifies tokens".to_owned());
    }
    Ok(found)
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// The members that we look at (RFC 7517, section 4; RFC 7518, section 6; RFC 8037, section 2).
#[derive(Deserialize)]
struct Key {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
    d: Option<Value>,
}

impl Key {
    /// The key, unless it is for something else.
    fn read(self, allow_symmetric: bool) -> Result<Option<VerifyingKey>, String> {
        let is_for_others = self.usage.as_deref().is_some_and(|usage| usage != "sig")
            || self.key_ops.as_ref().is_some_and(|ops| ops.iter().all(|operation| operation != "verify"));
        let Some(family) = self.family().filter(|_| !is_for_others) else { return Ok(None) };
        let Some(algorithm) = self.algorithm(family)? else { return Ok(None) };
        if self.d.is_some() {
            return Err(
                "it has a private part, \"d\", which makes tokens: only public keys belong here".to_owned()
            );
        }
        let id = self.kid.clone();
        let key = match family {
            Family::Rsa => {
                let (n, e) = (member(&self.n, "n")?, member(&self.e, "e")?);
                return keys::rsa_key(algorithm, n, e, id).map(Some);
            }
            Family::Secret if !allow_symmetric => {
                return Err(
                    "it is symmetric, so whoever reads it can make tokens: take it out, and give its secret as one of HS256"
                        .to_owned(),
                );
            }
            Family::Secret => {
                let secret = keys::decoded(member(&self.k, "k")?, "k")?;
                return keys::secret_key(algorithm, &secret, id).map(Some);
            }
            Family::P256 => self.point(32)?,
            Family::P384 => self.point(48)?,
            Family::Ed25519 => DecodingKey::from_ed_der(&coordinate(&self.x, "x", 32)?),
        };
        Ok(Some(VerifyingKey { id, algorithm, key }))
    }

    /// A point on a curve; each coordinate has the full length (RFC 7518, section 6.2.1.2).
    fn point(&self, len: usize) -> Result<DecodingKey, String> {
        let mut point = vec![keys::UNCOMPRESSED];
        point.extend(coordinate(&self.x, "x", len)?);
        point.extend(coordinate(&self.y, "y", len)?);
        Ok(DecodingKey::from_ec_der(&point))
    }

    fn family(&self) -> Option<Family> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Some(Family::Rsa),
            ("EC", Some("P-256")) => Some(Family::P256),
            ("EC", Some("P-384")) => Some(Family::P384),
            ("OKP", Some("Ed25519")) => Some(Family::Ed25519),
            ("oct", _) => Some(Family::Secret),
            _ => None,
        }
    }

    /// The algorithm that the key names, or the usual one of its kind. Nothing for one that we do not know, and a mistake
    /// when it belongs to another kind of key.
    fn algorithm(&self, family: Family) -> Result<Option<Algorithm>, String> {
        let Some(name) = &self.alg else { return Ok(Some(family.algorithms()[0])) };
        let Some(algorithm) = keys::algorithm(name) else { return Ok(None) };
        if !family.algorithms().contains(&algorithm) {
            return Err(format!("its \"alg\" is {algorithm:?}, which is not for keys of its kind"));
        }
        Ok(Some(algorithm))
    }
}

/// Kinds of keys that verify tokens.
#[derive(Clone, Copy)]
enum Family {
    Rsa,
    P256,
    P384,
    Ed25519,
    Secret,
}

impl Family {
    /// What such keys can verify, the usual one first.
    fn algorithms(self) -> &'static [Algorithm] {
        use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
        match self {
            Self::Rsa => &[RS256, RS384, RS512, PS256, PS384, PS512],
            Self::P256 => &[ES256],
            Self::P384 => &[ES384],
            Self::Ed25519 => &[EdDSA],
            Self::Secret => &[HS256, HS384, HS512],
        }
    }
}

fn member<'a>(value: &'a Option<String>, name: &str) -> Result<&'a str, String> {
    value.as_deref().ok_or_else(|| format!("{name:?} is missing"))
}

fn coordinate(value: &Option<String>, name: &str, len: usize) -> Result<Vec<u8>, String> {
    let bytes = keys::decoded(member(value, name)?, name)?;
    if bytes.len() == len {
        Ok(bytes)
    } else {
        Err(format!("{name:?} has {} bytes instead of {len}", bytes.len()))
    }
}
