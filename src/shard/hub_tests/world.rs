//! Shards, peers, and what must hold between them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::super::mailbox::{Address, Contact, Delivered, Message, mailbox};
use super::super::tests::{Planted, some_capabilities};
use super::super::{Admission, House, Options, Shard, Sockets};
use super::peer::{Peer, Stay, Temper, origin, payload};
use super::service::Lines;
use crate::access::meter::Rates;
use crate::connection::Bounds;
use crate::limits;
use crate::ring::sim::{Faults, Random, Sim, SimSetup};
use crate::ring::{Kernel, Wait};
use crate::sys::clock::Time;

const SUBJECTS: [&str; 7] = ["a", "a.a", "a.b", "b.a", "b.b", "a.b.c", "c"];
const FILTERS: [&str; 10] = ["a", "a.a", "*", ">", "a.*", "*.a", "a.>", "*.b.>", "c", "b.b"];
pub(super) const QUEUES: [&str; 2] = ["q", "r"];
/// Bytes beside what tells a payload from others: copied, shared, and standing apart.
const FILLERS: [usize; 12] =
    [0, 0, 0, 0, 0, 10, 10, 100, 100, 100, limits::SHARE_BYTES_MIN, limits::SPLICE_BYTES_MIN];

/// Steps after which a world that is not quiet stands still.
const STEPS_MAX: usize = 100_000;
/// Deadlines that are farther away are none that anybody waits for here.
const SOON: Duration = Duration::from_secs(1);

/// One shard, and whether it sleeps.
pub(super) struct Node {
    pub(super) shard: Shard<Sim, Lines>,
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
    pub(super) crossed: u64,
    pub(super) rung: u64,
    pub(super) delivered: u64,
    pub(super) slow_consumers: u64,
    pub(super) shorts: u64,
    pub(super) starved: u64,
    pub(super) overflows: u64,
    pub(super) resets: u64,
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
    pub(super) random: Random,
    pub(super) nodes: Vec<Node>,
    pub(super) peers: Vec<Peer>,
    step: u64,
    /// How often a mailbox is full, in a thousand.
    crowds: u16,
    /// Whether slow peers read, too.
    all_read: bool,
    pub(super) reached: Reached,
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
            if self.crowds != 0 && self.random.chance(500) {
                // The last parcels find no room, and nothing new has them offered again.
                (0..self.nodes.len()).for_each(|node| self.crowd(node));
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
            let node = self.random.index(self.nodes.len());
            self.crowd(node);
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
    fn crowd(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        // A question that nobody waits for.
        let (to, _) = sync_channel(1);
        while let Ok(delivered) = node.address.post(Message::Report(to.clone())) {
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

    fn stop(&mut self) {
        for node in &mut self.nodes {
            node.address.post(Message::Stop(Duration::ZERO.into())).expect("there is room");
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

fn node(number: usize, shards: usize, random: &mut Random, planted: Option<Planted>) -> Node {
    let faults = Faults { peer_gone: 0, ..Faults::seeded(random) };
    let setup = SimSetup {
        seed: random.number() << 8 | number as u64,
        files: 128,
        capabilities: some_capabilities(random),
        stream_buffers: (1 << (2 + random.index(4)), [64, 256, 2048][random.index(3)]),
        datagram_buffers: None,
        completions: [8, 64, 1024][random.index(3)],
        faults,
    };
    let mut sim = Sim::new(&setup);
    sim.set_window([500, 4000, 16_000][random.index(3)]);
    let sockets = Sockets { listeners: vec![sim.listen()], ..Sockets::default() };
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
    if random.chance(300) {
        // A few messages in each turn.
        shard.hub.set_turn_bytes_max(200);
    }
    let pace = [1000, 800, 300, 30][random.index(4)];
    Node { shard, address, admission, sockets, asleep: None, pace }
}
