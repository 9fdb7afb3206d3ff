//! The ring as the peer uses it: like a client's [link](crate::traffic::link), but the caller says how to wait, because
//! the last moment before a departure is spent awake.

use std::collections::VecDeque;

use tidemill::limits::COMPLETIONS_PER_TURN;
use tidemill::ring::{Completion, Kernel, Op, Refused, RingError, Wait};
use tidemill::sys::clock::Time;

/// A kernel, and what it has not yet taken.
#[derive(Debug)]
pub struct Wire<K> {
    kernel: K,
    /// In order. Bounded by what its owners have in flight, which is a few operations for each connection.
    held: VecDeque<Op>,
}

impl<K: Kernel> Wire<K> {
    /// A wire to this kernel.
    pub fn new(kernel: K) -> Self {
        Self { kernel, held: VecDeque::new() }
    }

    /// Queues an operation, behind all that were queued before.
    pub fn push(&mut self, op: Op) {
        if !self.held.is_empty() {
            self.held.push_back(op);
        } else if let Err(Refused(op)) = self.kernel.push(op) {
            self.held.push_back(op);
        }
    }

    /// The time, outside of turns.
    pub fn now(&self) -> Time {
        self.kernel.now()
    }

    /// Submits what was queued, waits as told, and moves what came to `ready`. Returns the time after the wait.
    ///
    /// # Errors
    /// When the ring itself fails.
    pub fn turn(&mut self, wait: Wait, ready: &mut VecDeque<Completion>) -> Result<Time, RingError> {
        while let Some(op) = self.held.pop_front() {
            if let Err(Refused(op)) = self.kernel.push(op) {
                self.held.push_front(op);
                break;
            }
        }
        let wait = if self.held.is_empty() { wait } else { Wait::No };
        self.kernel.submit_and_wait(wait)?;
        let now = self.kernel.now();
        self.kernel.collect(ready, COMPLETIONS_PER_TURN);
        Ok(now)
    }
}
