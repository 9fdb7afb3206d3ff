//! The bytes of one turn: what a group hears, or one client alone.

use std::ops::Range;
use std::sync::Arc;

use super::backlog::Mark;
use super::form::{Form, write, write_nats_head};
use super::group::SubscriptionId;
use super::message::Message;

/// What a group hears in one turn, or what one client hears that nobody else is sent.
#[derive(Debug, Default)]
pub(super) struct Speech {
    pub(super) bytes: Vec<u8>,
    /// Large payloads between the bytes.
    pub(super) splices: Vec<Splice>,
    /// Where each message ends, and what it is, while messages may be left out.
    pub(super) marks: Vec<(usize, Mark)>,
    /// How many messages the bytes are.
    pub(super) messages: u64,
    /// The bytes, when the turn is over and they are worth sharing.
    pub(super) shared: Option<Arc<Vec<u8>>>,
    /// Members of the group that do not hear the bytes now: they joined since, or have heard something else meanwhile.
    pub(super) late: Vec<SubscriptionId>,
    /// Where among the bytes the line before the last payload stands, and what it was made for.
    line: Line,
}

/// A large payload, which stands at its place among the bytes without being copied there.
#[derive(Debug)]
pub(super) struct Splice {
    pub(super) at: usize,
    pub(super) payload: Arc<Vec<u8>>,
}

/// For whom a message is written.
#[derive(Clone, Copy)]
pub(super) struct Listener<'a> {
    pub(super) form: Form,
    pub(super) sid: &'a [u8],
}

/// A line among the bytes: where it stands, and the lengths of its parts.
#[derive(Debug, Default)]
struct Line {
    start: usize,
    length: usize,
    subject: usize,
    sid: usize,
    payload: usize,
}

impl Speech {
    /// Appends a message. One whose payload stands elsewhere is not copied, in forms that have a place for it.
    #[inline]
    pub(super) fn say(
        &mut self,
        listener: Listener<'_>,
        message: &Message<'_>,
        large: Option<&Arc<Vec<u8>>>,
        id: u64,
        mark: Option<Mark>,
    ) {
        self.messages += 1;
        let is_nats = matches!(listener.form, Form::Nats { .. });
        if let Some(payload) = large.filter(|_| is_nats) {
            self.splice(listener, message, payload);
        } else if is_nats && message.reply.is_empty() && message.headers.is_empty() {
            self.write_line(listener, message);
            self.bytes.extend_from_slice(message.payload);
            self.bytes.extend_from_slice(b"\r\n");
        } else {
            write(listener.form, listener.sid, id, message, &mut self.bytes);
        }
        if let Some(mark) = mark {
            self.marks.push((self.bytes.len(), mark));
        }
    }

    /// Appends a plain message of NATS that differs from the last one in nothing but its payload.
    #[inline]
    pub(super) fn say_next(&mut self, listener: Listener<'_>, message: &Message<'_>) {
        self.messages += 1;
        let Line { start, length, payload, .. } = self.line;
        debug_assert!(length != 0, "there is a last one");
        if payload == message.payload.len() {
            self.bytes.extend_from_within(start..start + length);
        } else {
            self.write_line(listener, message);
        }
        self.bytes.extend_from_slice(message.payload);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn splice(&mut self, listener: Listener<'_>, message: &Message<'_>, payload: &Arc<Vec<u8>>) {
        let headers = matches!(listener.form, Form::Nats { headers: true, .. });
        write_nats_head(headers, listener.sid, message, &mut self.bytes);
        self.splices.push(Splice { at: self.bytes.len(), payload: Arc::clone(payload) });
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// The line of a plain message. A publisher says much about one subject: then it is the same as before.
    #[inline]
    fn write_line(&mut self, listener: Listener<'_>, message: &Message<'_>) {
        let Line { start, length, subject, sid, payload } = self.line;
        let same = length != 0
            && payload == message.payload.len()
            && subject == message.subject.len()
            && sid == listener.sid.len()
            && self.bytes[start + SUBJECT_AT..][..subject] == *message.subject
            && self.bytes[start + SUBJECT_AT + subject + 1..][..sid] == *listener.sid;
        if same {
            return self.bytes.extend_from_within(start..start + length);
        }
        let start = self.bytes.len();
        write_nats_head(false, listener.sid, message, &mut self.bytes);
        self.line = Line {
            start,
            length: self.bytes.len() - start,
            subject: message.subject.len(),
            sid: listener.sid.len(),
            payload: message.payload.len(),
        };
    }

    /// Where the bytes end.
    #[inline]
    pub(super) fn end(&self) -> usize {
        self.content().len()
    }

    /// The bytes, shared or not.
    #[inline]
    pub(super) fn content(&self) -> &[u8] {
        self.shared.as_ref().map_or(&self.bytes, |shared| shared)
    }

    /// How many bytes are sent for a range, with the payloads that stand apart.
    pub(super) fn length(&self, range: &Range<usize>) -> usize {
        let within = self.splices.iter().filter(|splice| range.contains(&splice.at));
        range.len() + within.map(|splice| splice.payload.len()).sum::<usize>()
    }

    /// Forgets all but some of the memory.
    pub(super) fn clear(&mut self) {
        self.splices.clear();
        self.splices.shrink_to(KEPT);
        self.messages = 0;
        self.marks.clear();
        self.marks.shrink_to(KEPT);
        self.shared = None;
        self.late.clear();
        self.late.shrink_to(KEPT);
        self.line = Line::default();
    }
}

/// Entries of each list whose memory is kept for the next turn: thousands of speeches may be.
const KEPT: usize = 64;
/// Where a line's subject begins: behind `MSG `.
const SUBJECT_AT: usize = 4;
