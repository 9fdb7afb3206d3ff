//! NATS, as the codec reads it.

use tidemill::protocol::nats::client::{Event, Message, Reader, write};

use super::{Delivery, Sink};

/// Reads one connection.
#[derive(Debug, Default)]
pub struct Nats {
    reader: Reader,
}

impl Nats {
    /// Reads what came; a `PING` is answered into `words`.
    ///
    /// # Errors
    /// When this is not what a server sends.
    #[inline]
    pub fn read(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl Sink,
        words: &mut Vec<u8>,
    ) -> Result<(), String> {
        loop {
            if self.reader.is_between() {
                let taken = sink.expected(bytes);
                bytes = &bytes[taken..];
            }
            if bytes.is_empty() {
                return Ok(());
            }
            let step = self.reader.read(bytes).map_err(|error| error.to_string())?;
            bytes = &bytes[step.consumed..];
            match step.event {
                Some(Event::Message(Message { subject, sid, reply, headers, payload })) => {
                    sink.message(Delivery {
                        sid: Some(sid),
                        subject: Some(subject),
                        reply,
                        headers,
                        payload,
                    });
                }
                Some(Event::Ping) => words.extend_from_slice(write::PONG),
                Some(Event::Pong) => sink.ready(),
                Some(Event::Error(text)) => sink.error(&String::from_utf8_lossy(text)),
                Some(Event::Info(_) | Event::Ok) | None => {}
            }
        }
    }
}
