//! Queue groups whose members come and go while messages cross.

use std::collections::BTreeMap;

use super::super::*;
use super::{QUEUES, Wish, World, check_nothing_is_left, heard, seeds};

/// Members of queue groups come and go while messages cross, and one of each group stays: nothing is lost, and nothing comes
/// twice. Those who go have had what they were sent.
#[test]
fn a_queue_group_loses_nothing_while_members_come_and_go_for_all_seeds() {
    let mut orphans = 0;
    for seed in 0..seeds() / 4 {
        let context = std::panic::catch_unwind(|| {
            let mut world = World::new(seed, 2 + (seed % 3) as u16);
            (0..QUEUES.len()).for_each(|_| world.join());
            for (place, queue) in QUEUES.into_iter().enumerate() {
                world.become_member(place, "a.>", queue);
            }
            world.settle();
            let (mut heard, mut guests) = (BTreeMap::new(), Vec::new());
            for _ in 0..200 {
                match world.random.index(12) {
                    0 | 1 => {
                        world.join();
                        let (place, queue) =
                            (world.peers.len() - 1, QUEUES[world.random.index(QUEUES.len())]);
                        world.become_member(place, "a.*", queue);
                        guests.push(place);
                    }
                    2 if !guests.is_empty() => {
                        let place = guests.swap_remove(world.random.index(guests.len()));
                        world.take_leave(place, &mut heard);
                    }
                    3 => {
                        let shard = world.random.index(world.hubs.len());
                        world.end_turn(shard);
                    }
                    4..7 => {
                        world.carry();
                    }
                    _ => world.publish(),
                }
            }
            world.settle();
            for place in 0..world.peers.len() {
                world.take_leave(place, &mut heard);
            }
            let differs = |(what, times): &(&(String, String), &u64)| world.queued.get(*what) != Some(*times);
            assert_eq!(heard.iter().find(differs), None, "this was heard too often, or by nobody's wish");
            assert_eq!(heard.len(), world.queued.len(), "each message is for one of each queue group");
            check_nothing_is_left(&mut world);
            world.hubs.iter().map(|hub| hub.counts().orphaned).sum::<u64>()
        });
        orphans += context.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert_eq!(orphans, 0, "somebody was always there");
}

impl World {
    /// Somebody becomes a member of a queue group, and may hear what he says himself.
    fn become_member(&mut self, place: usize, filter: &str, queue: &str) {
        let peer = self.peers[place].as_mut().unwrap();
        let form = Form::Nats { headers: true, framed: false };
        let options =
            ClientOptions { form, echo: true, pending_bytes_max: usize::MAX, slow: SlowPolicy::Cut };
        peer.echo = true;
        self.hubs[peer.shard].set_options(peer.id, options);
        let wish = Subscribe {
            filter: filter.as_bytes(),
            queue: Some(queue.as_bytes()),
            sid: b"1",
            ..Subscribe::default()
        };
        self.hubs[peer.shard].subscribe(peer.id, &wish).unwrap();
        let wish = Wish { filter: filter.to_owned(), queue: Some(queue.to_owned()), left: None, heard: 0 };
        peer.wishes.insert("1".to_owned(), wish);
    }

    /// A member of a queue group hears what he was sent, and goes.
    fn take_leave(&mut self, place: usize, all: &mut BTreeMap<(String, String), u64>) {
        let Some(peer) = &self.peers[place] else { return };
        self.end_turn(peer.shard);
        let mut peer = self.peers[place].take().unwrap();
        let queue = peer.wishes["1"].queue.clone().unwrap();
        for (_, payload) in heard(&mut peer.outbox) {
            *all.entry((queue.clone(), payload)).or_default() += 1;
        }
        self.hubs[peer.shard].leave(peer.id);
    }
}
