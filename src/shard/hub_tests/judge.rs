//! What must hold: when all is calm, and when all have left.

use super::peer::{Said, Stay, Temper, Wish, matches};
use super::world::{QUEUES, Reached, World};
use crate::hub::HubSizes;
use crate::ring::Kernel;

impl World {
    /// Who behaves is there, and has its answers.
    pub(super) fn check_answered(&mut self) {
        for peer in &self.peers {
            if peer.stay == Stay::Here && peer.temper == Temper::Healthy {
                let state = self.nodes[peer.node].shard.kernel.peer_state(peer.id);
                assert!(!state.saw_end && !state.saw_reset, "who behaves is not cut: {state:?}");
                assert_eq!(peer.answered, peer.barriers.len(), "all that was asked is answered");
            }
        }
    }

    /// What each subscription heard of each peer is a run of what that said, from when it was known and to the end.
    pub(super) fn check_heard(&mut self) {
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
    pub(super) fn check_queues(&self, begun: u64) {
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
    pub(super) fn check_home(&mut self) {
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
            let timed = shard.snapshot().delivery().len();
            assert_eq!(
                timed,
                shard.hub.counts().delivered,
                "the time of each delivery is known, and of no other"
            );
            self.reached.add(&Reached {
                crossed: shard.hub.counts().crossed,
                rung: 0,
                delivered: shard.hub.counts().delivered,
                slow_consumers: shard.hub.counts().slow_pending,
                shorts: counters.send_short,
                starved: counters.no_buffers,
                overflows: shard.kernel.counts().overflows,
                resets: counters.reset_by_peer,
            });
        }
    }
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
