//! Bytes that wait for the peer.
//!
//! Services write parts here during a turn; at its end they leave in one gathered send, and one send at most is in
//! flight. Small parts are copied together, received buffers are lent, shared bytes are shared. A send first takes
//! what fits at once, so that what is lent comes home in the next turn. When the peer does not keep up the outbox is
//! *stalled*: from then on the kernel waits with the rest, and whether received buffers may wait with it is decided
//! by how many are free ([`delivery`]).

use std::ops::Range;
use std::sync::Arc;

use crate::limits;
use crate::ring::{BufferLevel, Copied, Gather, Part, RecvBuf};

/// What waits for one peer.
#[derive(Debug, Default)]
pub struct Outbox {
    /// What came home from a send that did not take all of it. It goes first.
    rest: Gather,
    /// What was written since.
    queued: Vec<Part>,
    /// Parts at the front of it that belong to what a send has begun to say: without them a message would be cut in two.
    begun: usize,
    /// An empty vector that keeps its memory for the next send.
    spare: Vec<Part>,
    /// Bytes of all parts, with those in flight.
    pending_bytes: usize,
    /// Bytes of copied parts, with those in flight: the private memory of this peer.
    copied_bytes: usize,
    /// Whether the last send could not take everything at once.
    stalled: bool,
}

/// How received bytes wait for a peer who does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// In the buffer they came in.
    Lend,
    /// Copied, so that the buffer is free.
    Copy,
}

/// Copies when the shared buffers run low, so that slow readers cannot starve the others.
pub fn delivery(level: BufferLevel) -> Delivery {
    let reserve = level.total / limits::RECEIVE_BUFFERS_RESERVE_DIVISOR;
    if reserve < level.free { Delivery::Lend } else { Delivery::Copy }
}

impl Outbox {
    /// Writes a copy of `bytes`.
    pub fn write(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.pending_bytes += bytes.len();
        self.copied_bytes += bytes.len();
        if self.joins()
            && let Some(Part::Copied(tail)) = self.queued.last_mut()
            && tail.len() + bytes.len() <= limits::COPY_PART_BYTES
        {
            tail.push(bytes);
        } else {
            self.push(Part::Copied(bytes.into()));
        }
    }

    /// Has `write` append to what was written, without a copy in between.
    pub fn write_with<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let joins = |part: &Part| matches!(part, Part::Copied(tail) if tail.len() < limits::COPY_PART_BYTES);
        if !self.joins() || !self.queued.last().is_some_and(joins) {
            self.push(Part::Copied(Copied::with_room(0)));
        }
        let Some(Part::Copied(tail)) = self.queued.last_mut() else { unreachable!("it was put there") };
        let before = tail.len();
        let result = tail.push_with(write);
        let written = tail.len() - before;
        if tail.is_empty() {
            self.queued.pop();
        }
        self.pending_bytes += written;
        self.copied_bytes += written;
        result
    }

    /// Writes bytes that need no copy.
    pub fn write_owned(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.pending_bytes += bytes.len();
            self.copied_bytes += bytes.len();
            self.push(Part::Copied(bytes.into()));
        }
    }

    /// What was queued, for a filter that sends something else instead.
    pub(crate) fn take_queued(&mut self) -> Vec<Part> {
        let taken = std::mem::take(&mut self.queued);
        self.begun = 0;
        self.pending_bytes -= taken.iter().map(|part| part.bytes().len()).sum::<usize>();
        self.copied_bytes -= copied_in(&taken);
        taken
    }

    /// Keeps the room of what [`take_queued`](Self::take_queued) gave.
    pub(crate) fn give_room(&mut self, mut parts: Vec<Part>) {
        parts.clear();
        self.queued = parts;
    }

    /// Sends received bytes on, from the buffer they came in; or, if they are few and the peer does not keep up, a copy.
    pub fn send_received(&mut self, bytes: RecvBuf) {
        if self.stalled && bytes.len() < limits::LEND_BYTES_MIN {
            self.write(&bytes);
        } else if !bytes.is_empty() {
            self.pending_bytes += bytes.len();
            self.push(Part::Received(bytes));
        }
    }

    /// Sends some of the bytes that many peers share.
    pub fn send_shared(&mut self, bytes: Arc<Vec<u8>>, range: Range<usize>) {
        if !range.is_empty() {
            self.pending_bytes += range.len();
            self.push(Part::Shared(bytes, range));
        }
    }

    /// Most peers are answered in one part: room for four, as a vector takes at first, would be kept by every idle one.
    fn push(&mut self, part: Part) {
        if self.queued.capacity() == 0 {
            self.queued.reserve_exact(1);
        }
        self.queued.push(part);
    }

    /// Bytes that the peer has not yet been sent, with those in flight.
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Bytes that are private copies for this peer, with those in flight.
    pub fn copied_bytes(&self) -> usize {
        self.copied_bytes
    }

    /// Memory of the list of parts itself, beyond the room that everybody may keep: one who never reads is sent a part in
    /// each turn.
    pub fn parts_bytes(&self) -> usize {
        self.queued.capacity().saturating_sub(limits::SEND_PARTS_MAX) * size_of::<Part>()
    }

    /// Whether what is written next may join the last part: not if that is begun, and what follows may be forgotten.
    fn joins(&self) -> bool {
        self.begun != self.queued.len()
    }

    /// Whether nothing waits and nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.pending_bytes == 0
    }

    /// Whether the peer does not keep up.
    pub fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Whether there is something that is not in flight.
    pub(crate) fn has_queued(&self) -> bool {
        !self.rest.is_empty() || !self.queued.is_empty()
    }

    /// The parts of the next send. They come home by `sent`.
    pub fn take_send(&mut self) -> Gather {
        if !self.rest.is_empty() {
            return std::mem::take(&mut self.rest);
        }
        debug_assert!(self.spare.is_empty(), "a spare vector holds nothing");
        let mut parts = std::mem::take(&mut self.spare);
        if self.queued.len() <= limits::SEND_PARTS_MAX {
            std::mem::swap(&mut parts, &mut self.queued);
            self.begun = 0;
        } else {
            parts.extend(self.queued.drain(..limits::SEND_PARTS_MAX));
            // Each turn ends with a whole message, and so does all that is queued when a send is taken.
            self.begun = match self.begun.checked_sub(limits::SEND_PARTS_MAX) {
                Some(left) => left,
                None => self.queued.len(),
            };
        }
        Gather::new(parts)
    }

    /// Takes the parts of a send back, of which the kernel took `sent` bytes. Returns whether that was all.
    pub(crate) fn sent(&mut self, mut gather: Gather, sent: usize) -> bool {
        let copied_before = copied_in(gather.parts());
        gather.advance(sent);
        self.pending_bytes -= sent;
        self.copied_bytes -= copied_before - copied_in(gather.parts());
        let all = gather.is_empty();
        if all {
            self.spare = std::mem::take(gather.parts_mut());
            self.forget_room();
        } else {
            self.rest = gather;
        }
        self.stalled = !all;
        all
    }

    /// Gives back memory that only a burst needed: an idle peer keeps room for one send.
    fn forget_room(&mut self) {
        for parts in [&mut self.spare, &mut self.queued] {
            if parts.is_empty() && limits::SEND_PARTS_MAX < parts.capacity() {
                *parts = Vec::new();
            }
        }
    }

    /// Parts that wait, and room for parts that is kept.
    #[cfg(test)]
    pub(crate) fn parts_kept(&self) -> usize {
        self.queued.capacity() + self.spare.capacity()
    }

    /// Copies what waits in receive buffers, so that they are free. What is in flight stays as it is.
    pub(crate) fn make_private(&mut self) -> usize {
        let before = self.copied_bytes;
        for part in self.rest.parts_mut().iter_mut().chain(&mut self.queued) {
            if let Part::Received(bytes) = part {
                self.copied_bytes += bytes.len();
                *part = Part::Copied(bytes[..].into());
            }
        }
        let mut behind = self.queued.split_off(self.begun);
        join_copies(&mut self.queued);
        join_copies(&mut behind);
        self.begun = self.queued.len();
        self.queued.append(&mut behind);
        self.copied_bytes - before
    }

    /// Forgets what was written since the last send. What a send has begun stays, so that no message is cut in two. Returns
    /// how many queued bytes that are.
    pub(crate) fn forget_queued(&mut self) -> usize {
        let parts = self.queued.split_off(self.begun);
        self.queued.shrink_to_fit();
        self.pending_bytes -= parts.iter().map(|part| part.bytes().len()).sum::<usize>();
        self.copied_bytes -= copied_in(&parts);
        self.queued.iter().map(|part| part.bytes().len()).sum()
    }

    /// Forgets everything that is not in flight.
    pub(crate) fn clear(&mut self) {
        self.begun = 0;
        let queued = std::mem::take(&mut self.queued).into_iter();
        let parts: Vec<Part> = queued.chain(self.rest.parts_mut().drain(..)).collect();
        self.pending_bytes -= parts.iter().map(|part| part.bytes().len()).sum::<usize>();
        self.copied_bytes -= copied_in(&parts);
    }
}

/// Joins neighbouring small copies, so that a peer who sends byte by byte and never reads costs no vector per byte.
fn join_copies(parts: &mut Vec<Part>) {
    parts.dedup_by(|next, last| match (last, next) {
        (Part::Copied(last), Part::Copied(next)) => {
            let joins = last.len() + next.len() <= limits::COPY_PART_BYTES;
            if joins {
                last.push(next);
            }
            joins
        }
        _ => false,
    });
}

fn copied_in(parts: &[Part]) -> usize {
    let copied = parts.iter().filter(|part| matches!(part, Part::Copied(..)));
    copied.map(|part| part.bytes().len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::buffers::test_buffer;

    fn text(gather: &Gather) -> String {
        let bytes: Vec<u8> = gather.parts().iter().flat_map(|part| part.bytes().to_vec()).collect();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn everything_a_turn_wrote_leaves_in_one_send_in_order() {
        let mut outbox = Outbox::default();
        outbox.write(b"one ");
        outbox.write(b"two ");
        outbox.send_received(test_buffer(b"three "));
        outbox.send_shared(Arc::new(b"[four]".to_vec()), 1..5);
        assert_eq!((outbox.pending_bytes(), outbox.copied_bytes()), (18, 8));
        let send = outbox.take_send();
        assert_eq!(text(&send), "one two three four");
        assert_eq!(send.parts().len(), 3, "small copies are joined");
        assert!(!outbox.has_queued());
        assert!(outbox.sent(send, 18));
        assert!(outbox.is_empty());
        assert_eq!(outbox.copied_bytes(), 0);
    }

    #[test]
    fn what_is_written_in_place_joins_what_was_written_before() {
        let mut outbox = Outbox::default();
        outbox.write_with(|_| ());
        assert!(!outbox.has_queued());
        outbox.write(b"ab");
        assert_eq!(outbox.write_with(|bytes| bytes.extend_from_slice(b"cde")), ());
        outbox.write_owned(b"fg".to_vec());
        assert_eq!((outbox.pending_bytes(), outbox.copied_bytes()), (7, 7));
        let parts = outbox.take_queued();
        assert_eq!(parts.iter().map(|part| part.bytes().len()).collect::<Vec<_>>(), [5, 2]);
        assert!(outbox.is_empty());
        outbox.give_room(parts);
        assert!(!outbox.has_queued());
    }

    #[test]
    fn the_rest_of_a_short_send_goes_before_what_was_written_since() {
        let mut outbox = Outbox::default();
        outbox.write(b"abcdef");
        let send = outbox.take_send();
        outbox.write(b"ghi");
        assert!(!outbox.sent(send, 4));
        assert!(outbox.is_stalled());
        assert_eq!((outbox.pending_bytes(), outbox.copied_bytes()), (5, 5));
        let rest = outbox.take_send();
        assert_eq!(text(&rest), "ef");
        assert!(outbox.sent(rest, 2));
        assert_eq!(text(&outbox.take_send()), "ghi");
        assert!(!outbox.is_stalled());
    }

    #[test]
    fn private_copies_free_the_receive_buffers_and_are_counted() {
        let mut outbox = Outbox::default();
        outbox.send_received(test_buffer(b"abcd"));
        let send = outbox.take_send();
        outbox.send_received(test_buffer(b"ef"));
        outbox.send_received(test_buffer(b"gh"));
        assert!(!outbox.sent(send, 1));
        assert_eq!(outbox.make_private(), 7);
        assert_eq!((outbox.pending_bytes(), outbox.copied_bytes()), (7, 7));
        assert_eq!(outbox.queued.len(), 1, "small copies are joined");
        let pins = |parts: &[Part]| parts.iter().any(|part| matches!(part, Part::Received(_)));
        assert!(!pins(outbox.rest.parts()) && !pins(&outbox.queued));
        let rest = outbox.take_send();
        assert_eq!(text(&rest), "bcd");
        assert!(outbox.sent(rest, 3));
        assert_eq!(text(&outbox.take_send()), "efgh");
    }

    /// A peer that sends byte by byte and never reads costs no part per byte, and leaves no room for parts behind.
    #[test]
    fn tiny_parts_for_a_stalled_peer_are_joined() {
        let mut outbox = Outbox::default();
        outbox.send_received(test_buffer(b"abcd"));
        let send = outbox.take_send();
        assert!(!outbox.sent(send, 1));
        for _ in 0..100_000 {
            outbox.send_received(test_buffer(b"x"));
        }
        assert!(outbox.parts_kept() <= 64, "{} parts", outbox.parts_kept());
        assert_eq!((outbox.pending_bytes(), outbox.copied_bytes()), (100_003, 100_000));
        while outbox.has_queued() {
            let send = outbox.take_send();
            let count = send.len();
            outbox.sent(send, count);
        }
        assert!(outbox.is_empty());
        assert!(outbox.parts_kept() <= 64, "{} parts", outbox.parts_kept());
    }

    #[test]
    fn a_burst_leaves_no_room_behind() {
        let mut outbox = Outbox::default();
        let shared = Arc::new(b"x".to_vec());
        for _ in 0..10_000 {
            outbox.send_shared(Arc::clone(&shared), 0..1);
        }
        while outbox.has_queued() {
            let send = outbox.take_send();
            let count = send.len();
            outbox.sent(send, count);
        }
        assert!(outbox.parts_kept() <= 2 * limits::SEND_PARTS_MAX, "{} parts", outbox.parts_kept());
    }

    #[test]
    fn a_send_has_a_bound_and_the_rest_follows() {
        let mut outbox = Outbox::default();
        let shared = Arc::new(b"x".to_vec());
        for _ in 0..limits::SEND_PARTS_MAX + 1 {
            outbox.send_shared(Arc::clone(&shared), 0..1);
        }
        let send = outbox.take_send();
        assert_eq!(send.len(), limits::SEND_PARTS_MAX);
        assert!(outbox.sent(send, limits::SEND_PARTS_MAX));
        assert_eq!(outbox.take_send().len(), 1);
    }

    /// A message of more parts than one send takes, and last words behind it: they do not stand in its midst.
    #[test]
    fn what_a_send_has_begun_to_say_is_not_forgotten() {
        let mut outbox = Outbox::default();
        let shared = Arc::new(b"x".to_vec());
        for _ in 0..limits::SEND_PARTS_MAX + 2 {
            outbox.send_shared(Arc::clone(&shared), 0..1);
        }
        outbox.write(b"!");
        let begun = outbox.take_send();
        outbox.write(b"joins nothing");
        outbox.send_shared(Arc::clone(&shared), 0..1);
        assert_eq!(outbox.forget_queued(), 3);
        outbox.write(b"farewell");
        assert_eq!(outbox.pending_bytes(), limits::SEND_PARTS_MAX + 3 + 8);
        let count = begun.len();
        assert!(outbox.sent(begun, count));
        assert_eq!(text(&outbox.take_send()), "xx!farewell");
    }

    /// As above, in sends that follow: a boundary that was known stays one.
    #[test]
    fn a_long_queue_is_forgotten_from_the_next_boundary_on() {
        let mut outbox = Outbox::default();
        let shared = Arc::new(b"x".to_vec());
        let most = limits::SEND_PARTS_MAX;
        let more = |outbox: &mut Outbox, count| {
            (0..count).for_each(|_| outbox.send_shared(Arc::clone(&shared), 0..1));
        };
        more(&mut outbox, 3 * most);
        let first = outbox.take_send();
        more(&mut outbox, 10);
        outbox.sent(first, most);
        let second = outbox.take_send();
        assert_eq!(outbox.forget_queued(), most, "the ten are forgotten");
        outbox.sent(second, most);
        let third = outbox.take_send();
        more(&mut outbox, 10);
        assert_eq!(outbox.forget_queued(), 0);
        outbox.sent(third, most);
        assert!(outbox.is_empty());
    }

    /// One who never reads is sent a part each turn: what the parts take is counted, and given back.
    #[test]
    fn the_room_of_very_many_parts_is_counted() {
        let mut outbox = Outbox::default();
        let shared = Arc::new(b"x".to_vec());
        outbox.send_shared(Arc::clone(&shared), 0..1);
        assert_eq!(outbox.parts_bytes(), 0, "a few are free");
        for _ in 0..10_000 {
            outbox.send_shared(Arc::clone(&shared), 0..1);
        }
        assert!((9_900 * 32..30_000 * 64).contains(&outbox.parts_bytes()), "{}", outbox.parts_bytes());
        assert_eq!(outbox.forget_queued(), 0);
        assert_eq!((outbox.parts_bytes(), outbox.pending_bytes()), (0, 0));
    }

    #[test]
    fn clearing_keeps_count_of_what_is_in_flight() {
        let mut outbox = Outbox::default();
        outbox.write(b"abc");
        let send = outbox.take_send();
        outbox.write(b"defg");
        outbox.clear();
        assert_eq!((outbox.pending_bytes(), outbox.copied_bytes()), (3, 3));
        outbox.sent(send, 0);
        outbox.clear();
        assert!(outbox.is_empty());
    }

    #[test]
    fn buffers_are_lent_until_a_quarter_is_left() {
        let at = |free| delivery(BufferLevel { free, total: 128 });
        assert_eq!(at(128), Delivery::Lend);
        assert_eq!(at(33), Delivery::Lend);
        assert_eq!(at(32), Delivery::Copy);
        assert_eq!(at(0), Delivery::Copy);
    }
}
