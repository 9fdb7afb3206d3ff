//! Tokens: signatures, algorithms, times, audiences, names of keys.

use super::*;

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
