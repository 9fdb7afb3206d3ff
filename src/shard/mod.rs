//! A shard: one thread, one ring, its own listeners, connections and timers, and the turn that moves them.
//!
//! A turn submits what the last one produced and sleeps until something happens, collects what did, acts on it, and
//! lets everything it touched say what it wants next. `streams.rs` serves connections, `accepting.rs` lets them in,
//! `datagrams.rs` serves sockets without connections, `draining.rs` ends it all in order. Shards share nothing but
//! their mailboxes and the count of connections.

mod accepting;
mod datagrams;
mod door;
mod draining;
mod house;
#[cfg(test)]
mod hub_tests;
mod inspect;
pub mod mailbox;
mod notice;
mod opening;
mod pace;
mod posting;
mod quiet;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod spread_tests;
mod streams;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

pub use self::door::{Door, TlsStart};
use self::draining::Drain;
pub use self::house::{Admission, House, Options, Sockets};
use self::mailbox::{Contact, Mailbox, Message};
use self::notice::Notices;
pub use self::pace::DrainTimes;
use self::quiet::Quiet;
pub use self::terms::Terms;
use crate::access::addresses::Addresses;
use crate::access::meter::Meter;
use crate::access::networks::AccessList;
use crate::access::senders::Senders;
use crate::connection::timers::Timers;
use crate::connection::{
    ConnectionId, DATAGRAM_SLOTS, DatagramSocket, Delivery, LISTENER_SLOTS, Listener, Outbox, Paces, Replies,
    Table, delivery,
};
use crate::hub::{Hub, Parcel};
use crate::limits;
use crate::metrics::Metrics;
use crate::metrics::board::Board;
use crate::ring::{Completion, Descriptor, Kernel, Kind, Op, Outcome, Refused, RingError, Token, Wait};
use crate::service::Service;
use crate::sys::clock::{Time, Wall};

/// How many completions ahead a connection is loaded into the cache: long enough for memory to answer.
const PREFETCH_AHEAD: usize = 4;

/// What there is of a connection beside its socket.
#[derive(Debug)]
struct Place<T> {
    /// What the service remembers, from when it begins.
    session: Option<T>,
    /// What it has taken.
    meter: Meter,
}

impl<T> Default for Place<T> {
    fn default() -> Self {
        Self { session: None, meter: Meter::default() }
    }
}

/// One thread's server.
pub struct Shard<K: Kernel, S: Service> {
    kernel: K,
    service: S,
    options: Options,
    admission: Arc<Admission>,
    mailbox: Mailbox,
    /// What it asks for, until this turn's completions are handled.
    asked: Vec<Message>,
    /// Whether the terms have changed, and connections are to be looked at for that.
    has_new_terms: bool,
    metrics: Metrics,
    notices: Notices,
    listeners: Vec<Listener>,
    sockets: Vec<DatagramSocket>,
    connections: Table,
    /// What else there is of the connection in the slot of the same number.
    places: Vec<Place<S::Session>>,
    /// What a service wrote that TLS is still to encrypt; empty between two services.
    unencrypted: Outbox,
    /// What connections say to one another.
    hub: Hub,
    /// All shards, when they are known.
    contacts: Option<Arc<[Contact]>>,
    /// What other shards are to be told and had no room for yet.
    outgoing: VecDeque<(u16, Arc<Parcel>)>,
    /// What TLS has decrypted; empty between two connections.
    plain: Vec<u8>,
    doors: Arc<[Door]>,
    datagram_networks: Arc<[AccessList]>,
    /// Those of one address, over all shards, where they are counted.
    addresses: Option<Arc<Addresses>>,
    /// Those whose datagrams are counted, over all shards, where they are.
    senders: Option<Arc<Senders>>,
    /// Whether any rate of bytes is bounded.
    counts_bytes: bool,
    /// Where the figures are hung out, if they are.
    board: Option<Arc<Board>>,
    /// When they are to be hung out next, if they have changed.
    board_due: Option<Time>,
    wall: Wall,
    /// The time of day of this turn, in seconds since 1970.
    unix_seconds: u64,
    timers: Timers,
    /// Completions of this turn that are not handled yet.
    ready: VecDeque<Completion>,
    /// Operations that the ring had no room for; at most a few per connection, since each has a few in flight.
    deferred: VecDeque<Op>,
    /// Connections that this turn touched.
    dirty: Vec<ConnectionId>,
    /// Connections that wait for a receive buffer.
    starved: Vec<ConnectionId>,
    /// Which sends of this turn need not end its sleep.
    quiet: Quiet,
    replies: Replies,
    due: Vec<u32>,
    drain: Option<Drain>,
    /// Accepts in flight; each may need a slot.
    accepting: usize,
    /// Private memory of all connections.
    private_bytes: u64,
    /// What all connections had transferred when somebody asked for their paces.
    paces: Paces,
    now: Time,
    #[cfg(test)]
    planted: Option<tests::Planted>,
}

impl<K: Kernel, S: Service> Shard<K, S> {
    /// A shard that serves these sockets from its first turn on.
    pub fn new(
        kernel: K,
        service: S,
        options: Options,
        house: House,
        mailbox: Mailbox,
        sockets: &Sockets,
    ) -> Self {
        let now = kernel.now();
        let number = u16::try_from(options.number).expect("SHARDS_MAX is small");
        let mut hub = Hub::new(number, house.shards, now.as_nanos());
        hub.set_rules(house.slow_rules.to_vec());
        hub.set_subscriptions_max(house.subscriptions);
        hub.set_lent_bytes_max(house.shared_bytes);
        let number = |numbers: &[u16], index: u16| *numbers.get(usize::from(index)).unwrap_or(&index);
        let listeners = (0..).zip(&sockets.listeners).map(|(index, file)| {
            Listener::new(*file, index).of_number(number(&sockets.listener_numbers, index))
        });
        let datagrams = (0..).zip(&sockets.datagrams).map(|(index, file)| {
            DatagramSocket::new(*file, index).of_number(number(&sockets.datagram_numbers, index))
        });
        let mut shard = Self {
            kernel,
            service,
            options,
            admission: house.admission,
            mailbox,
            asked: Vec::new(),
            has_new_terms: false,
            metrics: Metrics::default(),
            notices: Notices::new(now),
            listeners: listeners.collect(),
            sockets: datagrams.collect(),
            connections: Table::new(options.slots),
            places: Vec::new(),
            unencrypted: Outbox::default(),
            hub,
            contacts: None,
            outgoing: VecDeque::new(),
            plain: Vec::new(),
            doors: house.doors,
            datagram_networks: house.datagram_networks,
            counts_bytes: options.rates.bytes.is_some() || house.counts_bytes,
            addresses: house.addresses,
            senders: house.senders,
            board: house.board,
            board_due: None,
            wall: Wall::default(),
            unix_seconds: 0,
            timers: Timers::new(now),
            ready: VecDeque::with_capacity(limits::COMPLETIONS_PER_TURN),
            deferred: VecDeque::new(),
            dirty: Vec::new(),
            starved: Vec::new(),
            quiet: Quiet::default(),
            replies: Replies::default(),
            due: Vec::new(),
            drain: None,
            accepting: 0,
            private_bytes: 0,
            paces: Paces::default(),
            now,
            #[cfg(test)]
            planted: None,
        };
        shard.settle();
        shard
    }

    /// Serves until it was told to stop and everything is over.
    ///
    /// # Errors
    /// When the ring fails.
    pub fn run(&mut self) -> Result<(), RingError> {
        while !self.is_over() {
            self.turn()?;
        }
        Ok(())
    }

    /// One turn, one system call: submit and sleep, collect, act, and say what comes next.
    ///
    /// # Errors
    /// When the ring fails.
    pub fn turn(&mut self) -> Result<(), RingError> {
        let wait = self.next_wait();
        self.kernel.submit_and_wait(wait)?;
        self.work();
        Ok(())
    }

    /// The turn after its system call. Until here others may find the shard asleep.
    fn work(&mut self) {
        self.mailbox.wake_up();
        self.now = self.kernel.now();
        self.unix_seconds = self.wall.seconds(self.now);
        self.hub.turn_began(self.now);
        self.collect();
        // Before the completions: whatever a client has done because of what another shard has sent comes behind what that
        // shard has told us before.
        self.read_mailbox();
        while let Some(completion) = self.ready.pop_front() {
            if let Some(later) = self.ready.get(PREFETCH_AHEAD) {
                self.connections.prefetch(later.token.slot());
            }
            self.dispatch(completion);
        }
        self.read_mailbox();
        self.review();
        // After the completions, so that a report counts what its reader has already seen.
        self.answer_asked();
        self.expire();
        self.settle();
        self.hang_out();
        self.metrics.counters.turns += 1;
        let end = self.kernel.now();
        self.metrics.record_turn(end.whole_seconds(), end.saturating_since(self.now));
    }

    /// The kernel, for those who simulate it.
    pub fn kernel_mut(&mut self) -> &mut K {
        &mut self.kernel
    }

    /// Whether the shard was told to stop and has nothing left.
    pub fn is_over(&self) -> bool {
        let closed = self.listeners.iter().all(Listener::is_over);
        let all = closed && self.sockets.iter().all(DatagramSocket::is_over) && self.connections.is_empty();
        self.drain.as_ref().is_some_and(|drain| all || drain.is_hopeless(self.now))
    }

    // --- The steps of a turn ------------------------------------------------------------------------------------

    fn next_wait(&mut self) -> Wait {
        self.push_deferred();
        if self.is_busy() || !self.mailbox.fall_asleep() {
            return Wait::No;
        }
        // Nobody says anything that would have it looked at.
        let lent = self.hub.collect_lent().then(|| self.now.saturating_add(limits::HUB_LENT_RETRY));
        let pauses = self.listeners.iter().filter_map(|listener| listener.backoff.until());
        let pauses = pauses.chain(self.sockets.iter().filter_map(|socket| socket.backoff.until()));
        // A pause that is over is forgotten when somebody asks for it; it is no reason to wake.
        let pauses = pauses.filter(|until| self.now < *until);
        let drain = self.drain.as_ref().map(|drain| drain.next_deadline(self.now));
        let retry = (!self.outgoing.is_empty() && self.contacts.is_some())
            .then(|| self.now.saturating_add(limits::PARCEL_RETRY));
        let pauses = pauses.chain(self.board_due).chain(retry).chain(lent);
        Wait::Until(pauses.chain(self.timers.next_deadline()).chain(drain).min())
    }

    /// Hangs the figures out, if they have changed and were not hung out lately.
    fn hang_out(&mut self) {
        let Some(board) = &self.board else { return };
        match self.board_due {
            None => self.board_due = Some(self.now.saturating_add(Board::PERIOD)),
            Some(due) if due <= self.now => {
                self.board_due = None;
                let board = Arc::clone(board);
                board.write(self.options.number, || self.snapshot());
            }
            Some(_) => {}
        }
    }

    /// Whether there is something to do that no completion announces.
    fn is_busy(&self) -> bool {
        let can_feed = !self.starved.is_empty() && 0 < self.kernel.buffers().free;
        can_feed
            || self.hub.has_work()
            || self.hub.is_reading()
            || 0 < self.hub.waiting_for_turn()
            || self.drains_busily()
            || !self.deferred.is_empty()
    }

    fn collect(&mut self) {
        // An empty queue starts again at its first place, which is still in the cache; going round through all of it
        // costs 30 ns per message.
        self.ready.clear();
        let count = self.kernel.collect(&mut self.ready, limits::COMPLETIONS_PER_TURN);
        let counters = &mut self.metrics.counters;
        counters.completions += count as u64;
        if count != 0 {
            self.hub.sends_ended();
        }
        counters.completions_per_enter_max = counters.completions_per_enter_max.max(count as u64);
    }

    fn read_mailbox(&mut self) {
        // At most as many as fit: what is posted meanwhile waits for the next turn.
        for _ in 0..limits::MAILBOX_MESSAGES {
            if !self.hub.read_on() {
                break; // The next turn comes at once.
            }
            let Some(message) = self.mailbox.take() else { break };
            self.metrics.counters.messages_received += 1;
            match message {
                Message::Terms(terms) => self.take_over(&terms),
                Message::Contacts(contacts) => self.contacts = Some(contacts),
                Message::Parcel(parcel) => {
                    self.metrics.counters.parcels_received += 1;
                    self.hub.receive(parcel);
                }
                later => self.asked.push(later),
            }
        }
    }

    /// Does what the mailbox asked for, in its order.
    fn answer_asked(&mut self) {
        let mut asked = std::mem::take(&mut self.asked);
        for message in asked.drain(..) {
            match message {
                Message::Stop(times) => self.start_drain(times),
                // Whoever asked may have stopped waiting.
                Message::Report(to) => drop(to.try_send((self.options.number, self.snapshot()))),
                Message::Sizes(to) => drop(to.try_send((self.options.number, self.hub.sizes()))),
                Message::Filters(places, to) => drop(to.try_send(self.hub.filters(places))),
                Message::List(order, count, to) => {
                    drop(to.try_send((self.connections.len(), self.list(order, count))));
                }
                Message::Terms(_) | Message::Contacts(_) | Message::Parcel(_) => {}
            }
        }
        self.asked = asked;
    }

    fn dispatch(&mut self, completion: Completion) {
        let Completion { token, more, outcome } = completion;
        match outcome {
            Outcome::Accepted(result) => self.handle_accepted(token, result),
            Outcome::Received(result) => self.handle_received(token, result, more),
            Outcome::Sent { gather, result } => self.handle_sent(token, gather, result),
            Outcome::ReceivedFrom(result) => self.handle_datagram(token, result, more),
            Outcome::SentTo(result) => self.handle_datagram_sent(token, result),
            Outcome::ShutDown(_) => self.handle_shut_down(token),
            Outcome::Cancelled | Outcome::CloseCancelled => self.handle_other(token),
            Outcome::Closed(result) => {
                self.metrics.counters.unexpected_errors += u64::from(result.is_err());
                self.handle_other(token);
            }
            Outcome::Doorbell => self.metrics.counters.doorbells += 1,
            Outcome::DoorbellSent(Ok(())) => {}
            Outcome::DoorbellSent(Err(_)) => self.ring_again(token),
            Outcome::Connected(_) => debug_assert!(false, "a shard connects nothing"),
        }
    }

    /// Cancels and closes: of a listener, of a datagram socket, or of a connection.
    fn handle_other(&mut self, token: Token) {
        let slot = token.slot();
        if slot & LISTENER_SLOTS != 0 {
            self.listeners[(slot & !LISTENER_SLOTS) as usize].handle_close();
        } else if slot & DATAGRAM_SLOTS != 0 {
            self.sockets[DatagramSocket::index_of_socket(slot)].handle_close();
        } else {
            self.handle_connection_other(token);
        }
    }

    fn expire(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.timers.expire(self.now, limits::COMPLETIONS_PER_TURN, &mut due);
        for slot in due.drain(..) {
            self.handle_due(slot);
        }
        self.due = due;
        self.paces.expire(self.now);
        self.advance_drain();
    }

    /// Lets everything that this turn touched say what it wants.
    fn settle(&mut self) {
        self.feed_starved();
        self.release_known();
        self.release_held();
        self.tell_services();
        self.deliver();
        self.send_replies();
        if !self.dirty.is_empty() {
            // A cut gives back what waited.
            self.hub.sends_ended();
        }
        self.quiet = self.quiet_sends();
        while let Some(id) = self.dirty.pop() {
            self.settle_connection(id);
        }
        self.settle_listeners();
        self.settle_sockets();
        let free = u64::from(self.kernel.buffers().free);
        let lowest = &mut self.metrics.counters.receive_buffers_free_min;
        *lowest = free.min(*lowest);
    }

    /// Which sends of this turn need not end its sleep.
    fn quiet_sends(&self) -> Quiet {
        // A stop wants to know at once when all is said, and so does who has more for a slow consumer.
        let may_wait = self.drain.is_none() && !self.hub.holds_back();
        let few = self.dirty.len() <= limits::QUIET_CONNECTIONS_MAX;
        let may_be = may_wait && few && self.kernel.capabilities().quiet_sends;
        Quiet { may_be, lends: delivery(self.kernel.buffers()) == Delivery::Lend }
    }

    // --- Common steps -------------------------------------------------------------------------------------------

    /// Pushes an operation, or keeps it for the next turn; operations keep their order.
    fn push(&mut self, op: Op) {
        push(&mut self.kernel, &mut self.deferred, op);
    }

    fn push_deferred(&mut self) {
        while let Some(op) = self.deferred.pop_front() {
            if let Err(Refused(op)) = self.kernel.push(op) {
                self.deferred.push_front(op);
                break;
            }
        }
    }

    /// The connection a completion belongs to; a stale one is counted.
    fn owner(&mut self, token: Token) -> Option<ConnectionId> {
        let owner = self.connections.owner(token);
        self.metrics.counters.stale_completions += u64::from(owner.is_none());
        owner
    }

    /// Puts a connection on the list of those to settle.
    fn touch(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id)
            && !connection.dirty
        {
            connection.dirty = true;
            self.dirty.push(id);
        }
    }

    fn close(&mut self, token: Token, file: Descriptor) {
        debug_assert_eq!(token.kind(), Kind::Close, "a close has its own kind");
        self.push(Op::Close { token, file });
    }
}

/// Pushes an operation, or keeps it for the next turn; operations keep their order.
fn push(kernel: &mut impl Kernel, deferred: &mut VecDeque<Op>, op: Op) {
    if !deferred.is_empty() {
        deferred.push_back(op.aloud());
    } else if let Err(Refused(op)) = kernel.push(op) {
        deferred.push_back(op.aloud());
    }
}
