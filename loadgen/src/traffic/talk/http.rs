//! HTTP/1.1 in the client's role: requests leave one behind the other, answers come in their order.
//!
//! A GET's content is counted and has to be as long as that of the others; a POST's content comes back byte by byte.

use tidemill::protocol::http1::{
    Body, BodyLength, HeadLimits, Method, Persistence, Progress, RequestHead, Table, Unsendable,
    encode_request, parse_response, reason_phrase,
};

use super::{Book, Fault, Talk};
use crate::record::ErrorClass;
use crate::traffic::pattern::{Message, Pattern};
use crate::traffic::verify::MessageVerifier;

/// What the HTTP connections of a worker share.
#[derive(Debug)]
pub struct HttpCommon {
    /// The content of requests; without, they have none.
    content: Option<Pattern>,
    verify: bool,
    /// The head of every request.
    head: Vec<u8>,
    table: Table,
}

/// One HTTP connection.
#[derive(Debug)]
pub struct Http {
    /// The request whose answer comes next.
    next: Message,
    progress: Progress,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Before or within a head.
    Head,
    /// Within content.
    Content(Box<Body>, Answer),
    /// Behind the last answer that the server gives here.
    Over,
}

/// What is known of an answer.
#[derive(Clone, Copy, Debug)]
struct Answer {
    status: u16,
    keep_alive: bool,
    /// Content that has come, in bytes.
    bytes: u64,
    verifier: MessageVerifier,
}

impl HttpCommon {
    /// Requests for this path of this host: GET, or POST with the messages of `content`. With `close`, each asks the
    /// server to end the connection behind its answer.
    ///
    /// # Errors
    /// When the path or the host cannot be sent.
    pub fn new(
        path: &str,
        host: &str,
        content: Option<Pattern>,
        verify: bool,
        close: bool,
    ) -> Result<Self, Unsendable> {
        let mut head = Vec::new();
        let length = content.as_ref().map(|pattern| BodyLength::Length(pattern.size() as u64));
        let request = RequestHead {
            method: if content.is_some() { Method::Post } else { Method::Get },
            target: path.as_bytes(),
            host: host.as_bytes(),
            persistence: if close { Persistence::Close } else { Persistence::Implied },
            body: length.unwrap_or(BodyLength::None),
            headers: &[],
        };
        encode_request(&mut head, &request)?;
        Ok(Self { content, verify, head, table: Table::new() })
    }

    fn method(&self) -> Method<'static> {
        if self.content.is_some() { Method::Post } else { Method::Get }
    }
}

impl Http {
    /// Reads the head of an answer at the start of `bytes`, and returns its length; `None` when it is not all here.
    fn read_head(
        &mut self,
        common: &mut HttpCommon,
        bytes: &[u8],
        book: &mut Book<'_>,
    ) -> Result<Option<usize>, Fault> {
        if !book.is_due() {
            return Err(Fault::protocol("the server answered what nobody had asked"));
        }
        let (method, limits) = (common.method(), HeadLimits::default());
        let refused = |refusal| Fault::protocol(format!("no HTTP answer: {refusal}"));
        let read = parse_response(bytes, &method, &mut self.progress, &limits, &mut common.table);
        let Some(response) = read.map_err(refused)? else { return Ok(None) };
        let head_bytes = response.head_bytes;
        match response.status {
            101 => return Err(Fault::protocol("the server switched to a protocol that nobody asked for")),
            100..200 => return Ok(Some(head_bytes)), // The answer itself follows.
            _ => {}
        }
        let body = Body::new(response.body, u64::MAX).map_err(refused)?;
        let (status, keep_alive) = (response.status, response.keep_alive);
        let answer = Answer { status, keep_alive, bytes: 0, verifier: MessageVerifier::new(self.next) };
        if body.is_done() {
            self.finish(common, answer, book);
        } else {
            self.state = State::Content(Box::new(body), answer);
        }
        Ok(Some(head_bytes))
    }

    /// Reads content, and returns how many bytes of the input are done with.
    fn read_content(
        &mut self,
        common: &HttpCommon,
        bytes: &[u8],
        book: &mut Book<'_>,
    ) -> Result<usize, Fault> {
        let State::Content(body, answer) = &mut self.state else { return Ok(0) };
        let decoded = body.decode(bytes).map_err(|refusal| Fault::protocol(refusal.reason()))?;
        let data = &bytes[decoded.data];
        answer.bytes += data.len() as u64;
        if let Some(pattern) = common.content.as_ref().filter(|_| common.verify) {
            answer.verifier.feed(pattern, data);
        }
        if decoded.done {
            let answer = *answer;
            self.finish(common, answer, book);
        }
        Ok(decoded.consumed)
    }

    /// An answer is whole.
    fn finish(&mut self, common: &HttpCommon, answer: Answer, book: &mut Book<'_>) {
        self.state = if answer.keep_alive { State::Head } else { State::Over };
        self.next.sequence += 1;
        let Answer { status, bytes, .. } = answer;
        if !(200..300).contains(&status) {
            book.status(status);
            let sentence =
                || format!("the answer was {status} {}", reason_phrase(status)).trim_end().to_owned();
            return book.bad(ErrorClass::Status, sentence);
        }
        if let Some(others) = book.content(bytes) {
            let sentence =
                || format!("an answer has {bytes} bytes of content, and the first one had {others}");
            return book.bad(ErrorClass::Length, sentence);
        }
        let Some(pattern) = &common.content else { return book.good() };
        if bytes != pattern.size() as u64 {
            let sentence = || format!("{} bytes were sent, and {bytes} came back", pattern.size());
            return book.bad(ErrorClass::Length, sentence);
        }
        if common.verify {
            let mismatch = answer.verifier.mismatch();
            book.compared(pattern, 1, u64::from(mismatch.is_some()), mismatch);
        }
        book.good();
    }
}

impl Talk for Http {
    type Common = HttpCommon;

    fn new(first: Message) -> Self {
        Self { next: first, progress: Progress::new(), state: State::Head }
    }

    fn open(&mut self, _: &mut HttpCommon, _: &mut Vec<u8>) {}

    fn is_open(&self) -> bool {
        true
    }

    fn request_bytes(common: &HttpCommon) -> usize {
        common.head.len() + common.content.as_ref().map_or(0, Pattern::size)
    }

    fn ask(&mut self, common: &mut HttpCommon, first: Message, count: u64, out: &mut Vec<u8>) {
        for message in first.and_following(count) {
            out.extend_from_slice(&common.head);
            if let Some(pattern) = &common.content {
                pattern.append(message, out);
            }
        }
    }

    fn receive(
        &mut self,
        common: &mut HttpCommon,
        bytes: &mut [u8],
        _: &mut Vec<u8>,
        book: &mut Book<'_>,
    ) -> Result<usize, Fault> {
        let mut at = 0;
        while at < bytes.len() {
            at += match self.state {
                State::Head => match self.read_head(common, &bytes[at..], book)? {
                    Some(head_bytes) => head_bytes,
                    None => return Ok(at),
                },
                State::Content(..) => self.read_content(common, &bytes[at..], book)?,
                State::Over => return Ok(bytes.len()), // The server has said that nothing follows.
            };
        }
        Ok(at)
    }

    fn end(&mut self, common: &mut HttpCommon, book: &mut Book<'_>) -> Result<(), Fault> {
        if let State::Content(body, answer) = &self.state {
            let answer = *answer;
            body.finish()
                .map_err(|_| Fault::new(ErrorClass::ClosedEarly, "the server closed it within an answer"))?;
            self.finish(common, answer, book);
        }
        // A server may end a connection on which nothing is due at any time (RFC 9112, 9.5).
        let is_fine = matches!(self.state, State::Over) || self.progress.is_new() && !book.is_due();
        if is_fine { Ok(()) } else { Err(Fault::closed_early()) }
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn part(&mut self, _: &mut HttpCommon, _: &mut Vec<u8>) -> bool {
        self.is_over()
    }

    fn has_parted(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tests::{Outcome, check};
    use super::*;

    const FIRST: Message = Message { connection: 0, lane: 0, sequence: 0 };

    fn make(content: Option<usize>) -> (Http, HttpCommon) {
        let content = content.map(|size| Pattern::new(1, size));
        (Http::new(FIRST), HttpCommon::new("/", "127.0.0.1:1", content, true, false).unwrap())
    }

    fn answer(content: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: {}\r\n\r\n", content.len());
        [head.as_bytes(), content].concat()
    }

    #[test]
    fn requests_are_written_one_behind_the_other() {
        let (mut talk, mut common) = make(None);
        let mut out = Vec::new();
        talk.ask(&mut common, FIRST, 2, &mut out);
        let one = "GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), one.repeat(2));
        let (mut talk, mut common) = make(Some(20));
        let mut out = Vec::new();
        talk.ask(&mut common, FIRST, 1, &mut out);
        let head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Length: 20\r\n\r\n";
        assert_eq!(out[..head.len()], head[..]);
        assert_eq!(out.len(), head.len() + 20);
    }

    #[test]
    fn answers_are_found_in_every_cut() {
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x\r\ncde\r\n0\r\n\r\n";
        let bytes =
            [&answer(b"12345")[..], chunked, b"HTTP/1.1 100 Continue\r\n\r\n", &answer(b"abcde")].concat();
        check(|| make(None), 3, &bytes, &Outcome { received: 3, ..Outcome::default() });
    }

    #[test]
    fn errors_are_found_in_every_cut() {
        let no = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
        let bytes = [&answer(b"12345")[..], no, &answer(b"1234"), &answer(b"12345")].concat();
        let errors = BTreeMap::from([(ErrorClass::Status, 1), (ErrorClass::Length, 1)]);
        check(|| make(None), 4, &bytes, &Outcome { received: 4, errors, ..Outcome::default() });
        let fault = Some(ErrorClass::Protocol);
        check(
            || make(None),
            1,
            &answer(b"1").repeat(2),
            &Outcome { received: 1, fault, ..Outcome::default() },
        );
        check(|| make(None), 1, b"SMTP", &Outcome { fault, ..Outcome::default() });
        let last = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx and more";
        check(|| make(None), 2, last, &Outcome { received: 1, is_over: true, ..Outcome::default() });
    }

    #[test]
    fn wrong_content_is_found_in_every_cut() {
        let pattern = Pattern::new(1, 20);
        let content = |sequence| {
            let mut bytes = Vec::new();
            pattern.append(Message { sequence, ..FIRST }, &mut bytes);
            bytes
        };
        let mut bytes = [answer(&content(0)), answer(&content(1)), answer(&content(2))].concat();
        check(|| make(Some(20)), 3, &bytes, &Outcome { received: 3, ..Outcome::default() });
        *bytes.last_mut().unwrap() ^= 1;
        check(|| make(Some(20)), 3, &bytes, &Outcome { received: 3, wrong: 1, ..Outcome::default() });
        let swapped = [answer(&content(1)), answer(&content(0))].concat();
        check(|| make(Some(20)), 2, &swapped, &Outcome { received: 2, wrong: 2, ..Outcome::default() });
    }
}
