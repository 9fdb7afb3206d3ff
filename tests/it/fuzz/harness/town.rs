//! A server of one shard or two on simulated kernels, with the doors of HTTP and of NATS, and the peers that come to it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use tidemill::access::meter::Rates;
use tidemill::connection::{Bounds, Order};
use tidemill::hub::HubSizes;
use tidemill::metrics::board::Board;
use tidemill::ring::sim::{Faults, PeerId, Random, Sim, SimSetup};
use tidemill::ring::{Bell, Capabilities, Descriptor, Kernel};
use tidemill::service::house::{Behind, House};
use tidemill::service::http::{HubSettings, SUBPROTOCOL, Settings};
use tidemill::service::nats;
use tidemill::shard::mailbox::{Address, Contact, Message, mailbox};
use tidemill::shard::{self, Options, Shard, Sockets};
use tidemill::tier::RingTier;

/// Rounds in which nothing moves, after which nobody has anything to do: a change crosses to another shard and back.
const QUIET_ROUNDS: usize = 4;
/// The same, where a kernel may have refused what was asked of it some times in a row.
const QUIET_ROUNDS_WILD: usize = 12;
/// How often a kernel refuses, of a thousand times.
const REFUSED_PER_MILLE: u16 = 50;
/// Rounds after which a town that is not quiet stands still.
const ROUNDS_MAX: usize = 50_000;
/// Rounds in which a shard takes nothing from a peer, after which the peer keeps the rest to itself.
const UNHEARD_ROUNDS: usize = 40;
/// What the kernel of one who reads nothing takes for it.
const DEAF_WINDOW_BYTES: usize = 1000;
/// What the kernel takes for others.
const WINDOW_BYTES: usize = 1 << 20;
/// Longer than any visit.
const LONG: Duration = Duration::from_secs(100_000);
/// What somebody may be told whose bytes wait already: answers to what was asked for before.
const ANSWERS_BYTES: u64 = 16 * 1024;

/// What a town is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) shards: usize,
    pub(super) seed: u64,
    /// Whether its kernels do all that real ones may do.
    pub(super) wild: bool,
    /// Bytes that may wait for a subscriber who came by the strangers' door; the others are never cut.
    pub(super) pending_bytes: usize,
}

/// By which door somebody comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Http = 0,
    Nats = 1,
    /// HTTP as well, for those of whom nothing is known.
    Strangers = 2,
}

/// One of those who have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guest(usize);

/// How somebody leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Ends its side, and reads to the end.
    End,
    Close,
    Reset,
}

/// What the hubs of all shards hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    clients: usize,
    subscriptions: usize,
    filters: usize,
    groups: usize,
    filters_elsewhere: usize,
    lent_bytes: usize,
}

pub(super) struct Town {
    nodes: Vec<Node>,
    guests: Vec<Peer>,
    /// Rounds in which nothing moves, after which nothing will.
    quiet_rounds: usize,
    /// Beyond so many bytes that wait for somebody, nothing is added; unset where nobody looks.
    watched: Option<u64>,
    /// What waited for connections when it was too much for the first time: by shard and slot.
    crowded: HashMap<(usize, u32), u64>,
}

struct Node {
    shard: Shard<Sim, House>,
    address: Address,
    bell: Bell,
    listeners: Vec<Descriptor>,
}

struct Peer {
    node: usize,
    id: PeerId,
    reads: bool,
    heard: Vec<u8>,
}

impl Town {
    pub(super) fn new(setup: &Setup) -> Self {
        let nodes: Vec<Node> = (0..setup.shards).map(|number| Node::new(number, setup)).collect();
        let contact = |node: &Node| Contact { address: node.address.clone(), bell: node.bell.clone() };
        let contacts: Arc<[Contact]> = nodes.iter().map(contact).collect();
        for node in &nodes {
            node.address.post(Message::Contacts(Arc::clone(&contacts))).expect("there is room");
        }
        let quiet_rounds = if setup.wild { QUIET_ROUNDS_WILD } else { QUIET_ROUNDS };
        Self { nodes, guests: Vec::new(), quiet_rounds, watched: None, crowded: HashMap::new() }
    }

    /// Holds it against the server when more is added to more bytes than these that wait for somebody.
    pub(super) fn watch(&mut self, most: usize) {
        self.watched = Some(most as u64);
    }

    // --- Guests -------------------------------------------------------------------------------------------------

    /// Somebody comes to a shard, and says this.
    pub(super) fn enter(&mut self, node: usize, door: Door, words: &[u8]) -> Guest {
        let number = self.guests.len();
        let Node { shard, listeners, .. } = &mut self.nodes[node];
        let port = 1000 + u16::try_from(number).expect("few come");
        let id = shard.kernel_mut().connect(listeners[door as usize], Some(([192, 0, 2, 1], port).into()));
        self.guests.push(Peer { node, id, reads: true, heard: Vec::new() });
        self.say(Guest(number), words);
        Guest(number)
    }

    /// From now on somebody reads nothing, and its kernel takes little.
    pub(super) fn deafen(&mut self, guest: Guest) {
        let Peer { node, id, ref mut reads, .. } = self.guests[guest.0];
        *reads = false;
        self.nodes[node].shard.kernel_mut().set_read_window(id, DEAF_WINDOW_BYTES);
    }

    /// Somebody says this, as far as it is listened to.
    pub(super) fn say(&mut self, guest: Guest, mut bytes: &[u8]) {
        let mut unheard = 0;
        while !bytes.is_empty() && unheard < UNHEARD_ROUNDS {
            let Peer { node, id, .. } = self.guests[guest.0];
            let taken = self.nodes[node].shard.kernel_mut().write(id, bytes);
            bytes = &bytes[taken..];
            unheard = if taken == 0 { unheard + 1 } else { 0 };
            self.round();
        }
    }

    /// What somebody has heard and nobody has taken yet.
    pub(super) fn heard(&mut self, guest: Guest) -> &mut Vec<u8> {
        &mut self.guests[guest.0].heard
    }

    /// Whether somebody was sent away.
    pub(super) fn is_gone(&mut self, guest: Guest) -> bool {
        let Peer { node, id, .. } = self.guests[guest.0];
        let state = self.nodes[node].shard.kernel_mut().peer_state(id);
        state.saw_end || state.saw_reset || state.closed || state.refused
    }

    pub(super) fn leave(&mut self, guest: Guest, how: Leave) {
        let Peer { node, id, .. } = self.guests[guest.0];
        let sim = self.nodes[node].shard.kernel_mut();
        match how {
            Leave::End => sim.end(id),
            Leave::Close => sim.close_peer(id),
            Leave::Reset => sim.reset(id),
        }
    }

    // --- Time ---------------------------------------------------------------------------------------------------

    /// One turn of each shard; then everybody reads. Returns whether anything moved.
    fn round(&mut self) -> bool {
        let mut rung = Vec::new();
        let lists: Vec<_> = (0..self.nodes.len()).filter_map(|node| self.ask_for_list(node)).collect();
        for node in &mut self.nodes {
            node.shard.turn().expect("a simulated ring does not fail");
            rung.append(&mut node.shard.kernel_mut().take_rung());
        }
        for bell in rung {
            let whose = self.nodes.iter_mut().find(|node| node.bell == bell);
            whose.expect("it is the bell of a shard").shard.kernel_mut().ring();
        }
        lists.into_iter().for_each(|list| self.look_at(&list));
        let mut moved = false;
        for peer in self.guests.iter_mut().filter(|peer| peer.reads) {
            let bytes = self.nodes[peer.node].shard.kernel_mut().read(peer.id, usize::MAX);
            moved |= !bytes.is_empty();
            peer.heard.extend_from_slice(&bytes);
        }
        moved || self.nodes.iter_mut().any(|node| !node.shard.kernel_mut().is_idle())
    }

    /// Lets everything run until nobody has anything to do.
    pub(super) fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            quiet = if self.round() { 0 } else { quiet + 1 };
            if quiet == self.quiet_rounds {
                return;
            }
        }
        panic!("the town stands still without being quiet");
    }

    // --- What must hold -----------------------------------------------------------------------------------------

    /// Asks a shard for what waits for its connections, if somebody looks.
    fn ask_for_list(&self, node: usize) -> Option<List> {
        self.watched?;
        let (sender, receiver) = sync_channel(1);
        self.nodes[node].address.post(Message::List(Order::Pending, 100, sender)).expect("there is room");
        Some(receiver)
    }

    /// Whoever has too much waiting is sent nothing more but a few answers: the bound of a subscriber is looked at where
    /// something is added.
    fn look_at(&mut self, list: &List) {
        let (Some(most), Ok((_, connections))) = (self.watched, list.try_recv()) else { return };
        for listed in connections {
            let key = (listed.shard, listed.slot);
            if listed.pending_bytes <= most {
                self.crowded.remove(&key);
                continue;
            }
            let first = *self.crowded.entry(key).or_insert(listed.pending_bytes);
            assert!(listed.pending_bytes <= first + ANSWERS_BYTES, "more is added to {first}: {listed:?}");
        }
    }

    /// What all hubs hold.
    pub(super) fn sizes(&mut self) -> Sizes {
        let mut all = HubSizes::default();
        for node in &mut self.nodes {
            let (sender, receiver) = sync_channel(1);
            node.address.post(Message::Sizes(sender)).expect("there is room");
            node.shard.turn().expect("a simulated ring does not fail");
            all.add(&receiver.try_recv().expect("a turn answers").1);
        }
        let HubSizes { clients, subscriptions, filters, groups, filters_elsewhere, lent_bytes, .. } = all;
        Sizes { clients, subscriptions, filters, groups, filters_elsewhere, lent_bytes }
    }

    /// Stops the server, which everybody else has left: nothing is left of anybody.
    pub(super) fn stop(mut self) {
        for node in &self.nodes {
            node.address.post(Message::Stop(Duration::ZERO.into())).expect("there is room");
        }
        for _ in 0..ROUNDS_MAX {
            if self.nodes.iter().all(|node| node.shard.is_over()) {
                break;
            }
            self.round();
        }
        self.settle();
        for node in &mut self.nodes {
            assert!(node.shard.is_over(), "a shard that has nothing left stops");
            let counters = node.shard.snapshot().counters;
            assert_eq!(counters.accepted, counters.closed, "who came has gone");
            let open = [
                counters.connections_open,
                counters.websockets_open,
                counters.events_open,
                counters.nats_open,
                counters.hub_clients,
                counters.hub_subscriptions,
                counters.hub_lent_bytes,
            ];
            assert_eq!(open, [0; 7], "nothing is left of them");
            assert_eq!((counters.unexpected_errors, counters.stale_completions), (0, 0));
            let sim = node.shard.kernel_mut();
            assert_eq!((sim.in_flight(), sim.open_files()), (0, 0), "nothing is in flight or open");
            sim.stream_pool().assert_all_home();
        }
    }
}

type List = std::sync::mpsc::Receiver<(usize, Vec<tidemill::connection::Listed>)>;

impl Node {
    fn new(number: usize, setup: &Setup) -> Self {
        let mut random = Random::new(setup.seed << 8 | number as u64);
        let faults = match setup.wild {
            true => {
                let all = Faults::seeded(&mut random);
                // Whoever comes is to come in, and at once.
                let refuse_push = all.refuse_push.min(REFUSED_PER_MILLE);
                Faults { peer_gone: 0, process_full: 0, refuse_push, ..all }
            }
            false => Faults::none(),
        };
        let mut sim = Sim::new(&SimSetup {
            seed: random.number() << 8 | number as u64,
            files: 64,
            capabilities: Capabilities::of_tier(RingTier::ALL[random.index(RingTier::ALL.len())]),
            stream_buffers: (1 << (2 + random.index(3)), [64, 256, 2048][random.index(3)]),
            datagram_buffers: None,
            completions: [8, 64, 1024][random.index(3)],
            faults,
        });
        sim.set_window(WINDOW_BYTES);
        let sockets = Sockets { listeners: (0..3).map(|_| sim.listen()).collect(), ..Sockets::default() };
        let bounds = Bounds {
            high_water_bytes: 4000,
            low_water_bytes: 1000,
            opening_timeout: LONG,
            idle_timeout: LONG,
            stall_timeout: LONG,
            linger_timeout: Duration::from_millis(100),
        };
        let slots = Options::slots_for(20, 3);
        let options = Options { number, slots, bounds, outbox_bytes: u64::MAX, rates: Rates::default() };
        let shards = u16::try_from(setup.shards).expect("few");
        let house = shard::House { shards, ..shard::House::open(20) };
        let (mailbox, address) = mailbox();
        let (bell, listeners) = (sim.bell(), sockets.listeners.clone());
        let shard = Shard::new(sim, services(setup), options, house, mailbox, &sockets);
        Self { shard, address, bell, listeners }
    }
}

fn services(setup: &Setup) -> House {
    let mut http = Settings {
        header_timeout: LONG,
        keep_alive_timeout: LONG,
        hub: HubSettings { pending_bytes: usize::MAX, ..HubSettings::default() },
        ..Settings::default()
    };
    http.websocket.policy.subprotocols = vec![SUBPROTOCOL.to_owned()];
    http.websocket.ping_interval = LONG;
    let mut strangers = http.clone();
    strangers.hub.pending_bytes = setup.pending_bytes;
    let nats = |pending_bytes: usize| {
        Arc::new(nats::Settings { ping_interval: LONG, pending_bytes, ..nats::Settings::default() })
    };
    let doors = [Behind::Http(Arc::new(http)), Behind::Nats, Behind::Http(Arc::new(strangers))];
    let nats = [nats(usize::MAX), nats(usize::MAX), nats(setup.pending_bytes)];
    House::new(&doors, &nats, Arc::new(Board::new(setup.shards)))
}
