//! Web pages of other sites: which may ask, and what their browsers are told (the Fetch standard, section 3.3, "CORS").
//!
//! The rules are those for WebSocket. A page that they do not let is refused before anything is done, because a browser
//! sends a simple POST for any page and only keeps the answer from it. A page that cannot be told from others, since its
//! request has no `Origin`, is known as a stranger by `Sec-Fetch-Site`.

use std::borrow::Cow;

use super::super::authorization::Denial;
use super::super::site::{Field, Page};
use crate::metrics::Refused;
use crate::protocol::http1::{Method, Request};
use crate::protocol::websocket::{Admitted, OriginRule, Policy, admit};

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

    /// Judges the page that a request comes from; and says, perhaps, why it may not ask.
    pub(in crate::service::http) fn judge(
        request: &Request<'_>,
        policy: &Policy,
    ) -> (Option<Box<Self>>, Option<Denial>) {
        let origin = request.headers.get("origin");
        let host = request.headers.get("host").unwrap_or_default();
        let admitted = origin.map(|origin| admit(&policy.origins, origin, host));
        let site = request.headers.get("sec-fetch-site").unwrap_or(b"none");
        let is_strange = !matches!(site, b"none" | b"same-origin");
        let everybody = policy.origins.contains(&OriginRule::Any);
        let refused = admitted == Some(None) || (origin.is_none() && is_strange && !everybody);
        let allowed = match (admitted.flatten(), origin) {
            (Some(Admitted::Named), Some(origin)) => Some(Cow::Owned(origin.to_vec())),
            (Some(Admitted::Any), _) => Some(Cow::Borrowed(&b"*"[..])),
            _ => None,
        };
        let with_credentials = admitted.flatten() == Some(Admitted::Named);
        let preflight = request.method == Method::Options;
        let denial = refused.then(|| Denial {
            refused: Refused::Origin,
            page: Page::sentence(403, "Pages of this origin may not ask here."),
        });
        (Some(Box::new(Self { allowed, with_credentials, preflight })), denial)
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

    /// What a request with these lines is answered at a listener with these rules: nothing if it is refused.
    #[track_caller]
    fn check(rules: &[&str], method: &str, lines: &str, expected: Option<&[(&str, &str)]>) {
        let text = format!("{method} /publish/a HTTP/1.1\r\nHost: hub.example\r\n{lines}\r\n");
        let (mut progress, mut table) = (Progress::new(), Table::new());
        let limits = HeadLimits::default();
        let request = parse_request(text.as_bytes(), &mut progress, &limits, &mut table).unwrap().unwrap();
        let origins = rules.iter().map(|rule| OriginRule::parse(rule).unwrap()).collect();
        let policy = Policy { origins, ..Policy::default() };
        let (origin, denial) = Origin::judge(&request, &policy);
        let origin = origin.unwrap();
        let fields = origin
            .fields()
            .map(|(name, value)| (std::str::from_utf8(name).unwrap(), std::str::from_utf8(value).unwrap()));
        let fields: Vec<_> = fields.collect();
        assert!(fields.len() <= Origin::FIELDS_MAX);
        assert_eq!(denial.is_none().then_some(&fields[..]), expected, "{rules:?} {lines}");
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
}
