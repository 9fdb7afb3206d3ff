//! One stream between a peer and the server: what TCP and the kernel's socket make of it.
//!
//! A stream decides and knows nothing of operations queued elsewhere: each step says what an operation came to. The
//! rules are those of net/ipv4/tcp.c and io_uring/net.c; where a Unix socket differs, a stream without an address does.

use std::net::SocketAddr;

use super::faults::Dice;
use super::group::Group;
use super::pipe::Pipe;
use crate::ring::completion::{ReceiveError, Received, SendError};
use crate::ring::files::Descriptor;
use crate::ring::leases::Gather;
use crate::ring::op::SendMode;
use crate::ring::token::Token;

/// Where the server's side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Nobody listens.
    Refused,
    /// In the backlog.
    Waiting,
    /// At this place.
    Open(Descriptor),
    /// Closed.
    Closed,
}

/// An armed receive.
#[derive(Debug)]
pub(super) struct Receive {
    pub(super) token: Token,
    /// Bytes after which it ends, where that is known.
    pub(super) credit: Option<usize>,
    /// Bytes that one completion brings at most.
    pub(super) most: usize,
    /// Whether it asks for a buffer next, though nothing may be there.
    pub(super) looks: bool,
}

/// A send that is not over.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) token: Token,
    pub(super) gather: Gather,
    pub(super) mode: SendMode,
}

/// What a receive would find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Bytes(usize),
    End,
    Reset,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// The peer's; none for a Unix socket.
    pub(super) address: Option<SocketAddr>,
    pub(super) side: Side,
    /// From the peer to the server.
    pub(super) inbound: Pipe,
    /// From the server to the peer.
    pub(super) outbound: Pipe,
    pub(super) receive: Option<Receive>,
    pub(super) send: Option<Sending>,
    /// A shutdown that has not happened yet.
    pub(super) shutdown: Option<Token>,
    /// Whether it is on the list of what has news.
    pub(super) woken: bool,
    /// Whether the server has accepted it.
    pub(super) accepted: bool,
    /// Whether the server's FIN is on its way, behind all bytes.
    pub(super) our_end: bool,
    /// Whether the server's RST has reached the peer.
    pub(super) saw_reset: bool,
    /// Whether the peer's FIN is on its way, behind all bytes.
    peer_end: bool,
    /// Whether the peer is there no more to read.
    peer_closed: bool,
    /// Whether the peer's RST has reached the server.
    was_reset: bool,
    /// The RST as an error that the server's next call is told of, once (`sk_err`).
    error: bool,
}

impl Stream {
    pub(super) fn new(address: Option<SocketAddr>, side: Side, window: usize) -> Self {
        Self {
            address,
            side,
            inbound: Pipe::new(window),
            outbound: Pipe::new(window),
            receive: None,
            send: None,
            shutdown: None,
            woken: false,
            accepted: false,
            our_end: false,
            saw_reset: false,
            peer_end: false,
            peer_closed: false,
            was_reset: false,
            error: false,
        }
    }

    fn is_unix(&self) -> bool {
        self.address.is_none()
    }

    // --- What the server asks -----------------------------------------------------------------------------------

    /// A step of the armed receive; `None` when it waits. The flag says whether it goes on.
    pub(super) fn receive_once(
        &mut self,
        group: &mut Group,
        dice: &mut Dice,
        ring_is_full: bool,
    ) -> Option<(Token, Result<Received, ReceiveError>, bool)> {
        let found = self.found();
        let receive = self.receive.as_mut()?;
        let token = receive.token;
        if found == Found::Nothing && !std::mem::take(&mut receive.looks) {
            return None;
        }
        // The buffer comes first: an end, too, is told only to who has one.
        let (result, more) = match (group.room(), found) {
            (None, _) => (Err(ReceiveError::NoBuffers), false),
            (Some(_), Found::Nothing) => return None,
            (Some(room), Found::Bytes(there)) => {
                let count = dice.part(there.min(room).min(receive.most), |faults| faults.short_receive);
                // What is left of the credit does not shorten a receive: the last one may bring more.
                receive.credit = receive.credit.map(|credit| credit.saturating_sub(count));
                receive.looks = dice.falls(|faults| faults.eager_receive);
                let buffer = group.fill(&self.inbound.bytes()[..count]);
                self.inbound.consume(count);
                let ends = receive.credit == Some(0) || ring_is_full;
                (Ok(Received::Bytes(buffer)), !ends && !dice.falls(|faults| faults.receive_ends))
            }
            (Some(_), Found::End) => {
                group.pass_over();
                (Ok(Received::End), false)
            }
            (Some(_), Found::Reset) => {
                self.error = false;
                (Err(ReceiveError::PeerGone), false)
            }
        };
        if !more {
            self.receive = None;
        }
        Some((token, result, more))
    }

    /// Whether an armed receive has something to do.
    pub(super) fn is_readable(&self) -> bool {
        self.receive.as_ref().is_some_and(|receive| receive.looks) || self.found() != Found::Nothing
    }

    fn found(&self) -> Found {
        if !self.inbound.is_empty() {
            Found::Bytes(self.inbound.len())
        } else if self.error && (self.is_unix() || !self.peer_end) {
            Found::Reset
        } else if self.peer_end || self.was_reset {
            Found::End
        } else {
            Found::Nothing
        }
    }

    /// A step of the send; `None` when it waits.
    pub(super) fn send_once(&mut self, dice: &mut Dice) -> Option<(Sending, Result<usize, SendError>)> {
        let sending = self.send.take()?;
        if self.is_broken() {
            self.error = false;
            return Some((sending, Err(SendError::PeerGone)));
        }
        let left = sending.gather.len();
        let fits = if self.peer_closed { left } else { left.min(self.outbound.room()) };
        let blocked = fits == 0 && 0 < left;
        if blocked && sending.mode == SendMode::Wait {
            self.send = Some(sending);
            return None;
        }
        let count = dice.part(fits, |faults| faults.short_send);
        self.deliver(&sending, count, dice);
        let result = if blocked { Err(SendError::WouldBlock) } else { Ok(count) };
        Some((sending, result))
    }

    /// Whether nothing can be sent, and that is known here.
    fn is_broken(&self) -> bool {
        self.was_reset || self.our_end || (self.peer_closed && self.is_unix())
    }

    /// Brings bytes to the peer. One that has closed answers them with RST.
    fn deliver(&mut self, sending: &Sending, count: usize, dice: &mut Dice) {
        if self.peer_closed {
            let arrived = 0 < count && !dice.falls(|faults| faults.late);
            self.was_reset |= arrived;
            self.error |= arrived;
            return;
        }
        let mut left = count;
        for part in sending.gather.parts() {
            let bytes = part.bytes();
            let end = bytes.len().min(left);
            self.outbound.write(&bytes[..end]);
            left -= end;
        }
    }

    /// Shuts our side down. Whether it could be: a reset stream has none (inet_shutdown in net/ipv4/af_inet.c).
    pub(super) fn shut_down(&mut self) -> bool {
        let possible = !self.was_reset || self.is_unix();
        self.our_end |= possible;
        possible
    }

    /// The server closes its side: with RST when it has not read everything (RFC 1122, 4.2.2.13).
    pub(super) fn close(&mut self, dice: &mut Dice) {
        self.side = Side::Closed;
        if self.was_reset || self.peer_closed {
            self.outbound.discard();
        } else if self.inbound.is_empty() {
            self.our_end = true;
        } else {
            self.saw_reset = true;
            lose_some(&mut self.outbound, dice);
        }
        self.inbound.discard();
    }

    /// The listener goes while this waits in its backlog.
    pub(super) fn refuse(&mut self) {
        self.side = Side::Closed;
        self.saw_reset = true;
        self.inbound.discard();
    }

    // --- What the peer does -------------------------------------------------------------------------------------

    /// The peer writes. Returns the bytes taken.
    pub(super) fn peer_writes(&mut self, bytes: &[u8]) -> usize {
        match self.side {
            _ if self.peer_end || self.peer_closed || self.saw_reset => 0,
            Side::Refused => 0,
            Side::Closed => {
                // They leave, and are answered with RST.
                self.saw_reset = true;
                bytes.len()
            }
            Side::Waiting | Side::Open(_) => {
                let count = bytes.len().min(self.inbound.room());
                self.inbound.write(&bytes[..count]);
                count
            }
        }
    }

    /// The peer ends its side.
    pub(super) fn peer_ends(&mut self) {
        self.peer_end = true;
    }

    /// The peer closes: with RST when it has not read everything.
    pub(super) fn peer_closes(&mut self, dice: &mut Dice) {
        if self.outbound.is_empty() {
            self.peer_end = true;
            self.peer_closed = true;
        } else {
            self.peer_resets(dice);
        }
    }

    /// The peer resets the stream. What has arrived of its bytes stays to be read before the error.
    pub(super) fn peer_resets(&mut self, dice: &mut Dice) {
        self.peer_closed = true;
        self.was_reset = true;
        self.error = true;
        lose_some(&mut self.inbound, dice);
        self.outbound.discard();
    }

    /// Whether the peer can still do something.
    pub(super) fn peer_is_there(&self) -> bool {
        !self.peer_closed && !self.saw_reset && self.side != Side::Refused
    }
}

/// Loses the end of what was on its way when a reset overtook it.
fn lose_some(pipe: &mut Pipe, dice: &mut Dice) {
    if dice.falls(|faults| faults.lossy_reset) {
        let kept = dice.random.index(pipe.len() + 1);
        pipe.truncate(kept);
    }
}
