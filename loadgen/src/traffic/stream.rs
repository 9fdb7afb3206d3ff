//! Stream clients: TCP and Unix connections, each with one armed receive and at most one send in flight.
//!
//! A stream has no messages but those that we count off: the position in it says which message a byte belongs to. A
//! send takes what fits at once; for the rest the kernel waits.

use std::collections::VecDeque;

use tidemill::ring::{
    Completion, Descriptor, Gather, Kernel, Kind, Op, Outcome, ReceiveError, Received, SendError,
};
use tidemill::sys::clock::Time;

use crate::record::{ErrorClass, Recorder};
use crate::traffic::client::{Client, Opened, Sockets, Turn, index, slot, token};
use crate::traffic::link::Link;
use crate::traffic::outgoing::{Outgoing, messages_per_send};
use crate::traffic::pattern::{Message, Pattern};
use crate::traffic::verify::StreamVerifier;

/// Bytes after which a receive ends by itself and is armed again. The client takes all that comes, so it is large.
const CREDIT_BYTES: u32 = 1 << 30;

/// The stream connections of a worker.
#[derive(Debug)]
pub struct Streams {
    streams: Vec<Stream>,
    pattern: Pattern,
    depth: u64,
    verify: bool,
    /// Connections that may be able to send, each once.
    changed: Vec<u32>,
    in_flight: u64,
    open: usize,
    closing: usize,
}

#[derive(Debug)]
struct Stream {
    number: u32,
    file: Descriptor,
    /// Messages in flight by the send that they left in, the oldest first. No send is without one.
    sends: VecDeque<Send>,
    /// All of them.
    in_flight: u64,
    /// The next message to send.
    next: u64,
    verifier: StreamVerifier,
    outgoing: Outgoing,
    is_open: bool,
    is_sending: bool,
    is_changed: bool,
}

/// The messages of one send that are not answered yet.
#[derive(Clone, Copy, Debug)]
struct Send {
    started: Time,
    messages: u64,
}

impl Streams {
    /// Clients on these connections, which keep `depth` messages of this pattern in flight each.
    pub fn new(opened: &[Opened], pattern: Pattern, depth: u32, verify: bool) -> Self {
        let stream = |opened: &Opened| Stream {
            number: opened.number,
            file: opened.file,
            sends: VecDeque::new(), // It grows to the number of sends that are in flight together, and stays.
            in_flight: 0,
            next: 0,
            verifier: StreamVerifier::new(opened.number),
            outgoing: Outgoing::default(),
            is_open: true,
            is_sending: false,
            is_changed: true,
        };
        Self {
            streams: opened.iter().map(stream).collect(),
            pattern,
            depth: u64::from(depth),
            verify,
            changed: (0..slot(opened.len())).collect(),
            in_flight: 0,
            open: opened.len(),
            closing: 0,
        }
    }

    fn received<K: Kernel>(
        &mut self,
        slot: u32,
        (result, more): (Result<Received, ReceiveError>, bool),
        turn: &mut Turn<'_, K>,
    ) {
        if !self.streams[index(slot)].is_open {
            return; // Its failure was counted when it was closed.
        }
        let wait_first = match result {
            Ok(Received::Bytes(bytes)) => {
                self.take(slot, &bytes, turn.now, turn.recorder);
                false
            }
            Ok(Received::End) => {
                return self.fail(slot, ErrorClass::ClosedEarly, "the server closed it", turn);
            }
            // The bytes of this turn are read and their buffers free: the next turn provides them again.
            Err(ReceiveError::NoBuffers) => true,
            Err(error) => return self.fail(slot, ErrorClass::from(&error), &error.to_string(), turn),
        };
        if !more {
            self.arm(slot, wait_first, turn.link);
        }
    }

    /// Checks bytes that came back, and records the messages that they complete.
    fn take(&mut self, slot: u32, bytes: &[u8], now: Time, recorder: &mut Recorder) {
        let stream = &mut self.streams[index(slot)];
        let checked = stream.verifier.feed(&self.pattern, bytes, self.verify);
        if self.verify {
            let (messages, wrong) = (checked.messages, checked.wrong_messages);
            recorder.counts.verified(messages, wrong, checked.mismatch, self.pattern.size());
        }
        let mut left = checked.messages;
        while left != 0 {
            // It got an answer that it had not asked for.
            let Some(send) = stream.sends.front_mut() else {
                let sentence = || format!("connection {} got more than it had sent", stream.number);
                recorder.counts.errors.count(ErrorClass::Other, sentence);
                break;
            };
            let messages = left.min(send.messages);
            recorder.answered(send.started, now, messages);
            send.messages -= messages;
            if send.messages == 0 {
                stream.sends.pop_front();
            }
            stream.in_flight -= messages;
            self.in_flight -= messages;
            left -= messages;
        }
        if 0 < checked.messages {
            self.change(slot);
        }
    }

    fn sent<K: Kernel>(
        &mut self,
        slot: u32,
        (gather, result): (Gather, Result<usize, SendError>),
        turn: &mut Turn<'_, K>,
    ) {
        let stream = &mut self.streams[index(slot)];
        if !stream.is_open {
            return;
        }
        let sent = match result {
            Ok(sent) => sent,
            Err(SendError::WouldBlock) => 0,
            Err(error) => return self.fail(slot, ErrorClass::from(&error), &error.to_string(), turn),
        };
        match stream.outgoing.sent(gather, sent) {
            Some(gather) => {
                let token = token(Kind::Send, slot);
                turn.link.push(Op::Send { token, file: stream.file, gather, wait: true });
            }
            None => {
                stream.is_sending = false;
                self.change(slot);
            }
        }
    }

    /// Sends one connection's next messages, if depth and budget allow.
    fn fill_one<K: Kernel>(&mut self, slot: u32, turn: &mut Turn<'_, K>) {
        let stream = &mut self.streams[index(slot)];
        stream.is_changed = false;
        let room = self.depth - stream.in_flight;
        if !stream.is_open || stream.is_sending || room == 0 {
            return;
        }
        let count = turn.budget.take(room.min(messages_per_send(self.pattern.size())), turn.now);
        if count == 0 {
            return;
        }
        let first = Message { connection: stream.number, lane: 0, sequence: stream.next };
        let gather = stream.outgoing.send(&self.pattern, first, count);
        stream.next += count;
        stream.sends.push_back(Send { started: turn.now, messages: count });
        stream.in_flight += count;
        stream.is_sending = true;
        self.in_flight += count;
        turn.recorder.counts.sent += count;
        let token = token(Kind::Send, slot);
        turn.link.push(Op::Send { token, file: stream.file, gather, wait: false });
    }

    fn fail<K: Kernel>(&mut self, slot: u32, class: ErrorClass, reason: &str, turn: &mut Turn<'_, K>) {
        let number = self.streams[index(slot)].number;
        turn.recorder.counts.errors.count(class, || format!("connection {number}: {reason}"));
        self.close_one(slot, turn.link);
    }

    fn close_one<K: Kernel>(&mut self, slot: u32, link: &mut Link<K>) {
        let stream = &mut self.streams[index(slot)];
        if !stream.is_open {
            return;
        }
        stream.is_open = false;
        self.open -= 1;
        self.closing += 1;
        self.in_flight -= stream.in_flight; // What is not answered now stays outstanding.
        link.push(Op::Close { token: token(Kind::Close, slot), file: stream.file });
    }

    fn arm<K: Kernel>(&self, slot: u32, wait_first: bool, link: &mut Link<K>) {
        let file = self.streams[index(slot)].file;
        link.push(Op::Receive { token: token(Kind::Receive, slot), file, credit: CREDIT_BYTES, wait_first });
    }

    fn change(&mut self, slot: u32) {
        let stream = &mut self.streams[index(slot)];
        if !stream.is_changed {
            stream.is_changed = true;
            self.changed.push(slot);
        }
    }
}

impl Client for Streams {
    fn start<K: Sockets>(&mut self, turn: &mut Turn<'_, K>) {
        for slot in 0..slot(self.streams.len()) {
            self.arm(slot, true, turn.link);
        }
    }

    fn handle<K: Sockets>(&mut self, completion: Completion, turn: &mut Turn<'_, K>) {
        let slot = completion.token.slot();
        match completion.outcome {
            Outcome::Received(result) => self.received(slot, (result, completion.more), turn),
            Outcome::Sent { gather, result } => self.sent(slot, (gather, result), turn),
            Outcome::Closed(_) => self.closing -= 1,
            Outcome::CloseCancelled | Outcome::Cancelled => {}
            Outcome::Accepted(_)
            | Outcome::Connected(_)
            | Outcome::ReceivedFrom(_)
            | Outcome::SentTo(_)
            | Outcome::ShutDown(_)
            | Outcome::Doorbell
            | Outcome::DoorbellSent(_) => unreachable!("a stream client asks for none of these"),
        }
    }

    fn fill<K: Sockets>(&mut self, turn: &mut Turn<'_, K>) {
        let mut changed = std::mem::take(&mut self.changed);
        for slot in changed.drain(..) {
            self.fill_one(slot, turn);
        }
        self.changed = changed; // Keeps its memory; nothing was added meanwhile.
    }

    fn tick<K: Sockets>(&mut self, _: &mut Turn<'_, K>) {}

    fn give_up<K: Sockets>(&mut self, _: &mut Turn<'_, K>) {}

    fn found_nobody(&self) -> bool {
        false // Connecting would have failed.
    }

    fn in_flight(&self) -> u64 {
        self.in_flight
    }

    fn open(&self) -> usize {
        self.open
    }

    fn close<K: Sockets>(&mut self, turn: &mut Turn<'_, K>) {
        for slot in 0..slot(self.streams.len()) {
            self.close_one(slot, turn.link);
        }
    }

    fn closing(&self) -> usize {
        self.closing
    }
}
