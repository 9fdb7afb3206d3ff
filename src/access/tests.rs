//! Tokens and keys together: what RFC 7515, RFC 7519 and RFC 8037 print, what another implementation made, and what must
//! never be let in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

use super::jwt::Verifier;
use super::token::{AuthSettings, Authenticator, Denied, Identity};
use super::vectors as v;
use super::{keys, keyset};

/// RFC 7515, appendix A.1.1: the key and the token; the payload is that of RFC 7519, section 3.1.
const A1_KEY: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const A1: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6\
    Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7515, appendix A.2.1.
const A2_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-S\
    Fd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Ca\
    pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWy\
    uXpoQ";
const A2: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19\
    yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9u\
    JdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO-\
    -xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUP\
    QGe77Rw";
/// RFC 7515, appendix A.3.1.
const A3_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const A3_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const A3: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19\
    yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
/// RFC 7515, appendix A.5: the unsecured one.
const A5: &str = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19y\
    b290Ijp0cnVlfQ.";
/// RFC 8037, appendices A.2 and A.4.
const ED_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const ED: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6\
    dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

/// The examples' `exp`, 2011-03-22 18:43 (RFC 7519, section 3.1).
const EXP: u64 = 1_300_819_380;
/// Within the time of the vectors.
const NOW: u64 = 1_500_000_000;
const SECRET: &str = "a secret that is long enough: 0123456789";

/// A verifier with these keys of a set, symmetric ones too.
fn verifier(keys: &[Value]) -> Verifier {
    let set = json!({ "keys": keys }).to_string();
    Verifier { keys: keyset::parse(set.as_bytes(), true).unwrap(), ..Verifier::default() }
}

fn pem_verifier(pem: &str) -> Verifier {
    let audiences = vec!["tidemill".to_owned()];
    Verifier { keys: keys::from_pem(pem.as_bytes()).unwrap(), audiences, ..Verifier::default() }
}

fn secret_verifier() -> Verifier {
    Verifier { keys: vec![keys::from_secret(SECRET.as_bytes()).unwrap()], ..Verifier::default() }
}

/// A token with any header and claims, signed with HS256 by the secret.
fn signed(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", base64(header), base64(claims));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    format!("{message}.{}", crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap())
}

fn claims(claims: &str) -> String {
    signed(r#"{"alg":"HS256"}"#, claims)
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

/// A folder of its own for the files of one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tidemill-access-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_examples_of_rfc_7515_and_rfc_8037_are_verified() {
    let payload = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
    let check = |key: Value, token: &str, payload: &str| {
        assert_eq!(verifier(&[key]).signed_payload(token).unwrap(), payload.as_bytes(), "{token}");
    };
    check(json!({"kty": "oct", "k": A1_KEY}), A1, payload);
    check(json!({"kty": "RSA", "n": A2_N, "e": "AQAB"}), A2, payload);
    check(json!({"kty": "EC", "crv": "P-256", "x": A3_X, "y": A3_Y}), A3, payload);
    check(json!({"kty": "OKP", "crv": "Ed25519", "x": ED_X}), ED, "Example of Ed25519 signing");
}

#[test]
fn what_another_implementation_signed_is_verified() {
    let alice = Identity { name: "alice".to_owned(), expires: Some(2_000_000_000) };
    let check = |verifier: &Verifier, token: &str| {
        assert_eq!(verifier.verify(token, NOW), Ok(alice.clone()), "{token}");
    };
    check(&pem_verifier(v::RSA_PEM), v::RS256);
    check(&pem_verifier(v::P256_PEM), v::ES256);
    check(&pem_verifier(v::P384_PEM), v::ES384);
    check(&pem_verifier(v::ED_PEM), v::EDDSA);
    check(&pem_verifier(v::ED_PEM), v::ED25519);
    let of_set = |algorithm: &str| {
        let keys = verifier(&[json!({"kty": "RSA", "alg": algorithm, "n": v::RSA_N, "e": "AQAB"})]).keys;
        Verifier { keys, ..pem_verifier(v::P256_PEM) }
    };
    check(&of_set("RS256"), v::RS256);
    check(&of_set("RS512"), v::RS512);
    check(&of_set("PS256"), v::PS256);
    assert_eq!(of_set("PS256").verify(v::RS256, NOW), Err(Denied::Algorithm));
    assert_eq!(of_set("RS256").verify(v::PS256, NOW), Err(Denied::Algorithm));
}

#[test]
fn no_token_chooses_its_algorithm() {
    let rsa = pem_verifier(v::RSA_PEM);
    let check = |verifier: &Verifier, token: &str| {
        assert_eq!(verifier.verify(token, NOW), Err(Denied::Algorithm), "{token}");
    };
    // Signed with the text of the public key as the secret.
    check(&rsa, v::CONFUSED);
    check(&rsa, v::NONE);
    check(&secret_verifier(), v::NONE);
    check(&secret_verifier(), A5);
    check(&secret_verifier(), v::RS256);
    check(&rsa, v::ES256);
    check(&pem_verifier(v::P256_PEM), v::ES384);
    for name in ["None", "NONE", "", "hs256", "HS512", "HS256 ", "RSA-OAEP", "ES256K", "../HS256"] {
        check(&secret_verifier(), &signed(&format!(r#"{{"alg":"{name}"}}"#), r#"{"exp":9999999999}"#));
    }
    // A public key is no secret, even when its file is named as one.
    assert!(keys::from_secret(v::RSA_PEM.as_bytes()).unwrap_err().contains("PEM file and no secret"));
}

#[test]
fn a_changed_token_is_refused_at_every_byte() {
    for (verifier, token) in [
        (pem_verifier(v::P256_PEM), v::ES256),
        (pem_verifier(v::ED_PEM), v::EDDSA),
        (secret_verifier(), &claims(r#"{"exp":9999999999,"sub":"alice"}"#)),
    ] {
        assert!(verifier.verify(token, NOW).is_ok());
        for at in 0..token.len() {
            assert!(verifier.verify(&token[..at], NOW).is_err(), "cut at {at}");
            let mut changed = token.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(verifier.verify(&String::from_utf8(changed).unwrap(), NOW).is_err(), "changed at {at}");
        }
        for token in [format!("{token}="), format!("{token}."), format!("{token}.A"), format!(".{token}")] {
            assert_eq!(verifier.verify(&token, NOW), Err(Denied::Malformed));
        }
    }
}

#[test]
fn a_token_is_good_from_its_beginning_to_its_end_and_some_leeway() {
    let check = |leeway_seconds, claims_text: &str, now, expected: Result<u64, Denied>| {
        let verifier = Verifier { leeway_seconds, ..secret_verifier() };
        let answer = verifier.verify(&claims(claims_text), now).map(|identity| identity.expires.unwrap());
        assert_eq!(answer, expected, "{claims_text} at {now}");
    };
    // RFC 7519, section 4.1.4: on or after the time it is not accepted any more.
    check(0, r#"{"exp":1000}"#, 999, Ok(1000));
    check(0, r#"{"exp":1000}"#, 1000, Err(Denied::Expired));
    check(30, r#"{"exp":1000}"#, 1029, Ok(1030));
    check(30, r#"{"exp":1000}"#, 1030, Err(Denied::Expired));
    check(0, r#"{"exp":1000.9}"#, 999, Ok(1000));
    check(0, r#"{"exp":1e3}"#, 1000, Err(Denied::Expired));
    check(0, r#"{"exp":0}"#, 0, Err(Denied::Expired));
    check(0, r#"{"exp":-5}"#, 0, Err(Denied::Expired));
    check(0, r#"{"exp":-5.5}"#, 0, Err(Denied::Expired));
    check(30, r#"{"exp":18446744073709551615}"#, u64::MAX - 1, Ok(u64::MAX));
    check(30, r#"{"exp":1e300}"#, NOW, Ok(u64::MAX));
    check(0, r#"{"exp":9999,"nbf":1000}"#, 1000, Ok(9999));
    check(0, r#"{"exp":9999,"nbf":1000}"#, 999, Err(Denied::NotYet));
    check(30, r#"{"exp":9999,"nbf":1000}"#, 970, Ok(10_029));
    check(30, r#"{"exp":9999,"nbf":1000}"#, 969, Err(Denied::NotYet));
    check(30, r#"{"exp":9999,"nbf":1e300}"#, 969, Err(Denied::NotYet));
    // What has no end, or none that can be read, is not let in.
    for text in ["{}", "[]", "1", "null", "", r#"{"exp":"1000"}"#, r#"{"exp":null}"#, r#"{"exp":true}"#] {
        check(0, text, 0, Err(Denied::Malformed));
    }
    for text in
        [r#"{"exp":99,"exp":1}"#, r#"{"exp":99,"nbf":"x"}"#, r#"{"exp":99} x"#, r#"{"exp":99,"aud":1}"#]
    {
        check(0, text, 0, Err(Denied::Malformed));
    }
}

#[test]
fn a_token_is_for_us_and_from_whom_we_trust() {
    let check = |audiences: &[&str], issuers: &[&str], said: &str, expected: Result<(), Denied>| {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let (audiences, issuers) = (owned(audiences), owned(issuers));
        let verifier = Verifier { audiences, issuers, ..secret_verifier() };
        let token = claims(&format!(r#"{{"exp":9999999999{said}}}"#));
        assert_eq!(verifier.verify(&token, NOW).map(drop), expected, "{said}");
    };
    check(&["we"], &[], r#","aud":"we""#, Ok(()));
    check(&["we", "us"], &[], r#","aud":["they","us"]"#, Ok(()));
    check(&["we"], &[], r#","aud":["they"]"#, Err(Denied::WrongAudience));
    check(&["we"], &[], r#","aud":[]"#, Err(Denied::WrongAudience));
    check(&["we"], &[], r#","aud":"wee""#, Err(Denied::WrongAudience));
    check(&["we"], &[], "", Err(Denied::WrongAudience));
    check(&[], &[], "", Ok(()));
    // RFC 7519, section 4.1.3: who does not find himself in the audience refuses.
    check(&[], &[], r#","aud":"they""#, Err(Denied::WrongAudience));
    check(&[], &["joe"], r#","iss":"joe""#, Ok(()));
    check(&[], &["joe", "ann"], r#","iss":"ann""#, Ok(()));
    check(&[], &["joe"], r#","iss":"ann""#, Err(Denied::WrongIssuer));
    check(&[], &["joe"], "", Err(Denied::WrongIssuer));
    check(&[], &[], r#","iss":"ann""#, Ok(()));
    check(&[], &[], &format!(r#","sub":"{}""#, "a".repeat(257)), Err(Denied::Malformed));
    check(&[], &[], r#","sub":"a\nb""#, Err(Denied::Malformed));
    assert_eq!(secret_verifier().verify(&claims(r#"{"exp":9999999999}"#), NOW).unwrap().name, "");
}

#[test]
fn the_claims_count_only_behind_a_good_signature() {
    let expired = claims(r#"{"exp":1}"#);
    let forged = format!("{}.{}", expired.rsplit_once('.').unwrap().0, base64("not a signature"));
    assert_eq!(secret_verifier().verify(&expired, NOW), Err(Denied::Expired));
    assert_eq!(secret_verifier().verify(&forged, NOW), Err(Denied::BadSignature));
}

#[test]
fn headers_that_cannot_be_trusted_are_malformed() {
    let good = r#"{"exp":9999999999}"#;
    let check = |header: &str, expected: Result<(), Denied>| {
        assert_eq!(secret_verifier().verify(&signed(header, good), NOW).map(drop), expected, "{header}");
    };
    check(r#"{"alg":"HS256","typ":"at+jwt","jwk":{"kty":"oct"},"jku":"https://x","x":1}"#, Ok(()));
    check(r#"{"alg":"HS256","crit":["exp"]}"#, Err(Denied::Malformed)); // RFC 7515, section 4.1.11.
    check(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, Err(Denied::Malformed)); // RFC 7797.
    check(r#"{"alg":"HS256","crit":[]}"#, Err(Denied::Malformed));
    check(r#"{"alg":"HS256","alg":"none"}"#, Err(Denied::Malformed));
    check(r#"{"alg":["HS256"]}"#, Err(Denied::Malformed));
    check(r#"{"alg":"HS256","kid":7}"#, Err(Denied::Malformed));
    check("{}", Err(Denied::Malformed));
    check("", Err(Denied::Malformed));
    check(&"[".repeat(2000), Err(Denied::Malformed));
}

#[test]
fn the_name_of_a_key_chooses_among_keys() {
    let key = |kid: Option<&str>, secret: &str| json!({"kty": "oct", "kid": kid, "alg": "HS256", "k": base64(secret)});
    let other = "some other secret, which is as long: 0123";
    let token = |kid: &str| signed(&format!(r#"{{"alg":"HS256"{kid}}}"#), r#"{"exp":9999999999}"#);
    let check = |keys: &[Value], kid: &str, expected: Result<(), Denied>| {
        assert_eq!(verifier(keys).verify(&token(kid), NOW).map(drop), expected, "{kid} {keys:?}");
    };
    let (one, two) = (key(Some("one"), other), key(Some("two"), SECRET));
    check(&[one.clone(), two.clone()], r#","kid":"two""#, Ok(()));
    check(&[one.clone(), two.clone()], r#","kid":"one""#, Err(Denied::BadSignature));
    check(&[one.clone(), two.clone()], r#","kid":"TWO""#, Err(Denied::UnknownKey));
    check(&[one.clone(), two.clone()], r#","kid":"""#, Err(Denied::UnknownKey));
    check(&[one.clone(), two.clone()], "", Ok(()));
    check(std::slice::from_ref(&one), "", Err(Denied::BadSignature));
    // A key without a name stands in for names that are not here, and only for those.
    let (nameless, p256) =
        (key(None, SECRET), json!({"kty": "EC", "crv": "P-256", "kid": "p", "x": A3_X, "y": A3_Y}));
    check(&[one.clone(), nameless.clone()], r#","kid":"three""#, Ok(()));
    check(&[one.clone(), nameless.clone()], r#","kid":"one""#, Err(Denied::BadSignature));
    check(&[one, nameless.clone()], "", Ok(()));
    check(&[p256.clone(), nameless], r#","kid":"p""#, Err(Denied::Algorithm));
    check(&[p256], "", Err(Denied::Algorithm));
    // Four are tried, and no more.
    let many = |at: usize| -> Vec<Value> {
        (0..6)
            .map(|key_at| key(Some(&key_at.to_string()), if key_at == at { SECRET } else { other }))
            .collect()
    };
    check(&many(3), "", Ok(()));
    check(&many(4), "", Err(Denied::BadSignature));
    check(&many(4), r#","kid":"4""#, Ok(()));
}

#[test]
fn a_key_set_gives_the_keys_that_verify() {
    let check = |members: Value, expected: Option<Algorithm>| {
        let mut key = json!({"kty": "EC", "crv": "P-256", "x": A3_X, "y": A3_Y});
        key.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        key.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let found = keyset::parse(json!({ "keys": [key] }).to_string().as_bytes(), true);
        match expected {
            Some(algorithm) => assert_eq!(found.unwrap()[0].algorithm, algorithm, "{members}"),
            None => assert_eq!(found.unwrap_err(), "no key of this set verifies tokens", "{members}"),
        }
    };
    let p384 = |alg: Value| json!({"crv": "P-384", "alg": alg, "x": "A".repeat(64), "y": "A".repeat(64)});
    check(json!({}), Some(Algorithm::ES256));
    check(
        json!({"use": "sig", "key_ops": ["verify"], "alg": "ES256", "kid": "a", "x5c": ["x"]}),
        Some(Algorithm::ES256),
    );
    check(json!({"key_ops": ["sign", "verify"]}), Some(Algorithm::ES256));
    check(json!({"use": "enc"}), None);
    check(json!({"key_ops": ["sign"]}), None);
    check(json!({"key_ops": []}), None);
    check(json!({"alg": "ECDH-ES"}), None);
    check(json!({"crv": "secp256k1"}), None);
    check(json!({"crv": null}), None);
    check(json!({"kty": "AKP"}), None);
    check(p384(Value::Null), Some(Algorithm::ES384));
    check(json!({"kty": "OKP", "crv": "Ed25519", "x": ED_X}), Some(Algorithm::EdDSA));
    check(json!({"kty": "OKP", "crv": "Ed25519", "x": ED_X, "alg": "Ed25519"}), Some(Algorithm::EdDSA));
    check(json!({"kty": "OKP", "crv": "X25519", "x": ED_X}), None);
    check(json!({"kty": "RSA", "n": A2_N, "e": "AQAB"}), Some(Algorithm::RS256));
    check(json!({"kty": "RSA", "n": A2_N, "e": "AQAB", "alg": "PS384"}), Some(Algorithm::PS384));
    check(json!({"kty": "RSA", "n": A2_N, "e": "AQAB", "alg": "RSA-OAEP"}), None);
    check(json!({"kty": "oct", "k": A1_KEY}), Some(Algorithm::HS256));
    check(json!({"kty": "oct", "k": A1_KEY, "alg": "HS512"}), Some(Algorithm::HS512));
}

#[test]
fn a_key_that_contradicts_itself_is_a_mistake() {
    let check = |key: Value, words: &str| {
        let set = json!({"keys": [{"kty": "oct", "k": A1_KEY}, key]}).to_string();
        let error = keyset::parse(set.as_bytes(), true).unwrap_err();
        assert!(error.starts_with("key 2 of the set: ") && error.contains(words), "{error}");
        assert!(!error.contains(A1_KEY), "{error}");
    };
    check(
        json!({"kty": "RSA", "n": A2_N, "e": "AQAB", "alg": "HS256"}),
        "\"alg\" is HS256, which is not for keys",
    );
    check(json!({"kty": "oct", "k": A1_KEY, "alg": "RS256"}), "\"alg\" is RS256");
    check(json!({"kty": "EC", "crv": "P-256", "x": A3_X, "y": A3_Y, "alg": "ES384"}), "\"alg\" is ES384");
    check(json!({"kty": "EC", "crv": "P-256", "x": A3_X}), "\"y\" is missing");
    check(json!({"kty": "EC", "crv": "P-256", "x": A3_X, "y": "AAAA"}), "\"y\" has 3 bytes instead of 32");
    check(
        json!({"kty": "EC", "crv": "P-256", "x": A3_X, "y": "x_FEzRu9m36HLN/tue659LNpXW6pCyStikYjKIWI5a0"}),
        "base64url",
    );
    check(json!({"kty": "EC", "crv": "P-256", "x": A3_X, "y": A3_Y, "d": "x"}), "private part");
    check(json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}), "\"x\" has 3 bytes instead of 32");
    check(json!({"kty": "RSA", "n": "AAAA", "e": "AQAB"}), "and this one has 0");
    check(json!({"kty": "RSA", "n": A2_N, "e": "Ag"}), "exponent");
    check(json!({"kty": "RSA", "n": A2_N, "e": "AQ"}), "exponent");
    check(json!({"kty": "RSA", "n": A2_N, "e": ""}), "exponent");
    check(json!({"kty": "RSA", "e": "AQAB"}), "\"n\" is missing");
    check(json!({"kty": "oct", "k": "AAAA"}), "at least 32 bytes");
    check(json!({"kty": "oct", "k": base64(SECRET), "alg": "HS384"}), "at least 48 bytes");
    check(json!({"kty": "oct"}), "\"k\" is missing");
    check(json!({"kty": 7}), "a key has a \"kty\"");
    check(json!("key"), "a key has a \"kty\"");
}

#[test]
fn public_keys_are_read_from_pem() {
    let check =
        |pem: &str, algorithm| assert_eq!(keys::from_pem(pem.as_bytes()).unwrap()[0].algorithm, algorithm);
    check(v::RSA_PEM, Algorithm::RS256);
    check(v::P256_PEM, Algorithm::ES256);
    check(v::P384_PEM, Algorithm::ES384);
    check(v::ED_PEM, Algorithm::EdDSA);
    assert_eq!(keys::from_pem(format!("notes\n{}{}", v::RSA_PEM, v::ED_PEM).as_bytes()).unwrap().len(), 2);
    let wrong = |pem: &str, words: &str| {
        let error = keys::from_pem(pem.as_bytes()).unwrap_err();
        assert!(error.contains(words), "{error}");
    };
    wrong("", "no public key here");
    wrong("hello", "no public key here");
    wrong(v::RSA_SMALL_PEM, "2048 to 8192 bits, and this one has 1024");
    wrong(v::K256_PEM, "not supported");
    wrong(v::RSA_PKCS1_PEM, "no public key here");
    wrong(&v::ED_PEM.replace("PUBLIC", "PRIVATE"), "this is a private key");
    wrong(&v::ED_PEM.replace("PUBLIC KEY", "CERTIFICATE"), "this is a certificate");
    wrong("-----BEGIN PUBLIC KEY-----\n!!!\n-----END PUBLIC KEY-----\n", "not PEM");
    wrong("-----BEGIN PUBLIC KEY-----\n", "not PEM");
    wrong("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not supported");
    for at in (0..v::RSA_PEM.len() - 30).step_by(7) {
        assert!(keys::from_pem(&v::RSA_PEM.as_bytes()[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn a_secret_is_the_bytes_of_its_file_but_for_the_end_of_a_line() {
    let token = signed(r#"{"alg":"HS256"}"#, r#"{"exp":9999999999}"#);
    let check = |bytes: &[u8], expected: bool| {
        let keys = vec![keys::from_secret(bytes).unwrap()];
        assert_eq!(Verifier { keys, ..Verifier::default() }.verify(&token, NOW).is_ok(), expected);
    };
    check(SECRET.as_bytes(), true);
    check(format!("{SECRET}\n").as_bytes(), true);
    check(format!("{SECRET}\r\n").as_bytes(), true);
    check(format!("{SECRET}\n\n").as_bytes(), false);
    check(format!("{SECRET} ").as_bytes(), false);
    check(format!(" {SECRET}").as_bytes(), false);
    // What is no text is taken whole: here the last byte is one of the secret's own.
    let binary = [&[0xff; 32][..], b"\n"].concat();
    let message = token.rsplit_once('.').unwrap().0;
    let key = EncodingKey::from_secret(&binary);
    let token = format!("{message}.{}", crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap());
    let keys = vec![keys::from_secret(&binary).unwrap()];
    assert!(Verifier { keys, ..Verifier::default() }.verify(&token, NOW).is_ok());
    assert!(keys::from_secret(&[7; 31]).unwrap_err().contains("at least 32 bytes"));
    assert!(keys::from_secret(&[b'\n'; 31]).is_err());
}

#[test]
fn an_authenticator_takes_tokens_of_all_files() {
    let folder = Folder::new();
    let settings = AuthSettings {
        tokens: Some(folder.file("tokens", "alice:0123456789abcdef\n")),
        secrets: vec![folder.file("secret", SECRET)],
        public_keys: vec![folder.file("p256.pem", v::P256_PEM), folder.file("ed.pem", v::ED_PEM)],
        key_sets: vec![
            folder
                .file("set.json", json!({"keys": [{"kty": "RSA", "n": v::RSA_N, "e": "AQAB"}]}).to_string()),
        ],
        audiences: vec!["tidemill".to_owned()],
        ..AuthSettings::default()
    };
    let all = Authenticator::load(&settings).unwrap();
    assert_eq!(all.warnings(), [""; 0]);
    let check = |credential: &str, expected: Result<&str, Denied>| {
        let name = all.verify(credential, NOW).map(|identity| identity.name);
        assert_eq!(name, expected.map(str::to_owned), "{credential}");
    };
    check("0123456789abcdef", Ok("alice"));
    for token in [v::RS256, v::ES256, v::EDDSA] {
        check(token, Ok("alice"));
    }
    check(&claims(r#"{"exp":9999999999,"aud":"tidemill","sub":"bob"}"#), Ok("bob"));
    check("", Err(Denied::Missing));
    check("0123456789abcdeX", Err(Denied::UnknownToken));
    check("a.b", Err(Denied::UnknownToken));
    check("a.b.c", Err(Denied::Malformed));
    check("a.b.c.d.e", Err(Denied::UnknownToken));
    check("two words", Err(Denied::Malformed));
    check(&"a".repeat(8193), Err(Denied::Malformed));
    check(&format!("{}.b.c", "a".repeat(8189)), Err(Denied::Malformed));
    check(v::NONE, Err(Denied::Algorithm));
    check(v::ES384, Err(Denied::Algorithm));
    assert_eq!(all.verify(v::ES256, 2_000_000_029).unwrap().expires, Some(2_000_000_030));
    assert_eq!(all.verify(v::ES256, 2_000_000_030), Err(Denied::Expired));
    assert_eq!(all.verify(v::ES256, 999_999_969), Err(Denied::NotYet));
    let shown = format!("{all:?} {settings:?}");
    for secret in ["0123456789abcdef", SECRET, v::RSA_N] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_lone_kind_of_credential_says_what_the_other_is() {
    let folder = Folder::new();
    let tokens = Some(folder.file("tokens", "0123456789abcdef"));
    let statics = Authenticator::load(&AuthSettings { tokens, ..AuthSettings::default() }).unwrap();
    assert_eq!(statics.verify(A1, EXP - 1), Err(Denied::UnknownToken));
    let secrets = vec![folder.file("secret", SECRET)];
    let jwt = Authenticator::load(&AuthSettings { secrets, ..AuthSettings::default() }).unwrap();
    assert_eq!(jwt.verify("0123456789abcdef", NOW), Err(Denied::Malformed));
    assert_eq!(jwt.verify(A1, EXP - 1), Err(Denied::BadSignature));
}

#[test]
fn mistakes_in_files_are_told_in_a_sentence() {
    let folder = Folder::new();
    let check = |settings: AuthSettings, words: &str| {
        let error = Authenticator::load(&settings).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains('\n'), "{words}: {error}");
    };
    let base = AuthSettings::default;
    let path = |name: &str| folder.0.join(name);
    check(base(), "neither a token nor a key");
    check(
        AuthSettings { tokens: Some(folder.file("none", "# nobody\n")), ..base() },
        "neither a token nor a key",
    );
    check(AuthSettings { tokens: Some(path("missing")), ..base() }, "missing cannot be read: No such file");
    check(AuthSettings { tokens: Some(folder.0.clone()), ..base() }, "is not a regular file");
    check(AuthSettings { tokens: Some("/dev/zero".into()), ..base() }, "is not a regular file");
    check(
        AuthSettings { tokens: Some(folder.file("bad", "\nalice:short")), ..base() },
        "bad:2: a token has at least",
    );
    check(
        AuthSettings { secrets: vec![folder.file("big", vec![7; (1 << 20) + 1])], ..base() },
        "big is longer than 1048576",
    );
    check(
        AuthSettings { secrets: vec![folder.file("weak", "hunter2\n")], ..base() },
        "weak: a secret for HS256",
    );
    check(
        AuthSettings { public_keys: vec![folder.file("x.pem", "x")], ..base() },
        "x.pem: there is no public key",
    );
    check(
        AuthSettings { key_sets: vec![folder.file("x.json", "{\n\"keys\": 7}")], ..base() },
        "see line 2, column",
    );
    check(
        AuthSettings { key_sets: vec![folder.file("y.json", "{\"keys\":[]}")], ..base() },
        "no key of this set",
    );
    let symmetric = folder.file("z.json", json!({"keys": [{"kty": "oct", "k": A1_KEY}]}).to_string());
    check(AuthSettings { key_sets: vec![symmetric.clone()], ..base() }, "key 1 of the set: it is symmetric");
    assert!(
        Authenticator::load(&AuthSettings { key_sets: vec![symmetric], symmetric_key_sets: true, ..base() })
            .is_ok()
    );
    let ed = folder.file("ed.pem", v::ED_PEM);
    check(AuthSettings { public_keys: vec![ed.clone(); 5], ..base() }, "more than 4 keys of one algorithm");
    let named: Vec<Value> =
        (0..65).map(|at| json!({"kty": "oct", "kid": at.to_string(), "k": A1_KEY})).collect();
    let named = folder.file("named.json", json!({ "keys": named }).to_string());
    check(AuthSettings { key_sets: vec![named], symmetric_key_sets: true, ..base() }, "more than 64 keys");
    check(
        AuthSettings { public_keys: vec![ed], leeway: Duration::from_secs(601), ..base() },
        "at most 600 seconds",
    );
}

#[test]
fn secrets_that_others_may_read_are_warned_of() {
    let folder = Folder::new();
    let check = |mode: u32, expected: bool| {
        let path = folder.file("tokens", "0123456789abcdef");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let loaded =
            Authenticator::load(&AuthSettings { tokens: Some(path), ..AuthSettings::default() }).unwrap();
        assert_eq!(!loaded.warnings().is_empty(), expected, "{mode:o}");
        assert!(
            loaded.warnings().iter().all(|text| text.contains(&format!("(mode {mode:o}). Try: chmod 640")))
        );
    };
    check(0o600, false);
    check(0o640, false);
    check(0o644, true);
    check(0o666, true);
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    let labels: std::collections::BTreeSet<&str> = Denied::ALL.iter().map(|denied| denied.label()).collect();
    assert_eq!(labels.len(), Denied::ALL.len());
    assert!(labels.iter().all(|label| label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
}

#[test]
fn no_token_makes_it_panic() {
    let all = Verifier {
        keys: [keys::from_pem(v::ED_PEM.as_bytes()).unwrap(), secret_verifier().keys]
            .into_iter()
            .flatten()
            .collect(),
        ..Verifier::default()
    };
    let token = claims(r#"{"exp":9999999999,"aud":["a"],"nbf":1.5e3,"sub":"x"}"#);
    let mut seed = 0x5eed_0001_u32;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        usize::try_from(seed).unwrap() % below
    };
    for _ in 0..20_000 {
        let mut bytes = token.clone().into_bytes();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(3) {
                0 => bytes[at] = b"AZaz09-_.=+"[random(11)],
                1 => drop(bytes.drain(at..(at + random(9)).min(bytes.len()))),
                _ => bytes.insert(at, b"AZaz09-_.=+"[random(11)]),
            }
        }
        let text = String::from_utf8(bytes).unwrap();
        assert!(text == token || all.verify(&text, NOW).is_err(), "{text}");
    }
}
