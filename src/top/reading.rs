//! One answer on its way in: bytes come, an answer goes out when it is whole. It knows no socket.

use crate::protocol::http1::{Body, HeadLimits, Method, Progress, Refusal, Table, parse_response};

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content: Vec<u8>,
    /// Whether the connection can be used again.
    pub(super) keeps_alive: bool,
}

/// An answer that is not whole yet.
pub(super) struct Reading {
    /// What has come and was not read: of the head, all of it.
    bytes: Vec<u8>,
    progress: Progress,
    /// Behind the head.
    content: Option<(Body, Answer)>,
    content_bytes_max: u64,
}

impl Reading {
    /// An answer with so much content at most.
    pub(super) fn new(content_bytes_max: u64) -> Self {
        Self { bytes: Vec::new(), progress: Progress::new(), content: None, content_bytes_max }
    }

    /// Takes what has come. Bytes behind the answer are nobody's, since nothing more was asked.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Refusal> {
        self.bytes.extend_from_slice(bytes);
        while self.content.is_none() {
            if !self.read_head()? {
                return Ok(None);
            }
        }
        self.read_content()
    }

    /// The connection has ended, which may be the end of the answer.
    pub(super) fn finish(self) -> Result<Answer, Refusal> {
        let (body, answer) = self.content.ok_or(Refusal::Truncated)?;
        body.finish().map(|()| answer)
    }

    /// Reads a head, if it has come; what precedes the answer (1xx) is no answer.
    fn read_head(&mut self) -> Result<bool, Refusal> {
        let mut table = Table::new();
        let bounds = HeadLimits::default();
        let head = parse_response(&self.bytes, &Method::Get, &mut self.progress, &bounds, &mut table)?;
        let Some(head) = head else { return Ok(false) };
        if 200 <= head.status {
            let body = Body::new(head.body, self.content_bytes_max)?;
            let answer = Answer { status: head.status, content: Vec::new(), keeps_alive: head.keep_alive };
            self.content = Some((body, answer));
        }
        let end = head.head_bytes;
        self.bytes.drain(..end);
        Ok(true)
    }

    fn read_content(&mut self) -> Result<Option<Answer>, Refusal> {
        let Some((body, answer)) = &mut self.content else { return Ok(None) };
        let mut at = 0;
        while at < self.bytes.len() && !body.is_done() {
            let decoded = body.decode(&self.bytes[at..])?;
            answer.content.extend_from_slice(&self.bytes[at..][decoded.data]);
            at += decoded.consumed;
        }
        self.bytes.clear();
        Ok(body.is_done().then(|| self.content.take().map(|(_, answer)| answer)).flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    fn read(pieces: &[&[u8]], ends: bool) -> Result<Option<Answer>, Refusal> {
        let mut reading = Reading::new(10);
        for piece in pieces {
            if let Some(answer) = reading.take(piece)? {
                return Ok(Some(answer));
            }
        }
        if ends { reading.finish().map(Some) } else { Ok(None) }
    }

    /// Whole, cut at every byte, and byte by byte.
    #[track_caller]
    fn check(text: &str, ends: bool, expected: Result<Option<(u16, &str, bool)>, Refusal>) {
        let bytes = text.as_bytes();
        let expected = expected.map(|answer| {
            answer.map(|(status, content, keeps_alive)| Answer {
                status,
                content: content.into(),
                keeps_alive,
            })
        });
        for cut in 0..=bytes.len() {
            assert_eq!(read(&[&bytes[..cut], &bytes[cut..]], ends), expected, "cut at {cut}: {text:?}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single, ends), expected, "byte by byte: {text:?}");
    }

    #[test]
    fn an_answer_is_whole_when_its_content_is() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, Ok(Some((200, "hello", true))));
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", false, Ok(None));
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", true, Err(Refusal::Truncated));
        check(
            "HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            false,
            Ok(Some((401, "", false))),
        );
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            false,
            Ok(Some((200, "hello", true))),
        );
        check("HTTP/1.0 200 OK\r\n\r\nhello", true, Ok(Some((200, "hello", false))));
        check("HTTP/1.0 200 OK\r\n\r\nhello", false, Ok(None));
        check("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 204 x\r\n\r\n", false, Ok(Some((204, "", true))));
    }

    #[test]
    fn what_is_too_large_or_no_answer_is_refused() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", false, Err(Refusal::BodyTooLong));
        check("HTTP/1.0 200 OK\r\n\r\nhello world", true, Err(Refusal::BodyTooLong));
        check("SSH-2.0-OpenSSH_9.6\r\n", false, Err(Refusal::BadVersion));
        check("INFO {}\r\n", false, Err(Refusal::BadVersion));
        check("", true, Err(Refusal::Truncated));
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(limits::HEAD_BYTES as usize));
        assert_eq!(read(&[endless.as_bytes()], false), Err(Refusal::HeadTooLong));
    }
}
