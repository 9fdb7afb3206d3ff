//! What a server sends, as deliveries: one reader for each way in which a connection may be spoken.
//!
//! A reader asks its [`Sink`] first whether the bytes are exactly what comes next, which costs next to nothing; only what
//! is not goes through the codecs. Bytes may be cut anywhere; what a reader keeps of them is bounded.

mod events;
mod nats;
mod websocket;

use super::outgoing::Outgoing;

pub use events::Events;
pub use nats::Nats;
pub use websocket::Frames;

/// A message that came. What the protocol does not tell is absent.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The subscription's name.
    pub sid: Option<&'a [u8]>,
    /// Where it was published.
    pub subject: Option<&'a [u8]>,
    /// Where an answer goes.
    pub reply: Option<&'a [u8]>,
    /// Headers, from their first line on; empty where there are none.
    pub headers: &'a [u8],
    /// What it says.
    pub payload: &'a [u8],
}

/// Who gets what was read.
pub trait Sink {
    /// Takes frames from the front that are exactly what comes next, and returns their bytes. Called where a frame begins.
    fn expected(&mut self, _: &[u8]) -> usize {
        0
    }

    /// A message that was read in full.
    fn message(&mut self, delivery: Delivery<'_>);

    /// The server has dealt with everything that was sent before it was asked.
    fn ready(&mut self);

    /// The server complains.
    fn error(&mut self, words: &str);
}

/// What reads a connection.
#[derive(Debug)]
pub enum Input {
    /// NATS.
    Nats(Nats),
    /// NATS within binary WebSocket messages.
    NatsOverWebSocket(Box<Frames>, Nats),
    /// WebSocket messages, each of which is a message.
    WebSocket(Box<Frames>),
    /// Server-Sent Events.
    Events(Box<Events>),
}

impl Input {
    /// Reads what came, and writes what has to be answered.
    ///
    /// # Errors
    /// A sentence that says why the connection is of no more use.
    pub fn read(&mut self, bytes: &mut [u8], sink: &mut impl Sink, out: &mut Outgoing) -> Result<(), String> {
        match self {
            Self::Nats(nats) => nats.read(bytes, sink, &mut out.words),
            Self::NatsOverWebSocket(frames, nats) => {
                let mut within = Within { nats, sink, words: &mut out.words, fault: None };
                frames.read(bytes, &mut within, &mut out.raw)?;
                within.fault.map_or(Ok(()), Err)
            }
            Self::WebSocket(frames) => frames.read(bytes, sink, &mut out.raw),
            Self::Events(events) => events.read(bytes, sink),
        }
    }
}

/// Reads NATS out of WebSocket messages, whose ends mean nothing to it.
struct Within<'a, S> {
    nats: &'a mut Nats,
    sink: &'a mut S,
    words: &'a mut Vec<u8>,
    fault: Option<String>,
}

impl<S: Sink> Sink for Within<'_, S> {
    fn message(&mut self, delivery: Delivery<'_>) {
        if self.fault.is_none() {
            self.fault = self.nats.read(delivery.payload, self.sink, self.words).err();
        }
    }

    fn ready(&mut self) {}

    fn error(&mut self, words: &str) {
        self.sink.error(words);
    }
}

#[cfg(test)]
mod tests;
