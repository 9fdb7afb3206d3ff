//! Bytes lent to the kernel: what a send is made of, and where it waits until the kernel is done with it.
//!
//! A send owns its bytes. Whoever pushes it gives them away, the ring parks them under the send's slot, and the
//! completion brings them home. So no byte can be freed or changed while the kernel reads it.

#![allow(unsafe_code, reason = "holds memory whose address the kernel has")]

use std::fmt;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use super::buffers::RecvBuf;
use super::copied::Copied;
use crate::limits;

/// Some of the bytes of a send.
pub enum Part {
    /// Bytes in the buffer they were received in.
    Received(RecvBuf),
    /// Bytes that were copied.
    Copied(Copied),
    /// Bytes that many sends share.
    Shared(Arc<Vec<u8>>, Range<usize>),
}

impl Part {
    /// The bytes still to send.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Received(buffer) => buffer,
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes, range) => &bytes[range.clone()],
        }
    }

    /// Forgets the first `count` bytes, which were sent.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.bytes().len(), "no more is sent than there is");
        match self {
            Self::Received(buffer) => buffer.advance(count),
            Self::Copied(bytes) => bytes.advance(count),
            Self::Shared(_, range) => range.start += count,
        }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Received(_) => "Received",
            Self::Copied(..) => "Copied",
            Self::Shared(..) => "Shared",
        };
        write!(f, "{kind}({} bytes)", self.bytes().len())
    }
}

/// The parts of one send, in order. Never more than [`limits::SEND_PARTS_MAX`].
#[derive(Debug, Default)]
pub struct Gather {
    parts: Vec<Part>,
}

impl Gather {
    /// A send of these parts.
    ///
    /// # Panics
    /// When there are too many.
    pub fn new(parts: Vec<Part>) -> Self {
        assert!(parts.len() <= limits::SEND_PARTS_MAX, "a send has at most SEND_PARTS_MAX parts");
        Self { parts }
    }

    /// A send of one part.
    pub fn one(part: Part) -> Self {
        Self { parts: vec![part] }
    }

    /// The parts, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The parts, to replace or to take.
    pub fn parts_mut(&mut self) -> &mut Vec<Part> {
        &mut self.parts
    }

    /// Whether nothing is left to send.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes still to send.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.bytes().len()).sum()
    }

    /// Forgets the first `count` bytes, which were sent. What is sent whole is dropped.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn advance(&mut self, mut count: usize) {
        let mut sent = 0;
        for part in &mut self.parts {
            let bytes = part.bytes().len();
            if count < bytes {
                part.advance(count);
                count = 0;
                break;
            }
            count -= bytes;
            sent += 1;
        }
        assert_eq!(count, 0, "no more is sent than there is");
        self.parts.drain(..sent);
    }
}

/// A value whose address the kernel has: it stays where it is, and only raw pointers reach it.
#[derive(Debug)]
pub(super) struct Lent<T>(NonNull<T>);

impl<T> Lent<T> {
    pub(super) fn new(value: T) -> Self {
        Self(NonNull::from(Box::leak(Box::new(value))))
    }

    pub(super) fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer comes from `Box::leak` in `new` and is freed here only. That the kernel is done with
        // it is kept by the ring, which drops a `Lent` after its last completion and otherwise leaks it.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Addresses and lengths for a send of several parts, as the kernel wants them.
pub(super) struct MessageHeader {
    pub(super) header: libc::msghdr,
    pub(super) parts: [libc::iovec; limits::SEND_PARTS_MAX],
}

/// A stream send that the kernel works on.
pub(super) struct ParkedSend {
    pub(super) gather: Gather,
    /// Only for several parts.
    pub(super) header: Option<Lent<MessageHeader>>,
    /// The number of its entry among all that were ever pushed.
    pub(super) entry: u64,
}

/// A datagram that the kernel works on. The place for its address stays with its slot for the next one.
pub(super) struct ParkedDatagram {
    pub(super) payload: Option<Part>,
    pub(super) name: Lent<PeerName>,
}

/// An address: of an accepted peer, where the kernel writes it, or of a datagram's destination.
#[repr(C)]
pub(super) struct PeerName {
    pub(super) name: libc::sockaddr_storage,
    pub(super) bytes: libc::socklen_t,
}

/// Things lent to the kernel, found again by the slot of their token.
pub(super) struct Parking<T> {
    places: Vec<Option<T>>,
}

impl<T> Parking<T> {
    pub(super) fn new() -> Self {
        Self { places: Vec::new() }
    }

    /// Parks a thing.
    ///
    /// # Panics
    /// When one is there already: an owner has one operation of a kind in flight at most.
    pub(super) fn park(&mut self, slot: u32, thing: T) {
        let place = self.place(slot);
        assert!(place.is_none(), "one operation of a kind in flight per slot");
        *place = Some(thing);
    }

    pub(super) fn place(&mut self, slot: u32) -> &mut Option<T> {
        let slot = slot as usize;
        if self.places.len() <= slot {
            self.places.resize_with(slot + 1, || None);
        }
        &mut self.places[slot]
    }

    pub(super) fn take(&mut self, slot: u32) -> Option<T> {
        self.places.get_mut(slot as usize)?.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather() -> Gather {
        let shared = Arc::new(b"0123456789".to_vec());
        Gather::new(vec![
            Part::Copied(b"abc".to_vec().into()),
            Part::Shared(shared, 2..6),
            Part::Copied(b"yz".to_vec().into()),
        ])
    }

    fn rest(gather: &Gather) -> Vec<u8> {
        gather.parts().iter().flat_map(|part| part.bytes().to_vec()).collect()
    }

    #[test]
    fn every_short_send_leaves_the_right_rest() {
        let whole = b"abc2345yz";
        for count in 0..=whole.len() {
            let mut gather = gather();
            gather.advance(count);
            assert_eq!(rest(&gather), &whole[count..], "after {count}");
            assert_eq!(gather.len(), whole.len() - count);
            assert_eq!(gather.is_empty(), count == whole.len());
        }
    }

    #[test]
    #[should_panic(expected = "no more is sent than there is")]
    fn more_than_there_is_cannot_be_sent() {
        gather().advance(10);
    }

    #[test]
    #[should_panic(expected = "one operation of a kind in flight per slot")]
    fn a_slot_parks_one_thing() {
        let mut parking = Parking::new();
        parking.park(3, ());
        parking.park(3, ());
    }
}
