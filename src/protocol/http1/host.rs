//! Names of hosts, with an optional port: the Host field and the authority of a target.
//!
//! It must not resolve them, and must not know which of them are ours.

use std::net::Ipv6Addr;

use super::token;

/// Whether bytes are `uri-host [ ":" port ]` (RFC 9110, section 7.2) with a host that is not empty. Of IP literals only
/// IPv6 addresses pass; nobody ever defined another kind.
pub(super) fn is_authority(bytes: &[u8]) -> bool {
    split(bytes).is_some_and(|(host, port)| !host.is_empty() && port.is_none_or(is_port))
}

/// Whether bytes are a host and a port that is not empty, as CONNECT wants them (RFC 9110, section 9.3.6).
pub(super) fn is_host_and_port(bytes: &[u8]) -> bool {
    is_authority(bytes) && split(bytes).is_some_and(|(_, port)| port.is_some_and(|port| !port.is_empty()))
}

/// The host and the port, if the host is well-formed.
#[inline]
fn split(bytes: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let end = if bytes.first() == Some(&b'[') { literal_end(bytes)? } else { name_end(bytes)? };
    match bytes.get(end) {
        None => Some((bytes, None)),
        Some(b':') => Some((&bytes[..end], Some(&bytes[end + 1..]))),
        Some(_) => None,
    }
}

/// Where the registered name or IPv4 address at the start ends.
#[inline]
fn name_end(bytes: &[u8]) -> Option<usize> {
    let mut at = token::run(bytes, 0, token::HOST);
    while bytes.get(at) == Some(&b'%') {
        let digits = bytes.get(at + 1..at + 3)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        at = token::run(bytes, at + 3, token::HOST);
    }
    Some(at)
}

/// Where the IPv6 address in brackets at the start ends.
fn literal_end(bytes: &[u8]) -> Option<usize> {
    let close = bytes.iter().position(|byte| *byte == b']')?;
    let address = str::from_utf8(&bytes[1..close]).ok()?;
    address.parse::<Ipv6Addr>().ok().map(|_| close + 1)
}

/// Whether bytes are a port: empty, or a decimal number below 65,536 of at most five digits.
fn is_port(bytes: &[u8]) -> bool {
    let mut number = 0_u32;
    for digit in bytes {
        if !digit.is_ascii_digit() || number > 65_535 {
            return false;
        }
        number = number * 10 + u32::from(digit - b'0');
    }
    bytes.len() <= 5 && number <= 65_535
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, is_valid: bool) {
        assert_eq!(is_authority(text.as_bytes()), is_valid, "{text}");
    }

    #[test]
    fn hosts_are_what_rfc_3986_says() {
        check("example.org", true);
        check("example.org:80", true);
        check("example.org:", true); // `port = *DIGIT`.
        check("127.0.0.1:65535", true);
        check("a_b-c~d!$&'()*+,;=", true);
        check("ex%41mple", true);
        check("[::1]", true);
        check("[2001:db8::1]:8080", true);
        check("[::ffff:1.2.3.4]:1", true);
        check("", false);
        check(":80", false);
        check("a:65536", false);
        check("a:99999999999999999999", false);
        check("a:+1", false);
        check("a:1:2", false);
        check("a b", false);
        check("a/b", false);
        check("a?b", false);
        check("a#b", false);
        check("user@a", false);
        check("a\\b", false);
        check("<a>", false);
        check("a%4", false);
        check("a%zz", false);
        check("\u{e4}.example", false);
        check("::1", false);
        check("[::1", false);
        check("[::1]x", false);
        check("[]", false);
        check("[1.2.3.4]", false);
        check("[fe80::1%25eth0]", false);
    }

    #[test]
    fn connect_needs_a_port() {
        assert!(is_host_and_port(b"a:443"));
        assert!(is_host_and_port(b"[::1]:443"));
        assert!(!is_host_and_port(b"a"));
        assert!(!is_host_and_port(b"a:"));
        assert!(!is_host_and_port(b":443"));
    }
}
