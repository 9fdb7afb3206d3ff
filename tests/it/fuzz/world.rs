//! Whole shards that serve pages and WebSocket, on the simulated kernel.
//!
//! As in the shard's own tests, each seed makes a world: what the kernel can do, what goes wrong, how much may wait,
//! what the peers ask and how they read. Each peer knows by itself what it must hear. `TIDEMILL_SEED=n` runs one seed
//! alone, `TIDEMILL_SEEDS=n` so many.

use std::sync::Arc;
use std::time::Duration;

use tidemill::access::meter::Rates;
use tidemill::connection::Bounds;
use tidemill::metrics::board::Board;
use tidemill::metrics::{Snapshot, TABLE};
use tidemill::ring::sim::{Faults, PeerId, Random, Sim, SimSetup};
use tidemill::ring::{Capabilities, Descriptor, Kernel};
use tidemill::service::http::{Http, Public, Settings};
use tidemill::shard::mailbox::{Address, Message, mailbox};
use tidemill::shard::{House, Options, Shard, Sockets};
use tidemill::tier::RingTier;

use super::reader::{Duty, Reader};
use super::script::{Expected, Script, Segment, frame};

/// Turns after which a world that is not over stands still.
const TURNS_MAX: usize = 100_000;
/// Seeds of an ordinary run.
const SEEDS: u64 = 600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Temper {
    /// Says all, ends its side, reads to the end.
    Orderly,
    /// Says all, reads all answers, and only then ends its side.
    Patient,
    /// Never reads.
    Deaf,
    /// Says nothing.
    Mute,
    /// Resets the connection after so many bytes.
    Resets(usize),
    /// Closes its socket after so many bytes.
    Leaves(usize),
}

#[derive(Debug)]
struct Peer {
    id: PeerId,
    script: Script,
    reader: Reader,
    temper: Temper,
    /// Bytes of the first segment that were sent, and of all.
    written: (usize, usize),
    ended: bool,
    done: bool,
}

struct World {
    shard: Shard<Sim, Http<Public>>,
    address: Address,
    random: Random,
    peers: Vec<Peer>,
    to_come: usize,
    listener: Descriptor,
    /// Whether timeouts are so short that slow peers meet them.
    hasty: bool,
    /// Most bytes that a peer writes or reads at once.
    pace: usize,
    stop_after: Option<usize>,
    patience: Duration,
    stopped: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let faults = Faults::seeded(&mut random);
        let setup = SimSetup {
            seed: random.number(),
            files: 128,
            capabilities: Capabilities::of_tier(RingTier::ALL[random.index(4)]),
            stream_buffers: (1 << (1 + random.index(4)), [64, 256, 2048][random.index(3)]),
            datagram_buffers: None,
            completions: [8, 64, 1024][random.index(3)],
            faults,
        };
        let hasty = random.chance(250);
        let shard = |random: &mut Random, time: Duration| {
            let mut sim = Sim::new(&setup);
            sim.set_window([100, 1000, 8000][random.index(3)]);
            let sockets = Sockets { listeners: vec![sim.listen()], ..Sockets::default() };
            let high_water_bytes = [400, 5000][random.index(2)];
            let bounds = Bounds {
                opening_timeout: time,
                high_water_bytes,
                low_water_bytes: [0, high_water_bytes / 4, high_water_bytes - 1][random.index(3)],
                idle_timeout: time * 2,
                stall_timeout: time * 2,
                linger_timeout: time,
            };
            let outbox_bytes = [u64::MAX, 6000][random.index(2)];
            let slots = Options::slots_for([2, 40][random.index(2)], 1);
            let options = Options { number: 0, slots, bounds, outbox_bytes, rates: Rates::default() };
            let mut settings = Settings {
                header_timeout: time,
                keep_alive_timeout: time,
                body_rate_min: 1,
                ..Settings::default()
            };
            settings.websocket.ping_interval = time;
            let http = Http::new(Public::new(Arc::new(Board::new(1))), vec![Arc::new(settings)]);
            let (mailbox, address) = mailbox();
            let house = House::open([3, 100][random.index(2)]);
            (Shard::new(sim, http, options, house, mailbox, &sockets), address, sockets.listeners[0])
        };
        let time = if hasty { Duration::from_millis(150) } else { Duration::from_secs(60) };
        let (shard, address, listener) = shard(&mut random, time);
        Self {
            shard,
            address,
            peers: Vec::new(),
            to_come: 1 + random.index(4),
            listener,
            hasty,
            pace: [40, 300, 5000][random.index(3)],
            // A third of the worlds is stopped in the midst of it all.
            stop_after: random.chance(330).then(|| random.index(400)),
            patience: [Duration::ZERO, Duration::from_millis(100), Duration::from_secs(1000)]
                [random.index(3)],
            random,
            stopped: false,
        }
    }

    fn run(mut self) -> Snapshot {
        for turn in 0..TURNS_MAX {
            self.peers_act();
            if !self.stopped && (self.stop_after == Some(turn) || self.all_done()) {
                self.stopped = true;
                self.address.post(Message::Stop(self.patience.into())).expect("there is room");
            }
            self.shard.turn().expect("a simulated ring does not fail");
            if self.shard.is_over() {
                let snapshot = self.shard.snapshot();
                self.check_end(&snapshot);
                return snapshot;
            }
        }
        panic!("the world stands still: {:?}", self.peers);
    }

    fn all_done(&self) -> bool {
        self.to_come == 0 && self.peers.iter().all(|peer| peer.done)
    }

    fn peers_act(&mut self) {
        if 0 < self.to_come && self.random.chance(200) {
            self.to_come -= 1;
            self.connect();
        }
        for index in 0..self.peers.len() {
            if !self.peers[index].done && self.random.chance(800) {
                let most = 1 + self.random.index(self.pace);
                let Self { shard, random, peers, stopped, .. } = self;
                peers[index].act(shard.kernel_mut(), random, most, *stopped);
            }
        }
    }

    fn connect(&mut self) {
        let id = self.shard.kernel_mut().connect(self.listener, Some(([127, 0, 0, 1], 1000).into()));
        let script = Script::new(&mut self.random);
        let length: usize = script.segments.iter().map(|segment| segment.bytes.len()).sum();
        let some = self.random.index(length + 1);
        let temper = match self.random.index(12) {
            0..=4 => Temper::Orderly,
            5..=7 => Temper::Patient,
            8 => Temper::Deaf,
            9 => Temper::Mute,
            10 => Temper::Resets(some),
            _ => Temper::Leaves(some),
        };
        let reader = Reader::default();
        self.peers.push(Peer { id, script, reader, temper, written: (0, 0), ended: false, done: false });
    }

    // --- What must hold -----------------------------------------------------------------------------------------

    fn check_end(mut self, snapshot: &Snapshot) {
        let counters = &snapshot.counters;
        let crowded = counters.cut_outbox + counters.refused_full != 0;
        let cut = counters.cut_drain + counters.cut_linger + counters.cut_stalled != 0;
        for peer in &mut self.peers {
            let sim = self.shard.kernel_mut();
            peer.read(sim, &mut self.random, usize::MAX, true);
            let state = sim.peer_state(peer.id);
            let orderly = matches!(peer.temper, Temper::Orderly | Temper::Patient);
            if !orderly || crowded || self.hasty || !state.accepted {
                continue;
            }
            if self.stop_after.is_none() {
                // A stop without patience may come between its end and ours.
                assert!(state.saw_end || cut, "an orderly peer sees the end: {peer:?} {state:?}");
                assert!(peer.script.expected.is_empty(), "and all its answers before it: {peer:?}");
            } else if !cut {
                assert!(state.saw_end, "a stop ends in order: {peer:?} {state:?}");
                assert!(peer.reader.buffer.is_empty(), "and after a whole answer: {peer:?}");
            }
            assert!(!peer.reader.late, "nobody was slow: {peer:?}");
        }
        assert_eq!(counters.accepted, counters.closed, "who came has gone");
        assert_eq!(counters.connections_open, 0, "every slot is free");
        assert_eq!(counters.websockets_open, 0, "and every WebSocket");
        assert_eq!(counters.unexpected_errors, 0, "every error is foreseen");
        assert_eq!(counters.stale_completions, 0, "no slot is freed while something is in flight");
        let sim = self.shard.kernel_mut();
        assert_eq!(sim.in_flight(), 0, "nothing is in flight");
        assert_eq!(sim.open_files(), 0, "every descriptor is closed");
        sim.stream_pool().assert_all_home();
    }
}

impl Peer {
    fn act(&mut self, sim: &mut Sim, random: &mut Random, most: usize, stopping: bool) {
        match self.temper {
            Temper::Resets(after) if after <= self.written.1 => sim.reset(self.id),
            Temper::Leaves(after) if after <= self.written.1 => sim.close_peer(self.id),
            Temper::Mute => {}
            _ => self.write(sim, most),
        }
        if self.temper != Temper::Deaf {
            self.read(sim, random, most, stopping);
        }
        let says_more = !self.script.segments.is_empty();
        let hears_more = !self.script.expected.is_empty();
        self.ended |= match self.temper {
            // A WebSocket is ended by close frames; its end in the midst is no order.
            Temper::Orderly => !says_more,
            Temper::Patient => !says_more && !hears_more,
            Temper::Deaf | Temper::Mute | Temper::Resets(_) | Temper::Leaves(_) => false,
        };
        let state = sim.peer_state(self.id);
        if self.ended || state.saw_end {
            sim.end(self.id);
        }
        let unread = 0 < state.readable && self.temper != Temper::Deaf;
        self.done |= state.refused || state.saw_reset || state.saw_end || state.closed && !unread;
    }

    fn write(&mut self, sim: &mut Sim, most: usize) {
        let mut left = most;
        while let Some(Segment { bytes, after }) = self.script.segments.front()
            && *after <= self.reader.answers
            && 0 < left
            && !self.ended
        {
            let rest = &bytes[self.written.0..];
            let taken = sim.write(self.id, &rest[..left.min(rest.len())]);
            self.written = (self.written.0 + taken, self.written.1 + taken);
            left -= taken;
            if self.written.0 == bytes.len() {
                self.script.segments.pop_front();
                self.written.0 = 0;
                self.reader.sent.push(sim.now());
            } else if taken == 0 {
                break;
            }
        }
    }

    fn read(&mut self, sim: &mut Sim, random: &mut Random, most: usize, stopping: bool) {
        let bytes = sim.read(self.id, most);
        let duties = self.reader.take(&bytes, &mut self.script.expected, sim.now(), stopping);
        for duty in duties {
            let at = usize::from(0 < self.written.0);
            match duty {
                Duty::Pong(payload) => {
                    let bytes = frame(10, true, &payload, random);
                    self.script.segments.insert(at, Segment { bytes, after: 0 });
                }
                Duty::Close(code) => {
                    assert!(stopping, "only a stop makes the server go away");
                    self.script.segments.truncate(at);
                    self.script.expected.clear();
                    self.script
                        .segments
                        .push_back(Segment { bytes: frame(8, true, &code, random), after: 0 });
                }
            }
        }
        if self.reader.closed && !self.script.expected.iter().any(|left| matches!(left, Expected::Frame(..)))
        {
            // The server says nothing more, so nothing more is to be heard.
            self.script.expected.clear();
        }
    }
}

/// Says which seed it was when a world fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            crate::support::say(&format!("seed {0}: run it alone with TIDEMILL_SEED={0}", self.0));
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|value| value.parse().ok())
}

/// Every request is answered once, whole and in order, whatever the kernel and the other peers do; and nothing is left.
#[test]
fn seeds_of_pages_are_answered_whole_and_in_order() {
    let alone = number("TIDEMILL_SEED");
    let seeds = match alone {
        Some(seed) => seed..seed + 1,
        None => 0..number("TIDEMILL_SEEDS").unwrap_or(SEEDS),
    };
    let mut total = Snapshot::default();
    for seed in seeds {
        let _says_which = Seed(seed);
        total.add(&World::new(seed).run());
    }
    if alone.is_none() {
        check_reach(&total);
    }
}

/// The worlds are wild enough: each of these has happened in some of them.
fn check_reach(total: &Snapshot) {
    let reached = [
        "http_requests",
        "http_answers_1xx",
        "http_answers_2xx",
        "http_answers_4xx",
        "websocket_messages_received",
        "websocket_messages_sent",
        "refused_full",
        "cut_stalled",
        "cut_linger",
        "cut_outbox",
        "cut_drain",
        "reset_by_peer",
        "send_short",
        "send_blocked",
        "no_buffers",
        "receive_paused",
        "receive_resumed",
    ];
    for name in reached {
        let row = TABLE.iter().find(|row| row.field == name).expect("it is counted");
        assert_ne!((row.read)(&total.counters), 0, "no seed reached {name}");
    }
}
