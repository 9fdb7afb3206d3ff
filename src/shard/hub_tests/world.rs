//! Shards, peers, and what must hold between them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::mailbox::{Address, Contact, Delivered, Message, mailbox};
use super::super::tests::Planted;
use super::super::{Admission, House, Options, Shard, Sockets};
use super::peer::{Peer, Said, Stay, Temper, Wish, matches, origin, payload};
use super::service::Lines;
use crate::access::meter::Rates;
use crate::connection::Bounds;
use crate::hub::HubSizes;
use crate::limits;
use crate::ring::sim::{Faults, Random, Sim, SimSetup};
use crate::ring::{Capabilities, Kernel, Wait};
use crate::sys::clock::Time;
use crate::tier::RingTier;

const SUBJECTS: [&str; 7] = ["a", "a.a", "a.b", "b.a", "b.b", "a.b.c", "c"];
const FILTERS: [&str; 10] = ["a", "a.a", "*", ">", "a.*", "*.a", "a.>", "*.b.>", "c", "b.b"];
const QUEUES: [&str; 2] = ["q", "r"];
/// Bytes beside what tells a payload from others: copied, shared, and standing apart.
const FILLERS: [usize; 12] =
    [0, 0, 0, 0, 0, 10, 10, 100, 100, 100, limits::SHARE_BYTES_MIN, limits::SPLICE_BYTES_MIN];

/// Steps after which a world that is not quiet stands still.
const STEPS_MAX: usize = 100_000;
/// Deadlines that are farther away are none that anybody waits for here.
const SOON: Duration = Duration::from_secs(1);

/// One shard, and whether it sleeps.
struct Node {
    shard: Shard<Sim, Lines>,
    address: Address,
    admission: Arc<Admission>,
    sockets: Sockets,
    /// Until when it sleeps, if nothing wakes it.
    asleep: Option<Option<Time>>,
    /// How often it gets to run, in a thousand.
    pace: u16,
}

/// What happened in all worlds, to know that they are wild enough.
#[derive(Debug, Default)]
pub(super) struct Reached {
    crossed: u64,
    rung: u64,
    delivered: u64,
    slow_consumers: u64,
    shorts: u64,
    starved: u64,
    overflows: u64,
    resets: u64,
}

impl Reached {
    pub(super) fn add(&mut self, other: &Self) {
        self.crossed += other.crossed;
        self.rung += other.rung;
        self.delivered += other.delivered;
        self.slow_consumers += other.slow_consumers;
        self.shorts += other.shorts;
        self.starved += other.starved;
        self.overflows += other.overflows;
        self.resets += other.resets;
    }

    pub(super) fn check(&self) {
        let Self { crossed, rung, delivered, slow_consumers, shorts, starved, overflows, resets } = *self;
        let all = [crossed, rung, delivered, slow_consumers, shorts, starved, overflows, resets];
        assert!(all.iter().all(|count| *count != 0), "not all happened: {self:?}");
    }
}

pub(super) struct World {
    random: Random,
    nodes: Vec<Node>,
    peers: Vec<Peer>,
    step: u64,
    /// How often a mailbox is full, in a thousand.
    crowds: u16,
    /// Whether slow peers read, too.
    all_read: bool,
    reached: Reached,
}

impl World {
    pub(super) fn new(seed: u64, planted: Option<Planted>) -> Self {
        let mut random = Random::new(seed);
        let shards = 1 + random.index(3);
        let nodes: Vec<Node> = (0..shards).map(|number| node(number, shards, &mut random, planted)).collect();
        let contact = |node: &Node| Contact { address: node.address.clone(), bell: node.shard.kernel.bell() };
        let contacts: Arc<[Contact]> = nodes.iter().map(contact).collect();
        for node in &nodes {
            node.address.post(Message::Contacts(Arc::clone(&contacts))).expect("there is room");
        }
        let crowds = [0, 0, 5, 50][random.index(4)];
        Self {
            random,
            nodes,
            crowds,
            peers: Vec::new(),
            step: 0,
            all_read: false,
            reached: Reached::default(),
        }
    }

    /// Two wild times, each followed by a calm one in which the outcome is exact; then everybody leaves.
    pub(super) fn run(mut self) -> Reached {
        for _ in 0..2 {
            for _ in 0..30 + self.random.index(250) {
                self.anyone_acts();
                self.pass();
            }
            self.calm();
        }
        // Slow ones who read at last find whole messages to the end.
        self.all_read = self.random.chance(500);
        self.settle();
        for peer in self.peers.iter_mut().filter(|peer| peer.stay == Stay::Here) {
            peer.leave(self.nodes[peer.node].shard.kernel_mut(), &mut self.random);
        }
        self.settle();
        self.check_heard();
        self.check_home();
        self.stop();
        self.reached
    }

    // --- What peers do ------------------------------------------------------------------------------------------

    fn here(&self) -> impl Iterator<Item = usize> {
        let all = self.peers.iter().enumerate();
        let here = all.filter(|(_, peer)| peer.stay == Stay::Here && !peer.farewell);
        here.map(|(index, _)| index).collect::<Vec<_>>().into_iter()
    }

    fn some_peer(&mut self) -> Option<usize> {
        let here: Vec<usize> = self.here().collect();
        (!here.is_empty()).then(|| here[self.random.index(here.len())])
    }

    fn anyone_acts(&mut self) {
        if self.random.chance(self.crowds) {
            self.crowd();
        }
        if self.peers.len() < 3 || self.random.chance(20) && self.peers.len() < 12 {
            return self.connect();
        }
        let Some(index) = self.some_peer() else { return };
        let (random, peer) = (&mut self.random, &mut self.peers[index]);
        match random.index(40) {
            0..8 => {
                let filter = FILTERS[random.index(FILTERS.len())];
                let joins = random.index(3) == 0 && peer.temper == Temper::Healthy;
                peer.subscribe(filter, joins.then(|| QUEUES[random.index(QUEUES.len())]));
                if random.chance(500) {
                    peer.ask();
                }
            }
            8..11 if !peer.wishes.is_empty() => {
                let sid = random.index(peer.wishes.len());
                let counts = random.chance(500) && peer.wishes[sid].queue.is_none();
                let most = if counts { 1 + random.below(5) } else { 0 };
                peer.unsubscribe(sid, most);
                if random.chance(500) {
                    peer.ask();
                }
            }
            11..14 => peer.ask(),
            14 if random.chance(300) => {
                let sim = self.nodes[peer.node].shard.kernel_mut();
                peer.leave(sim, random);
            }
            _ => {
                let burst = if random.chance(50) { 20 } else { 2 };
                for _ in 0..=random.index(burst) {
                    publish(index, peer, random, self.step);
                }
                if random.chance(200) {
                    peer.ask();
                }
            }
        }
    }

    /// Fills a mailbox, so that parcels have to wait.
    fn crowd(&mut self) {
        let node = self.random.index(self.nodes.len());
        let node = &mut self.nodes[node];
        while let Ok(delivered) = node.address.post(Message::Doors(Arc::from([]))) {
            if delivered == Delivered::Asleep {
                node.shard.kernel.ring();
            }
        }
    }

    fn connect(&mut self) {
        let node = self.random.index(self.nodes.len());
        let listener = self.nodes[node].sockets.listeners[0];
        let id = self.nodes[node].shard.kernel_mut().connect(listener, None);
        let temper = if self.random.chance(150) { Temper::Slow } else { Temper::Healthy };
        let pending = if temper == Temper::Slow { 3000 } else { 1 << 30 };
        let echo = self.random.chance(700);
        self.peers.push(Peer::new(node, id, temper, echo, pending));
    }

    /// Peers write and read some, and shards run or not.
    fn pass(&mut self) {
        self.step += 1;
        for index in 0..self.peers.len() {
            let reads = match self.peers[index].temper {
                Temper::Healthy => 700,
                Temper::Slow => 30,
            };
            let peer = &mut self.peers[index];
            let sim = self.nodes[peer.node].shard.kernel_mut();
            if self.random.chance(700) {
                peer.write(sim, 1 + self.random.index(400));
            }
            if self.random.chance(reads) && peer.stay != Stay::Gone {
                let most = [1, 30, 100_000][self.random.index(3)];
                self.read(index, most);
            }
        }
        for node in 0..self.nodes.len() {
            if self.random.chance(self.nodes[node].pace) {
                self.turn(node, false);
            }
        }
    }

    fn read(&mut self, index: usize, most: usize) -> usize {
        let peer = &mut self.peers[index];
        let sim = self.nodes[peer.node].shard.kernel_mut();
        let readable = sim.peer_state(peer.id).readable;
        for heard in peer.read(index, sim, most, self.step) {
            let (publisher, number) = origin(&heard.payload);
            let queue = self.peers[index].wishes[heard.sid].queue;
            let said = &mut self.peers[publisher].said[number];
            assert_eq!(heard.subject, said.subject, "it comes with its subject");
            let filler = said.length - payload(publisher, number, 0).len();
            assert_eq!(heard.payload, payload(publisher, number, filler), "it comes as it was said");
            if let Some(queue) = queue {
                let count = said.queues.entry(queue).or_default();
                *count += 1;
                assert_eq!(*count, 1, "of a queue group one alone hears {publisher}:{number}");
            }
        }
        readable
    }

    // --- What shards do -----------------------------------------------------------------------------------------

    /// A shard falls asleep, or wakes if it has a reason. With `late`, a deadline that is near is one.
    fn turn(&mut self, node: usize, late: bool) -> bool {
        let Node { shard, asleep, .. } = &mut self.nodes[node];
        match *asleep {
            None => match shard.next_wait() {
                Wait::No => {
                    shard.kernel.submit_and_wait(Wait::No).expect("a simulated ring does not fail");
                    shard.work();
                }
                Wait::Until(deadline) => {
                    shard.kernel.submit_and_wait(Wait::No).expect("a simulated ring does not fail");
                    *asleep = Some(deadline);
                }
            },
            Some(deadline) => {
                let now = shard.kernel.now();
                let near = now.saturating_add(if late { SOON } else { Duration::ZERO });
                if shard.kernel.is_idle() && deadline.is_none_or(|deadline| near < deadline) {
                    return false;
                }
                *asleep = None;
                shard.kernel.submit_and_wait(Wait::Until(deadline)).expect("a simulated ring does not fail");
                shard.work();
            }
        }
        self.carry_bells(node);
        true
    }

    fn carry_bells(&mut self, node: usize) {
        for bell in self.nodes[node].shard.kernel.take_rung() {
            self.reached.rung += 1;
            let whose = self.nodes.iter_mut().find(|other| other.shard.kernel.bell() == bell);
            whose.expect("it is the bell of a shard").shard.kernel.ring();
        }
    }

    /// Lets everything run until nobody has anything to do, without that anybody says anything new. Slow peers do not read
    /// unless all do.
    fn settle(&mut self) {
        for _ in 0..STEPS_MAX {
            self.step += 1;
            let mut moved = false;
            for index in 0..self.peers.len() {
                let peer = &mut self.peers[index];
                let sim = self.nodes[peer.node].shard.kernel_mut();
                let left = !peer.has_written_all() && peer.stay == Stay::Here;
                peer.write(sim, usize::MAX);
                moved |= left && (peer.has_written_all() || 0 < sim.peer_state(peer.id).writable);
                if peer.stay != Stay::Gone && (self.all_read || peer.temper == Temper::Healthy) {
                    moved |= 0 < self.read(index, usize::MAX);
                }
            }
            for node in 0..self.nodes.len() {
                moved |= self.turn(node, true);
            }
            if !moved {
                return;
            }
        }
        let state = |node: &Node| {
            let shard = &node.shard;
            (
                node.asleep,
                shard.kernel.now(),
                shard.kernel.is_idle(),
                shard.outgoing.len(),
                shard.hub.has_work(),
            )
        };
        let nodes: Vec<_> = self.nodes.iter().map(state).collect();
        panic!("the world stands still without being quiet: {nodes:?}");
    }

    // --- What must hold -----------------------------------------------------------------------------------------

    /// Nobody comes, goes or changes: what is said now is heard exactly by those who listen.
    fn calm(&mut self) {
        let here: Vec<usize> = self.here().collect();
        here.iter().for_each(|index| self.peers[*index].ask());
        self.settle();
        self.check_answered();
        self.check_heard();
        let begun = self.step;
        for _ in 0..self.random.index(60) {
            let Some(index) = self.some_peer() else { break };
            publish(index, &mut self.peers[index], &mut self.random, self.step);
            if self.random.chance(500) {
                self.pass();
            }
        }
        let here: Vec<usize> = self.here().collect();
        here.iter().for_each(|index| self.peers[*index].ask());
        self.settle();
        self.check_answered();
        self.check_heard();
        self.check_queues(begun);
    }

    fn check_answered(&mut self) {
        for peer in &self.peers {
            if peer.stay == Stay::Here && peer.temper == Temper::Healthy {
                let state = self.nodes[peer.node].shard.kernel.peer_state(peer.id);
                assert!(!state.saw_end && !state.saw_reset, "who behaves is not cut: {state:?}");
                assert_eq!(peer.answered, peer.barriers.len(), "all that was asked is answered");
            }
        }
    }

    /// What each subscription heard of each peer is a run of what that said, from when it was known and to the end.
    fn check_heard(&mut self) {
        for (index, peer) in self.peers.iter().enumerate() {
            let steady = peer.stay == Stay::Here && peer.temper == Temper::Healthy;
            for wish in peer.wishes.iter().filter(|wish| wish.queue.is_none()) {
                for (publisher, from) in self.peers.iter().enumerate() {
                    let silent = publisher == index && !peer.echo;
                    let heard = wish.heard.get(&publisher).map_or(&[][..], Vec::as_slice);
                    let stays = steady && wish.ends.is_none();
                    if silent {
                        assert!(heard.is_empty(), "who wants no echo hears none");
                    } else {
                        let near = from.node == peer.node;
                        check_run(wish, &from.said, heard, near, from.sure(), stays);
                    }
                }
            }
        }
    }

    /// Each queue group has heard once what was said while nobody came or went.
    fn check_queues(&self, begun: u64) {
        for (index, peer) in self.peers.iter().enumerate() {
            for said in peer.said[..peer.sure()].iter().filter(|said| begun <= said.step) {
                for queue in QUEUES {
                    let listens = |other: usize| {
                        let there = &self.peers[other];
                        let may = there.stay == Stay::Here && (other != index || there.echo);
                        let fits = |wish: &Wish| {
                            wish.queue == Some(queue)
                                && wish.ends.is_none()
                                && matches(wish.filter, said.subject)
                        };
                        may && there.wishes.iter().any(fits)
                    };
                    let expected = u32::from((0..self.peers.len()).any(listens));
                    let heard = said.queues.get(queue).copied().unwrap_or(0);
                    assert_eq!(heard, expected, "one of {queue} has heard {index}: {said:?}");
                }
            }
        }
    }

    /// All have left: nothing of them is left.
    fn check_home(&mut self) {
        for peer in &self.peers {
            let state = self.nodes[peer.node].shard.kernel.peer_state(peer.id);
            if state.saw_end && peer.stay == Stay::Ended {
                assert!(peer.is_whole(), "what was sent ends with a whole message");
            }
        }
        for node in &mut self.nodes {
            let shard = &mut node.shard;
            let HubSizes { clients, subscriptions, filters, groups, filters_elsewhere, lent_bytes, .. } =
                shard.hub.sizes();
            assert_eq!((clients, subscriptions, filters, groups), (0, 0, 0, 0), "nobody listens");
            assert_eq!(filters_elsewhere, 0, "nobody listens elsewhere");
            assert_eq!(lent_bytes, 0, "what was lent is home");
            assert_eq!(shard.connections.len(), 0, "no connection is left");
            assert_eq!((shard.timers.len(), shard.private_bytes), (0, 0), "no timer and no private memory");
            assert!(shard.outgoing.is_empty(), "no parcel waits");
            assert_eq!(shard.hub.parcels_out(), 0, "all parcels are home");
            let counters = &shard.metrics.counters;
            assert_eq!((counters.stale_completions, counters.unexpected_errors), (0, 0));
            self.reached.add(&Reached {
                crossed: shard.hub.counts().crossed,
                rung: 0,
                delivered: shard.hub.counts().delivered,
                slow_consumers: counters.hub_slow_consumers,
                shorts: counters.send_short,
                starved: counters.no_buffers,
                overflows: shard.kernel.counts().overflows,
                resets: counters.reset_by_peer,
            });
        }
    }

    fn stop(&mut self) {
        for node in &mut self.nodes {
            node.address.post(Message::Stop(Duration::ZERO)).expect("there is room");
            let over = (0..STEPS_MAX).any(|_| {
                node.shard.turn().expect("a simulated ring does not fail");
                node.shard.is_over()
            });
            assert!(over, "a shard that has nothing left stops");
            let kernel = &node.shard.kernel;
            assert_eq!((kernel.in_flight(), kernel.open_files()), (0, 0), "nothing is in flight or open");
            kernel.stream_pool().assert_all_home();
            assert_eq!(node.admission.open.load(Ordering::Relaxed), 0, "all have left");
        }
    }
}

fn publish(own: usize, peer: &mut Peer, random: &mut Random, step: u64) {
    let subject = SUBJECTS[random.index(SUBJECTS.len())];
    let filler = FILLERS[random.index(FILLERS.len())];
    peer.publish(own, subject, filler, step);
}

/// Of what somebody said, a subscription has heard some, in order; and all of it from when it was known there, until what
/// is sure to have been taken, if it `stays`. On one shard it is known at once.
fn check_run(wish: &Wish, said: &[Said], heard: &[usize], near: bool, sure: usize, stays: bool) {
    assert!(heard.is_sorted_by(|one, next| one < next), "each once and in order: {wish:?}");
    let fits = (0..said.len()).filter(|number| matches(wish.filter, said[*number].subject));
    let is_known = |number: &usize| {
        near && heard.first().is_some_and(|first| first <= number)
            || wish.known.is_some_and(|known| known < said[*number].step)
    };
    let (last, heard) = (heard.last().copied(), heard.iter().copied().filter(is_known).collect::<Vec<_>>());
    let must: Vec<usize> = fits.filter(is_known).collect();
    let run = &must[..heard.len().min(must.len())];
    assert_eq!(heard, run, "from when it was known it heard all: {wish:?}");
    if stays {
        let last_sure = must.iter().copied().rfind(|number| *number < sure);
        assert!(last_sure <= last, "{last_sure:?} was not heard: {wish:?}");
    }
}

fn node(number: usize, shards: usize, random: &mut Random, planted: Option<Planted>) -> Node {
    let faults = Faults { peer_gone: 0, ..Faults::seeded(random) };
    let setup = SimSetup {
        seed: random.number() << 8 | number as u64,
        files: 128,
        capabilities: Capabilities::of_tier(RingTier::ALL[random.index(4)]),
        stream_buffers: (1 << (2 + random.index(4)), [64, 256, 2048][random.index(3)]),
        datagram_buffers: None,
        completions: [8, 64, 1024][random.index(3)],
        faults,
    };
    let mut sim = Sim::new(&setup);
    sim.set_window([500, 4000, 16_000][random.index(3)]);
    let sockets = Sockets { listeners: vec![sim.listen()], datagrams: Vec::new() };
    let bounds = Bounds {
        high_water_bytes: [400, 100_000][random.index(2)],
        low_water_bytes: [0, 100, 399][random.index(3)],
        idle_timeout: Duration::from_secs(3600),
        stall_timeout: Duration::from_secs(600),
        linger_timeout: Duration::from_millis(500),
        ..Bounds::default()
    };
    let slots = Options::slots_for(40, 1);
    let options = Options { number, slots, bounds, outbox_bytes: u64::MAX, rates: Rates::default() };
    let admission = Admission::new(100);
    let house = House {
        admission: Arc::clone(&admission),
        shards: u16::try_from(shards).expect("few"),
        ..House::open(0)
    };
    let (mailbox, address) = mailbox();
    let service = Lines { never_catches_up: planted == Some(Planted::LateCatchUp) };
    let mut shard = Shard::new(sim, service, options, house, mailbox, &sockets);
    shard.planted = planted;
    let pace = [1000, 800, 300, 30][random.index(4)];
    Node { shard, address, admission, sockets, asleep: None, pace }
}
