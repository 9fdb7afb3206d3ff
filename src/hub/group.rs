//! Subscriptions that are sent the same bytes, and the bytes of this turn.

use std::sync::Arc;

use super::backlog::Mark;
use super::form::{Form, write, write_nats_head};
use super::index::FilterId;
use super::message::Message;
use crate::sys::clock::Time;

/// A group's number.
pub(super) type GroupId = u32;
/// A subscription's number.
pub(super) type SubscriptionId = u32;

/// What is asked of each message before a subscription hears it, with the time: whether it is hidden, because the filter is
/// wider than what the client may hear. Who asks to know what was delivered learns it here, too.
pub type Hidden = Arc<dyn Fn(&Message<'_>, Time) -> bool + Send + Sync>;

/// Subscriptions that are sent the same bytes: they have the same filter, form and `sid`.
pub(super) struct Group {
    pub(super) filter: FilterId,
    pub(super) form: Form,
    pub(super) sid: Box<[u8]>,
    pub(super) members: Vec<Member>,
    /// Its place among the plain groups of the filter, while it stands there.
    pub(super) place: Option<u32>,
    /// For a subscription that has its own: because it is one of a queue group, because its messages are counted, or
    /// because some are hidden from it.
    pub(super) alone: Option<Box<Alone>>,
    /// Messages ever.
    pub(super) messages: u64,
    /// What it hears in this turn, if it hears anything.
    pub(super) speech: Option<Box<Speech>>,
    /// Whether its last member has left: it goes when the turn is over.
    pub(super) is_dead: bool,
}

/// What a group hears in one turn.
#[derive(Debug, Default)]
pub(super) struct Speech {
    pub(super) bytes: Vec<u8>,
    /// Large payloads between the bytes.
    pub(super) splices: Vec<Splice>,
    /// Where each message ends, and what it is, while messages may be left out.
    pub(super) marks: Vec<(usize, Mark)>,
    /// The bytes, when the turn is over and they are worth sharing.
    pub(super) shared: Option<Arc<Vec<u8>>>,
    /// Members that do not hear the bytes now: they joined since, or have heard another group meanwhile.
    pub(super) late: Vec<SubscriptionId>,
    /// Where among the bytes the line before the last payload stands, and what it was made for.
    line: Line,
}

/// One who hears a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) client: u32,
    pub(super) subscription: SubscriptionId,
}

/// What makes a subscription different from all others.
#[derive(Clone, Default)]
pub(super) struct Alone {
    /// Messages after which it ends.
    pub(super) left: Option<u64>,
    /// What it must not hear.
    pub(super) hidden: Option<Hidden>,
}

/// A large payload, which stands at its place among the bytes without being copied there.
#[derive(Debug)]
pub(super) struct Splice {
    pub(super) at: usize,
    pub(super) payload: Arc<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Line {
    start: usize,
    length: usize,
    subject: usize,
    payload: usize,
}

impl Group {
    pub(super) fn new(filter: FilterId, form: Form, sid: &[u8], alone: Option<Alone>) -> Self {
        Self {
            filter,
            form,
            sid: sid.into(),
            // Most have one member for ever.
            members: Vec::with_capacity(1),
            place: None,
            alone: alone.map(Box::new),
            messages: 0,
            speech: None,
            is_dead: false,
        }
    }

    /// Appends a message.
    #[inline]
    pub(super) fn write(&mut self, message: &Message<'_>, id: u64) {
        let Some(speech) = &mut self.speech else { return };
        self.messages += 1;
        if matches!(self.form, Form::Nats { .. }) && message.reply.is_empty() && message.headers.is_empty() {
            speech.write_line(&self.sid, message);
            speech.bytes.extend_from_slice(message.payload);
            speech.bytes.extend_from_slice(b"\r\n");
        } else {
            write(self.form, &self.sid, id, message, &mut speech.bytes);
        }
    }

    /// Appends a message whose payload stands elsewhere. Only NATS forms have a place for it.
    pub(super) fn splice(&mut self, message: &Message<'_>, payload: &Arc<Vec<u8>>) {
        let Some(speech) = &mut self.speech else { return };
        self.messages += 1;
        let headers = matches!(self.form, Form::Nats { headers: true, .. });
        write_nats_head(headers, &self.sid, message, &mut speech.bytes);
        speech.splices.push(Splice { at: speech.bytes.len(), payload: Arc::clone(payload) });
        speech.bytes.extend_from_slice(b"\r\n");
    }

    /// Says what the last message is.
    pub(super) fn mark(&mut self, mark: Option<Mark>) {
        if let (Some(mark), Some(speech)) = (mark, &mut self.speech) {
            speech.marks.push((speech.bytes.len(), mark));
        }
    }

    /// Whether all members hear what it is told now.
    #[inline]
    pub(super) fn is_ready(&self) -> bool {
        self.speech.as_ref().is_some_and(|speech| speech.late.is_empty())
    }
}

impl Speech {
    /// The line of a plain message. A publisher says much about one subject: then it is the same as before.
    #[inline]
    fn write_line(&mut self, sid: &[u8], message: &Message<'_>) {
        let Line { start, length, subject, payload } = self.line;
        let same = length != 0
            && payload == message.payload.len()
            && subject == message.subject.len()
            && self.bytes[start + SUBJECT_AT..][..subject] == *message.subject;
        if same {
            return self.bytes.extend_from_within(start..start + length);
        }
        let start = self.bytes.len();
        write_nats_head(false, sid, message, &mut self.bytes);
        self.line = Line {
            start,
            length: self.bytes.len() - start,
            subject: message.subject.len(),
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

    /// Forgets all but the memory.
    pub(super) fn clear(&mut self) {
        self.splices.clear();
        self.marks.clear();
        self.shared = None;
        self.late.clear();
        self.line = Line::default();
    }
}

/// Where a line's subject begins: behind `MSG `.
const SUBJECT_AT: usize = 4;

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("form", &self.form)
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}
