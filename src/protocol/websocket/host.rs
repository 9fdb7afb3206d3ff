//! By which names browsers may ask for a server that is meant for its own host alone.
//!
//! A stranger can serve a page, and then let the name that it came from stand for 127.0.0.1 (DNS rebinding). The browser
//! takes the server there for the page's own, and so does every rule that compares `Origin` with `Host`; only the name is
//! wrong. Nobody can point an address elsewhere, or `localhost` (RFC 6761, 6.3). Programs may name what they like: they could
//! as well lie.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::field;
use super::origin::{OriginRule, host_and_port};

/// What browsers must name in `Host`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostRule {
    /// Whatever leads here.
    #[default]
    Any,
    /// An IP address, `localhost` or a name below it, or the host of an origin that is let in by name; anything where all
    /// pages are let in.
    Own,
}

impl HostRule {
    /// Whether a browser may ask for this `Host` where these origins are let in.
    pub fn admits(self, host: &[u8], origins: &[OriginRule]) -> bool {
        match self {
            Self::Any => true,
            Self::Own => {
                let host = name(host);
                host.is_some_and(is_nobodys) || origins.iter().any(|rule| rule.names(host))
            }
        }
    }
}

/// Whether a field of a request shows that it comes from a browser.
pub fn is_of_browser(name: &[u8], value: &[u8]) -> bool {
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    is("origin") || is("sec-fetch-site") || (is("user-agent") && is_browser(value))
}

/// Whether a `User-Agent` is a browser's: all of them begin so (HTML, section 8.10.1.1), and no page can change it where it
/// would not have to say its origin, too.
pub fn is_browser(user_agent: &[u8]) -> bool {
    field::trimmed(user_agent).starts_with(b"Mozilla/")
}

/// The host alone, without its port.
fn name(host: &[u8]) -> Option<&str> {
    let text = str::from_utf8(field::trimmed(host)).ok()?;
    host_and_port(text).map(|(name, _)| name)
}

/// Whether no stranger can have it lead here.
fn is_nobodys(name: &str) -> bool {
    let in_brackets = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_address = match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => name.parse::<Ipv4Addr>().is_ok(),
    };
    let name = name.to_ascii_lowercase();
    is_address || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: &[&str], host: &str, expected: bool) {
        let rules: Vec<_> = rules.iter().map(|entry| OriginRule::parse(entry).expect(entry)).collect();
        assert_eq!(HostRule::Own.admits(host.as_bytes(), &rules), expected, "{rules:?} {host}");
        assert!(HostRule::Any.admits(host.as_bytes(), &rules), "{rules:?} {host}");
    }

    #[test]
    fn nobody_can_point_addresses_and_localhost_elsewhere() {
        for host in ["127.0.0.1:8080", "192.0.2.1", "[::1]:8080", "[::1]", "localhost", "LOCALHOST:8080"] {
            check(&["same-origin"], host, true);
        }
        check(&["same-origin"], "hub.localhost:8080", true);
    }

    #[test]
    fn other_names_are_strangers_unless_the_list_has_them() {
        for host in ["rebind.test:8080", "rebind.test", "notlocalhost", "localhost.evil.example", "[::1", ""]
        {
            check(&["same-origin"], host, false);
            check(&["same-origin", "https://hub.example"], host, false);
            check(&["*"], host, true);
        }
        for host in ["127.0.0.1.evil.example", "127.0.0.1@evil.example", "127.0.0.1:x", "::1", "1", "a b"] {
            check(&["same-origin"], host, false);
        }
        // Its port is another matter: a proxy may pass the name on without it.
        for host in ["hub.example", "HUB.example:443", "hub.example:8080"] {
            check(&["https://hub.example:8443"], host, true);
        }
    }

    #[test]
    fn browsers_are_known_by_what_all_of_them_send() {
        let check = |name: &str, value: &str, expected| {
            assert_eq!(is_of_browser(name.as_bytes(), value.as_bytes()), expected, "{name}: {value}");
        };
        check("Origin", "null", true);
        check("SEC-FETCH-SITE", "none", true);
        check("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", true);
        check("User-Agent", "curl/8.14.1", false);
        check("User-Agent", "tool (like Mozilla/5.0)", false);
        check("Referer", "Mozilla/5.0", false);
    }
}
