//! What becomes of each key when a server that runs reads its configuration again. The table of keys with what is expected of
//! each stands beside the test that asks a running server the same.

use std::collections::BTreeMap;

use super::super::keys::{
    AUTH_KEYS, HUB_KEYS, KEYS, Key, LISTENER_KEYS, PERMISSION_KEYS, Reload, SLOW_KEYS, TLS_KEYS, USER_KEYS,
};
use super::*;

const BASE: &str = include_str!("../../../tests/it/reload/base.toml");
const ROWS: &str = include_str!("../../../tests/it/reload/keys.tsv");

/// One key: when another value holds, the lines of both values, and what it is called then.
struct Row {
    key: &'static str,
    class: &'static str,
    from: &'static str,
    to: String,
    names: Vec<String>,
}

fn rows() -> Vec<Row> {
    let row = |line: &'static str| {
        let [key, class, from, to, names] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let names = place(names).split(", ").map(str::to_owned).collect();
        Row { key, class, from, to: to.replace("\\n", "\n"), names }
    };
    ROWS.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

fn place(text: &str) -> String {
    text.replace("{folder}", "/etc/t").replace("{core}", "0")
}

fn base() -> Config {
    load(&place(BASE)).unwrap()
}

/// The base with this line in the place of that one.
fn with(from: &str, to: &str) -> Config {
    assert_eq!(BASE.lines().filter(|line| *line == from).count(), 1, "{from}");
    let lines = BASE.lines().map(|line| if line == from { to } else { line });
    let text = place(&lines.collect::<Vec<_>>().join("\n"));
    load(&text).unwrap_or_else(|error| panic!("{to}: {error}"))
}

fn classes<T>(section: &str, keys: &[Key<T>]) -> Vec<(String, &'static str)> {
    let class = |reload: &Reload<T>| match reload {
        Reload::Now | Reload::UpTo(..) => "now",
        Reload::New => "new",
        Reload::Requests => "requests",
        Reload::Users => "users",
        Reload::Start(_) => "start",
    };
    let section = |key: &Key<T>| if section.is_empty() { key.section.to_owned() } else { section.to_owned() };
    keys.iter().map(|key| (format!("{}.{}", section(key), key.name), class(&key.reload))).collect()
}

#[test]
fn every_key_is_expected_to_do_what_its_table_says() {
    let all = [
        classes("", &KEYS),
        classes("", &LISTENER_KEYS),
        classes("", &TLS_KEYS),
        classes("", &AUTH_KEYS),
        classes("", &HUB_KEYS),
        classes("", &PERMISSION_KEYS),
        classes("hub.user", &PERMISSION_KEYS),
        classes("", &SLOW_KEYS),
        classes("", &USER_KEYS),
    ];
    let tables: BTreeMap<String, &str> = all.into_iter().flatten().collect();
    let expected: BTreeMap<String, &str> =
        rows().into_iter().map(|row| (row.key.to_owned(), row.class)).collect();
    assert_eq!(tables, expected);
    assert_eq!(rows().len(), expected.len(), "each once");
}

/// Each key by itself: it holds, or what runs stays; either way it is named, alone. Back at the first value, nothing is left of
/// it.
#[test]
fn every_key_is_applied_or_named() {
    let start = base();
    for Row { class, from, to, names, .. } in rows() {
        let next = with(from, &place(&to));
        assert_ne!(next, start, "{to}");
        let change = Change::of(&start, &next, &start).unwrap();
        let back = Change::of(&change.config, &start, &start).unwrap();
        assert_eq!(back.config, start, "{to}");
        assert!(back.kept.is_empty(), "{to}: {:?}", back.kept);
        if class == "start" {
            assert_eq!((change.applied, change.kept), (Vec::new(), names));
            assert_eq!(change.config, start, "{to}");
            assert!(back.applied.is_empty(), "{to}: {:?}", back.applied);
        } else {
            assert_eq!((change.applied, change.kept), (names.clone(), Vec::new()));
            assert_eq!(change.config, next, "{to}");
            assert_eq!(back.applied.len(), names.len(), "{to}: {:?}", back.applied);
        }
    }
}

/// The tables of connections are as large as at the start; below that, the number can go down and up.
#[test]
fn connections_can_change_up_to_what_they_were_at_the_start() {
    let start = base();
    let of = |connections: u32| Config { connections, ..start.clone() };
    let change = |running: &Config, next: u32| {
        let change = Change::of(running, &of(next), &start).unwrap();
        (change.config.connections, change.applied.len(), change.kept)
    };
    let kept = || vec!["server.connections".to_owned()];
    assert_eq!(change(&start, 10), (10, 1, Vec::new()));
    assert_eq!(change(&of(10), 1000), (1000, 1, Vec::new()));
    assert_eq!(change(&of(10), 1001), (10, 0, kept()));
    assert_eq!(change(&start, 1001), (1000, 0, kept()));
}

fn listeners(text: &str) -> Config {
    load(text).unwrap()
}

/// One that is gone runs on as it was, one that is new does not run; the others change.
#[test]
fn listeners_come_and_go_at_a_start() {
    let start =
        listeners("[[listener]]\naddress = \"tcp://[::1]:1\"\n[[listener]]\naddress = \"tcp://[::1]:2\"");
    let next = listeners(
        "[[listener]]\naddress = \"tcp://[::1]:3\"\n[[listener]]\naddress = \"tcp://[::1]:2\"\ndeny = [\"192.0.2.1\"]",
    );
    let change = Change::of(&start, &next, &start).unwrap();
    assert_eq!(
        change.kept,
        ["listener.address (tcp://[::1]:1 is gone)", "listener.address (tcp://[::1]:3 is new)"]
    );
    assert_eq!(change.applied, ["listener.deny of tcp://[::1]:2"]);
    assert_eq!(change.config.listeners, [start.listeners[0].clone(), next.listeners[1].clone()]);
    assert_eq!(change.gone, [0]);
}

/// What is said of another service is no use to the one that stays.
#[test]
fn a_listener_of_another_service_stays_as_it_was() {
    let start = listeners("[[listener]]\naddress = \"tcp://[::1]:1\"\nservice = \"http\"");
    let next =
        listeners("[[listener]]\naddress = \"tcp://[::1]:1\"\nservice = \"nats\"\ndeny = [\"192.0.2.1\"]");
    let change = Change::of(&start, &next, &start).unwrap();
    assert_eq!(change.config, start);
    assert!(change.applied.is_empty(), "{:?}", change.applied);
    let of = " of tcp://[::1]:1";
    for key in ["service", "deny", "origins"] {
        assert!(change.kept.contains(&format!("listener.{key}{of}")), "{key}: {:?}", change.kept);
    }
}

/// The order of tables says nothing, but that of rules.
#[test]
fn an_order_is_a_change_of_rules_alone() {
    let text = |first: &str, second: &str| {
        let user = |name: &str| format!("[[hub.user]]\nname = \"{name}\"\n");
        let rule = |name: &str| format!("[[hub.slow]]\nsubjects = [\"{name}\"]\npolicy = \"cut\"\n");
        let listener = |name: &str| format!("[[listener]]\naddress = \"unix:/{name}\"\n");
        (
            listeners(&[user(first), user(second), listener(first), listener(second)].concat()),
            listeners(&[rule(first), rule(second)].concat()),
        )
    };
    let ((one, rules), (other, other_rules)) = (text("a", "b"), text("b", "a"));
    let change = Change::of(&one, &other, &one).unwrap();
    assert_eq!((change.applied.len(), change.kept.len()), (0, 0));
    let change = Change::of(&rules, &other_rules, &rules).unwrap();
    assert_eq!(change.applied, ["hub.slow.subjects of rule 1", "hub.slow.subjects of rule 2"]);
}

/// A listener that only a start can close needs its user for as long.
#[test]
fn what_stays_has_to_go_with_what_changes() {
    let user = "[[hub.user]]\nname = \"guest\"\n";
    let nats = "[[listener]]\naddress = \"tcp://[::1]:1\"\nservice = \"nats\"\nno_auth_user = \"guest\"\n";
    let start = listeners(&[user, nats].concat());
    let next = listeners("[[listener]]\naddress = \"tcp://[::1]:2\"");
    let error = Change::of(&start, &next, &start).unwrap_err().to_string();
    assert_eq!(
        error,
        "listener.no_auth_user is \"guest\", who is no user: add a table [[hub.user]] with that name"
    );
}
