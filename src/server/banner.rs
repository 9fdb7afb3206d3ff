//! What a started server says of itself.

use std::fmt::Write;

use super::Server;
use crate::config::Config;
use crate::sys::address::Listen;

/// Its listeners, shards and ring, and how to try it.
pub(super) fn text(server: &Server, config: &Config) -> String {
    let mut text = String::new();
    let cores: Vec<String> = server.cores().iter().map(usize::to_string).collect();
    let (shards, names) = match cores.len() {
        1 => ("1 shard".to_owned(), "core"),
        count => (format!("{count} shards"), "cores"),
    };
    let capabilities = server.capabilities();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "tidemill {} is ready: {shards} on {names} {}, at most {} connections",
        env!("CARGO_PKG_VERSION"),
        cores.join(", "),
        config.connections
    );
    let _ = writeln!(text, "  ring  tier {}: {capabilities}", capabilities.tier());
    for address in server.addresses() {
        let _ = writeln!(text, "  echo  {address}");
    }
    if let Some(hint) = server.addresses().iter().find_map(hint) {
        let _ = writeln!(text, "Try it: {hint}");
    }
    let _ = writeln!(text, "Stop it: Ctrl-C. Its counters: kill -USR1 {}", std::process::id());
    text
}

/// A command that everybody has, and the load generator.
fn hint(address: &Listen) -> Option<String> {
    let Listen::Tcp(address) = address else { return None };
    let ip = match address.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        ip => ip.to_string(),
    };
    let port = address.port();
    Some(format!(
        "bash -c 'exec 3<>/dev/tcp/{ip}/{port}; echo hello >&3; head -1 <&3', or: cargo run --release -p loadgen"
    ))
}
