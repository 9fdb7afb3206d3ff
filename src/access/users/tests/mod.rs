//! Users: who is let in by what, and as whom.

mod permissions;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::token::AuthSettings;
use super::*;

/// Made by libxcrypt (`crypt("secret", "$2b$04$abcdefghijklmnopqrstuu")`), at the lowest cost there is.
const SECRET_HASH: &str = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
/// Made by the Python package nkeys 0.2.1, as in the tests of `nkey`.
const KEY: &str = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK";
const NONCE: &[u8] = b"PXoWU7zWAMt75FY";
const SIGNATURE: &str =
    "bnxg5G8aOV2LQdSE_lcM9clxm_fbTTZxsqQ1EpTNgJXmH6z5ezesd49kXfuNhoAqw_DmEtsGcNsJdug9wMuRDQ";
const TOKEN: &str = "0123456789abcdef";
const NOW: u64 = 1_500_000_000;

/// A folder of its own for the files of one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tidemill-users-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &str) -> PathBuf {
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

fn user(name: &str) -> UserSetting {
    UserSetting { name: name.to_owned(), ..UserSetting::default() }
}

fn may_publish(subject: &str) -> Option<Rules> {
    let publish = Lists { allow: Some(vec![subject.to_owned()]), deny: Vec::new() };
    Some(Rules { publish, ..Rules::default() })
}

fn load(users: Vec<UserSetting>) -> Users {
    let settings = UserSettings {
        users,
        default_rules: may_publish("by.default"),
        claim: "tidemill".to_owned(),
        ..UserSettings::default()
    };
    Users::load(&settings, &Arc::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// One user of each kind.
fn everybody(folder: &Folder) -> Users {
    load(vec![
        UserSetting {
            password_file: Some(folder.file("alice", "open sesame\n")),
            rules: may_publish("by.alice"),
            ..user("alice")
        },
        UserSetting { password_hash: Some(SECRET_HASH.to_owned()), ..user("bob") },
        UserSetting { token_file: Some(folder.file("carol", TOKEN)), ..user("carol") },
        UserSetting { nkey: Some(KEY.to_owned()), ..user("dave") },
        user("guest"),
    ])
}

const BARE: Circumstances<'_> =
    Circumstances { authenticator: None, no_auth_user: None, nonce: NONCE, unix_now: NOW };

/// Who somebody turns out to be, with questions answered on the spot.
fn judge(users: &Users, credentials: Credentials<'_>, at: &Circumstances<'_>) -> Result<Grant, Denied> {
    match users.judge(&credentials, at) {
        Verdict::Granted(grant) => Ok(grant),
        Verdict::Denied(denied) => Err(denied),
        Verdict::Later(question) => question.answer(),
    }
}

fn named(result: Result<Grant, Denied>) -> Result<String, Denied> {
    result.map(|grant| grant.name.to_string())
}

fn password<'a>(user: &'a str, pass: &'a str) -> Credentials<'a> {
    Credentials { user: Some(user), pass: Some(pass), ..Credentials::default() }
}

fn token(token: &str) -> Credentials<'_> {
    Credentials { auth_token: Some(token), ..Credentials::default() }
}

#[test]
fn passwords_plain_and_hashed() {
    let folder = Folder::new();
    let users = everybody(&folder);
    let check = |name, pass, expected: Result<&str, Denied>| {
        assert_eq!(named(judge(&users, password(name, pass), &BARE)), expected.map(str::to_owned));
    };
    check("alice", "open sesame", Ok("alice"));
    check("bob", "secret", Ok("bob"));
    for (name, pass) in [
        ("alice", "open sesame "),
        ("alice", "secret"),
        ("bob", "Secret"),
        ("bob", SECRET_HASH),
        ("carol", TOKEN),
        ("carol", "secret"),
        ("mallory", "secret"),
        ("", "secret"),
        ("alice", ""),
        ("bob", ""),
        ("guest", ""),
        ("guest", "secret"),
    ] {
        check(name, pass, Err(Denied::WrongPassword));
    }
    let long = "x".repeat(257);
    check("bob", &long, Err(Denied::WrongPassword));
}

#[test]
fn a_hash_is_compared_elsewhere() {
    let folder = Folder::new();
    let users = everybody(&folder);
    let ask = |name, pass| match users.judge(&password(name, pass), &BARE) {
        Verdict::Later(question) => named(std::thread::spawn(move || question.answer()).join().unwrap()),
        other => panic!("bcrypt is slow, and {name} is told apart: {other:?}"),
    };
    assert_eq!(ask("bob", "wrong"), Err(Denied::WrongPassword));
    assert_eq!(ask("bob", "secret"), Ok("bob".to_owned()));
    // The hash that is compared with for the sake of time is bob's; his password opens nothing for others.
    for name in ["mallory", "carol", "guest"] {
        assert_eq!(ask(name, "secret"), Err(Denied::WrongPassword));
    }
}

#[test]
fn the_three_forms_of_bcrypt_mean_the_same() {
    for prefix in ["$2a$", "$2b$", "$2y$"] {
        let hash = SECRET_HASH.replace("$2b$", prefix);
        let users = load(vec![UserSetting { password_hash: Some(hash), ..user("bob") }]);
        assert_eq!(named(judge(&users, password("bob", "secret"), &BARE)), Ok("bob".to_owned()));
    }
}

#[test]
fn tokens_of_users() {
    let folder = Folder::new();
    let users = everybody(&folder);
    assert_eq!(named(judge(&users, token(TOKEN), &BARE)), Ok("carol".to_owned()));
    let jwt = Credentials { jwt: Some(TOKEN), ..Credentials::default() };
    assert_eq!(named(judge(&users, jwt, &BARE)), Ok("carol".to_owned()));
    for wrong in ["0123456789abcdeF", "0123456789abcde", "x", "secret"] {
        assert_eq!(named(judge(&users, token(wrong), &BARE)), Err(Denied::UnknownToken), "{wrong}");
    }
    assert_eq!(named(judge(&users, token(&"x".repeat(8193)), &BARE)), Err(Denied::Malformed));
}

#[test]
fn nkeys_sign_the_nonce() {
    let folder = Folder::new();
    let users = everybody(&folder);
    assert!(users.has_keys());
    let key = |nkey, sig| Credentials { nkey: Some(nkey), sig: Some(sig), ..Credentials::default() };
    assert_eq!(named(judge(&users, key(KEY, SIGNATURE), &BARE)), Ok("dave".to_owned()));
    let other = Circumstances { nonce: b"PXoWU7zWAMt75FZ", ..BARE };
    assert_eq!(named(judge(&users, key(KEY, SIGNATURE), &other)), Err(Denied::BadSignature));
    let none = Circumstances { nonce: b"", ..BARE };
    assert_eq!(named(judge(&users, key(KEY, SIGNATURE), &none)), Err(Denied::BadSignature));
    assert_eq!(named(judge(&users, key(KEY, ""), &BARE)), Err(Denied::BadSignature));
    let unknown = "UBGCT4GBALWQKIYDWSRYSYCPG6K43KHXBZGLYQDJLMVRSA2JVUIZ3VMH";
    assert_eq!(named(judge(&users, key(unknown, SIGNATURE), &BARE)), Err(Denied::UnknownKey));
    assert_eq!(named(judge(&users, key("", SIGNATURE), &BARE)), Err(Denied::UnknownKey));
}

/// As nats-server 2.15.1 has it: `no_auth_user` is for those who show nothing at all.
#[test]
fn those_who_show_nothing() {
    let folder = Folder::new();
    let users = everybody(&folder);
    assert_eq!(named(judge(&users, Credentials::default(), &BARE)), Err(Denied::Missing));
    assert!(users.asks(&BARE));
    let guests = Circumstances { no_auth_user: Some("guest"), ..BARE };
    assert!(!users.asks(&guests));
    assert_eq!(named(judge(&users, Credentials::default(), &guests)), Ok("guest".to_owned()));
    assert_eq!(named(judge(&users, password("", ""), &guests)), Ok("guest".to_owned()));
    assert_eq!(named(judge(&users, password("alice", "x"), &guests)), Err(Denied::WrongPassword));
    assert_eq!(named(judge(&users, password("", "x"), &guests)), Err(Denied::WrongPassword));
    assert_eq!(named(judge(&users, token("x"), &guests)), Err(Denied::UnknownToken));
    let only_user = Credentials { user: Some("alice"), ..Credentials::default() };
    assert_eq!(named(judge(&users, only_user, &guests)), Err(Denied::WrongPassword));
    // Where nobody is known, nobody is asked, and what is shown is not looked at.
    let nobody = load(Vec::new());
    assert!(!nobody.asks(&BARE));
    for credentials in [Credentials::default(), token("x"), password("alice", "x")] {
        let grant = judge(&nobody, credentials, &BARE).unwrap();
        assert_eq!(&*grant.name, "");
        assert!(grant.may_publish(b"by.default") && !grant.may_publish(b"by.alice"));
    }
}

/// The secret of [`jwt`].
const JWT_SECRET: &str = "a secret that is long enough: 0123456789";

fn jwt(claims: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{Algorithm, EncodingKey, crypto};
    let message =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(JWT_SECRET.as_bytes());
    format!("{message}.{}", crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap())
}

#[test]
fn json_web_tokens_bring_permissions_or_have_those_of_the_user() {
    let folder = Folder::new();
    let users = everybody(&folder);
    let settings = AuthSettings { secrets: vec![folder.file("jwt", JWT_SECRET)], ..AuthSettings::default() };
    let authenticator = Authenticator::load(&settings).unwrap();
    let at = Circumstances { authenticator: Some(&authenticator), ..BARE };
    let check = |claims: &str, expected: Result<(&str, &str), Denied>| {
        let text = jwt(claims);
        let found = judge(&users, token(&text), &at).map(|grant| {
            let subjects = ["by.alice", "by.default", "by.claim"];
            let may: Vec<&str> =
                subjects.into_iter().filter(|one| grant.may_publish(one.as_bytes())).collect();
            assert_eq!(grant.expires, Some(NOW + 100 + 30), "the leeway is 30 s");
            (grant.name.to_string(), may.join(" "))
        });
        let expected = expected.map(|(name, may)| (name.to_owned(), may.to_owned()));
        assert_eq!(found, expected, "{claims}");
    };
    check(r#"{"exp":1500000100,"sub":"alice"}"#, Ok(("alice", "by.alice")));
    check(r#"{"exp":1500000100,"sub":"erin"}"#, Ok(("erin", "by.default")));
    check(r#"{"exp":1500000100}"#, Ok(("", "by.default")));
    let claim = r#""tidemill":{"publish":{"allow":["by.claim"]}}"#;
    check(&format!(r#"{{"exp":1500000100,"sub":"alice",{claim}}}"#), Ok(("alice", "by.claim")));
    check(r#"{"exp":1500000100,"sub":"erin","tidemill":{}}"#, Ok(("erin", "by.alice by.default by.claim")));
    check(r#"{"exp":1500000100,"tidemill":{"publish":{"allow":["a..b"]}}}"#, Err(Denied::Malformed));
    check(r#"{"exp":1500000100,"tidemill":{"pub":{}}}"#, Err(Denied::Malformed));
    check(r#"{"exp":1400000000,"sub":"alice"}"#, Err(Denied::Expired));
    // A user's own token is found first; and whoever is asked by a listener with keys alone has to show something.
    assert_eq!(named(judge(&users, token(TOKEN), &at)), Ok("carol".to_owned()));
    let nobody = load(Vec::new());
    assert_eq!(named(judge(&nobody, Credentials::default(), &at)), Err(Denied::Missing));
    assert_eq!(named(judge(&nobody, token("x"), &at)), Err(Denied::Malformed));
}

#[test]
fn limits_are_the_users_or_the_default() {
    let limits =
        |connections, subscriptions| UserLimits { connections, subscriptions, ..UserLimits::default() };
    let settings = UserSettings {
        users: vec![UserSetting { limits: limits(Some(1), None), ..user("alice") }, user("bob")],
        default_limits: limits(Some(2), Some(10)),
        ..UserSettings::default()
    };
    let tallies = Arc::new(Tallies::default());
    let users = Users::load(&settings, &tallies).unwrap();
    let grant = |users: &Users, name: &'static str| {
        judge(users, Credentials::default(), &Circumstances { no_auth_user: Some(name), ..BARE }).unwrap()
    };
    assert_eq!(grant(&users, "alice").limits, limits(Some(1), Some(10)));
    assert_eq!(grant(&users, "bob").limits, limits(Some(2), Some(10)));
    let now = crate::sys::clock::Time::ZERO;
    let _seat = grant(&users, "alice").enter(now).unwrap();
    // Read again, it is the same count.
    let again = Users::load(&settings, &tallies).unwrap();
    assert_eq!(grant(&again, "alice").enter(now).unwrap_err(), TooManyConnections);
    assert!(grant(&again, "bob").enter(now).is_ok());
}

#[test]
fn files_that_cannot_be_used_are_told() {
    let folder = Folder::new();
    let check = |users: Vec<UserSetting>, words: &str| {
        let error = Users::load(&UserSettings { users, ..UserSettings::default() }, &Arc::default());
        let error = error.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("0123456789") && !error.contains("open sesame"), "{error}");
    };
    let missing = UserSetting { password_file: Some(folder.0.join("none")), ..user("a") };
    check(vec![missing], "cannot be read");
    let empty = UserSetting { password_file: Some(folder.file("empty", "")), ..user("a") };
    check(vec![empty], "1 to 256 bytes");
    let short = UserSetting { token_file: Some(folder.file("short", "0123456789abcde\n")), ..user("a") };
    check(vec![short], "short: a token has at least 16 bytes");
    let hashed = UserSetting { token_file: Some(folder.file("hashed", SECRET_HASH)), ..user("a") };
    check(vec![hashed], "a token cannot be a bcrypt hash");
    let token = |name: &str| UserSetting { token_file: Some(folder.file(name, TOKEN)), ..user(name) };
    check(vec![token("a"), token("b")], "b: this token is another user's already");
    check(
        vec![UserSetting { password_hash: Some("x".to_owned()), ..user("a") }],
        "the user \"a\": this is no",
    );
    check(
        vec![UserSetting { nkey: Some("UX".to_owned()), ..user("a") }],
        "the user \"a\": the nkey is not the public one",
    );
    let open = folder.file("open", "open sesame");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let users = load(vec![UserSetting { password_file: Some(open), ..user("a") }]);
    assert!(users.warnings()[0].contains("every user of this host may use it"), "{:?}", users.warnings());
}

#[test]
fn no_secret_is_shown() {
    let folder = Folder::new();
    let users = everybody(&folder);
    let verdict = users.judge(&password("bob", "hunter2"), &BARE);
    let shown = format!("{users:?} {verdict:?} {:?}", password("bob", "hunter2"));
    for secret in ["open sesame", TOKEN, "hunter2", &SECRET_HASH[7..]] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// What somebody was granted who has given this password.
fn granted(users: &Users, name: &str, password: &str) -> Grant {
    let credentials = Credentials { user: Some(name), pass: Some(password), ..Credentials::default() };
    match users.judge(&credentials, &HERE) {
        Verdict::Granted(grant) => grant,
        other => panic!("{name}: {other:?}"),
    }
}

const HERE: Circumstances<'_> =
    Circumstances { authenticator: None, no_auth_user: None, nonce: NONCE, unix_now: NOW };

/// Of users who are read again, those are the same who have the same name, secrets and permissions; limits may differ.
#[test]
fn a_grant_is_confirmed_until_its_user_changes() {
    let folder = Folder::new();
    let password = |name: &str, secret: &str| UserSetting {
        password_file: Some(folder.file(&format!("{name}-{secret}"), secret)),
        ..user(name)
    };
    let before = load(vec![password("alice", "one"), password("bob", "two")]);
    let (alice, bob) = (granted(&before, "alice", "one"), granted(&before, "bob", "two"));
    let check = |users: Vec<UserSetting>, of_alice: bool, of_bob: bool| {
        let after = load(users).after(&before);
        assert_eq!((after.confirms(&alice, &HERE), after.confirms(&bob, &HERE)), (of_alice, of_bob));
    };
    check(vec![password("alice", "one"), password("bob", "two")], true, true);
    check(vec![password("bob", "two"), password("carol", "three"), password("alice", "one")], true, true);
    check(vec![password("bob", "two")], false, true);
    check(vec![], false, false);
    check(vec![password("alice", "other"), password("bob", "two")], false, true);
    check(
        vec![password("alice", "one"), UserSetting { nkey: Some(KEY.into()), ..password("bob", "two") }],
        true,
        false,
    );
    let token = folder.file("token", TOKEN);
    check(vec![UserSetting { token_file: Some(token), ..password("alice", "one") }], false, false);
    check(vec![UserSetting { rules: may_publish("a"), ..password("alice", "one") }], false, false);
    let limits = UserLimits { connections: Some(1), ..UserLimits::default() };
    check(vec![UserSetting { limits, ..password("alice", "one") }], true, false);
    // Who has gone and comes again is somebody else.
    let without = load(vec![]).after(&before);
    let again = load(vec![password("alice", "one")]).after(&without);
    assert!(!again.confirms(&alice, &HERE));
    assert!(
        !load(vec![password("alice", "one")]).confirms(&alice, &HERE),
        "they do not come after the others"
    );
}

/// Who shows nothing is judged by what those are now who show nothing.
#[test]
fn a_silent_grant_is_confirmed_while_nothing_has_to_be_shown() {
    let silent = |users: &Users, at: &Circumstances<'_>| users.judge_silence(at).unwrap();
    let guest = |name: &'static str| Circumstances { no_auth_user: Some(name), ..HERE };
    let nobody = load(vec![]);
    let unasked = silent(&nobody, &HERE);
    assert!(load(vec![]).after(&nobody).confirms(&unasked, &HERE));
    assert!(!load(vec![user("alice")]).after(&nobody).confirms(&unasked, &HERE), "users have come");
    let settings = UserSettings { claim: "tidemill".to_owned(), ..UserSettings::default() };
    let other_rules = Users::load(&settings, &Arc::default()).unwrap();
    assert!(!other_rules.after(&nobody).confirms(&unasked, &HERE), "the default permissions are others");

    let both = load(vec![user("alice"), user("bob")]);
    let alice = silent(&both, &guest("alice"));
    let after = load(vec![user("alice"), user("bob")]).after(&both);
    assert!(after.confirms(&alice, &guest("alice")));
    assert!(!after.confirms(&alice, &guest("bob")), "another user is that of those who show nothing");
    assert!(!after.confirms(&alice, &HERE), "they have to show something");
}
