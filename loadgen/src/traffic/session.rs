//! One connection that speaks a protocol: the link, TLS if there is any, and the conversation.
//!
//! ```text
//!  socket ── hear(wire) ──▶ TLS ──▶ carry ──▶ talk ──▶ book
//!  socket ◀── out ◀──────── TLS ◀── say ◀──── talk
//! ```
//!
//! It has no ring: what is to be sent collects in `out`, and its stage says what it waits for. The
//! [worker's sessions](crate::traffic::sessions) ask the ring.

use tidemill::connection::tls::{Filter, TlsError};
use tidemill::ring::{Descriptor, Gather};
use tidemill::sys::clock::Time;

use crate::load::{Asked, Batch};
use crate::record::{ErrorClass, Recorder};
use crate::traffic::client::Opened;
use crate::traffic::outgoing::Outgoing;
use crate::traffic::pattern::Message;
use crate::traffic::security::Filters;
use crate::traffic::talk::{Book, Due, Fault, Talk};

/// Most bytes of answers to what the server asks, pings for one, that may wait behind a send.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// One connection.
#[derive(Debug)]
pub struct Session<T> {
    /// Counted over the whole run.
    pub number: u32,
    /// Its socket, or the place for one.
    pub file: Descriptor,
    /// What it waits for.
    pub stage: Stage,
    /// Whether it has failed, and is not opened again.
    pub has_failed: bool,
    /// Whether it stands among those that something has happened to.
    pub is_changed: bool,
    /// Whether it stands among the free ones.
    pub is_listed: bool,
    /// Operations that have not answered for the last time.
    pub operations: u32,
    /// Whether a send is among them.
    pub is_sending: bool,
    /// Whether the server takes nothing any more; what it still says tells why.
    pub is_deaf: bool,
    /// Connections that it has had.
    pub life: u64,
    /// When the present one was begun.
    pub dialed: Time,
    /// Requests that have begun on the present one.
    pub begun: u64,
    /// Requests that have begun and are not answered.
    pub due: Due,
    /// Of these, the ones that are not written, or have to be once more.
    pub owed: u64,
    /// The next message to begin.
    next: u64,
    talk: T,
    tls: Option<Box<Filter>>,
    /// When the TLS handshake began.
    shaking_since: Time,
    /// Whether the server has said, in TLS, that it sends nothing more.
    peer_closed: bool,
    /// What came and is not done with.
    carry: Vec<u8>,
    /// What is to be sent.
    out: Vec<u8>,
    outgoing: Outgoing,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// For something to do; there is no socket.
    Idle,
    /// For the server to take the connection.
    Connecting,
    /// For handshakes, of TLS or of the protocol.
    Opening,
    /// For requests and answers.
    Open,
    /// For the server's end, since we have said goodbye.
    Parting,
    /// For its last operations.
    Closing,
    /// For nothing, ever.
    Failed,
}

impl<T: Talk> Session<T> {
    /// A session on a connection that is made.
    pub fn new(opened: &Opened) -> Self {
        let first = Message { connection: opened.number, lane: 0, sequence: 0 };
        Self {
            number: opened.number,
            file: opened.file,
            stage: Stage::Connecting,
            has_failed: false,
            is_changed: false,
            is_listed: false,
            operations: 0,
            is_sending: false,
            is_deaf: false,
            life: 0,
            dialed: Time::ZERO,
            begun: 0,
            due: Due::default(),
            owed: 0,
            next: 0,
            talk: T::new(first),
            tls: None,
            shaking_since: Time::ZERO,
            peer_closed: false,
            carry: Vec::new(),
            out: Vec::new(),
            outgoing: Outgoing::default(),
        }
    }

    /// Forgets the last connection, and makes ready for the next. Requests that it left unanswered are owed. Returns
    /// how many of them had been written.
    pub fn renew(&mut self) -> u64 {
        let repeated = self.due.total() - self.owed;
        self.owed = self.due.total();
        self.life += 1;
        self.begun = self.owed;
        self.talk = T::new(self.message(self.next - self.owed));
        (self.is_sending, self.is_deaf, self.peer_closed) = (false, false, false);
        self.tls = None;
        self.carry.clear();
        self.out.clear();
        repeated
    }

    /// Begins what goes before requests, on a connection that is made.
    pub fn connected(
        &mut self,
        common: &mut T::Common,
        filters: Option<&Filters>,
        now: Time,
    ) -> Result<(), Fault> {
        self.stage = Stage::Opening;
        let Some(filters) = filters else {
            self.talk.open(common, &mut self.out);
            self.look();
            return Ok(());
        };
        self.shaking_since = now;
        let mut filter = filters.make().map_err(tls_fault)?;
        filter.start(&mut self.out).map_err(tls_fault)?;
        self.tls = Some(Box::new(filter));
        Ok(())
    }

    /// Begins requests that are due.
    pub fn begin(&mut self, batch: Batch, now: Time) {
        self.due.add(Asked { intended: batch.intended, sent: now }, batch.count);
        self.owed += batch.count;
        self.begun += batch.count;
        self.next += batch.count;
    }

    /// Writes requests that are owed, as many as one send takes.
    pub fn ask(&mut self, common: &mut T::Common, scratch: &mut Vec<u8>) -> Result<(), Fault> {
        let count = self.owed.min(T::requests_per_send(common));
        if count == 0 {
            return Ok(());
        }
        let first = self.message(self.next - self.owed);
        self.owed -= count;
        self.say(scratch, |talk, out| talk.ask(common, first, count, out))
    }

    /// Takes what the socket brought.
    pub fn hear(
        &mut self,
        common: &mut T::Common,
        wire: &mut [u8],
        scratch: &mut Vec<u8>,
        (recorder, now): (&mut Recorder, Time),
    ) -> Result<(), Fault> {
        if self.is_sending && WAITING_BYTES_MAX < self.out.len() {
            return Err(Fault::protocol("the server asks for ever more answers and reads none of them"));
        }
        if let Some(mut filter) = self.tls.take() {
            let read = self.decrypt(&mut filter, common, wire, scratch, (recorder, now));
            self.tls = Some(filter);
            return read;
        }
        let mut book = Book::new(self.number, &mut self.due, recorder, now);
        if self.carry.is_empty() {
            let used = self.talk.receive(common, wire, &mut self.out, &mut book)?;
            self.carry.extend_from_slice(&wire[used..]);
        } else {
            self.carry.extend_from_slice(wire);
            let used = self.talk.receive(common, &mut self.carry, &mut self.out, &mut book)?;
            self.carry.drain(..used);
        }
        drop(book);
        self.look();
        Ok(())
    }

    /// The same through TLS.
    fn decrypt(
        &mut self,
        filter: &mut Filter,
        common: &mut T::Common,
        wire: &[u8],
        scratch: &mut Vec<u8>,
        (recorder, now): (&mut Recorder, Time),
    ) -> Result<(), Fault> {
        let received = filter.receive(wire, &mut self.carry, &mut self.out);
        scratch.clear();
        if received.as_ref().is_ok_and(|received| received.handshake_done) {
            let agreed = (filter.protocol_version().unwrap_or("?"), filter.cipher().unwrap_or("?"));
            recorder.shaken(self.shaking_since, now, agreed, filter.is_resumed());
            self.talk.open(common, scratch);
        }
        let mut used = Ok(0);
        if !self.carry.is_empty() {
            let mut book = Book::new(self.number, &mut self.due, recorder, now);
            used = self.talk.receive(common, &mut self.carry, scratch, &mut book);
        }
        if !scratch.is_empty() {
            filter.send(&[scratch], &mut self.out).map_err(tls_fault)?;
        }
        self.carry.drain(..used?);
        let received = received.map_err(tls_fault)?;
        self.peer_closed |= received.peer_closed;
        if !filter.is_handshaking() {
            self.look();
        }
        Ok(())
    }

    /// The server ends its side.
    pub fn ended(
        &mut self,
        common: &mut T::Common,
        (recorder, now): (&mut Recorder, Time),
    ) -> Result<(), Fault> {
        let was_cut = self.tls.is_some() && !self.peer_closed;
        match self.stage {
            Stage::Idle | Stage::Parting | Stage::Closing | Stage::Failed => Ok(()),
            Stage::Connecting | Stage::Opening => {
                Err(Fault::new(ErrorClass::ClosedEarly, "the server closed it within the handshake"))
            }
            Stage::Open if was_cut && 0 < self.due.total() => {
                Err(Fault::new(ErrorClass::ClosedEarly, "the server closed it without TLS's close_notify"))
            }
            Stage::Open => self.talk.end(common, &mut Book::new(self.number, &mut self.due, recorder, now)),
        }
    }

    /// Says goodbye, as protocol and TLS have it. Returns whether the server then ends the connection.
    pub fn part(&mut self, common: &mut T::Common, scratch: &mut Vec<u8>) -> bool {
        if self.stage != Stage::Open {
            return false;
        }
        let mut waits = false;
        if self.say(scratch, |talk, out| waits = talk.part(common, out)).is_err() {
            return false;
        }
        if let Some(filter) = &mut self.tls {
            // A WebSocket's close frame is answered first.
            if !waits || self.talk.is_over() {
                filter.close(&mut self.out);
            }
            waits = true;
        }
        waits
    }

    /// Whether the server still owes its goodbye.
    pub fn owes_goodbye(&self) -> bool {
        self.stage == Stage::Parting && !self.talk.has_parted()
    }

    /// Whether the server takes no further request here.
    pub fn is_over(&self) -> bool {
        self.talk.is_over()
    }

    /// Whether the server has said in TLS that it sends nothing more.
    pub fn peer_has_closed(&self) -> bool {
        self.peer_closed
    }

    /// What is to be sent now, if there is something and nothing is on its way.
    pub fn next_send(&mut self) -> Option<Gather> {
        if self.is_sending || self.out.is_empty() {
            return None;
        }
        self.is_sending = true;
        let empty = self.outgoing.vector();
        Some(self.outgoing.send_bytes(std::mem::replace(&mut self.out, empty)))
    }

    /// So many bytes were sent. Returns the rest, if there is one.
    pub fn sent(&mut self, gather: Gather, bytes: usize) -> Option<Gather> {
        let rest = self.outgoing.sent(gather, bytes);
        self.is_sending = rest.is_some();
        rest
    }

    /// Lets the conversation write, through TLS if there is any.
    fn say(&mut self, scratch: &mut Vec<u8>, write: impl FnOnce(&mut T, &mut Vec<u8>)) -> Result<(), Fault> {
        let Some(filter) = &mut self.tls else {
            write(&mut self.talk, &mut self.out);
            return Ok(());
        };
        scratch.clear();
        write(&mut self.talk, scratch);
        if scratch.is_empty() { Ok(()) } else { filter.send(&[scratch], &mut self.out).map_err(tls_fault) }
    }

    /// Finds out whether the handshakes are done.
    fn look(&mut self) {
        if self.stage == Stage::Opening && self.talk.is_open() {
            self.stage = Stage::Open;
        }
    }

    fn message(&self, sequence: u64) -> Message {
        Message { connection: self.number, lane: 0, sequence }
    }
}

fn tls_fault(error: TlsError) -> Fault {
    let remedy = match error {
        TlsError::UnknownCa => ". Try: --tls-ca with the file of its authority, or --insecure",
        TlsError::BadCertificate(_) => ". Try: --insecure, if it is yours",
        // What is no TLS at all breaks the protocol with its first byte.
        TlsError::Malformed(_) | TlsError::PlainHttp => {
            ". Does it speak TLS there? Try: the same address with ws://, http:// or tcp://"
        }
        _ => "",
    };
    Fault::new(ErrorClass::Tls, format!("TLS: {error}{remedy}"))
}
