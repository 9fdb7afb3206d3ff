//! Names that end up in the heads of requests and answers: which letters they may have.

use crate::limits;

/// True for a token (RFC 9110, section 5.6.2), such as the name of a cookie or of a subprotocol.
pub(super) fn is_token(name: &str) -> bool {
    is_made_of(name, |byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// True for the name of a query parameter that needs no escapes: unreserved letters (RFC 3986, section 2.3).
pub(super) fn is_parameter(name: &str) -> bool {
    is_made_of(name, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// True for a text that needs no escapes within quotes (RFC 9110, section 5.6.4).
pub(super) fn is_plain(text: &str) -> bool {
    is_made_of(text, |byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte))
}

/// True for an origin as browsers write it (RFC 6454, section 6.2): a scheme, a host in lower case, and a port unless it
/// is the scheme's own.
pub(super) fn is_origin(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        Some(_) | None => (host, None),
    };
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_scheme = is_made_of(scheme, |byte| is_letter(byte) || b"+-.".contains(&byte));
    let is_host = match name.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok_and(|address| address.to_string() == inner),
        None => is_made_of(name, |byte| is_letter(byte) || b"-._".contains(&byte)),
    };
    is_scheme && is_host && port.is_none_or(|port| is_port(scheme, port))
}

/// A port as it is written in an origin: without zeros in front, and never the scheme's own.
fn is_port(scheme: &str, port: &str) -> bool {
    let is_own = matches!((scheme, port), ("http", "80") | ("https", "443"));
    !is_own && port.parse::<u16>().is_ok_and(|number| number.to_string() == port)
}

fn is_made_of(text: &str, is_allowed: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.len() <= limits::NAME_BYTES_MAX && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        let check = |origin: &str, expected: bool| assert_eq!(is_origin(origin), expected, "{origin}");
        check("https://example.org", true);
        check("http://localhost:3000", true);
        check("http://127.0.0.1:8080", true);
        check("http://[::1]:8080", true);
        check("https://[2001:db8::1]", true);
        check("chrome-extension://abcdefgh", true);
        check("https://example.org/", false);
        check("https://example.org/page", false);
        check("https://Example.org", false);
        check("HTTPS://example.org", false);
        check("https://example.org:443", false);
        check("http://example.org:80", false);
        check("http://example.org:443", true);
        check("https://example.org:0443", false);
        check("https://example.org:", false);
        check("https://example.org:99999", false);
        check("https://user@example.org", false);
        check("https://[2001:DB8::1]", false);
        check("https://*.example.org", false);
        check("https://", false);
        check("://example.org", false);
        check("example.org", false);
        check("null", false);
        check("", false);
    }

    /// RFC 9110, section 5.6.2: the letters of a token, and the separators that are none.
    #[test]
    fn tokens() {
        for name in ["token", "__Host-token", "a.b!#$%&'*+-^_`|~9"] {
            assert!(is_token(name), "{name}");
        }
        for separator in "(),/:;<=>?@[\\]{}\" \t\u{7f}é".chars() {
            assert!(!is_token(&format!("a{separator}b")), "{separator:?}");
        }
        assert!(!is_token(""));
        assert!(is_token(&"a".repeat(256)) && !is_token(&"a".repeat(257)));
    }

    #[test]
    fn parameters_and_plain_texts() {
        assert!(is_parameter("access_token") && is_parameter("t~1.2-3"));
        assert!(!is_parameter("") && !is_parameter("a b") && !is_parameter("a=b") && !is_parameter("ä"));
        assert!(is_plain("Tidemill, for operators"));
        assert!(
            !is_plain("") && !is_plain("a\"b") && !is_plain("a\\b") && !is_plain("a\nb") && !is_plain("ä")
        );
    }
}
