//! Keys that verify JSON Web Tokens, each bound to the one algorithm that it is for.
//!
//! The algorithm comes from the key's kind, as its file tells it, and never from a token: so nobody can have a public key
//! taken for a secret. It must not know tokens. Secrets and PEM files are read here, key sets in
//! [`keyset`](super::keyset).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey};
use rustls::pki_types::pem::{PemObject, SectionKind};

use crate::limits;

/// A key, and what it is for.
pub(super) struct VerifyingKey {
    /// Its name (`kid`), when it has one.
    pub(super) id: Option<String>,
    /// The only algorithm that it verifies.
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// The HS256 key in a file: all its bytes, but for the line's end behind a secret that is text.
pub(super) fn from_secret(bytes: &[u8]) -> Result<VerifyingKey, String> {
    if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
        return Err("this is a PEM file and no secret: name it as a public key, if it is one".to_owned());
    }
    let line = bytes.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let is_text = |line: &&[u8]| std::str::from_utf8(line).is_ok_and(|text| !text.contains(char::is_control));
    let secret = line.filter(is_text).unwrap_or(bytes);
    secret_key(Algorithm::HS256, secret, None)
}

/// A key that makes tokens as well as it verifies them.
pub(super) fn secret_key(
    algorithm: Algorithm,
    secret: &[u8],
    id: Option<String>,
) -> Result<VerifyingKey, String> {
    // RFC 7518, section 3.2: as long as the hash.
    let least = match algorithm {
        Algorithm::HS512 => 2 * limits::JWT_SECRET_BYTES_MIN,
        Algorithm::HS384 => limits::JWT_SECRET_BYTES_MIN * 3 / 2,
        _ => limits::JWT_SECRET_BYTES_MIN,
    };
    if secret.len() < least {
        return Err(format!(
            "a secret for {algorithm:?} has at least {least} bytes. Try: openssl rand -hex 32"
        ));
    }
    Ok(VerifyingKey { id, algorithm, key: DecodingKey::from_secret(secret) })
}

/// The public keys in a PEM file.
pub(super) fn from_pem(bytes: &[u8]) -> Result<Vec<VerifyingKey>, String> {
    let mut keys = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
        match section.map_err(|_| "this is not PEM as openssl writes it")? {
            (SectionKind::PublicKey, der) => keys.push(from_public_key(&der)?),
            (SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey, _) => {
                return Err("this is a private key, which makes tokens: here belongs its public half. \
                            Try: openssl pkey -in FILE -pubout"
                    .to_owned());
            }
            (SectionKind::Certificate, _) => {
                return Err("this is a certificate: here belongs its public key. \
                            Try: openssl x509 -in FILE -noout -pubkey"
                    .to_owned());
            }
            _ => {}
        }
    }
    if keys.is_empty() {
        return Err("there is no public key here: it begins with -----BEGIN PUBLIC KEY-----".to_owned());
    }
    Ok(keys)
}

/// What stands before the key itself in a `SubjectPublicKeyInfo`: with the algorithm and the curve named, and the point
/// uncompressed, there is but one encoding (RFC 5480, section 2; RFC 8410, section 4).
const P256: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\
                      \x03\x42\x00";
const P384: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// The identifier `rsaEncryption` (RFC 8017, appendix A.1).
const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";

/// The first byte of an uncompressed point (SEC 1, section 2.3.3).
pub(super) const UNCOMPRESSED: u8 = 4;

/// The key of a `SubjectPublicKeyInfo`.
fn from_public_key(der: &[u8]) -> Result<VerifyingKey, String> {
    let point = |prefix, len| {
        let point: &[u8] = der.strip_prefix(prefix)?;
        (point.len() == len && point[0] == UNCOMPRESSED).then(|| DecodingKey::from_ec_der(point))
    };
    let edwards = der.strip_prefix(ED25519).filter(|point| point.len() == 32).map(DecodingKey::from_ed_der);
    let known = [
        (Algorithm::ES256, point(P256, 65)),
        (Algorithm::ES384, point(P384, 97)),
        (Algorithm::EdDSA, edwards),
    ];
    let found = known.into_iter().find_map(|(algorithm, key)| Some((algorithm, key?)));
    match found {
        Some((algorithm, key)) => Ok(VerifyingKey { id: None, algorithm, key }),
        None => from_rsa(der),
    }
}

fn from_rsa(der: &[u8]) -> Result<VerifyingKey, String> {
    let broken = "the kind of this key is not supported: RSA, P-256, P-384 and Ed25519 are";
    if !der.windows(RSA.len()).any(|window| window == RSA) {
        return Err(broken.to_owned());
    }
    let jwk = Jwk::from_decoding_key(&DecodingKey::from_rsa_der(der), None).map_err(|_| broken)?;
    match jwk.algorithm {
        AlgorithmParameters::RSA(parts) => rsa_key(Algorithm::RS256, &parts.n, &parts.e, None),
        _ => Err(broken.to_owned()),
    }
}

/// An RSA key from its modulus and exponent in base64.
pub(super) fn rsa_key(
    algorithm: Algorithm,
    modulus: &str,
    exponent: &str,
    id: Option<String>,
) -> Result<VerifyingKey, String> {
    let (n, e) = (decoded(modulus, "n")?, decoded(exponent, "e")?);
    let digits = n.iter().skip_while(|byte| **byte == 0).count();
    let first = n.iter().find(|byte| **byte != 0).map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = 8 * digits - first;
    if !(limits::RSA_BITS_MIN..=limits::RSA_BITS_MAX).contains(&bits) {
        let (least, most) = (limits::RSA_BITS_MIN, limits::RSA_BITS_MAX);
        return Err(format!("an RSA key has {least} to {most} bits, and this one has {bits}"));
    }
    // RFC 8017, section 3.1: odd and at least 3.
    if e.last().is_none_or(|last| last % 2 == 0) || e == [1] {
        return Err("the exponent of this RSA key is none".to_owned());
    }
    Ok(VerifyingKey { id, algorithm, key: DecodingKey::from_rsa_raw_components(&n, &e) })
}

/// The bytes of a member of a key, in the base64 of RFC 7515, section 2.
pub(super) fn decoded(text: &str, member: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("{member:?} is not base64url without padding"))
}

/// The algorithm of this name (RFC 7518, section 3.1; RFC 8037, section 3.1; RFC 9864 for the name `Ed25519`).
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "Ed25519" => Some(Algorithm::EdDSA),
        _ => name.parse().ok(),
    }
}
