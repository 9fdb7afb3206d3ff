//! One connection: its place in the ring, what reads it, and what waits to be sent on it.

use tidemill::ring::{Descriptor, Gather, Kernel, Kind, Op, Part, SendMode};

use super::input::Input;
use super::outgoing::{Batch, Outgoing};
use crate::link::Link;
use crate::traffic::client::token;

/// Bytes after which a receive ends by itself and is armed again. All that comes is taken, so it is large.
const CREDIT_BYTES: u32 = 1 << 30;

/// Who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The publisher, or requester, of this number.
    Publisher(usize),
    /// The subscriber of this number.
    Subscriber(usize),
    /// A subscriber that answers.
    Responder(usize),
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    /// Who it is.
    pub role: Role,
    /// What reads it.
    pub input: Input,
    /// What waits.
    pub out: Outgoing,
    /// Whether it works.
    pub is_open: bool,
    /// Whether a send is in flight.
    pub is_sending: bool,
    file: Descriptor,
    /// The parts of a send, with their memory; empty while it is in flight.
    gather: Gather,
}

impl Connection {
    /// Open, with nothing to send.
    pub fn new(role: Role, input: Input, file: Descriptor) -> Self {
        let (out, gather) = (Outgoing::default(), Gather::default());
        Self { role, input, out, is_open: true, is_sending: false, file, gather }
    }

    /// Whether what is said goes into WebSocket messages.
    pub fn is_wrapped(&self) -> bool {
        matches!(self.input, Input::NatsOverWebSocket(..))
    }

    /// Receives from now on.
    pub fn receive<K: Kernel>(&self, slot: u32, wait_first: bool, link: &mut Link<K>) {
        let token = token(Kind::Receive, slot);
        link.push(Op::Receive { token, file: self.file, credit: CREDIT_BYTES, wait_first });
    }

    /// Sends what waits, and publications behind it where there are any.
    pub fn send<K: Kernel>(
        &mut self,
        slot: u32,
        publications: Option<(&mut Batch, (u32, u64), u64)>,
        link: &mut Link<K>,
    ) {
        debug_assert!(self.is_open && !self.is_sending, "one send is in flight at most");
        let is_wrapped = self.is_wrapped();
        let mut gather = std::mem::take(&mut self.gather);
        self.out.take(is_wrapped, gather.parts_mut());
        if let Some((batch, first, count)) = publications {
            batch.frames(first, count, is_wrapped, gather.parts_mut());
        }
        self.is_sending = true;
        link.push(Op::Send { token: token(Kind::Send, slot), file: self.file, gather, mode: SendMode::Now });
    }

    /// Takes a send back, of which the kernel took so many bytes: the rest follows, and what is done with goes to `home`.
    pub fn sent<K: Kernel>(
        &mut self,
        slot: u32,
        (mut gather, mut bytes): (Gather, usize),
        home: &mut dyn FnMut(Part),
        link: &mut Link<K>,
    ) {
        let mut is_whole = |part: &Part| {
            let length = part.bytes().len();
            let is_whole = length <= bytes;
            bytes -= if is_whole { length } else { 0 };
            is_whole
        };
        let whole = gather.parts().iter().take_while(|part| is_whole(part)).count();
        gather.parts_mut().drain(..whole).for_each(home);
        if let Some(part) = gather.parts_mut().first_mut() {
            part.advance(bytes);
            let token = token(Kind::Send, slot);
            link.push(Op::Send { token, file: self.file, gather, mode: SendMode::Wait });
            return;
        }
        self.is_sending = false;
        self.gather = gather;
    }

    /// Ends it.
    pub fn close<K: Kernel>(&mut self, slot: u32, link: &mut Link<K>) {
        if std::mem::take(&mut self.is_open) {
            link.push(Op::Close { token: token(Kind::Close, slot), file: self.file });
        }
    }
}
