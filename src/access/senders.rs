//! How fast datagrams of one address may come: what is beyond the rate is dropped, since a datagram cannot wait.
//!
//! The address of a datagram may be forged, so what is counted here is kept apart from what
//! [connections](super::addresses) of that address do: nobody slows them by sending in their name, and no flood makes them
//! forgotten. The table has a fixed size, and is shared by all shards without a lock. An address has its place in one of
//! many small sets, by a hash under a key of this process, so that nobody can aim at a set; a newcomer takes the place there
//! of whoever's buckets are, or will be, full first. So a flood of forged addresses displaces those that have sent least,
//! which loses nothing but a little of what they had used up; who is at his limit stays, and is held to it.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::address_key::AddressKey;
use super::bucket::{SharedBucket, Wait};
use super::rate::Rate;
use crate::limits;
use crate::sys::clock::Time;

/// The addresses that datagrams come from.
#[derive(Debug)]
pub struct Senders {
    messages: Option<Rate>,
    bytes: Option<Rate>,
    hasher: RandomState,
    sets: Box<[[Sender; limits::DATAGRAM_SENDERS_PER_SET]]>,
}

/// One address.
///
/// Its fields are read and written one by one, and all accesses are relaxed: when two shards meet at a place that changes
/// its owner, a datagram may be charged to the wrong one of the two, and no more comes of it.
#[derive(Debug, Default)]
struct Sender {
    /// The hash of the address; zero where there is none.
    tag: AtomicU64,
    messages: SharedBucket,
    bytes: SharedBucket,
}

impl Senders {
    /// A table for these rates of each address; nothing where there is no rate.
    pub fn new(messages: Option<Rate>, bytes: Option<Rate>) -> Option<Self> {
        Self::of(messages, bytes, limits::DATAGRAM_SENDERS)
    }

    fn of(messages: Option<Rate>, bytes: Option<Rate>, entries: usize) -> Option<Self> {
        messages.or(bytes)?;
        let sets = entries / limits::DATAGRAM_SENDERS_PER_SET;
        let sets = std::iter::repeat_with(Default::default).take(sets).collect();
        Some(Self { messages, bytes, hasher: RandomState::new(), sets })
    }

    /// Takes a datagram of so many bytes from what its address may send, or says how long it would have to wait; then nothing
    /// was taken.
    pub fn take(&self, address: IpAddr, bytes: usize, now: Time) -> Result<(), Wait> {
        let sender = self.find(address, now);
        if let Some(rate) = &self.messages {
            sender.messages.check(rate, 1, now)?;
        }
        if let Some(rate) = &self.bytes {
            sender.bytes.take(rate, bytes as u64, now)?;
        }
        if let Some(rate) = &self.messages {
            sender.messages.charge(rate, 1, now);
        }
        Ok(())
    }

    /// The place of an address, which it takes if it has none.
    fn find(&self, address: IpAddr, now: Time) -> &Sender {
        let hash = self.hasher.hash_one(AddressKey::of(address));
        let tag = hash | 1; // Zero is nobody's.
        let set = &self.sets[usize::try_from(hash >> 32).unwrap_or(0) % self.sets.len()];
        // Relaxed: see the type.
        let own = set.iter().find(|sender| sender.tag.load(Ordering::Relaxed) == tag);
        own.unwrap_or_else(|| {
            let first = set.iter().min_by_key(|sender| sender.full_at()).unwrap_or(&set[0]);
            first.pass_to(tag, now);
            first
        })
    }
}

impl Sender {
    /// Makes it that of another address, which has sent nothing yet.
    fn pass_to(&self, tag: u64, now: Time) {
        let before = self.tag.load(Ordering::Relaxed); // See the type.
        let is_passed = before != tag
            && self.tag.compare_exchange(before, tag, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        // Another shard that was faster, for the same address, may have charged it already.
        if is_passed && now < self.full_at() {
            self.messages.fill();
            self.bytes.fill();
        }
    }

    fn full_at(&self) -> Time {
        self.messages.full_at().max(self.bytes.full_at())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn rate(text: &str) -> Option<Rate> {
        Some(text.parse().unwrap())
    }

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of so many datagrams that come at once are taken.
    fn taken(senders: &Senders, address: &str, count: usize, bytes: usize, now: Time) -> usize {
        (0..count).filter(|_| senders.take(ip(address), bytes, now).is_ok()).count()
    }

    #[test]
    fn each_address_has_its_rate() {
        let senders = Senders::new(rate("10/s burst 5"), None).unwrap();
        assert_eq!(taken(&senders, "192.0.2.1", 100, 1000, at(0)), 5);
        assert_eq!(taken(&senders, "192.0.2.2", 100, 1000, at(0)), 5);
        assert_eq!(taken(&senders, "192.0.2.1", 100, 1000, at(300)), 3);
        let wait = senders.take(ip("192.0.2.1"), 0, at(300)).unwrap_err();
        assert!(wait <= Wait(Duration::from_millis(100)));
        // A network of IPv6 is one address, and so is IPv4 as a dual-stack socket shows it.
        assert_eq!(taken(&senders, "2001:db8::1", 4, 0, at(0)), 4);
        assert_eq!(taken(&senders, "2001:db8::2", 4, 0, at(0)), 1);
        assert_eq!(taken(&senders, "::ffff:192.0.2.2", 1, 0, at(0)), 0);
    }

    #[test]
    fn bytes_have_a_rate_and_what_is_refused_is_not_charged() {
        let senders = Senders::new(rate("1000/s burst 3"), rate("1000/s burst 1000")).unwrap();
        assert_eq!(taken(&senders, "192.0.2.1", 3, 600, at(0)), 1);
        assert_eq!(taken(&senders, "192.0.2.1", 3, 200, at(0)), 2, "400 bytes and two messages were left");
        assert_eq!(taken(&senders, "192.0.2.1", 1, 0, at(0)), 0);
        // One that is larger than the burst is taken by a full bucket, and charged in full.
        assert_eq!(taken(&senders, "192.0.2.3", 2, 5000, at(0)), 1);
        assert_eq!(taken(&senders, "192.0.2.3", 1, 1, at(3900)), 0);
        assert_eq!(taken(&senders, "192.0.2.3", 1, 1, at(4100)), 1);
    }

    #[test]
    fn without_rates_there_is_no_table() {
        assert!(Senders::new(None, None).is_none());
        assert!(Senders::new(None, rate("1/s")).is_some());
    }

    /// A flood of forged addresses, each with one datagram: who is at his limit is held to it, who has sent little is served,
    /// and the table is as large as before.
    #[test]
    fn a_flood_of_forged_addresses_frees_nobody_and_shuts_out_nobody() {
        let senders = Senders::of(rate("10/s burst 10"), None, 64).unwrap();
        assert_eq!(taken(&senders, "192.0.2.1", 100, 0, at(0)), 10);
        for number in 0..10_000_u32 {
            let forged = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number));
            assert!(senders.take(forged, 0, at(0)).is_ok(), "nobody is shut out");
        }
        assert_eq!(taken(&senders, "192.0.2.1", 100, 0, at(0)), 0, "it is remembered");
        assert_eq!(taken(&senders, "192.0.2.2", 10, 0, at(0)), 10);
        assert_eq!(senders.sets.len() * senders.sets[0].len(), 64);
    }

    /// Two shards that count the same address let no more through than one would, but for one datagram each.
    #[test]
    fn shards_count_together() {
        let senders = Senders::new(rate("1/m burst 1000"), None).unwrap();
        let count = || taken(&senders, "192.0.2.1", 2000, 0, at(0));
        let total: usize = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(count));
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!((1000..=1004).contains(&total), "{total}");
    }
}
