//! Listeners and datagram sockets of the simulated kernel: queues on both sides.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::ring::files::Descriptor;
use crate::ring::token::Token;

/// A listening socket.
#[derive(Debug, Default)]
pub(super) struct Listener {
    pub(super) closed: bool,
    /// Accepts that wait for a connection.
    pub(super) accepts: VecDeque<Token>,
    /// Connections that wait for an accept.
    pub(super) backlog: VecDeque<usize>,
    /// Whether it is on the list of what has news.
    pub(super) woken: bool,
}

/// A datagram socket.
#[derive(Debug)]
pub(super) struct Datagrams {
    pub(super) descriptor: Descriptor,
    pub(super) closed: bool,
    /// The armed receive.
    pub(super) receive: Option<Token>,
    /// Whether it asks for a buffer next, though nothing may be there.
    pub(super) looks: bool,
    /// What has come in.
    pub(super) queue: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Most datagrams in the queue; what comes then is lost.
    pub(super) queue_max: usize,
    /// What was sent, until the test takes it.
    pub(super) sent: Vec<(SocketAddr, Vec<u8>)>,
    /// Whether it is on the list of what has news.
    pub(super) woken: bool,
}

impl Datagrams {
    pub(super) fn new(descriptor: Descriptor) -> Self {
        Self {
            descriptor,
            closed: false,
            receive: None,
            looks: false,
            queue: VecDeque::new(),
            queue_max: usize::MAX,
            sent: Vec::new(),
            woken: false,
        }
    }

    /// Whether an armed receive has something to do.
    pub(super) fn is_readable(&self) -> bool {
        self.looks || !self.queue.is_empty()
    }
}
