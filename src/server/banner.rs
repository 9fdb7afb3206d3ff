//! What a started server says of itself.

use std::fmt::Write;
use std::net::SocketAddr;

use super::Server;
use crate::config::Config;
use crate::limits;
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
    let load = match (ip.as_str(), port) {
        ("127.0.0.1", limits::DEFAULT_PORT) => String::new(),
        _ => format!(" -- run tcp://{}", SocketAddr::new(ip.parse().ok()?, port)),
    };
    Some(format!(
        "bash -c 'exec 3<>/dev/tcp/{ip}/{port}; echo hello >&3; head -1 <&3', or: cargo run --release -p loadgen{load}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_names_an_address_that_can_be_connected_to() {
        let hint = |address: &str| hint(&address.parse().unwrap()).unwrap_or_default();
        assert!(hint("tcp://127.0.0.1:7000").ends_with("head -1 <&3', or: cargo run --release -p loadgen"));
        assert!(hint("tcp://0.0.0.0:80").contains("/dev/tcp/127.0.0.1/80;"));
        assert!(hint("tcp://[::1]:80").ends_with("loadgen -- run tcp://[::1]:80"));
        assert_eq!(hint("udp://127.0.0.1:7000"), "");
    }
}
