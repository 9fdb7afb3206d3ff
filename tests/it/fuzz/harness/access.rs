//! Credentials: where they stand in a request, and what they are worth.

use std::sync::OnceLock;

use tidemill::access::credential::{Sources, find_credential, find_login};
use tidemill::access::token::{AuthSettings, Authenticator};
use tidemill::limits::{CREDENTIAL_BYTES_MAX, IDENTITY_BYTES_MAX};

/// The lines are: `Authorization`, `Cookie`, the query, one offered subprotocol. Whatever is found is verified.
pub(super) fn run(data: &[u8]) {
    static AUTHENTICATOR: OnceLock<Authenticator> = OnceLock::new();
    let authenticator = AUTHENTICATOR.get_or_init(authenticator);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let mut next = || lines.next().filter(|line| !line.is_empty());
    let (authorization, cookie, query, offer) = (next(), next(), next(), next());
    let sources = Sources {
        authorization: true,
        cookie: Some("token".to_owned()),
        query: Some("access_token".to_owned()),
        websocket_subprotocol: true,
    };
    let found = find_credential(&sources, authorization, cookie, query, offer);
    let nothing = find_credential(
        &Sources { authorization: false, cookie: None, query: None, websocket_subprotocol: false },
        authorization,
        cookie,
        query,
        offer,
    );
    assert_eq!(nothing, Ok(None), "what does not count is not looked at");
    if let Ok(Some(credential)) = found {
        assert!(credential.len() <= CREDENTIAL_BYTES_MAX, "a credential is bounded");
        verify(authenticator, &credential);
    }
    verify(authenticator, text);
    if let Some(Ok(Some(login))) = authorization.map(find_login) {
        assert!(!login.name.contains(':'), "the first colon ends the name");
        let bytes = login.name.len() + login.password.len();
        assert!(bytes <= CREDENTIAL_BYTES_MAX, "a credential is bounded");
    }
}

fn verify(authenticator: &Authenticator, credential: &str) {
    if let Ok(identity) = authenticator.verify(credential, 1_300_819_000) {
        assert!(identity.name.len() <= IDENTITY_BYTES_MAX, "a name is bounded");
    }
}

/// Knows the key of RFC 7515, appendix A.1.1, with which tokens of the corpus are signed.
fn authenticator() -> Authenticator {
    const KEY_SET: &str = r#"{"keys":[{"kty":"oct","alg":"HS256",
        "k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}"#;
    let path = std::env::temp_dir().join(format!("tidemill-fuzz-{}.jwks", std::process::id()));
    std::fs::write(&path, KEY_SET).expect("the directory for temporary files can be written to");
    let settings = AuthSettings {
        key_sets: vec![path.clone()],
        symmetric_key_sets: true,
        issuers: vec!["joe".to_owned()],
        ..AuthSettings::default()
    };
    let loaded = Authenticator::load(&settings);
    let _ = std::fs::remove_file(path);
    loaded.unwrap_or_else(|error| panic!("{error}"))
}
