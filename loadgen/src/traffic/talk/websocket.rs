//! WebSocket in the client's role (RFC 6455): handshake, masked binary messages, each of which comes back, a goodbye.

use tidemill::limits::WEBSOCKET_HEADER_BYTES_MAX;
use tidemill::protocol::http1::{HeadLimits, Method, Progress, Table, parse_response};
use tidemill::protocol::websocket::{
    CloseCode, Closing, Event, Kind, Limits, MaskKeys, Offer, Receiver, Role, Unacceptable, apply_mask,
    sender,
};

use super::{Book, Fault, Talk};
use crate::record::ErrorClass;
use crate::traffic::pattern::{Message, Pattern};
use crate::traffic::verify::MessageVerifier;

/// Bytes by which a message may be longer than those that were sent before the connection is failed for it.
const LONGER_BYTES_MAX: usize = 1024;

/// What the WebSocket connections of a worker share.
#[derive(Debug)]
pub struct WebSocketCommon {
    pattern: Pattern,
    verify: bool,
    path: String,
    host: String,
    keys: MaskKeys,
    table: Table,
}

/// One WebSocket connection.
#[derive(Debug)]
pub struct WebSocket {
    /// The message that comes back next.
    next: Message,
    state: State,
    closing: Closing,
}

#[derive(Debug)]
enum State {
    /// Before the handshake's answer, with the bytes that the server must show that it has read.
    Greeting([u8; 16], Progress),
    Open(Box<Receiver>),
}

impl WebSocketCommon {
    /// Messages of this pattern for this path of this host, with masks that follow from `seed`.
    pub fn new(pattern: Pattern, verify: bool, path: String, host: String, seed: u64) -> Self {
        Self { pattern, verify, path, host, keys: MaskKeys::new(seed), table: Table::new() }
    }
}

impl WebSocket {
    /// Reads the handshake's answer, and returns its length; `None` when it is not all here.
    fn read_greeting(
        &mut self,
        common: &mut WebSocketCommon,
        bytes: &[u8],
        book: &mut Book<'_>,
    ) -> Result<Option<usize>, Fault> {
        let State::Greeting(nonce, progress) = &mut self.state else { return Ok(Some(0)) };
        let refused = |refusal| Fault::protocol(format!("no HTTP answer to the handshake: {refusal}"));
        let read = parse_response(bytes, &Method::Get, progress, &HeadLimits::default(), &mut common.table);
        let Some(response) = read.map_err(refused)? else { return Ok(None) };
        match offer(*nonce).verify(response.status, response.headers.iter()) {
            Ok(_) => {}
            Err(Unacceptable::Status(status)) => {
                book.status(status);
                let sentence = format!("the WebSocket handshake was answered with status {status}, not 101");
                return Err(Fault::new(ErrorClass::Status, sentence));
            }
            Err(error) => return Err(Fault::protocol(format!("the WebSocket handshake failed: {error}"))),
        }
        let longest = common.pattern.size() + LONGER_BYTES_MAX;
        let limits = Limits { message_bytes_max: longest, frame_bytes_max: longest };
        let head_bytes = response.head_bytes;
        self.state = State::Open(Box::new(Receiver::new(Role::Client, limits, None)));
        Ok(Some(head_bytes))
    }

    /// Reads frames, and returns how many bytes are done with.
    fn read_frames(
        &mut self,
        common: &mut WebSocketCommon,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        book: &mut Book<'_>,
    ) -> Result<usize, Fault> {
        let State::Open(receiver) = &mut self.state else { return Ok(0) };
        let mut at = 0;
        loop {
            let step = match receiver.receive(&mut bytes[at..]) {
                Ok(step) => step,
                Err(failure) => {
                    if self.closing.fail() {
                        sender::close(out, Some(failure.code), failure.reason, Some(common.keys.next_key()));
                    }
                    return Err(Fault::protocol(failure.reason));
                }
            };
            at += step.consumed;
            match step.event {
                None => return Ok(at),
                Some(Event::Message { kind, payload }) => {
                    take(&mut self.next, common, (kind, payload), book)?;
                }
                Some(Event::Ping(payload)) if self.closing.may_send() => {
                    sender::pong(out, payload, Some(common.keys.next_key()));
                }
                // Messages are asked for whole.
                Some(Event::Ping(_) | Event::Pong(_) | Event::Piece(_)) => {}
                Some(Event::Close { code, reason }) => {
                    if self.closing.receive() {
                        sender::close(out, code, "", Some(common.keys.next_key()));
                        return Err(Fault::new(ErrorClass::ClosedEarly, closed_by_server(code, reason)));
                    }
                }
            }
        }
    }
}

/// Compares a message that came back.
fn take(
    next: &mut Message,
    common: &WebSocketCommon,
    (kind, payload): (Kind, &[u8]),
    book: &mut Book<'_>,
) -> Result<(), Fault> {
    if !book.is_due() {
        return Err(Fault::protocol("a message came back that was never sent"));
    }
    let (sent, pattern) = (*next, &common.pattern);
    next.sequence += 1;
    if kind == Kind::Text {
        return Err(Fault::protocol("a binary message came back as text"));
    }
    if payload.len() != pattern.size() {
        let sentence = || format!("{} bytes were sent, and {} came back", pattern.size(), payload.len());
        book.bad(ErrorClass::Length, sentence);
        return Ok(());
    }
    if common.verify {
        let mut verifier = MessageVerifier::new(sent);
        verifier.feed(pattern, payload);
        let mismatch = verifier.mismatch();
        book.compared(pattern, 1, u64::from(mismatch.is_some()), mismatch);
    }
    book.good();
    Ok(())
}

fn closed_by_server(code: Option<CloseCode>, reason: &str) -> String {
    match code {
        Some(code) if reason.is_empty() => format!("the server closed it with code {}", code.number()),
        Some(code) => format!("the server closed it with code {} ({reason:?})", code.number()),
        None => "the server closed it without a code".to_owned(),
    }
}

fn offer(nonce: [u8; 16]) -> Offer<'static> {
    Offer { nonce, subprotocols: &[], deflate: None }
}

impl Talk for WebSocket {
    type Common = WebSocketCommon;

    fn new(first: Message) -> Self {
        let state = State::Greeting([0; 16], Progress::new());
        Self { next: first, state, closing: Closing::new(Role::Client) }
    }

    fn open(&mut self, common: &mut WebSocketCommon, out: &mut Vec<u8>) {
        let mut nonce = [0; 16];
        nonce.chunks_exact_mut(4).for_each(|part| part.copy_from_slice(&common.keys.next_key()));
        for part in ["GET ", &common.path, " HTTP/1.1\r\nHost: ", &common.host, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        offer(nonce).write_fields(out);
        out.extend_from_slice(b"\r\n");
        self.state = State::Greeting(nonce, Progress::new());
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    fn request_bytes(common: &WebSocketCommon) -> usize {
        common.pattern.size() + WEBSOCKET_HEADER_BYTES_MAX
    }

    fn ask(&mut self, common: &mut WebSocketCommon, first: Message, count: u64, out: &mut Vec<u8>) {
        for message in first.and_following(count) {
            let key = common.keys.next_key();
            out.extend_from_slice(&sender::message_header(Kind::Binary, common.pattern.size(), Some(key)));
            let start = out.len();
            common.pattern.append(message, out);
            apply_mask(key, &mut out[start..]);
        }
    }

    fn receive(
        &mut self,
        common: &mut WebSocketCommon,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        book: &mut Book<'_>,
    ) -> Result<usize, Fault> {
        match self.read_greeting(common, bytes, book)? {
            Some(start) => Ok(start + self.read_frames(common, &mut bytes[start..], out, book)?),
            None => Ok(0),
        }
    }

    fn end(&mut self, _: &mut WebSocketCommon, _: &mut Book<'_>) -> Result<(), Fault> {
        Err(Fault::new(ErrorClass::ClosedEarly, "the server closed it without a close frame"))
    }

    fn is_over(&self) -> bool {
        false // The server's close frame is an error unless we have sent ours.
    }

    fn part(&mut self, common: &mut WebSocketCommon, out: &mut Vec<u8>) -> bool {
        if self.is_open() && self.closing.start() {
            sender::close(out, Some(CloseCode::NORMAL), "", Some(common.keys.next_key()));
        }
        self.is_open()
    }

    fn has_parted(&self) -> bool {
        use tidemill::protocol::websocket::Next;
        matches!(self.closing.next(), Next::AwaitEnd | Next::End)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tests::{Outcome, check};
    use super::*;

    const FIRST: Message = Message { connection: 0, lane: 0, sequence: 0 };
    /// The example of RFC 6455, section 1.3: the nonce "the sample nonce", and the server's answer to it.
    const ANSWER: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    fn make() -> (WebSocket, WebSocketCommon) {
        let mut talk = WebSocket::new(FIRST);
        talk.state = State::Greeting(*b"the sample nonce", Progress::new());
        (talk, WebSocketCommon::new(Pattern::new(1, 20), true, "/ws".to_owned(), "127.0.0.1:1".to_owned(), 1))
    }

    /// A server's whole binary message (RFC 6455, section 5.2).
    fn frame(content: &[u8]) -> Vec<u8> {
        [&[0x82, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn content(sequence: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        Pattern::new(1, 20).append(Message { sequence, ..FIRST }, &mut bytes);
        bytes
    }

    #[test]
    fn messages_are_masked() {
        let (mut talk, mut common) = make();
        let mut out = Vec::new();
        talk.ask(&mut common, FIRST, 2, &mut out);
        assert_eq!(out.len(), 2 * (2 + 4 + 20));
        assert_eq!(out[..2], [0x82, 0x80 | 20]);
        let key = &out[2..6];
        let plain: Vec<u8> =
            out[6..26].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        assert_eq!(plain, content(0));
        assert_ne!(out[2..6], out[28..32], "each frame has a mask of its own");
    }

    #[test]
    fn messages_are_found_in_every_cut() {
        let fragments =
            [&[0x02, 5], &content(1)[..5], &[0x89, 1, b'p'], &[0x80, 15], &content(1)[5..]].concat();
        let mut bytes = [ANSWER, &frame(&content(0)), &fragments, &frame(&content(2))].concat();
        check(make, 3, &bytes, &Outcome { received: 3, ..Outcome::default() });
        *bytes.last_mut().unwrap() ^= 1;
        check(make, 3, &bytes, &Outcome { received: 3, wrong: 1, ..Outcome::default() });
    }

    #[test]
    fn errors_are_found_in_every_cut() {
        let short = [ANSWER, &frame(b"short"), &frame(&content(1))].concat();
        let errors = BTreeMap::from([(ErrorClass::Length, 1)]);
        check(make, 2, &short, &Outcome { received: 2, errors, ..Outcome::default() });
        let unasked = [ANSWER, &frame(&content(0))].concat();
        check(make, 0, &unasked, &Outcome { fault: Some(ErrorClass::Protocol), ..Outcome::default() });
        let closed = [ANSWER, &[0x88, 2, 0x03, 0xe9]].concat();
        check(make, 1, &closed, &Outcome { fault: Some(ErrorClass::ClosedEarly), ..Outcome::default() });
        let wrong = String::from_utf8(ANSWER.to_vec()).unwrap().replace("s3p", "S3p");
        check(
            make,
            1,
            wrong.as_bytes(),
            &Outcome { fault: Some(ErrorClass::Protocol), ..Outcome::default() },
        );
        let other = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        check(make, 1, other, &Outcome { fault: Some(ErrorClass::Status), ..Outcome::default() });
    }
}
