//! Web pages of other sites: which may ask, and what their browsers are told (the Fetch standard, section 3.3, "CORS").
//!
//! The rules are those for WebSocket. A page that they do not let is refused before anything is done, because a browser
//! sends a simple POST for any page and only keeps the answer from it. It says which page with every POST, but not with the
//! GET of an image. There `Sec-Fetch-Site` tells a stranger; but a browser sends that only to where it trusts the way, which
//! is TLS and loopback (Fetch Metadata, section 2). So where a GET acts and has neither, a browser needs a `Referer` that is
//! good, and is known by its `User-Agent`.

use std::borrow::Cow;

use super::super::authorization::Denial;
use super::super::site::{Field, Page};
use crate::metrics::Refused;
use crate::protocol::http1::{Method, Request};
use crate::protocol::websocket::{
    Admitted, OriginRule, Policy, admit, admits_referer, is_browser, is_of_browser,
};

/// What an answer says to browsers of the page that asked.
#[derive(Debug, PartialEq, Eq)]
pub struct Origin {
    /// The pages that may read it: one origin, or `*`.
    allowed: Option<Cow<'static, [u8]>>,
    /// Whether they may ask with cookies and the like.
    with_credentials: bool,
    /// Whether it asks whether it may ask.
    preflight: bool,
}

impl Origin {
    /// Most fields that one has.
    pub(crate) const FIELDS_MAX: usize = 3 + PREFLIGHT.len();

    /// Judges the page that a request comes from, and which may make it [act](super::super::site::Site::acts); and says,
    /// perhaps, why it may not ask.
    pub(in crate::service::http) fn judge(
        request: &Request<'_>,
        policy: &Policy,
        acts: bool,
    ) -> (Option<Box<Self>>, Option<Denial>) {
        let host = request.headers.get("host").unwrap_or_default();
        // Whoever names two is no browser, or something has put words into its mouth.
        let mut origins = request.headers.get_all("origin");
        let origin = origins.next().filter(|_| origins.next().is_none());
        let admitted = origin.and_then(|origin| admit(&policy.origins, origin, host));
        let allowed = match (admitted, origin) {
            (Some(Admitted::Named), Some(origin)) => Some(Cow::Owned(origin.to_vec())),
            (Some(Admitted::Any), _) => Some(Cow::Borrowed(&b"*"[..])),
            _ => None,
        };
        let with_credentials = admitted == Some(Admitted::Named);
        let preflight = request.method == Method::Options;
        let denial = objection(request, policy, host, admitted, acts).map(denial);
        (Some(Box::new(Self { allowed, with_credentials, preflight })), denial)
    }

    /// Judges only the name that a browser asks for: for what no page of any origin may read by a script.
    pub(in crate::service::http) fn judge_name(request: &Request<'_>, policy: &Policy) -> Option<Denial> {
        let host = request.headers.get("host").unwrap_or_default();
        has_strange_name(request, policy, host).then(|| denial(STRANGE_NAME))
    }

    /// The fields of its answer.
    pub(crate) fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        let allowed = self.allowed.as_deref().map(|allowed| (&b"Access-Control-Allow-Origin"[..], allowed));
        let credentials =
            self.with_credentials.then_some((&b"Access-Control-Allow-Credentials"[..], &b"true"[..]));
        let preflight = if self.preflight && allowed.is_some() { PREFLIGHT } else { &[] };
        // What is kept for one page may be wrong for another.
        let vary = (&b"Vary"[..], &b"Origin"[..]);
        std::iter::once(vary).chain(allowed).chain(credentials).chain(preflight.iter().copied())
    }
}

fn denial(sentence: &'static str) -> Denial {
    Denial { refused: Refused::Origin, page: Page::sentence(403, sentence) }
}

/// Whether a browser asks by a name that a stranger may have led here.
fn has_strange_name(request: &Request<'_>, policy: &Policy, host: &[u8]) -> bool {
    let is_from_browser = || request.headers.iter().any(|(name, value)| is_of_browser(name, value));
    !policy.hosts.admits(host, &policy.origins) && is_from_browser()
}

/// Why a request may not be served whose only origin was admitted like this.
fn objection(
    request: &Request<'_>,
    policy: &Policy,
    host: &[u8],
    admitted: Option<Admitted>,
    acts: bool,
) -> Option<&'static str> {
    let headers = &request.headers;
    if has_strange_name(request, policy, host) {
        return Some(STRANGE_NAME);
    }
    if headers.get("origin").is_some() {
        return admitted.is_none().then_some(STRANGE_PAGE);
    }
    if policy.origins.contains(&OriginRule::Any) {
        return None;
    }
    if headers.get("sec-fetch-site").is_some() {
        let mut sites = headers.get_all("sec-fetch-site");
        let is_strange = sites.any(|site| !matches!(site, b"none" | b"same-origin"));
        return is_strange.then_some(STRANGE_PAGE);
    }
    let is_blind = acts && request.method == Method::Get && headers.get("user-agent").is_some_and(is_browser);
    let is_referred =
        || headers.get("referer").is_some_and(|referer| admits_referer(&policy.origins, referer, host));
    (is_blind && !is_referred()).then_some(BLIND)
}

const STRANGE_PAGE: &str = "Pages of this origin may not ask here.";
const STRANGE_NAME: &str =
    "Browsers may not ask for this name here: it has to stand among the listener's origins.";
const BLIND: &str = "Any page can make a browser send this GET, and it does not say which: ask with POST.";

/// What a page is told that asks whether it may ask.
const PREFLIGHT: &[Field<'static>] = &[
    (b"Access-Control-Allow-Methods", b"GET, POST, PUT"),
    (b"Access-Control-Allow-Headers", b"Authorization, Content-Type, Last-Event-ID"),
    (b"Access-Control-Max-Age", b"600"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http1::{HeadLimits, Progress, Table, parse_request};
    use crate::protocol::websocket::HostRule;

    /// Judges a request with these lines at a listener with these rules.
    #[track_caller]
    fn judge(
        (rules, hosts): (&[&str], HostRule),
        line: &str,
        lines: &str,
        acts: bool,
    ) -> (Box<Origin>, Option<Denial>) {
        let text = format!("{line} HTTP/1.1\r\n{lines}\r\n");
        let (mut progress, mut table) = (Progress::new(), Table::new());
        let limits = HeadLimits::default();
        let request = parse_request(text.as_bytes(), &mut progress, &limits, &mut table).unwrap().unwrap();
        let origins = rules.iter().map(|rule| OriginRule::parse(rule).unwrap()).collect();
        let policy = Policy { origins, hosts, ..Policy::default() };
        let (origin, denial) = Origin::judge(&request, &policy, acts);
        (origin.unwrap(), denial)
    }

    /// What a request with these lines is answered at a listener with these rules: nothing if it is refused.
    #[track_caller]
    fn check(rules: &[&str], method: &str, lines: &str, expected: Option<&[(&str, &str)]>) {
        let (line, lines) = (format!("{method} /publish/a"), format!("Host: hub.example\r\n{lines}"));
        let (origin, denial) = judge((rules, HostRule::Any), &line, &lines, true);
        let fields = origin
            .fields()
            .map(|(name, value)| (std::str::from_utf8(name).unwrap(), std::str::from_utf8(value).unwrap()));
        let fields: Vec<_> = fields.collect();
        assert!(fields.len() <= Origin::FIELDS_MAX);
        assert_eq!(denial.is_none().then_some(&fields[..]), expected, "{rules:?} {lines}");
    }

    /// Checks what a request is told that is refused; nothing if it is not.
    #[track_caller]
    fn check_told(rules: (&[&str], HostRule), line: &str, lines: &str, acts: bool, expected: Option<&str>) {
        let (_, denial) = judge(rules, line, lines, acts);
        let told = denial.map(|denial| String::from_utf8(denial.page.content.into_owned()).unwrap());
        assert_eq!(told.as_deref().map(str::trim_end), expected, "{rules:?} {line} {lines}");
    }

    const VARY: (&str, &str) = ("Vary", "Origin");

    #[test]
    fn own_pages_and_programs_need_no_field() {
        check(&["same-origin"], "POST", "", Some(&[VARY]));
        check(&["same-origin"], "POST", "Origin: http://hub.example\r\n", Some(&[VARY]));
        check(&["same-origin"], "GET", "Sec-Fetch-Site: same-origin\r\n", Some(&[VARY]));
        check(&["same-origin"], "GET", "Sec-Fetch-Site: none\r\n", Some(&[VARY]));
    }

    #[test]
    fn named_pages_may_read_and_show_who_they_are() {
        let allowed = ("Access-Control-Allow-Origin", "https://shop.example");
        let credentials = ("Access-Control-Allow-Credentials", "true");
        let rules = ["same-origin", "https://shop.example"];
        let lines = "Origin: https://shop.example\r\n";
        check(&rules, "POST", lines, Some(&[VARY, allowed, credentials]));
        let methods = ("Access-Control-Allow-Methods", "GET, POST, PUT");
        let headers = ("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID");
        let age = ("Access-Control-Max-Age", "600");
        check(&rules, "OPTIONS", lines, Some(&[VARY, allowed, credentials, methods, headers, age]));
    }

    #[test]
    fn where_all_may_none_shows_who_it_is() {
        let lines = "Origin: https://evil.example\r\n";
        check(&["*"], "POST", lines, Some(&[VARY, ("Access-Control-Allow-Origin", "*")]));
        check(&["*"], "GET", "Sec-Fetch-Site: cross-site\r\n", Some(&[VARY]));
    }

    #[test]
    fn strangers_are_refused() {
        for lines in
            ["Origin: https://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"]
        {
            check(&["same-origin", "https://shop.example"], "POST", lines, None);
            check(&["same-origin", "https://shop.example"], "OPTIONS", lines, None);
        }
    }

    #[test]
    fn nobody_comes_from_two_places() {
        let (own, shop) = ("Origin: http://hub.example\r\n", "Origin: https://shop.example\r\n");
        for rules in [&["same-origin", "https://shop.example"][..], &["*"]] {
            check(rules, "POST", &format!("{own}{own}"), None);
            check(rules, "POST", &format!("{own}Origin: https://evil.example\r\n"), None);
            check(rules, "POST", &format!("{shop}{own}"), None);
        }
    }

    /// A browser sends no `Sec-Fetch-Site` by a way that it does not trust, and no `Origin` for an image.
    #[test]
    fn an_image_cannot_act_where_nothing_says_whose_it_is() {
        const BROWSER: &str = "Host: hub.example:8080\r\nUser-Agent: Mozilla/5.0 (X11) Firefox/140.0\r\n";
        let rules: &[&str] = &["same-origin", "https://shop.example"];
        let check = |rules, method: &str, lines: &str, acts, expected| {
            let line = format!("{method} /request/admin.reset");
            check_told((rules, HostRule::Any), &line, lines, acts, expected);
        };
        check(rules, "GET", BROWSER, true, Some(BLIND));
        check(rules, "GET", BROWSER, false, None);
        check(rules, "POST", BROWSER, true, None);
        check(&["*"], "GET", BROWSER, true, None);
        check(rules, "GET", &format!("{BROWSER}Sec-Fetch-Site: none\r\n"), true, None);
        check(rules, "GET", &format!("{BROWSER}Origin: https://shop.example\r\n"), true, None);
        check(rules, "GET", "Host: hub.example:8080\r\nUser-Agent: curl/8.14.1\r\n", true, None);
        for (referer, expected) in [
            ("http://hub.example:8080/", None),
            ("https://shop.example/basket?of=7", None),
            ("http://evil.example/", Some(BLIND)),
            ("http://evil.example/http://hub.example:8080/", Some(BLIND)),
        ] {
            check(rules, "GET", &format!("{BROWSER}Referer: {referer}\r\n"), true, expected);
        }
    }

    /// A stranger's name that leads to loopback makes its page one of the same origin.
    #[test]
    fn names_that_strangers_may_have_given_are_refused_to_browsers() {
        let check = |rules, host: &str, line: &str, expected| {
            let lines = format!("Host: {host}:8080\r\n{line}");
            check_told((rules, HostRule::Own), "POST /publish/a", &lines, true, expected);
        };
        let own: &[&str] = &["same-origin"];
        for line in [
            "Origin: http://rebind.test:8080\r\n",
            "Sec-Fetch-Site: same-origin\r\n",
            "User-Agent: Mozilla/5.0 (X11)\r\n",
        ] {
            check(own, "rebind.test", line, Some(STRANGE_NAME));
            check(&["same-origin", "https://rebind.test"], "rebind.test", line, None);
            check(&["*"], "rebind.test", line, None);
        }
        check(own, "rebind.test", "User-Agent: curl/8.14.1\r\n", None);
        check(own, "127.0.0.1", "Origin: http://127.0.0.1:8080\r\n", None);
        check(own, "[::1]", "Origin: http://[::1]:8080\r\n", None);
        check(own, "localhost", "Origin: http://localhost:8080\r\n", None);
    }
}
