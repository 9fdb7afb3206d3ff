//! What a connection sends: answers that the protocol asks for, and publications in large batches.
//!
//! Publications on one subject differ in their stamp alone. So their frames are written once, for the largest batch, and
//! sending fewer is sending the last ones; only the stamps are written anew.

use tidemill::protocol::nats::client::write::{self, Unsendable};
use tidemill::protocol::websocket::{Kind, sender};
use tidemill::ring::{Copied, Part};

use super::stamp::{STAMP_BYTES, Stamp, Stride};
use super::subjects::{Subjects, place};

/// The mask of our frames: it changes nothing, so that masking costs the generator nothing. A server unmasks all the same.
pub const NO_MASK: [u8; 4] = [0; 4];
/// Most bytes of publications in one send.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;

/// Answers that wait to be sent.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// As they go over the wire.
    pub raw: Vec<u8>,
    /// What is said in the protocol within, where there is one.
    pub words: Vec<u8>,
}

/// How publications are framed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `PUB`, and where answers go: the stamp is added to this.
    Nats(Option<Vec<u8>>),
    /// A WebSocket message.
    WebSocket,
}

/// The frames of one publisher.
#[derive(Debug)]
pub struct Batch {
    /// One frame for each subject, with the places of its stamp.
    templates: Vec<Template>,
    /// What was sent and came home: for one subject, frames of which only the stamps change.
    spare: Vec<u8>,
    frames_max: u64,
}

#[derive(Debug)]
struct Template {
    bytes: Vec<u8>,
    stamps: Vec<usize>,
}

impl Outgoing {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty() && self.words.is_empty()
    }

    /// Takes what waits, in `parts`; the words in a WebSocket message where they need one.
    pub fn take(&mut self, is_wrapped: bool, parts: &mut Vec<Part>) {
        let mut raw = std::mem::take(&mut self.raw);
        let words = std::mem::take(&mut self.words);
        match words.is_empty() {
            true => {}
            false if is_wrapped => sender::message(&mut raw, Kind::Binary, &words, Some(NO_MASK)),
            false => raw.extend_from_slice(&words),
        }
        if !raw.is_empty() {
            parts.push(Part::Copied(raw.into()));
        }
    }
}

impl Batch {
    /// Frames for these subjects, with this behind the stamp.
    ///
    /// # Errors
    /// When a subject cannot be sent.
    pub fn new(subjects: &Subjects, framing: &Framing, fill: &[u8]) -> Result<Self, Unsendable> {
        let template = |subject: usize| Template::new(subjects.name(subject), framing, fill);
        let templates: Vec<Template> = (0..subjects.count()).map(template).collect::<Result<_, _>>()?;
        let longest = templates.iter().map(|template| template.bytes.len()).max().unwrap_or(1);
        let frames_max = (BATCH_BYTES_MAX / longest).max(1) as u64;
        Ok(Self { templates, spare: Vec::new(), frames_max })
    }

    /// Frames that one send takes.
    pub fn frames_max(&self) -> u64 {
        self.frames_max
    }

    /// The frames of this publisher's messages from `number` on, as a part of a send; before it, where it is wrapped, the
    /// header of a WebSocket message.
    pub fn frames(
        &mut self,
        (publisher, number): (u32, u64),
        count: u64,
        is_wrapped: bool,
        parts: &mut Vec<Part>,
    ) {
        debug_assert!(0 < count && count <= self.frames_max, "a batch has its bounds");
        let (mut stamp, one) = (Stamp::new(publisher, number), Stride::of(1));
        let mut bytes = std::mem::take(&mut self.spare);
        let mut start = 0;
        if let [template] = &*self.templates {
            let (frame, frames) = (template.bytes.len(), place(self.frames_max));
            if bytes.len() != frame * frames {
                bytes = template.bytes.repeat(frames);
            }
            start = (frames - place(count)) * frame;
            for frame in bytes[start..].chunks_exact_mut(frame) {
                template.stamp(frame, stamp);
                stamp = stamp.plus(one);
            }
        } else {
            bytes.clear();
            let subjects = self.templates.len() as u64;
            for number in number..number + count {
                let template = &self.templates[place(number % subjects)];
                let at = bytes.len();
                bytes.extend_from_slice(&template.bytes);
                template.stamp(&mut bytes[at..], stamp);
                stamp = stamp.plus(one);
            }
        }
        if is_wrapped {
            let header = sender::message_header(Kind::Binary, bytes.len() - start, Some(NO_MASK));
            parts.push(Part::Copied(header[..].into()));
        }
        parts.push(Part::Copied(Copied::from_mark(bytes, start)));
    }

    /// Takes the memory of a send back.
    pub fn give_back(&mut self, part: Part) {
        let Part::Copied(bytes) = part else { return };
        let bytes = bytes.into_vec();
        if self.spare.len() < bytes.len() {
            self.spare = bytes;
        }
    }
}

impl Template {
    fn new(subject: &[u8], framing: &Framing, fill: &[u8]) -> Result<Self, Unsendable> {
        let blank = [b'@'; STAMP_BYTES];
        let payload = [&blank[..], fill].concat();
        let (mut bytes, mut stamps) = (Vec::new(), Vec::new());
        match framing {
            Framing::Nats(reply) => {
                let reply = reply.as_ref().map(|reply| [&reply[..], &blank].concat());
                write::publish(&mut bytes, subject, reply.as_deref(), &payload)?;
                if let Some(reply) = reply {
                    stamps.push(b"PUB ".len() + subject.len() + 1 + reply.len() - STAMP_BYTES);
                }
                stamps.push(bytes.len() - b"\r\n".len() - payload.len());
            }
            Framing::WebSocket => {
                sender::message(&mut bytes, Kind::Binary, &payload, Some(NO_MASK));
                stamps.push(bytes.len() - payload.len());
            }
        }
        Ok(Self { bytes, stamps })
    }

    #[inline]
    fn stamp(&self, frame: &mut [u8], stamp: Stamp) {
        for at in &self.stamps {
            frame[*at..at + STAMP_BYTES].copy_from_slice(&stamp.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(batch: &mut Batch, from: u64, count: u64, is_wrapped: bool) -> Vec<u8> {
        let mut parts = Vec::new();
        batch.frames((1, from), count, is_wrapped, &mut parts);
        let bytes = parts.iter().flat_map(|part| part.bytes().to_vec()).collect();
        parts.into_iter().for_each(|part| batch.give_back(part));
        bytes
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn publications_on_one_subject_differ_in_their_stamps() {
        let mut batch = Batch::new(&Subjects::new("a", 1), &Framing::Nats(None), b"xy").unwrap();
        let frame = |letters: &str| format!("PUB a 18\r\n{letters}xy\r\n");
        let [zero, one] = ["@@@@@@@@@@@@A@@@", "A@@@@@@@@@@@A@@@"].map(frame);
        assert_eq!(text(sent(&mut batch, 0, 2, false)), format!("{zero}{one}"));
        let last = frame("O@@@@@@@@@@@A@@@");
        assert_eq!(text(sent(&mut batch, 15, 1, false)), last);
        assert_eq!(text(sent(&mut batch, 1, 1, false)), one, "memory that came home is used again");
        let most = batch.frames_max();
        assert_eq!(sent(&mut batch, 0, most, false).len() as u64, most * zero.len() as u64);
    }

    #[test]
    fn subjects_take_turns() {
        let mut batch = Batch::new(&Subjects::new("a", 2), &Framing::Nats(None), b"").unwrap();
        assert_eq!(
            text(sent(&mut batch, 1, 2, false)),
            "PUB a.0.1 16\r\nA@@@@@@@@@@@A@@@\r\nPUB a.0.0 16\r\nB@@@@@@@@@@@A@@@\r\n"
        );
    }

    #[test]
    fn a_request_says_where_its_answer_goes() {
        let framing = Framing::Nats(Some(b"_INBOX.q.".to_vec()));
        let mut batch = Batch::new(&Subjects::new("a", 1), &framing, b"").unwrap();
        assert_eq!(
            text(sent(&mut batch, 2, 1, false)),
            "PUB a _INBOX.q.B@@@@@@@@@@@A@@@ 16\r\nB@@@@@@@@@@@A@@@\r\n"
        );
    }

    /// RFC 6455, 5.2: a final binary frame, masked, of 16 bytes, with a mask of zeros.
    #[test]
    fn over_websocket_there_is_a_header() {
        let mut batch = Batch::new(&Subjects::new("a", 1), &Framing::WebSocket, b"").unwrap();
        assert_eq!(sent(&mut batch, 0, 1, false), b"\x82\x90\0\0\0\0@@@@@@@@@@@@A@@@");
        let mut batch = Batch::new(&Subjects::new("a", 1), &Framing::Nats(None), b"").unwrap();
        assert!(sent(&mut batch, 0, 1, true).starts_with(b"\x82\x9c\0\0\0\0PUB a 16\r\n@"));
    }

    #[test]
    fn answers_leave_together() {
        let mut out = Outgoing { raw: b"raw".to_vec(), words: b"PONG\r\n".to_vec() };
        let mut parts = Vec::new();
        out.take(true, &mut parts);
        assert_eq!(parts[0].bytes(), b"raw\x82\x86\0\0\0\0PONG\r\n");
        assert!(out.is_empty());
    }
}
