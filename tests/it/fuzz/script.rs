//! What a peer of the pages says, and what it must hear: made from a seed, and from the documents only.
//!
//! A script is a row of segments, whole requests or frames, and the row of answers that RFC 9112, RFC 6455 and the
//! description of the pages promise for them. Nothing here asks the server's own code what is right.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use tidemill::ring::sim::Random;

/// A whole request, or a whole frame.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) bytes: Vec<u8>,
    /// Answers that the peer wants to have read before it sends this one.
    pub(super) after: usize,
}

/// What must be heard next.
#[derive(Debug)]
pub(super) enum Expected {
    Page(Page),
    /// `101`, with the answer to the key of RFC 6455, section 1.3.
    Switch,
    /// A frame with this opcode and payload.
    Frame(u8, Vec<u8>),
}

/// An answer of HTTP.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: RangeInclusive<u16>,
    pub(super) content: Content,
    /// Whether `100 Continue` may come first.
    pub(super) may_continue: bool,
    /// Whether the connection must end with it.
    pub(super) closes: bool,
    /// How long after its request it may come at the earliest.
    pub(super) delay: Duration,
    /// The number of the segment that asks for it.
    pub(super) segment: usize,
}

/// The content of an answer.
#[derive(Debug)]
pub(super) enum Content {
    Is(Vec<u8>),
    /// To a `HEAD`: the length is told, and nothing comes.
    LengthOnly(usize),
    StartsWith(&'static [u8]),
    Any,
}

/// All that a peer says and must hear.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) segments: VecDeque<Segment>,
    pub(super) expected: VecDeque<Expected>,
    /// Whether it waits for each answer.
    waits: bool,
    said: usize,
}

impl Script {
    /// Some requests; one script in four goes on with WebSocket.
    pub(super) fn new(random: &mut Random) -> Self {
        let mut script = Self { waits: random.chance(300), ..Self::default() };
        for _ in 0..random.index(7) {
            script.request(random);
        }
        match random.index(8) {
            0 | 1 => script.websocket(random),
            2 => script.farewell(random),
            3 => script.nonsense(random),
            _ => {}
        }
        script
    }

    fn say(&mut self, bytes: Vec<u8>) {
        let after = if self.waits { self.expected.len() } else { 0 };
        self.segments.push_back(Segment { bytes, after });
        self.said += 1;
    }

    fn ask(&mut self, request: impl Into<Vec<u8>>, status: u16, content: Content) -> &mut Page {
        self.say(request.into());
        self.expected.push_back(Expected::Page(Page {
            status: status..=status,
            content,
            may_continue: false,
            closes: false,
            delay: Duration::ZERO,
            segment: self.said - 1,
        }));
        match self.expected.back_mut() {
            Some(Expected::Page(page)) => page,
            _ => unreachable!("it was just put there"),
        }
    }

    fn request(&mut self, random: &mut Random) {
        let longest = [5, 300, 3000, 9000][random.index(4)];
        let length = random.index(longest);
        match random.index(9) {
            0 => {
                self.ask(get("/healthz"), 200, Content::Is(b"ok\n".to_vec()));
            }
            1 | 2 => {
                self.ask(get(&format!("/bytes/{length}")), 200, Content::Is(vec![0; length]));
            }
            3 => {
                let head = format!("HEAD /bytes/{length} HTTP/1.1\r\nHost: a\r\n\r\n");
                self.ask(head, 200, Content::LengthOnly(length));
            }
            4 => {
                let delay = random.below(90);
                let page = self.ask(get(&format!("/delay/{delay}")), 200, Content::Is(b"ok\n".to_vec()));
                page.delay = Duration::from_millis(delay);
            }
            5 => {
                self.ask(get("/"), 200, Content::StartsWith(b"<!doctype html>"));
            }
            6 => {
                self.ask("DELETE /echo HTTP/1.1\r\nHost: a\r\n\r\n", 405, Content::Any);
            }
            _ => self.echo(length, random),
        }
    }

    fn echo(&mut self, length: usize, random: &mut Random) {
        let content = bytes(length, random);
        let mut request = b"POST /echo HTTP/1.1\r\nHost: a\r\n".to_vec();
        let expects = random.chance(200);
        if expects {
            request.extend_from_slice(b"Expect: 100-continue\r\n");
        }
        if random.chance(500) {
            request.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
            request.extend_from_slice(&content);
        } else {
            request.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            chunks(&mut request, &content, random);
        }
        self.ask(request, 200, Content::Is(content)).may_continue = expects;
    }

    /// The last request of a connection, and two that come too late.
    fn farewell(&mut self, random: &mut Random) {
        let request = match random.chance(500) {
            true => "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            false => "GET /healthz HTTP/1.0\r\n\r\n",
        };
        self.ask(request, 200, Content::Is(b"ok\n".to_vec())).closes = true;
        self.too_late(random);
    }

    /// What cannot be understood, and two requests behind it.
    fn nonsense(&mut self, random: &mut Random) {
        let request = [
            "GET / HTTP/1.1\r\n\r\n",
            "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        ][random.index(5)];
        let page = self.ask(request, 400, Content::Any);
        page.status = 400..=505;
        page.closes = true;
        self.too_late(random);
    }

    fn too_late(&mut self, random: &mut Random) {
        for _ in 0..random.index(3) {
            self.say(get("/healthz"));
        }
    }

    fn websocket(&mut self, random: &mut Random) {
        if random.chance(200) {
            // Nobody may upgrade with content: it would not be known where the frames begin.
            let mut request = UPGRADE.to_vec();
            request.truncate(request.len() - 2);
            request.extend_from_slice(b"Content-Length: 2\r\n\r\nhi");
            let page = self.ask(request, 400, Content::Any);
            page.status = 400..=499;
            return;
        }
        self.say(UPGRADE.to_vec());
        self.expected.push_back(Expected::Switch);
        let upgraded = self.expected.len();
        let waits = random.chance(700);
        for _ in 0..random.index(8) {
            self.message(random);
        }
        let code = 1000_u16.to_be_bytes().to_vec();
        self.say(frame(8, true, &code, random));
        self.expected.push_back(Expected::Frame(8, code));
        if waits {
            self.segments
                .iter_mut()
                .skip(upgraded)
                .for_each(|segment| segment.after = segment.after.max(upgraded));
        }
    }

    /// A message in one to three frames, with pings in between.
    fn message(&mut self, random: &mut Random) {
        let is_text = random.chance(500);
        let longest = [4, 130, 1500][random.index(3)];
        let (opcode, length) = (2 - u8::from(is_text), random.index(longest));
        let payload = if is_text { vec![b'a'; length] } else { bytes(length, random) };
        let mut rest = &payload[..];
        let mut next = opcode;
        for left in (0..=random.index(3)).rev() {
            let count = if left == 0 { rest.len() } else { random.index(rest.len() + 1) };
            self.say(frame(next, left == 0, &rest[..count], random));
            (next, rest) = (0, &rest[count..]);
            if left != 0 && random.chance(300) {
                let length = random.index(126);
                let ping = bytes(length, random);
                self.say(frame(9, true, &ping, random));
                self.expected.push_back(Expected::Frame(10, ping));
            }
        }
        self.expected.push_back(Expected::Frame(opcode, payload));
    }
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

fn bytes(length: usize, random: &mut Random) -> Vec<u8> {
    (0..length).map(|_| random.number().to_le_bytes()[0]).collect()
}

/// Content in chunks (RFC 9112, section 7.1), with an extension or a trailer here and there.
fn chunks(request: &mut Vec<u8>, content: &[u8], random: &mut Random) {
    let longest = [3, 100, 5000][random.index(3)];
    let mut rest = content;
    while !rest.is_empty() {
        let (chunk, next) = rest.split_at((1 + random.index(longest)).min(rest.len()));
        let extension = if random.chance(100) { ";a=b" } else { "" };
        request.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
        rest = next;
    }
    let trailer = if random.chance(200) { "A: b\r\n" } else { "" };
    request.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
}

/// A frame of a client: masked (RFC 6455, section 5.2).
pub(super) fn frame(opcode: u8, is_last: bool, payload: &[u8], random: &mut Random) -> Vec<u8> {
    let key = &random.number().to_le_bytes()[..4];
    let mut frame = vec![opcode | u8::from(is_last) << 7];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | u8::try_from(length).expect("below 126")),
        length => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(length).expect("a short message").to_be_bytes());
        }
    }
    frame.extend_from_slice(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// The request of RFC 6455, section 1.3.
pub(super) const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
