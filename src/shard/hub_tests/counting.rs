//! What a turn costs, counted: one send for each who hears, one parcel for each shard where somebody listens, one copy of what
//! many are sent. Kernels on which nothing goes wrong, so that every number is exact.

use std::sync::Arc;
use std::time::Duration;

use super::super::mailbox::{Address, Contact, Message, mailbox};
use super::super::{Admission, House, Options, Shard, Sockets};
use super::service::Lines;
use crate::access::meter::Rates;
use crate::connection::Bounds;
use crate::limits;
use crate::metrics::Counters;
use crate::ring::sim::{Faults, PeerId, Sim, SimSetup};
use crate::ring::{Capabilities, Kernel, Wait};
use crate::tier::RingTier;

/// Turns after which nothing moves any more: what is said takes some ten to be heard on another shard.
const TURNS: usize = 50;

/// Shards that know each other.
struct Town(Vec<(Shard<Sim, Lines>, Sockets)>);

impl Town {
    /// So many shards, whose kernels hold so many bytes for a peer that does not read.
    fn new(shards: u16, window: usize) -> Self {
        let nodes: Vec<_> = (0..shards).map(|number| node(number, shards, window)).collect();
        let contact = |(shard, address, _): &(Shard<Sim, Lines>, Address, Sockets)| Contact {
            address: address.clone(),
            bell: shard.kernel.bell(),
        };
        let contacts: Arc<[Contact]> = nodes.iter().map(contact).collect();
        for (_, address, _) in &nodes {
            address.post(Message::Contacts(Arc::clone(&contacts))).expect("there is room");
        }
        let mut town = Self(nodes.into_iter().map(|(shard, _, sockets)| (shard, sockets)).collect());
        town.run();
        town
    }

    /// Somebody comes to a shard and says this.
    fn come(&mut self, shard: usize, lines: &str) -> PeerId {
        let (shard, sockets) = &mut self.0[shard];
        let peer = shard.kernel.connect(sockets.listeners[0], None);
        assert_eq!(shard.kernel.write(peer, lines.as_bytes()), lines.len());
        self.run();
        peer
    }

    /// Says all of this at once, so that it is read in one turn.
    fn say(&mut self, shard: usize, peer: PeerId, lines: &str) {
        assert_eq!(self.0[shard].0.kernel.write(peer, lines.as_bytes()), lines.len());
        self.run();
    }

    /// Reads all that there is and all that comes after it; returns how much that was.
    fn read_all(&mut self, shard: usize, peer: PeerId) -> usize {
        let mut sum = 0;
        loop {
            let count = self.0[shard].0.kernel.read(peer, usize::MAX).len();
            sum += count;
            if count == 0 {
                return sum;
            }
            self.run();
        }
    }

    fn run(&mut self) {
        for _ in 0..TURNS {
            for (shard, _) in &mut self.0 {
                shard.next_wait();
                shard.kernel.submit_and_wait(Wait::No).expect("a simulated ring does not fail");
                shard.work();
                shard.kernel.take_rung();
            }
        }
    }

    fn counters(&self, shard: usize) -> Counters {
        self.0[shard].0.snapshot().counters
    }
}

fn node(number: u16, shards: u16, window: usize) -> (Shard<Sim, Lines>, Address, Sockets) {
    let mut sim = Sim::new(&SimSetup {
        seed: u64::from(number),
        files: 64,
        capabilities: Capabilities::of_tier(RingTier::V6_17),
        stream_buffers: (16, 64 * 1024),
        datagram_buffers: None,
        completions: 1024,
        faults: Faults::none(),
    });
    sim.set_window(window);
    let sockets = Sockets { listeners: vec![sim.listen()], ..Sockets::default() };
    let bounds = Bounds { stall_timeout: Duration::from_secs(3600), ..Bounds::default() };
    let slots = Options::slots_for(40, 1);
    let number = usize::from(number);
    let options = Options { number, slots, bounds, outbox_bytes: u64::MAX, rates: Rates::default() };
    let house = House { admission: Admission::new(100), shards, ..House::open(0) };
    let (mailbox, address) = mailbox();
    let shard = Shard::new(sim, Lines::default(), options, house, mailbox, &sockets);
    (shard, address, sockets)
}

const WINDOW: usize = 1 << 20;
const LISTENS: &str = "H 1 100000000\nS 0 s -\n";
const SPEAKS: &str = "H 1 100000000\n";

/// Twenty subscribers, and a hundred small messages that come together: each subscriber is sent all of them at once. Where a
/// turn has no room for so many the sends are more, so that is what the count shows.
#[test]
fn what_is_published_in_a_turn_leaves_each_subscriber_in_one_send() {
    let check = |turn_bytes: usize, sends: std::ops::RangeInclusive<u64>| {
        let mut town = Town::new(1, WINDOW);
        town.0[0].0.hub.set_turn_bytes_max(turn_bytes);
        let subscribers: Vec<PeerId> = (0..20).map(|_| town.come(0, LISTENS)).collect();
        let publisher = town.come(0, SPEAKS);
        let before = town.counters(0);
        town.say(0, publisher, &"P s x\n".repeat(100));
        let after = town.counters(0);
        assert_eq!(after.hub_published - before.hub_published, 100);
        assert_eq!(after.hub_delivered - before.hub_delivered, 20 * 100);
        let sent = after.sends - before.sends;
        assert!(sends.contains(&sent), "{sent} sends");
        for subscriber in subscribers {
            assert_eq!(town.read_all(0, subscriber), 100 * "MSG s 0 1\r\nx\r\n".len());
        }
    };
    check(limits::HUB_TURN_BYTES, 20..=20);
    check(1000, 40..=2000);
}

/// What comes together goes to each other shard in one parcel if somebody listens there, and in none if nobody does.
#[test]
fn what_is_published_in_a_turn_crosses_in_one_parcel_or_in_none() {
    let mut town = Town::new(3, WINDOW);
    let subscribers = [town.come(1, LISTENS), town.come(1, LISTENS)];
    let publisher = town.come(0, SPEAKS);
    let figures = |town: &Town| -> Vec<[u64; 3]> {
        let of =
            |counters: Counters| [counters.parcels_sent, counters.parcels_received, counters.hub_crossed];
        (0..3).map(|shard| of(town.counters(shard))).collect()
    };
    let before = figures(&town);
    let grown = |town: &Town| -> Vec<[u64; 3]> {
        let pairs = figures(town).into_iter().zip(&before);
        pairs.map(|(now, before)| [0, 1, 2].map(|place| now[place] - before[place])).collect()
    };
    for _ in 0..7 {
        town.say(0, publisher, &"P other x\n".repeat(50));
    }
    assert_eq!(grown(&town), [[0; 3]; 3], "nobody listens to that");
    for _ in 0..7 {
        town.say(0, publisher, &"P s x\n".repeat(50));
    }
    assert_eq!(grown(&town), [[7, 0, 7 * 50], [0, 7, 0], [0, 0, 0]]);
    for subscriber in subscribers {
        assert_eq!(town.read_all(1, subscriber), 7 * 50 * "MSG s 0 1\r\nx\r\n".len());
    }
}

/// Three subscribers do not read what would fill their windows ten times: it waits once for all of them, and when they have read
/// it nothing is lent any more.
#[test]
fn what_many_wait_for_is_lent_once_and_comes_home() {
    let mut town = Town::new(1, 3000);
    let subscribers: Vec<PeerId> = (0..3).map(|_| town.come(0, LISTENS)).collect();
    let publisher = town.come(0, SPEAKS);
    let line = format!("P s {}\n", "x".repeat(2000));
    let message = "MSG s 0 2000\r\n".len() + 2000 + "\r\n".len();
    // Its own window is as small.
    for _ in 0..15 {
        town.say(0, publisher, &line);
    }
    let lent = usize::try_from(town.counters(0).hub_lent_bytes).expect("it fits");
    // Each has a window's worth. A buffer may be twice as large as what is in it.
    let waiting = 15 * message - 3000;
    assert!((waiting..2 * waiting + 4096).contains(&lent), "{lent} bytes are lent for 3 times {waiting}");
    for subscriber in subscribers {
        assert_eq!(town.read_all(0, subscriber), 15 * message);
    }
    assert_eq!(town.counters(0).hub_lent_bytes, 0);
    assert_eq!(town.counters(0).private_bytes, 0);
}
