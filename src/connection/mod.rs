//! One socket's life: what state it is in, what is armed, what is in flight, and what it wants next.
//!
//! ```text
//!          end asked for,               all sent,             peer ended,
//!  Open ──────────────────▶ Finishing ────────────▶ Lingering ────────────▶ Closing ──▶ gone
//!    │                          │      our FIN          │      or too late      ▲   nothing in flight
//!    └──────────────────────────┴─────────────────cut───┴───────────────────────┘
//! ```
//!
//! A connection decides and does nothing itself: news is told to it by the `handle_*` methods, and
//! [`Connection::next_action`] says, until it has nothing more to say, what the shard must ask of the ring. So every
//! rule of a socket's life stands here, without a kernel.

mod bounds;
mod datagram;
mod deadline;
mod inbox;
mod listener;
mod listing;
mod outbox;
mod pace;
mod table;
pub mod timers;
pub mod tls;
mod transport;
mod turn;
mod wishes;

pub use self::bounds::{Bounds, Cut};
pub use self::datagram::{DATAGRAM_SLOTS, DatagramSocket, Replies};
pub use self::deadline::Due;
pub use self::inbox::{Carried, Inbox, InboxFull};
pub use self::listener::{Backoff, LISTENER_SLOTS, Listener};
pub use self::listing::{About, Interest, Listed, Order};
pub use self::outbox::{Delivery, Outbox, delivery};
pub use self::pace::{Pace, Paces};
pub use self::table::{ConnectionId, Table};
pub use self::transport::Transport;
pub(crate) use self::turn::Turn;
pub(crate) use self::wishes::Hold;
use crate::ring::{Descriptor, Gather, ReceiveError, RecvBuf, SendError};
use crate::sys::address::Peer;
use crate::sys::clock::Time;

/// Where in its life a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Bytes go both ways.
    Open,
    /// Nothing more is read; what waits is sent, then our side ends.
    Finishing,
    /// Our side has ended; what the peer still sends is thrown away until it ends too. Without this a close while
    /// bytes are unread sends RST, and what we sent last may be lost on its way (RFC 1122, 4.2.2.13).
    Lingering,
    /// The descriptor is being closed.
    Closing,
}

/// What is to be asked of the ring for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Receive, with credit for so many bytes.
    Receive {
        /// Bytes the peer may send before it is looked at again.
        credit: u32,
        /// Wait for bytes before a buffer is taken.
        wait_first: bool,
    },
    /// Stop receiving.
    Pause,
    /// Send [what is queued](Outbox::take_send).
    Send {
        /// Whether the kernel may wait with it.
        wait: bool,
        /// Whether nothing follows when all of it is taken, and all of it is all that waits.
        is_last: bool,
    },
    /// End our side.
    Shutdown,
    /// Close. Two answers come.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiving {
    /// Not armed.
    No,
    /// Armed; the kernel answers until it says otherwise.
    Armed,
    /// Armed, and asked to end.
    Ending,
    /// Not armed, because no receive buffer was free.
    Starved,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    No,
    /// In flight: takes what fits at once, and comes home.
    Trying,
    /// In flight: the kernel waits for the peer with it.
    Waiting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OurEnd {
    Open,
    Ending,
    Ended,
}

/// A timer that is not set.
const NEVER: Time = Time::from_nanos(u64::MAX);

/// One socket's life.
///
/// The fields stand in the order in which traffic needs them, so that the first lines of the cache hold all of them
/// ([`Self::HOT_BYTES`]): with many connections, it is their loading that costs.
#[derive(Debug)]
#[repr(C)]
pub struct Connection {
    state: State,
    receiving: Receiving,
    sending: Sending,
    our_end: OurEnd,
    /// Whether the peer has ended its side.
    peer_ended: bool,
    /// Whether the peer is not read from because it does not read.
    paused: bool,
    /// Whether a starved receive waits for bytes before it takes a buffer.
    wait_first: bool,
    /// Whether, and why, what the peer sends is kept back from the service.
    hold: Hold,
    /// Whether something still comes before the service.
    opening: bool,
    /// Whether the peer has ended its side within what carries it: TLS says so before the socket ends.
    stream_ended: bool,
    /// Whether the service was told of the peer's end.
    pub(crate) told_of_end: bool,
    /// Cancels and closes in flight.
    other_in_flight: u8,
    close_pushed: bool,
    /// Whether the shard has it on its list of connections to settle.
    pub(crate) dirty: bool,
    /// How far a stop has come with it.
    pub(crate) turn: Turn,
    /// Whether it has said anything to its service.
    pub(crate) has_spoken: bool,
    /// Its place in the ring's table of descriptors.
    pub descriptor: Descriptor,
    /// Last byte in either direction.
    last_active: Time,
    /// Since when the deadline of the state runs; for a stalled outbox, since the peer last read something.
    deadline_since: Time,
    /// When the shard's timer will ask for it next; never is the end of time.
    timer: Time,
    /// When the service wants to be called.
    service_timer: Time,
    /// Until when it is not read from because it sent more than its rate; never is not at all.
    throttled_until: Time,
    /// Bytes that the peer has sent.
    pub bytes_received: u64,
    /// Bytes that the peer was sent.
    pub bytes_sent: u64,
    /// Private bytes of its session.
    pub(crate) session_bytes: usize,
    /// Private bytes that the shard has counted for it.
    pub(crate) charged_bytes: usize,
    /// What waits for the peer.
    pub outbox: Outbox,
    /// What stands between the socket and the service, if anything does.
    transport: Option<Box<Transport>>,
    /// What came in and waits for the rest of its frame.
    pub(crate) carried: Carried,
    /// Who the peer is.
    pub peer: Peer,
    /// When it was accepted.
    pub since: Time,
    /// Which listener it came through.
    pub listener: u16,
    /// Why it was ended early, if it was.
    cut: Option<Cut>,
}

const _: () = assert!(Connection::HOT_BYTES <= 4 * 64);

impl Connection {
    /// The first bytes, which every message needs.
    pub const HOT_BYTES: usize = std::mem::offset_of!(Self, peer);

    /// A connection that was just accepted.
    pub fn new(descriptor: Descriptor, peer: Peer, listener: u16, now: Time) -> Self {
        Self {
            descriptor,
            peer,
            listener,
            since: now,
            carried: Carried::default(),
            outbox: Outbox::default(),
            state: State::Open,
            receiving: Receiving::No,
            sending: Sending::No,
            our_end: OurEnd::Open,
            peer_ended: false,
            paused: false,
            wait_first: false,
            hold: Hold::No,
            opening: false,
            stream_ended: false,
            told_of_end: false,
            transport: None,
            throttled_until: NEVER,
            service_timer: NEVER,
            bytes_received: 0,
            bytes_sent: 0,
            session_bytes: 0,
            other_in_flight: 0,
            close_pushed: false,
            last_active: now,
            deadline_since: now,
            timer: NEVER,
            cut: None,
            turn: Turn::No,
            has_spoken: false,
            dirty: false,
            charged_bytes: 0,
        }
    }

    /// Where in its life it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Why it was ended early, if it was.
    pub fn cut_reason(&self) -> Option<Cut> {
        self.cut
    }

    /// Whether it has private memory, or had when it was counted last, or may need some.
    pub(crate) fn keeps_memory(&self) -> bool {
        self.outbox.is_stalled() || self.private_bytes() != 0 || self.charged_bytes != 0
    }

    /// Private memory that the peer has made us keep.
    pub fn private_bytes(&self) -> usize {
        let transport = self.transport.as_ref().map_or(0, |transport| transport.memory_bytes());
        self.outbox.copied_bytes()
            + self.outbox.parts_bytes()
            + self.carried.len()
            + self.session_bytes
            + transport
    }

    /// Whether the peer has ended its side.
    pub fn peer_ended(&self) -> bool {
        self.peer_ended || self.stream_ended
    }

    /// When the last byte went in either direction.
    pub(crate) fn last_active(&self) -> Time {
        self.last_active
    }

    /// Whether it waits for a receive buffer.
    pub fn is_starved(&self) -> bool {
        self.receiving == Receiving::Starved
    }

    /// Whether it is over: closed, and nothing in flight.
    pub fn is_over(&self) -> bool {
        self.close_pushed && self.in_flight() == 0
    }

    /// Operations in flight.
    pub fn in_flight(&self) -> u32 {
        let receiving = matches!(self.receiving, Receiving::Armed | Receiving::Ending);
        u32::from(receiving)
            + u32::from(self.sending != Sending::No)
            + u32::from(self.our_end == OurEnd::Ending)
            + u32::from(self.other_in_flight)
    }

    // --- News ---------------------------------------------------------------------------------------------------

    /// A receive answered. Returns the bytes if they are to be read: after our end they are thrown away.
    pub fn handle_bytes(&mut self, bytes: RecvBuf, more: bool, now: Time) -> Option<RecvBuf> {
        self.handle_receive_over(more);
        self.last_active = now;
        self.bytes_received += bytes.len() as u64;
        (self.state == State::Open).then_some(bytes)
    }

    /// The peer ended its side.
    pub fn handle_end(&mut self, more: bool, now: Time) {
        self.handle_receive_over(more);
        self.peer_ended = true;
        self.last_active = now;
    }

    /// A receive failed. Returns why the connection ends, if it does.
    pub fn handle_receive_error(&mut self, error: ReceiveError, more: bool) -> Option<ReceiveError> {
        self.handle_receive_over(more);
        match error {
            ReceiveError::Cancelled => None,
            ReceiveError::NoBuffers => {
                if self.receiving == Receiving::No {
                    self.receiving = Receiving::Starved;
                }
                None
            }
            other => {
                self.peer_ended = true;
                Some(other)
            }
        }
    }

    fn handle_receive_over(&mut self, more: bool) {
        if !more {
            self.receiving = Receiving::No;
        }
    }

    /// A receive buffer is free again.
    pub fn handle_buffers_free(&mut self) {
        if self.receiving == Receiving::Starved {
            self.receiving = Receiving::No;
            self.wait_first = true;
        }
    }

    /// A send answered, of which the kernel took `result` bytes. Returns why the connection ends, if it does.
    pub fn handle_sent(
        &mut self,
        gather: Gather,
        result: Result<usize, SendError>,
        now: Time,
    ) -> Option<SendError> {
        self.sending = Sending::No;
        let sent = result.unwrap_or(0);
        self.outbox.sent(gather, sent);
        if 0 < sent {
            self.bytes_sent += sent as u64;
            self.last_active = now;
            self.deadline_since = now;
        }
        match result {
            Ok(_) | Err(SendError::WouldBlock | SendError::Cancelled | SendError::NoMemory) => None,
            Err(other) => Some(other),
        }
    }

    /// Our side has ended, or could not be.
    pub fn handle_shut_down(&mut self, now: Time) {
        self.our_end = OurEnd::Ended;
        if self.state == State::Finishing {
            self.enter(State::Lingering, now);
        }
    }

    /// A cancel or a half of a close answered.
    pub fn handle_other(&mut self) {
        self.other_in_flight = self.other_in_flight.checked_sub(1).expect("each is answered once");
    }

    // --- Decisions of others ------------------------------------------------------------------------------------

    /// Ends the connection in order: what waits is sent, then our side ends, then the peer's.
    pub fn finish(&mut self, now: Time) {
        if self.state == State::Open {
            self.carried = Carried::default();
            self.enter(State::Finishing, now);
        }
    }

    /// Ends the connection at once. What waits is lost.
    pub fn cut(&mut self, cut: Cut, now: Time) {
        if self.state != State::Closing {
            self.cut = Some(cut);
            self.carried = Carried::default();
            self.outbox.clear();
            self.enter(State::Closing, now);
        }
    }

    fn enter(&mut self, state: State, now: Time) {
        self.state = state;
        self.hold = Hold::No;
        self.service_timer = NEVER;
        self.throttled_until = NEVER;
        self.deadline_since = now;
    }

    // --- What follows -------------------------------------------------------------------------------------------

    /// The next thing to ask of the ring; call until there is none. What is returned counts as in flight.
    #[inline]
    pub fn next_action(&mut self, bounds: &Bounds, now: Time) -> Option<Action> {
        self.advance_state(now);
        if self.state == State::Closing {
            return self.next_close();
        }
        self.next_send(bounds, now).or_else(|| self.next_end()).or_else(|| self.next_receive(bounds))
    }

    /// Moves on when the state has done its work.
    fn advance_state(&mut self, now: Time) {
        let all_sent = self.outbox.is_empty() && self.sending == Sending::No;
        let done = match self.state {
            State::Open | State::Closing => false,
            // Both have nothing more to say, so that a close sends FIN: nothing is unread.
            State::Finishing => all_sent && self.peer_ended && self.our_end != OurEnd::Ending,
            State::Lingering => self.peer_ended,
        };
        if done {
            self.enter(State::Closing, now);
        }
    }

    fn next_close(&mut self) -> Option<Action> {
        if self.close_pushed {
            self.outbox.clear();
            return None;
        }
        self.close_pushed = true;
        self.other_in_flight += 2;
        Some(Action::Close)
    }

    fn next_send(&mut self, bounds: &Bounds, now: Time) -> Option<Action> {
        if self.sending != Sending::No || !self.outbox.has_queued() {
            return None;
        }
        let wait = self.outbox.is_stalled();
        self.sending = if wait { Sending::Waiting } else { Sending::Trying };
        if !wait {
            self.deadline_since = now;
        }
        Some(Action::Send { wait, is_last: self.rests_after(bounds) })
    }

    fn next_end(&mut self) -> Option<Action> {
        let all_sent = self.outbox.is_empty() && self.sending == Sending::No;
        if self.state != State::Finishing || !all_sent || self.our_end != OurEnd::Open {
            return None;
        }
        self.our_end = OurEnd::Ending;
        Some(Action::Shutdown)
    }

    fn next_receive(&mut self, bounds: &Bounds) -> Option<Action> {
        let pending = self.outbox.pending_bytes();
        let discards = self.state != State::Open;
        let held = self.hold != Hold::No || self.is_throttled();
        let full = bounds.high_water_bytes < pending || held;
        match self.receiving {
            Receiving::Armed if full && !discards => {
                self.receiving = Receiving::Ending;
                self.other_in_flight += 1;
                Some(Action::Pause)
            }
            Receiving::No if !self.peer_ended && (discards || pending <= bounds.low_water_bytes && !held) => {
                self.receiving = Receiving::Armed;
                // What is thrown away takes no memory.
                let pending = if discards { 0 } else { pending };
                let credit = bounds.high_water_bytes.saturating_sub(pending).max(1);
                let credit = u32::try_from(credit).unwrap_or(u32::MAX);
                let wait_first = std::mem::take(&mut self.wait_first);
                Some(Action::Receive { credit, wait_first })
            }
            Receiving::No | Receiving::Armed | Receiving::Ending | Receiving::Starved => None,
        }
    }

    /// Whether reading from the peer has just paused (true) or gone on (false); for the counters.
    pub(crate) fn pause_changed(&mut self, bounds: &Bounds) -> Option<bool> {
        let armed = self.receiving == Receiving::Armed;
        let open = self.state == State::Open && !self.peer_ended;
        let paused = open && !armed && bounds.low_water_bytes < self.outbox.pending_bytes();
        let before = std::mem::replace(&mut self.paused, paused);
        (before != paused).then_some(paused)
    }

    /// Plants the bug of a receive that is not armed again after buffers ran out.
    #[cfg(test)]
    pub(crate) fn plant_lost_rearm(&mut self) {
        if self.receiving == Receiving::No && self.wait_first {
            self.receiving = Receiving::Starved;
        }
    }
}

#[cfg(test)]
mod tests;
