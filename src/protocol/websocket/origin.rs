//! Which web pages may open a WebSocket here (RFC 6455, 10.2).
//!
//! Browsers say where a page came from; other programs need not, and a rule would not hold them. It is browsers' users
//! that the check protects: a strange page must not speak in their name.

use super::field;

/// One entry of the list of allowed origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginRule {
    /// `*`: every page.
    Any,
    /// `same-origin`: pages from the host and port that the request names in `Host`.
    SameOrigin,
    /// `https://example.org` or `https://example.org:8443`: pages from there.
    Exact(Origin),
}

/// A scheme, a host and a port, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl OriginRule {
    /// Reads an entry of the configuration; `None` when it is none of the three forms.
    pub fn parse(entry: &str) -> Option<Self> {
        match entry {
            "*" => Some(Self::Any),
            "same-origin" => Some(Self::SameOrigin),
            _ => Origin::parse(entry.as_bytes()).map(Self::Exact),
        }
    }

    const fn admits(&self) -> Admitted {
        match self {
            Self::Any => Admitted::Any,
            Self::SameOrigin => Admitted::SameOrigin,
            Self::Exact(_) => Admitted::Named,
        }
    }

    /// Whether its list has a page from this host, whatever the port; `None` is a host that cannot be read.
    pub(super) fn names(&self, host: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::SameOrigin => false,
            Self::Exact(origin) => host.is_some_and(|host| host.eq_ignore_ascii_case(&origin.host)),
        }
    }

    /// Whether a page from `origin` may open a WebSocket by a request to `host`.
    fn allows(&self, origin: Option<&Origin>, host: &[u8]) -> bool {
        match (self, origin) {
            (Self::Any, _) => true,
            (_, None) => false,
            (Self::SameOrigin, Some(origin)) => origin.is_at(host),
            (Self::Exact(allowed), Some(origin)) => allowed == origin,
        }
    }
}

/// By which rule a page is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It is from the place that it asks.
    SameOrigin,
    /// The list names it.
    Named,
    /// All pages are let in.
    Any,
}

/// By which rule a page from `origin` is let in, the narrowest first, if it is. An origin that cannot be read, as `null`, is
/// let in by `*` alone.
pub fn admit(rules: &[OriginRule], origin: &[u8], host: &[u8]) -> Option<Admitted> {
    let origin = Origin::parse(field::trimmed(origin));
    let allowing = rules.iter().filter(|rule| rule.allows(origin.as_ref(), host));
    allowing.map(OriginRule::admits).min_by_key(|admitted| *admitted as u8)
}

/// Whether any rule allows the page at this URL, as `Referer` has it (RFC 9110, 10.1.3). A page can leave it out, but neither
/// its scheme nor its host can be another's.
pub fn admits_referer(rules: &[OriginRule], url: &[u8], host: &[u8]) -> bool {
    let url = field::trimmed(url);
    let authority = memchr::memmem::find(url, b"://").map_or(url.len(), |at| at + 3);
    let length = url[authority..].iter().position(|byte| b"/?#".contains(byte));
    is_allowed(rules, &url[..length.map_or(url.len(), |length| authority + length)], host)
}

/// Whether any rule allows a page from `origin`.
pub(super) fn is_allowed(rules: &[OriginRule], origin: &[u8], host: &[u8]) -> bool {
    admit(rules, origin, host).is_some()
}

impl Origin {
    /// `scheme://host[:port]`, and nothing behind it (RFC 6454, 6.2). A port that the scheme implies is left out.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://")?;
        let starts_well = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !starts_well || !scheme.bytes().all(is_scheme) {
            return None;
        }
        let (host, port) = host_and_port(authority)?;
        let port = port.filter(|port| Some(*port) != default_port(scheme));
        Some(Self { scheme: scheme.to_owned(), host: host.to_owned(), port })
    }

    /// Whether `Host` names the same place. It does not say the scheme, so a port that it leaves out is the origin's own.
    fn is_at(&self, host: &[u8]) -> bool {
        let Ok(text) = str::from_utf8(field::trimmed(host)) else {
            return false;
        };
        let Some((host, port)) = host_and_port(text) else {
            return false;
        };
        let port = port.filter(|port| Some(*port) != default_port(&self.scheme));
        host.eq_ignore_ascii_case(&self.host) && port == self.port
    }
}

/// Splits `host[:port]`; an IPv6 address stands in brackets.
pub(super) fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let name_end =
        if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, tail) = text.split_at(name_end);
    let is_host = |byte: u8| byte.is_ascii_graphic() && !b"/?#@\\\",<>".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return None;
    }
    let Some(digits) = tail.strip_prefix(':') else {
        return tail.is_empty().then_some((host, None));
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = if is_number { digits.parse().ok()? } else { return None };
    Some((host, Some(port)))
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &[&str], origin: &str, host: &str, expected: bool) {
        let parsed: Vec<_> = rules.iter().map(|entry| OriginRule::parse(entry).expect(entry)).collect();
        assert_eq!(
            is_allowed(&parsed, origin.as_bytes(), host.as_bytes()),
            expected,
            "{rules:?} {origin} {host}"
        );
    }

    #[test]
    fn exact_origins_are_compared_without_case() {
        let rules = ["https://example.org", "http://localhost:3000", "http://[::1]:8080"];
        check(&rules, "https://example.org", "x", true);
        check(&rules, "HTTPS://Example.ORG", "x", true);
        check(&rules, "https://example.org:443", "x", true);
        check(&rules, "http://localhost:3000", "x", true);
        check(&rules, "http://[::1]:8080", "x", true);
        check(&rules, "http://example.org", "x", false);
        check(&rules, "https://example.org:80", "x", false);
        check(&rules, "https://example.org.evil.example", "x", false);
        check(&rules, "https://evil-example.org", "x", false);
        check(&rules, "https://example.org/path", "x", false);
        check(&rules, "https://example.org@evil.example", "x", false);
        check(&rules, "http://localhost", "x", false);
        check(&rules, "http://localhost:30000", "x", false);
        check(&rules, "null", "x", false);
        check(&rules, "", "x", false);
    }

    #[test]
    fn the_same_origin_is_that_of_the_host_field() {
        check(&["same-origin"], "https://example.org", "example.org", true);
        check(&["same-origin"], "https://example.org", "EXAMPLE.org:443", true);
        check(&["same-origin"], "http://example.org", "example.org:80", true);
        check(&["same-origin"], "http://localhost:7000", "localhost:7000", true);
        check(&["same-origin"], "http://[::1]:7000", "[::1]:7000", true);
        check(&["same-origin"], "https://example.org", "example.org:80", false);
        check(&["same-origin"], "http://localhost:7000", "localhost:7001", false);
        check(&["same-origin"], "http://localhost:7000", "localhost", false);
        check(&["same-origin"], "https://evil.example", "example.org", false);
        check(&["same-origin"], "null", "null", false);
        check(&["same-origin"], "https://example.org", "", false);
    }

    #[test]
    fn a_referer_is_as_good_as_its_origin() {
        let check = |url: &str, expected: bool| {
            let rules = ["same-origin", "https://shop.example"].map(|rule| OriginRule::parse(rule).unwrap());
            assert_eq!(admits_referer(&rules, url.as_bytes(), b"hub.example:8080"), expected, "{url}");
        };
        check("http://hub.example:8080/", true);
        check("http://hub.example:8080", true);
        check("http://hub.example:8080/a/page?of=http://evil.example", true);
        check("https://shop.example?a", true);
        check("http://evil.example/", false);
        check("http://evil.example/?http://hub.example:8080/", false);
        check("http://hub.example:8080@evil.example/", false);
        check("http://evil.example#http://hub.example:8080/", false);
        check("/request/a", false);
        check("http://", false);
        check("", false);
    }

    #[test]
    fn a_star_allows_all_and_no_rule_none() {
        check(&["*"], "null", "x", true);
        check(&["*"], "https://evil.example", "x", true);
        check(&[], "https://example.org", "example.org", false);
    }

    #[test]
    fn entries_that_are_no_origin_are_refused() {
        for entry in
            ["", "example.org", "https://", "https://example.org/", "https://a:b", "https://a:", "://a"]
        {
            assert_eq!(OriginRule::parse(entry), None, "{entry}");
        }
        for entry in
            ["https://a b", "https://a:99999", "https://[::1", "https://a,b", "1a://b", "Same-Origin"]
        {
            assert_eq!(OriginRule::parse(entry), None, "{entry}");
        }
    }
}
