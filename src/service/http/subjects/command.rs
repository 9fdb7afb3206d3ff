//! The subprotocol `tidemill.v1`: JSON commands in WebSocket text messages, and their answers.
//!
//! | you send | you get |
//! |---|---|
//! | `{"type":"subscribe","subject":"a.*","sid":"1","queue":"q"}` | whatever is published there, as messages |
//! | `{"type":"unsubscribe","sid":"1"}` | no more of them |
//! | `{"type":"publish","subject":"a.b","data":"hello","reply":"c"}` | — |
//! | `{"type":"request","id":7,"subject":"a.b","data":"hello","timeout_ms":500}` | `{"type":"reply","id":7,"data":"hi"}`, or an error |
//! | any of them with an `"id"` | `{"type":"ok","id":7}`, or `{"type":"error","id":7,"error":"A sentence."}` |
//! | — | `{"type":"message","sid":"1","subject":"a.b","data":"hello"}` |
//! | — | `{"type":"dropped","messages":12}`: so many were left out for one who did not keep up |
//!
//! `sid`, `queue`, `reply`, `data` and `timeout_ms` may be left out: a subscription without a `sid` is called like its
//! subject, a request waits for two seconds. An `id` is a string or a number of your own. Bytes that are no text stand in
//! `base64` instead of `data`, both ways. The `ok` to a `publish` tells how many subscriptions of this shard will be sent it
//! (`delivered`) and to how many other shards it goes (`shards`). An error without an `id` belongs to a command without one.
//!
//! Text in, commands out, and text again: who may do what, and what comes of it, is not known here.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::subject::{self, FILTER_RULE, SUBJECT_RULE};
use crate::hub::{Kind, Published, Told};
use crate::limits;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// To hear what is published there.
    Subscribe { filter: Cow<'a, str>, sid: Option<Cow<'a, str>>, queue: Option<Cow<'a, str>> },
    /// To hear it no more.
    Unsubscribe { sid: Cow<'a, str> },
    /// To say something.
    Publish { subject: Cow<'a, str>, reply: Option<Cow<'a, str>>, payload: Payload<'a> },
    /// To have it answered.
    Request { subject: Cow<'a, str>, payload: Payload<'a>, timeout_ms: Option<u64> },
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload<'a> {
    Text(Cow<'a, str>),
    Bytes(Vec<u8>),
}

impl Payload<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Bytes(_) => Kind::Binary,
        }
    }
}

/// The client's own name for a command.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Id {
    Number(serde_json::Number),
    Text(Box<str>),
}

/// A command as it is written.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    id: Option<Id>,
    #[serde(borrow, default)]
    subject: Option<Text<'a>>,
    #[serde(borrow, default)]
    sid: Option<Text<'a>>,
    #[serde(borrow, default)]
    queue: Option<Text<'a>>,
    #[serde(borrow, default)]
    reply: Option<Text<'a>>,
    #[serde(borrow, default)]
    data: Option<Text<'a>>,
    #[serde(borrow, default)]
    base64: Option<Text<'a>>,
    #[serde(default)]
    timeout_ms: Option<u64>,
}

/// Text that is borrowed where nothing in it is escaped.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// What is wrong with a command, in one sentence.
pub(super) type Wrong = Cow<'static, str>;

/// What may stand before JSON (RFC 8259, section 2).
const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

/// Reads a command, and its name if it has one.
pub(super) fn read(text: &str) -> (Option<Id>, Result<Command<'_>, Wrong>) {
    // Serde takes an array for an object whose members have no names.
    if text.trim_start_matches(BLANK).starts_with('[') {
        return (None, Err("This is not a command: a command is an object.".into()));
    }
    let written: Written<'_> = match serde_json::from_str(text) {
        Ok(written) => written,
        Err(error) => return (None, Err(format!("This is not a command: {error}.").into())),
    };
    let Written { kind, id, subject, sid, queue, reply, data, base64, timeout_ms } = written;
    if matches!(&id, Some(Id::Text(id)) if limits::SEAT_NAME_BYTES_MAX < id.len()) {
        return (None, Err(format!("An id has {} bytes at most.", limits::SEAT_NAME_BYTES_MAX).into()));
    }
    let command = match &*kind {
        "subscribe" => subscribe(subject, sid, queue),
        "unsubscribe" => name(sid.or(subject)).and_then(|sid| {
            Ok(Command::Unsubscribe { sid: sid.ok_or("Say which subscription ends, by its sid.")? })
        }),
        "publish" => publish(subject, reply, data, base64),
        "request" => request(subject, data, base64, timeout_ms),
        _ => Err("The type is subscribe, unsubscribe, publish or request.".into()),
    };
    (id, command)
}

fn subscribe<'a>(
    filter: Option<Text<'a>>,
    sid: Option<Text<'a>>,
    queue: Option<Text<'a>>,
) -> Result<Command<'a>, Wrong> {
    let filter = filter.filter(|filter| subject::is_filter(filter.0.as_bytes())).ok_or(FILTER_RULE)?;
    Ok(Command::Subscribe { filter: filter.0, sid: name(sid)?, queue: name(queue)? })
}

fn publish<'a>(
    subject: Option<Text<'a>>,
    reply: Option<Text<'a>>,
    data: Option<Text<'a>>,
    base64: Option<Text<'a>>,
) -> Result<Command<'a>, Wrong> {
    let subject = checked(subject)?;
    let reply = reply.map(|reply| checked(Some(reply))).transpose()?;
    Ok(Command::Publish { subject, reply, payload: payload(data, base64)? })
}

fn request<'a>(
    subject: Option<Text<'a>>,
    data: Option<Text<'a>>,
    base64: Option<Text<'a>>,
    timeout_ms: Option<u64>,
) -> Result<Command<'a>, Wrong> {
    let most = limits::REQUEST_TIMEOUT_MAX.as_millis();
    if timeout_ms.is_some_and(|time| time == 0 || most < u128::from(time)) {
        return Err(format!("A timeout_ms is a number from 1 to {most}.").into());
    }
    Ok(Command::Request { subject: checked(subject)?, payload: payload(data, base64)?, timeout_ms })
}

fn checked(text: Option<Text<'_>>) -> Result<Cow<'_, str>, Wrong> {
    let is_subject = |text: &Text<'_>| subject::is_subject(text.0.as_bytes());
    Ok(text.filter(is_subject).ok_or(SUBJECT_RULE)?.0)
}

/// A name of the client's own: nothing in it may look like one of ours.
fn name(text: Option<Text<'_>>) -> Result<Option<Cow<'_, str>>, Wrong> {
    let is_name = |text: &str| {
        let fits = !text.is_empty() && text.len() <= limits::SUBJECT_BYTES_MAX;
        fits && !text.chars().any(|letter| letter.is_control() || letter.is_whitespace())
    };
    match text {
        Some(text) if !is_name(&text.0) => {
            Err("A sid or a queue is a word without spaces and control characters.".into())
        }
        text => Ok(text.map(|text| text.0)),
    }
}

fn payload<'a>(data: Option<Text<'a>>, base64: Option<Text<'a>>) -> Result<Payload<'a>, Wrong> {
    use base64::Engine;
    match (data, base64) {
        (Some(_), Some(_)) => Err("A payload is either data or base64.".into()),
        (data, None) => Ok(Payload::Text(data.map_or(Cow::Borrowed(""), |data| data.0))),
        (None, Some(text)) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text.0.as_bytes());
            Ok(Payload::Bytes(bytes.map_err(|_| "What stands in base64 is not base64.")?))
        }
    }
}

// --- Answers ---------------------------------------------------------------------------------------------------------

/// An answer to a command.
#[derive(Default, Serialize)]
struct Answer<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shards: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl Answer<'_> {
    fn write(&self) -> Vec<u8> {
        // Nothing in it is without a form in JSON, and writing to memory cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// It is done.
pub(super) fn write_ok(id: &Id, published: Option<Published>) -> Vec<u8> {
    let delivered = published.map(|published| published.local);
    let shards = published.map(|published| published.shards);
    Answer { kind: "ok", id: Some(id), delivered, shards, ..Answer::default() }.write()
}

/// It is not done.
pub(super) fn write_error(id: Option<&Id>, error: &str) -> Vec<u8> {
    Answer { kind: "error", id, error: Some(error), ..Answer::default() }.write()
}

/// Somebody has answered. The subject is where the answer was expected, which the client need not know.
pub(super) fn write_reply(id: &Id, told: &Told) -> Vec<u8> {
    use base64::Engine;
    let text = if told.kind == Kind::Binary { None } else { std::str::from_utf8(&told.payload).ok() };
    let base64 = text.is_none().then(|| base64::engine::general_purpose::STANDARD.encode(&told.payload));
    Answer { kind: "reply", id: Some(id), data: text, base64, ..Answer::default() }.write()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Command<'_>) {
        assert_eq!(read(text).1, Ok(expected), "{text}");
    }

    #[track_caller]
    fn check_wrong(text: &str, word: &str) {
        let wrong = read(text).1.expect_err(text);
        assert!(wrong.contains(word) && wrong.ends_with('.'), "{text}: {wrong}");
    }

    fn text(text: &str) -> Payload<'_> {
        Payload::Text(text.into())
    }

    #[test]
    fn each_command_is_understood() {
        let (filter, sid) = ("a.*".into(), Some("1".into()));
        check(
            r#"{"type":"subscribe","subject":"a.*","sid":"1","queue":"q"}"#,
            Command::Subscribe { filter, sid, queue: Some("q".into()) },
        );
        check(
            r#"{"subject":"a","type":"subscribe"}"#,
            Command::Subscribe { filter: "a".into(), sid: None, queue: None },
        );
        check(r#"{"type":"unsubscribe","sid":"1"}"#, Command::Unsubscribe { sid: "1".into() });
        check(r#"{"type":"unsubscribe","subject":"a.*"}"#, Command::Unsubscribe { sid: "a.*".into() });
        let publish = |payload| Command::Publish { subject: "a".into(), reply: Some("b".into()), payload };
        check(r#"{"type":"publish","subject":"a","data":"x\ny","reply":"b"}"#, publish(text("x\ny")));
        check(r#"{"type":"publish","subject":"a","reply":"b"}"#, publish(text("")));
        // The bytes 00 FF in base64 (RFC 4648, section 4).
        let bytes = Payload::Bytes(vec![0, 255]);
        check(r#"{"type":"publish","subject":"a","reply":"b","base64":"AP8="}"#, publish(bytes));
        let request = Command::Request { subject: "a".into(), payload: text("x"), timeout_ms: Some(5) };
        check(r#"{"type":"request","subject":"a","data":"x","timeout_ms":5}"#, request);
    }

    #[test]
    fn what_is_wrong_is_said_in_a_sentence() {
        check_wrong("", "command");
        check_wrong("[]", "command");
        // It was taken for an object whose members stand in our order, without their names.
        check_wrong(r#" ["publish",1,"a",null,null,null,"data",null,null]"#, "object");
        check_wrong("{}", "type");
        check_wrong(r#"{"type":"sing"}"#, "type");
        check_wrong(r#"{"type":"subscribe"}"#, "subject");
        check_wrong(r#"{"type":"subscribe","subject":"a..b"}"#, "subject");
        check_wrong(r#"{"type":"subscribe","subject":"a","sid":""}"#, "sid");
        check_wrong(r#"{"type":"subscribe","subject":"a","sid":"\u0000answers"}"#, "sid");
        check_wrong(r#"{"type":"unsubscribe"}"#, "sid");
        check_wrong(r#"{"type":"publish","subject":"a.*"}"#, "wildcard");
        check_wrong(r#"{"type":"publish","subject":"a","data":{}}"#, "command");
        check_wrong(r#"{"type":"publish","subject":"a","data":"x","base64":"eA=="}"#, "either");
        check_wrong(r#"{"type":"publish","subject":"a","base64":"?"}"#, "base64");
        check_wrong(r#"{"type":"publish","subject":"a","reply":"a b"}"#, "subject");
        check_wrong(r#"{"type":"request","subject":"a","timeout_ms":30001}"#, "30000");
        check_wrong(r#"{"type":"request","subject":"a","timeout_ms":0}"#, "30000");
        check_wrong(&format!(r#"{{"type":"publish","subject":"a","id":"{}"}}"#, "x".repeat(129)), "id");
    }

    #[test]
    fn a_name_comes_back_as_it_was_given() {
        for id in ["7", "\"seven\"", "7.5", "-1", "\"7\""] {
            let (read, _) = read(&format!(r#"{{"type":"publish","subject":"a","id":{id}}}"#));
            let answer = String::from_utf8(write_ok(&read.expect("it has one"), None)).unwrap();
            assert_eq!(answer, format!(r#"{{"type":"ok","id":{id}}}"#));
        }
        // Written otherwise, and the same number all the same, as the standard library reads it.
        for id in
            ["18446744073709744073709551616", "0.1e-300", "1.7976931348623157e308", "9007199254740993.5"]
        {
            let (read, _) = read(&format!(r#"{{"type":"publish","subject":"a","id":{id}}}"#));
            let answer = String::from_utf8(write_ok(&read.expect("it has one"), None)).unwrap();
            let number = answer.trim_start_matches(r#"{"type":"ok","id":"#).trim_end_matches('}');
            assert_eq!(number.parse::<f64>(), id.parse::<f64>(), "{id} came back as {number}");
        }
        let error = write_error(None, "It is not.");
        assert_eq!(error, br#"{"type":"error","error":"It is not."}"#);
        let published = Published { local: 2, shards: 1 };
        let ok = write_ok(&Id::Text("a".into()), Some(published));
        assert_eq!(ok, br#"{"type":"ok","id":"a","delivered":2,"shards":1}"#);
    }

    #[test]
    fn any_cut_is_refused_and_not_a_fault() {
        let whole = r#"{"type":"request","id":"ä","subject":"a","data":"\u00e4","timeout_ms":5}"#;
        for cut in (0..whole.len()).filter(|cut| whole.is_char_boundary(*cut)) {
            assert!(read(&whole[..cut]).1.is_err(), "{cut}");
        }
    }
}
