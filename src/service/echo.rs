//! Sends back what comes in: bytes of a stream as bytes, each datagram as a datagram (RFC 862).

use super::{Context, DatagramContext, Service};
use crate::connection::Inbox;
use crate::metrics::Refused;
use crate::ring::Datagram;

/// The echo service. What was received is sent from the very buffer it was received in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Service for Echo {
    type Session = ();

    fn open(&mut self, _: &mut Context<'_>) {}

    fn receive(&mut self, (): &mut (), inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
        match inbox.take() {
            Some(bytes) => context.outbox.send_received(bytes),
            // What was decrypted, or held back.
            None => {
                context.outbox.write(inbox.bytes());
                inbox.consume(inbox.bytes().len());
            }
        }
    }

    fn protocol(&self, (): &()) -> &'static str {
        "echo"
    }

    fn datagram(&mut self, datagram: Datagram, context: &mut DatagramContext<'_>) -> Result<(), Refused> {
        // The end of a truncated datagram is lost: half an echo would be a wrong one.
        if !datagram.truncated() {
            context.replies.send_received(datagram.peer(), datagram.into_payload());
        }
        Ok(())
    }
}
