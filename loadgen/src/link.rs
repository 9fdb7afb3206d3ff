//! The ring as clients and the test peer use it: operations that the queue does not take now are kept, in order, for the next turn.
//!
//! It knows neither of them, and they see nothing else of the kernel.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use tidemill::limits::COMPLETIONS_PER_TURN;
use tidemill::ring::{Completion, Descriptor, Kernel, Op, Refused, RingError, Wait};
use tidemill::sys::clock::Time;

use crate::traffic::client::Sockets;

/// A kernel, and what it has not yet taken.
#[derive(Debug)]
pub struct Link<K> {
    kernel: K,
    /// In order. Bounded by what its owners have in flight, which is a few operations for each connection.
    held: VecDeque<Op>,
    /// Sends queued for the next turn that are taken, or refused, at once.
    immediate: u32,
}

impl<K: Kernel> Link<K> {
    /// A link to this kernel.
    pub fn new(kernel: K) -> Self {
        Self { kernel, held: VecDeque::new(), immediate: 0 }
    }

    /// Queues an operation, behind all that were queued before.
    pub fn push(&mut self, op: Op) {
        let is_immediate = match &op {
            Op::Send { mode, .. } => mode.is_immediate(),
            other => matches!(other, Op::SendTo { .. }),
        };
        self.immediate += u32::from(is_immediate);
        if !self.held.is_empty() {
            self.held.push_back(op);
        } else if let Err(Refused(op)) = self.kernel.push(op) {
            self.held.push_back(op);
        }
    }

    /// One turn, one system call: submits what was queued, waits as told for the first completion, and moves what there
    /// is to `ready`. Returns the time after the wait, which is the time of the whole turn.
    ///
    /// # Errors
    /// When the ring itself fails.
    pub fn turn(&mut self, wait: Wait, ready: &mut VecDeque<Completion>) -> Result<Time, RingError> {
        self.push_held();
        self.immediate = 0;
        let wait = if self.held.is_empty() { wait } else { Wait::No };
        self.kernel.submit_and_wait(wait)?;
        let now = self.kernel.now();
        self.kernel.collect(ready, COMPLETIONS_PER_TURN);
        Ok(now)
    }

    /// Has the next turn not end with the sends that it submits, but with what comes of them. For those who have nothing
    /// to do when a send is taken: it saves every other system call of a lone request.
    pub fn outlast_sends(&mut self)
    where
        K: Sockets,
    {
        if self.held.is_empty() {
            self.kernel.expect(self.immediate);
        }
    }

    /// Takes a socket into a free place of the ring's table.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn adopt(&mut self, socket: OwnedFd, place: u32) -> io::Result<Descriptor>
    where
        K: Sockets,
    {
        self.kernel.adopt(socket, place)
    }

    /// The time, outside of turns.
    pub fn now(&self) -> Time {
        self.kernel.now()
    }

    fn push_held(&mut self) {
        while let Some(op) = self.held.pop_front() {
            if let Err(Refused(op)) = self.kernel.push(op) {
                self.held.push_front(op);
                return;
            }
        }
    }
}
