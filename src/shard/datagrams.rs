//! Serving datagram sockets: what a turn received is answered together at its end.

use super::Shard;
use crate::connection::{DatagramSocket, Replies};
use crate::metrics::Refused;
use crate::ring::{Datagram, Kernel, Op, ReceiveError, SendError, Token};
use crate::service::{DatagramContext, Service};
use crate::sys::address::Peer;

impl<K: Kernel, S: Service> Shard<K, S> {
    pub(super) fn handle_datagram(
        &mut self,
        token: Token,
        result: Result<Datagram, ReceiveError>,
        more: bool,
    ) {
        let index = DatagramSocket::index_of_socket(token.slot());
        let socket = &mut self.sockets[index];
        socket.handle_receive(more);
        match result {
            Ok(datagram) => {
                socket.backoff.reset();
                self.serve_datagram(index, datagram);
            }
            Err(ReceiveError::Cancelled | ReceiveError::NobodyThere | ReceiveError::PeerGone) => {}
            Err(ReceiveError::NoBuffers) => {
                self.metrics.counters.no_buffers += 1;
                socket.handle_no_buffers();
            }
            Err(ReceiveError::Unexpected(_)) => {
                self.metrics.counters.unexpected_errors += 1;
                socket.backoff.pause(self.now);
            }
        }
    }

    fn serve_datagram(&mut self, index: usize, datagram: Datagram) {
        let counters = &mut self.metrics.counters;
        counters.datagrams_received += 1;
        counters.datagrams_truncated += u64::from(datagram.truncated());
        let peer = datagram.peer();
        let number = self.sockets[index].number;
        if !self.datagram_networks.get(usize::from(number)).is_none_or(|networks| networks.admits(peer.ip()))
        {
            return self.count_refused(Peer::from_ip(peer), Refused::Network);
        }
        let taken = self.senders.as_ref().map(|senders| senders.take(peer.ip(), datagram.len(), self.now));
        if let Some(Err(_)) = taken {
            // It cannot wait, and nobody could be asked to send it later.
            return self.count_refused(Peer::from_ip(peer), Refused::DatagramRate);
        }
        let socket = u16::try_from(index).expect("sockets are few");
        let mut context = DatagramContext {
            listener: number,
            now: self.now,
            replies: &mut self.replies,
            hub: &mut self.hub,
            counters: &mut self.metrics.counters,
        };
        let handled = self.service.datagram(datagram, &mut context);
        self.replies.address(socket);
        if let Err(refused) = handled {
            self.count_refused(Peer::from_ip(peer), refused);
        }
    }

    /// Sends what the turn wrote. What finds no place is dropped, as a datagram may be, and counted.
    pub(super) fn send_replies(&mut self) {
        let mut queued = std::mem::take(&mut self.replies.queued);
        for reply in queued.drain(..) {
            let socket = &mut self.sockets[usize::from(reply.socket)];
            let file = socket.descriptor;
            match socket.next_send() {
                Some(token) => {
                    self.push(Op::SendTo { token, file, to: Some(reply.to), payload: reply.payload });
                }
                None => self.metrics.counters.datagrams_dropped += 1,
            }
        }
        self.replies = Replies { queued };
    }

    pub(super) fn handle_datagram_sent(&mut self, token: Token, result: Result<usize, SendError>) {
        let counters = &mut self.metrics.counters;
        match result {
            Ok(_) => counters.datagrams_sent += 1,
            Err(_) => counters.datagrams_dropped += 1,
        }
        self.sockets[DatagramSocket::index_of(token.slot())].handle_sent(token.slot());
    }

    pub(super) fn settle_sockets(&mut self) {
        for index in 0..self.sockets.len() {
            let socket = &mut self.sockets[index];
            let file = socket.descriptor;
            if let Some(token) = socket.next_receive(self.now) {
                self.push(Op::ReceiveFrom { token, file });
            }
        }
    }
}
