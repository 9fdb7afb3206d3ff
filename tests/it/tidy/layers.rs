//! Imports point down: who may name whom inside the server.
//!
//! It reads every path that starts with `crate` or `super`, in `use` lines and elsewhere, outside tests.

use super::source::{self, Token};

/// The house from the roof down. A layer may name itself, `limits`, and what stands beside it: a whole layer, or only
/// one path in it.
const HOUSE: &[(&str, &[&str])] = &[
    ("main", &["cli", "config", "doctor", "error", "log", "server", "tier", "top", "upgrade"]),
    ("cli", &["config", "sys::address", "tier", "top"]),
    (
        "top",
        &[
            "error",
            "config",
            "access::first_token",
            "access::error",
            "protocol::http1",
            "sys::address",
            "sys::clock",
            "sys::signal",
            "tls",
        ],
    ),
    ("doctor", &["server", "error", "config", "ring::Capabilities", "sys", "tier"]),
    ("upgrade", &["error", "sys"]),
    (
        "server",
        &[
            "error",
            "config",
            "log",
            "shard",
            "service",
            "hub",
            "access",
            "tls",
            "protocol",
            "connection",
            "ring",
            "sys",
            "tier",
            "metrics",
        ],
    ),
    ("error", &["config", "sys", "ring"]),
    ("log", &["config"]),
    ("config", &["access", "protocol::nats", "sys", "tier"]),
    ("shard", &["service", "hub", "access", "protocol", "connection", "ring", "sys", "tier", "metrics"]),
    (
        "service",
        &[
            "hub",
            "access",
            "connection",
            "protocol",
            "ring::RecvBuf",
            "ring::Datagram",
            "sys::clock::Time",
            "sys::address",
            "metrics",
        ],
    ),
    ("hub", &["connection", "protocol", "sys::clock::Time"]),
    ("tls", &["connection::tls", "sys"]),
    ("connection", &["protocol", "ring", "sys::clock", "sys::address", "sys::memory", "metrics"]),
    ("access", &["protocol::nats", "sys::clock::Time", "sys::address"]),
    ("protocol", &[]),
    ("ring", &["sys", "tier"]),
    ("sys", &[]),
    ("tier", &[]),
    ("metrics", &[]),
    ("limits", &[]),
];

/// Refuses paths to a layer that does not stand below.
pub(super) fn imports(path: &str, text: &str) -> Vec<String> {
    let module = module_of(path);
    let layer = module.first().copied().unwrap_or("lib");
    if layer == "lib" {
        return Vec::new(); // The crate's root names all its modules.
    }
    let Some((_, below)) = HOUSE.iter().find(|(name, _)| *name == layer) else {
        return vec![format!(
            "{path}: `{layer}` has no place in the house yet. Give it one in tests/it/tidy/layers.rs."
        )];
    };
    let code = source::blanked(text);
    let upward = |(_, target): &(usize, String)| !is_allowed(layer, below, target);
    paths(&module, source::without_tests(path, &code))
        .into_iter()
        .filter(upward)
        .map(|(line, target)| {
            format!(
                "{path}:{line}: `{layer}` must not name `{target}`; it may name limits {}. Move what both need down, \
                 or let the layer above pass it in.",
                below.join(" "),
            )
        })
        .collect()
}

/// The module's path: `src/ring/op.rs` is `ring`, `op`.
fn module_of(path: &str) -> Vec<&str> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    inner.split('/').filter(|name| *name != "lib").collect()
}

fn is_allowed(layer: &str, below: &[&str], target: &str) -> bool {
    let leads_to = |allowed: &str| {
        target.strip_prefix(allowed).is_some_and(|tail| tail.is_empty() || tail.starts_with("::"))
    };
    leads_to(layer) || leads_to("limits") || below.iter().any(|allowed| leads_to(allowed))
}

/// Every path into the crate, from its root, with its line.
fn paths(module: &[&str], code: &str) -> Vec<(usize, String)> {
    let tokens = source::tokens(code);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let continues = at > 0 && tokens[at - 1].text == "::";
        let leads_on = tokens.get(at + 1).is_some_and(|next| next.text == "::");
        let start = match tokens[at].text {
            "crate" => Vec::new(),
            "super" => module[..module.len() - 1].to_vec(),
            _ => continue,
        };
        if leads_on && !continues {
            leaves(&tokens, at + 2, start, &mut found);
        }
    }
    found
}

/// Follows a path from the token at `at`, into every branch of its braces; returns where it ends.
fn leaves<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    mut path: Vec<&'a str>,
    found: &mut Vec<(usize, String)>,
) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text {
            "{" => return branches(tokens, at + 1, &path, found),
            "super" => drop(path.pop()),
            "self" => {}
            name if source::is_name(name) || name == "*" => path.push(name),
            _ => break, // Not part of the path any more, as in `crate::a::<T>`.
        }
        at += 1;
        if tokens.get(at).is_none_or(|next| next.text != "::") {
            break;
        }
        at += 1;
    }
    let line = tokens[at.min(tokens.len()) - 1].line;
    found.push((line, path.join("::")));
    at
}

fn branches<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    path: &[&'a str],
    found: &mut Vec<(usize, String)>,
) -> usize {
    while let Some(token) = tokens.get(at) {
        at = match token.text {
            "}" => return at + 1,
            "as" => at + 2,
            text if source::is_name(text) || text == "*" => leaves(tokens, at, path.to_vec(), found),
            _ => at + 1,
        };
    }
    at
}

#[test]
fn an_upward_import_is_caught() {
    let cases = [
        ("src/ring/op.rs", "use crate::connection::Outbox;", "`ring` must not name `connection::Outbox`"),
        ("src/ring/op.rs", "use crate::{limits, sys::{socket, memory}, shard};", "`shard`"),
        ("src/ring/mod.rs", "fn f(x: u8) { super::server::stop(x) }", "`server::stop`"),
        ("src/ring/op.rs", "use super::super::service;", "`service`"),
        ("src/protocol/raw.rs", "let t: crate::sys::clock::Time;", "`sys::clock::Time`"),
        ("src/service/echo.rs", "use crate::ring::{RecvBuf, token::Token as T};", "`ring::token::Token`"),
        ("src/service/echo.rs", "use crate::sys::clock::{self, Time};", "`sys::clock`"),
        ("src/service/echo.rs", "use crate::sys::clock;", "`sys::clock`"),
        ("src/metrics.rs", "use crate::sys::clock::Time;", "may name limits"),
        ("src/connection/mod.rs", "use crate::*;", "`*`"),
        ("src/attic.rs", "", "no place in the house"),
    ];
    for (path, text, words) in cases {
        super::caught(imports, path, text, words);
    }
}

#[test]
fn a_downward_import_passes() {
    let cases = [
        ("src/lib.rs", "pub use crate::server::Server;"),
        ("src/ring/op.rs", "use super::token::{self, Token};\nuse crate::sys::memory;"),
        ("src/ring/op.rs", "// use crate::shard;\nlet s = \"crate::shard\";"),
        ("src/ring/op.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use crate::shard; }"),
        ("src/ring/op.rs", "pub(crate) fn f() {}\npub(in crate::ring) fn g() {}"),
        ("src/service/hub/mod.rs", "use crate::{ring::{RecvBuf as B, Datagram}, sys::clock::Time};"),
        ("src/shard/mod.rs", "let x = crate::service::make::<u8>(crate::limits::BACKLOG);"),
    ];
    for (path, text) in cases {
        super::passes(imports, path, text);
    }
}

#[test]
fn the_house_has_no_loop() {
    for (height, (layer, below)) in HOUSE.iter().enumerate() {
        for target in *below {
            let target = target.split("::").next();
            let stands_lower = HOUSE[height + 1..].iter().any(|(name, _)| Some(*name) == target);
            assert!(stands_lower, "{layer} may name {target:?}, which must stand below it");
        }
    }
}
