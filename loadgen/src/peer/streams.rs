//! The peer of stream clients, over TCP and Unix sockets: accepts, reads, holds answers back, sends and closes.
//!
//! A connection has one receive, and at most one send in flight. Its answers keep their order, whatever the law says of
//! each: bytes of a stream cannot overtake each other.

use std::collections::VecDeque;
use std::time::Duration;

use tidemill::limits::{ACCEPT_PAUSE, ACCEPTS_IN_FLIGHT};
use tidemill::protocol::http1::Table;
use tidemill::ring::{
    AcceptError, Accepted, Completion, Descriptor, Gather, Kernel, Kind, Op, Outcome, ReceiveError, Received,
    SendError, SendMode,
};
use tidemill::sys::clock::Time;

use super::calendar::Calendar;
use super::connection::{Connection, Stage, Step};
use super::fault::Fate;
use super::reader::{Answer, Found, Reader};
use super::server::{Server, Turn, WAITING_BYTES_MAX, WAITING_MAX};
use crate::traffic::client::{index, slot, token};

/// Bytes after which a receive ends by itself and is armed again.
const CREDIT_BYTES: u32 = 1 << 30;
/// How long a client has to close its side after we have closed ours.
const LINGER: Duration = Duration::from_secs(2);

/// How connections are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// Bytes of a message; `None` is HTTP.
    pub size: Option<usize>,
    /// Most connections open together. More wait in the kernel's queue.
    pub connections: u32,
    /// Connections are closed on purpose behind this many messages.
    pub close_after: Option<u64>,
    /// The time from one accept to the next.
    pub slow_accept: Option<Duration>,
}

/// A peer of stream clients.
#[derive(Debug)]
pub struct Streams {
    manner: Manner,
    listener: Descriptor,
    places: Vec<Place>,
    free: Vec<u32>,
    /// Accepts that may be asked for.
    accepts: Vec<u32>,
    /// Nothing is accepted before.
    accept_from: Time,
    open: u32,
    answers: Calendar<Due>,
    /// Connections whose client is to close its side until then.
    lingering: VecDeque<(Time, u32, u64)>,
    /// Connections that may need something, each once.
    touched: Vec<u32>,
    /// Bytes in memory: of answers that wait, and of connections.
    held: usize,
    table: Table,
    /// Room for what one receive brings.
    found: Vec<Found>,
}

/// A place for a connection.
#[derive(Debug, Default)]
struct Place {
    /// Connections that were here before.
    generation: u64,
    connection: Option<Connection>,
}

/// An answer that waits for its time.
#[derive(Debug)]
struct Due {
    slot: u32,
    generation: u64,
    bytes: Vec<u8>,
    /// Whether a message is answered with it.
    is_answer: bool,
}

impl Streams {
    /// A peer that accepts from this listener.
    pub fn new(manner: Manner, listener: Descriptor) -> Self {
        // Slow accepts come one by one.
        let accepts = if manner.slow_accept.is_some() { 1 } else { ACCEPTS_IN_FLIGHT };
        Self {
            manner,
            listener,
            places: Vec::new(),
            free: Vec::new(),
            accepts: (0..accepts).collect(),
            accept_from: Time::ZERO,
            open: 0,
            answers: Calendar::new(),
            lingering: VecDeque::new(),
            touched: Vec::new(),
            held: 0,
            table: Table::new(),
            found: Vec::new(),
        }
    }

    fn accepted<K: Kernel>(
        &mut self,
        accept: u32,
        result: Result<Accepted, AcceptError>,
        turn: &mut Turn<'_, K>,
    ) {
        self.accepts.push(accept);
        self.open -= 1;
        match result {
            Ok(accepted) => self.admit(accepted.descriptor, turn),
            Err(AcceptError::Cancelled | AcceptError::PeerGone) => {}
            // Descriptors are short: it may pass.
            Err(_) => self.accept_from = turn.now.saturating_add(ACCEPT_PAUSE),
        }
        self.settle_accepts(turn);
    }

    fn admit<K: Kernel>(&mut self, file: Descriptor, turn: &mut Turn<'_, K>) {
        turn.desk.counts.connections += 1;
        self.open += 1;
        if let Some(pause) = self.manner.slow_accept {
            self.accept_from = turn.now.saturating_add(pause);
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            slot(self.places.len() - 1)
        });
        let reader = Reader::new(self.manner.size, self.manner.close_after);
        self.places[index(slot)].connection = Some(Connection::new(file, reader));
        self.arm(slot, false, turn);
    }

    /// Keeps accepts in flight, as many as there are places for.
    fn settle_accepts<K: Kernel>(&mut self, turn: &mut Turn<'_, K>) {
        while self.accept_from <= turn.now
            && self.open < self.manner.connections
            && let Some(accept) = self.accepts.pop()
        {
            self.open += 1; // The place is taken until the accept has answered.
            turn.link.push(Op::Accept { token: token(Kind::Accept, accept), listener: self.listener });
        }
    }

    fn arm<K: Kernel>(&mut self, slot: u32, wait_first: bool, turn: &mut Turn<'_, K>) {
        let Some(connection) = &mut self.places[index(slot)].connection else { return };
        connection.pending += 1;
        let (token, file) = (token(Kind::Receive, slot), connection.file);
        turn.link.push(Op::Receive { token, file, credit: CREDIT_BYTES, wait_first });
    }

    fn received<K: Kernel>(
        &mut self,
        slot: u32,
        (result, more): (Result<Received, ReceiveError>, bool),
        turn: &mut Turn<'_, K>,
    ) {
        let Some(connection) = self.answered(slot, more) else { return };
        let wait_first = match result {
            Ok(Received::Bytes(bytes)) => {
                if connection.stage == Stage::Open {
                    self.take(slot, &bytes, turn);
                }
                false
            }
            Ok(Received::End) => {
                connection.peer_ended = true;
                return;
            }
            Err(ReceiveError::NoBuffers) => true, // Those of this turn are free again.
            Err(_) => return self.cut(slot, turn),
        };
        let stage = self.places[index(slot)].connection.as_ref().map(|connection| connection.stage);
        if !more && stage != Some(Stage::Closing) {
            self.arm(slot, wait_first, turn);
        }
    }

    /// Reads what came, and enters the answers.
    fn take<K: Kernel>(&mut self, slot: u32, bytes: &[u8], turn: &mut Turn<'_, K>) {
        let mut found = std::mem::take(&mut self.found);
        let place = &mut self.places[index(slot)];
        if let Some(connection) = &mut place.connection {
            connection.reader.read(bytes, &mut self.table, &mut found);
        }
        for found in found.drain(..) {
            let place = &mut self.places[index(slot)];
            let Some(connection) = &mut place.connection else { break };
            if connection.stage != Stage::Open {
                break; // What follows the last message is not read.
            }
            match found {
                Found::Message(answer) => self.message(slot, answer, turn),
                Found::Interim(bytes) => self.enter(slot, turn.now, bytes.to_vec(), false),
                Found::Refused(bytes) => {
                    connection.stage = Stage::Ending;
                    turn.desk.counts.refused += 1;
                    self.enter(slot, turn.now, bytes, false);
                }
            }
        }
        self.found = found;
        if WAITING_MAX < self.answers.len() || WAITING_BYTES_MAX < self.held {
            turn.desk.counts.overflowed += 1;
            self.cut(slot, turn);
        }
    }

    fn message<K: Kernel>(&mut self, slot: u32, answer: Answer, turn: &mut Turn<'_, K>) {
        let Answer { mut bytes, corruptible, ends } = answer;
        let (departure, fate) = turn.desk.arrive(turn.now, corruptible.is_some());
        match (fate, corruptible) {
            (Fate::Dropped, _) => bytes.clear(),
            (Fate::Duplicated, _) => bytes.extend_from_within(..),
            (Fate::Corrupted, Some(at)) => bytes[at] ^= 0xff,
            (Fate::Whole | Fate::Corrupted, _) => {}
        }
        let Some(connection) = &mut self.places[index(slot)].connection else { return };
        connection.messages += 1;
        let is_cut = self.manner.close_after == Some(connection.messages);
        turn.desk.counts.closed += u64::from(is_cut);
        if is_cut || ends {
            connection.stage = Stage::Ending;
        }
        // What is dropped still keeps its place, so that a connection which ends does so at its time.
        self.enter(slot, departure, bytes, fate != Fate::Dropped);
    }

    /// Enters bytes to be sent then, but not before those that were entered earlier.
    fn enter(&mut self, slot: u32, departure: Time, bytes: Vec<u8>, is_answer: bool) {
        let place = &mut self.places[index(slot)];
        let Some(connection) = &mut place.connection else { return };
        connection.last_departure = connection.last_departure.max(departure);
        connection.waiting += 1;
        self.held += bytes.len();
        let due = Due { slot, generation: place.generation, bytes, is_answer };
        self.answers.enter(connection.last_departure, due);
    }

    fn sent<K: Kernel>(
        &mut self,
        slot: u32,
        mut gather: Gather,
        result: Result<usize, SendError>,
        turn: &mut Turn<'_, K>,
    ) {
        let Some(connection) = self.answered(slot, false) else { return };
        match result {
            _ if connection.stage == Stage::Closing => connection.lent = 0,
            Ok(sent) => {
                gather.advance(sent);
                connection.lent = gather.len();
                if !gather.is_empty() {
                    // The client is slow to read: the kernel waits for it.
                    self.send(slot, gather, true, turn);
                }
            }
            Err(SendError::WouldBlock | SendError::NoMemory) => self.send(slot, gather, true, turn),
            Err(_) => {
                connection.lent = 0;
                self.cut(slot, turn);
            }
        }
    }

    fn send<K: Kernel>(&mut self, slot: u32, gather: Gather, wait: bool, turn: &mut Turn<'_, K>) {
        let Some(connection) = &mut self.places[index(slot)].connection else { return };
        connection.pending += 1;
        let (token, file) = (token(Kind::Send, slot), connection.file);
        let mode = if wait { SendMode::Wait } else { SendMode::Now };
        turn.link.push(Op::Send { token, file, gather, mode });
    }

    /// An operation of this connection has answered; whether that was its last answer is said with `more`.
    fn answered(&mut self, slot: u32, more: bool) -> Option<&mut Connection> {
        self.touch(slot);
        let connection = self.places.get_mut(index(slot))?.connection.as_mut()?;
        connection.pending -= u32::from(!more);
        Some(connection)
    }

    fn touch(&mut self, slot: u32) {
        let place = self.places.get_mut(index(slot));
        if let Some(connection) = place.and_then(|place| place.connection.as_mut())
            && !connection.is_touched
        {
            connection.is_touched = true;
            self.touched.push(slot);
        }
    }

    /// Closes a connection at once.
    fn cut<K: Kernel>(&mut self, slot: u32, turn: &mut Turn<'_, K>) {
        self.touch(slot);
        if let Some(connection) = &mut self.places[index(slot)].connection
            && let Step::Close = connection.close()
        {
            close(connection, slot, turn);
        }
    }

    /// Does what this connection needs next.
    fn settle<K: Kernel>(&mut self, slot: u32, turn: &mut Turn<'_, K>) {
        let place = &mut self.places[index(slot)];
        let Some(connection) = &mut place.connection else { return };
        connection.is_touched = false;
        let step = connection.step();
        let held = if matches!(step, Step::Free) { 0 } else { connection.held() };
        self.held = self.held + held - connection.counted;
        connection.counted = held;
        match step {
            Step::Rest => {}
            Step::Send(gather) => self.send(slot, gather, false, turn),
            Step::Shutdown => {
                connection.pending += 1;
                let (token, file) = (token(Kind::Shutdown, slot), connection.file);
                turn.link.push(Op::Shutdown { token, file });
                let until = turn.now.saturating_add(LINGER);
                self.lingering.push_back((until, slot, place.generation));
            }
            Step::Close => close(connection, slot, turn),
            Step::Free => {
                place.connection = None;
                place.generation += 1;
                self.free.push(slot);
                self.open -= 1;
                self.settle_accepts(turn);
            }
        }
    }

    /// The connection that this generation of a place has, if it is still there.
    fn owner(&mut self, slot: u32, generation: u64) -> Option<&mut Connection> {
        let place = &mut self.places[index(slot)];
        place.connection.as_mut().filter(|_| place.generation == generation)
    }
}

fn close<K: Kernel>(connection: &mut Connection, slot: u32, turn: &mut Turn<'_, K>) {
    connection.pending += 2; // A close has two answers.
    turn.link.push(Op::Close { token: token(Kind::Close, slot), file: connection.file });
}

impl Server for Streams {
    fn start<K: Kernel>(&mut self, turn: &mut Turn<'_, K>) {
        self.settle_accepts(turn);
    }

    fn handle<K: Kernel>(&mut self, completion: Completion, turn: &mut Turn<'_, K>) {
        let slot = completion.token.slot();
        match completion.outcome {
            Outcome::Accepted(result) => self.accepted(slot, result, turn),
            Outcome::Received(result) => self.received(slot, (result, completion.more), turn),
            Outcome::Sent { gather, result } => self.sent(slot, gather, result, turn),
            Outcome::ShutDown(_) | Outcome::CloseCancelled | Outcome::Closed(_) => {
                self.answered(slot, false);
            }
            Outcome::Cancelled
            | Outcome::Connected(_)
            | Outcome::ReceivedFrom(_)
            | Outcome::SentTo(_)
            | Outcome::Doorbell
            | Outcome::DoorbellSent(_) => unreachable!("the peer of streams asks for none of these"),
        }
    }

    fn next(&self) -> Option<Time> {
        self.answers.next()
    }

    fn release<K: Kernel>(&mut self, turn: &mut Turn<'_, K>) {
        while let Some((asked, due)) = self.answers.take_due(turn.now) {
            self.held -= due.bytes.len();
            match self.owner(due.slot, due.generation) {
                Some(connection) if connection.stage != Stage::Closing => {
                    connection.waiting -= 1;
                    connection.outbox.extend_from_slice(&due.bytes);
                    if due.is_answer {
                        turn.desk.leave(asked);
                    }
                    self.touch(due.slot);
                }
                Some(_) | None => turn.desk.counts.unsent += u64::from(due.is_answer),
            }
        }
        while let Some(slot) = self.touched.pop() {
            self.settle(slot, turn);
        }
    }

    fn tick<K: Kernel>(&mut self, turn: &mut Turn<'_, K>) {
        self.settle_accepts(turn);
        while let Some((until, slot, generation)) = self.lingering.front().copied()
            && until <= turn.now
        {
            self.lingering.pop_front();
            if self.owner(slot, generation).is_some() {
                self.cut(slot, turn);
            }
        }
    }

    fn waiting(&mut self) -> u64 {
        let far = Time::from_nanos(u64::MAX);
        std::iter::from_fn(|| self.answers.take_due(far)).map(|(_, due)| u64::from(due.is_answer)).sum()
    }
}
