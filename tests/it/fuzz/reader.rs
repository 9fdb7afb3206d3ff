//! Reads what a peer of the pages hears, and compares it with what it must hear. It must not use the server's codecs.

use std::collections::VecDeque;
use std::time::Duration;

use tidemill::sys::clock::Time;

use super::script::{Content, Expected, Page};

/// What one peer has heard.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Not yet a whole answer.
    pub(super) buffer: Vec<u8>,
    /// Whole answers so far.
    pub(super) answers: usize,
    is_websocket: bool,
    /// Whether nothing more may come.
    pub(super) closed: bool,
    /// Whether it was told that it took too long.
    pub(super) late: bool,
    /// When each segment was sent whole.
    pub(super) sent: Vec<Time>,
}

/// What the peer has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// Answer a ping.
    Pong(Vec<u8>),
    /// Answer a close frame with this code, and say nothing else.
    Close(Vec<u8>),
}

impl Reader {
    /// Takes what has come, and returns what the peer has to do about it. `stopping` allows an early end.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        expected: &mut VecDeque<Expected>,
        now: Time,
        stopping: bool,
    ) -> Vec<Duty> {
        let mut duties = Vec::new();
        self.buffer.extend_from_slice(bytes);
        assert!(!self.closed || bytes.is_empty(), "nothing comes after the last answer: {self:?}");
        while !self.buffer.is_empty() && !self.closed {
            let used = match self.is_websocket {
                true => self.frame(expected, &mut duties),
                false => self.page(expected, now, stopping),
            };
            let Some(used) = used else { break };
            self.buffer.drain(..used);
            assert!(!self.closed || self.buffer.is_empty(), "nothing comes after the last answer: {self:?}");
        }
        duties
    }

    /// An answer of HTTP, if it is whole; how long it is.
    fn page(&mut self, expected: &mut VecDeque<Expected>, now: Time, stopping: bool) -> Option<usize> {
        let head_bytes = self.buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head =
            std::str::from_utf8(&self.buffer[..head_bytes]).expect("a head of ours is ASCII").to_owned();
        let status: u16 = head["HTTP/1.1 ".len()..][..3].parse().expect("a status line");
        match (status, expected.front_mut()) {
            (100, Some(Expected::Page(page))) => {
                assert!(std::mem::take(&mut page.may_continue), "who did not ask is not told to continue");
                return Some(head_bytes);
            }
            (101, Some(Expected::Switch)) => {
                assert_eq!(field(&head, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
                self.is_websocket = true;
                self.next(expected);
                return Some(head_bytes);
            }
            _ => {}
        }
        assert!(head.contains("\r\nDate: "), "{head}");
        let length: usize =
            field(&head, "content-length").expect("it says its length").parse().expect("a number");
        let ends = field(&head, "connection") == Some("close");
        if status == 408 {
            assert!(ends, "the connection ends with a 408");
            let whole = head_bytes + length <= self.buffer.len();
            (self.late, self.closed) = (whole, whole);
            return whole.then_some(head_bytes + length);
        }
        if status == 503 && stopping && matches!(expected.front(), Some(Expected::Switch)) {
            assert!(ends, "whoever stops begins nothing new: {head}");
            let whole = head_bytes + length <= self.buffer.len();
            self.closed = whole;
            if whole {
                self.next(expected);
            }
            return whole.then_some(head_bytes + length);
        }
        let Some(Expected::Page(page)) = expected.front() else {
            panic!("nobody asked for {head}: {expected:?}")
        };
        let body = self.buffer.get(head_bytes..)?;
        let body = if matches!(page.content, Content::LengthOnly(_)) { &[] } else { body.get(..length)? };
        check_page(page, status, length, body);
        assert!(!page.closes || ends, "it ends: {page:?} {head}");
        assert!(page.closes || !ends || stopping, "nothing but a stop ends it: {page:?} {head}");
        let earliest = self.sent.get(page.segment).map(|sent| sent.saturating_add(page.delay));
        let early = page.delay != Duration::ZERO && earliest.is_none_or(|earliest| now < earliest);
        assert!(!early, "a delayed answer does not come early: {page:?}");
        let used = head_bytes + body.len();
        self.closed = ends;
        self.next(expected);
        Some(used)
    }

    /// A frame of a server, if it is whole; how long it is.
    fn frame(&mut self, expected: &mut VecDeque<Expected>, duties: &mut Vec<Duty>) -> Option<usize> {
        let [first, second, ..] = self.buffer[..] else { return None };
        assert_eq!(second & 0x80, 0, "a server does not mask");
        let (start, length) = match second {
            127 => panic!("no message is that long"),
            126 => {
                (4, usize::from(u16::from_be_bytes(self.buffer.get(2..4)?.try_into().expect("two bytes"))))
            }
            short => (2, usize::from(short)),
        };
        let payload = self.buffer.get(start..start + length)?.to_vec();
        let used = start + length;
        assert_eq!(first & 0xf0, 0x80, "one whole frame without extensions");
        let opcode = first & 0x0f;
        match (opcode, expected.front()) {
            (9, _) => duties.push(Duty::Pong(payload)),
            (8, Some(Expected::Frame(8, code))) if *code == payload => {
                self.closed = true;
                self.next(expected);
            }
            (8, _) => {
                self.closed = true;
                assert_eq!(payload[..2], 1001_u16.to_be_bytes(), "the server only goes away");
                duties.push(Duty::Close(payload[..2].to_vec()));
            }
            (_, Some(Expected::Frame(wanted, content))) => {
                assert_eq!((opcode, &payload), (*wanted, content), "each frame is answered in order");
                self.next(expected);
            }
            (_, other) => panic!("opcode {opcode}, but {other:?} was expected"),
        }
        Some(used)
    }

    fn next(&mut self, expected: &mut VecDeque<Expected>) {
        expected.pop_front();
        self.answers += 1;
    }
}

fn check_page(page: &Page, status: u16, length: usize, body: &[u8]) {
    assert!(page.status.contains(&status), "{status} for {page:?}: {}", String::from_utf8_lossy(body));
    match &page.content {
        Content::Is(content) => assert!(body == content, "another content than {page:?}"),
        Content::LengthOnly(wanted) => assert_eq!(length, *wanted),
        Content::StartsWith(start) => assert!(body.starts_with(start)),
        Content::Any => {}
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
