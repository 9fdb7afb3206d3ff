//! A datagram socket of one shard: whether it is armed, and which of its answers are in flight.

use std::net::SocketAddr;

use super::listener::Backoff;
use crate::limits;
use crate::ring::{Descriptor, Generation, Kind, Part, RecvBuf, Token};
use crate::sys::clock::Time;

/// Answers in flight per socket: as many as there are buffers, so that none is left over when all are lent.
const SENDS_IN_FLIGHT: u32 = limits::DATAGRAM_BUFFERS as u32;

/// A datagram socket.
#[derive(Debug)]
pub struct DatagramSocket {
    /// Its place in the ring's table of descriptors.
    pub descriptor: Descriptor,
    /// Its place among the shard's sockets.
    pub index: u16,
    /// The number of the listener that it belongs to: there may be several sockets of one.
    pub number: u16,
    /// Pauses after errors that last.
    pub backoff: Backoff,
    armed: bool,
    /// Whether it waits for one of its answers to give a buffer back.
    starved: bool,
    /// Answers that are not in flight.
    idle: Vec<u32>,
    /// Halves of a close that have not answered; `None` before the close.
    closing: Option<u8>,
}

impl DatagramSocket {
    /// A socket that receives nothing yet.
    pub fn new(descriptor: Descriptor, index: u16) -> Self {
        let first = u32::from(index) * SENDS_IN_FLIGHT;
        let idle = (first..first + SENDS_IN_FLIGHT).rev().collect();
        let backoff = Backoff::default();
        Self { descriptor, index, number: index, backoff, armed: false, starved: false, idle, closing: None }
    }

    /// The same, of the listener with this number.
    pub fn of_number(self, number: u16) -> Self {
        Self { number, ..self }
    }

    /// The number of the socket whose answer this slot is.
    pub fn index_of(slot: u32) -> usize {
        (slot / SENDS_IN_FLIGHT) as usize
    }

    /// The token to receive with, when it is to be armed.
    pub fn next_receive(&mut self, now: Time) -> Option<Token> {
        if self.armed || self.starved || self.closing.is_some() || self.backoff.is_paused(now) {
            return None;
        }
        self.armed = true;
        Some(self.token(Kind::ReceiveFrom))
    }

    /// Its number, from the slot of its receive or its close.
    pub fn index_of_socket(slot: u32) -> usize {
        (slot & !DATAGRAM_SLOTS) as usize
    }

    /// A receive answered.
    pub fn handle_receive(&mut self, more: bool) {
        self.armed = more;
    }

    /// No buffer was free: wait until an answer in flight gives one back.
    pub fn handle_no_buffers(&mut self) {
        self.starved = self.idle.len() < SENDS_IN_FLIGHT as usize;
    }

    /// A token to answer with, if one is left and the socket is open.
    pub fn next_send(&mut self) -> Option<Token> {
        if self.closing.is_some() {
            return None;
        }
        let slot = self.idle.pop()?;
        Some(Token::new(Kind::SendTo, slot, Generation::default()))
    }

    /// An answer has left, or failed.
    pub fn handle_sent(&mut self, slot: u32) {
        debug_assert!(!self.idle.contains(&slot), "an answer leaves once");
        self.idle.push(slot);
        self.starved = false;
    }

    /// The token to close it with, once, and only when no answer is in flight.
    pub fn close(&mut self) -> Option<Token> {
        if self.closing.is_some() || self.idle.len() < SENDS_IN_FLIGHT as usize {
            return None;
        }
        self.closing = Some(2);
        Some(self.token(Kind::Close))
    }

    /// A half of the close answered.
    pub fn handle_close(&mut self) {
        self.closing = self.closing.map(|halves| halves.saturating_sub(1));
    }

    /// Whether it is closed and nothing of it is in flight.
    pub fn is_over(&self) -> bool {
        self.closing == Some(0) && !self.armed
    }

    fn token(&self, kind: Kind) -> Token {
        Token::new(kind, DATAGRAM_SLOTS | u32::from(self.index), Generation::default())
    }
}

/// Set in the slot of a receive or close that is a datagram socket's. Connections have far fewer slots.
pub const DATAGRAM_SLOTS: u32 = 1 << 30;

const _: () = assert!(limits::CONNECTIONS_PER_SHARD_MAX * 2 < DATAGRAM_SLOTS);

/// Answers that a service wrote to datagrams, to be sent at the end of the turn through the socket that the datagram
/// came in by.
#[derive(Debug, Default)]
pub struct Replies {
    pub(crate) queued: Vec<Reply>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) socket: u16,
    pub(crate) to: SocketAddr,
    pub(crate) payload: Part,
}

/// The socket of an answer that was not [addressed](Replies::address) yet.
const NO_SOCKET: u16 = u16::MAX;

impl Replies {
    /// Sends received bytes to `to`, from the buffer they came in.
    pub fn send_received(&mut self, to: SocketAddr, bytes: RecvBuf) {
        self.queue(to, Part::Received(bytes));
    }

    /// Sends a copy of `bytes` to `to`.
    pub fn write(&mut self, to: SocketAddr, bytes: &[u8]) {
        self.queue(to, Part::Copied(bytes.into()));
    }

    fn queue(&mut self, to: SocketAddr, payload: Part) {
        self.queued.push(Reply { socket: NO_SOCKET, to, payload });
    }

    /// Says which socket the answers written last leave through.
    pub(crate) fn address(&mut self, socket: u16) {
        for reply in self.queued.iter_mut().rev().take_while(|reply| reply.socket == NO_SOCKET) {
            reply.socket = socket;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_starved_socket_is_armed_again_when_an_answer_gives_its_buffer_back() {
        let mut socket = DatagramSocket::new(Descriptor::new(0), 1);
        assert!(socket.next_receive(Time::ZERO).is_some());
        assert!(socket.next_receive(Time::ZERO).is_none(), "it is armed once");
        let answer = socket.next_send().unwrap();
        assert_eq!(DatagramSocket::index_of(answer.slot()), 1);
        socket.handle_receive(false);
        socket.handle_no_buffers();
        assert!(socket.next_receive(Time::ZERO).is_none());
        socket.handle_sent(answer.slot());
        assert!(socket.next_receive(Time::ZERO).is_some());
    }

    #[test]
    fn a_socket_is_closed_after_its_last_answer() {
        let mut socket = DatagramSocket::new(Descriptor::new(0), 0);
        let answer = socket.next_send().unwrap();
        assert!(socket.close().is_none());
        socket.handle_sent(answer.slot());
        assert!(socket.close().is_some());
        assert!(socket.close().is_none());
        socket.handle_close();
        assert!(!socket.is_over());
        socket.handle_close();
        assert!(socket.is_over());
    }
}
