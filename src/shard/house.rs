//! What a shard is made of: what it may do, what it shares with the others, and which sockets it serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::door::Door;
use crate::access::addresses::Addresses;
use crate::access::meter::Rates;
use crate::access::networks::AccessList;
use crate::access::senders::Senders;
use crate::connection::Bounds;
use crate::hub::SlowPolicy;
use crate::limits;
use crate::metrics::board::Board;
use crate::ring::Descriptor;

/// What a shard may do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Its number, for logs.
    pub number: usize,
    /// Connections that its table and its ring have place for.
    pub slots: u32,
    /// The bounds of each connection.
    pub bounds: Bounds,
    /// Private memory that all waiting bytes may take.
    pub outbox_bytes: u64,
    /// The rates of each connection.
    pub rates: Rates,
}

impl Options {
    /// Slots for so many connections and for the refusals of so many listeners.
    pub fn slots_for(connections: u32, listeners: usize) -> u32 {
        let refusals = u32::try_from(listeners).unwrap_or(u32::MAX).saturating_mul(limits::ACCEPTS_IN_FLIGHT);
        connections.saturating_add(refusals)
    }
}

/// What a shard has in common with the others.
#[derive(Clone, Debug)]
pub struct House {
    /// How many shards share the subjects.
    pub shards: u16,
    /// What is done with slow consumers, by subject: the first filter that matches.
    pub slow_rules: Arc<[(Box<[u8]>, SlowPolicy)]>,
    /// Subscriptions of one shard.
    pub subscriptions: u32,
    /// Bytes that sends of one shard may have borrowed, before those for whom much waits are cut.
    pub shared_bytes: u64,
    /// How many connections there are, and may be.
    pub admission: Arc<Admission>,
    /// What listeners ask of those who come, in the order of their numbers; without a door, nothing.
    pub doors: Arc<[Door]>,
    /// Whose datagrams are taken, in the order of their listeners; without an entry, everybody's.
    pub datagram_networks: Arc<[AccessList]>,
    /// Those of one address, where they are counted.
    pub addresses: Option<Arc<Addresses>>,
    /// Those whose datagrams are counted, where they are.
    pub senders: Option<Arc<Senders>>,
    /// Whether the bytes of an address are counted.
    pub counts_bytes: bool,
    /// Where the figures are hung out, if they are.
    pub board: Option<Arc<Board>>,
}

impl House {
    /// One that asks nothing, and counts connections only.
    pub fn open(connections: u32) -> Self {
        Self {
            shards: 1,
            slow_rules: Arc::from([]),
            subscriptions: limits::SUBSCRIPTIONS_PER_SHARD,
            shared_bytes: limits::HUB_LENT_BYTES,
            admission: Admission::new(connections),
            doors: Arc::from([]),
            datagram_networks: Arc::from([]),
            addresses: None,
            senders: None,
            counts_bytes: false,
            board: None,
        }
    }
}

/// How many connections all shards together have, and may have.
#[derive(Debug)]
pub struct Admission {
    pub(super) open: AtomicU32,
    most: AtomicU32,
}

impl Admission {
    /// None yet, of at most so many.
    pub fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { open: AtomicU32::new(0), most: AtomicU32::new(most) })
    }

    /// Asks for one more.
    pub(super) fn enter(&self) -> bool {
        // Relaxed: the count guards no other memory.
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let may = before < self.most.load(Ordering::Relaxed);
        if !may {
            self.leave();
        }
        may
    }

    /// From now on there may be so many. Those that are open stay.
    pub fn change(&self, most: u32) {
        // Relaxed: it guards no other memory.
        self.most.store(most, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The sockets that a shard serves, in its ring's table.
#[derive(Clone, Debug, Default)]
pub struct Sockets {
    /// Listening sockets, of TCP and of Unix.
    pub listeners: Vec<Descriptor>,
    /// Datagram sockets.
    pub datagrams: Vec<Descriptor>,
    /// Which listener each of the listening sockets belongs to, where several belong to one; else they are in order.
    pub listener_numbers: Vec<u16>,
    /// Which one each of the datagram sockets belongs to, counted by themselves.
    pub datagram_numbers: Vec<u16>,
}
