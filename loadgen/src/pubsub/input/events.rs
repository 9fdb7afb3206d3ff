//! Server-Sent Events (WHATWG HTML, section 9.2): the content of one answer that does not end.

use tidemill::protocol::http1::{Body, BodyLength, Refusal};

use super::{Delivery, Sink};

/// Longest event that is taken, in bytes.
const EVENT_BYTES_MAX: usize = 64 << 20;

/// Reads one connection, behind the head of the answer.
#[derive(Debug)]
pub struct Events {
    body: Body,
    /// A line that was cut.
    line: Vec<u8>,
    /// The data of the event so far, each line with its end.
    data: Vec<u8>,
}

impl Events {
    /// Reads content of this length.
    ///
    /// # Errors
    /// Never for content that has no announced length.
    pub fn new(length: BodyLength) -> Result<Self, Refusal> {
        Ok(Self { body: Body::new(length, u64::MAX)?, line: Vec::new(), data: Vec::new() })
    }

    /// Reads what came.
    ///
    /// # Errors
    /// When it breaks HTTP, when an event is too long, or when the answer ends.
    pub fn read(&mut self, mut bytes: &[u8], sink: &mut impl Sink) -> Result<(), String> {
        while !bytes.is_empty() {
            let decoded = self.body.decode(bytes).map_err(|refusal| refusal.to_string())?;
            self.read_content(&bytes[decoded.data.clone()], sink)?;
            if decoded.done {
                return Err("the server ended the events".to_owned());
            }
            bytes = &bytes[decoded.consumed..];
        }
        Ok(())
    }

    fn read_content(&mut self, mut content: &[u8], sink: &mut impl Sink) -> Result<(), String> {
        loop {
            if self.line.is_empty() && self.data.is_empty() {
                let taken = sink.expected(content);
                content = &content[taken..];
            }
            let Some(feed) = content.iter().position(|byte| *byte == b'\n') else {
                self.line.extend_from_slice(content);
                let is_short = self.line.len() + self.data.len() <= EVENT_BYTES_MAX;
                return if is_short { Ok(()) } else { Err("an event is too long".to_owned()) };
            };
            let (line, rest) = (&content[..feed], &content[feed + 1..]);
            if self.line.is_empty() {
                take_line(&mut self.data, line, sink);
            } else {
                self.line.extend_from_slice(line);
                take_line(&mut self.data, &self.line, sink);
                self.line.clear();
            }
            content = rest;
        }
    }
}

/// A field of an event, or its end; lines may end with CRLF.
fn take_line(data: &mut Vec<u8>, line: &[u8], sink: &mut impl Sink) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if let Some(value) = line.strip_prefix(b"data:") {
        data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
        data.push(b'\n');
    } else if line.is_empty()
        && let Some(payload) = data.strip_suffix(b"\n")
    {
        sink.message(Delivery { sid: None, subject: None, reply: None, headers: b"", payload });
        data.clear();
    }
}
