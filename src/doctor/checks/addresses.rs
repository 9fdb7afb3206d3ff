//! Whether the addresses that are listened at are this host's, and free.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::super::Sight;
use super::super::finding::{Finding, Topic};
use super::super::host::{Host, Unknown, garbled, if_there};
use crate::sys::address::Listen;

/// A socket that takes connections, of `include/net/tcp_states.h`.
const LISTEN: &str = "0A";
/// A route to this host itself (`RTF_LOCAL`, `include/uapi/linux/ipv6_route.h`).
const LOCAL_ROUTE: u32 = 0x8000_0000;

pub(super) fn addresses(sight: &Sight<'_>) -> Finding {
    let why = "A start would fail there. Addresses of this host are those of its interfaces.";
    Topic::new("addresses", "this host's, and free", why).judge(|topic| {
        let listeners = || sight.config.listeners.iter().map(|listener| (&listener.listen, listener.optional));
        let homeless = listeners().find_map(|(listen, _)| folder_missing(sight.host, listen));
        if let Some(folder) = homeless {
            let found = format!("there is no folder {folder}");
            return Ok(topic.error(found).with(format!("mkdir -p {folder}")));
        }
        for (listen, is_optional) in listeners() {
            if let Some(address) = listen.ip()
                && !is_ours(sight.host, address.ip())?
                // Without IPv6 it would be left out.
                && !(is_optional && address.is_ipv6())
            {
                let command = "ip address";
                return Ok(topic.error(format!("{listen} is not this host's")).with(command));
            }
        }
        for (listen, _) in listeners() {
            if let Some(address) = listen.ip()
                && is_taken(sight.host, listen, address)?
            {
                let why = "Somebody has it: perhaps the server itself, which runs. Another one would not start beside it.";
                let command = format!("ss -lntup 'sport = :{}'", address.port());
                return Ok(topic.because(why).note(format!("{listen} is taken")).with(command));
            }
        }
        Ok(topic.ok("this host's, and free"))
    })
}

/// The folder of a Unix socket, if it is not there.
fn folder_missing(host: &Host, listen: &Listen) -> Option<String> {
    let Listen::Unix(path) = listen else { return None };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.to_str()?;
    (folder.starts_with('/') && !host.has(folder)).then(|| folder.to_owned())
}

/// Whether a socket can be bound to an address: it is on an interface, or the host lets anybody have any.
fn is_ours(host: &Host, address: IpAddr) -> Result<bool, Unknown> {
    let (family, is_local) = match address {
        // The loopback is, even where it is down.
        IpAddr::V4(address) if address.is_unspecified() || address.is_loopback() => return Ok(true),
        IpAddr::V4(address) => ("ipv4", has_v4(host, address)?),
        IpAddr::V6(address) => ("ipv6", has_v6(host, address)?),
    };
    let any = if_there(host.sysctl_number(&format!("net.{family}.ip_nonlocal_bind")))?;
    Ok(is_local || any.is_some_and(|any| any != 0))
}

/// A line of a prefix stands above one of what is there: `|-- 127.0.0.0` and `/8 host LOCAL`.
fn has_v4(host: &Host, address: Ipv4Addr) -> Result<bool, Unknown> {
    const PATH: &str = "/proc/net/fib_trie";
    let (mut prefix, mut found, mut strange) = (None, false, None);
    host.each_line(PATH, |line| {
        let line = line.trim();
        let is_known =
            ["|--", "+--", "/", "Main:", "Local:", "Id "].iter().any(|start| line.starts_with(start));
        if !is_known && !line.is_empty() {
            strange.get_or_insert_with(|| line.to_owned());
        }
        if let Some(text) = line.strip_prefix("|-- ") {
            prefix = text.parse::<Ipv4Addr>().ok();
        } else if let (Some(prefix), Some(length)) = (prefix, local_length(line)) {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            found |= prefix.to_bits() & mask == address.to_bits() & mask;
        }
    })?;
    match strange {
        Some(line) if !found => Err(garbled(PATH, &line)),
        _ => Ok(found),
    }
}

/// The length of a prefix of this host itself.
fn local_length(line: &str) -> Option<u32> {
    let mut words = line.strip_prefix('/')?.split_whitespace();
    let length = words.next()?.parse().ok().filter(|length| *length <= 32)?;
    words.any(|word| word == "LOCAL").then_some(length)
}

/// Each line is a route: prefix, its length, six more, flags, interface. Without IPv6 there is no file, and no address.
fn has_v6(host: &Host, address: Ipv6Addr) -> Result<bool, Unknown> {
    let mut found = address.is_unspecified();
    let read = host.each_line("/proc/net/ipv6_route", |line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [prefix, length, .., flags, _] = words[..] else { return };
        let hex = |text| u32::from_str_radix(text, 16).ok();
        let (Ok(prefix), Some(length), Some(flags)) =
            (u128::from_str_radix(prefix, 16), hex(length), hex(flags))
        else {
            return;
        };
        if flags & LOCAL_ROUTE != 0 {
            let mask = u128::MAX.checked_shl(128 - length.min(128)).unwrap_or(0);
            found |= prefix & mask == address.to_bits() & mask;
        }
    });
    Ok(if_there(read)?.is_some() && found)
}

/// Whether a socket of the same kind is there already, at this address or at one that covers it.
fn is_taken(host: &Host, listen: &Listen, wanted: SocketAddr) -> Result<bool, Unknown> {
    if wanted.port() == 0 {
        return Ok(false);
    }
    let is_tcp = matches!(listen, Listen::Tcp(_));
    let files =
        if is_tcp { ["/proc/net/tcp", "/proc/net/tcp6"] } else { ["/proc/net/udp", "/proc/net/udp6"] };
    let mut found = false;
    for path in files {
        if_there(host.each_line(path, |line| {
            let mut words = line.split_whitespace().skip(1);
            let local = words.next().and_then(socket_address);
            let state = words.nth(1);
            let is_open = !is_tcp || state == Some(LISTEN);
            found |= is_open && local.is_some_and(|local| covers(local, wanted));
        }))?;
    }
    Ok(found)
}

/// Whether two addresses cannot be listened at both.
fn covers(one: SocketAddr, other: SocketAddr) -> bool {
    let is_all = |address: SocketAddr| address.ip().is_unspecified();
    let same_family = one.is_ipv4() == other.is_ipv4();
    let all_of_six = |address: SocketAddr| address.is_ipv6() && is_all(address);
    one.port() == other.port()
        && (one.ip() == other.ip()
            || all_of_six(one)
            || all_of_six(other)
            || (same_family && (is_all(one) || is_all(other))))
}

/// As the kernel writes it: words of 32 bits in the order of this machine, and the port: `0100007F:1B58`.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(ip.get(8 * at..8 * at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip: IpAddr = match ip.len() {
        8 => word(0)?.into(),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            bytes.into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::super::super::fake::{check, listening, look_with, needs};
    use super::super::super::finding::Severity;
    use super::*;
    use crate::config::{Config, Listener};

    /// A loopback and one interface with 192.0.2.2, as Linux 6.18 writes it.
    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 127.0.0.0\n        \
                        /8 host LOCAL\n        |-- 192.0.2.2\n           /32 host LOCAL\n        |-- 192.0.2.255\n           \
                        /32 link BROADCAST\n";
    const ROUTES: &str = "00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000004 00000000 80200001       lo\n\
                          fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n";
    const HEAD: &str = "  sl  local_address rem_address   st\n";

    fn with(files: &[(&str, &str)], config: &Config) -> Finding {
        let here = [("/proc/net/fib_trie", TRIE), ("/proc/net/ipv6_route", ROUTES), ("/run/there/file", "")];
        look_with(addresses, &[&here, files].concat(), config, &needs())
    }

    #[track_caller]
    fn check_here(address: &str, severity: Severity, found: &str, command: &str) {
        check(&with(&[], &listening(&[address])), severity, found, command);
    }

    #[test]
    fn addresses_are_those_of_interfaces() {
        let well =
            ["tcp://127.0.0.1:7000", "tcp://127.1.2.3:7000", "udp://192.0.2.2:7000", "tcp://0.0.0.0:7000"];
        let six = ["tcp://[::]:7000", "tcp://[::1]:7000", "unix:/run/there/socket"];
        for address in well.into_iter().chain(six) {
            check_here(address, Severity::Ok, "this host's, and free", "");
        }
        for address in ["tcp://192.0.2.3:7000", "udp://192.0.2.255:7000", "tcp://[fd00::2]:7000"] {
            check_here(address, Severity::Error, &format!("{address} is not this host's"), "ip address");
        }
        check_here("unix:/run/gone/socket", Severity::Error, "no folder /run/gone", "mkdir -p /run/gone");
    }

    #[test]
    fn a_host_may_lend_addresses_or_lack_a_family() {
        let foreign = listening(&["tcp://192.0.2.3:7000"]);
        let any = [("/proc/sys/net/ipv4/ip_nonlocal_bind", "1\n")];
        check(&with(&any, &foreign), Severity::Ok, "this host's", "");
        let none = [("/proc/net/fib_trie", TRIE)];
        let six = listening(&["tcp://[::]:7000"]);
        check(
            &look_with(addresses, &none, &six, &needs()),
            Severity::Error,
            "[::]:7000 is not this",
            "ip address",
        );
        let optional = Listener { optional: true, ..Listener::echo("tcp://[::]:7000".parse().unwrap()) };
        let optional = Config { listeners: vec![optional], ..Config::default() };
        check(&look_with(addresses, &none, &optional, &needs()), Severity::Ok, "this host's", "");
        check(&look_with(addresses, &[], &foreign, &needs()), Severity::Note, "fib_trie is not there", "");
        let strange = [("/proc/net/fib_trie", "what is this\n")];
        check(
            &look_with(addresses, &strange, &foreign, &needs()),
            Severity::Note,
            "says \"what is",
            "cat /proc",
        );
        // A namespace whose loopback is down has an empty list, and can listen there.
        let down = [("/proc/net/fib_trie", "")];
        let loopback = listening(&["tcp://127.0.0.1:7000"]);
        check(&look_with(addresses, &down, &loopback, &needs()), Severity::Ok, "this host's", "");
        check(
            &look_with(addresses, &down, &foreign, &needs()),
            Severity::Error,
            "is not this host's",
            "ip address",
        );
    }

    /// Port 7000 is 1B58; the rest is as Linux writes it on a processor whose low byte comes first.
    #[cfg(target_endian = "little")]
    #[test]
    fn who_listens_already_is_told() {
        let holder = |file: &'static str, address: &str, state: &str| {
            (file, format!("{HEAD}   0: {address} 00000000:0000 {state} 0 0 0\n"))
        };
        let look = |(file, text): (&str, String), address: &str| {
            with(&[(file, text.as_str())], &listening(&[address])).severity
        };
        let loopback = || holder("/proc/net/tcp", "0100007F:1B58", "0A");
        let taken = with(&[("/proc/net/tcp", &loopback().1)], &listening(&["tcp://127.0.0.1:7000"]));
        check(&taken, Severity::Note, "tcp://127.0.0.1:7000 is taken", "ss -lntup 'sport = :7000'");
        for address in ["tcp://0.0.0.0:7000", "tcp://[::]:7000"] {
            assert_eq!(look(loopback(), address), Severity::Note, "{address}");
        }
        for address in
            ["tcp://127.0.0.2:7000", "tcp://127.0.0.1:7001", "udp://127.0.0.1:7000", "tcp://[::1]:7000"]
        {
            assert_eq!(look(loopback(), address), Severity::Ok, "{address}");
        }
        let connection = holder("/proc/net/tcp", "0100007F:1B58", "01");
        assert_eq!(look(connection, "tcp://127.0.0.1:7000"), Severity::Ok);
        let all = holder("/proc/net/tcp6", "00000000000000000000000000000000:1B58", "0A");
        assert_eq!(look(all, "tcp://127.0.0.1:7000"), Severity::Note);
        let datagrams = holder("/proc/net/udp", "0100007F:1B58", "07");
        assert_eq!(look(datagrams, "udp://127.0.0.1:7000"), Severity::Note);
    }
}
