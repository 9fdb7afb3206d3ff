//! What a message looks like on the wire, in each of the protocols that subscribers speak.

use super::message::Message;
use crate::connection::Outbox;
use crate::protocol::websocket::{self, CloseCode, sender};

/// How a client is told what it has subscribed to. Clients whose form and `sid` are the same share the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `MSG` and `HMSG` of the NATS client protocol.
    Nats {
        /// Whether it is sent headers; else messages come without them.
        headers: bool,
        /// Whether all that one turn has for it comes in one binary WebSocket frame.
        framed: bool,
    },
    /// The payload alone, each in one WebSocket message: text or binary as it was published.
    WebSocket,
    /// An object in a WebSocket text message, for the subprotocol `tidemill.v1`.
    Json,
    /// Server-Sent Events.
    Events(EventStyle),
    /// Nothing on the wire: the service is [told](crate::service::Service::told).
    Told,
}

/// How a message becomes an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventStyle {
    /// The payload is the event's data.
    Plain,
    /// The same, and the subject is the event's name.
    Named,
    /// The data is an object with the subject and the payload.
    Json,
}

impl Form {
    /// The last words to a client that does not keep up.
    pub(super) fn farewell(self) -> Vec<u8> {
        const ERROR: &[u8] = b"-ERR 'Slow Consumer'\r\n";
        let mut out = Vec::new();
        match self {
            Self::Nats { framed: false, .. } => out.extend_from_slice(ERROR),
            Self::Nats { framed: true, .. } => {
                sender::message(&mut out, websocket::Kind::Binary, ERROR, None)
            }
            Self::WebSocket | Self::Json => {
                sender::close(&mut out, Some(CloseCode::TRY_AGAIN), "slow consumer", None);
            }
            Self::Events(_) => out.extend_from_slice(b": slow consumer\n\n"),
            Self::Told => {}
        }
        out
    }

    /// Tells a client how many messages were left out for it, where its protocol can say so.
    pub(super) fn write_dropped(self, count: u64, outbox: &mut Outbox) {
        if count == 0 {
            return;
        }
        match self {
            Self::Json => {
                let text = format!("{{\"type\":\"dropped\",\"messages\":{count}}}");
                outbox.write_with(|out| sender::message(out, websocket::Kind::Text, text.as_bytes(), None));
            }
            Self::Events(_) => outbox.write(format!("event: dropped\ndata: {count}\n\n").as_bytes()),
            Self::Nats { .. } | Self::WebSocket | Self::Told => {}
        }
    }

    /// Whether two of them share bytes: a frame around them is each connection's own.
    pub(super) fn encoding(self) -> Self {
        match self {
            Self::Nats { headers, .. } => Self::Nats { headers, framed: false },
            other => other,
        }
    }
}

/// Writes a message up to its payload. What follows the payload is the [tail](tail).
pub(super) fn write(form: Form, sid: &[u8], id: u64, message: &Message<'_>, out: &mut Vec<u8>) {
    match form {
        Form::Nats { headers, .. } => {
            write_nats_head(headers, sid, message, out);
            out.extend_from_slice(message.payload);
            out.extend_from_slice(b"\r\n");
        }
        Form::WebSocket => super::web::write_frame(message, out),
        Form::Json => super::web::write_json(sid, message, out),
        Form::Events(style) => super::web::write_event(style, id, message, out),
        Form::Told => {}
    }
}

/// The line of a `MSG` or `HMSG`, and the headers.
pub(super) fn write_nats_head(headers: bool, sid: &[u8], message: &Message<'_>, out: &mut Vec<u8>) {
    let with_headers = headers && !message.headers.is_empty();
    out.extend_from_slice(if with_headers { b"HMSG " } else { b"MSG " });
    out.extend_from_slice(message.subject);
    out.push(b' ');
    out.extend_from_slice(sid);
    out.push(b' ');
    if !message.reply.is_empty() {
        out.extend_from_slice(message.reply);
        out.push(b' ');
    }
    if with_headers {
        write_decimal(message.headers.len(), out);
        out.push(b' ');
        write_decimal(message.size(), out);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(message.headers);
    } else {
        write_decimal(message.payload.len(), out);
        out.extend_from_slice(b"\r\n");
    }
}

/// A number in decimal digits.
pub(super) fn write_decimal(mut number: usize, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 10] = b"0123456789";
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = DIGITS[number % 10];
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}
