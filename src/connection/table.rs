//! The connections of a shard, in slots that are used again.
//!
//! A slot is given to the next connection only after its last one is over and nothing of it is in flight; then its
//! generation moves on, and what still arrives under the old one is stale.

use super::Connection;
use crate::ring::{Generation, Kind, Token};
use crate::sys::memory;

/// Which connection of a shard: its slot, and its generation among the slot's owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    slot: u32,
    generation: Generation,
}

impl ConnectionId {
    /// The place in the shard's table.
    pub fn slot(self) -> u32 {
        self.slot
    }

    /// Some connection, for tests of those who only pass it on.
    #[cfg(test)]
    pub(crate) fn numbered(slot: u32) -> Self {
        Self { slot, generation: Generation::default() }
    }

    /// The token of one of its operations.
    pub(crate) fn token(self, kind: Kind) -> Token {
        Token::new(kind, self.slot, self.generation)
    }
}

/// The connections of a shard.
#[derive(Debug)]
pub struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    capacity: u32,
}

#[derive(Debug, Default)]
#[repr(C)]
struct Slot {
    generation: Generation,
    /// Here and not behind a pointer: with thousands of connections each miss of the cache counts.
    connection: Option<Connection>,
}

/// The slot's generation, and the part of its connection that every message needs.
const SLOT_HOT_BYTES: usize = size_of::<Slot>() - size_of::<Connection>() + Connection::HOT_BYTES;

impl Table {
    /// An empty table that will hold at most `capacity` connections; memory is taken as they come.
    pub fn new(capacity: u32) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), capacity }
    }

    /// Connections in the table.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Connections that still fit.
    pub fn room(&self) -> usize {
        self.capacity as usize - self.len()
    }

    /// Puts a connection in, the slot freed last first.
    ///
    /// # Panics
    /// When the table is full: ask first.
    pub fn insert(&mut self, connection: Connection) -> ConnectionId {
        let slot = self.free.pop().unwrap_or_else(|| self.grow());
        let entry = &mut self.slots[slot as usize];
        debug_assert!(entry.connection.is_none(), "a free slot is empty");
        entry.connection = Some(connection);
        ConnectionId { slot, generation: entry.generation }
    }

    fn grow(&mut self) -> u32 {
        assert!(self.slots.len() < self.capacity as usize, "a full table takes no connection");
        self.slots.push(Slot::default());
        u32::try_from(self.slots.len() - 1).expect("the capacity is a u32")
    }

    /// The connection, unless it is gone.
    pub fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        slot.connection.as_mut()
    }

    /// All connections, each with its slot.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Connection)> {
        let slots = (0u32..).zip(&self.slots);
        slots.filter_map(|(slot, entry)| entry.connection.as_ref().map(|connection| (slot, connection)))
    }

    /// The connection that a completion belongs to, unless it is stale.
    pub fn owner(&self, token: Token) -> Option<ConnectionId> {
        let slot = self.slots.get(token.slot() as usize)?;
        let id = ConnectionId { slot: token.slot(), generation: token.generation() };
        (slot.generation == id.generation && slot.connection.is_some()).then_some(id)
    }

    /// Has the connection of this slot loaded into the cache, since a completion of it is about to be handled.
    pub fn prefetch(&self, slot: u32) {
        if let Some(slot) = self.slots.get(slot as usize) {
            memory::prefetch(slot, SLOT_HOT_BYTES);
        }
    }

    /// The connection in this slot now.
    pub fn at(&self, slot: u32) -> Option<ConnectionId> {
        let entry = self.slots.get(slot as usize)?;
        entry.connection.as_ref().map(|_| ConnectionId { slot, generation: entry.generation })
    }

    /// Takes a connection out, and moves the slot's generation on.
    pub fn remove(&mut self, id: ConnectionId) -> Connection {
        let entry = &mut self.slots[id.slot as usize];
        assert_eq!(entry.generation, id.generation, "a connection is removed once");
        let connection = entry.connection.take().expect("a connection is removed once");
        entry.generation = entry.generation.next();
        self.free.push(id.slot);
        connection
    }

    /// All connections.
    pub fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        (0u32..)
            .zip(&self.slots)
            .filter(|(_, entry)| entry.connection.is_some())
            .map(|(slot, entry)| ConnectionId { slot, generation: entry.generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Descriptor;
    use crate::sys::address::Peer;
    use crate::sys::clock::Time;

    fn connection() -> Connection {
        Connection::new(Descriptor::new(0), Peer::Unix, 0, Time::ZERO)
    }

    #[test]
    fn a_slot_that_is_used_again_does_not_know_its_last_owner_s_tokens() {
        let mut table = Table::new(2);
        let first = table.insert(connection());
        let token = first.token(Kind::Receive);
        assert_eq!(table.owner(token), Some(first));
        table.remove(first);
        assert_eq!(table.owner(token), None);
        let second = table.insert(connection());
        assert_eq!(second.slot(), first.slot());
        assert_eq!(table.owner(token), None, "the token is stale");
        assert!(table.get_mut(first).is_none());
        assert_eq!(table.owner(second.token(Kind::Receive)), Some(second));
        assert_eq!(table.at(0), Some(second));
    }

    #[test]
    fn a_table_holds_what_it_may_and_no_more() {
        let mut table = Table::new(2);
        assert_eq!((table.len(), table.room()), (0, 2));
        let first = table.insert(connection());
        let second = table.insert(connection());
        assert_eq!((table.len(), table.room()), (2, 0));
        assert_eq!(table.ids().collect::<Vec<_>>(), [first, second]);
        table.remove(first);
        assert_eq!(table.ids().collect::<Vec<_>>(), [second]);
        assert_eq!(table.room(), 1);
    }

    #[test]
    #[should_panic(expected = "takes no connection")]
    fn a_full_table_takes_no_connection() {
        let mut table = Table::new(0);
        table.insert(connection());
    }
}
