//! What a started server says of itself.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};

use super::Server;
use crate::config::Config;
use crate::config::units::Cores;
use crate::sys::address::Listen;

/// Its listeners, shards and ring, and how to try it.
pub(super) fn text(server: &Server, config: &Config) -> String {
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
    let _ = writeln!(text, "  ring  tier {}: {capabilities}", capabilities.tier());
    for address in server.addresses() {
        let _ = writeln!(text, "  echo  {address}");
    }
    if let Some(hint) = try_it(server.addresses()) {
        let _ = writeln!(text, "Try it: {hint}");
    }
    let _ = writeln!(text, "Stop it: Ctrl-C. Its counters: kill -USR1 {}", std::process::id());
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

/// How to try this server. A connection is what everybody can make without the load generator, so it goes first.
fn try_it(addresses: &[Listen]) -> Option<String> {
    addresses.iter().find_map(by_hand).or_else(|| addresses.first().map(load))
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
        let addresses: Vec<Listen> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let hint = try_it(&addresses).unwrap();
        assert!(hint.ends_with(end), "{hint}");
        assert_eq!(hint.contains("/dev/tcp/"), addresses.iter().any(|one| matches!(one, Listen::Tcp(_))));
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
