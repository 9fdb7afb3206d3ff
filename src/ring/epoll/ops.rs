//! Operations as they begin: done at once, or left with their file until it is ready.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};

use socket2::{SockAddr, Socket};

use super::files::{File, Input, Output, Receive};
use super::{Epoll, errno_of};
use crate::limits;
use crate::ring::completion::{
    AcceptError, Completion, ConnectError, Errno, Outcome, ReceiveError, SendError,
};
use crate::ring::files::Descriptor;
use crate::ring::leases::{Gather, Part};
use crate::ring::op::{Bell, Op, Place, SendMode};
use crate::ring::token::{Kind, Token};

/// A call fails rather than wait, and a peer that is gone is an error and no signal.
const AT_ONCE: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

impl Epoll {
    #[inline]
    pub(super) fn begin(&mut self, op: Op) {
        match op {
            Op::Accept { token, listener } => self.begin_accept(token, listener),
            Op::Connect { token, file, address } => self.begin_connect(token, file, &address),
            Op::Receive { token, file, credit, wait_first } => {
                let credited = self.capabilities.receive_credit && 0 < credit;
                let credit = credited.then_some(credit as usize);
                let most = credit.unwrap_or(usize::MAX);
                let receive = Receive { token, credit, most, looks: !wait_first };
                self.wait_to_read(token, file, Input::Receive(receive));
            }
            Op::Send { token, file, gather, mode } => self.begin_send(token, file, gather, mode),
            Op::ReceiveFrom { token, file } => {
                self.wait_to_read(token, file, Input::ReceiveFrom(token, true));
            }
            Op::SendTo { token, file, to, payload } => self.send_to(token, file, to, &payload),
            Op::Shutdown { token, file } => self.shut_down(token, file),
            Op::Cancel { token, target } => self.cancel(token, target),
            Op::Close { token, file } => self.close(token, file),
            Op::Ring { token, bell } => self.ring(token, &bell),
        }
    }

    fn begin_accept(&mut self, token: Token, listener: Descriptor) {
        let place = listener.place();
        match &mut self.files.named(place).input {
            Input::Accepts(accepts) => accepts.push_back(token),
            input @ Input::Nothing => *input = Input::Accepts(VecDeque::from([token])),
            Input::Receive(_) | Input::ReceiveFrom(..) => unreachable!("a listener receives nothing"),
        }
        self.waiting.insert(token, place);
        self.list(place);
    }

    /// Leaves an operation with its file; it is tried when the turn submits, with the others.
    fn wait_to_read(&mut self, token: Token, file: Descriptor, input: Input) {
        let place = file.place();
        let there = &mut self.files.named(place).input;
        assert!(matches!(there, Input::Nothing), "one receive is armed at a time");
        *there = input;
        self.waiting.insert(token, place);
        self.list(place);
    }

    fn begin_connect(&mut self, token: Token, file: Descriptor, address: &SockAddr) {
        let place = file.place();
        let there = self.files.named(place);
        match there.socket.connect(address) {
            Ok(()) => self.answer(token, Outcome::Connected(Ok(()))),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {
                there.writable = false;
                there.output = Output::Connect(token);
                self.waiting.insert(token, place);
                self.list(place);
            }
            Err(error) => self.answer(token, Outcome::Connected(Err(errno_of(&error).into()))),
        }
    }

    fn begin_send(&mut self, token: Token, file: Descriptor, gather: Gather, mode: SendMode) {
        let place = file.place();
        let there = self.files.named(place);
        assert!(matches!(there.output, Output::Nothing), "one send is in flight at a time");
        let result = send(&there.socket, &gather);
        if result == Err(SendError::WouldBlock) && mode == SendMode::Wait {
            there.writable = false;
            there.output = Output::Send(token, gather);
            self.waiting.insert(token, place);
            return self.list(place);
        }
        let is_whole = result == Ok(gather.len());
        let outcome = Outcome::Sent { gather, result };
        if mode == SendMode::Quiet && is_whole {
            self.quiet.push_back(Completion { token, more: false, outcome });
        } else {
            self.answer(token, outcome);
        }
    }

    fn send_to(&mut self, token: Token, file: Descriptor, to: Option<SocketAddr>, payload: &Part) {
        let socket = &self.files.named(file.place()).socket;
        let sent = match to {
            Some(to) => socket.send_to_with_flags(payload.bytes(), &to.into(), AT_ONCE),
            None => socket.send_with_flags(payload.bytes(), AT_ONCE),
        };
        self.answer(token, Outcome::SentTo(sent.map_err(|error| errno_of(&error).into())));
    }

    fn shut_down(&mut self, token: Token, file: Descriptor) {
        let there = self.files.named(file.place());
        let result = there.socket.shutdown(Shutdown::Write).map_err(|error| errno_of(&error));
        // A send that waits fails now.
        there.writable = true;
        self.answer(token, Outcome::ShutDown(result));
        self.list(file.place());
    }

    /// Ends the target, if it still waits. An answer that is on its way stays what it is.
    fn cancel(&mut self, token: Token, target: Token) {
        self.answer(token, Outcome::Cancelled);
        if let Some(place) = self.waiting.get(&target).copied() {
            self.end(place, |token| token == target);
        }
    }

    fn close(&mut self, token: Token, file: Descriptor) {
        self.answer(token.with_kind(Kind::CloseCancel), Outcome::CloseCancelled);
        self.end(file.place(), |_| true);
        drop(self.files.remove(file.place()));
        self.answer(token.with_kind(Kind::Close), Outcome::Closed(Ok(())));
    }

    /// Ends what waits at a place and bears such a token.
    fn end(&mut self, place: u32, ends: impl Fn(Token) -> bool) {
        let File { input, output, .. } = self.files.named(place);
        if let Output::Send(token, _) | Output::Connect(token) = output
            && ends(*token)
        {
            match std::mem::take(output) {
                Output::Nothing => {}
                Output::Send(token, gather) => {
                    let result = Err(SendError::Cancelled);
                    self.end_one(token, Outcome::Sent { gather, result });
                }
                Output::Connect(token) => {
                    self.end_one(token, Outcome::Connected(Err(ConnectError::Cancelled)));
                }
            }
            return self.end(place, ends);
        }
        match input {
            Input::Nothing => {}
            Input::Accepts(accepts) => {
                let Some(index) = accepts.iter().position(|token| ends(*token)) else { return };
                let token = accepts.remove(index).expect("it was found there");
                self.end_one(token, Outcome::Accepted(Err(AcceptError::Cancelled)));
                self.end(place, ends);
            }
            Input::Receive(Receive { token, .. }) if ends(*token) => {
                let token = *token;
                *input = Input::Nothing;
                self.end_one(token, Outcome::Received(Err(ReceiveError::Cancelled)));
            }
            Input::ReceiveFrom(token, _) if ends(*token) => {
                let token = *token;
                *input = Input::Nothing;
                self.end_one(token, Outcome::ReceivedFrom(Err(ReceiveError::Cancelled)));
            }
            Input::Receive(_) | Input::ReceiveFrom(..) => {}
        }
    }

    /// Answers for the last time what has waited.
    pub(super) fn end_one(&mut self, token: Token, outcome: Outcome) {
        self.waiting.remove(&token);
        self.answer(token, outcome);
    }

    /// Wakes another twin. A kernel's ring is rung by rings only; in one server all engines are the same.
    fn ring(&mut self, token: Token, bell: &Bell) {
        let result = match &bell.0 {
            Place::Event(waker) => {
                waker.wake();
                Ok(())
            }
            Place::Ring(_) => Err(Errno(libc::EBADF)),
        };
        self.answer(token, Outcome::DoorbellSent(result));
    }
}

/// Sends what fits now.
pub(super) fn send(socket: &Socket, gather: &Gather) -> Result<usize, SendError> {
    let sent = match gather.parts() {
        [part] => socket.send_with_flags(part.bytes(), AT_ONCE),
        parts => send_many(socket, parts),
    };
    sent.map_err(|error| errno_of(&error).into())
}

fn send_many(socket: &Socket, parts: &[Part]) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); limits::SEND_PARTS_MAX];
    for (slice, part) in slices.iter_mut().zip(parts) {
        *slice = IoSlice::new(part.bytes());
    }
    socket.send_vectored_with_flags(&slices[..parts.len()], AT_ONCE)
}
