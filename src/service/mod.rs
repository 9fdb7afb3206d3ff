//! What the server is for.
//!
//! A service is told what its connections' peers sent and writes its answers; it never sees a ring, a submission or a
//! file descriptor, and cannot tell whether TLS is between it and the peer. One value of it lives on each shard and is
//! never shared; beside it lives one [session](Service::Session) for each connection.

mod context;
mod echo;
pub mod house;
pub mod http;
mod ingest;
pub mod nats;
mod pass;

pub(crate) use self::context::Ending;
pub use self::context::{Closed, Context, DatagramContext};
pub use self::echo::Echo;
pub use self::ingest::{Ingest, IngestSubject};

use self::house::Wiring;
use crate::connection::{About, Inbox};
use crate::hub::{ClientId, Told};
use crate::metrics::Refused;
use crate::ring::Datagram;

/// What a server does with connections and datagrams.
///
/// All methods are called on the shard's thread and must not block. What they write leaves at the end of the turn, in
/// one send per connection. A service writes to the connection that it was called for; to all others it speaks through
/// the [hub](Context::hub).
pub trait Service {
    /// What the service remembers of one connection.
    type Session;

    /// A connection came in, and is ready: a PROXY header has been read and a TLS handshake made where the listener
    /// asks for them.
    fn open(&mut self, context: &mut Context<'_>) -> Self::Session;

    /// Bytes came in, or what it [held for](Context::hold_for_room) has come. Consume what is complete; what is left
    /// comes again, joined with what follows.
    fn receive(&mut self, session: &mut Self::Session, inbox: &mut Inbox<'_>, context: &mut Context<'_>);

    /// The [timer](Context::set_timer) has come. `inbox` has what was left or held back.
    fn timer(&mut self, session: &mut Self::Session, inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
        self.receive(session, inbox, context);
    }

    /// Something was published that this connection has subscribed to, as one that wants to be
    /// [told](crate::hub::Form::Told).
    fn told(&mut self, session: &mut Self::Session, told: &Told, context: &mut Context<'_>) {
        let _ = (session, told, context);
    }

    /// The configuration was read again: from now on this holds of the listeners. Only a server whose services are made by
    /// the configuration is told; whoever makes a service of his own knows what he wants of it.
    fn rewire(&mut self, wiring: &Wiring) {
        let _ = wiring;
    }

    /// The configuration was read again, and there may be others who may come: told once for each connection, which the
    /// service ends if it would not be let in any more.
    fn review(&mut self, session: &mut Self::Session, context: &mut Context<'_>) {
        let _ = (session, context);
    }

    /// The peer has ended its side and will send nothing more. It may still read, so what waits is sent first.
    fn end(&mut self, session: &mut Self::Session, context: &mut Context<'_>) {
        let _ = session;
        context.finish();
    }

    /// The server has begun to stop, and will [end](Self::drain) this connection when it is its turn: in a moment, or after
    /// others. Told once, to those who were there when it began.
    fn forewarn(&mut self, session: &mut Self::Session, context: &mut Context<'_>) {
        let _ = (session, context);
    }

    /// The server is stopping, it is this connection's turn, and all that this peer sent was answered, or there is no more time to wait for that. Told
    /// once; who does not end the connection now may do so later, before the deadline cuts it.
    fn drain(&mut self, session: &mut Self::Session, context: &mut Context<'_>) {
        let _ = session;
        context.finish();
    }

    /// The connection is over.
    fn close(&mut self, session: Self::Session, closed: &mut Closed<'_>) {
        let _ = (session, closed);
    }

    /// Private memory that a session holds, in bytes: it counts against the shard's bound.
    fn memory(&self, session: &Self::Session) -> usize {
        let _ = session;
        0
    }

    /// What is spoken in a session, in a word: for listings of connections.
    fn protocol(&self, session: &Self::Session) -> &'static str {
        let _ = session;
        "raw"
    }

    /// Who a session is in the hub, if it takes part: for listings.
    fn client(&self, session: &Self::Session) -> Option<ClientId> {
        let _ = session;
        None
    }

    /// What the peer says of itself: for listings.
    fn about(&self, session: &Self::Session) -> Option<About> {
        let _ = session;
        None
    }

    /// A datagram came in.
    ///
    /// # Errors
    /// Why it is not taken: that is counted, and logged with where it came from.
    fn datagram(&mut self, datagram: Datagram, context: &mut DatagramContext<'_>) -> Result<(), Refused> {
        let _ = (datagram, context);
        Ok(())
    }
}
