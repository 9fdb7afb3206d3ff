//! What one connection takes, against the rates of a connection, those of its address, and those of its user.

use std::sync::Arc;
use std::time::Duration;

use super::addresses::{Addresses, Ticket};
use super::bucket::{Bucket, Wait};
use super::rate::Rate;
use super::users::Seat;
use crate::sys::clock::Time;

/// The rates of each connection; unset ones are unbounded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Requests.
    pub requests: Option<Rate>,
    /// Messages.
    pub messages: Option<Rate>,
    /// Bytes received.
    pub bytes: Option<Rate>,
}

/// What one connection has taken.
#[derive(Debug, Default)]
pub struct Meter {
    requests: Bucket,
    messages: Bucket,
    bytes: Bucket,
    /// Its place among those of its address, where addresses are counted.
    ticket: Option<Ticket>,
    /// Its place among those of its user, once it is known whose it is.
    seat: Option<Seat>,
}

impl Meter {
    /// The meter of a connection that comes with this ticket.
    pub fn new(ticket: Option<Ticket>) -> Self {
        Self { ticket, ..Self::default() }
    }

    /// From now on the limits of its address are these.
    pub fn move_under(&mut self, addresses: &Arc<Addresses>) {
        self.ticket.iter_mut().for_each(|ticket| ticket.move_under(addresses));
    }

    /// Charges what comes from here on to this user as well. What came before was nobody's.
    pub fn sit(&mut self, seat: Seat) {
        self.seat = Some(seat);
    }

    /// Charges what comes from here on to nobody, and gives the place back.
    pub fn stand(&mut self) {
        self.seat = None;
    }

    /// Takes one request, or says how long to wait; then nothing was taken from the connection's own.
    pub fn take_request(&mut self, rates: &Rates, now: Time) -> Result<(), Wait> {
        if let Some(rate) = &rates.requests {
            self.requests.check(rate, 1, now)?;
        }
        if let Some(ticket) = &self.ticket {
            ticket.take_request(now)?;
        }
        match &rates.requests {
            Some(rate) => self.requests.take(rate, 1, now),
            None => Ok(()),
        }
    }

    /// Counts messages that have come; says how long to take no more.
    pub fn charge_messages(&mut self, rates: &Rates, count: u64, now: Time) -> Duration {
        let own = rates.messages.as_ref().map(|rate| self.messages.charge(rate, count, now));
        let all = self.ticket.as_ref().map(|ticket| ticket.charge_messages(count, now));
        let user = self.seat.as_ref().map(|seat| seat.charge_messages(count, now));
        own.max(all).max(user).unwrap_or_default()
    }

    /// Counts bytes that have come; says how long to take no more.
    pub fn charge_bytes(&mut self, rates: &Rates, bytes: u64, now: Time) -> Duration {
        let own = rates.bytes.as_ref().map(|rate| self.bytes.charge(rate, bytes, now));
        let all = self.ticket.as_ref().map(|ticket| ticket.charge_bytes(bytes, now));
        let user = self.seat.as_ref().map(|seat| seat.charge_bytes(bytes, now));
        own.max(all).max(user).unwrap_or_default()
    }
}
