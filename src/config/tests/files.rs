//! Which files a configuration names: told apart by what is done with a relative path, and by nothing else.

use std::collections::BTreeSet;

use super::super::keys::{
    AUTH_KEYS, DEFAULT_PERMISSIONS, HUB_KEYS, KEYS, Key, LISTENER_KEYS, PERMISSION_KEYS, SLOW, SLOW_KEYS,
    TLS_KEYS, USER, USER_KEYS,
};
use super::*;

/// Keys whose examples do not go together with those of others, and what stands in their place.
const INSTEAD: [(&str, &str); 7] = [
    ("shards", "3"),
    ("mode", ""),
    ("tls_mode", ""),
    ("subject", ""),
    ("no_auth_user", "\"alice\""),
    ("password_bcrypt", ""),
    ("proxy_protocol", "true"),
];

fn lines<T>(keys: &[Key<T>], section: &str) -> String {
    let line = |key: &Key<T>| {
        let instead = INSTEAD.iter().find(|(name, _)| *name == key.name).map(|(_, value)| *value);
        let value = instead.unwrap_or(key.example);
        if value.is_empty() { String::new() } else { format!("{} = {value}\n", key.name) }
    };
    keys.iter().filter(|key| key.section == section).map(line).collect()
}

/// A file in which every key is set to its example.
fn every_key() -> String {
    let once = |section| format!("[{section}]\n{}", lines(&KEYS, section));
    let listener = format!("[[listener]]\n{}", lines(&LISTENER_KEYS, "listener"));
    let tls = format!("[listener.tls]\n{}", lines(&TLS_KEYS, "listener.tls"));
    let auth = format!("[listener.auth]\n{}", lines(&AUTH_KEYS, "listener.auth"));
    let hub = format!("[hub]\n{}", lines(&HUB_KEYS, "hub"));
    let rules = lines(&PERMISSION_KEYS, DEFAULT_PERMISSIONS);
    let slow = format!("[[{SLOW}]]\n{}", lines(&SLOW_KEYS, SLOW));
    let user = format!("[[{USER}]]\n{}{rules}", lines(&USER_KEYS, USER));
    let once = ["server", "limits", "log"].map(once).concat();
    [once, listener, tls, auth, hub, format!("[{DEFAULT_PERMISSIONS}]\n{rules}"), slow, user].concat()
}

/// A relative path begins at the folder of the file, and nothing else does: so whatever is printed with that folder before
/// it is a file.
#[test]
fn every_file_that_a_key_names_is_listed() {
    let config = load(&every_key()).unwrap();
    let text = config.to_toml();
    let set = text.lines().filter(|line| !line.starts_with('#'));
    let strings = set.clone().flat_map(|line| line.split('"').filter(|text| text.starts_with("/etc/t/")));
    let printed: BTreeSet<&str> = strings.collect();
    let listed: BTreeSet<&str> = config.files().iter().filter_map(|path| path.to_str()).collect();
    assert_eq!(listed, printed, "{text}");
    let keys = set.filter(|line| line.contains("\"/etc/t/")).filter_map(|line| line.split_once(" = "));
    let keys: BTreeSet<&str> = keys.map(|(key, _)| key).collect();
    let known = ["certificate", "certificates", "client_ca", "jwks", "jwt_keys", "jwt_secret", "key"];
    assert_eq!(keys, BTreeSet::from_iter(known.into_iter().chain(["password_file", "token_file", "tokens"])));
}

/// Each of several certificates, keys and users.
#[test]
fn every_file_of_a_list_is_listed() {
    let mut listed: Vec<_> = unusual().files().iter().map(|path| path.display().to_string()).collect();
    let mut expected =
        ["/a\\ \"b\".pem", "/a.key", "/é.pem", "/é.key", "/c.pem", "/c.key", "/ca.pem"].to_vec();
    expected.extend([
        "/tokens",
        "/secret",
        "/1.pem",
        "/2.pem",
        "/jwks.json",
        "/tokens",
        "/p\\ \"w\"",
        "/token",
    ]);
    listed.sort();
    expected.sort_unstable();
    assert_eq!(listed, expected);
}

#[test]
fn a_source_names_its_own_file_first() {
    let source = Source::new(Some("conf/t.toml".into()), Layer::default());
    assert_eq!(source.files(&Config::default()), [Path::new("conf/t.toml")]);
    assert_eq!(source.files(&unusual()).len(), 1 + unusual().files().len());
    assert!(Source::default().files(&Config::default()).is_empty());
}
