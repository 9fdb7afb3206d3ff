//! Datagram clients: connected UDP sockets, each with as many lanes as messages may be in flight.
//!
//! Every datagram says which connection, lane and message it is, so that what comes back is found again whatever
//! happened on the way. A lane whose message has not come back in time counts it as lost and sends a new one.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use tidemill::ring::{Completion, Datagram, Descriptor, Kernel, Kind, Op, Outcome, ReceiveError, SendError};
use tidemill::sys::clock::Time;

use crate::link::Link;
use crate::load::{Asked, Batch};
use crate::record::ErrorClass;
use crate::traffic::client::{Client, Opened, Sockets, Sweep, Turn, index, slot, token};
use crate::traffic::pattern::{self, Message, Pattern};
use crate::traffic::slots::{SendSlots, Sent};
use crate::traffic::verify::Mismatch;

/// The UDP sockets of a worker.
#[derive(Debug)]
pub struct Datagrams {
    sockets: Vec<Socket>,
    pattern: Pattern,
    verify: bool,
    slots: SendSlots,
    /// How long an answer may take; then it is lost.
    timeout: Duration,
    /// Sockets that may be able to send, each once; those first that have been so for longest.
    free: VecDeque<u32>,
    /// Sockets that could not send for want of slots, for the next turn.
    starved: Vec<u32>,
    /// Sockets that took no more, for the next tick.
    blocked: Vec<u32>,
    sweep: Sweep,
    in_flight: u64,
    open: usize,
    closing: usize,
    found_nobody: bool,
}

#[derive(Debug)]
struct Socket {
    number: u32,
    file: Descriptor,
    lanes: Box<[Lane]>,
    /// Lanes without a message in flight.
    idle: Vec<u32>,
    /// The next message to send.
    next: u64,
    /// One more than the latest message that came back.
    returned: u64,
    is_open: bool,
    /// Whether it stands among the free ones.
    is_listed: bool,
}

/// One of the messages that may be in flight.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    /// Its number, and when it was due and sent.
    waiting: Option<(u64, Asked)>,
    /// What it was taken as, until the kernel has taken it.
    unsent: Option<Batch>,
    /// The last one that was given up.
    lost: Option<u64>,
}

/// What a datagram that came back is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    /// The one that its lane waits for, and when that was sent.
    Awaited(Asked),
    /// The one that its lane gave up last.
    Late,
    /// One that had come back before.
    Again,
    /// One that was never sent like this.
    Unknown,
}

impl Datagrams {
    /// Clients on these sockets, which keep `depth` messages of this pattern in flight each.
    pub fn new(opened: &[Opened], pattern: Pattern, depth: u32, verify: bool, timeout: Duration) -> Self {
        let socket = |opened: &Opened| Socket {
            number: opened.number,
            file: opened.file,
            lanes: vec![Lane::default(); index(depth)].into(),
            idle: (0..depth).rev().collect(),
            next: 0,
            returned: 0,
            is_open: true,
            is_listed: true,
        };
        Self {
            sockets: opened.iter().map(socket).collect(),
            slots: SendSlots::new(pattern.size()),
            pattern,
            verify,
            timeout,
            free: (0..slot(opened.len())).collect(),
            starved: Vec::new(),
            blocked: Vec::new(),
            sweep: Sweep::default(),
            in_flight: 0,
            open: opened.len(),
            closing: 0,
            found_nobody: false,
        }
    }

    fn received<K: Kernel>(
        &mut self,
        slot: u32,
        (result, more): (Result<Datagram, ReceiveError>, bool),
        turn: &mut Turn<'_, K>,
    ) {
        let socket = &self.sockets[index(slot)];
        if !socket.is_open {
            return;
        }
        let (number, file) = (socket.number, socket.file);
        match result {
            Ok(datagram) => self.take(slot, &datagram, turn),
            Err(ReceiveError::NoBuffers) => {} // Those of this turn are free again.
            Err(error) => {
                let sentence = || format!("socket {number}: {error}");
                turn.recorder.counts.errors.count(ErrorClass::from(&error), sentence);
                if error != ReceiveError::NobodyThere {
                    return self.lose(slot, turn);
                }
                self.found_nobody |= turn.recorder.counts.received == 0;
            }
        }
        if !more {
            turn.link.push(Op::ReceiveFrom { token: token(Kind::ReceiveFrom, slot), file });
        }
    }

    /// Finds out which message came back, compares it, and records it.
    fn take<K: Kernel>(&mut self, slot: u32, bytes: &[u8], turn: &mut Turn<'_, K>) {
        let socket = &mut self.sockets[index(slot)];
        let counts = &mut turn.recorder.counts;
        let named = pattern::parse(bytes);
        let arrival = named.map_or(Arrival::Unknown, |message| socket.arrival(message));
        let message = match (arrival, named) {
            (Arrival::Unknown, _) | (_, None) => socket.likeliest(),
            (Arrival::Awaited(_) | Arrival::Late | Arrival::Again, Some(message)) => message,
        };
        let mut wrong = 0;
        if self.verify || arrival == Arrival::Unknown {
            let mismatch = compare(&self.pattern, message, bytes);
            wrong = u64::from(mismatch.is_some());
            counts.verified(1, wrong, mismatch, self.pattern.size());
        }
        match arrival {
            Arrival::Awaited(asked) => {
                counts.reordered += u64::from(message.sequence < socket.returned);
                socket.returned = socket.returned.max(message.sequence + 1);
                let lane = &mut socket.lanes[index(message.lane)];
                lane.waiting = None;
                if let Some(batch) = lane.unsent.take() {
                    turn.recorder.sent(batch, asked.sent); // It came back before its send was told.
                }
                socket.idle.push(message.lane);
                self.in_flight -= 1;
                turn.recorder.answered(asked, turn.now, 1 - wrong);
                turn.recorder.refused(asked, turn.now, wrong);
                self.change(slot);
            }
            Arrival::Late => {
                socket.lanes[index(message.lane)].lost = None;
                counts.late += 1;
            }
            Arrival::Again => counts.duplicated += 1,
            Arrival::Unknown => {} // It was counted as wrong.
        }
    }

    /// A datagram was taken by the kernel, or was not; then it is as if it had never been sent.
    fn sent<K: Kernel>(&mut self, result: Result<usize, SendError>, sent: Sent, turn: &mut Turn<'_, K>) {
        let socket = &mut self.sockets[index(sent.slot)];
        let lane = &mut socket.lanes[index(sent.lane)];
        let is_current = |(sequence, _): &(u64, Asked)| *sequence == sent.sequence;
        let Some(asked) = lane.waiting.filter(is_current).map(|(_, asked)| asked) else { return };
        let Some(batch) = lane.unsent.take() else { return };
        let Err(error) = result else { return turn.recorder.sent(batch, asked.sent) };
        lane.waiting = None;
        socket.idle.push(sent.lane);
        self.in_flight -= 1;
        turn.demand.give_back(batch);
        if matches!(error, SendError::WouldBlock | SendError::NoMemory) {
            turn.recorder.counts.delayed += 1;
            self.blocked.push(sent.slot);
            return;
        }
        let sentence = || format!("socket {}: {error}", socket.number);
        turn.recorder.counts.errors.count(ErrorClass::from(&error), sentence);
        if error == SendError::NobodyThere {
            self.found_nobody |= turn.recorder.counts.received == 0;
            self.blocked.push(sent.slot); // A tick's rest, or nobody there would mean sending without end.
        } else {
            self.lose(sent.slot, turn);
        }
    }

    /// Gives up the messages of some sockets that were sent too long ago.
    fn sweep<K: Kernel>(&mut self, sockets: Range<usize>, turn: &mut Turn<'_, K>) {
        for at in sockets {
            let socket = &mut self.sockets[at];
            if !socket.is_open {
                continue;
            }
            let mut lost = 0;
            socket.give_up(turn.now, self.timeout, |asked| {
                turn.recorder.given_up(asked, turn.now, 1);
                lost += 1;
            });
            if lost != 0 {
                self.in_flight -= lost;
                self.change(slot(at));
            }
        }
    }

    /// Closes a socket that has failed; what it has in flight is lost with it.
    fn lose<K: Kernel>(&mut self, slot: u32, turn: &mut Turn<'_, K>) {
        for lane in &mut self.sockets[index(slot)].lanes {
            let Some((_, asked)) = lane.waiting.take() else { continue };
            self.in_flight -= 1;
            match lane.unsent.take() {
                Some(batch) => turn.demand.give_back(batch),
                None => turn.recorder.gone(asked, turn.now, 1),
            }
        }
        self.close_one(slot, turn.link);
    }

    fn close_one<K: Kernel>(&mut self, slot: u32, link: &mut Link<K>) {
        let socket = &mut self.sockets[index(slot)];
        if !socket.is_open {
            return;
        }
        socket.is_open = false;
        self.open -= 1;
        self.closing += 1;
        link.push(Op::Close { token: token(Kind::Close, slot), file: socket.file });
    }

    fn change(&mut self, slot: u32) {
        let socket = &mut self.sockets[index(slot)];
        if !socket.is_listed {
            socket.is_listed = true;
            self.free.push_back(slot);
        }
    }
}

impl Socket {
    /// What this message is here.
    fn arrival(&self, message: Message) -> Arrival {
        let lane = self.lanes.get(index(message.lane));
        let Some(lane) = lane.filter(|_| message.connection == self.number && message.sequence < self.next)
        else {
            return Arrival::Unknown;
        };
        match lane.waiting {
            Some((sequence, asked)) if sequence == message.sequence => Arrival::Awaited(asked),
            _ if lane.lost == Some(message.sequence) => Arrival::Late,
            _ => Arrival::Again,
        }
    }

    /// A message that one without a readable name may be compared with.
    fn likeliest(&self) -> Message {
        let waiting = (0..).zip(&self.lanes).find_map(|(lane, state)| Some((lane, state.waiting?.0)));
        let (lane, sequence) = waiting.unwrap_or((0, self.next));
        Message { connection: self.number, lane, sequence }
    }

    /// Gives up what was sent too long ago.
    fn give_up(&mut self, now: Time, timeout: Duration, mut lost: impl FnMut(Asked)) {
        for (number, lane) in (0..).zip(&mut self.lanes) {
            let is_late = |(_, asked): &mut (u64, Asked)| timeout <= now.saturating_since(asked.sent);
            if let Some((sequence, asked)) = lane.waiting.take_if(is_late) {
                lane.lost = Some(sequence);
                self.idle.push(number);
                lost(asked);
            }
        }
    }
}

impl Client for Datagrams {
    fn start<K: Sockets>(&mut self, turn: &mut Turn<'_, K>) {
        for (slot, socket) in (0..).zip(&self.sockets) {
            turn.link.push(Op::ReceiveFrom { token: token(Kind::ReceiveFrom, slot), file: socket.file });
        }
    }

    fn handle<K: Sockets>(&mut self, completion: Completion, turn: &mut Turn<'_, K>) {
        let slot = completion.token.slot();
        match completion.outcome {
            Outcome::ReceivedFrom(result) => self.received(slot, (result, completion.more), turn),
            Outcome::SentTo(result) => {
                let sent = self.slots.take_back(slot);
                self.sent(result, sent, turn);
            }
            Outcome::Closed(_) => self.closing -= 1,
            Outcome::CloseCancelled | Outcome::Cancelled => {}
            Outcome::Accepted(_)
            | Outcome::Connected(_)
            | Outcome::Received(_)
            | Outcome::Sent { .. }
            | Outcome::ShutDown(_)
            | Outcome::Doorbell
            | Outcome::DoorbellSent(_) => unreachable!("a datagram client asks for none of these"),
        }
    }

    fn attend<K: Sockets>(&mut self, _: &mut Turn<'_, K>) {
        while let Some(slot) = self.starved.pop() {
            self.change(slot);
        }
    }

    fn free(&mut self) -> &mut VecDeque<u32> {
        &mut self.free
    }

    fn fill_one<K: Sockets>(&mut self, slot: u32, share: u64, sends: usize, turn: &mut Turn<'_, K>) -> usize {
        let socket = &mut self.sockets[index(slot)];
        socket.is_listed = false;
        let mut count = 0;
        while socket.is_open
            && count < sends
            && (count as u64) < share
            && self.slots.has_room()
            && let Some(lane) = socket.idle.last().copied()
            && let Some(batch) = turn.demand.take(1, turn.now)
        {
            socket.idle.pop();
            let message = Message { connection: socket.number, lane, sequence: socket.next };
            let asked = Asked { intended: batch.intended, sent: turn.now };
            let place = &mut socket.lanes[index(lane)];
            (place.waiting, place.unsent) = (Some((socket.next, asked)), Some(batch));
            socket.next += 1;
            let (send_slot, payload) =
                self.slots.lend(&self.pattern, message, Sent { slot, lane, sequence: message.sequence });
            self.in_flight += 1;
            let token = token(Kind::SendTo, send_slot);
            turn.link.push(Op::SendTo { token, file: socket.file, to: None, payload });
            count += 1;
        }
        let has_room = socket.is_open && !socket.idle.is_empty();
        if has_room && self.slots.has_room() {
            self.change(slot);
        } else if has_room {
            self.starved.push(slot);
        }
        count
    }

    fn follows_sends(&self, more_is_due: bool) -> bool {
        more_is_due && !self.slots.has_room()
    }

    fn tick<K: Sockets>(&mut self, turn: &mut Turn<'_, K>) {
        while let Some(slot) = self.blocked.pop() {
            self.change(slot);
        }
        let sockets = self.sweep.next(self.sockets.len());
        self.sweep(sockets, turn);
    }

    fn give_up<K: Sockets>(&mut self, turn: &mut Turn<'_, K>) {
        self.sweep(0..self.sockets.len(), turn);
        for lane in self.sockets.iter_mut().flat_map(|socket| &mut socket.lanes) {
            match (lane.waiting.take(), lane.unsent.take()) {
                // The kernel has not said whether it took it: the last turn has not been submitted.
                (_, Some(batch)) => turn.demand.give_back(batch),
                (Some((_, asked)), None) => turn.recorder.outstanding(asked, turn.now, 1),
                (None, None) => {}
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

    fn found_nobody(&self) -> bool {
        self.found_nobody
    }

    fn close<K: Sockets>(&mut self, turn: &mut Turn<'_, K>) {
        for slot in 0..slot(self.sockets.len()) {
            self.close_one(slot, turn.link);
        }
    }

    fn closing(&self) -> usize {
        self.closing
    }
}

/// The first byte that is not as it was sent. One of a wrong length is wrong at its end, with 0 for what is missing.
fn compare(pattern: &Pattern, message: Message, bytes: &[u8]) -> Option<Mismatch> {
    let size = pattern.size();
    let common = &bytes[..bytes.len().min(size)];
    let wrong = pattern.compare(message, 0, common);
    let (at, expected, found) = match wrong {
        Some(wrong) => (wrong.at, wrong.expected, wrong.found),
        None if bytes.len() == size => return None,
        None => (common.len(), 0, bytes.get(size).copied().unwrap_or(0)),
    };
    let position = message.sequence * size as u64 + at as u64;
    Some(Mismatch { connection: message.connection, position, expected, found })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);

    fn asked() -> Asked {
        Asked { intended: Time::from_nanos(3), sent: Time::from_nanos(5) }
    }

    fn socket() -> Socket {
        let opened = Opened { number: 4, file: Descriptor::new(0) };
        let mut all = Datagrams::new(&[opened], Pattern::new(1, 64), 2, true, TIMEOUT);
        let mut socket = all.sockets.pop().unwrap();
        socket.next = 10;
        socket.lanes[0] = Lane { waiting: Some((8, asked())), unsent: None, lost: Some(3) };
        socket
    }

    #[test]
    fn a_datagram_that_comes_back_is_told_from_the_others() {
        let check = |connection, lane, sequence, arrival| {
            let message = Message { connection, lane, sequence };
            assert_eq!(socket().arrival(message), arrival, "{message:?}");
        };
        check(4, 0, 8, Arrival::Awaited(asked()));
        check(4, 0, 3, Arrival::Late);
        check(4, 0, 7, Arrival::Again);
        check(4, 1, 8, Arrival::Again);
        check(4, 0, 10, Arrival::Unknown);
        check(4, 2, 8, Arrival::Unknown);
        check(5, 0, 8, Arrival::Unknown);
    }

    #[test]
    fn what_has_no_name_is_compared_with_what_is_awaited() {
        assert_eq!(socket().likeliest(), Message { connection: 4, lane: 0, sequence: 8 });
    }

    #[test]
    fn a_message_is_given_up_after_its_time() {
        let mut socket = socket();
        let late = asked().sent.saturating_add(TIMEOUT);
        let mut lost = Vec::new();
        socket.give_up(Time::from_nanos(late.as_nanos() - 1), TIMEOUT, |asked| lost.push(asked));
        assert_eq!(lost, []);
        socket.give_up(late, TIMEOUT, |asked| lost.push(asked));
        assert_eq!(lost, [asked()]);
        assert_eq!((socket.lanes[0].lost, socket.lanes[0].waiting), (Some(8), None));
        assert_eq!(socket.idle, [1, 0, 0], "lane 0 was idle in this test already");
    }

    #[test]
    fn a_wrong_length_is_wrong_at_its_end() {
        let pattern = Pattern::new(1, 20);
        let message = Message { connection: 1, lane: 0, sequence: 2 };
        let mut bytes = Vec::new();
        pattern.append(message, &mut bytes);
        assert_eq!(compare(&pattern, message, &bytes), None);
        assert_eq!(compare(&pattern, message, &bytes[..19]).unwrap().position, 59);
        bytes.push(7);
        let mismatch = compare(&pattern, message, &bytes).unwrap();
        assert_eq!((mismatch.position, mismatch.found), (60, 7));
        bytes[16] ^= 1;
        assert_eq!(compare(&pattern, message, &bytes).unwrap().position, 56);
    }
}
