//! WebSocket messages (RFC 6455), of which each is a delivery; or the pieces of another protocol's stream.

use tidemill::protocol::websocket::{Event, Limits, Receiver, Role, sender};

use super::{Delivery, Sink};
use crate::pubsub::outgoing::NO_MASK;

/// Longest message that is taken: what a hub's largest payload may be, and the frames of a stream within.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Reads one connection.
#[derive(Debug)]
pub struct Frames {
    receiver: Receiver,
    /// What could not be read yet: less than a header and the payload of a control frame.
    carry: Vec<u8>,
}

impl Frames {
    /// Behind the handshake.
    pub fn new() -> Self {
        let limits = Limits { message_bytes_max: MESSAGE_BYTES_MAX, frame_bytes_max: MESSAGE_BYTES_MAX };
        Self { receiver: Receiver::new(Role::Client, limits, None), carry: Vec::new() }
    }

    /// Reads what came; pings are answered into `raw`.
    ///
    /// # Errors
    /// When it breaks RFC 6455, or the server says goodbye.
    pub fn read(&mut self, bytes: &mut [u8], sink: &mut impl Sink, raw: &mut Vec<u8>) -> Result<(), String> {
        if self.carry.is_empty() {
            let taken = read(&mut self.receiver, bytes, sink, raw)?;
            self.carry.extend_from_slice(&bytes[taken..]);
            return Ok(());
        }
        let mut whole = std::mem::take(&mut self.carry);
        whole.extend_from_slice(bytes);
        let taken = read(&mut self.receiver, &mut whole, sink, raw)?;
        whole.drain(..taken);
        self.carry = whole;
        Ok(())
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads as much as can be; returns how many bytes are done with.
fn read(
    receiver: &mut Receiver,
    bytes: &mut [u8],
    sink: &mut impl Sink,
    raw: &mut Vec<u8>,
) -> Result<usize, String> {
    let mut at = 0;
    loop {
        if !receiver.is_within_message() {
            at += sink.expected(&bytes[at..]);
        }
        let step = receiver.receive(&mut bytes[at..]).map_err(|failure| failure.reason.to_owned())?;
        at += step.consumed;
        match step.event {
            Some(Event::Message { payload, .. }) => {
                sink.message(Delivery { sid: None, subject: None, reply: None, headers: b"", payload });
            }
            Some(Event::Ping(payload)) => sender::pong(raw, payload, Some(NO_MASK)),
            // Messages are asked for whole.
            Some(Event::Pong(_) | Event::Piece(_)) => {}
            Some(Event::Close { code, reason }) => {
                let code = code.map_or_else(|| "no code".to_owned(), |code| code.number().to_string());
                return Err(format!("the server closed it with {code} {reason:?}"));
            }
            None => return Ok(at),
        }
    }
}
