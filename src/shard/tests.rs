//! Whole-shard runs on the simulated kernel.
//!
//! Each seed makes a world of its own: what the kernel can do, how small its buffers are, what goes wrong and how
//! often, what the peers send and whether they read. After each turn, and at the end, what must always hold is
//! asserted. A seed that fails is printed; `TIDEMILL_SEED=n` runs it alone, `TIDEMILL_SEEDS=n` runs so many.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::mailbox::{Address, Message, mailbox};
use super::seeds::reached;
use super::{Admission, DrainTimes, House, Options, Shard, Sockets};
use crate::access::meter::Rates;
use crate::connection::{Bounds, Inbox};
use crate::metrics::{Refused, Snapshot, TABLE};
use crate::ring::sim::{Faults, PeerId, Random, Sim, SimSetup};
use crate::ring::{Capabilities, Datagram, Kernel};
use crate::service::{Context, DatagramContext, Echo, Service};
use crate::tier::RingTier;

/// A bug that a test plants to see that it is caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// A receive buffer is provided to the kernel while it is read.
    DoubleReturn,
    /// A slot is free while operations are in flight.
    EarlyFree,
    /// A receive that ended for want of buffers is not armed again.
    LostRearm,
    /// A parcel is posted to a shard that sleeps, and its bell is not rung.
    SilentParcel,
    /// A parcel that a full mailbox did not take is not offered again.
    ForgottenParcel,
    /// Sends are quiet though something follows from them.
    TooQuiet,
    /// What a client has heard is not written before its service answers it.
    LateCatchUp,
}

/// Turns after which a world that is not over stands still.
const TURNS_MAX: usize = 50_000;
/// Seeds of an ordinary run.
const SEEDS: u64 = 10_000;

/// One peer, and what it is up to.
#[derive(Debug)]
struct Peer {
    id: PeerId,
    seed: u64,
    /// Bytes it sends in all.
    length: usize,
    written: usize,
    read: usize,
    temper: Temper,
    done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Temper {
    /// Sends all, ends its side, reads to the end.
    Orderly,
    /// Sends all, reads it back, and only then ends its side.
    Patient,
    /// Sends and never reads.
    Deaf,
    /// Sends nothing and stays.
    Mute,
    /// Resets the connection after so many bytes.
    Resets(usize),
    /// Closes its socket after so many bytes.
    Leaves(usize),
}

/// Echoes, and ends its connections as it likes.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Echoes,
    /// Ends each connection in order with the first bytes after so many turns of its own.
    Finishes(usize),
    Aborts(usize),
}

impl Service for Manner {
    type Session = ();

    fn open(&mut self, _: &mut Context<'_>) {}

    fn receive(&mut self, session: &mut (), inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
        Echo.receive(session, inbox, context);
        match self {
            Self::Echoes => {}
            Self::Finishes(0) => context.finish(),
            Self::Aborts(0) => context.abort(),
            Self::Finishes(left) | Self::Aborts(left) => *left -= 1,
        }
    }

    fn datagram(&mut self, datagram: Datagram, context: &mut DatagramContext<'_>) -> Result<(), Refused> {
        Echo.datagram(datagram, context)
    }
}

struct World {
    shard: Shard<Sim, Manner>,
    manner: Manner,
    address: Address,
    admission: Arc<Admission>,
    random: Random,
    peers: Vec<Peer>,
    to_come: usize,
    sockets: Sockets,
    datagrams: Vec<Vec<u8>>,
    options: Options,
    buffer_bytes: usize,
    calm: bool,
    stop_after: Option<usize>,
    stopped: bool,
}

/// What some kernel can do.
pub(super) fn some_capabilities(random: &mut Random) -> Capabilities {
    match RingTier::ALL.get(random.index(1 + RingTier::ALL.len())) {
        Some(tier) => Capabilities::of_tier(*tier),
        None => Capabilities::of_epoll(RingTier::V6_17),
    }
}

/// The byte that a peer sends at a place.
fn byte(seed: u64, at: usize) -> u8 {
    let mixed = (seed ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let capabilities = some_capabilities(&mut random);
        let faults = Faults::seeded(&mut random);
        let buffer_bytes = [32, 64, 256][random.index(3)];
        let setup = SimSetup {
            seed: random.number(),
            files: 128,
            capabilities,
            stream_buffers: (1 << (1 + random.index(4)), buffer_bytes),
            datagram_buffers: Some((1 << (1 + random.index(3)), 512)),
            completions: [8, 64, 1024][random.index(3)],
            faults,
        };
        let mut sim = Sim::new(&setup);
        sim.set_window([64, 500, 4000][random.index(3)]);
        let sockets = Sockets {
            listeners: vec![sim.listen()],
            datagrams: vec![sim.datagram_socket()],
            ..Sockets::default()
        };
        let bounds = Bounds {
            opening_timeout: Duration::from_secs(5),
            high_water_bytes: 400,
            low_water_bytes: [0, 100, 399][random.index(3)],
            idle_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(2),
            linger_timeout: Duration::from_millis(500),
        };
        let outbox_bytes = [u64::MAX, 600][random.index(2)];
        let slots = Options::slots_for([2, 40][random.index(2)], 1);
        let options = Options { number: 0, slots, bounds, outbox_bytes, rates: Rates::default() };
        let admission = Admission::new([3, 100][random.index(2)]);
        let (mailbox, address) = mailbox();
        let patience = random.index(20);
        let manner = match random.index(4) {
            0 => Manner::Finishes(patience),
            1 => Manner::Aborts(patience),
            _ => Manner::Echoes,
        };
        let house = House { admission: Arc::clone(&admission), ..House::open(0) };
        let shard = Shard::new(sim, manner, options, house, mailbox, &sockets);
        let to_come = 1 + random.index(6);
        Self {
            shard,
            manner,
            address,
            admission,
            random,
            peers: Vec::new(),
            to_come,
            sockets,
            datagrams: Vec::new(),
            options,
            buffer_bytes: buffer_bytes as usize,
            calm: faults.late == 0,
            stop_after: None,
            stopped: false,
        }
    }

    fn run(mut self) -> Snapshot {
        // Half of the worlds are stopped in the midst of it all, half when every peer has done what it came for.
        self.stop_after = self.random.chance(500).then(|| self.random.index(300));
        for turn in 0..TURNS_MAX {
            self.peers_act();
            if !self.stopped && (self.stop_after == Some(turn) || self.all_done()) {
                self.stopped = true;
                let patience = Duration::from_millis([0, 100, 3000][self.random.index(3)]);
                let spread = patience * [0, 1, 9][self.random.index(3)] / 10;
                let times = DrainTimes { timeout: patience, spread };
                self.address.post(Message::Stop(times)).expect("there is room");
            }
            self.shard.turn().expect("a simulated ring does not fail");
            self.check();
            if self.shard.is_over() {
                let snapshot = self.shard.snapshot();
                self.check_end();
                return snapshot;
            }
        }
        panic!("the world stands still: {:?}", self.peers);
    }

    fn all_done(&self) -> bool {
        self.to_come == 0 && self.peers.iter().all(|peer| peer.done)
    }

    // --- Peers --------------------------------------------------------------------------------------------------

    fn peers_act(&mut self) {
        if 0 < self.to_come && self.random.chance(300) {
            self.to_come -= 1;
            self.connect();
        }
        if self.random.chance(100) && !self.stopped {
            self.send_datagram();
        }
        for index in 0..self.peers.len() {
            if !self.peers[index].done && self.random.chance(700) {
                self.peer_acts(index);
            }
        }
    }

    fn connect(&mut self) {
        let address = self.random.chance(800).then(|| ([127, 0, 0, 1], 1000).into());
        let listener = self.sockets.listeners[0];
        let id = self.shard.kernel_mut().connect(listener, address);
        let longest = [2, 100, 3000][self.random.index(3)];
        let length = self.random.index(longest);
        let some = self.random.index(length + 1);
        let temper = match self.random.index(10) {
            0..=3 => Temper::Orderly,
            4..=5 => Temper::Patient,
            6 => Temper::Deaf,
            7 => Temper::Mute,
            8 => Temper::Resets(some),
            _ => Temper::Leaves(some),
        };
        let seed = self.random.number();
        self.peers.push(Peer { id, seed, length, written: 0, read: 0, temper, done: false });
    }

    fn peer_acts(&mut self, index: usize) {
        let Self { shard, random, peers, .. } = self;
        let (sim, peer) = (shard.kernel_mut(), &mut peers[index]);
        let most = 1 + random.index(200);
        match peer.temper {
            Temper::Resets(after) if after <= peer.written => sim.reset(peer.id),
            Temper::Leaves(after) if after <= peer.written => sim.close_peer(peer.id),
            Temper::Mute => {}
            _ => peer.write(sim, most),
        }
        if peer.temper != Temper::Deaf {
            peer.read(sim, most);
        }
        peer.end(sim);
        if sim.peer_state(peer.id).saw_end {
            sim.end(peer.id);
        }
        let state = sim.peer_state(peer.id);
        let unread = 0 < state.readable && peer.temper != Temper::Deaf;
        peer.done |= state.refused || state.saw_reset || state.saw_end || state.closed && !unread;
    }

    fn send_datagram(&mut self) {
        let length = [0, 1, 100, 468][self.random.index(4)];
        let number = self.datagrams.len();
        let bytes: Vec<u8> = (0..length).map(|at| byte(number as u64, at)).collect();
        let from = ([127, 0, 0, 1], u16::try_from(number).expect("few")).into();
        if self.shard.kernel_mut().send_datagram(self.sockets.datagrams[0], from, &bytes) {
            self.datagrams.push(bytes);
        }
    }

    // --- What must hold -----------------------------------------------------------------------------------------

    fn check(&mut self) {
        let shard = &mut self.shard;
        assert_eq!(
            shard.metrics.counters.stale_completions, 0,
            "no slot is freed while something is in flight"
        );
        let ids: Vec<_> = shard.connections.ids().collect();
        let mut charged = 0;
        for id in ids {
            let connection = shard.connections.get_mut(id).expect("it is in the table");
            let pending = connection.outbox.pending_bytes();
            let overshoot = match shard.kernel.capabilities().receive_credit {
                true => self.buffer_bytes,
                // Until the cancel takes effect, the multishot may go on for one more burst in each turn.
                false => 34 * 3 * self.buffer_bytes,
            };
            let most = self.options.bounds.high_water_bytes + overshoot;
            assert!(pending <= most || !self.calm, "{pending} bytes wait, {most} may");
            charged += connection.charged_bytes as u64;
            assert_eq!(connection.charged_bytes, connection.private_bytes(), "what is gone is not charged");
        }
        assert_eq!(charged, shard.private_bytes, "private memory is counted right");
    }

    fn check_end(mut self) {
        for peer in &mut self.peers {
            let sim = self.shard.kernel_mut();
            peer.read(sim, usize::MAX);
            let state = sim.peer_state(peer.id);
            let counters = &self.shard.metrics.counters;
            // A peer that reads and ends in order is ended by nobody else, unless others take all the memory or slots.
            let crowded = counters.cut_outbox + counters.refused_full != 0;
            let echoes = matches!(self.manner, Manner::Echoes);
            let undisturbed = echoes && self.stop_after.is_none() && !crowded && state.accepted;
            if undisturbed && peer.temper == Temper::Orderly {
                assert!(state.saw_end, "an orderly peer sees the end: {peer:?} {state:?}");
                assert_eq!(peer.read, peer.length, "and all of its echo before it: {peer:?}");
            }
        }
        self.check_datagrams();
        let shard = &mut self.shard;
        let left: Vec<_> = shard.connections.ids().collect();
        let left: Vec<_> = left
            .into_iter()
            .map(|id| shard.connections.get_mut(id).map(|there| format!("{there:?}")))
            .collect();
        assert!(left.is_empty(), "every slot is free, but {left:?} {:?}", shard.drain);
        assert_eq!(shard.timers.len(), 0, "no timer is left");
        assert_eq!(shard.private_bytes, 0, "no private memory is left");
        assert_eq!(self.admission.open.load(std::sync::atomic::Ordering::Relaxed), 0, "all have left");
        let counters = &shard.metrics.counters;
        assert_eq!(counters.accepted, counters.closed, "who came has gone");
        assert_eq!(counters.unexpected_errors, 0, "every error is foreseen");
        assert_eq!(shard.kernel.in_flight(), 0, "nothing is in flight");
        assert_eq!(shard.kernel.open_files(), 0, "every descriptor is closed");
        shard.kernel.stream_pool().assert_all_home();
        shard.kernel.datagram_pool().expect("there are some").assert_all_home();
    }

    fn check_datagrams(&mut self) {
        let answers = self.shard.kernel.take_datagrams(self.sockets.datagrams[0]);
        let counters = &self.shard.metrics.counters;
        for (to, bytes) in &answers {
            assert_eq!(
                bytes,
                &self.datagrams[usize::from(to.port())],
                "a datagram comes back as it was sent"
            );
        }
        assert_eq!(counters.datagrams_sent, answers.len() as u64);
        assert_eq!(counters.datagrams_received, counters.datagrams_sent + counters.datagrams_dropped);
    }
}

impl Peer {
    fn write(&mut self, sim: &mut Sim, most: usize) {
        let count = most.min(self.length - self.written);
        let bytes: Vec<u8> = (self.written..self.written + count).map(|at| byte(self.seed, at)).collect();
        self.written += sim.write(self.id, &bytes);
    }

    fn read(&mut self, sim: &mut Sim, most: usize) {
        for echo in sim.read(self.id, most) {
            assert_eq!(echo, byte(self.seed, self.read), "each byte comes back once and in order: {self:?}");
            self.read += 1;
        }
        assert!(self.read <= self.written, "nothing comes back that was not sent");
    }

    fn end(&mut self, sim: &mut Sim) {
        let ends = match self.temper {
            Temper::Orderly => self.written == self.length,
            Temper::Patient => self.read == self.length,
            Temper::Deaf | Temper::Mute | Temper::Resets(_) | Temper::Leaves(_) => false,
        };
        if ends {
            sim.end(self.id);
        }
    }
}

#[test]
fn seeds_end_with_everything_at_home() {
    if let Some(total) = reached(SEEDS, |seed| World::new(seed).run(), Snapshot::add) {
        check_reach(&total);
    }
}

/// The worlds are wild enough: each of these has happened in some of them.
fn check_reach(total: &Snapshot) {
    let reached = [
        "accepted",
        "refused_full",
        "accept_pauses",
        "cut_idle",
        "cut_stalled",
        "cut_linger",
        "cut_outbox",
        "cut_drain",
        "reset_by_peer",
        "send_short",
        "send_blocked",
        "copied_bytes",
        "datagrams_sent",
        "datagrams_dropped",
        "cq_overflows",
        "submission_queue_full",
        "no_buffers",
        "receive_paused",
        "receive_resumed",
    ];
    for row in TABLE.iter().filter(|row| reached.contains(&row.field)) {
        assert_ne!((row.read)(&total.counters), 0, "no seed reached {}", row.field);
    }
}

/// A service that answers and ends its connection in the same breath: the end follows the answer at once, not when
/// some deadline comes.
#[test]
fn an_answer_and_an_end_leave_together() {
    let seed =
        (0..).find(|seed| matches!(World::new(*seed).manner, Manner::Finishes(0))).expect("one in eighty");
    let mut world = World::new(seed);
    let sim = world.shard.kernel_mut();
    sim.set_faults(Faults::none());
    let peer = sim.connect(world.sockets.listeners[0], None);
    sim.write(peer, b"hello");
    let begun = sim.now();
    while !world.shard.kernel_mut().peer_state(peer).saw_end {
        world.shard.kernel_mut().skip(peer, 5);
        world.shard.turn().expect("a simulated ring does not fail");
        let now = world.shard.kernel_mut().now();
        assert!(now.saturating_since(begun) < world.options.bounds.linger_timeout, "the end was forgotten");
    }
}

/// Runs seeds with a planted bug until one fails, and returns what it said.
fn caught(planted: Planted) -> String {
    for seed in 0..500 {
        let failed = catch_unwind(AssertUnwindSafe(|| {
            let mut world = World::new(seed);
            world.shard.planted = Some(planted);
            world.run();
        }));
        if let Err(panic) = failed {
            let text = panic.downcast_ref::<String>().cloned();
            return text
                .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
                .unwrap_or_default();
        }
    }
    panic!("{planted:?} was not caught by any of 500 seeds");
}

#[test]
fn a_planted_double_return_is_caught() {
    let said = caught(Planted::DoubleReturn);
    assert!(said.contains("provided"), "{said}");
}

#[test]
fn a_planted_early_free_is_caught() {
    let said = caught(Planted::EarlyFree);
    assert!(said.contains("in flight"), "{said}");
}

#[test]
fn a_planted_lost_rearm_is_caught() {
    let said = caught(Planted::LostRearm);
    assert!(said.contains("orderly peer") || said.contains("stands still"), "{said}");
}
