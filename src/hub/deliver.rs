//! The end of a turn: from what clients have heard to their outboxes.

use std::sync::Arc;

use super::client::{Client, ClientOptions, Piece};
use super::form::Form;
use super::{ClientId, Hub};
use crate::connection::{ConnectionId, Outbox};
use crate::limits;
use crate::protocol::websocket::{self, sender};

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
            hears: None,
            touched: false,
            asked: 0,
            messages_out: 0,
        }
    }
}

impl Hub {
    /// Writes what a client has been told so far in this turn, so that what its service writes next comes behind it. A
    /// service does so before it answers anything whose place among the messages matters.
    pub fn catch_up(&mut self, client: ClientId, outbox: &mut Outbox) {
        if self.client(client).is_none_or(|client| !client.touched) {
            return;
        }
        self.settle_run();
        self.set_down(client.place);
        self.write_pieces(client.place, outbox);
    }

    /// Ends the bytes of this turn: they can be shared now.
    pub(crate) fn close_turn(&mut self) {
        self.settle_run();
        for id in &self.open {
            let group = &mut self.groups[*id as usize];
            if limits::SHARE_BYTES_MIN <= group.bytes.len() {
                group.shared = Some(self.buffers.lend(std::mem::take(&mut group.bytes)));
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
            self.clients.remove(place as usize);
        }
    }

    /// Writes to a client's outbox what it has heard in this turn, unless too much waits there: `waiting` bytes, of which
    /// the outbox itself may hold none, where they are encrypted elsewhere.
    pub(crate) fn deliver(&mut self, client: ClientId, waiting: usize, outbox: &mut Outbox) -> Written {
        self.finish_hearing(client.place);
        let entry = &mut self.clients[client.place as usize];
        if entry.options.pending_bytes_max < waiting {
            entry.pieces.clear();
            self.counts.slow_consumers += 1;
            return Written::TooSlow(entry.options.form.farewell());
        }
        self.write_pieces(client.place, outbox);
        Written::Fine
    }

    /// A client whose connection takes nothing any more.
    pub(crate) fn skip(&mut self, client: ClientId) {
        self.finish_hearing(client.place);
        self.clients[client.place as usize].pieces.clear();
    }

    /// Begins the next turn.
    pub(crate) fn end_turn(&mut self) {
        debug_assert!(self.touched.is_empty(), "all that was heard was delivered");
        while let Some(id) = self.open.pop() {
            let group = &mut self.groups[id as usize];
            group.shared = None;
            self.buffers.give(std::mem::take(&mut group.bytes));
            group.splices.clear();
            group.late.clear();
            if group.is_dead {
                self.groups.remove(id as usize);
            }
        }
        self.buffers.collect();
        self.turn += 1;
    }

    /// Sets down what a client has heard, at the end of the turn: nobody needs to know that it hears no more.
    fn finish_hearing(&mut self, client: u32) {
        let entry = &mut self.clients[client as usize];
        let Some(hears) = entry.hears.take() else { return };
        let group = &self.groups[hears.group as usize];
        let end = group.end();
        if hears.start < end {
            entry.pieces.push(Piece::Group(hears.group, hears.start..end));
            entry.messages_out += group.messages - hears.messages;
        }
    }

    fn write_pieces(&mut self, client: u32, outbox: &mut Outbox) {
        let entry = &mut self.clients[client as usize];
        if entry.pieces.is_empty() {
            return;
        }
        let mut pieces = std::mem::take(&mut entry.pieces);
        if matches!(entry.options.form, Form::Nats { framed: true, .. }) {
            let length = pieces.iter().map(|piece| self.length(piece)).sum();
            outbox.write(&sender::message_header(websocket::Kind::Binary, length, None));
        }
        for piece in pieces.drain(..) {
            self.write_piece(piece, outbox);
        }
        if pieces.capacity() <= limits::PIECES_KEPT {
            self.clients[client as usize].pieces = pieces;
        }
    }

    fn length(&self, piece: &Piece) -> usize {
        match piece {
            Piece::Shared(_, range) => range.len(),
            Piece::Group(group, range) => {
                let splices = self.groups[*group as usize].splices.iter();
                let within = splices.filter(|splice| range.contains(&splice.at));
                range.len() + within.map(|splice| splice.payload.len()).sum::<usize>()
            }
        }
    }

    fn write_piece(&self, piece: Piece, outbox: &mut Outbox) {
        let (group, range) = match piece {
            Piece::Shared(bytes, range) => return share(outbox, &bytes, range),
            Piece::Group(group, range) => (&self.groups[group as usize], range),
        };
        let mut start = range.start;
        // A splice stands before the end of its own message, so it never lies on the border of a piece.
        for splice in group.splices.iter().filter(|splice| range.contains(&splice.at)) {
            write_range(group, start..splice.at, outbox);
            outbox.send_shared(Arc::clone(&splice.payload), 0..splice.payload.len());
            start = splice.at;
        }
        write_range(group, start..range.end, outbox);
    }
}

/// Some of a group's bytes: shared when the turn is over, copied while it lasts.
fn write_range(group: &super::group::Group, range: std::ops::Range<usize>, outbox: &mut Outbox) {
    match &group.shared {
        Some(bytes) => share(outbox, bytes, range),
        None => outbox.write(&group.bytes[range]),
    }
}

/// A few bytes are copied: that costs less than one more part of a send, and frees what many share.
fn share(outbox: &mut Outbox, bytes: &Arc<Vec<u8>>, range: std::ops::Range<usize>) {
    if range.len() < limits::SHARE_BYTES_MIN {
        outbox.write(&bytes[range]);
    } else {
        outbox.send_shared(Arc::clone(bytes), range);
    }
}
