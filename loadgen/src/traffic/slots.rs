//! Memory for datagrams on their way to the kernel.
//!
//! The ring takes one datagram per slot at a time and drops its payload when it is sent; so payloads are shared with
//! it, and written anew when they have come home. Slots belong to the worker, not to a socket: a datagram is taken or
//! refused at once, so few are in use together, however many may be in flight.

use std::sync::Arc;

use tidemill::ring::Part;

use crate::traffic::client::{index, slot};
use crate::traffic::pattern::{Message, Pattern};

/// Most bytes for payloads in slots.
const BYTES_MAX: usize = 32 << 20;
/// Most slots, as many as one turn can submit several times over.
const SLOTS_MAX: usize = 4096;
/// Fewest slots, however large the datagrams are.
const SLOTS_MIN: usize = 64;

/// Which message a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The place of the socket.
    pub slot: u32,
    /// Its lane.
    pub lane: u32,
    /// The message's number.
    pub sequence: u64,
}

/// The slots of a worker.
#[derive(Debug)]
pub struct SendSlots {
    slots: Vec<Slot>,
    free: Vec<u32>,
    size: usize,
    max: usize,
}

#[derive(Debug)]
struct Slot {
    /// Shared with the ring while it is lent.
    bytes: Arc<Vec<u8>>,
    sent: Sent,
}

impl SendSlots {
    /// Slots for datagrams of `size` bytes; memory comes when it is needed, and stays.
    pub fn new(size: usize) -> Self {
        let max = (BYTES_MAX / size).clamp(SLOTS_MIN, SLOTS_MAX);
        Self { slots: Vec::new(), free: Vec::new(), size, max }
    }

    /// Whether there is a slot to lend.
    pub fn has_room(&self) -> bool {
        !self.free.is_empty() || self.slots.len() < self.max
    }

    /// Writes a message into a slot and lends it.
    ///
    /// # Panics
    /// When there is no room.
    pub fn lend(&mut self, pattern: &Pattern, message: Message, sent: Sent) -> (u32, Part) {
        assert!(self.has_room(), "`has_room` was asked first");
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { bytes: vec![0; self.size].into(), sent });
            slot(self.slots.len() - 1)
        });
        let slot = &mut self.slots[index(number)];
        slot.sent = sent;
        let bytes =
            Arc::get_mut(&mut slot.bytes).expect("the ring has dropped its share of a slot that is free");
        pattern.write(message, bytes);
        (number, Part::Shared(Arc::clone(&slot.bytes), 0..self.size))
    }

    /// Takes a slot back from the ring.
    pub fn take_back(&mut self, number: u32) -> Sent {
        self.free.push(number);
        self.slots[index(number)].sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_written_anew_when_it_has_come_home() {
        let pattern = Pattern::new(1, 65_507);
        let mut slots = SendSlots::new(65_507);
        let message = |sequence| Message { connection: 1, lane: 0, sequence };
        let sent = |sequence| Sent { slot: 2, lane: 0, sequence };
        let mut lent = Vec::new();
        while slots.has_room() {
            let sequence = lent.len() as u64;
            lent.push(slots.lend(&pattern, message(sequence), sent(sequence)));
        }
        assert_eq!(lent.len(), 512, "32 MiB of the largest datagrams");
        let (number, part) = lent.remove(7);
        drop(part);
        assert_eq!(slots.take_back(number), sent(7));
        let (again, part) = slots.lend(&pattern, message(1000), sent(1000));
        assert_eq!(again, number);
        let mut expected = Vec::new();
        pattern.append(message(1000), &mut expected);
        assert_eq!(part.bytes(), expected);
    }
}
