//! Going on with what waits at a file that is ready, in bursts: who has much to read leaves the rest for the next turn.

use std::io;
use std::mem;
use std::os::fd::AsFd;

use socket2::{MaybeUninitSlice, Socket};

use super::files::{File, Input, Output, Receive};
use super::filling::{Filled, Filling};
use super::{Epoll, errno_of, ops};
use crate::ring::completion::{AcceptError, Accepted, Errno, Outcome, ReceiveError, Received, SendError};
use crate::ring::datagram::{Datagram, HEADER_BYTES, encode_header};
use crate::ring::files::Descriptor;
use crate::ring::token::Token;
use crate::sys::epoll;

/// Completions of one receive in one turn, as many as a ring's: one, and 32 more (`MULTISHOT_MAX_RETRY` in
/// io_uring/net.c).
const BURST: usize = 33;

/// What a step of a receive came to: its answer, and whether it goes on; none when it waits.
type Step<T> = Option<(Token, Result<T, ReceiveError>, bool)>;

impl Epoll {
    /// Attends to what was ready when the turn began.
    pub(super) fn attend_to_ready(&mut self) {
        // What has more to read than a burst stands behind them, and waits for the next turn.
        for _ in 0..self.ready.len() {
            if self.is_full() {
                return;
            }
            let Some(place) = self.ready.pop_front() else { return };
            self.files.unlist(place);
            self.attend_to(place);
        }
    }

    /// Attends to what the wait has brought news of.
    pub(super) fn attend_to_fresh(&mut self) {
        while let Some(place) = self.fresh.pop_front() {
            if self.is_full() {
                self.ready.push_back(place);
                continue;
            }
            self.files.unlist(place);
            self.attend_to(place);
        }
    }

    /// Whether so much waits to be collected that no more is received.
    fn is_full(&self) -> bool {
        self.answers_max <= self.answers.len()
    }

    fn attend_to(&mut self, place: u32) {
        // It may have been closed since it was listed.
        let Some(file) = self.files.at(place) else { return };
        match &file.input {
            Input::Nothing => {}
            Input::Accepts(_) => self.go_on_accepting(place),
            Input::Receive(_) => self.go_on_receiving(place),
            Input::ReceiveFrom(..) => self.go_on_receiving_from(place),
        }
        self.go_on_writing(place);
        if let Err(error) = self.files.watch(place, &self.poll) {
            self.give_up(place, errno_of(&error));
        }
    }

    // --- Accepting ----------------------------------------------------------------------------------------------

    fn go_on_accepting(&mut self, place: u32) {
        loop {
            let file = self.files.named(place);
            let Input::Accepts(accepts) = &mut file.input else { return };
            if !file.readable {
                return;
            }
            let Some(token) = accepts.pop_front() else { return };
            let accepted = match file.socket.accept() {
                Ok((socket, name)) => {
                    let address = name.as_socket();
                    // Like the kernel's own table, it is looked at when the connection is there, and is lost.
                    let new = self.files.insert(File::new(socket, address.is_none()));
                    new.map(|place| Accepted { descriptor: Descriptor::new(place), address })
                        .ok_or(AcceptError::SystemFull)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    accepts.push_front(token);
                    return file.is_drained();
                }
                Err(error) => Err(errno_of(&error).into()),
            };
            self.end_one(token, Outcome::Accepted(accepted));
        }
    }

    // --- Receiving ----------------------------------------------------------------------------------------------

    fn go_on_receiving(&mut self, place: u32) {
        for _ in 0..BURST {
            let Some((token, result, more)) = self.files.named(place).receive(&mut self.streams) else {
                return;
            };
            if more {
                self.post(token, true, Outcome::Received(result));
            } else {
                return self.end_one(token, Outcome::Received(result));
            }
        }
        if self.files.named(place).readable {
            self.list(place);
        }
    }

    fn go_on_receiving_from(&mut self, place: u32) {
        let datagrams = self.datagrams.as_mut().expect("datagrams are received with buffers");
        let mut filling = datagrams;
        for _ in 0..BURST {
            let Some((token, result, more)) = self.files.named(place).receive_from(filling) else { return };
            if more {
                self.post(token, true, Outcome::ReceivedFrom(result));
            } else {
                return self.end_one(token, Outcome::ReceivedFrom(result));
            }
            filling = self.datagrams.as_mut().expect("datagrams are received with buffers");
        }
        if self.files.named(place).readable {
            self.list(place);
        }
    }

    // --- Writing ------------------------------------------------------------------------------------------------

    fn go_on_writing(&mut self, place: u32) {
        let file = self.files.named(place);
        if !file.writable {
            return;
        }
        match mem::take(&mut file.output) {
            Output::Nothing => {}
            Output::Send(token, gather) => match ops::send(&file.socket, &gather) {
                Err(SendError::WouldBlock) => {
                    file.writable = false;
                    file.output = Output::Send(token, gather);
                }
                result => self.end_one(token, Outcome::Sent { gather, result }),
            },
            Output::Connect(token) => {
                let result = match file.socket.take_error() {
                    Ok(None) => Ok(()),
                    Ok(Some(error)) | Err(error) => Err(errno_of(&error).into()),
                };
                self.end_one(token, Outcome::Connected(result));
            }
        }
    }

    /// The kernel cannot tell us of changes at this file: so what waits there fails.
    fn give_up(&mut self, place: u32, errno: Errno) {
        let file = self.files.named(place);
        match mem::take(&mut file.output) {
            Output::Nothing => {}
            Output::Send(token, gather) => {
                self.end_one(token, Outcome::Sent { gather, result: Err(errno.into()) });
            }
            Output::Connect(token) => self.end_one(token, Outcome::Connected(Err(errno.into()))),
        }
        match mem::take(&mut self.files.named(place).input) {
            Input::Nothing => {}
            Input::Accepts(accepts) => {
                for token in accepts {
                    self.end_one(token, Outcome::Accepted(Err(errno.into())));
                }
            }
            // Not by its own name: for whoever receives, a lack of memory would be one of receive buffers.
            Input::Receive(Receive { token, .. }) => {
                self.end_one(token, Outcome::Received(Err(ReceiveError::Unexpected(errno))));
            }
            Input::ReceiveFrom(token, _) => {
                self.end_one(token, Outcome::ReceivedFrom(Err(ReceiveError::Unexpected(errno))));
            }
        }
    }
}

impl File {
    /// A step of the armed receive.
    fn receive(&mut self, buffers: &mut Filling) -> Step<Received> {
        let Input::Receive(receive) = &mut self.input else { return None };
        let token = receive.token;
        let looks = mem::take(&mut receive.looks);
        // A buffer comes first: an end, too, is told only to who has one.
        if !buffers.has_room() && (looks || self.readable) {
            if looks || epoll::is_readable(self.socket.as_fd()) {
                return self.end_input(token, Err(ReceiveError::NoBuffers));
            }
            self.is_drained();
            return None;
        }
        if !self.readable {
            return None;
        }
        let socket = &self.socket;
        match buffers.fill(receive.most, |room| socket.recv_with_flags(room, libc::MSG_DONTWAIT)) {
            Ok(Filled { bytes: Some(bytes), is_full }) => {
                // TCP has been asked for more than there was.
                self.readable = is_full || self.thorough;
                // What is left of the credit does not shorten a receive: the last one may bring more.
                receive.credit = receive.credit.map(|credit| credit.saturating_sub(bytes.len()));
                if receive.credit == Some(0) {
                    self.end_input(token, Ok(Received::Bytes(bytes)))
                } else {
                    Some((token, Ok(Received::Bytes(bytes)), true))
                }
            }
            Ok(Filled { bytes: None, .. }) => self.end_input(token, Ok(Received::End)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_drained();
                None
            }
            Err(error) => self.end_input(token, Err(errno_of(&error).into())),
        }
    }

    /// A step of the armed receive of datagrams. Whether more are there is seen only by asking for one, with a buffer.
    fn receive_from(&mut self, buffers: &mut Filling) -> Step<Datagram> {
        let Input::ReceiveFrom(token, looks) = &mut self.input else { return None };
        let (token, looks) = (*token, mem::take(looks));
        if !looks && !self.readable {
            return None;
        }
        if !buffers.has_room() {
            return self.end_input(token, Err(ReceiveError::NoBuffers));
        }
        if !self.readable {
            return None;
        }
        match receive_datagram(&self.socket, buffers) {
            // Nothing was received, says the kernel of an empty one, and takes it for the end.
            Ok(Some(datagram)) if datagram.is_empty() => self.end_input(token, Ok(datagram)),
            Ok(Some(datagram)) => Some((token, Ok(datagram), true)),
            Ok(None) => {
                let family = ReceiveError::Unexpected(Errno(libc::EAFNOSUPPORT));
                self.end_input(token, Err(family))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_drained();
                None
            }
            Err(error) => self.end_input(token, Err(errno_of(&error).into())),
        }
    }

    fn end_input<T>(&mut self, token: Token, result: Result<T, ReceiveError>) -> Step<T> {
        self.input = Input::Nothing;
        Some((token, result, false))
    }
}

/// Receives one datagram, as a ring leaves it in its buffer; none when its sender has no address of IPv4 or IPv6.
fn receive_datagram(socket: &Socket, buffers: &mut Filling) -> io::Result<Option<Datagram>> {
    let filled = buffers.fill(usize::MAX, |room| {
        let (head, payload) = room.split_at_mut(HEADER_BYTES);
        let mut payload = [MaybeUninitSlice::new(payload)];
        let (count, flags, name) = socket.recv_from_vectored_with_flags(&mut payload, libc::MSG_DONTWAIT)?;
        let length = u32::try_from(count).expect("a datagram is short");
        let Some(peer) = name.as_socket() else { return Ok::<_, io::Error>(0) };
        let header = encode_header(peer, length, flags.is_truncated());
        head.iter_mut().zip(header).for_each(|(place, byte)| _ = place.write(byte));
        Ok(HEADER_BYTES + count)
    })?;
    Ok(filled.bytes.and_then(Datagram::parse))
}
