//! The peer of datagram clients: each datagram is a message and goes back where it came from.
//!
//! Datagrams leave each at its own time, so a law with several delays reorders them, as a network may.

use std::net::SocketAddr;

use tidemill::ring::{Completion, Datagram, Descriptor, Kernel, Kind, Op, Outcome, Part, ReceiveError};
use tidemill::sys::clock::Time;

use super::calendar::Calendar;
use super::fault::Fate;
use super::server::{Server, Turn, WAITING_BYTES_MAX, WAITING_MAX};
use crate::traffic::client::token;

/// Datagrams that the kernel may have together. It takes or refuses each at once, so few are.
const SENDS_MAX: u32 = 1024;

/// A peer of datagram clients.
#[derive(Debug)]
pub struct Datagrams {
    socket: Descriptor,
    answers: Calendar<Due>,
    /// Bytes of answers that wait.
    held: usize,
    /// Sends that may be asked for.
    sends: Vec<u32>,
}

/// An answer that waits for its time.
#[derive(Debug)]
struct Due {
    to: SocketAddr,
    bytes: Vec<u8>,
    /// Whether it is the second of two, which is not counted.
    is_copy: bool,
}

impl Datagrams {
    /// A peer at this socket.
    pub fn new(socket: Descriptor) -> Self {
        Self { socket, answers: Calendar::new(), held: 0, sends: (0..SENDS_MAX).collect() }
    }

    fn arm<K: Kernel>(&self, turn: &mut Turn<'_, K>) {
        turn.link.push(Op::ReceiveFrom { token: token(Kind::ReceiveFrom, 0), file: self.socket });
    }

    fn take<K: Kernel>(&mut self, datagram: &Datagram, turn: &mut Turn<'_, K>) {
        if WAITING_MAX <= self.answers.len() || WAITING_BYTES_MAX < self.held + datagram.len() {
            turn.desk.counts.overflowed += 1;
            return;
        }
        let mut bytes = datagram.to_vec();
        let (departure, fate) = turn.desk.arrive(turn.now, !bytes.is_empty());
        match (fate, bytes.last_mut()) {
            (Fate::Dropped, _) => return,
            // The first bytes may say which message it is.
            (Fate::Corrupted, Some(last)) => *last ^= 0xff,
            (Fate::Duplicated, _) => self.enter(departure, datagram.peer(), bytes.clone(), true),
            (Fate::Whole | Fate::Corrupted, _) => {}
        }
        self.enter(departure, datagram.peer(), bytes, false);
    }

    fn enter(&mut self, departure: Time, to: SocketAddr, bytes: Vec<u8>, is_copy: bool) {
        self.held += bytes.len();
        self.answers.enter(departure, Due { to, bytes, is_copy });
    }
}

impl Server for Datagrams {
    fn start<K: Kernel>(&mut self, turn: &mut Turn<'_, K>) {
        self.arm(turn);
    }

    fn handle<K: Kernel>(&mut self, completion: Completion, turn: &mut Turn<'_, K>) {
        match completion.outcome {
            Outcome::ReceivedFrom(result) => {
                match result {
                    Ok(datagram) => self.take(&datagram, turn),
                    // Buffers of this turn are free again; one client that has gone does not concern the others.
                    Err(ReceiveError::NoBuffers | ReceiveError::NobodyThere) => {}
                    Err(error) => return *turn.failure = Some(error),
                }
                if !completion.more {
                    self.arm(turn);
                }
            }
            Outcome::SentTo(result) => {
                self.sends.push(completion.token.slot());
                turn.desk.counts.not_taken += u64::from(result.is_err());
            }
            Outcome::Accepted(_)
            | Outcome::Connected(_)
            | Outcome::Received(_)
            | Outcome::Sent { .. }
            | Outcome::ShutDown(_)
            | Outcome::Cancelled
            | Outcome::CloseCancelled
            | Outcome::Closed(_)
            | Outcome::Doorbell
            | Outcome::DoorbellSent(_) => unreachable!("the peer of datagrams asks for none of these"),
        }
    }

    fn next(&self) -> Option<Time> {
        self.answers.next()
    }

    fn release<K: Kernel>(&mut self, turn: &mut Turn<'_, K>) {
        while let Some(send) = self.sends.pop() {
            let Some((asked, due)) = self.answers.take_due(turn.now) else {
                self.sends.push(send);
                return;
            };
            self.held -= due.bytes.len();
            if !due.is_copy {
                turn.desk.leave(asked);
            }
            let (token, payload) = (token(Kind::SendTo, send), Part::Copied(due.bytes.into()));
            turn.link.push(Op::SendTo { token, file: self.socket, to: Some(due.to), payload });
        }
    }

    fn tick<K: Kernel>(&mut self, _: &mut Turn<'_, K>) {}

    fn waiting(&mut self) -> u64 {
        let far = Time::from_nanos(u64::MAX);
        std::iter::from_fn(|| self.answers.take_due(far)).map(|(_, due)| u64::from(!due.is_copy)).sum()
    }
}
