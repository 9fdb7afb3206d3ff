//! What connections of one shard say to one another.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::connection::ConnectionId;
use crate::limits;

/// Letters that wait to be delivered, at the end of the turn.
#[derive(Debug, Default)]
pub struct Letters {
    waiting: VecDeque<(ConnectionId, Arc<[u8]>)>,
    /// Letters that found no room.
    lost: u64,
}

impl Letters {
    /// Sends a letter to another connection of this shard, or to the same. It is delivered at the end of the turn, by
    /// [`told`](super::Service::told), if the connection is still there. When too many wait it is lost, and counted.
    pub fn post(&mut self, to: ConnectionId, letter: Arc<[u8]>) {
        if self.waiting.len() < limits::LETTERS_WAITING_MAX {
            self.waiting.push_back((to, letter));
        } else {
            self.lost += 1;
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn take(&mut self) -> Option<(ConnectionId, Arc<[u8]>)> {
        let letter = self.waiting.pop_front();
        if self.waiting.is_empty() && LETTERS_KEPT < self.waiting.capacity() {
            self.waiting = VecDeque::new();
        }
        letter
    }

    /// How many were lost since this was asked last.
    pub(crate) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

/// Room for letters that is kept when a burst is over.
const LETTERS_KEPT: usize = 1024;
