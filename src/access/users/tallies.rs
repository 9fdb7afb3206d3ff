//! What is counted per user, over all shards: open connections, messages and bytes.
//!
//! A connection that has become somebody's takes a [`Seat`] and gives it back when it is dropped; in between it charges the
//! buckets of its user without a lock. The map is bounded as that of [`addresses`](crate::access::addresses) is: a user
//! without connections is forgotten once the buckets are full again, or to make room, the first to be full first; and when
//! all have connections, one more is let in without being counted.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::bucket::{SharedBucket, Wait};
use super::super::rate::Rate;
use crate::limits;
use crate::sys::clock::Time;

/// What each user may do; what is not set has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserLimits {
    /// Connections open at once.
    pub connections: Option<u32>,
    /// Subscriptions of each connection.
    pub subscriptions: Option<u32>,
    /// Bytes of the payload of one message, its headers included.
    pub payload_bytes: Option<u32>,
    /// Messages from all connections together.
    pub messages: Option<Rate>,
    /// Bytes from all connections together.
    pub bytes: Option<Rate>,
}

impl UserLimits {
    /// These, and where one is not set, that of `below`.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            connections: self.connections.or(below.connections),
            subscriptions: self.subscriptions.or(below.subscriptions),
            payload_bytes: self.payload_bytes.or(below.payload_bytes),
            messages: self.messages.or(below.messages),
            bytes: self.bytes.or(below.bytes),
        }
    }

    /// Whether there is something to count.
    fn are_counted(&self) -> bool {
        self.connections.is_some() || self.messages.is_some() || self.bytes.is_some()
    }
}

/// A user who has all the connections that he may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the user has all the connections that are allowed")]
pub struct TooManyConnections;

/// All users that are remembered.
#[derive(Debug, Default)]
pub struct Tallies(Mutex<Book>);

/// What the connections of one user share.
#[derive(Debug, Default)]
struct Tally {
    messages: SharedBucket,
    bytes: SharedBucket,
}

#[derive(Debug, Default)]
struct Book {
    entries: HashMap<Arc<str>, Entry>,
    /// The entries without seats, by the moment from which on they need not be remembered.
    idle: BTreeSet<(Time, Arc<str>)>,
}

#[derive(Debug, Default)]
struct Entry {
    tally: Arc<Tally>,
    connections: u32,
    /// Seats, of connections and others.
    seats: u32,
    /// Under which time it stands among the idle ones; it does while it has no seats.
    idle_since: Time,
}

impl Tallies {
    /// Counts a connection of the user in, if he may have one more.
    ///
    /// # Errors
    /// When he has all that he may have; then nothing was counted.
    pub fn enter(
        self: &Arc<Self>,
        name: &Arc<str>,
        limits: UserLimits,
        now: Time,
    ) -> Result<Seat, TooManyConnections> {
        self.seat(name, limits, now, true)
    }

    /// A seat for what is no connection, as a listener for datagrams: it charges its user, and is not counted.
    pub fn stand(self: &Arc<Self>, name: &Arc<str>, limits: UserLimits, now: Time) -> Seat {
        let limits = UserLimits { connections: None, ..limits };
        self.seat(name, limits, now, false).expect("no bound of connections holds")
    }

    fn seat(
        self: &Arc<Self>,
        name: &Arc<str>,
        limits: UserLimits,
        now: Time,
        is_connection: bool,
    ) -> Result<Seat, TooManyConnections> {
        let uncounted = || Seat { tally: Arc::default(), limits, is_connection, home: None };
        // Who has no name cannot be told from the others.
        if name.is_empty() || !limits.are_counted() {
            return Ok(uncounted());
        }
        let mut book = self.lock();
        book.forget(now);
        let open = book.entries.get(name).map_or(0, |entry| entry.connections);
        if open >= limits.connections.unwrap_or(u32::MAX) {
            return Err(TooManyConnections);
        }
        let Some(tally) = book.enter(name, is_connection) else { return Ok(uncounted()) };
        Ok(Seat { tally, limits, is_connection, home: Some((Arc::clone(self), Arc::clone(name))) })
    }

    /// Users that are remembered now.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// True when no user is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A book is consistent between any two statements that could panic, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn enter(&mut self, name: &Arc<str>, is_connection: bool) -> Option<Arc<Tally>> {
        if !self.entries.contains_key(name) {
            if self.entries.len() >= limits::USERS_COUNTED_MAX {
                let (_, first) = self.idle.pop_first()?;
                self.entries.remove(&first);
            }
            self.entries.insert(Arc::clone(name), Entry::default());
        }
        let entry = self.entries.get_mut(name)?;
        if entry.seats == 0 {
            self.idle.remove(&(entry.idle_since, Arc::clone(name)));
        }
        entry.seats += 1;
        entry.connections += u32::from(is_connection);
        Some(Arc::clone(&entry.tally))
    }

    /// Counts a seat out.
    fn leave(&mut self, name: &Arc<str>, is_connection: bool) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        entry.connections -= u32::from(is_connection);
        entry.seats -= 1;
        if entry.seats > 0 {
            return;
        }
        entry.idle_since = entry.tally.messages.full_at().max(entry.tally.bytes.full_at());
        if entry.idle_since == Time::ZERO {
            self.entries.remove(name); // Nothing was ever charged.
        } else {
            self.idle.insert((entry.idle_since, Arc::clone(name)));
        }
    }

    /// Forgets a few of those without connections whose buckets are full.
    fn forget(&mut self, now: Time) {
        for _ in 0..limits::ADDRESSES_FORGOTTEN_PER_ARRIVAL {
            match self.idle.first() {
                Some((full_at, _)) if *full_at <= now => {}
                Some(_) | None => return,
            }
            if let Some((_, name)) = self.idle.pop_first() {
                self.entries.remove(&name);
            }
        }
    }
}

/// A connection that has become somebody's. It counts until this is dropped, and charges what it does to its user.
#[derive(Debug)]
pub struct Seat {
    tally: Arc<Tally>,
    limits: UserLimits,
    is_connection: bool,
    /// Nothing when the user is not counted; then the buckets are the connection's own.
    home: Option<(Arc<Tallies>, Arc<str>)>,
}

impl Seat {
    /// Takes a message of so many bytes from what the user may send, or says how long to wait; then nothing was taken. For
    /// those who can be refused; what another shard takes at the same moment is owed.
    pub fn take_message(&self, bytes: u64, now: Time) -> Result<(), Wait> {
        if let Some(rate) = &self.limits.messages {
            self.tally.messages.check(rate, 1, now)?;
        }
        if let Some(rate) = &self.limits.bytes {
            self.tally.bytes.take(rate, bytes, now)?;
        }
        self.charge_messages(1, now);
        Ok(())
    }

    /// Charges messages that have arrived to the user; says how long to read no more.
    pub fn charge_messages(&self, count: u64, now: Time) -> Duration {
        charge(&self.tally.messages, self.limits.messages.as_ref(), count, now)
    }

    /// Charges bytes that have arrived to the user; says how long to read no more.
    pub fn charge_bytes(&self, bytes: u64, now: Time) -> Duration {
        charge(&self.tally.bytes, self.limits.bytes.as_ref(), bytes, now)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some((home, name)) = &self.home {
            home.lock().leave(name, self.is_connection);
        }
    }
}

fn charge(bucket: &SharedBucket, rate: Option<&Rate>, units: u64, now: Time) -> Duration {
    rate.map_or(Duration::ZERO, |rate| bucket.charge(rate, units, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    fn limits(connections: Option<u32>, messages: &str) -> UserLimits {
        let messages = (!messages.is_empty()).then(|| messages.parse().unwrap());
        UserLimits { connections, messages, ..UserLimits::default() }
    }

    #[test]
    fn connections_of_one_user_are_counted_together() {
        let tallies = Arc::new(Tallies::default());
        let (alice, bob): (Arc<str>, Arc<str>) = ("alice".into(), "bob".into());
        let two = limits(Some(2), "");
        let first = tallies.enter(&alice, two, at(0)).unwrap();
        let _second = tallies.enter(&alice, two, at(0)).unwrap();
        assert_eq!(tallies.enter(&alice, two, at(0)).unwrap_err(), TooManyConnections);
        assert!(tallies.enter(&bob, two, at(0)).is_ok());
        drop(first);
        assert!(tallies.enter(&alice, two, at(0)).is_ok());
    }

    /// Who stands takes no place of a connection, and draws on the same rates.
    #[test]
    fn who_stands_is_no_connection() {
        let (tallies, alice) = (Arc::new(Tallies::default()), Arc::from("alice"));
        let one = limits(Some(1), "10/s burst 10");
        let standing = tallies.stand(&alice, one, at(0));
        let sitting = tallies.enter(&alice, one, at(0)).unwrap();
        let _other = tallies.stand(&alice, one, at(0));
        assert_eq!(tallies.enter(&alice, one, at(0)).unwrap_err(), TooManyConnections);
        drop(sitting);
        let sitting = tallies.enter(&alice, one, at(0)).unwrap();
        assert!((0..10).all(|_| standing.take_message(1, at(0)).is_ok()));
        assert!(sitting.take_message(1, at(0)).is_err());
    }

    /// 10 messages in a second, and 10 at once: 15 by two connections owe half a second.
    #[test]
    fn rates_are_shared_and_survive_the_connection() {
        let tallies = Arc::new(Tallies::default());
        let alice: Arc<str> = "alice".into();
        let ten = limits(None, "10/s burst 10");
        let (one, other) =
            (tallies.enter(&alice, ten, at(0)).unwrap(), tallies.enter(&alice, ten, at(0)).unwrap());
        assert_eq!(one.charge_messages(10, at(0)), Duration::ZERO);
        let owed = other.charge_messages(5, at(0));
        assert!(owed > Duration::from_millis(499) && owed <= Duration::from_millis(500), "{owed:?}");
        drop((one, other));
        let again = tallies.enter(&alice, ten, at(0)).unwrap();
        assert!(again.charge_messages(1, at(0)) > owed);
        drop(again);
        // Once the buckets are full, the next who comes takes the entry out in passing.
        drop(tallies.enter(&"bob".into(), ten, at(10_000)).unwrap());
        assert!(tallies.is_empty());
    }

    /// 10 messages and 100 bytes in a second.
    #[test]
    fn what_can_be_refused_is_and_costs_nothing_then() {
        let tallies = Arc::new(Tallies::default());
        let alice: Arc<str> = "alice".into();
        let bytes = Some("100/s burst 100".parse().unwrap());
        let limits = UserLimits { bytes, ..limits(None, "10/s burst 2") };
        let seat = tallies.enter(&alice, limits, at(0)).unwrap();
        assert_eq!(seat.take_message(60, at(0)), Ok(()));
        assert!(seat.take_message(60, at(0)).unwrap_err() <= Wait(Duration::from_millis(200)));
        // The message that was refused for its bytes is there for another one, on whichever connection.
        let other = tallies.enter(&alice, limits, at(0)).unwrap();
        assert_eq!(other.take_message(40, at(0)), Ok(()));
        assert!(seat.take_message(0, at(0)).unwrap_err() <= Wait(Duration::from_millis(100)));
        assert_eq!(seat.take_message(10, at(100)), Ok(()));
    }

    #[test]
    fn who_has_no_name_or_no_limits_is_not_remembered() {
        let tallies = Arc::new(Tallies::default());
        let one = limits(Some(1), "1/s");
        let _first = tallies.enter(&"".into(), one, at(0)).unwrap();
        let _second = tallies.enter(&"".into(), one, at(0)).unwrap();
        let _third = tallies.enter(&"alice".into(), UserLimits::default(), at(0)).unwrap();
        assert!(tallies.is_empty());
    }

    #[test]
    fn many_names_take_bounded_memory() {
        let tallies = Arc::new(Tallies::default());
        let slow = limits(None, "1/h burst 1");
        for number in 0..limits::USERS_COUNTED_MAX + 100 {
            let name = format!("user-{number}").into();
            tallies.enter(&name, slow, at(0)).unwrap().charge_messages(1, at(0));
        }
        assert_eq!(tallies.len(), limits::USERS_COUNTED_MAX);
        let book = tallies.lock();
        assert_eq!(book.idle.len(), book.entries.len());
    }
}
