//! Stops that send connections away one after the other, on the simulated kernel: without faults, so that each turn comes
//! when arithmetic says it does.

use std::time::Duration;

use super::mailbox::{Message, mailbox};
use super::{DrainTimes, House, Options, Shard, Sockets};
use crate::access::meter::Rates;
use crate::connection::Bounds;
use crate::limits;
use crate::metrics::Snapshot;
use crate::ring::sim::{Faults, PeerId, Sim, SimSetup};
use crate::ring::{Capabilities, Descriptor, Kernel, Setup};
use crate::service::Echo;
use crate::sys::clock::Time;
use crate::tier::RingTier;

/// A shard with so many connections that have been answered and say nothing more, and a stop.
struct World {
    shard: Shard<Sim, Echo>,
    listener: Descriptor,
    peers: Vec<PeerId>,
    begun: Time,
}

impl World {
    fn stop(count: u32, times: DrainTimes) -> Self {
        // Some may come late.
        let slots = Options::slots_for(count + 2, 1);
        let setup = Setup::shard(Capabilities::of_tier(RingTier::V6_17), slots + 1, false);
        let mut sim = Sim::new(&SimSetup::like(&setup, 1, Faults::none()));
        let listener = sim.listen();
        let sockets = Sockets { listeners: vec![listener], ..Sockets::default() };
        let bounds = Bounds { idle_timeout: Duration::from_secs(3600), ..Bounds::default() };
        let options = Options { number: 0, slots, bounds, outbox_bytes: u64::MAX, rates: Rates::default() };
        let (mailbox, address) = mailbox();
        let mut shard = Shard::new(sim, Echo, options, House::open(count + 2), mailbox, &sockets);
        let mut peers = Vec::new();
        for _ in 0..count {
            let peer = shard.kernel_mut().connect(listener, None);
            // Who has said nothing yet is listened to for longer.
            shard.kernel_mut().write(peer, b"x");
            peers.push(peer);
            // A bell, so that no turn waits.
            shard.kernel_mut().ring();
            shard.turn().expect("a simulated ring does not fail");
        }
        while shard.snapshot().counters.bytes_sent < u64::from(count) {
            shard.kernel_mut().ring();
            shard.turn().expect("a simulated ring does not fail");
        }
        for peer in &peers {
            assert_eq!(shard.kernel_mut().read(*peer, usize::MAX), b"x");
        }
        let begun = shard.kernel_mut().now();
        address.post(Message::Stop(times)).expect("there is room");
        shard.kernel_mut().ring();
        Self { shard, listener, peers, begun }
    }

    /// Turns until it is over, in which `act` is done for each peer that has seen its end, and `meanwhile` after each of them, with
    /// the milliseconds since the stop. Returns who saw it after how many
    /// milliseconds, in the order in which they did.
    fn run(
        &mut self,
        mut act: impl FnMut(&mut Sim, PeerId),
        mut meanwhile: impl FnMut(&mut Sim, u64),
    ) -> Vec<(usize, u64)> {
        let mut ends = Vec::new();
        let mut open: Vec<usize> = (0..self.peers.len()).collect();
        while !self.shard.is_over() {
            self.shard.turn().expect("a simulated ring does not fail");
            let sim = self.shard.kernel_mut();
            let millis = sim.now().saturating_since(self.begun).as_millis();
            meanwhile(sim, u64::try_from(millis).expect("a stop is short"));
            open.retain(|index| {
                let peer = self.peers[*index];
                // An end is seen behind all that came before it.
                sim.skip(peer, usize::MAX);
                let state = sim.peer_state(peer);
                let has_ended = state.saw_end || state.saw_reset;
                if has_ended {
                    ends.push((*index, u64::try_from(millis).expect("a stop is short")));
                    act(sim, peer);
                }
                !has_ended
            });
        }
        ends
    }

    fn snapshot(&self) -> Snapshot {
        self.shard.snapshot()
    }
}

/// Who has come just before and has said nothing yet is listened to for a second; its words are answered, and then it ends.
#[test]
fn first_words_are_awaited() {
    let mut world = World::stop(2, MINUTE.into());
    let sim = world.shard.kernel_mut();
    sim.take_rung();
    let late = [(); 2].map(|()| sim.connect(world.listener, None));
    world.peers.extend(late);
    let last = world.peers[1];
    let (mut has_spoken, mut heard) = (false, Vec::new());
    let ends = world.run(Sim::end, |sim, _| {
        if sim.peer_state(last).saw_end && !std::mem::replace(&mut has_spoken, true) {
            sim.advance(Duration::from_millis(350));
            sim.write(late[0], b"late");
        }
        heard.extend(sim.read(late[0], usize::MAX));
    });
    let order: Vec<usize> = ends.iter().map(|(index, _)| *index).collect();
    assert_eq!(order, [0, 1, 2, 3]);
    assert!((50..60).contains(&ends[1].1) && (400..500).contains(&ends[2].1), "{ends:?}");
    // It is called after 50 ms of silence, and listened to for a second.
    assert!((1_050..1_200).contains(&ends[3].1), "{ends:?}");
    assert_eq!(heard, b"late");
    assert_eq!(world.snapshot().counters.cut_drain, 0);
}

const MINUTE: Duration = Duration::from_secs(60);

/// 1000 over 10 s are one each 10 ms, from the end of the grace on: in the order of their slots, ten in any 100 ms (one in a
/// hundred), and no one is cut.
#[test]
fn ends_are_even_and_in_order() {
    let times = DrainTimes { timeout: MINUTE, spread: Duration::from_secs(10) };
    let mut world = World::stop(1000, times);
    let ends = world.run(Sim::end, |_, _| {});
    let order: Vec<usize> = ends.iter().map(|(index, _)| *index).collect();
    assert_eq!(order, (0..1000).collect::<Vec<_>>());
    let grace = u64::try_from(limits::DRAIN_GRACE.as_millis()).expect("it is short");
    for (index, millis) in &ends {
        let expected = grace + 10 * *index as u64;
        assert!((expected..expected + 10).contains(millis), "{index} ended after {millis} ms");
    }
    let counters = world.snapshot().counters;
    assert_eq!((counters.closed, counters.cut_drain, counters.cut_linger), (1000, 0, 0));
}

/// One that has gone before its turn leaves a gap, so that those who stay do not go faster.
#[test]
fn who_has_gone_leaves_a_gap() {
    let times = DrainTimes { timeout: MINUTE, spread: Duration::from_secs(10) };
    let mut world = World::stop(500, times);
    let leave: Vec<PeerId> = world.peers.iter().copied().skip(1).step_by(2).collect();
    world.peers.retain(|peer| !leave.contains(peer));
    for peer in leave {
        world.shard.kernel_mut().end(peer);
    }
    let ends = world.run(Sim::end, |_, _| {});
    assert_eq!(ends.len(), 250);
    for (index, millis) in ends {
        let expected = 50 + 20 * index as u64;
        assert!((expected..expected + 10).contains(&millis), "{index} ended after {millis} ms");
    }
}

/// Without a spread all are ended in the turn in which the grace is over, as ever; a few in one turn, and many in several.
#[test]
fn without_a_spread_all_end_at_once() {
    let mut world = World::stop(3000, MINUTE.into());
    let ends = world.run(Sim::end, |_, _| {});
    assert_eq!(ends.len(), 3000);
    assert!(ends.iter().all(|(_, millis)| (50..60).contains(millis)), "{:?}", ends.last());
    assert_eq!(world.snapshot().counters.cut_drain, 0);
}

/// Who does not end its own side is cut at the deadline, wherever the turns are by then; the log of cuts tells who was told.
#[test]
fn the_deadline_is_hard() {
    let times = DrainTimes { timeout: Duration::from_secs(3), spread: Duration::from_millis(2_500) };
    let mut world = World::stop(100, times);
    let ends = world.run(|_, _| {}, |_, _| {});
    assert_eq!(ends.len(), 100, "all were told: 100 need a second");
    let over = world.shard.kernel_mut().now().saturating_since(world.begun);
    assert!(Duration::from_secs(3) <= over && over < Duration::from_secs(4), "{over:?}");
    let counters = world.snapshot().counters;
    assert_eq!(counters.cut_linger, 100, "they were told everything, and lost nothing");
    assert_eq!(counters.cut_drain, 0);
}

/// Who is never caught up, because it does not read, is waited for until half of the time that the turns leave is over.
#[test]
fn who_is_not_caught_up_is_ended_in_order_all_the_same() {
    let times = DrainTimes { timeout: Duration::from_secs(12), spread: Duration::from_secs(2) };
    let mut world = World::stop(1, times);
    let deaf = world.peers[0];
    let sim = world.shard.kernel_mut();
    sim.set_read_window(deaf, 100);
    sim.write(deaf, &[7; 1000]);
    let mut told = None;
    while !world.shard.is_over() {
        world.shard.turn().expect("a simulated ring does not fail");
        let now = world.shard.kernel_mut().now();
        let ids: Vec<_> = world.shard.connections.ids().collect();
        let state = |id| world.shard.connections.get_mut(id).map(|connection| connection.state());
        let finishes =
            ids.into_iter().filter_map(state).any(|state| state == crate::connection::State::Finishing);
        if finishes && told.is_none() {
            told = Some(now.saturating_since(world.begun));
        }
        if told.is_some() {
            let sim = world.shard.kernel_mut();
            sim.read(deaf, usize::MAX);
            if sim.peer_state(deaf).saw_end {
                sim.end(deaf);
            }
        }
    }
    // Half of what 2 s of 12 s leave is 5 s, and the grace before its turn is among them.
    let told = told.expect("it was told");
    assert!((4_990..5_010).contains(&told.as_millis()), "{told:?}");
    assert_eq!(world.snapshot().counters.cut_drain, 0);
}
