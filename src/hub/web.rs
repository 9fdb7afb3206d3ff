//! Messages as browsers take them without a library: WebSocket messages, JSON objects, events.

use std::borrow::Cow;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use super::form::EventStyle;
use super::message::Message;
use crate::protocol::websocket::{self, sender};

/// The payload in a WebSocket message of its own.
pub(super) fn write_frame(message: &Message<'_>, out: &mut Vec<u8>) {
    let kind = if message.is_text() { websocket::Kind::Text } else { websocket::Kind::Binary };
    sender::message(out, kind, message.payload, None);
}

/// What a subscriber of the subprotocol `tidemill.v1` is told, and what an event in JSON holds. NATS clients may publish on
/// subjects that are no UTF-8, and JSON is: what is none is U+FFFD there, so that it is seen that something was said.
#[derive(Serialize)]
struct Object<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    sid: Cow<'a, str>,
    subject: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reply: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    /// Bytes that are not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<Base64<'a>>,
}

/// Bytes, which are written in base64.
struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

impl<'a> Object<'a> {
    fn new(kind: Option<&'static str>, sid: &'a [u8], message: &Message<'a>) -> Self {
        let text = if message.is_text() { std::str::from_utf8(message.payload).ok() } else { None };
        Self {
            kind,
            sid: String::from_utf8_lossy(sid),
            subject: String::from_utf8_lossy(message.subject),
            reply: String::from_utf8_lossy(message.reply),
            data: text,
            base64: text.is_none().then_some(Base64(message.payload)),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        // Writing to memory cannot fail, and nothing in it is without a form in JSON.
        let _ = serde_json::to_writer(out, self);
    }
}

/// `{"type":"message",...}` in a WebSocket text message.
pub(super) fn write_json(sid: &[u8], message: &Message<'_>, out: &mut Vec<u8>) {
    let object = Object::new(Some("message"), sid, message);
    sender::message_with(out, websocket::Kind::Text, |out| object.write(out));
}

/// One event of an event stream (HTML, section 9.2): `id`, perhaps `event`, and `data`, which may take several lines.
pub(super) fn write_event(style: EventStyle, id: u64, message: &Message<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"id: ");
    super::form::write_decimal(usize::try_from(id).unwrap_or(usize::MAX), out);
    out.push(b'\n');
    match style {
        EventStyle::Plain => write_data(message.payload, out),
        EventStyle::Named => {
            // A name that could end its line stays away: what follows it would be an event of the publisher's making.
            if !message.subject.iter().any(u8::is_ascii_control) {
                out.extend_from_slice(b"event: ");
                out.extend_from_slice(message.subject);
                out.push(b'\n');
            }
            write_data(message.payload, out);
        }
        EventStyle::Json => {
            out.extend_from_slice(b"data: ");
            Object::new(None, b"", message).write(out);
            out.push(b'\n');
        }
    }
    out.push(b'\n');
}

/// Lines of data: an event ends its lines with LF, CR or both, so each of these begins a new one.
fn write_data(payload: &[u8], out: &mut Vec<u8>) {
    let mut rest = payload;
    loop {
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&rest[..end]);
        out.push(b'\n');
        if end == rest.len() {
            break;
        }
        let both = rest[end..].starts_with(b"\r\n");
        rest = &rest[end + 1 + usize::from(both)..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(style: EventStyle, subject: &str, payload: &str) -> String {
        let message =
            Message { subject: subject.as_bytes(), payload: payload.as_bytes(), ..Message::default() };
        let mut out = Vec::new();
        write_event(style, 7, &message, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// HTML, section 9.2.6: a line ends with LF, CR or both, and an empty one ends the event.
    #[test]
    fn each_line_of_a_payload_is_a_line_of_data() {
        assert_eq!(event(EventStyle::Plain, "a", "one"), "id: 7\ndata: one\n\n");
        assert_eq!(
            event(EventStyle::Plain, "a", "one\ntwo\r\nthree\rid: 9\n"),
            "id: 7\ndata: one\ndata: two\ndata: three\ndata: id: 9\ndata: \n\n"
        );
        assert_eq!(event(EventStyle::Named, "a.b", ""), "id: 7\nevent: a.b\ndata: \n\n");
    }

    /// A NATS subject may hold a lone CR, which ends a line here.
    #[test]
    fn a_subject_cannot_forge_an_event() {
        let forged = "room.1\r\revent:admin.alert\rdata:FORGED\r\r";
        assert_eq!(event(EventStyle::Named, forged, "said"), "id: 7\ndata: said\n\n");
        let object = event(EventStyle::Json, forged, "said");
        assert!(!object.contains('\r') && object.lines().count() == 3, "{object:?}");
    }

    /// A NATS client may name any bytes; they came as "" here.
    #[test]
    fn a_subject_that_is_no_text_is_told_as_well_as_text_can() {
        let message = Message {
            subject: b"room.\xff.\xc3\xa4",
            reply: b"\xc0",
            payload: b"said",
            ..Message::default()
        };
        let mut out = Vec::new();
        write_event(EventStyle::Json, 7, &message, &mut out);
        let object = "{\"subject\":\"room.\u{fffd}.\u{e4}\",\"reply\":\"\u{fffd}\",\"data\":\"said\"}";
        assert_eq!(String::from_utf8(out).unwrap(), format!("id: 7\ndata: {object}\n\n"));
    }
}
