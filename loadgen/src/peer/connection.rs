//! One connection of the peer: what was read from it, what is to be said to it, and how it ends.
//!
//! It decides which operations are to be asked for, and the [streams](super::streams) ask for them.

use tidemill::ring::{Descriptor, Gather, Part};
use tidemill::sys::clock::Time;

use super::reader::Reader;

/// A connection.
#[derive(Debug)]
pub struct Connection {
    /// Its place in the ring's table.
    pub file: Descriptor,
    /// Cuts what it says into messages.
    pub reader: Reader,
    /// Messages that came from it.
    pub messages: u64,
    /// When the last of its answers leaves: those of a stream keep their order.
    pub last_departure: Time,
    /// Answers that wait for their time.
    pub waiting: u64,
    /// What is to be sent.
    pub outbox: Vec<u8>,
    /// Bytes that the kernel has.
    pub lent: usize,
    /// Operations that have not answered.
    pub pending: u32,
    /// Bytes that were last counted for it.
    pub counted: usize,
    /// How far it has come.
    pub stage: Stage,
    /// Whether the client has closed its side.
    pub peer_ended: bool,
    /// Whether it is on the list of those to be settled.
    pub is_touched: bool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Messages are read and answered.
    Open,
    /// Nothing more is read, because the answer that ends the connection is on its way.
    Ending,
    /// Everything is said, and our side is closed: the client's end is waited for, so that what it still sends does not
    /// make the kernel reset the connection before it has read our last answer.
    Lingering,
    /// It was asked to close.
    Closing,
}

/// What a connection needs next.
#[derive(Debug)]
pub enum Step {
    /// Nothing, until something comes.
    Rest,
    /// These bytes are to be sent.
    Send(Gather),
    /// Our side is to be closed.
    Shutdown,
    /// It is to be closed.
    Close,
    /// It has closed, and every operation has answered: its place is free.
    Free,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(file: Descriptor, reader: Reader) -> Self {
        Self {
            file,
            reader,
            messages: 0,
            last_departure: Time::ZERO,
            waiting: 0,
            outbox: Vec::new(),
            lent: 0,
            pending: 0,
            counted: 0,
            stage: Stage::Open,
            peer_ended: false,
            is_touched: false,
        }
    }

    /// What it needs next. Whoever asks does it: asked again, the answer takes it as done.
    pub fn step(&mut self) -> Step {
        let is_silent = self.lent == 0 && self.waiting == 0;
        match self.stage {
            Stage::Closing if self.pending == 0 => Step::Free,
            Stage::Closing => Step::Rest,
            Stage::Open | Stage::Ending if self.lent == 0 && !self.outbox.is_empty() => {
                self.lent = self.outbox.len();
                Step::Send(Gather::one(Part::Copied(std::mem::take(&mut self.outbox).into())))
            }
            Stage::Open | Stage::Ending | Stage::Lingering if is_silent && self.peer_ended => self.close(),
            Stage::Ending if is_silent => {
                self.stage = Stage::Lingering;
                Step::Shutdown
            }
            Stage::Open | Stage::Ending | Stage::Lingering => Step::Rest,
        }
    }

    /// Gives it up, whatever it still has to say.
    pub fn close(&mut self) -> Step {
        if self.stage == Stage::Closing {
            return Step::Rest;
        }
        self.stage = Stage::Closing;
        self.outbox = Vec::new();
        self.reader = Reader::new(Some(1), None); // What it had read is of no use any more.
        Step::Close
    }

    /// Bytes that it holds in memory.
    pub fn held(&self) -> usize {
        self.reader.held() + self.outbox.len() + self.lent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection::new(Descriptor::new(1), Reader::new(Some(4), None))
    }

    fn name(step: &Step) -> &'static str {
        match step {
            Step::Rest => "rest",
            Step::Send(_) => "send",
            Step::Shutdown => "shutdown",
            Step::Close => "close",
            Step::Free => "free",
        }
    }

    #[test]
    fn a_client_that_ended_its_side_gets_its_answers_first() {
        let mut connection = connection();
        connection.waiting = 1;
        connection.peer_ended = true;
        assert_eq!(name(&connection.step()), "rest");
        connection.waiting = 0;
        connection.outbox = b"abcd".to_vec();
        assert_eq!(name(&connection.step()), "send");
        assert_eq!(name(&connection.step()), "rest", "one send at a time");
        connection.lent = 0;
        assert_eq!(name(&connection.step()), "close");
        connection.pending = 1;
        assert_eq!(name(&connection.step()), "rest");
        connection.pending = 0;
        assert_eq!(name(&connection.step()), "free");
    }

    #[test]
    fn a_connection_that_we_end_says_everything_and_waits_for_the_other_side() {
        let mut connection = connection();
        connection.stage = Stage::Ending;
        connection.outbox = b"abcd".to_vec();
        assert_eq!(name(&connection.step()), "send");
        assert_eq!(connection.held(), 4);
        connection.lent = 0;
        assert_eq!(name(&connection.step()), "shutdown");
        assert_eq!(name(&connection.step()), "rest");
        connection.peer_ended = true;
        assert_eq!(name(&connection.step()), "close");
    }
}
