//! The server's side: what the simulated kernel makes of each operation.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::answers::Event;
use super::places::File;
use super::stream::{Receive, Sending, Side};
use super::{News, Sim};
use crate::limits;
use crate::ring::completion::{
    AcceptError, Accepted, Completion, ConnectError, Errno, Outcome, ReceiveError, SendError,
};
use crate::ring::datagram::{Datagram, HEADER_BYTES, encode_header};
use crate::ring::files::Descriptor;
use crate::ring::leases::{Gather, Part};
use crate::ring::op::{Bell, Op, SendMode};
use crate::ring::token::{Kind, Token};
use crate::tier::Engine;

/// Completions of one multishot operation in one turn; then it waits for the next turn: one, and 32 more
/// (`MULTISHOT_MAX_RETRY` in io_uring/net.c).
const BURST: usize = 33;
/// Largest payload of a datagram over IPv4.
const IPV4_BYTES_MAX: usize = 65_507;

impl Sim {
    /// Asserts what only a kernel can see of an operation that is pushed.
    pub(super) fn check(&mut self, op: &Op) {
        let token = op.token();
        let file = match op {
            Op::Accept { listener, .. } => Some(*listener),
            Op::Connect { file, .. }
            | Op::Receive { file, .. }
            | Op::Send { file, .. }
            | Op::ReceiveFrom { file, .. }
            | Op::SendTo { file, .. }
            | Op::Shutdown { file, .. }
            | Op::Close { file, .. } => Some(*file),
            Op::Cancel { .. } | Op::Ring { .. } => None,
        };
        if let Some(descriptor) = file {
            let file = self.places.named_by(token, descriptor);
            let fits = match op {
                Op::Accept { .. } => matches!(file, File::Listener(_)),
                Op::Receive { .. } | Op::Send { .. } | Op::Shutdown { .. } => matches!(file, File::Stream(_)),
                Op::ReceiveFrom { .. } | Op::SendTo { .. } => matches!(file, File::Datagrams(_)),
                Op::Connect { .. } | Op::Close { .. } | Op::Cancel { .. } | Op::Ring { .. } => true,
            };
            assert!(fits, "{:?} names {descriptor:?}, a {file:?}", token.kind());
        }
        let is_close = matches!(op, Op::Close { .. });
        let token = if is_close { token.with_kind(Kind::Close) } else { token };
        self.answers.begin(token, file, op.entries());
        if let (true, Some(descriptor)) = (is_close, file) {
            self.places.begin_close(descriptor);
        }
    }

    /// Carries out an operation.
    pub(super) fn carry_out(&mut self, op: Op) {
        self.counts.submissions += op.entries() as u64;
        match op {
            Op::Accept { token, listener } => self.accept(token, listener),
            Op::Connect { token, .. } => {
                self.answer(token, Outcome::Connected(Err(ConnectError::Refused)));
            }
            Op::Receive { token, file, credit, wait_first } => self.receive(token, file, credit, wait_first),
            Op::Send { token, file, gather, mode } => self.send(token, file, gather, mode),
            Op::ReceiveFrom { token, file } => self.receive_from(token, file),
            Op::SendTo { token, file, to, payload } => self.send_to(token, file, to, &payload),
            Op::Shutdown { token, file } => self.begin_shutdown(token, file),
            Op::Cancel { token, target } => self.cancel(token, target),
            Op::Close { token, file } => self.close(token, file),
            Op::Ring { token, bell } => self.ring_at(token, bell),
        }
    }

    /// Attends to what has news.
    pub(super) fn attend_to(&mut self, news: News) {
        match news {
            News::Listener(index) => {
                self.listeners[index].woken = false;
                self.go_on_accepting(index);
            }
            News::Stream(index) => {
                self.streams[index].woken = false;
                // Who comes first at an error is told of it, so sometimes it is the send.
                if self.dice.falls(|faults| faults.reorder) {
                    self.go_on_sending(index);
                }
                self.go_on_receiving(index);
                self.go_on_sending(index);
            }
            News::Datagrams(index) => {
                self.sockets[index].woken = false;
                self.go_on_receiving_from(index);
            }
        }
    }

    // --- Accepting ----------------------------------------------------------------------------------------------

    fn accept(&mut self, token: Token, listener: Descriptor) {
        let index = self.listener_at(listener);
        self.listeners[index].accepts.push_back(token);
        self.go_on_accepting(index);
    }

    fn go_on_accepting(&mut self, index: usize) {
        loop {
            let listener = &mut self.listeners[index];
            let Some(stream) = listener.backlog.front().copied() else { return };
            let Some(token) = listener.accepts.pop_front() else { return };
            let result = self.accept_once(index, stream);
            self.answer(token, Outcome::Accepted(result));
        }
    }

    fn accept_once(&mut self, index: usize, stream: usize) -> Result<Accepted, AcceptError> {
        if self.dice.falls(|faults| faults.process_full) {
            return Err(AcceptError::ProcessFull);
        }
        self.listeners[index].backlog.pop_front();
        if self.dice.falls(|faults| faults.peer_gone) {
            self.streams[stream].refuse();
            return Err(AcceptError::PeerGone);
        }
        let Some(descriptor) = self.places.take(File::Stream(stream), false, &mut self.dice) else {
            // The kernel looks for a place only after it has taken the connection, and then drops it.
            self.streams[stream].close(&mut self.dice);
            return Err(AcceptError::SystemFull);
        };
        let stream = &mut self.streams[stream];
        stream.side = Side::Open(descriptor);
        stream.accepted = true;
        Ok(Accepted { descriptor, address: stream.address })
    }

    // --- Streams ------------------------------------------------------------------------------------------------

    fn receive(&mut self, token: Token, file: Descriptor, credit: u32, wait_first: bool) {
        let index = self.stream_at(file);
        let credited = self.capabilities.receive_credit && 0 < credit;
        let credit = credited.then_some(credit as usize);
        let most = credit.unwrap_or(usize::MAX);
        self.streams[index].receive = Some(Receive { token, credit, most, looks: !wait_first });
        self.go_on_receiving(index);
    }

    fn go_on_receiving(&mut self, index: usize) {
        for _ in 0..BURST {
            let ring_is_full = self.ends_early();
            let stream = &mut self.streams[index];
            let step = stream.receive_once(&mut self.stream_buffers, &mut self.dice, ring_is_full);
            let Some((token, result, more)) = step else { return };
            self.post(token, more, Outcome::Received(result));
            if !more {
                return;
            }
        }
        if self.streams[index].is_readable() {
            self.wake(News::Stream(index));
        }
    }

    /// Whether a multishot ends because the ring is full. The twin by readiness has none.
    fn ends_early(&self) -> bool {
        self.capabilities.engine == Engine::Uring && self.answers.ring_is_full()
    }

    fn send(&mut self, token: Token, file: Descriptor, gather: Gather, mode: SendMode) {
        let index = self.stream_at(file);
        self.streams[index].send = Some(Sending { token, gather, mode });
        self.go_on_sending(index);
    }

    fn go_on_sending(&mut self, index: usize) {
        if let Some((sending, result)) = self.streams[index].send_once(&mut self.dice) {
            let Sending { token, gather, mode } = sending;
            let is_whole = result == Ok(gather.len());
            let outcome = Outcome::Sent { gather, result };
            if mode == SendMode::Quiet && is_whole {
                self.answers.post_silently(Completion { token, more: false, outcome });
            } else {
                self.answer(token, outcome);
            }
        }
    }

    /// A worker thread of the kernel does it, at once or some time later.
    fn begin_shutdown(&mut self, token: Token, file: Descriptor) {
        let index = self.stream_at(file);
        self.streams[index].shutdown = Some(token);
        if self.dice.falls(|faults| faults.late) {
            let due = super::answers::lateness(self.now, &mut self.dice);
            self.answers.schedule(due, Event::Shutdown(index));
        } else {
            self.shut_down(index);
        }
    }

    /// Shuts our side down, unless it was cancelled meanwhile.
    pub(super) fn shut_down(&mut self, index: usize) {
        let stream = &mut self.streams[index];
        if let Some(token) = stream.shutdown.take() {
            let result = if stream.shut_down() { Ok(()) } else { Err(Errno(libc::ENOTCONN)) };
            self.answer(token, Outcome::ShutDown(result));
            self.go_on_sending(index);
        }
    }

    // --- Datagrams ----------------------------------------------------------------------------------------------

    fn receive_from(&mut self, token: Token, file: Descriptor) {
        let index = self.socket_at(file);
        let socket = &mut self.sockets[index];
        socket.receive = Some(token);
        socket.looks = true;
        self.go_on_receiving_from(index);
    }

    fn go_on_receiving_from(&mut self, index: usize) {
        for _ in 0..BURST {
            let Some(token) = self.sockets[index].receive else { return };
            let Some((result, more)) = self.receive_datagram(index) else { return };
            if !more {
                self.sockets[index].receive = None;
            }
            self.post(token, more, Outcome::ReceivedFrom(result));
        }
        if self.sockets[index].is_readable() {
            self.wake(News::Datagrams(index));
        }
    }

    /// A step of a receive. The kernel cannot know that a queue of datagrams is empty, so it looks once more after
    /// each, and needs a buffer to do so.
    fn receive_datagram(&mut self, index: usize) -> Option<(Result<Datagram, ReceiveError>, bool)> {
        let socket = &mut self.sockets[index];
        if !socket.is_readable() {
            return None;
        }
        let group = self.datagram_buffers.as_mut().expect("datagrams are received with buffers");
        let Some(room) = group.room() else {
            return Some((Err(ReceiveError::NoBuffers), false));
        };
        let next = socket.queue.pop_front();
        socket.looks = next.is_some();
        let (peer, payload) = next?;
        let fits = payload.len().min(room - HEADER_BYTES);
        let length = u32::try_from(fits).expect("a datagram is short");
        self.scratch.clear();
        self.scratch.extend_from_slice(&encode_header(peer, length, fits < payload.len()));
        self.scratch.extend_from_slice(&payload[..fits]);
        let datagram = Datagram::parse(group.fill(&self.scratch)).expect("the header is a header");
        // Nothing was received, says the kernel, and takes it for the end.
        let more = 0 < fits && !self.ends_early();
        Some((Ok(datagram), more))
    }

    fn send_to(&mut self, token: Token, file: Descriptor, to: Option<SocketAddr>, payload: &Part) {
        let index = self.socket_at(file);
        let bytes = payload.bytes();
        let most =
            if to.is_some_and(|to| to.is_ipv4()) { IPV4_BYTES_MAX } else { limits::DATAGRAM_BYTES_MAX };
        let result = match to {
            None => Err(SendError::Unexpected(Errno(libc::EDESTADDRREQ))),
            Some(_) if most < bytes.len() => Err(SendError::TooLarge),
            Some(_) if self.dice.falls(|faults| faults.datagram_would_block) => Err(SendError::WouldBlock),
            Some(to) => {
                self.sockets[index].sent.push((to, bytes.to_vec()));
                Ok(bytes.len())
            }
        };
        self.answer(token, Outcome::SentTo(result));
    }

    // --- Ending -------------------------------------------------------------------------------------------------

    /// Ends the target if the kernel still works on it. An answer that is on its way stays what it is.
    fn cancel(&mut self, token: Token, target: Token) {
        self.answer(token, Outcome::Cancelled);
        let Some(descriptor) = self.answers.file_of(target) else { return };
        let is_target = |token: Token| token == target;
        // Its place may be somebody else's by now: then nothing there bears the token.
        match self.places.at(descriptor) {
            None => {}
            Some(File::Listener(index)) => self.end_accepts(index, is_target),
            Some(File::Stream(index)) => self.end_stream(index, is_target),
            Some(File::Datagrams(index)) => self.end_receive_from(index, is_target),
        }
    }

    fn close(&mut self, token: Token, descriptor: Descriptor) {
        self.answer(token.with_kind(Kind::CloseCancel), Outcome::CloseCancelled);
        let all = |_| true;
        match self.places.free(descriptor) {
            File::Listener(index) => {
                self.end_accepts(index, all);
                self.listeners[index].closed = true;
                for waiting in std::mem::take(&mut self.listeners[index].backlog) {
                    self.streams[waiting].refuse();
                }
            }
            File::Stream(index) => {
                self.end_stream(index, all);
                self.streams[index].close(&mut self.dice);
            }
            File::Datagrams(index) => {
                self.end_receive_from(index, all);
                self.sockets[index].closed = true;
                self.sockets[index].queue.clear();
            }
        }
        self.answer(token.with_kind(Kind::Close), Outcome::Closed(Ok(())));
    }

    fn end_accepts(&mut self, index: usize, ends: impl Fn(Token) -> bool) {
        let accepts = std::mem::take(&mut self.listeners[index].accepts);
        let (ended, kept): (VecDeque<Token>, _) = accepts.into_iter().partition(|token| ends(*token));
        self.listeners[index].accepts = kept;
        for token in ended {
            self.answer(token, Outcome::Accepted(Err(AcceptError::Cancelled)));
        }
    }

    fn end_stream(&mut self, index: usize, ends: impl Fn(Token) -> bool) {
        let stream = &mut self.streams[index];
        let receive = stream.receive.take_if(|receive| ends(receive.token));
        let send = stream.send.take_if(|sending| ends(sending.token));
        let shutdown = stream.shutdown.take_if(|token| ends(*token));
        if let Some(receive) = receive {
            self.answer(receive.token, Outcome::Received(Err(ReceiveError::Cancelled)));
        }
        if let Some(Sending { token, gather, .. }) = send {
            self.answer(token, Outcome::Sent { gather, result: Err(SendError::Cancelled) });
        }
        if let Some(token) = shutdown {
            self.answer(token, Outcome::ShutDown(Err(Errno(libc::ECANCELED))));
        }
    }

    fn end_receive_from(&mut self, index: usize, ends: impl Fn(Token) -> bool) {
        if let Some(token) = self.sockets[index].receive.take_if(|token| ends(*token)) {
            self.answer(token, Outcome::ReceivedFrom(Err(ReceiveError::Cancelled)));
        }
    }

    // --- Bells, answers and places ------------------------------------------------------------------------------

    fn ring_at(&mut self, token: Token, bell: Bell) {
        self.answer(token, Outcome::DoorbellSent(Ok(())));
        if bell == self.bell {
            self.ring();
        } else {
            self.rung.push(bell);
        }
    }

    fn listener_at(&self, descriptor: Descriptor) -> usize {
        match self.places.file(descriptor) {
            File::Listener(index) => index,
            File::Stream(_) | File::Datagrams(_) => unreachable!("checked when it was pushed"),
        }
    }

    fn stream_at(&self, descriptor: Descriptor) -> usize {
        match self.places.file(descriptor) {
            File::Stream(index) => index,
            File::Listener(_) | File::Datagrams(_) => unreachable!("checked when it was pushed"),
        }
    }

    fn socket_at(&self, descriptor: Descriptor) -> usize {
        match self.places.file(descriptor) {
            File::Datagrams(index) => index,
            File::Listener(_) | File::Stream(_) => unreachable!("checked when it was pushed"),
        }
    }
}
