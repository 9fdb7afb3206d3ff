//! The hub against a naive model: random clients on one shard and on several, and every delivery exactly as the model
//! says, in order.

mod bounds;
mod latest;
mod listing;
mod queues;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::*;
use crate::connection::Outbox;
use crate::ring::sim::Random;

/// Seeds of an ordinary run.
const SEEDS: u64 = 2_000;

/// What a client was sent: the `sid` and the payload, which names the publisher and counts.
type Heard = (String, String);

/// The documented rules, token by token.
fn matches(filter: &str, subject: &str) -> bool {
    let (filter, subject): (Vec<_>, Vec<_>) = (filter.split('.').collect(), subject.split('.').collect());
    for (index, token) in filter.iter().enumerate() {
        match *token {
            ">" => return index < subject.len(),
            "*" if index < subject.len() => {}
            token if subject.get(index) == Some(&token) => {}
            _ => return false,
        }
    }
    filter.len() == subject.len()
}

/// One subscription of the model.
#[derive(Clone, Debug)]
struct Wish {
    filter: String,
    queue: Option<String>,
    left: Option<u64>,
    heard: u64,
}

/// One client, of the hub and of the model.
#[derive(Debug)]
struct Peer {
    shard: usize,
    id: ClientId,
    slot: u32,
    echo: bool,
    outbox: Outbox,
    wishes: BTreeMap<String, Wish>,
    /// What plain subscriptions must have heard, by their `sid`, each in order.
    expected: BTreeMap<String, Vec<String>>,
}

struct World {
    random: Random,
    hubs: Vec<Hub>,
    peers: Vec<Option<Peer>>,
    /// Parcels on their way, by sender and receiver.
    mail: BTreeMap<(u16, u16), VecDeque<Arc<Parcel>>>,
    /// What queue groups must have heard, by name: how often each message.
    queued: BTreeMap<(String, String), u64>,
    published: u64,
    next_slot: u32,
}

const SUBJECTS: [&str; 9] = ["a", "b", "a.a", "a.b", "b.a", "b.b", "a.a.a", "a.b.c", "c"];
const FILTERS: [&str; 14] =
    ["a", "b", "a.a", "a.b", "*", ">", "a.*", "*.a", "a.>", "*.*", "b.>", "a.*.c", "*.b.>", "c"];
const QUEUES: [&str; 4] = ["q", "r", "qq", "p"];

impl World {
    fn new(seed: u64, shards: u16) -> Self {
        let mut random = Random::new(seed);
        // Some have room for a few messages of other shards in a turn.
        let few = random.index(3) == 0;
        let hub = |shard| {
            let mut hub = Hub::new(shard, shards, random.number());
            if few {
                hub.set_turn_bytes_max(500);
            }
            hub
        };
        let hubs = (0..shards).map(hub).collect();
        Self {
            random,
            hubs,
            peers: Vec::new(),
            mail: BTreeMap::new(),
            queued: BTreeMap::new(),
            published: 0,
            next_slot: 0,
        }
    }

    fn join(&mut self) {
        let shard = self.random.index(self.hubs.len());
        let echo = self.random.index(3) != 0;
        let form = Form::Nats { headers: true, framed: false };
        let options = ClientOptions { form, echo, pending_bytes_max: usize::MAX, slow: SlowPolicy::Cut };
        let slot = self.next_slot;
        self.next_slot += 1;
        let id = self.hubs[shard].join(ConnectionId::numbered(slot), options);
        self.peers.push(Some(Peer {
            shard,
            id,
            slot,
            echo,
            outbox: Outbox::default(),
            wishes: BTreeMap::new(),
            expected: BTreeMap::new(),
        }));
    }

    fn some_peer(&mut self) -> Option<usize> {
        let there: Vec<usize> = (0..self.peers.len()).filter(|place| self.peers[*place].is_some()).collect();
        (!there.is_empty()).then(|| there[self.random.index(there.len())])
    }

    fn subscribe(&mut self, with_queues: bool) {
        let Some(place) = self.some_peer() else { return };
        let filter = FILTERS[self.random.index(FILTERS.len())].to_owned();
        let queue = (with_queues && self.random.index(3) == 0)
            .then(|| QUEUES[self.random.index(QUEUES.len())].to_owned());
        let sid = self.random.index(5).to_string();
        let peer = self.peers[place].as_mut().unwrap();
        let wish = Subscribe {
            filter: filter.as_bytes(),
            queue: queue.as_deref().map(str::as_bytes),
            sid: sid.as_bytes(),
            hidden: None,
        };
        let result = self.hubs[peer.shard].subscribe(peer.id, &wish);
        assert_eq!(result.is_err(), peer.wishes.contains_key(&sid), "{result:?}");
        if result.is_ok() {
            peer.wishes.insert(sid, Wish { filter, queue, left: None, heard: 0 });
        }
    }

    fn unsubscribe(&mut self) {
        let Some(place) = self.some_peer() else { return };
        let sid = self.random.index(5).to_string();
        let most = (self.random.index(2) == 0).then(|| self.random.index(6) as u64);
        let peer = self.peers[place].as_mut().unwrap();
        let was = self.hubs[peer.shard].unsubscribe(peer.id, sid.as_bytes(), most);
        assert_eq!(was, peer.wishes.contains_key(&sid));
        let Some(wish) = peer.wishes.get_mut(&sid) else { return };
        match most {
            Some(most) if wish.heard < most => wish.left = Some(most - wish.heard),
            _ => {
                peer.wishes.remove(&sid);
            }
        }
    }

    /// Somebody wants another form, and what it has subscribed to takes it, too. Of messages without headers both are the same.
    fn reform(&mut self) {
        let Some(place) = self.some_peer() else { return };
        let headers = self.random.index(2) == 0;
        let peer = self.peers[place].as_ref().unwrap();
        let form = Form::Nats { headers, framed: false };
        let options =
            ClientOptions { form, echo: peer.echo, pending_bytes_max: usize::MAX, slow: SlowPolicy::Cut };
        self.hubs[peer.shard].set_options(peer.id, options);
        self.hubs[peer.shard].reform(peer.id);
    }

    fn leave(&mut self) {
        let Some(place) = self.some_peer() else { return };
        let peer = self.peers[place].take().unwrap();
        self.hubs[peer.shard].leave(peer.id);
        self.hubs[peer.shard].leave(peer.id);
    }

    /// Publishes, and writes down who must hear it. Queue groups are judged by their sums.
    fn publish(&mut self) {
        let Some(place) = self.some_peer() else { return };
        let subject = SUBJECTS[self.random.index(SUBJECTS.len())];
        self.published += 1;
        // Some are large enough to stand once in memory for all.
        let filler =
            if self.random.index(8) == 0 { "x".repeat(limits::SPLICE_BYTES_MIN) } else { String::new() };
        let payload = format!("{place}:{}:{filler}", self.published);
        let from = self.peers[place].as_ref().unwrap();
        let message =
            Message { subject: subject.as_bytes(), payload: payload.as_bytes(), ..Message::default() };
        self.hubs[from.shard].publish(Some(from.id), &message);
        let silent = (!from.echo).then_some(place);
        let mut heard_queues = Vec::new();
        for (other, peer) in self.peers.iter_mut().enumerate() {
            let Some(peer) = peer else { continue };
            if silent == Some(other) {
                continue;
            }
            let mut over = Vec::new();
            for (sid, wish) in &mut peer.wishes {
                if !matches(&wish.filter, subject) {
                    continue;
                }
                if let Some(queue) = &wish.queue {
                    heard_queues.push(queue.clone());
                    continue;
                }
                wish.heard += 1;
                peer.expected.entry(sid.clone()).or_default().push(payload.clone());
                wish.left = wish.left.map(|left| left - 1);
                if wish.left == Some(0) {
                    over.push(sid.clone());
                }
            }
            over.iter().for_each(|sid| drop(peer.wishes.remove(sid)));
        }
        heard_queues.sort();
        heard_queues.dedup();
        for queue in heard_queues {
            self.queued.insert((queue, payload.clone()), 1);
        }
    }

    /// Ends a shard's turn: outboxes and mail are filled.
    fn end_turn(&mut self, shard: usize) {
        let hub = &mut self.hubs[shard];
        hub.close_turn();
        while let Some((client, connection)) = hub.next_touched() {
            match self.peers.iter_mut().flatten().find(|peer| peer.slot == connection.slot()) {
                Some(peer) => assert_eq!(hub.deliver(client, 0, &mut peer.outbox), Written::Fine),
                None => hub.skip(client),
            }
        }
        hub.end_turn();
        if let Some(parcel) = hub.take_parcel() {
            let shards: Vec<u16> = hub.readers(&parcel).collect();
            for to in shards {
                let way = (u16::try_from(shard).unwrap(), to);
                self.mail.entry(way).or_default().push_back(Arc::clone(&parcel));
            }
        }
    }

    /// Brings one parcel to its shard, in the order of its way. Returns whether there was one.
    fn carry(&mut self) -> bool {
        let ways: Vec<_> =
            self.mail.iter().filter(|(_, mail)| !mail.is_empty()).map(|(way, _)| *way).collect();
        if ways.is_empty() {
            return false;
        }
        let way = ways[self.random.index(ways.len())];
        let parcel = self.mail.get_mut(&way).and_then(VecDeque::pop_front).unwrap();
        let shard = usize::from(way.1);
        self.hubs[shard].receive(parcel);
        while self.hubs[shard].is_reading() {
            self.end_turn(shard);
            self.hubs[shard].read_on();
        }
        true
    }

    /// Until nobody has anything more to say.
    fn settle(&mut self) {
        loop {
            (0..self.hubs.len()).for_each(|shard| self.end_turn(shard));
            if !self.carry() && self.hubs.iter().all(|hub| !hub.has_work()) {
                break;
            }
        }
    }

    /// Compares all that was sent with all that should have been.
    fn check(&mut self) {
        let mut queued: BTreeMap<(String, String), u64> = BTreeMap::new();
        for peer in self.peers.iter_mut().flatten() {
            let mut by_sid: BTreeMap<String, Vec<String>> = BTreeMap::new();
            let all = heard(&mut peer.outbox);
            if self.hubs.len() == 1 {
                // What was published later is never heard earlier, whatever it is about.
                let number =
                    |(_, payload): &Heard| payload.split(':').nth(1).unwrap().parse::<u64>().unwrap();
                assert!(all.is_sorted_by_key(number), "{all:?}");
            }
            for (sid, payload) in all {
                by_sid.entry(sid).or_default().push(payload);
            }
            for (sid, payloads) in by_sid {
                let queue = peer.wishes.get(&sid).and_then(|wish| wish.queue.clone());
                match queue {
                    Some(queue) => {
                        for payload in payloads {
                            *queued.entry((queue.clone(), payload)).or_default() += 1;
                        }
                    }
                    None => assert_eq!(Some(&payloads), peer.expected.get(&sid), "sid {sid}"),
                }
                peer.expected.remove(&sid);
            }
            peer.expected.retain(|_, payloads| !payloads.is_empty());
            assert!(peer.expected.is_empty(), "these were not heard: {:?}", peer.expected);
        }
        assert_eq!(queued, self.queued, "each message is for one of each queue group");
        self.queued.clear();
    }
}

/// What stands in an outbox, message by message.
fn heard(outbox: &mut Outbox) -> Vec<Heard> {
    let mut bytes = Vec::new();
    while outbox.has_queued() {
        let gather = outbox.take_send();
        gather.parts().iter().for_each(|part| bytes.extend_from_slice(part.bytes()));
        let count = gather.len();
        outbox.sent(gather, count);
    }
    let mut rest = &bytes[..];
    let mut all = Vec::new();
    while !rest.is_empty() {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("a line ends");
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let [verb, _, sid, .., size] = words[..] else { panic!("{line:?} is no message") };
        assert_eq!(verb, "MSG");
        let size: usize = size.parse().unwrap();
        let (payload, behind) = rest[end + 2..].split_at(size);
        all.push((sid.to_owned(), String::from_utf8(payload.to_vec()).unwrap()));
        rest = behind.strip_prefix(b"\r\n").expect("a payload ends with CRLF");
    }
    all
}

fn seeds() -> u64 {
    std::env::var("TIDEMILL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS)
}

/// What a world's hubs hold when all clients have left.
fn check_nothing_is_left(world: &mut World) {
    while world.peers.iter().any(Option::is_some) {
        world.leave();
    }
    world.settle();
    for hub in &world.hubs {
        let HubSizes { clients, subscriptions, filters, groups, filters_elsewhere, .. } = hub.sizes();
        assert_eq!((clients, subscriptions, filters, groups, filters_elsewhere), (0, 0, 0, 0, 0));
        assert_eq!((hub.index.len(), hub.queues.len(), hub.name_bytes), (0, 0, 0));
    }
}

/// Anything in any order on one shard, where everything is known at once.
#[test]
fn one_shard_delivers_as_the_model_says_for_all_seeds() {
    for seed in 0..seeds() {
        let context = std::panic::catch_unwind(|| {
            let mut world = World::new(seed, 1);
            for _ in 0..120 {
                match world.random.index(12) {
                    0 => world.join(),
                    1..=2 => world.subscribe(false),
                    3 => world.unsubscribe(),
                    4 if world.random.index(4) == 0 => {
                        world.settle();
                        world.check();
                        world.leave();
                    }
                    4 => world.reform(),
                    5 => world.end_turn(0),
                    6 => {
                        let Some(place) = world.some_peer() else { continue };
                        let peer = world.peers[place].as_mut().unwrap();
                        world.hubs[0].catch_up(peer.id, &mut peer.outbox);
                    }
                    _ => world.publish(),
                }
            }
            world.settle();
            world.check();
            check_nothing_is_left(&mut world);
        });
        assert!(context.is_ok(), "seed {seed}");
    }
}

/// Changes of interest come to rest before the next messages; those cross in any order.
#[test]
fn several_shards_deliver_as_the_model_says_for_all_seeds() {
    for seed in 0..seeds() / 2 {
        let context = std::panic::catch_unwind(|| {
            let mut world = World::new(seed, 2 + (seed % 3) as u16);
            (0..6).for_each(|_| world.join());
            for _ in 0..6 {
                for _ in 0..8 {
                    match world.random.index(8) {
                        0 => world.join(),
                        1 => world.unsubscribe_plainly(),
                        2 => world.leave(),
                        3 => world.reform(),
                        _ => world.subscribe(true),
                    }
                }
                world.settle();
                assert!(
                    world
                        .peers
                        .iter()
                        .flatten()
                        .all(|peer| { world.hubs[peer.shard].is_known_elsewhere(peer.id) })
                );
                for _ in 0..40 {
                    match world.random.index(4) {
                        0 => {
                            let shard = world.random.index(world.hubs.len());
                            world.end_turn(shard);
                        }
                        1 => {
                            world.carry();
                        }
                        2 if world.random.index(4) == 0 => world.reform(),
                        _ => world.publish(),
                    }
                }
                world.settle();
                world.check_by_publisher();
            }
            check_nothing_is_left(&mut world);
        });
        assert!(context.is_ok(), "seed {seed}");
    }
}

impl World {
    /// Without a number: when messages cross, which of them come first is not said.
    fn unsubscribe_plainly(&mut self) {
        let Some(place) = self.some_peer() else { return };
        let sid = self.random.index(5).to_string();
        let peer = self.peers[place].as_mut().unwrap();
        self.hubs[peer.shard].unsubscribe(peer.id, sid.as_bytes(), None);
        peer.wishes.remove(&sid);
    }

    /// As [`check`](Self::check), but order is promised only among the messages of one publisher.
    fn check_by_publisher(&mut self) {
        let publisher = |payload: &String| payload.split(':').next().unwrap().to_owned();
        for peer in self.peers.iter_mut().flatten() {
            let mut bytes = Outbox::default();
            std::mem::swap(&mut bytes, &mut peer.outbox);
            let all = heard(&mut bytes);
            let mut sorted: Vec<Heard> = all.clone();
            // A stable sort keeps the order of each publisher.
            sorted.sort_by_key(|(sid, payload)| (sid.clone(), publisher(payload)));
            for (sid, payload) in sorted {
                let form = Form::Nats { headers: true, framed: false };
                let message = Message { subject: b"s", payload: payload.as_bytes(), ..Message::default() };
                let mut line = Vec::new();
                form::write(form, sid.as_bytes(), 0, &message, &mut line);
                peer.outbox.write(&line);
            }
            for payloads in peer.expected.values_mut() {
                payloads.sort_by_key(publisher);
            }
        }
        self.check();
    }
}
