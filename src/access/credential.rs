//! Finding the credential in a request: in a header, a cookie, the query or among the subprotocols.
//!
//! It works on what the request's parser has found already, and must not know what a credential means. Two different
//! ones in a request are one too many: nobody could say as whom it was meant.
//!
//! A browser cannot set headers on a WebSocket, and a query is written into logs on its way. So a token may stand among the
//! subprotocols, as `Sec-WebSocket-Protocol: chat, bearer.TOKEN`: the offer of one name with the token behind it, as
//! Kubernetes does with a longer name. **The server must choose another offer, or none**: choosing this one would echo the
//! token. A token in this place has only the characters of an HTTP token, so `/` and `=` cannot stand in it.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::limits;

/// Where credentials are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// `Authorization: Bearer TOKEN` (RFC 6750, section 2.1).
    pub authorization: bool,
    /// The name of a cookie.
    pub cookie: Option<String>,
    /// The name of a parameter of the query. It is off by default: queries are written into logs and histories
    /// (RFC 6750, section 2.3).
    pub query: Option<String>,
    /// `Sec-WebSocket-Protocol: bearer.TOKEN`.
    pub websocket_subprotocol: bool,
}

impl Default for Sources {
    fn default() -> Self {
        Self { authorization: true, cookie: None, query: None, websocket_subprotocol: true }
    }
}

/// A request whose credential cannot be read, or that has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request's credential is malformed, or there are several")]
pub struct Malformed;

/// What stands before a token among the subprotocols.
pub const SUBPROTOCOL_PREFIX: &str = "bearer.";

/// Finds the one credential of a request in the sources that count; the others are not looked at.
///
/// `cookies` are the values of all `Cookie` headers, `query` is what stands behind the question mark, and `subprotocols`
/// are the offers, one by one.
pub fn find_credential<'a>(
    sources: &Sources,
    authorization: Option<&'a str>,
    cookies: impl IntoIterator<Item = &'a str>,
    query: Option<&'a str>,
    subprotocols: impl IntoIterator<Item = &'a str>,
) -> Result<Option<Cow<'a, str>>, Malformed> {
    let mut found = Found(None);
    if let Some(value) = authorization.filter(|_| sources.authorization) {
        bearer(value)?.map_or(Ok(()), |token| found.add(token.into()))?;
    }
    if let Some(name) = &sources.cookie {
        for header in cookies {
            cookie_values(header, name).try_for_each(|value| found.add(value.into()))?;
        }
    }
    if let (Some(name), Some(query)) = (&sources.query, query) {
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if percent_decoded(key).is_some_and(|key| key == *name) {
                found.add(percent_decoded(value).ok_or(Malformed)?)?;
            }
        }
    }
    if sources.websocket_subprotocol {
        for offer in subprotocols {
            if let Some(token) = offer.trim_matches(BLANK).strip_prefix(SUBPROTOCOL_PREFIX) {
                found.add(token.into())?;
            }
        }
    }
    Ok(found.0)
}

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name, which has no colon.
    pub name: String,
    /// The password.
    pub password: String,
}

/// The name and the password of `Basic BASE64` (RFC 7617, section 2), which are UTF-8 here, as its section 2.1 lets a server
/// say. Another scheme is for somebody else.
pub fn find_login(authorization: &str) -> Result<Option<Login>, Malformed> {
    let Some(text) = of_scheme("basic", authorization) else { return Ok(None) };
    if text.len() > limits::CREDENTIAL_BYTES_MAX {
        return Err(Malformed);
    }
    let bytes = STANDARD.decode(text).map_err(|_| Malformed)?;
    let login = String::from_utf8(bytes).map_err(|_| Malformed)?;
    match login.split_once(':') {
        Some((name, password)) if !login.contains(char::is_control) => {
            Ok(Some(Login { name: name.to_owned(), password: password.to_owned() }))
        }
        Some(_) | None => Err(Malformed),
    }
}

/// The token of `Bearer TOKEN`. Another scheme is for somebody else, such as a proxy on the way.
fn bearer(value: &str) -> Result<Option<&str>, Malformed> {
    match of_scheme("bearer", value) {
        Some("") => Err(Malformed),
        token => Ok(token),
    }
}

/// What stands behind this scheme, if it is this one (RFC 9110, section 11.4: the scheme, then one or more spaces).
fn of_scheme<'a>(name: &str, value: &'a str) -> Option<&'a str> {
    let value = value.trim_matches(BLANK);
    let (scheme, rest) = value.split_once(BLANK).unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case(name).then(|| rest.trim_start_matches(' '))
}

/// The values of this cookie in one header (RFC 6265, section 4.2). Names are told apart by case.
fn cookie_values<'a>(header: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    header.split(';').filter_map(move |pair| {
        let (key, value) = pair.split_once('=')?;
        let value = value.trim_matches(BLANK);
        let unquoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        (key.trim_matches(BLANK) == name).then(|| unquoted.unwrap_or(value))
    })
}

/// The one credential, once it was found.
struct Found<'a>(Option<Cow<'a, str>>);

impl<'a> Found<'a> {
    fn add(&mut self, token: Cow<'a, str>) -> Result<(), Malformed> {
        if token.len() > limits::CREDENTIAL_BYTES_MAX || !is_token(&token) {
            return Err(Malformed);
        }
        match &self.0 {
            Some(known) if *known != token => Err(Malformed),
            Some(_) => Ok(()),
            None => {
                self.0 = Some(token);
                Ok(())
            }
        }
    }
}

/// The grammar of a bearer token: one or more of letters, digits and `-._~+/`, then any number of `=`
/// (RFC 6750, section 2.1).
pub(super) fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let is_body = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(is_body)
}

/// Decodes `%41`; a plus sign stays one, since tokens may have it, and no token has a space. Nothing when a percent sign
/// is not followed by two digits, or the text is not UTF-8.
fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None; // The standard library would take a plus sign.
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Optional white space of HTTP (RFC 9110, section 5.6.3).
const BLANK: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Sources {
        let (cookie, query) = (Some("token".to_owned()), Some("access_token".to_owned()));
        Sources { authorization: true, cookie, query, websocket_subprotocol: true }
    }

    /// A request: the header, the cookies, the query and the subprotocols.
    type Request<'a> = (Option<&'a str>, &'a [&'a str], Option<&'a str>, &'a str);

    fn find(sources: &Sources, request: Request<'_>) -> Result<Option<String>, Malformed> {
        let (authorization, cookies, query, offers) = request;
        let offers = offers.split(',');
        find_credential(sources, authorization, cookies.iter().copied(), query, offers)
            .map(|found| found.map(Cow::into_owned))
    }

    #[track_caller]
    fn check(request: Request<'_>, expected: Result<Option<&str>, Malformed>) {
        assert_eq!(find(&all(), request), expected.map(|found| found.map(str::to_owned)), "{request:?}");
    }

    #[test]
    fn the_authorization_header() {
        let check = |value: &str, expected: Result<Option<&str>, Malformed>| {
            check((Some(value), &[], None, ""), expected);
        };
        check("Bearer mF_9.B5f-4.1JqM", Ok(Some("mF_9.B5f-4.1JqM"))); // RFC 6750, section 2.1.
        check("bearer abc", Ok(Some("abc")));
        check("BEARER   abc==", Ok(Some("abc==")));
        check(" Bearer a+b/c~d \t", Ok(Some("a+b/c~d")));
        for value in
            ["Bearer", "Bearer ", "Bearer =", "Bearer a b", "Bearer a=b", "Bearer \"a\"", "Bearer \ta"]
        {
            check(value, Err(Malformed));
        }
        for value in ["Bearer a,b", "Bearer ä", "Bearer a\0", "Bearer Bearer a"] {
            check(value, Err(Malformed));
        }
        for value in ["", " ", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Bearerabc", "ä"] {
            check(value, Ok(None));
        }
        let longest = "a".repeat(8192);
        check(&format!("Bearer {longest}"), Ok(Some(&longest)));
        check(&format!("Bearer {}", "a".repeat(8193)), Err(Malformed));
    }

    #[test]
    fn names_and_passwords() {
        let check = |value: &str, expected: Result<Option<(&str, &str)>, Malformed>| {
            let login =
                |(name, password): (&str, &str)| Login { name: name.into(), password: password.into() };
            assert_eq!(find_login(value), expected.map(|found| found.map(login)), "{value}");
        };
        // RFC 7617, sections 2 and 2.1.
        check("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", Ok(Some(("Aladdin", "open sesame"))));
        check("Basic dGVzdDoxMjPCow==", Ok(Some(("test", "123\u{a3}"))));
        // By base64(1): "a:b:c", "a:", ":b", "nothing", "a:b" and a line's end, "a:b" and a byte that is no UTF-8.
        check("basic   YTpiOmM=", Ok(Some(("a", "b:c"))));
        check("BASIC YTo=", Ok(Some(("a", ""))));
        check("Basic OmI=", Ok(Some(("", "b"))));
        for bad in ["", "bm90aGluZw==", "YTpiCg==", "YTpi/w==", "YTo", "YTo=x", "ä"] {
            check(&format!("Basic {bad}"), Err(Malformed));
        }
        check("Basic", Err(Malformed));
        check(&format!("Basic {}", "YTpi".repeat(2049)), Err(Malformed));
        for other in ["", "Bearer YTpi", "Basically YTpi", "Digest username=\"a\""] {
            check(other, Ok(None));
        }
        assert_eq!(format!("{:?}", find_login("Basic YTpi")), "Ok(Some(Login { name: \"a\", .. }))");
    }

    #[test]
    fn cookies() {
        let check = |headers: &[&str], expected| check((None, headers, None, ""), expected);
        check(&["token=abc"], Ok(Some("abc")));
        check(&["SID=31d4d96e407aad42; lang=en-US; token=abc"], Ok(Some("abc"))); // RFC 6265, section 3.1.
        check(&["SID=31d4d96e407aad42", "token=\"abc\""], Ok(Some("abc")));
        check(&["token=abc=="], Ok(Some("abc==")));
        check(&["token = abc ;x"], Ok(Some("abc")));
        check(&["Token=abc; xtoken=abc; token; tokenx=1; x=token=abc"], Ok(None));
        check(&[""], Ok(None));
        check(&["token="], Err(Malformed));
        check(&["token=\"abc"], Err(Malformed));
        check(&["token=\""], Err(Malformed));
        check(&["token=\"\""], Err(Malformed));
        check(&["token=a b"], Err(Malformed));
        check(&["token=abc; token=abc"], Ok(Some("abc")));
        check(&["token=abc; token=def"], Err(Malformed));
        check(&["token=abc", "token=def"], Err(Malformed));
    }

    #[test]
    fn the_query() {
        let check = |query: &str, expected| check((None, &[], Some(query), ""), expected);
        check("access_token=mF_9.B5f-4.1JqM", Ok(Some("mF_9.B5f-4.1JqM"))); // RFC 6750, section 2.3.
        check("a=b&access_token=abc&c", Ok(Some("abc")));
        check("access%5ftoken=%61b%2Bc%3d%3D", Ok(Some("ab+c==")));
        check("access_token=a+b", Ok(Some("a+b")));
        check("", Ok(None));
        check("access_tokens=abc&%zz=1&access_token%=abc", Ok(None));
        check("access_token", Err(Malformed));
        for value in ["", "%", "%4", "%+4", "%zz", "a%20b", "%00", "%ff", "%c3%a4", "ä", "%4ä"] {
            check(&format!("access_token={value}"), Err(Malformed));
        }
        check("access_token=abc&access_token=ab%63", Ok(Some("abc")));
        check("access_token=abc&access_token=def", Err(Malformed));
    }

    #[test]
    fn subprotocols() {
        let check = |offers: &str, expected| check((None, &[], None, offers), expected);
        check("chat, bearer.abc.def.ghi", Ok(Some("abc.def.ghi")));
        check("bearer.abc,chat", Ok(Some("abc")));
        check("chat, superchat", Ok(None));
        check("bearer, abc", Ok(None));
        check("Bearer.abc", Ok(None));
        check("bearer.", Err(Malformed));
        check("bearer.abc, bearer.def", Err(Malformed));
        check("bearer.abc, bearer.abc", Ok(Some("abc")));
    }

    #[test]
    fn two_different_credentials_are_malformed() {
        check((Some("Bearer abc"), &["token=abc"], Some("access_token=abc"), "bearer.abc"), Ok(Some("abc")));
        check((Some("Bearer abc"), &["token=abd"], None, ""), Err(Malformed));
        check((Some("Bearer abc"), &[], Some("access_token=abd"), ""), Err(Malformed));
        check((None, &["token=abc"], None, "bearer.abd"), Err(Malformed));
        check((None, &[], None, ""), Ok(None));
    }

    #[test]
    fn a_source_that_does_not_count_is_not_looked_at() {
        let request: Request<'_> = (Some("Bearer a b"), &["token=a b"], Some("access_token=%"), "bearer.");
        let none = Sources { authorization: false, cookie: None, query: None, websocket_subprotocol: false };
        assert_eq!(find(&none, request), Ok(None));
        let by_default: Request<'_> = (Some("Bearer abc"), &["token=a"], Some("access_token=b"), "chat");
        assert_eq!(find(&Sources::default(), by_default), Ok(Some("abc".to_owned())));
    }

    #[test]
    fn no_text_makes_it_panic() {
        let pieces = [
            "Bearer",
            " ",
            "=",
            ";",
            "&",
            "%",
            "%4",
            "41",
            "token",
            "access_token",
            "\"",
            "ä",
            "bearer.",
            ",",
            "\0",
        ];
        let mut seed = 0x5eed_u32;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..8 {
                seed ^= seed << 13;
                seed ^= seed >> 17;
                seed ^= seed << 5;
                text.push_str(pieces[usize::try_from(seed).unwrap() % pieces.len()]);
            }
            let found = find(&all(), (Some(&text), &[&text], Some(&text), &text));
            assert!(
                found.is_err() || found.is_ok_and(|found| found.is_none_or(|token| is_token(&token))),
                "{text}"
            );
        }
    }
}
