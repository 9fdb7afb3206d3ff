//! That what is read again reaches the shards: of each key, another value makes other terms.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::groups::Groups;
use super::*;
use crate::access::users::{Circumstances, Grant, Users};
use crate::config::layer::Layer;
use crate::metrics::reloads::Reloads;

const BASE: &str = include_str!("../../../tests/it/reload/base.toml");
const ROWS: &str = include_str!("../../../tests/it/reload/keys.tsv");

/// Keys that no terms show: what the process itself goes by, which clients of a running server are shown in `tests/it/reload.rs`;
/// and what is read with others that are here, and says the same in the second file.
const ELSEWHERE: [&str; 11] = [
    "limits.drain_timeout",
    "limits.drain_spread",
    "limits.handover_drain_timeout",
    "limits.handover_drain_spread",
    "log.format",
    "log.level",
    "hub.permissions_claim",
    "hub.user.password_file",
    "hub.user.token_file",
    "listener.auth.jwt_keys",
    "listener.auth.jwks",
];

/// A folder with all files that the base names.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = Self(std::env::temp_dir().join(format!("tidemill-reload-{}", std::process::id())));
        fs::create_dir(&folder.0).unwrap();
        for name in ["one", "two"] {
            let pair = rcgen::KeyPair::generate().unwrap();
            let params = rcgen::CertificateParams::new([format!("{name}.example")]).unwrap();
            let certificate = params.self_signed(&pair).unwrap().pem();
            folder.write(name, ".pem", &certificate);
            folder.write(name, ".key", &pair.serialize_pem());
            folder.write("ca", ".pem", &certificate);
            folder.write("issuer", ".pem", &pair.public_key_pem());
        }
        folder.write("jwks", ".json", KEY_SET);
        for name in ["password", "secret", "token", "tokens"] {
            folder.write(name, "", &format!("{name}-0123456789abcdef-0123456789abcdef"));
        }
        folder
    }

    fn write(&self, name: &str, end: &str, text: &str) {
        for name in [format!("{name}{end}"), format!("{name}-2{end}")] {
            fs::write(self.0.join(name), text).unwrap();
        }
    }
}

/// The public key of RFC 7517, A.1.
const KEY_SET: &str = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\
    \"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\",\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}";

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn load(folder: &Path, text: &str) -> Config {
    let path = folder.join("t.toml");
    fs::write(&path, text.replace("{folder}", folder.to_str().unwrap())).unwrap();
    Source::new(Some(path), Layer::default()).load().unwrap()
}

/// What a server has that was started with this and has opened all its listeners.
fn start(config: &Config) -> Running {
    let mut groups = Groups::default();
    for (place, listener) in config.listeners.iter().enumerate() {
        groups.add(place, listener, &listener.listen);
    }
    let common = Common::new(config, groups, 1).unwrap();
    let access = Access::load(config, &common).unwrap();
    let kit = Some(services::Kit::new(config).unwrap());
    Running { start: config.clone(), config: config.clone(), common, access, kit }
}

/// The same after this was read.
fn again(running: &Running, config: &Config) -> Running {
    let common = running.common.again(&running.config, config);
    let access = running.access.load_again(config, &[], &common).unwrap();
    let kit = running.kit.as_ref().map(|kit| kit.again(config).unwrap());
    Running { start: running.start.clone(), config: config.clone(), common, access, kit }
}

fn granted(users: &Users, name: &str) -> Grant {
    let at = Circumstances { authenticator: None, no_auth_user: Some(name), nonce: b"", unix_now: 0 };
    users.judge_silence(&at).unwrap()
}

/// All that shards go by, in words without an order, since sets have none.
fn shown(running: &Running, before: &Running) -> Vec<String> {
    let house = running.common.house(&running.config, &running.access).unwrap();
    let (users, users_before) = (running.access.users.users(), before.access.users.users());
    let mut text = String::new();
    for door in house.doors.iter() {
        text += &format!("{:?} {} {:?}, ", door.networks, door.proxy_protocol, door.tls_start);
        text += &format!("{:?}, ", door.authenticator);
    }
    text += &format!("{:?}, ", running.access.doors.tls_settings());
    text += &format!("{:?}, {:?}, ", house.datagram_networks, house.counts_bytes);
    let addresses = format!("{:?}", house.addresses);
    text += addresses.split("book").next().unwrap();
    text += &format!("{:?}, {}, {}, ", house.slow_rules, house.subscriptions, house.shared_bytes);
    // dave has nothing of his own, so he shows the defaults.
    for name in ["alice", "bob", "dave"] {
        let at = Circumstances { authenticator: None, no_auth_user: Some(name), nonce: b"", unix_now: 0 };
        text += &match users.judge_silence(&at) {
            Ok(grant) => format!("{:?} {:?}, ", grant.permissions, grant.limits),
            Err(denied) => format!("{denied}, "),
        };
        text += &format!("{}, ", users.confirms(&granted(users_before, name), &at));
    }
    let Terms { house: _, options, wiring } = running.terms(house);
    text += &format!("{options:?}, {wiring:?}");
    let mut words: Vec<String> = text.split([',', '{', '}', '[', ']', '(', ')']).map(str::to_owned).collect();
    words.sort();
    words
}

/// The same read again makes the same terms; with each key at another value they are others.
#[test]
fn every_key_that_changes_makes_other_terms() {
    let folder = Folder::new();
    let config = load(&folder.0, BASE);
    let running = start(&config);
    let before = shown(&running, &running);
    assert_eq!(shown(&again(&running, &config), &running), before, "what is compared depends on chance");
    let mut silent = Vec::new();
    for row in ROWS.lines().filter(|line| !line.starts_with('#')) {
        let [key, class, from, to, _] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        if class == "start" {
            continue;
        }
        let lines = BASE.lines().map(|line| if line == from { to } else { line });
        let next = load(&folder.0, &lines.collect::<Vec<_>>().join("\n").replace("\\n", "\n"));
        if shown(&again(&running, &next), &running) == before {
            silent.push(key);
        }
    }
    assert_eq!(silent, ELSEWHERE);
}

#[test]
fn very_many_names_are_cut() {
    let names: Vec<String> = (1..=102).map(|number| format!("k{number}")).collect();
    assert_eq!(listed(&names[..2]), "k1, k2");
    assert!(listed(&names[..100]).ends_with(", k100"));
    assert!(listed(&names).ends_with(", k100, and 2 more"));
}

#[test]
fn operators_are_told_what_came_of_it() {
    let news = super::super::news::News::new(&[]);
    let since = news.reloads().loaded_at;
    // 2020-09-13, from before this was written.
    assert!(1_600_000_000 < since, "{since}");
    let tell = |holds: &[bool]| {
        holds.iter().for_each(|holds| news.note(*holds));
        let Reloads { succeeded, failed, last_succeeded, .. } = news.reloads();
        (succeeded, failed, last_succeeded)
    };
    assert_eq!(tell(&[]), (0, 0, true));
    assert_eq!(tell(&[true, false, false]), (1, 2, false));
    assert_eq!(tell(&[true]), (2, 2, true));
}
