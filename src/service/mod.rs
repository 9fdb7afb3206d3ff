//! What the server is for.
//!
//! A service is told what its connections' peers sent and writes its answers; it never sees a ring, a submission or a
//! file descriptor. One value of it lives on each shard and is never shared.

mod echo;

pub use self::echo::Echo;
use crate::connection::{ConnectionId, Cut, Inbox, Outbox, Replies};
use crate::ring::Datagram;
use crate::sys::address::Peer;
use crate::sys::clock::Time;

/// What a server does with connections and datagrams.
///
/// All methods are called on the shard's thread and must not block. What they write leaves at the end of the turn, in
/// one send per connection. A service can answer only the connection that it was called for: to reach the others is what
/// the hub will be for.
pub trait Service {
    /// A connection came in.
    fn open(&mut self, context: &mut Context<'_>) {
        let _ = context;
    }

    /// Bytes came in. Consume what is complete; what is left comes again, joined with what follows.
    fn receive(&mut self, inbox: &mut Inbox<'_>, context: &mut Context<'_>);

    /// The peer has ended its side and will send nothing more. It may still read, so what waits is sent first.
    fn end(&mut self, context: &mut Context<'_>) {
        context.finish();
    }

    /// The server is stopping, and all that this peer sent was answered, or there is no more time to wait for that. Told
    /// once; who does not end the connection now may do so later, before the deadline cuts it.
    fn drain(&mut self, context: &mut Context<'_>) {
        context.finish();
    }

    /// The connection is over; `cut` says why it ended early, if it did.
    fn close(&mut self, id: ConnectionId, cut: Option<Cut>) {
        let _ = (id, cut);
    }

    /// A datagram came in.
    fn datagram(&mut self, datagram: Datagram, replies: &mut Replies) {
        let _ = (datagram, replies);
    }
}

/// A connection, as its service sees it.
#[derive(Debug)]
pub struct Context<'a> {
    /// Which connection it is.
    pub id: ConnectionId,
    /// Who its peer is.
    pub peer: &'a Peer,
    /// When this turn began.
    pub now: Time,
    /// Where answers are written.
    pub outbox: &'a mut Outbox,
    pub(crate) ending: Ending,
}

/// How a service wants its connection to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    #[default]
    No,
    Finish,
    Abort,
}

impl Context<'_> {
    /// Ends the connection when what waits has been sent.
    pub fn finish(&mut self) {
        if self.ending == Ending::No {
            self.ending = Ending::Finish;
        }
    }

    /// Ends the connection at once; what waits is lost.
    pub fn abort(&mut self) {
        self.ending = Ending::Abort;
    }
}
