//! What is counted per address: open connections, arrivals, and what they ask for together.
//!
//! An address is an IPv4 address or an IPv6 network, since whoever has one address of a /64 has them all. [`Addresses`] is
//! shared by all shards and is touched when a connection arrives and when it leaves; in between its [`Ticket`] leads to
//! the buckets of its address, without a lock.
//!
//! The map is bounded. An address with connections stays. One without stays until its buckets are full again, so that
//! nobody gets rid of a limit by coming anew; then it is forgotten in passing. In a full part of the map the address goes
//! whose buckets are, or will be, full first. When all of a part have connections, a newcomer is let in without being
//! counted against his address: a flood of addresses must not shut out everyone else, and the bound on all connections
//! holds for him too. It must not know what a connection is.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::address_key::AddressKey;
use super::bucket::{Bucket, SharedBucket, Wait};
use super::rate::Rate;
use crate::limits;
use crate::sys::clock::Time;

/// What each address may do; what is not set has no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressLimits {
    /// Connections open at once from one address.
    pub connections: Option<u32>,
    /// Arrivals from one address.
    pub arrivals: Option<Rate>,
    /// Arrivals from all addresses together.
    pub arrivals_in_all: Option<Rate>,
    /// Requests from one address.
    pub requests: Option<Rate>,
    /// Messages from one address.
    pub messages: Option<Rate>,
    /// Bytes from one address.
    pub bytes: Option<Rate>,
    /// Leading bits that make an IPv4 address; 32 at most.
    pub ipv4_prefix: u8,
    /// Leading bits that make an IPv6 address; 128 at most.
    pub ipv6_prefix: u8,
    /// Addresses remembered at once; rounded up to fill all parts of the map.
    pub entries: usize,
}

impl Default for AddressLimits {
    fn default() -> Self {
        Self {
            connections: None,
            arrivals: None,
            arrivals_in_all: None,
            requests: None,
            messages: None,
            bytes: None,
            ipv4_prefix: limits::ADDRESS_IPV4_BITS,
            ipv6_prefix: limits::ADDRESS_IPV6_BITS,
            entries: limits::ADDRESSES,
        }
    }
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its address has as many connections as it may have.
    Connections,
    /// Its address comes too often.
    Arrivals(Wait),
    /// Too many come, whoever they are.
    ArrivalsInAll(Wait),
}

impl Refusal {
    /// Its name in counters.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Connections => "address_connections",
            Self::Arrivals(_) => "address_arrivals",
            Self::ArrivalsInAll(_) => "arrivals",
        }
    }
}

/// All addresses that are remembered, and what each may do.
#[derive(Debug)]
pub struct Addresses {
    limits: AddressLimits,
    entries_per_part: usize,
    book: Arc<Book>,
}

/// What is remembered, whatever the limits are.
#[derive(Debug)]
struct Book {
    hasher: RandomState,
    parts: Box<[Mutex<Part>]>,
    arrivals_in_all: SharedBucket,
    /// Arrivals that found no room to be counted.
    uncounted: AtomicU64,
    /// The part that the next [`Addresses::forget`] looks at.
    hand: AtomicUsize,
}

/// What the connections of one address share.
#[derive(Debug, Default)]
struct Guest {
    requests: SharedBucket,
    messages: SharedBucket,
    bytes: SharedBucket,
}

impl Guest {
    fn full_at(&self) -> Time {
        self.requests.full_at().max(self.messages.full_at()).max(self.bytes.full_at())
    }
}

/// A part of the map, under one lock.
#[derive(Debug, Default)]
struct Part {
    entries: HashMap<AddressKey, Entry, RandomState>,
    /// The entries without connections, by the moment from which on they need not be remembered.
    idle: BTreeSet<(Time, AddressKey)>,
}

#[derive(Debug, Default)]
struct Entry {
    guest: Arc<Guest>,
    arrivals: Bucket,
    connections: u32,
    /// Under which time it stands among the idle ones; it does while it has no connections.
    idle_since: Time,
}

impl Addresses {
    /// An empty map with these limits.
    pub fn new(limits: AddressLimits) -> Self {
        let entries = limits.entries.clamp(1, limits::ADDRESSES_MAX);
        let hasher = RandomState::new();
        let part = || {
            let entries = HashMap::with_hasher(hasher.clone());
            Mutex::new(Part { entries, idle: BTreeSet::new() })
        };
        Self {
            limits,
            entries_per_part: entries.div_ceil(limits::ADDRESS_PARTS),
            book: Arc::new(Book {
                parts: (0..limits::ADDRESS_PARTS).map(|_| part()).collect(),
                hasher,
                arrivals_in_all: SharedBucket::default(),
                uncounted: AtomicU64::new(0),
                hand: AtomicUsize::new(0),
            }),
        }
    }

    /// The same addresses under other limits: what was counted is counted on. What is one address, and how many are
    /// remembered, stays as it is.
    #[must_use]
    pub fn under(&self, limits: AddressLimits) -> Self {
        let AddressLimits { ipv4_prefix, ipv6_prefix, entries, .. } = self.limits;
        Self {
            limits: AddressLimits { ipv4_prefix, ipv6_prefix, entries, ..limits },
            entries_per_part: self.entries_per_part,
            book: Arc::clone(&self.book),
        }
    }

    /// Lets a connection from this address in, or says why not. A refused one is charged nothing and leaves nothing behind.
    pub fn enter(self: &Arc<Self>, address: IpAddr, now: Time) -> Result<Ticket, Refusal> {
        let key = self.key(address);
        let mut part = self.part(key);
        part.forget(now, limits::ADDRESSES_FORGOTTEN_PER_ARRIVAL);
        self.admit(part.entries.get(&key), now)?;
        let guest = part.enter(key, self.limits.arrivals.as_ref(), self.entries_per_part, now);
        drop(part);
        let key = guest.is_some().then_some(key);
        if key.is_none() {
            self.book.uncounted.fetch_add(1, Ordering::Relaxed); // A counter, read on its own.
        }
        Ok(Ticket { guest: guest.unwrap_or_default(), key, home: Arc::clone(self) })
    }

    /// Addresses that are remembered now.
    pub fn len(&self) -> usize {
        self.book.parts.iter().map(|part| lock(part).entries.len()).sum()
    }

    /// True when no address is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Arrivals that found a part of the map full of addresses with connections, and were not counted.
    pub fn uncounted(&self) -> u64 {
        self.book.uncounted.load(Ordering::Relaxed) // A counter, read on its own.
    }

    /// Forgets the addresses of the next part of the map that need not be remembered any more. Arrivals do so in passing;
    /// whoever calls this now and then gets the memory back when nobody arrives.
    pub fn forget(&self, now: Time) {
        // Relaxed: it only spreads the work.
        let at = self.book.hand.fetch_add(1, Ordering::Relaxed) % self.book.parts.len();
        let mut part = lock(&self.book.parts[at]);
        part.forget(now, usize::MAX);
        if part.entries.len() < part.entries.capacity() / 4 {
            part.entries.shrink_to_fit();
        }
    }

    /// Checks each limit, the one that is charged here last.
    fn admit(&self, entry: Option<&Entry>, now: Time) -> Result<(), Refusal> {
        if entry.map_or(0, |entry| entry.connections) >= self.limits.connections.unwrap_or(u32::MAX) {
            return Err(Refusal::Connections);
        }
        if let (Some(rate), Some(entry)) = (&self.limits.arrivals, entry) {
            entry.arrivals.check(rate, 1, now).map_err(Refusal::Arrivals)?;
        }
        match &self.limits.arrivals_in_all {
            Some(rate) => self.book.arrivals_in_all.take(rate, 1, now).map_err(Refusal::ArrivalsInAll),
            None => Ok(()),
        }
    }

    fn key(&self, address: IpAddr) -> AddressKey {
        AddressKey::within(address, self.limits.ipv4_prefix, self.limits.ipv6_prefix)
    }

    fn part(&self, key: AddressKey) -> MutexGuard<'_, Part> {
        // The map within the part uses the lowest and the highest bits of the same hash.
        let middle = (self.book.hasher.hash_one(key) >> 24) % (limits::ADDRESS_PARTS as u64);
        let at = usize::try_from(middle).unwrap_or(0);
        lock(&self.book.parts[at])
    }
}

impl Part {
    /// Counts a connection that was admitted; nothing when there is no room for its address.
    fn enter(
        &mut self,
        key: AddressKey,
        arrivals: Option<&Rate>,
        room: usize,
        now: Time,
    ) -> Option<Arc<Guest>> {
        if !self.entries.contains_key(&key) {
            if self.entries.len() >= room {
                let (_, first) = self.idle.pop_first()?;
                self.entries.remove(&first);
            }
            self.entries.insert(key, Entry::default());
        }
        let entry = self.entries.get_mut(&key)?;
        if entry.connections == 0 {
            self.idle.remove(&(entry.idle_since, key));
        }
        entry.connections += 1;
        if let Some(rate) = arrivals {
            entry.arrivals.charge(rate, 1, now);
        }
        Some(Arc::clone(&entry.guest))
    }

    /// Counts a connection out. With the last one no ticket is left that could change the buckets, so the moment at which
    /// the address may be forgotten is known.
    fn leave(&mut self, key: AddressKey) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.connections -= 1;
        if entry.connections > 0 {
            return;
        }
        entry.idle_since = entry.guest.full_at().max(entry.arrivals.full_at());
        if entry.idle_since == Time::ZERO {
            self.entries.remove(&key); // Nothing was ever charged.
        } else {
            self.idle.insert((entry.idle_since, key));
        }
    }

    /// Forgets addresses without connections whose buckets are full, as many as `most`.
    fn forget(&mut self, now: Time, most: usize) {
        for _ in 0..most {
            match self.idle.first() {
                Some((full_at, _)) if *full_at <= now => {}
                Some(_) | None => return,
            }
            if let Some((_, key)) = self.idle.pop_first() {
                self.entries.remove(&key);
            }
        }
    }
}

/// A connection that was let in. It counts until the ticket is dropped, and charges what it does to its address.
#[derive(Debug)]
pub struct Ticket {
    guest: Arc<Guest>,
    /// Nothing when the address is not counted.
    key: Option<AddressKey>,
    home: Arc<Addresses>,
}

impl Ticket {
    /// Takes one request from the address, or says how long to wait.
    pub fn take_request(&self, now: Time) -> Result<(), Wait> {
        take(&self.guest.requests, self.home.limits.requests.as_ref(), now)
    }

    /// Charges messages that have arrived to the address; says how long to read no more.
    pub fn charge_messages(&self, count: u64, now: Time) -> Duration {
        charge(&self.guest.messages, self.home.limits.messages.as_ref(), count, now)
    }

    /// Charges bytes that have arrived to the address; says how long to read no more.
    pub fn charge_bytes(&self, bytes: u64, now: Time) -> Duration {
        charge(&self.guest.bytes, self.home.limits.bytes.as_ref(), bytes, now)
    }

    /// From now on these limits hold for it, if they are about the same addresses.
    pub fn move_under(&mut self, addresses: &Arc<Addresses>) {
        if Arc::ptr_eq(&self.home.book, &addresses.book) {
            self.home = Arc::clone(addresses);
        }
    }

    /// False when there was no room to count the address; then the buckets are the connection's own.
    pub fn is_counted(&self) -> bool {
        self.key.is_some()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.home.part(key).leave(key);
        }
    }
}

fn take(bucket: &SharedBucket, rate: Option<&Rate>, now: Time) -> Result<(), Wait> {
    rate.map_or(Ok(()), |rate| bucket.take(rate, 1, now))
}

fn charge(bucket: &SharedBucket, rate: Option<&Rate>, units: u64, now: Time) -> Duration {
    rate.map_or(Duration::ZERO, |rate| bucket.charge(rate, units, now))
}

/// A part is consistent between any two statements that could panic, so a poisoned lock is as good as any.
fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::thread;

    fn addresses(change: impl FnOnce(&mut AddressLimits)) -> Arc<Addresses> {
        let mut limits = AddressLimits::default();
        change(&mut limits);
        Arc::new(Addresses::new(limits))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn rate(text: &str) -> Option<Rate> {
        Some(text.parse().unwrap())
    }

    fn seconds(seconds: u64) -> Time {
        Time::ZERO.saturating_add(Duration::from_secs(seconds))
    }

    fn wait(millis: u64) -> Wait {
        Wait(Duration::from_millis(millis))
    }

    #[test]
    fn an_address_has_so_many_connections_and_no_more() {
        let addresses = addresses(|limits| limits.connections = Some(2));
        let first = addresses.enter(ip("192.0.2.7"), Time::ZERO).unwrap();
        let _second = addresses.enter(ip("::ffff:192.0.2.7"), Time::ZERO).unwrap();
        assert_eq!(addresses.enter(ip("192.0.2.7"), Time::ZERO).unwrap_err(), Refusal::Connections);
        let _other = addresses.enter(ip("192.0.2.8"), Time::ZERO).unwrap();
        drop(first);
        let _third = addresses.enter(ip("192.0.2.7"), Time::ZERO).unwrap();
        assert_eq!(addresses.enter(ip("192.0.2.7"), Time::ZERO).unwrap_err(), Refusal::Connections);
    }

    /// Two are there, and count under the new limit; who is there already is held to the new rate.
    #[test]
    fn other_limits_hold_for_those_who_are_there() {
        let before = addresses(|limits| limits.connections = Some(2));
        let mut first = before.enter(ip("192.0.2.7"), Time::ZERO).unwrap();
        let second = before.enter(ip("192.0.2.7"), Time::ZERO).unwrap();
        let after = before.under(AddressLimits {
            connections: Some(3),
            requests: rate("1/s burst 1"),
            ..before.limits
        });
        let after = Arc::new(after);
        let third = after.enter(ip("192.0.2.7"), Time::ZERO).unwrap();
        assert_eq!(after.enter(ip("192.0.2.7"), Time::ZERO).unwrap_err(), Refusal::Connections);
        assert!(first.take_request(Time::ZERO).is_ok() && first.take_request(Time::ZERO).is_ok(), "no rate");
        first.move_under(&after);
        assert!(first.take_request(Time::ZERO).is_ok());
        assert!(third.take_request(Time::ZERO).is_err(), "they share what there is");
        drop((second, third));
        assert!(after.enter(ip("192.0.2.7"), Time::ZERO).is_ok());
        // Others' limits are not its own.
        first.move_under(&addresses(|limits| limits.requests = rate("1000/s burst 1000")));
        assert!(first.take_request(Time::ZERO).is_err());
        drop(first);
        assert!(before.enter(ip("192.0.2.7"), Time::ZERO).is_ok());
    }

    #[test]
    fn prefixes_say_what_one_address_is() {
        let check = |v4, v6, one: &str, two: &str, same: bool| {
            let addresses = addresses(|limits| {
                (limits.connections, limits.ipv4_prefix, limits.ipv6_prefix) = (Some(1), v4, v6);
            });
            let _first = addresses.enter(ip(one), Time::ZERO).unwrap();
            assert_eq!(addresses.enter(ip(two), Time::ZERO).is_err(), same, "{one} {two} {v4} {v6}");
        };
        check(32, 64, "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true);
        check(32, 64, "2001:db8::1", "2001:db8:0:1::1", false);
        check(32, 56, "2001:db8::1", "2001:db8:0:ff::1", true);
        check(32, 56, "2001:db8::1", "2001:db8:0:100::1", false);
        check(32, 128, "2001:db8::1", "2001:db8::2", false);
        check(24, 64, "192.0.2.7", "192.0.2.255", true);
        check(24, 64, "192.0.2.7", "192.0.3.7", false);
        check(32, 64, "0.0.0.0", "::", false);
        check(32, 96, "192.0.2.7", "::fffe:192.0.2.7", false);
        check(0, 0, "10.0.0.0", "11.0.0.0", true);
        check(0, 0, "2001:db8::1", "fe80::1", true);
        check(0, 0, "10.0.0.0", "fe80::1", false);
        check(255, 255, "10.0.0.0", "10.0.0.0", true);
        check(255, 255, "::1", "::2", false);
    }

    #[test]
    fn arrivals_are_limited_per_address_and_in_all() {
        let addresses = addresses(|limits| {
            (limits.arrivals, limits.arrivals_in_all) = (rate("1/s burst 2"), rate("2/s burst 3"));
        });
        let enter = |address, now| addresses.enter(ip(address), now).map(drop);
        assert_eq!(enter("192.0.2.7", Time::ZERO), Ok(()));
        assert_eq!(enter("192.0.2.7", Time::ZERO), Ok(()));
        let Err(Refusal::Arrivals(Wait(left))) = enter("192.0.2.7", Time::ZERO) else { panic!() };
        assert!(left > Duration::from_millis(999) && left <= Duration::from_secs(1));
        // The refused one took nothing from the others.
        assert_eq!(enter("192.0.2.8", Time::ZERO), Ok(()));
        let Err(Refusal::ArrivalsInAll(Wait(left))) = enter("192.0.2.9", Time::ZERO) else { panic!() };
        assert!(left > Duration::from_millis(499) && left <= Duration::from_millis(500));
        assert_eq!(addresses.len(), 2, "a refused stranger leaves nothing behind");
        assert_eq!(enter("192.0.2.9", seconds(1)), Ok(()));
        assert_eq!(enter("192.0.2.7", seconds(1)), Ok(()));
    }

    #[test]
    fn the_connections_of_an_address_share_its_buckets() {
        let addresses = addresses(|limits| {
            (limits.requests, limits.messages) = (rate("1/s burst 2"), rate("10/s burst 1"));
            limits.bytes = rate("1000/s burst 500");
        });
        let one = addresses.enter(ip("2001:db8::1"), Time::ZERO).unwrap();
        let two = addresses.enter(ip("2001:db8::2"), Time::ZERO).unwrap();
        let other = addresses.enter(ip("2001:db8:1::1"), Time::ZERO).unwrap();
        assert_eq!([one.take_request(Time::ZERO), two.take_request(Time::ZERO)], [Ok(()), Ok(())]);
        assert!(one.take_request(Time::ZERO).unwrap_err() <= wait(1000));
        assert_eq!(other.take_request(Time::ZERO), Ok(()));
        assert_eq!(one.charge_messages(1, Time::ZERO), Duration::ZERO);
        assert!(two.charge_messages(1, Time::ZERO) > Duration::from_millis(99));
        assert_eq!(one.charge_bytes(500, Time::ZERO), Duration::ZERO);
        assert!(two.charge_bytes(500, Time::ZERO) > Duration::from_millis(499));
        assert_eq!(other.charge_bytes(500, Time::ZERO), Duration::ZERO);
    }

    #[test]
    fn without_limits_nothing_waits_and_nothing_is_remembered() {
        let addresses = addresses(|_| {});
        let ticket = addresses.enter(ip("192.0.2.7"), seconds(9)).unwrap();
        assert_eq!(ticket.take_request(seconds(9)), Ok(()));
        assert_eq!(ticket.charge_bytes(u64::MAX, seconds(9)), Duration::ZERO);
        assert_eq!(addresses.len(), 1);
        drop(ticket);
        assert!(addresses.is_empty());
    }

    #[test]
    fn coming_anew_resets_no_limit_and_a_full_bucket_is_forgotten() {
        let addresses = addresses(|limits| limits.requests = rate("1/s burst 3"));
        let ticket = addresses.enter(ip("192.0.2.7"), seconds(1)).unwrap();
        (0..3).for_each(|_| ticket.take_request(seconds(1)).unwrap());
        drop(ticket);
        let ticket = addresses.enter(ip("192.0.2.7"), seconds(1)).unwrap();
        assert!(ticket.take_request(seconds(1)).is_err());
        drop(ticket);
        for at in 0..3 {
            (0..limits::ADDRESS_PARTS).for_each(|_| addresses.forget(seconds(1 + at)));
            assert_eq!(addresses.len(), 1, "the bucket is full after three seconds, not after {at}");
        }
        (0..limits::ADDRESS_PARTS).for_each(|_| addresses.forget(seconds(4)));
        assert!(addresses.is_empty());
    }

    #[test]
    fn arrivals_forget_others_in_passing() {
        let addresses = addresses(|limits| limits.requests = rate("1/s burst 3"));
        for at in 0..1000 {
            let ticket = addresses.enter(Ipv4Addr::from_bits(at).into(), seconds(1)).unwrap();
            ticket.take_request(seconds(1)).unwrap();
        }
        assert_eq!(addresses.len(), 1000);
        for at in 1000..3000 {
            drop(addresses.enter(Ipv4Addr::from_bits(at).into(), seconds(2)).unwrap());
        }
        // Some thirty come to each part, and a few would be enough to forget the sixteen that are there.
        assert!(addresses.is_empty(), "{} are left", addresses.len());
    }

    #[test]
    fn a_full_map_forgets_whose_buckets_are_full_first_and_keeps_who_is_here() {
        // One address has room in each part.
        let addresses = addresses(|limits| (limits.entries, limits.bytes) = (1, rate("1/s burst 1000")));
        let of_one_part: Vec<IpAddr> = (0..u32::MAX)
            .map(|at| IpAddr::V4(Ipv4Addr::from_bits(at)))
            .filter(|ip| addresses.book.hasher.hash_one(addresses.key(*ip)) >> 24 & 63 == 5)
            .take(4)
            .collect();
        let [a, b, c, d] = of_one_part[..] else { panic!() };
        let come = |ip, bytes| {
            let ticket = addresses.enter(ip, seconds(1)).unwrap();
            ticket.charge_bytes(bytes, seconds(1));
            ticket
        };
        drop(come(a, 10));
        drop(come(b, 5));
        assert_eq!(addresses.len(), 1, "b took the place of a, who was away");
        let stays = come(c, 1);
        assert!(stays.is_counted());
        let uncounted = come(d, 500);
        assert!(!uncounted.is_counted(), "c is here, so d is let in without being counted");
        assert_eq!((addresses.len(), addresses.uncounted()), (1, 1));
        assert!(uncounted.charge_bytes(600, seconds(1)) > Duration::ZERO, "he has buckets of his own");
        drop(uncounted);
        drop(stays);
        assert_eq!(addresses.len(), 1);
        assert!(come(d, 0).is_counted());
    }

    #[test]
    fn among_those_away_the_one_nearest_to_full_makes_room() {
        let mut part = Part::default();
        let rate = "1/s burst 100".parse().unwrap();
        let key = AddressKey::numbered;
        for (number, units) in [(1, 30), (2, 10), (3, 20)] {
            part.enter(key(number), None, 3, Time::ZERO).unwrap().bytes.charge(&rate, units, Time::ZERO);
            part.leave(key(number));
        }
        let here = |part: &Part| {
            let mut keys: Vec<AddressKey> = part.entries.keys().copied().collect();
            keys.sort_unstable();
            keys
        };
        part.enter(key(4), None, 3, Time::ZERO).unwrap();
        assert_eq!(here(&part), [1, 3, 4].map(key));
        // Whoever came back is not away any more.
        part.enter(key(3), None, 3, Time::ZERO).unwrap();
        part.enter(key(5), None, 3, Time::ZERO).unwrap();
        assert_eq!(here(&part), [3, 4, 5].map(key));
        assert!(part.enter(key(6), None, 3, Time::ZERO).is_none());
        assert!(part.enter(key(5), None, 3, Time::ZERO).is_some());
    }

    #[test]
    fn a_million_addresses_do_not_make_the_map_grow() {
        let addresses = addresses(|limits| {
            (limits.entries, limits.requests) = (4096, rate("1/m burst 10"));
        });
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut kept = Vec::new();
        for at in 0..1_000_000_u64 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let bits = u128::from(seed) << 64 | u128::from(at);
            let now = Time::from_nanos(at * 1000);
            let ticket = addresses.enter(Ipv6Addr::from_bits(bits).into(), now).unwrap();
            ticket.take_request(now).unwrap();
            if at % 100 == 0 && kept.len() < 8192 {
                kept.push(ticket);
            }
        }
        assert!(addresses.len() <= 4096, "{}", addresses.len());
        let counted = kept.iter().filter(|ticket| ticket.is_counted()).count();
        assert!(counted <= addresses.len());
        assert!(addresses.uncounted() > 0);
        drop(kept);
        (0..limits::ADDRESS_PARTS).for_each(|_| addresses.forget(seconds(100_000)));
        assert!(addresses.is_empty(), "all is forgotten when all have gone");
    }

    #[test]
    fn shards_that_come_and_go_at_once_leave_nothing_behind() {
        let addresses = addresses(|limits| limits.connections = Some(3));
        thread::scope(|scope| {
            for shard in 0..4_u32 {
                let addresses = &addresses;
                scope.spawn(move || {
                    let mut held = Vec::new();
                    for at in 0..20_000_u32 {
                        let address = Ipv4Addr::from_bits(at.wrapping_mul(2_654_435_761 + shard) % 16);
                        held.extend(addresses.enter(address.into(), Time::ZERO));
                        if held.len() > 8 {
                            held.swap_remove(usize::try_from(at).unwrap() % 8);
                        }
                    }
                });
            }
        });
        assert!(addresses.is_empty());
    }
}
