//! What a started server says of itself.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};

use super::Server;
use super::sandbox::Sandbox;
use crate::config::units::Cores;
use crate::config::{Config, Endpoint, ServiceName};
use crate::sys::address::Listen;

/// Its listeners, shards and ring, and how to try it.
pub(super) fn text(server: &Server, config: &Config, sandbox: &Sandbox) -> String {
    let mut text = String::new();
    let capabilities = server.capabilities();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "tidemill {} is ready: {}, at most {} connections",
        env!("CARGO_PKG_VERSION"),
        crew(server.cores()),
        config.connections
    );
    let _ = writeln!(text, "  {:<5} tier {}: {capabilities}", capabilities.engine, capabilities.tier());
    let _ = writeln!(text, "  sandbox: {sandbox}");
    for endpoint in server.endpoints() {
        let _ = writeln!(text, "  {:<5} {}", endpoint.service.name(), url(endpoint));
    }
    for (listener, fingerprint) in server.fingerprints() {
        let _ = writeln!(text, "  The certificate of {listener} is self-signed, SHA-256 {fingerprint}");
    }
    if let Some(hint) = try_it(server.endpoints()) {
        let _ = writeln!(text, "Try it: {hint}");
    }
    let _ = writeln!(
        text,
        "Stop it: Ctrl-C. Its counters: kill -USR1 {0}. Read the configuration again: kill -HUP {0}",
        std::process::id()
    );
    text
}

/// How many shards there are, and their cores: each once, however many share it, and neighbours as a range.
fn crew(mut cores: Vec<usize>) -> String {
    let shards = cores.len();
    cores.sort_unstable();
    cores.dedup();
    let (shard, core) =
        (if shards == 1 { "shard" } else { "shards" }, if cores.len() == 1 { "core" } else { "cores" });
    format!("{shards} {shard} on {core} {}", Cores(cores))
}

/// Where a service is reached, as a program that speaks to it takes it.
fn url(endpoint: &Endpoint) -> String {
    match (endpoint.service, &endpoint.listen) {
        (ServiceName::Http | ServiceName::Admin, Listen::Tcp(address)) => {
            format!("{}://{address}", if endpoint.tls { "https" } else { "http" })
        }
        _ => endpoint.to_string(),
    }
}

/// How to try this server: pages are what everybody can look at, then a connection by hand, then the load generator.
fn try_it(endpoints: &[Endpoint]) -> Option<String> {
    let page = |endpoint: &&Endpoint| endpoint.service == ServiceName::Http;
    if let Some(endpoint) = endpoints.iter().find(page) {
        return Some(match &endpoint.listen {
            Listen::Unix(path) => format!("curl --unix-socket {} http://localhost/", path.display()),
            listen => {
                let insecure = if endpoint.tls { "-k " } else { "" };
                format!("curl {insecure}{}", url(&Endpoint { listen: reachable(listen), ..endpoint.clone() }))
            }
        });
    }
    let plain = endpoints.iter().filter(|endpoint| endpoint.service == ServiceName::Echo && !endpoint.tls);
    let addresses: Vec<&Listen> = plain.map(|endpoint| &endpoint.listen).collect();
    let first = addresses.first().copied();
    addresses.into_iter().find_map(by_hand).or_else(|| first.map(load))
}

/// A command that everybody has, and the load generator.
fn by_hand(listen: &Listen) -> Option<String> {
    let Listen::Tcp(address) = reachable(listen) else { return None };
    let (ip, port) = (address.ip(), address.port());
    Some(format!("bash -c 'exec 3<>/dev/tcp/{ip}/{port}; echo hello >&3; head -1 <&3', or: {}", load(listen)))
}

/// The load generator, for this listener.
fn load(listen: &Listen) -> String {
    let target = reachable(listen).to_string();
    // What a shell takes as it stands.
    let is_plain = target.chars().all(|letter| letter.is_ascii_alphanumeric() || ":/.-_".contains(letter));
    match target.as_str() {
        "tcp://127.0.0.1:7000" => "cargo run --release -p loadgen".to_owned(),
        _ if is_plain => format!("cargo run --release -p loadgen -- run {target}"),
        _ => format!("cargo run --release -p loadgen -- run '{}'", target.replace('\'', r"'\''")),
    }
}

/// An address that can be connected to: every address of this host is reached by its loopback.
fn reachable(listen: &Listen) -> Listen {
    let loopback = |address: &SocketAddr| match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        _ => *address,
    };
    match listen {
        Listen::Tcp(address) => Listen::Tcp(loopback(address)),
        Listen::Udp(address) => Listen::Udp(loopback(address)),
        Listen::Unix(path) => Listen::Unix(path.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_hint(addresses: &[&str], end: &str) {
        let endpoints: Vec<Endpoint> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let hint = try_it(&endpoints).unwrap();
        assert!(hint.ends_with(end), "{hint}");
        assert_eq!(hint.contains("/dev/tcp/"), addresses.iter().any(|one| one.starts_with("tcp")));
    }

    #[test]
    fn the_hint_names_an_address_that_can_be_connected_to() {
        check_hint(&["tcp://127.0.0.1:7000"], "head -1 <&3', or: cargo run --release -p loadgen");
        check_hint(&["tcp://0.0.0.0:80"], "-- run tcp://127.0.0.1:80");
        check_hint(&["tcp://[::1]:80"], "loadgen -- run 'tcp://[::1]:80'");
        check_hint(&["udp://127.0.0.1:7", "tcp://127.0.0.2:8"], "loadgen -- run tcp://127.0.0.2:8");
        assert!(try_it(&["tcp://0.0.0.0:80".parse().unwrap()]).unwrap().contains("/dev/tcp/127.0.0.1/80;"));
        assert_eq!(try_it(&[]), None);
    }

    #[test]
    fn without_tcp_the_hint_is_the_load_generator() {
        let check = |address: &str, hint: &str| {
            assert_eq!(try_it(&[address.parse().unwrap()]).unwrap(), hint);
        };
        check("udp://127.0.0.1:7000", "cargo run --release -p loadgen -- run udp://127.0.0.1:7000");
        check("udp://[::]:7000", "cargo run --release -p loadgen -- run udp://127.0.0.1:7000");
        check("unix:/run/t.sock", "cargo run --release -p loadgen -- run unix:/run/t.sock");
        check("http://[::]:80", "curl http://127.0.0.1:80");
        check("https://127.0.0.1:8443", "curl -k https://127.0.0.1:8443");
        check("http+unix:/run/h", "curl --unix-socket /run/h http://localhost/");
        check("unix:/run/a b'c", r"cargo run --release -p loadgen -- run 'unix:/run/a b'\''c'");
    }

    #[test]
    fn many_shards_are_told_in_few_words() {
        assert_eq!(crew(vec![3]), "1 shard on core 3");
        assert_eq!(crew(vec![3, 3]), "2 shards on core 3");
        assert_eq!(crew(vec![4, 0, 1]), "3 shards on cores 0-1,4");
        assert_eq!(crew((0..100).cycle().take(300).collect()), "300 shards on cores 0-99");
    }
}
