//! What a request wants of the hub: read from its method, path and query alone.

use std::borrow::Cow;
use std::time::Duration;

use super::subject::{self, FILTER_RULE, SUBJECT_RULE};
use crate::hub::{EventStyle, Kind};
use crate::limits;
use crate::protocol::http1::{Method, parameters};

/// What a request wants of the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// A WebSocket.
    Talk(Opening),
    /// A stream of events.
    Listen(Listen),
    /// To publish its content.
    Publish(Publication),
    /// To publish its content, and have it answered.
    Enquire(Enquiry),
    /// To know whether it may ask with one of these methods.
    Preflight(&'static str),
    /// It is there, and only for these methods.
    WrongMethod(&'static str),
    /// It cannot be understood: this is the rule.
    Wrong(Cow<'static, str>),
}

/// What a WebSocket is opened for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// What it listens to; without, it is an echo.
    pub filter: Option<Box<[u8]>>,
    /// Where its messages are published; without, they are refused.
    pub publish: Option<Box<[u8]>>,
    /// Whether it hears what it says itself.
    pub echo: bool,
}

/// What a stream of events listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Subjects, perhaps with wildcards.
    pub filters: Vec<Box<[u8]>>,
    /// How a message becomes an event.
    pub style: EventStyle,
}

/// A message that is published by a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// Where.
    pub subject: Box<[u8]>,
    /// Where answers are expected; empty, nowhere.
    pub reply: Box<[u8]>,
    /// What is said.
    pub payload: Vec<u8>,
    /// What is known of it.
    pub kind: Kind,
}

/// A message that is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enquiry {
    /// What is published, without a place for answers.
    pub publication: Publication,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl Errand {
    /// Whether its content is of interest.
    pub(crate) fn has_content(&self) -> bool {
        matches!(self, Self::Publish(_) | Self::Enquire(_))
    }

    /// What a request wants; `None` if nothing of the hub stands at its path. The parameter of the query that is called
    /// `credential` says who asks, and nothing else.
    pub fn read(
        method: Method<'_>,
        path: &[u8],
        query: Option<&[u8]>,
        credential: Option<&str>,
    ) -> Option<Self> {
        let query = Query { text: query.unwrap_or_default(), credential };
        let (allowed, errand) = match path {
            b"/sse" => ("GET, HEAD", listen(query)),
            b"/ws" => ("GET", talk(None, query)),
            _ => {
                let (place, rest) = split(path)?;
                match place {
                    b"ws" => ("GET", talk(Some(rest), query)),
                    b"publish" => ("POST, PUT", publication(rest, query).map(Self::Publish)),
                    b"request" => ("GET, POST", enquiry(rest, query)),
                    _ => return None,
                }
            }
        };
        Some(match method {
            Method::Options => Self::Preflight(allowed),
            _ if !is_allowed(method, allowed) => Self::WrongMethod(allowed),
            _ => errand.unwrap_or_else(Self::Wrong),
        })
    }
}

/// `/place/rest`.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let path = path.strip_prefix(b"/")?;
    let end = memchr::memchr(b'/', path)?;
    Some((&path[..end], &path[end + 1..]))
}

fn is_allowed(method: Method<'_>, allowed: &str) -> bool {
    allowed.split(", ").any(|name| name.as_bytes() == method.as_bytes())
}

type Rule = Cow<'static, str>;

/// What stands behind the question mark, and what in it is not for us.
#[derive(Clone, Copy)]
struct Query<'a> {
    text: &'a [u8],
    credential: Option<&'a str>,
}

/// A name and a value.
type Parameter<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

impl<'a> Query<'a> {
    /// Its parameters, all of which have these names. Only [`MANY`] may stand there more than once: of others nobody could say
    /// which is meant. What is misspelt is refused, since it would be as if it had not been said.
    fn read(self, names: &[&str]) -> Result<Vec<Parameter<'a>>, Rule> {
        let mut all: Vec<Parameter<'a>> = Vec::new();
        for parameter in parameters(self.text) {
            let (name, value) = parameter.map_err(|_| BAD_QUERY)?;
            let is = |known: &str| known.as_bytes() == &*name;
            match names.iter().find(|known| is(known)) {
                Some(known) if *known != MANY && all.iter().any(|(earlier, _)| *earlier == name) => {
                    return Err(format!("The query has {known} twice.").into());
                }
                Some(_) => all.push((name, value)),
                None if self.credential.is_some_and(is) => {}
                None => return Err(unknown(&name, names)),
            }
        }
        Ok(all)
    }
}

fn unknown(name: &[u8], names: &[&str]) -> Rule {
    let shown: String = String::from_utf8_lossy(name).chars().take(SHOWN_CHARS).collect();
    let known = match names {
        [one] => format!("{one} is"),
        [first @ .., last] => format!("{} and {last} are", first.join(", ")),
        [] => "nothing is".to_owned(),
    };
    format!("The query has {shown:?}: only {known} known here.").into()
}

fn talk(rest: Option<&[u8]>, query: Query<'_>) -> Result<Errand, Rule> {
    let filter =
        rest.map(subject::from_path).map(|filter| filter.filter(|filter| subject::is_filter(filter)));
    let filter = filter.map(|filter| filter.ok_or(FILTER_RULE)).transpose()?;
    let publish = filter.clone().filter(|filter| !subject::has_wildcard(filter));
    let mut opening = Opening { filter, publish, echo: true };
    for (name, value) in query.read(&["echo", "publish"])? {
        match &*name {
            b"echo" => opening.echo = read_bool(&value).ok_or("echo is true or false.")?,
            _ => opening.publish = Some(read_subject(&value)?),
        }
    }
    Ok(Errand::Talk(opening))
}

fn listen(query: Query<'_>) -> Result<Errand, Rule> {
    let mut filters: Vec<Box<[u8]>> = Vec::new();
    let mut style = EventStyle::Plain;
    for (name, value) in query.read(&[MANY, "event", "format"])? {
        let other = match (&*name, &*value) {
            (b"event", b"subject") => EventStyle::Named,
            (b"format", b"json") => EventStyle::Json,
            (b"event", _) => return Err("event is subject, or is left out.".into()),
            (b"format", _) => return Err("format is json, or is left out.".into()),
            (_, value) => {
                value.split(|byte| *byte == b',').try_for_each(|filter| add_filter(&mut filters, filter))?;
                continue;
            }
        };
        if std::mem::replace(&mut style, other) != EventStyle::Plain {
            return Err("An event has its subject by event=subject or by format=json, not by both.".into());
        }
    }
    if filters.is_empty() {
        return Err("Say what to listen to, as in /sse?subject=scores.final".into());
    }
    Ok(Errand::Listen(Listen { filters, style }))
}

/// Adds what none of the others covers, so that nothing comes twice for that.
fn add_filter(filters: &mut Vec<Box<[u8]>>, filter: &[u8]) -> Result<(), Rule> {
    if !subject::is_filter(filter) {
        return Err(FILTER_RULE.into());
    }
    if filters.iter().any(|wider| subject::covers(wider, filter)) {
        return Ok(());
    }
    filters.retain(|narrower| !subject::covers(filter, narrower));
    filters.push(filter.into());
    if limits::EVENT_SUBJECTS_MAX < filters.len() {
        return Err(format!("One stream has {} subjects at most.", limits::EVENT_SUBJECTS_MAX).into());
    }
    Ok(())
}

fn publication(rest: &[u8], query: Query<'_>) -> Result<Publication, Rule> {
    let subject = path_subject(rest)?;
    let mut publication = Publication { subject, ..Publication::default() };
    for (_, value) in query.read(&["reply"])? {
        publication.reply = read_subject(&value)?;
    }
    Ok(publication)
}

fn enquiry(rest: &[u8], query: Query<'_>) -> Result<Errand, Rule> {
    let publication = Publication { subject: path_subject(rest)?, ..Publication::default() };
    let mut timeout = limits::REQUEST_TIMEOUT;
    for (_, value) in query.read(&["timeout"])? {
        let read = std::str::from_utf8(&value).ok().and_then(|text| humantime::parse_duration(text).ok());
        let fits = |time: &Duration| !time.is_zero() && *time <= limits::REQUEST_TIMEOUT_MAX;
        timeout = read.filter(fits).ok_or("timeout is a time up to 30s, as in 500ms or 2s.")?;
    }
    Ok(Errand::Enquire(Enquiry { publication, timeout }))
}

fn path_subject(rest: &[u8]) -> Result<Box<[u8]>, Rule> {
    let subject = subject::from_path(rest).filter(|subject| subject::is_subject(subject));
    Ok(subject.ok_or(SUBJECT_RULE)?)
}

fn read_subject(value: &[u8]) -> Result<Box<[u8]>, Rule> {
    if subject::is_subject(value) { Ok(value.into()) } else { Err(SUBJECT_RULE.into()) }
}

fn read_bool(value: &[u8]) -> Option<bool> {
    match value {
        b"true" | b"1" => Some(true),
        b"false" | b"0" => Some(false),
        _ => None,
    }
}

/// What is known of content of this media type, as the publisher told it. What curl says of `-d` without being asked says
/// nothing.
pub(crate) fn kind_of(content_type: Option<&[u8]>, content: &[u8]) -> Kind {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    let Some(content_type) = content_type else { return Kind::Unknown };
    let end = memchr::memchr2(b';', b' ', content_type).unwrap_or(content_type.len());
    let media = content_type[..end].to_ascii_lowercase();
    if media.starts_with(b"text/") || media == b"application/json" || media.ends_with(b"+json") {
        // Others may be told that it is text only if it is.
        return if simdutf8::basic::from_utf8(content).is_ok() { Kind::Text } else { Kind::Binary };
    }
    if media.is_empty() || media == FORM { Kind::Unknown } else { Kind::Binary }
}

/// The one parameter that may stand there more than once.
const MANY: &str = "subject";
/// Most characters of a strange name that are said again.
const SHOWN_CHARS: usize = 32;
const BAD_QUERY: &str = "The query has a % without two hexadecimal digits.";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &'static str, target: &str) -> Option<Errand> {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let (method, query) = (Method::from_bytes(method.as_bytes()), query.map(str::as_bytes));
        Errand::read(method, path.as_bytes(), query, Some("access_token"))
    }

    fn boxed(text: &str) -> Option<Box<[u8]>> {
        Some(text.as_bytes().into())
    }

    #[track_caller]
    fn check_talk(target: &str, filter: Option<&str>, publish: Option<&str>, echo: bool) {
        let opening = Opening { filter: filter.and_then(boxed), publish: publish.and_then(boxed), echo };
        assert_eq!(read("GET", target), Some(Errand::Talk(opening)), "{target}");
    }

    #[track_caller]
    fn check_listen(query: &str, filters: &[&str], style: EventStyle) {
        let filters = filters.iter().map(|filter| filter.as_bytes().into()).collect();
        let expected = Errand::Listen(Listen { filters, style });
        assert_eq!(read("GET", &format!("/sse?{query}")), Some(expected), "{query}");
    }

    #[track_caller]
    fn check_wrong(method: &'static str, target: &str, word: &str) {
        match read(method, target) {
            Some(Errand::Wrong(rule)) => {
                assert!(rule.contains(word) && rule.ends_with('.'), "{target}: {rule}")
            }
            other => panic!("{target}: {other:?}"),
        }
    }

    #[test]
    fn a_websocket_speaks_where_it_listens_unless_it_listens_to_many() {
        check_talk("/ws", None, None, true);
        check_talk("/ws/a.b", Some("a.b"), Some("a.b"), true);
        check_talk("/ws/a/b?echo=false", Some("a.b"), Some("a.b"), false);
        check_talk("/ws/a.*", Some("a.*"), None, true);
        check_talk("/ws/a.%3E?publish=a.b&access_token=x", Some("a.>"), Some("a.b"), true);
        check_wrong("GET", "/ws/", "token");
        check_wrong("GET", "/ws/a..b", "token");
        check_wrong("GET", "/ws/a?echo=perhaps", "echo");
        check_wrong("GET", "/ws/a?publish=b.*", "wildcard");
    }

    #[test]
    fn a_stream_of_events_may_have_many_subjects() {
        check_listen("subject=a.b", &["a.b"], EventStyle::Plain);
        check_listen("subject=a&subject=b,c.%3E", &["a", "b", "c.>"], EventStyle::Plain);
        check_listen("subject=a.b,a.*,a.b&format=json", &["a.*"], EventStyle::Json);
        check_listen("subject=a&event=subject", &["a"], EventStyle::Named);
        check_wrong("GET", "/sse?subject=a,", "token");
        check_wrong("GET", "/sse?subject=a&event=x", "event");
        check_wrong("GET", "/sse?subject=a&format=xml", "format");
        check_wrong("GET", "/sse?subject=%zz", "%");
        // The last one won.
        check_wrong("GET", "/sse?subject=a&event=subject&format=json", "not by both");
        check_wrong("GET", "/sse?subject=a&format=json&event=subject", "not by both");
        check_wrong("GET", "/sse?subject=a&format=json&format=json", "format twice");
        let many = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        assert!(matches!(read("GET", &format!("/sse?subject={}", many(64))), Some(Errand::Listen(_))));
        check_wrong("GET", &format!("/sse?subject={}", many(65)), "64");
        assert!(matches!(read("GET", "/sse"), Some(Errand::Wrong(_))));
    }

    #[test]
    fn requests_say_where_and_how_long() {
        let publication = |subject: &str, reply: &str| Publication {
            subject: subject.as_bytes().into(),
            reply: reply.as_bytes().into(),
            ..Publication::default()
        };
        assert_eq!(read("POST", "/publish/a/b?reply=c"), Some(Errand::Publish(publication("a.b", "c"))));
        assert_eq!(read("PUT", "/publish/a%20"), Some(Errand::Wrong(SUBJECT_RULE.into())));
        check_wrong("POST", "/publish/a.*", "wildcard");
        check_wrong("POST", "/publish/%", "token");
        let enquiry = |timeout| Enquiry { publication: publication("a", ""), timeout };
        let second = Duration::from_secs(1);
        assert_eq!(read("GET", "/request/a"), Some(Errand::Enquire(enquiry(2 * second))));
        assert_eq!(
            read("POST", "/request/a?timeout=30s&access_token=x"),
            Some(Errand::Enquire(enquiry(30 * second)))
        );
        check_wrong("POST", "/request/a?timeout=1s&timeout=2s", "timeout twice");
        check_wrong("POST", "/publish/a?reply=b&reply=c", "reply twice");
        for wrong in ["31s", "0s", "2", "soon", ""] {
            check_wrong("GET", &format!("/request/a?timeout={wrong}"), "timeout");
        }
    }

    /// What was misspelt was as if it had not been said.
    #[test]
    fn an_unknown_parameter_is_named_beside_those_that_are_known() {
        let check = |target: &str, expected: &str| {
            assert_eq!(read("GET", target), Some(Errand::Wrong(expected.to_owned().into())), "{target}");
        };
        check("/ws/a?ehco=false", r#"The query has "ehco": only echo and publish are known here."#);
        check(
            "/sse?subject=a&access_token=x&Format=json",
            r#"The query has "Format": only subject, event and format are known here."#,
        );
        check("/request/a?reply=x", r#"The query has "reply": only timeout is known here."#);
        check("/request/a?%0a%ff%22", "The query has \"\\n\u{fffd}\\\"\": only timeout is known here.");
        let long = "x".repeat(33);
        check(
            &format!("/request/a?{long}=1"),
            &format!("The query has {:?}: only timeout is known here.", &long[1..]),
        );
        check_wrong("POST", "/publish/a?timeout=1s", r#""timeout": only reply"#);
    }

    #[test]
    fn other_methods_are_told_which_are_right() {
        assert_eq!(read("GET", "/publish/a"), Some(Errand::WrongMethod("POST, PUT")));
        assert_eq!(read("POST", "/ws/a"), Some(Errand::WrongMethod("GET")));
        assert_eq!(read("POST", "/sse?subject=a"), Some(Errand::WrongMethod("GET, HEAD")));
        assert_eq!(read("DELETE", "/request/a"), Some(Errand::WrongMethod("GET, POST")));
        assert_eq!(read("OPTIONS", "/publish/a"), Some(Errand::Preflight("POST, PUT")));
        for path in ["/", "/x", "/publish", "/wsx/a", "/sse/a", "", "/nats", "//"] {
            assert_eq!(read("GET", path), None, "{path}");
        }
    }

    #[test]
    fn media_types_tell_text_from_bytes() {
        let check = |media: Option<&str>, content: &[u8], expected| {
            assert_eq!(kind_of(media.map(str::as_bytes), content), expected, "{media:?}");
        };
        check(None, b"a", Kind::Unknown);
        check(Some("application/x-www-form-urlencoded"), b"a", Kind::Unknown);
        check(Some("text/plain; charset=utf-8"), "ä".as_bytes(), Kind::Text);
        check(Some("Application/JSON"), b"{}", Kind::Text);
        check(Some("application/geo+json"), b"{}", Kind::Text);
        check(Some("text/plain"), b"\xff", Kind::Binary);
        check(Some("application/octet-stream"), b"a", Kind::Binary);
        check(Some("image/png"), b"a", Kind::Binary);
    }
}
