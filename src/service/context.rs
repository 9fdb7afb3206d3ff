//! A connection, as its service sees it.

use std::time::Duration;

use crate::access::bucket::Wait;
use crate::access::meter::{Meter, Rates};
use crate::access::token::Authenticator;
use crate::access::users::{Seat, Users};
use crate::connection::{ConnectionId, Cut, Hold, Outbox, Replies};
use crate::hub::Hub;
use crate::limits;
use crate::metrics::{Counters, Refused};
use crate::sys::address::Peer;
use crate::sys::clock::Time;

/// A connection, as its service sees it.
#[derive(Debug)]
pub struct Context<'a> {
    /// Which connection it is.
    pub id: ConnectionId,
    /// The number of the listener it came through, counting those for streams that were opened, in the order of the
    /// configuration. An optional one that was left out is not counted.
    pub listener: u16,
    /// Who its peer is.
    pub peer: &'a Peer,
    /// When this turn began.
    pub now: Time,
    /// Where answers are written.
    pub outbox: &'a mut Outbox,
    /// Where the service counts.
    pub counters: &'a mut Counters,
    /// The time of day, in seconds since 1970: for dates, and for the time of credentials.
    pub unix_seconds: u64,
    /// Whether the server takes new work: not while it stops.
    pub ready: bool,
    /// While the server stops: when connections that take leave in their own time are to be on their way at the latest.
    pub leave_by: Option<Time>,
    /// Who may ask here, where not everyone may.
    pub authenticator: Option<&'a Authenticator>,
    /// The users of the hub, where the listener leads to it.
    pub users: Option<&'a Users>,
    /// The subjects that all connections share.
    pub hub: &'a mut Hub,
    pub(crate) meter: &'a mut Meter,
    pub(crate) rates: &'a Rates,
    /// Why something was refused last, if it was; it is counted already.
    pub(crate) refused: Option<Refused>,
    /// Bytes that may wait for the peer at most, less those that already wait elsewhere.
    pub(crate) allowance: usize,
    /// Whether the peer cannot be heard: it did not take what was sent before this turn, or is over its rate.
    pub(crate) deaf: bool,
    /// Until when it is not read from because it has sent more than its rate.
    pub(crate) throttled_until: Option<Time>,
    pub(crate) ending: Ending,
    pub(crate) hold: Hold,
    pub(crate) timer: Option<Time>,
}

/// What a service may reach while it handles a datagram.
#[derive(Debug)]
pub struct DatagramContext<'a> {
    /// The number of the listener it came through, counting those for datagrams that were opened, in the order of the
    /// configuration.
    pub listener: u16,
    /// When this turn began.
    pub now: Time,
    /// Where answers are written.
    pub replies: &'a mut Replies,
    /// The subjects that all connections share.
    pub hub: &'a mut Hub,
    /// Where the service counts.
    pub counters: &'a mut Counters,
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

    /// Whether the service has ended the connection.
    pub fn is_ending(&self) -> bool {
        self.ending != Ending::No
    }

    /// Whether what the peer sends is kept back from now on.
    pub fn is_held(&self) -> bool {
        self.hold != Hold::No
    }

    /// Takes one request from what this peer may ask, or says how long it has to wait.
    ///
    /// # Errors
    /// When the peer asks too often; then nothing was taken.
    pub fn take_request(&mut self) -> Result<(), Wait> {
        self.meter.take_request(self.rates, self.now)
    }

    /// Charges what the peer sends from here on to the user that it turned out to be.
    pub fn sit(&mut self, seat: Seat) {
        self.meter.sit(seat);
    }

    /// Gives its place among the connections of a user back, if it has one.
    pub fn stand(&mut self) {
        self.meter.stand();
    }

    /// Counts messages against what this peer may send; says how long to take no more.
    pub fn charge_messages(&mut self, count: u64) -> Duration {
        self.meter.charge_messages(self.rates, count, self.now)
    }

    /// Says that the peer, or something it asked for, was turned away: it is counted, and logged with the peer's address.
    pub fn refuse(&mut self, refused: Refused) {
        *refused.count(self.counters) += 1;
        self.refused = Some(refused);
    }

    /// Bytes that may still be written before the peer counts as one who does not keep up. One answer may go beyond it;
    /// who has more to say [holds](Self::hold_for_room).
    pub fn room(&self) -> usize {
        self.allowance.saturating_sub(self.outbox.pending_bytes())
    }

    /// Whether the peer may not be read from: something waits for it, or it has sent more than its rate. Then its silence
    /// says nothing.
    pub fn is_deaf(&self) -> bool {
        self.deaf
    }

    /// Until when the peer is not read from because it, or another of its address, has sent more than the rate allows. What
    /// is late then is late because of us.
    pub fn throttled_until(&self) -> Option<Time> {
        self.throttled_until
    }

    /// Keeps back what the peer sends until most of what waits for it has been sent; then
    /// [`receive`](super::Service::receive) is called again, with what was left and what has come meanwhile. Write
    /// first: with nothing to send there is nothing to wait for.
    pub fn hold_for_room(&mut self) {
        self.hold = Hold::ForRoom;
    }

    /// Keeps back what the peer sends until the timer comes.
    pub fn hold_until(&mut self, time: Time) {
        self.hold = Hold::ForTimer;
        self.timer = Some(time);
    }

    /// Reads on though it [holds until](Self::hold_until) a time, so that the peer's end is noticed before it: for those who
    /// wait for something that nobody else needs. What comes is shown at once, and can be left; with `left` bytes that wait
    /// already, it is held all the same.
    pub fn watch(&mut self, left: usize) {
        if self.hold == Hold::ForTimer && left < limits::WATCHED_BYTES_MAX {
            self.hold = Hold::No;
        }
    }

    /// Keeps back what the peer sends until the other shards know of all that this shard's connections listen to; then
    /// [`receive`](super::Service::receive) is called again.
    pub fn hold_until_known(&mut self) {
        self.hold = Hold::ForOthers;
        self.hub.wait_until_known(self.id);
    }

    /// Keeps back what the peer sends until a turn has room for more
    /// [deliveries](crate::hub::Hub::is_sated); then [`receive`](super::Service::receive) is called again.
    pub fn hold_for_turn(&mut self) {
        self.hold = Hold::ForOthers;
        self.hub.wait_for_turn(self.id);
    }

    /// Keeps nothing back any more for the sake of a timer: what was comes as soon as there is room. Write first, as for
    /// [`hold_for_room`](Self::hold_for_room).
    pub fn release(&mut self) {
        if self.hold == Hold::ForTimer {
            self.hold = Hold::ForRoom;
        }
    }

    /// Has [`timer`](super::Service::timer) called at that time. There is one timer per connection: setting it again
    /// moves it.
    pub fn set_timer(&mut self, time: Time) {
        self.timer = Some(time);
    }

    /// Has it called at that time, unless it is to be called before.
    pub fn advance_timer(&mut self, time: Time) {
        self.timer = Some(self.timer.map_or(time, |set| set.min(time)));
    }

    /// Forgets the timer.
    pub fn clear_timer(&mut self) {
        self.timer = None;
    }
}

/// A connection that is over, as its service sees it.
#[derive(Debug)]
pub struct Closed<'a> {
    /// Which connection it was.
    pub id: ConnectionId,
    /// Why it ended early, if it did.
    pub cut: Option<Cut>,
    /// Where the service counts.
    pub counters: &'a mut Counters,
    /// To leave it, and for a last word to the others.
    pub hub: &'a mut Hub,
}
