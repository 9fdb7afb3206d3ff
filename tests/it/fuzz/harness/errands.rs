//! What a request wants of the hub, read from its method, path and query; and the same read by other means: the crates
//! `percent-encoding` and `form_urlencoded`, and the rules as the documentation has them.
//!
//! The input is a method, a space, and a target. It is read as it is, and as the first line of a request.

use std::time::Duration;

use form_urlencoded::parse;
use percent_encoding::percent_decode;
use tidemill::hub::EventStyle;
use tidemill::limits::{EVENT_SUBJECTS_MAX, REQUEST_TIMEOUT, REQUEST_TIMEOUT_MAX, SUBJECT_BYTES_MAX};
use tidemill::protocol::http1::{HeadLimits, Method, Progress, Table, parse_request};
use tidemill::service::http::{Enquiry, Errand, Listen, Opening, Publication};

/// The parameter that says who asks.
const CREDENTIAL: &str = "access_token";

pub(super) fn run(data: &[u8]) {
    let mut halves = data.splitn(2, |byte| *byte == b' ');
    let (Some(method), Some(target)) = (halves.next(), halves.next()) else { return };
    let mut parts = target.splitn(2, |byte| *byte == b'?');
    let (path, query) = (parts.next().unwrap_or_default(), parts.next());
    let errand = Errand::read(Method::from_bytes(method), path, query, Some(CREDENTIAL));
    check(method, path, query, errand.as_ref());
    within_a_request(data, path, query);
}

/// A request that is taken has this path and this query: where they begin and end is not another's idea.
fn within_a_request(line: &[u8], path: &[u8], query: Option<&[u8]>) {
    let head = [line, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let (mut progress, mut table) = (Progress::new(), Table::new());
    let parsed = parse_request(&head, &mut progress, &HeadLimits::default(), &mut table);
    if let Ok(Some(request)) = parsed
        && path.starts_with(b"/")
        && request.head_bytes == head.len()
    {
        assert_eq!((request.target.path, request.target.query), (path, query));
    }
}

/// What the documentation says of a request.
fn check(method: &[u8], path: &[u8], query: Option<&[u8]>, errand: Option<&Errand>) {
    let Some((place, subject)) = place(path) else {
        return assert_eq!(errand, None, "nothing of the hub stands there");
    };
    let errand = errand.expect("something of the hub stands there");
    let allowed: &[&[u8]] = match place {
        b"ws" => &[b"GET"],
        b"sse" => &[b"GET", b"HEAD"],
        b"publish" => &[b"POST", b"PUT"],
        _ => &[b"GET", b"POST"],
    };
    match errand {
        Errand::Preflight(_) => return assert_eq!(method, b"OPTIONS"),
        Errand::WrongMethod(_) => return assert!(method != b"OPTIONS" && !allowed.contains(&method)),
        _ => assert!(allowed.contains(&method), "{errand:?}"),
    }
    let query = query.unwrap_or_default();
    let decoded: Vec<u8> = percent_decode(query).collect();
    if std::str::from_utf8(&decoded).is_err() {
        return; // The other reader has only text.
    }
    let pairs: Vec<(String, String)> =
        parse(query).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let expected = match (subject, escapes_well(query)) {
        (Some(subject), _) if !escapes_well(subject) => None,
        (_, false) => None,
        (None, true) if place == b"ws" => talk(None, &pairs),
        (None, true) => listen(&pairs),
        (Some(subject), true) => {
            // A slash stands for a dot, and an escaped one for itself.
            let dotted: Vec<u8> =
                subject.iter().map(|byte| if *byte == b'/' { b'.' } else { *byte }).collect();
            let subject: Vec<u8> = percent_decode(&dotted).collect();
            match place {
                b"ws" => talk(Some(&subject), &pairs),
                b"publish" => publication(&subject, &pairs).map(Errand::Publish),
                _ => return check_enquiry(&subject, &pairs, errand),
            }
        }
    };
    match expected {
        Some(expected) => assert_eq!(*errand, expected),
        None => assert!(is_wrong(errand), "{errand:?}"),
    }
}

/// The first word of a path, and the subject behind it.
fn place(path: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    match path.strip_prefix(b"/")? {
        b"ws" => Some((b"ws", None)),
        b"sse" => Some((b"sse", None)),
        path => [&b"ws"[..], b"publish", b"request"].into_iter().find_map(|place| {
            let subject = path.strip_prefix(place)?.strip_prefix(b"/")?;
            Some((place, Some(subject)))
        }),
    }
}

fn is_wrong(errand: &Errand) -> bool {
    matches!(errand, Errand::Wrong(rule) if rule.ends_with('.') || rule.starts_with("Say what to listen to"))
}

/// Whether each `%` has two hexadecimal digits behind it, and none stands for NUL.
fn escapes_well(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'%').skip(1).all(|behind| {
        behind.len() >= 2 && behind[..2].iter().all(u8::is_ascii_hexdigit) && &behind[..2] != b"00"
    })
}

// --- What each of them wants ---------------------------------------------------------------------------------------

fn talk(filter: Option<&[u8]>, pairs: &[(String, String)]) -> Option<Errand> {
    let filter = filter
        .map(|filter| Some(filter).filter(|filter| is_filter(filter)))
        .map_or(Some(None), |one| one.map(Some))?;
    let mut publish = filter.filter(|filter| is_literal(filter)).map(Into::into);
    let mut echo = true;
    for (name, value) in once(pairs, &["echo", "publish"])? {
        match (name.as_str(), value.as_str()) {
            ("echo", "true" | "1") => echo = true,
            ("echo", "false" | "0") => echo = false,
            ("publish", subject) if is_literal(subject.as_bytes()) => {
                publish = Some(subject.as_bytes().into())
            }
            _ => return None,
        }
    }
    Some(Errand::Talk(Opening { filter: filter.map(Into::into), publish, echo }))
}

fn listen(pairs: &[(String, String)]) -> Option<Errand> {
    let (subjects, others): (Vec<_>, Vec<_>) = pairs.iter().cloned().partition(|(name, _)| name == "subject");
    let style = match once(&others, &["event", "format"])?[..] {
        [] => EventStyle::Plain,
        [(name, value)] if name == "event" && value == "subject" => EventStyle::Named,
        [(name, value)] if name == "format" && value == "json" => EventStyle::Json,
        _ => return None,
    };
    let mut filters: Vec<Box<[u8]>> = Vec::new();
    for filter in subjects.iter().flat_map(|(_, value)| value.split(',')).map(str::as_bytes) {
        is_filter(filter).then_some(())?;
        filters.push(filter.into());
        filters = widest(filters);
        (filters.len() <= EVENT_SUBJECTS_MAX).then_some(())?;
    }
    (!filters.is_empty()).then_some(Errand::Listen(Listen { filters, style }))
}

/// The parameters without the credential, if all of them are among these, and each is there once.
fn once<'a>(pairs: &'a [(String, String)], known: &[&str]) -> Option<Vec<&'a (String, String)>> {
    let rest: Vec<_> =
        pairs.iter().filter(|(name, _)| known.contains(&name.as_str()) || name != CREDENTIAL).collect();
    let count = |wanted: &str| rest.iter().filter(|(name, _)| name == wanted).count();
    let is_good = |(name, _): &&(String, String)| known.contains(&name.as_str()) && count(name) == 1;
    rest.iter().all(is_good).then_some(rest)
}

/// Those of which no other hears all that they hear, the first of several that are the same.
fn widest(filters: Vec<Box<[u8]>>) -> Vec<Box<[u8]>> {
    let is_covered = |at: usize| {
        let mut others = filters.iter().enumerate().filter(|(other, _)| *other != at);
        others.any(|(other, wider)| covers(wider, &filters[at]) && (wider != &filters[at] || other < at))
    };
    (0..filters.len()).filter(|at| !is_covered(*at)).map(|at| filters[at].clone()).collect()
}

fn publication(subject: &[u8], pairs: &[(String, String)]) -> Option<Publication> {
    let mut publication = Publication { subject: subject.into(), ..Publication::default() };
    is_literal(subject).then_some(())?;
    for (_, value) in once(pairs, &["reply"])? {
        is_literal(value.as_bytes()).then_some(())?;
        publication.reply = value.as_bytes().into();
    }
    Some(publication)
}

/// Of times only those are read here that have a number and a unit.
fn check_enquiry(subject: &[u8], pairs: &[(String, String)], errand: &Errand) {
    let (true, Some(times)) = (is_literal(subject), once(pairs, &["timeout"])) else {
        return assert!(is_wrong(errand), "{errand:?}");
    };
    let times: Vec<&str> = times.iter().map(|(_, value)| value.as_str()).collect();
    let read = |time: &str| {
        let (number, unit) = time.split_at(time.find(|letter: char| !letter.is_ascii_digit())?);
        let number = number.parse::<u32>().ok()?;
        match unit {
            "s" => Some(Duration::from_secs(number.into())),
            "ms" => Some(Duration::from_millis(number.into())),
            _ => None,
        }
    };
    let fits = |time: &Duration| !time.is_zero() && *time <= REQUEST_TIMEOUT_MAX;
    let expected = match times.iter().map(|time| read(time)).collect::<Option<Vec<_>>>() {
        Some(times) if times.iter().all(fits) => times.last().copied().unwrap_or(REQUEST_TIMEOUT),
        Some(_) => return assert!(is_wrong(errand), "{errand:?}"),
        None => match errand {
            Errand::Enquire(Enquiry { timeout, .. }) if fits(timeout) => *timeout,
            _ => return assert!(is_wrong(errand), "{errand:?}"),
        },
    };
    let publication = Publication { subject: subject.into(), ..Publication::default() };
    assert_eq!(*errand, Errand::Enquire(Enquiry { publication, timeout: expected }));
}

// --- Subjects, as the documentation has them -----------------------------------------------------------------------

fn is_filter(filter: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(filter) else { return false };
    let tokens: Vec<&str> = text.split('.').collect();
    let is_token =
        |token: &&str| !token.is_empty() && !token.chars().any(|letter| letter == ' ' || letter.is_control());
    text.len() <= SUBJECT_BYTES_MAX
        && tokens.iter().all(is_token)
        && tokens.iter().position(|token| *token == ">").is_none_or(|place| place + 1 == tokens.len())
}

fn is_literal(subject: &[u8]) -> bool {
    is_filter(subject) && !subject.split(|byte| *byte == b'.').any(|token| token == b"*" || token == b">")
}

/// Whether `wider` hears whatever `narrower` hears: tried with subjects that stand for all that it hears.
fn covers(wider: &[u8], narrower: &[u8]) -> bool {
    // No subject has this token, so that nothing but a wildcard hears it.
    let subject = |rest: &[&[u8]]| -> Vec<u8> {
        let tokens = narrower.split(|byte| *byte == b'.').filter(|token| *token != b">");
        let tokens = tokens.map(|token| if token == b"*" { &b"\0"[..] } else { token });
        tokens.chain(rest.iter().copied()).collect::<Vec<_>>().join(&b'.')
    };
    match narrower.ends_with(b".>") || narrower == b">" {
        false => super::subjects::matches(wider, &subject(&[])),
        true => [&[&b"\0"[..]][..], &[b"\0", b"\0"]]
            .iter()
            .all(|rest| super::subjects::matches(wider, &subject(rest))),
    }
}
