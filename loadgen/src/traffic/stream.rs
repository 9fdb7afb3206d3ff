//! Stream clients: TCP and Unix connections, each with one armed receive and at most one send in flight.
//!
//! A stream has no messages but those that we count off: the position in it says which message a byte belongs to. A
//! send takes what fits at once; for the rest the kernel waits.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use tidemill::ring::{
    Completion, Descriptor, Gather, Kernel, Kind, Op, Outcome, ReceiveError, Received, SendError, SendMode,
};
use tidemill::sys::clock::Time;

use crate::link::Link;
use crate::load::{Asked, Batch};
use crate::record::{ErrorClass, Recorder};
use crate::traffic::client::{Client, Opened, Sockets, Sweep, TAKEN_AT_ONCE, Turn, index, slot, token};
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
    /// How long an answer may take.
    timeout: Duration,
    /// Connections that may be able to send, each once; those first that have been so for longest.
    free: VecDeque<u32>,
    sweep: Sweep,
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
    /// Whether it stands among the free ones.
    is_listed: bool,
}

/// The messages that were due together, left in one send and are not answered yet.
#[derive(Clone, Copy, Debug)]
struct Send {
    asked: Asked,
    messages: u64,
}

impl Streams {
    /// Clients on these connections, which keep `depth` messages of this pattern in flight each.
    pub fn new(opened: &[Opened], pattern: Pattern, depth: u32, verify: bool, timeout: Duration) -> Self {
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
            is_listed: true,
        };
        Self {
            streams: opened.iter().map(stream).collect(),
            pattern,
            depth: u64::from(depth),
            verify,
            timeout,
            free: (0..slot(opened.len())).collect(),
            sweep: Sweep::default(),
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
        let wrong_messages = if self.verify { checked.wrong_messages } else { 0 };
        let (mut left, mut wrong) = (checked.messages, wrong_messages);
        while left != 0 {
            // It got an answer that it had not asked for.
            let Some(send) = stream.sends.front_mut() else {
                let sentence = || format!("connection {} got more than it had sent", stream.number);
                recorder.counts.errors.count(ErrorClass::Other, sentence);
                break;
            };
            let messages = left.min(send.messages);
            let spoiled = messages.min(wrong);
            wrong -= spoiled;
            recorder.answered(send.asked, now, messages - spoiled);
            recorder.refused(send.asked, now, spoiled);
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
                turn.link.push(Op::Send { token, file: stream.file, gather, mode: SendMode::Wait });
            }
            None => {
                stream.is_sending = false;
                self.change(slot);
            }
        }
    }

    /// Gives up connections on which an answer has not come in time: those behind it cannot come either.
    fn sweep<K: Kernel>(&mut self, streams: Range<usize>, turn: &mut Turn<'_, K>) {
        for at in streams {
            let stream = &mut self.streams[at];
            let oldest = stream.sends.front().filter(|_| stream.is_open).map(|send| send.asked.sent);
            if oldest.is_none_or(|sent| turn.now.saturating_since(sent) < self.timeout) {
                continue;
            }
            let is_late = |send: &Send| self.timeout <= turn.now.saturating_since(send.asked.sent);
            while let Some(send) = stream.sends.front().copied().filter(is_late) {
                stream.sends.pop_front();
                turn.recorder.given_up(send.asked, turn.now, send.messages);
                stream.in_flight -= send.messages;
                self.in_flight -= send.messages;
            }
            self.fail(slot(at), ErrorClass::TimedOut, "no answer in time", turn);
        }
    }

    fn fail<K: Kernel>(&mut self, slot: u32, class: ErrorClass, reason: &str, turn: &mut Turn<'_, K>) {
        let number = self.streams[index(slot)].number;
        turn.recorder.counts.errors.count(class, || format!("connection {number}: {reason}"));
        let stream = &mut self.streams[index(slot)];
        self.in_flight -= stream.in_flight;
        stream.in_flight = 0;
        for send in stream.sends.drain(..) {
            turn.recorder.gone(send.asked, turn.now, send.messages);
        }
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
        link.push(Op::Close { token: token(Kind::Close, slot), file: stream.file });
    }

    fn arm<K: Kernel>(&self, slot: u32, wait_first: bool, link: &mut Link<K>) {
        let file = self.streams[index(slot)].file;
        link.push(Op::Receive { token: token(Kind::Receive, slot), file, credit: CREDIT_BYTES, wait_first });
    }

    fn change(&mut self, slot: u32) {
        let stream = &mut self.streams[index(slot)];
        if !stream.is_listed {
            stream.is_listed = true;
            self.free.push_back(slot);
        }
    }
}

impl Stream {
    /// Begins messages that are to leave in the next send.
    fn begin(&mut self, batch: Batch, now: Time) {
        let asked = Asked { intended: batch.intended, sent: now };
        self.sends.push_back(Send { asked, messages: batch.count });
        self.in_flight += batch.count;
        self.next += batch.count;
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

    fn free(&mut self) -> &mut VecDeque<u32> {
        &mut self.free
    }

    fn fill_one<K: Sockets>(&mut self, slot: u32, share: u64, _: usize, turn: &mut Turn<'_, K>) -> usize {
        let stream = &mut self.streams[index(slot)];
        stream.is_listed = false;
        let room = self.depth - stream.in_flight;
        if !stream.is_open || stream.is_sending || room == 0 {
            return 0;
        }
        let first = Message { connection: stream.number, lane: 0, sequence: stream.next };
        let mut left = room.min(messages_per_send(self.pattern.size())).min(share);
        while let Some(batch) = turn.demand.take(left, turn.now) {
            stream.begin(batch, turn.now);
            turn.recorder.sent(batch, turn.now);
            left -= batch.count;
        }
        let count = stream.next - first.sequence;
        if count == 0 {
            return 0;
        }
        let gather = stream.outgoing.send(&self.pattern, first, count);
        stream.is_sending = true;
        self.in_flight += count;
        let token = token(Kind::Send, slot);
        turn.link.push(Op::Send { token, file: stream.file, gather, mode: SendMode::Now });
        1
    }

    fn follows_sends(&self, more_is_due: bool) -> bool {
        more_is_due && 1 < self.depth || TAKEN_AT_ONCE < self.pattern.size()
    }

    fn tick<K: Sockets>(&mut self, turn: &mut Turn<'_, K>) {
        let streams = self.sweep.next(self.streams.len());
        self.sweep(streams, turn);
    }

    fn give_up<K: Sockets>(&mut self, turn: &mut Turn<'_, K>) {
        for stream in &mut self.streams {
            stream.in_flight = 0;
            for send in stream.sends.drain(..) {
                turn.recorder.outstanding(send.asked, turn.now, send.messages);
            }
        }
        self.in_flight = 0;
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
