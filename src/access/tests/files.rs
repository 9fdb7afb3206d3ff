//! Files of keys and tokens: what is read from them, and what is said of mistakes.

use super::*;

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
