//! The end of a turn: from what clients have heard to their outboxes.

use std::ops::Range;
use std::sync::Arc;

use super::backlog::{Mark, Parts, SlowPolicy};
use super::client::{Client, ClientOptions, Hears, Piece};
use super::form::Form;
use super::speech::Speech;
use super::{ClientId, Hub};
use crate::connection::{ConnectionId, Outbox};
use crate::limits;
use crate::protocol::websocket::{self, sender};
use crate::sys::clock::Time;

/// What came of writing what a client has heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is in the outbox.
    Fine,
    /// Too much waits already: the client does not keep up. This tells it so.
    TooSlow(Vec<u8>),
}

impl Client {
    pub(super) fn new(generation: u32, connection: ConnectionId, options: ClientOptions) -> Self {
        Self {
            generation,
            connection,
            options,
            subscriptions: Vec::new(),
            pieces: Vec::new(),
            hears: Hears::Nothing,
            own: None,
            run: 0,
            touched: false,
            asked: 0,
            messages_out: 0,
            backlog: None,
            dropped: 0,
        }
    }
}

impl Hub {
    /// Writes what a client has been told so far in this turn, so that what its service writes next comes behind it. A
    /// service does so before it answers anything whose place among the messages matters.
    pub fn catch_up(&mut self, client: ClientId, outbox: &mut Outbox) {
        // What is held back goes first, and that is not now.
        if self.client(client).is_none_or(|client| !client.touched || client.backlog.is_some()) {
            return;
        }
        self.settle_run();
        self.set_down(client.place);
        self.write_pieces(client.place, outbox);
    }

    /// The same, and before it all that is held back: for what stands for everything before it, as a PONG does, or the end.
    pub fn flush(&mut self, client: ClientId, outbox: &mut Outbox) {
        if self.client(client).is_some() {
            self.send_backlog(client.place, usize::MAX, outbox);
            self.catch_up(client, outbox);
        }
    }

    /// Ends the bytes of this turn: they can be shared now.
    pub(crate) fn close_turn(&mut self) {
        self.settle_run();
        if self.is_crowded() {
            // Nobody is cut for what has come home.
            self.buffers.may_be_home();
            self.buffers.collect_due(limits::HUB_LENT_LOOKS_CROWDED);
        }
        for id in &self.open {
            let group = &mut self.groups[*id as usize];
            let Some(speech) = &mut group.speech else { continue };
            if limits::SHARE_BYTES_MIN <= speech.bytes.len() {
                speech.shared = Some(self.buffers.lend(std::mem::take(&mut speech.bytes)));
            }
        }
    }

    /// The next client that is to be sent something, with its connection.
    pub(crate) fn next_touched(&mut self) -> Option<(ClientId, ConnectionId)> {
        loop {
            let place = self.touched.pop()?;
            let client = &mut self.clients[place as usize];
            client.touched = false;
            if client.generation != 0 {
                return Some((ClientId { place, generation: client.generation }, client.connection));
            }
            self.end_own(place);
            let gone = self.clients.remove(place as usize);
            self.behind.remove(&gone.connection);
        }
    }

    /// Writes to a client's outbox what it has heard in this turn, unless too much waits there: `waiting` bytes, of which
    /// the outbox itself may hold none, where they are encrypted elsewhere.
    pub(crate) fn deliver(&mut self, client: ClientId, waiting: usize, outbox: &mut Outbox) -> Written {
        self.end_hearing(client.place);
        self.share_own(client.place);
        if self.lossy {
            self.hold_back(client.place, waiting);
        }
        let crowd_max = if self.is_crowded() { limits::HUB_CROWDED_BYTES } else { usize::MAX };
        let entry = &mut self.clients[client.place as usize];
        let kept = entry.backlog.as_ref().map_or(0, |backlog| backlog.kept_bytes());
        let most = entry.options.pending_bytes_max;
        if most.min(crowd_max) < waiting + kept {
            entry.pieces.clear();
            let farewell = entry.options.form.farewell();
            self.end_own(client.place);
            self.counts.slow_consumers += 1;
            return Written::TooSlow(farewell);
        }
        self.write_pieces(client.place, outbox);
        self.end_own(client.place);
        if waiting == 0 {
            self.send_backlog(client.place, limits::HUB_BACKLOG_SEND_BYTES, outbox);
        }
        Written::Fine
    }

    /// Whether sends have borrowed more than they may.
    #[inline]
    fn is_crowded(&self) -> bool {
        self.lent_bytes_max < self.buffers.lent_bytes()
    }

    /// A client whose connection takes nothing any more.
    pub(crate) fn skip(&mut self, client: ClientId) {
        self.end_hearing(client.place);
        self.clients[client.place as usize].pieces.clear();
        self.end_own(client.place);
    }

    /// Lets sends borrow what a client alone has heard, if it is worth it.
    fn share_own(&mut self, client: u32) {
        if let Some(speech) = &mut self.clients[client as usize].own
            && limits::SHARE_BYTES_MIN <= speech.bytes.len()
        {
            speech.shared = Some(self.buffers.lend(std::mem::take(&mut speech.bytes)));
        }
    }

    /// What a client alone has heard in this turn is on its way, or is for nobody any more.
    fn end_own(&mut self, client: u32) {
        if let Some(speech) = self.clients[client as usize].own.take() {
            self.keep_speech(speech);
        }
    }

    /// Keeps the memory of a speech for the next turn.
    fn keep_speech(&mut self, mut speech: Box<Speech>) {
        self.buffers.give(std::mem::take(&mut speech.bytes));
        speech.clear();
        if self.speeches.len() < limits::SPEECHES_KEPT {
            self.speeches.push(speech);
        }
    }

    /// Begins the next turn.
    pub(crate) fn end_turn(&mut self) {
        debug_assert!(self.touched.is_empty(), "all that was heard was delivered");
        self.turn_bytes = 0;
        while let Some(id) = self.open.pop() {
            let group = &mut self.groups[id as usize];
            let speech = group.speech.take();
            if group.is_dead {
                self.groups.remove(id as usize);
            }
            if let Some(speech) = speech {
                self.keep_speech(speech);
            }
        }
        self.buffers.collect();
    }

    /// Sends have ended: what they had borrowed may be free.
    #[inline]
    pub(crate) fn sends_ended(&mut self) {
        self.buffers.may_be_home();
    }

    /// Takes back some of what sends had borrowed and have no more. Returns whether there is more to look at.
    pub(crate) fn collect_lent(&mut self) -> bool {
        self.buffers.collect_due(limits::HUB_LENT_LOOKS);
        self.buffers.has_due()
    }

    /// Takes the deliveries of this turn: when their messages came in, and how many they are.
    pub(crate) fn take_deliveries(&mut self) -> impl Iterator<Item = (Time, u64)> {
        let own = self.counts.delivered - self.counted;
        self.counted = self.counts.delivered;
        let own = (0 < own).then_some((self.now, own));
        self.came.drain(..).chain(own)
    }

    fn write_pieces(&mut self, client: u32, outbox: &mut Outbox) {
        let entry = &mut self.clients[client as usize];
        if entry.pieces.is_empty() {
            return;
        }
        let mut pieces = std::mem::take(&mut entry.pieces);
        if matches!(entry.options.form, Form::Nats { framed: true, .. }) {
            let length = pieces.iter().map(|piece| self.length(client, piece)).sum();
            outbox.write(&sender::message_header(websocket::Kind::Binary, length, None));
        }
        for piece in pieces.drain(..) {
            self.write_piece(client, piece, outbox);
        }
        if pieces.capacity() <= limits::PIECES_KEPT {
            self.clients[client as usize].pieces = pieces;
        }
    }

    /// Whether something is held back for a connection that has taken all that it was sent; then it is sent more when the
    /// turn ends.
    #[inline]
    pub(crate) fn resume(&mut self, connection: ConnectionId) {
        if self.behind.is_empty() {
            return;
        }
        if let Some(client) = self.behind.get(&connection) {
            self.touch(*client);
        }
    }

    /// Whether anything is held back.
    #[inline]
    pub(crate) fn holds_back(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Holds back what a client has heard that may be left out, if it still has something to take, and what comes behind
    /// it.
    fn hold_back(&mut self, client: u32, waiting: usize) {
        let entry = &mut self.clients[client as usize];
        let is_behind = entry.backlog.is_some();
        if waiting == 0 && !is_behind {
            return;
        }
        let policy = entry.options.slow;
        let pieces = std::mem::take(&mut entry.pieces);
        let mut backlog = entry.backlog.take().unwrap_or_default();
        let mut direct = Vec::new();
        let mut dropped = 0;
        for piece in pieces {
            let Some((speech, range)) = self.spoken(client, &piece) else { continue };
            let may_go = |mark: &Mark| mark.rule.unwrap_or(policy) == SlowPolicy::Cut;
            if backlog.is_empty() && marks_within(speech, &range).all(|(_, mark)| may_go(mark)) {
                direct.push(piece);
                continue;
            }
            let mut start = range.start;
            for (end, mark) in marks_within(speech, &range) {
                dropped += backlog.push(*mark, policy, parts_of(speech, start..*end));
                start = *end;
            }
        }
        let entry = &mut self.clients[client as usize];
        entry.pieces = direct;
        entry.dropped += dropped;
        self.counts.dropped += dropped;
        if !backlog.is_empty() {
            self.behind.insert(entry.connection, client);
            entry.backlog = Some(backlog);
        }
    }

    /// Sends about so many bytes of what was held back, and says what was left out of it.
    fn send_backlog(&mut self, client: u32, most: usize, outbox: &mut Outbox) {
        let entry = &mut self.clients[client as usize];
        let Some(backlog) = &mut entry.backlog else { return };
        let form = entry.options.form;
        form.write_dropped(backlog.take_untold(), outbox);
        let length = backlog.next_bytes(most);
        if matches!(form, Form::Nats { framed: true, .. }) && 0 < length {
            outbox.write(&sender::message_header(websocket::Kind::Binary, length, None));
        }
        backlog.send(most, outbox);
        if backlog.is_empty() {
            self.behind.remove(&entry.connection);
            entry.backlog = None;
        }
    }

    fn length(&self, client: u32, piece: &Piece) -> usize {
        self.spoken(client, piece).map_or(0, |(speech, range)| speech.length(&range))
    }

    /// What a piece is a range of.
    fn spoken(&self, client: u32, piece: &Piece) -> Option<(&Speech, Range<usize>)> {
        let (speech, range) = match piece {
            Piece::Own(range) => (&self.clients[client as usize].own, range),
            Piece::Group(group, range) => (&self.groups[*group as usize].speech, range),
        };
        speech.as_deref().map(|speech| (speech, range.clone()))
    }

    fn write_piece(&self, client: u32, piece: Piece, outbox: &mut Outbox) {
        let Some((speech, range)) = self.spoken(client, &piece) else { return };
        let mut start = range.start;
        // A splice stands before the end of its own message, so it never lies on the border of a piece.
        for splice in speech.splices.iter().filter(|splice| range.contains(&splice.at)) {
            write_range(speech, start..splice.at, outbox);
            outbox.send_shared(Arc::clone(&splice.payload), 0..splice.payload.len());
            start = splice.at;
        }
        write_range(speech, start..range.end, outbox);
    }
}

/// The messages that end within a range of the bytes.
fn marks_within<'a>(speech: &'a Speech, range: &Range<usize>) -> impl Iterator<Item = &'a (usize, Mark)> {
    let first = speech.marks.partition_point(|(end, _)| *end <= range.start);
    let end = range.end;
    speech.marks[first..].iter().take_while(move |(at, _)| *at <= end)
}

/// A message's bytes, to be held back.
fn parts_of(speech: &Speech, range: Range<usize>) -> Parts {
    let bytes = speech.content();
    match speech.splices.iter().find(|splice| range.contains(&splice.at)) {
        None => Parts::Copied(bytes[range].into()),
        Some(splice) => Parts::Spliced(
            bytes[range.start..splice.at].into(),
            Arc::clone(&splice.payload),
            bytes[splice.at..range.end].into(),
        ),
    }
}

/// Some of the bytes: shared when the turn is over, copied while it lasts.
fn write_range(speech: &Speech, range: Range<usize>, outbox: &mut Outbox) {
    match &speech.shared {
        Some(bytes) => share(outbox, bytes, range),
        None => outbox.write(&speech.bytes[range]),
    }
}

/// A few bytes are copied: that costs less than one more part of a send, and frees what many share.
fn share(outbox: &mut Outbox, bytes: &Arc<Vec<u8>>, range: Range<usize>) {
    if range.len() < limits::SHARE_BYTES_MIN {
        outbox.write(&bytes[range]);
    } else {
        outbox.send_shared(Arc::clone(bytes), range);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Subscribe;
    use super::super::message::Message;
    use super::*;

    struct One {
        id: ClientId,
        slot: u32,
        outbox: Outbox,
        is_cut: bool,
    }

    fn join(hub: &mut Hub, slot: u32, subject: &str) -> One {
        let form = Form::Nats { headers: true, framed: false };
        let options = ClientOptions { form, echo: true, pending_bytes_max: 64 << 20, slow: SlowPolicy::Cut };
        let id = hub.join(ConnectionId::numbered(slot), options);
        let wish = Subscribe { filter: subject.as_bytes(), sid: b"1", ..Subscribe::default() };
        hub.subscribe(id, &wish).unwrap();
        One { id, slot, outbox: Outbox::default(), is_cut: false }
    }

    fn turn(hub: &mut Hub, ones: &mut [One], said: &[(&str, usize)]) {
        for (subject, length) in said {
            let payload = vec![b'x'; *length];
            hub.publish(
                None,
                &Message { subject: subject.as_bytes(), payload: &payload, ..Message::default() },
            );
        }
        hub.close_turn();
        while let Some((client, connection)) = hub.next_touched() {
            let one = ones.iter_mut().find(|one| one.slot == connection.slot()).unwrap();
            if hub.deliver(client, one.outbox.pending_bytes(), &mut one.outbox) != Written::Fine {
                one.outbox.clear();
                one.is_cut = true;
                hub.leave(one.id);
            }
        }
        hub.end_turn();
        hub.sends_ended();
        while hub.collect_lent() {}
    }

    /// Three do not read: each is far from its own bound, and together they are beyond that of the shard. Those with most
    /// go, one who has little waiting stays, and so does one who reads; then what is borrowed is within the bound again.
    #[test]
    fn while_too_much_is_lent_those_with_most_waiting_are_cut() {
        let mut hub = Hub::new(0, 1, 1);
        hub.set_lent_bytes_max(4 << 20);
        let mut ones: Vec<One> = ["a", "b", "little", "reads"]
            .into_iter()
            .zip(0..)
            .map(|(name, slot)| join(&mut hub, slot, name))
            .collect();
        for number in 0..200 {
            let little = if number < 10 { 50_000 } else { 0 };
            turn(&mut hub, &mut ones, &[("a", 50_000), ("b", 40_000), ("little", little), ("reads", 60_000)]);
            while ones[3].outbox.has_queued() {
                let gather = ones[3].outbox.take_send();
                let count = gather.len();
                ones[3].outbox.sent(gather, count);
            }
            let held: usize = ones.iter().map(|one| one.outbox.pending_bytes()).sum();
            assert!(held <= (4 << 20) + 200_000, "{held} bytes wait in turn {number}");
        }
        assert!(ones[0].is_cut || ones[1].is_cut);
        assert!(!ones[2].is_cut && !ones[3].is_cut, "who has little waiting stays");
        assert!(hub.sizes().lent_bytes <= 5 << 20, "{}", hub.sizes().lent_bytes);
        assert_eq!(hub.counts().slow_consumers, ones.iter().map(|one| u64::from(one.is_cut)).sum::<u64>());
    }

    /// The same without that bound: nobody is cut.
    #[test]
    fn nobody_is_cut_for_what_others_have_waiting_below_the_bound() {
        let mut hub = Hub::new(0, 1, 1);
        let mut ones = vec![join(&mut hub, 0, "a"), join(&mut hub, 1, "b")];
        for _ in 0..200 {
            turn(&mut hub, &mut ones, &[("a", 50_000), ("b", 50_000)]);
        }
        assert!(ones.iter().all(|one| !one.is_cut && 10_000_000 < one.outbox.pending_bytes()));
    }

    /// A PONG says that all before it has come, so what is held back goes before it.
    #[test]
    fn what_is_held_back_goes_before_what_stands_for_all() {
        let mut hub = Hub::new(0, 1, 1);
        hub.set_rules(vec![(b"score.>"[..].into(), SlowPolicy::KeepLatest)]);
        let mut ones = vec![join(&mut hub, 0, "score.*")];
        ones[0].outbox.write(b"still waiting ");
        turn(&mut hub, &mut ones, &[("score.a", 1), ("score.b", 1), ("score.a", 1)]);
        assert_eq!(ones[0].outbox.pending_bytes(), 14, "it is held back");
        hub.flush(ones[0].id, &mut ones[0].outbox);
        let message = "MSG score.a 1 1\r\nx\r\n".len();
        assert_eq!(ones[0].outbox.pending_bytes(), 14 + 2 * message);
        assert!(!hub.holds_back());
    }
}
