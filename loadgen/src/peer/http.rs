//! HTTP/1.1 as the peer speaks it: content comes back, and a request without any gets a fixed answer. Paths, methods
//! and fields make no difference, except that HEAD gets no content.

use std::io::Write;

use tidemill::protocol::http1::{
    Body, BodyLength, CONTINUE, HeadLimits, Method, Persistence, Progress, Refusal, Request, Table,
    parse_request, reason_phrase,
};

use super::reader::{Answer, Found};

/// What a request without content is answered with.
pub const FIXED: &[u8] = b"Hello, world!";
/// Most bytes of one request's content. More is answered 413.
pub const CONTENT_BYTES_MAX: u64 = 16 << 20;

/// Reads the requests of one connection.
#[derive(Debug, Default)]
pub struct HttpReader {
    /// What was received and not yet read.
    inbox: Vec<u8>,
    progress: Progress,
    /// The request whose content is being read.
    content: Option<Content>,
    /// Whether nothing that follows will be read: a request was the last one, or was none.
    is_over: bool,
    /// Requests that were answered.
    answered: u64,
    /// How many of them are answered here, if there is an end to them.
    close_after: Option<u64>,
}

#[derive(Debug)]
struct Content {
    body: Body,
    bytes: Vec<u8>,
    reply: Reply,
}

/// How a request is to be answered.
#[derive(Clone, Copy, Debug)]
struct Reply {
    persistence: Persistence,
    /// Whether it has content of its own, which comes back.
    is_echo: bool,
    is_head: bool,
}

impl HttpReader {
    /// A reader for a new connection, which is closed behind so many requests, if it is.
    pub fn new(close_after: Option<u64>) -> Self {
        Self { close_after, ..Self::default() }
    }

    /// Takes what came, and tells which requests are in it.
    pub fn read(&mut self, bytes: &[u8], table: &mut Table, found: &mut Vec<Found>) {
        self.inbox.extend_from_slice(bytes);
        let mut at = 0;
        while at < self.inbox.len() && !self.is_over {
            match self.step(at, table, found) {
                Ok(0) => break,
                Ok(taken) => at += taken,
                Err(refusal) => {
                    self.is_over = true;
                    let text = refusal.reason().as_bytes();
                    found.push(Found::Refused(respond(refusal.status(), Persistence::Close, text, true)));
                }
            }
        }
        let taken = if self.is_over { self.inbox.len() } else { at };
        self.inbox.drain(..taken);
    }

    /// Bytes of an unfinished request that are kept.
    pub fn held(&self) -> usize {
        self.inbox.len() + self.content.as_ref().map_or(0, |content| content.bytes.len())
    }

    /// Reads on from this place. Returns how many bytes are done with; with none, more are needed.
    fn step(&mut self, at: usize, table: &mut Table, found: &mut Vec<Found>) -> Result<usize, Refusal> {
        let input = &self.inbox[at..];
        let Some(content) = &mut self.content else {
            let limits = HeadLimits::default();
            let Some(request) = parse_request(input, &mut self.progress, &limits, table)? else {
                return Ok(0);
            };
            let (head_bytes, expects) = (request.head_bytes, request.expects_continue);
            let (body, reply) = (Body::new(request.body, CONTENT_BYTES_MAX)?, Reply::new(&request));
            self.progress = Progress::new();
            if expects {
                found.push(Found::Interim(CONTINUE));
            }
            if body.is_done() {
                self.answer(reply, &[], found);
            } else {
                self.content = Some(Content { body, bytes: Vec::new(), reply });
            }
            return Ok(head_bytes);
        };
        let decoded = content.body.decode(input)?;
        content.bytes.extend_from_slice(&input[decoded.data]);
        if decoded.done
            && let Some(content) = self.content.take()
        {
            self.answer(content.reply, &content.bytes, found);
        }
        Ok(decoded.consumed)
    }

    fn answer(&mut self, reply: Reply, content: &[u8], found: &mut Vec<Found>) {
        self.answered += 1;
        // The last one says so (RFC 9112, section 9.6): who did not know might already have sent the next request.
        let is_last = self.close_after == Some(self.answered);
        let persistence = if is_last { Persistence::Close } else { reply.persistence };
        let content = if reply.is_echo { content } else { FIXED };
        let bytes = respond(200, persistence, content, !reply.is_head);
        let has_content = !reply.is_head && !content.is_empty();
        let corruptible = has_content.then(|| bytes.len() - 1);
        self.is_over = persistence == Persistence::Close;
        found.push(Found::Message(Answer { bytes, corruptible, ends: self.is_over }));
    }
}

impl Reply {
    fn new(request: &Request<'_>) -> Self {
        Self {
            persistence: request.persistence(),
            is_echo: request.body != BodyLength::None,
            is_head: request.method == Method::Head,
        }
    }
}

/// A whole response. It has no Date: the peer reads no clock for that, and a test does not miss it.
fn respond(status: u16, persistence: Persistence, content: &[u8], with_content: bool) -> Vec<u8> {
    let connection = match persistence {
        Persistence::Implied | Persistence::Upgrade => "",
        Persistence::KeepAlive => "Connection: keep-alive\r\n",
        Persistence::Close => "Connection: close\r\n",
    };
    let mut bytes = Vec::with_capacity(96 + content.len());
    let (reason, length) = (reason_phrase(status), content.len());
    write!(bytes, "HTTP/1.1 {status} {reason}\r\nContent-Length: {length}\r\n{connection}\r\n")
        .expect("memory takes every write");
    if with_content {
        bytes.extend_from_slice(content);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in this text, which gives the same in every cut.
    fn read(text: &str) -> Vec<Found> {
        let whole = read_cut(text, text.len());
        for cut in 0..text.len() {
            assert_eq!(read_cut(text, cut), whole, "cut at {cut}");
        }
        whole
    }

    fn read_cut(text: &str, cut: usize) -> Vec<Found> {
        read_by(HttpReader::default(), text, cut)
    }

    fn read_by(mut reader: HttpReader, text: &str, cut: usize) -> Vec<Found> {
        let (mut table, mut found) = (Table::new(), Vec::new());
        let (one, two) = text.as_bytes().split_at(cut);
        reader.read(one, &mut table, &mut found);
        reader.read(two, &mut table, &mut found);
        assert_eq!(reader.held(), 0, "nothing is left");
        found
    }

    fn answer(text: &str, corruptible: bool, ends: bool) -> Found {
        let corruptible = corruptible.then(|| text.len() - 1);
        Found::Message(Answer { bytes: text.as_bytes().to_vec(), corruptible, ends })
    }

    const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!";

    #[test]
    fn requests_in_a_pipeline_are_answered_each() {
        let found = read(
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n\
             POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
             PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n\
             POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n\
             HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        );
        let expected = [
            answer(HELLO, true, false),
            answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", true, false),
            answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ndef", true, false),
            answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, false),
            answer("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n", false, false),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_connection_ends_when_the_client_says_so() {
        let close = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\nHello, world!";
        let found =
            read("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(found, [answer(close, true, true)]);
        assert_eq!(read("GET / HTTP/1.0\r\n\r\n"), [answer(close, true, true)]);
        let stays = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: keep-alive\r\n\r\nHello, world!";
        let found = read("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(found, [answer(stays, true, false)]);
    }

    #[test]
    fn the_last_answer_before_a_close_says_so() {
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let close = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\nHello, world!";
        let expected = [answer(HELLO, true, false), answer(close, true, true)];
        let text = get.repeat(3);
        for cut in 0..text.len() {
            assert_eq!(read_by(HttpReader::new(Some(2)), &text, cut), expected, "cut at {cut}");
        }
    }

    #[test]
    fn who_waits_before_its_content_is_told_to_go_on() {
        let found = read("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(found[0], Found::Interim(b"HTTP/1.1 100 Continue\r\n\r\n"));
        assert_eq!(found[1], answer("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", true, false));
    }

    #[test]
    fn what_is_no_request_is_refused_once() {
        let refused = |text: &str, status: &str| {
            let found = read(text);
            let [Found::Refused(bytes)] = &found[..] else { panic!("{found:?}") };
            let answer = String::from_utf8(bytes.clone()).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        };
        refused("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", "400");
        refused("hello\n", "400");
        refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16777217\r\n\r\n", "413");
    }
}
