//! The peers' side: what a test does to the server through the simulated network.

use std::net::SocketAddr;

use super::places::File;
use super::sockets::{Datagrams, Listener};
use super::stream::{Side, Stream};
use super::{News, Sim};
use crate::ring::files::Descriptor;

/// One peer of a stream. It stays valid for as long as the kernel lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(usize);

/// What a peer knows of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerState {
    /// The server has accepted it, though it may not know yet.
    pub accepted: bool,
    /// Nobody listens there.
    pub refused: bool,
    /// Everything the server sent was read, and then came its end (FIN).
    pub saw_end: bool,
    /// The server reset the connection.
    pub saw_reset: bool,
    /// Bytes to be read.
    pub readable: usize,
    /// Bytes that can be written now.
    pub writable: usize,
    /// The server has closed its descriptor.
    pub closed: bool,
}

impl Sim {
    /// Gives the server a listening socket.
    ///
    /// # Panics
    /// When the table of descriptors is full.
    pub fn listen(&mut self) -> Descriptor {
        let descriptor = self.adopt(File::Listener(self.listeners.len()));
        self.listeners.push(Listener::default());
        descriptor
    }

    /// Gives the server a datagram socket. What it sends waits for [`Self::take_datagrams`].
    ///
    /// # Panics
    /// When the table of descriptors is full.
    pub fn datagram_socket(&mut self) -> Descriptor {
        let descriptor = self.adopt(File::Datagrams(self.sockets.len()));
        self.sockets.push(Datagrams::new(descriptor));
        descriptor
    }

    /// Gives the server one end of a stream without an accept, and the test the other.
    ///
    /// # Panics
    /// When the table of descriptors is full.
    pub fn connected(&mut self, address: Option<SocketAddr>) -> (PeerId, Descriptor) {
        let index = self.streams.len();
        let descriptor = self.adopt(File::Stream(index));
        let mut stream = Stream::new(address, Side::Open(descriptor), self.window);
        stream.accepted = true;
        self.streams.push(stream);
        (PeerId(index), descriptor)
    }

    fn adopt(&mut self, file: File) -> Descriptor {
        self.places.take(file, true, &mut self.dice).expect("the table of descriptors has a free place")
    }

    /// How many bytes a stream that is made from now on takes in each direction before they are read.
    pub fn set_window(&mut self, bytes: usize) {
        self.window = bytes;
    }

    /// How many bytes the server may send before this peer reads.
    pub fn set_read_window(&mut self, peer: PeerId, bytes: usize) {
        self.streams[peer.0].outbound.window = bytes;
        self.wake(News::Stream(peer.0));
    }

    /// Connects to a listener. Without an address it is a Unix socket.
    pub fn connect(&mut self, listener: Descriptor, address: Option<SocketAddr>) -> PeerId {
        let index = self.streams.len();
        let there = self.places.at(listener);
        let side = if matches!(there, Some(File::Listener(_))) { Side::Waiting } else { Side::Refused };
        self.streams.push(Stream::new(address, side, self.window));
        if let Some(File::Listener(listener)) = there {
            self.listeners[listener].backlog.push_back(index);
            self.wake(News::Listener(listener));
        }
        PeerId(index)
    }

    /// Writes to the server. Returns how many bytes were taken: fewer when the server does not read.
    pub fn write(&mut self, peer: PeerId, bytes: &[u8]) -> usize {
        let taken = self.streams[peer.0].peer_writes(bytes);
        if 0 < taken {
            self.wake(News::Stream(peer.0));
        }
        taken
    }

    /// Reads up to `max` bytes of what the server sent.
    pub fn read(&mut self, peer: PeerId, max: usize) -> Vec<u8> {
        let outbound = &self.streams[peer.0].outbound;
        let count = outbound.len().min(max);
        let bytes = outbound.bytes()[..count].to_vec();
        self.skip(peer, count);
        bytes
    }

    /// What the server sent and was not read.
    pub fn peek(&self, peer: PeerId) -> &[u8] {
        self.streams[peer.0].outbound.bytes()
    }

    /// Forgets up to `max` bytes of what the server sent, and returns how many it were.
    pub fn skip(&mut self, peer: PeerId, max: usize) -> usize {
        let stream = &mut self.streams[peer.0];
        let count = stream.outbound.len().min(max);
        stream.outbound.consume(count);
        if stream.send.is_some() {
            self.wake(News::Stream(peer.0));
        }
        count
    }

    /// Ends the peer's side (FIN); it may go on reading.
    pub fn end(&mut self, peer: PeerId) {
        if self.streams[peer.0].peer_is_there() {
            self.streams[peer.0].peer_ends();
            self.wake(News::Stream(peer.0));
        }
    }

    /// Closes the peer's socket: FIN, and RST for all that the server sends afterwards; RST at once when the peer has
    /// not read everything.
    pub fn close_peer(&mut self, peer: PeerId) {
        if self.streams[peer.0].peer_is_there() {
            self.streams[peer.0].peer_closes(&mut self.dice);
            self.wake(News::Stream(peer.0));
        }
    }

    /// Resets the connection (RST). The server still reads what has arrived.
    pub fn reset(&mut self, peer: PeerId) {
        if self.streams[peer.0].peer_is_there() {
            self.streams[peer.0].peer_resets(&mut self.dice);
            self.wake(News::Stream(peer.0));
        }
    }

    /// What the peer knows.
    pub fn peer_state(&self, peer: PeerId) -> PeerState {
        let stream = &self.streams[peer.0];
        let takes = matches!(stream.side, Side::Waiting | Side::Open(_));
        PeerState {
            accepted: stream.accepted,
            refused: stream.side == Side::Refused,
            saw_end: stream.our_end && stream.outbound.is_empty() && !stream.saw_reset,
            saw_reset: stream.saw_reset,
            readable: stream.outbound.len(),
            writable: if takes { stream.inbound.room() } else { 0 },
            closed: stream.side == Side::Closed,
        }
    }

    /// Sends a datagram to the server. False when the socket is closed or its queue full: then it is lost.
    ///
    /// # Panics
    /// When the descriptor never was a datagram socket.
    pub fn send_datagram(&mut self, socket: Descriptor, from: SocketAddr, bytes: &[u8]) -> bool {
        let index = self.datagram_index(socket);
        let there = &mut self.sockets[index];
        let takes = !there.closed && there.queue.len() < there.queue_max;
        if takes {
            there.queue.push_back((from, bytes.to_vec()));
            self.wake(News::Datagrams(index));
        }
        takes
    }

    /// Takes what the server sent, with its destinations, in order.
    ///
    /// # Panics
    /// When the descriptor never was a datagram socket.
    pub fn take_datagrams(&mut self, socket: Descriptor) -> Vec<(SocketAddr, Vec<u8>)> {
        let index = self.datagram_index(socket);
        std::mem::take(&mut self.sockets[index].sent)
    }

    /// How many datagrams wait for the server at most; without this, all of them.
    ///
    /// # Panics
    /// When the descriptor never was a datagram socket.
    pub fn set_datagram_queue(&mut self, socket: Descriptor, datagrams: usize) {
        let index = self.datagram_index(socket);
        self.sockets[index].queue_max = datagrams;
    }

    /// The socket that has, or had, this descriptor.
    fn datagram_index(&self, socket: Descriptor) -> usize {
        let index = self.sockets.iter().rposition(|there| there.descriptor == socket);
        index.unwrap_or_else(|| panic!("{socket:?} is no datagram socket"))
    }
}
