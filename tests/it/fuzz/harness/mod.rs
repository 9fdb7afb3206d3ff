//! One function for each reader of strangers' bytes: it feeds it, and asserts what must hold for any bytes at all.
//!
//! The ordinary tests run them on a corpus and its mutations, the fuzz targets of `tests/fuzz` on whatever libFuzzer
//! finds. What must hold: no panic, progress, outputs within limits, and the same answers however the bytes are cut.

mod access;
mod commands;
mod doors;
mod errands;
mod http;
mod nats;
mod subjects;
mod tls;
mod town;
mod websocket;
mod wire;

use tidemill::config::Config;
use tidemill::protocol::proxy;

/// A target: its name, which is also that of its corpus, and its function.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const TARGETS: [Target; 13] = [
    ("http1_request", http::request),
    ("http1_response", http::response),
    ("websocket", websocket::run),
    ("proxy", proxy_header),
    ("config", config),
    ("tls_server", tls::server),
    ("tls_client", tls::client),
    ("credential", access::run),
    ("nats_server", nats::server),
    ("hub_doors", doors::run),
    ("hub_errands", errands::run),
    ("hub_commands", commands::run),
    ("hub_subjects", subjects::run),
];

/// Runs the target of that name.
pub(crate) fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(target, _)| *target == name);
    target.unwrap_or_else(|| panic!("there is no target {name}")).1(data);
}

/// Whatever comes first of a header decides: more bytes change neither a refusal nor a header.
fn proxy_header(data: &[u8]) {
    let whole = proxy::parse(data);
    if let Ok(Some(header)) = &whole {
        assert!(0 < header.consumed && header.consumed <= data.len(), "it lies within what came");
    }
    // A refusal may need a byte more or less of what follows; a header may not.
    for end in 0..data.len().min(600) {
        match proxy::parse(&data[..end]) {
            Ok(None) => {}
            Ok(Some(header)) => assert_eq!(Ok(Some(header)), whole, "more bytes do not change a header"),
            Err(_) => assert!(whole.is_err(), "more bytes do not mend a header"),
        }
    }
}

/// What is printed of a configuration that is taken is taken, and prints the same.
fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(config) = Config::from_toml(text) else { return };
    let printed = config.to_toml();
    let again = Config::from_toml(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(again.to_toml(), printed);
}
