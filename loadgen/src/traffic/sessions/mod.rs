//! Connections that speak a protocol: a worker's sessions, with at most one send in flight on each.
//!
//! A connection that the server ends in order is opened anew, and likewise one on which an answer has not come in time.
//! Connections may be made to carry a number of requests only: then they are closed behind the last answer, and opened
//! when the next request is due.

mod lives;
mod requests;

use std::collections::VecDeque;
use std::time::Duration;

use tidemill::ring::{Completion, Gather, Kind, Op, Outcome, ReceiveError, Received, SendError, SendMode};
use tidemill::sys::clock::Time;

use crate::link::Link;
use crate::record::{ErrorClass, Recorder};
use crate::traffic::client::{Client, Opened, Sockets, Sweep, TAKEN_AT_ONCE, Turn, index, slot, token};
use crate::traffic::open::Dialer;
use crate::traffic::security::Filters;
use crate::traffic::session::{Session, Stage};
use crate::traffic::talk::{Fault, Talk};

/// Bytes after which a receive ends by itself and is armed again. The client takes all that comes, so it is large.
const CREDIT_BYTES: u32 = 1 << 30;

/// How sessions are led.
#[derive(Debug)]
pub struct Manner {
    /// Requests in flight per connection.
    pub depth: u64,
    /// Requests that each connection carries before it is closed, if it is.
    pub requests: Option<u64>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Opens connections anew.
    pub dialer: Dialer,
    /// TLS, if there is any.
    pub filters: Option<Filters>,
}

/// The sessions of a worker.
#[derive(Debug)]
pub struct Sessions<T: Talk> {
    sessions: Vec<Session<T>>,
    common: T::Common,
    manner: Manner,
    /// Sessions that something has happened to, each once.
    changed: Vec<u32>,
    /// Sessions that may be able to take a request, each once; those first that have been so for longest.
    free: VecDeque<u32>,
    sweep: Sweep,
    /// Goodbyes that the server has to answer: until when, whose, and of which of its connections.
    partings: VecDeque<(Time, u32, u64)>,
    /// Plain text on its way through TLS.
    scratch: Vec<u8>,
    in_flight: u64,
    /// Sessions that have not failed.
    open: usize,
    /// Sessions with a socket.
    sockets: usize,
    /// Sessions that are neither open nor at rest.
    unready: usize,
    is_ending: bool,
}

impl<T: Talk> Sessions<T> {
    /// Sessions on these connections.
    pub fn new(opened: &[Opened], common: T::Common, manner: Manner) -> Self {
        Self {
            sessions: opened.iter().map(Session::new).collect(),
            common,
            manner,
            changed: Vec::new(),
            free: VecDeque::new(),
            sweep: Sweep::default(),
            partings: VecDeque::new(),
            scratch: Vec::new(),
            in_flight: 0,
            open: opened.len(),
            sockets: opened.len(),
            unready: opened.len(),
            is_ending: false,
        }
    }

    /// Lets something happen to a session, and keeps the sums over all of them. Whatever it wants to send, it sends.
    fn with<K: Sockets>(
        &mut self,
        slot: u32,
        turn: &mut Turn<'_, K>,
        act: impl FnOnce(&mut Session<T>, &mut T::Common, &mut Vec<u8>, &mut Turn<'_, K>) -> Result<(), Fault>,
    ) {
        let session = &mut self.sessions[index(slot)];
        let (before, due) = (session.stage, session.due.total());
        let result = act(session, &mut self.common, &mut self.scratch, turn);
        self.in_flight = self.in_flight + session.due.total() - due;
        let after = session.stage;
        self.count(before, after);
        match result {
            Ok(()) => self.proceed(slot, turn),
            Err(fault) => self.fail(slot, &fault, turn),
        }
    }

    /// Does what follows from the session's state.
    fn proceed<K: Sockets>(&mut self, slot: u32, turn: &mut Turn<'_, K>) {
        let session = &self.sessions[index(slot)];
        let most = self.manner.requests;
        let is_served = session.due.total() == 0 && most.is_some_and(|most| most <= session.begun);
        if session.stage == Stage::Open && (session.is_over() || is_served) {
            return self.part(slot, turn);
        }
        self.flush(slot, turn.link);
        self.change(slot);
    }

    fn count(&mut self, before: Stage, after: Stage) {
        let has_socket = |stage| !matches!(stage, Stage::Idle | Stage::Failed);
        let is_unready = |stage| !matches!(stage, Stage::Idle | Stage::Failed | Stage::Open);
        self.sockets = self.sockets + usize::from(has_socket(after)) - usize::from(has_socket(before));
        self.unready = self.unready + usize::from(is_unready(after)) - usize::from(is_unready(before));
    }

    fn set_stage(&mut self, slot: u32, after: Stage) {
        let stage = &mut self.sessions[index(slot)].stage;
        let before = std::mem::replace(stage, after);
        self.count(before, after);
    }

    fn received<K: Sockets>(
        &mut self,
        slot: u32,
        (result, more): (Result<Received, ReceiveError>, bool),
        turn: &mut Turn<'_, K>,
    ) {
        let session = &mut self.sessions[index(slot)];
        session.operations -= u32::from(!more);
        if session.stage == Stage::Closing {
            return self.closed(slot, turn);
        }
        let wait_first = match result {
            Ok(Received::Bytes(mut bytes)) => {
                self.with(slot, turn, |session, common, scratch, turn| {
                    session.hear(common, &mut bytes, scratch, (&mut *turn.recorder, turn.now))
                });
                if self.sessions[index(slot)].peer_has_closed() {
                    return self.ended(slot, turn);
                }
                false
            }
            Ok(Received::End) => return self.ended(slot, turn),
            // The bytes of this turn are read and their buffers free: the next turn provides them again.
            Err(ReceiveError::NoBuffers) => true,
            Err(_) if session.stage == Stage::Parting => return self.close_one(slot, turn.link),
            Err(error) => {
                return self.fail(slot, &Fault::new(ErrorClass::from(&error), error.to_string()), turn);
            }
        };
        if !more && self.sessions[index(slot)].stage != Stage::Closing {
            self.arm(slot, wait_first, turn.link);
        }
    }

    /// The server ends its side.
    fn ended<K: Sockets>(&mut self, slot: u32, turn: &mut Turn<'_, K>) {
        self.with(slot, turn, |session, common, _, turn| {
            session.ended(common, (&mut *turn.recorder, turn.now))
        });
        self.close_one(slot, turn.link);
    }

    fn sent<K: Sockets>(
        &mut self,
        slot: u32,
        (gather, result): (Gather, Result<usize, SendError>),
        turn: &mut Turn<'_, K>,
    ) {
        let session = &mut self.sessions[index(slot)];
        session.operations -= 1;
        if session.stage == Stage::Closing {
            return self.closed(slot, turn);
        }
        let sent = match result {
            Ok(sent) => sent,
            Err(SendError::WouldBlock) => 0,
            // What the server says last tells why; the receive brings it, or its end.
            Err(SendError::PeerGone) => {
                session.is_deaf = true;
                return;
            }
            Err(error) => {
                return self.fail(slot, &Fault::new(ErrorClass::from(&error), error.to_string()), turn);
            }
        };
        match session.sent(gather, sent) {
            Some(gather) => {
                session.operations += 1;
                let token = token(Kind::Send, slot);
                turn.link.push(Op::Send { token, file: session.file, gather, mode: SendMode::Wait });
            }
            None => self.proceed(slot, turn),
        }
    }

    fn flush<K: Sockets>(&mut self, slot: u32, link: &mut Link<K>) {
        let session = &mut self.sessions[index(slot)];
        if session.is_deaf || session.stage == Stage::Closing {
            return;
        }
        if let Some(gather) = session.next_send() {
            session.operations += 1;
            link.push(Op::Send {
                token: token(Kind::Send, slot),
                file: session.file,
                gather,
                mode: SendMode::Now,
            });
        }
    }

    fn arm<K: Sockets>(&mut self, slot: u32, wait_first: bool, link: &mut Link<K>) {
        let session = &mut self.sessions[index(slot)];
        session.operations += 1;
        let (token, file) = (token(Kind::Receive, slot), session.file);
        link.push(Op::Receive { token, file, credit: CREDIT_BYTES, wait_first });
    }

    fn change(&mut self, slot: u32) {
        let session = &mut self.sessions[index(slot)];
        if !session.is_changed {
            session.is_changed = true;
            self.changed.push(slot);
        }
    }

    /// Counts a goodbye that the server has not answered.
    fn count_overdue(&self, slot: u32, recorder: &mut Recorder) {
        let session = &self.sessions[index(slot)];
        if session.owes_goodbye() {
            let sentence =
                || format!("connection {}: the server did not answer the close frame", session.number);
            recorder.counts.errors.count(ErrorClass::Protocol, sentence);
        }
    }
}

impl<T: Talk> Client for Sessions<T> {
    fn start<K: Sockets>(&mut self, turn: &mut Turn<'_, K>) {
        for slot in 0..slot(self.sessions.len()) {
            if self.manner.requests.is_some() {
                // They have shown that somebody listens; what is measured opens its own.
                self.close_one(slot, turn.link);
            } else {
                self.welcome(slot, turn);
            }
        }
    }

    fn is_ready(&self) -> bool {
        self.unready == 0
    }

    fn ready(&self) -> usize {
        self.sessions.len() - self.unready
    }

    fn handle<K: Sockets>(&mut self, completion: Completion, turn: &mut Turn<'_, K>) {
        let slot = completion.token.slot();
        match completion.outcome {
            Outcome::Connected(result) => self.connected(slot, result, turn),
            Outcome::Received(result) => self.received(slot, (result, completion.more), turn),
            Outcome::Sent { gather, result } => self.sent(slot, (gather, result), turn),
            Outcome::Closed(_) | Outcome::CloseCancelled => {
                self.sessions[index(slot)].operations -= 1;
                self.closed(slot, turn);
            }
            Outcome::Cancelled => {}
            Outcome::Accepted(_)
            | Outcome::ReceivedFrom(_)
            | Outcome::SentTo(_)
            | Outcome::ShutDown(_)
            | Outcome::Doorbell
            | Outcome::DoorbellSent(_) => unreachable!("a session asks for none of these"),
        }
    }

    fn attend<K: Sockets>(&mut self, turn: &mut Turn<'_, K>) {
        let mut changed = std::mem::take(&mut self.changed);
        for slot in changed.drain(..) {
            self.attend_one(slot, turn);
        }
        changed.append(&mut self.changed);
        self.changed = changed; // Keeps its memory.
    }

    fn free(&mut self) -> &mut VecDeque<u32> {
        &mut self.free
    }

    fn fill_one<K: Sockets>(&mut self, slot: u32, share: u64, _: usize, turn: &mut Turn<'_, K>) -> usize {
        usize::from(self.begin(slot, share, turn))
    }

    fn follows_sends(&self, more_is_due: bool) -> bool {
        let manner = &self.manner;
        // Connections that come and go ask when their handshake's last send is taken.
        manner.requests.is_some()
            || more_is_due && 1 < manner.depth
            || TAKEN_AT_ONCE < T::request_bytes(&self.common)
    }

    fn tick<K: Sockets>(&mut self, turn: &mut Turn<'_, K>) {
        let sessions = self.sweep.next(self.sessions.len());
        self.sweep(sessions, turn);
        while let Some((until, slot, life)) = self.partings.front().copied()
            && until <= turn.now
        {
            self.partings.pop_front();
            let session = &self.sessions[index(slot)];
            if session.life == life && session.stage == Stage::Parting {
                self.count_overdue(slot, turn.recorder);
                self.close_one(slot, turn.link);
            }
        }
    }

    fn give_up<K: Sockets>(&mut self, turn: &mut Turn<'_, K>) {
        for slot in 0..slot(self.sessions.len()) {
            let session = &mut self.sessions[index(slot)];
            if session.due.total() == 0 {
                continue;
            }
            session.owed = 0;
            for (asked, count) in session.due.take_all() {
                turn.recorder.outstanding(asked, turn.now, count);
            }
            self.close_one(slot, turn.link); // Who owes answers may owe a goodbye for as long.
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
        self.is_ending = true;
        for slot in 0..slot(self.sessions.len()) {
            let session = &self.sessions[index(slot)];
            match session.stage {
                Stage::Open if session.due.total() == 0 => self.part(slot, turn),
                Stage::Parting => {}
                _ => self.close_one(slot, turn.link),
            }
        }
    }

    fn closing(&self) -> usize {
        self.sockets
    }

    fn overdue(&mut self, recorder: &mut Recorder) {
        (0..slot(self.sessions.len())).for_each(|slot| self.count_overdue(slot, recorder));
    }
}
