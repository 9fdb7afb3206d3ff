//! From a message to the bytes of those who hear it.

use std::sync::Arc;

use super::backlog::Mark;
use super::form::Form;
use super::group::{GroupId, SubscriptionId};
use super::message::{Message, Published};
use super::parcel::Parcel;
use super::route::RouteQueue;
use super::summary::{Shards, bit};
use super::{ClientId, Hub};
use crate::limits;
use crate::protocol::nats::subject;

impl Hub {
    /// The place of the subject's route.
    #[inline]
    pub(super) fn route(&mut self, subject: &[u8]) -> usize {
        if let Some(place) = self.routes.find(subject) {
            return place;
        }
        // A new route may take the place of the one that a run is on.
        self.settle_run();
        let place = self.routes.make_room(subject);
        self.fill_route(place, subject);
        place
    }

    fn fill_route(&mut self, place: usize, subject: &[u8]) {
        let found = &mut self.found;
        let (mut filters, mut far) = (std::mem::take(&mut found.filters), Vec::new());
        let looks = self.index.matches(subject, &mut filters);
        let (shards, more_looks) = self.elsewhere.summary.matches(subject, &mut far);
        // A match takes time like deliveries do, and most are short.
        self.turn_bytes += (looks + more_looks) * limits::HUB_LOOK_BYTES;
        let rule = self.rules.iter().find(|(filter, _)| subject::matches(filter, subject));
        found.groups.clear();
        found.queues.clear();
        found.shards = shards;
        found.rule = rule.map(|(_, policy)| *policy);
        found.queues.extend(far.into_iter().map(RouteQueue::elsewhere));
        for filter in filters.drain(..) {
            let filter = &self.filters[filter as usize];
            found.groups.extend_from_slice(&filter.groups);
            found.queues.extend(filter.queues.iter().map(|queue| RouteQueue::here(self.queues.at(*queue))));
        }
        found.filters = filters;
        RouteQueue::join(&mut found.queues);
        self.routes.put(place, subject, found);
    }

    /// Gives a message to all that its route leads to, here and elsewhere. `silent` must not hear it.
    #[inline]
    pub(super) fn fan_out(&mut self, place: usize, message: &Message<'_>, silent: Option<u32>) -> Published {
        let mut published = Published::default();
        let (local, large) = self.fan_out_plainly(place, message, silent);
        published.local = local;
        if !self.routes.at(place).is_plain() {
            self.fan_out_further(place, message, large.as_ref(), silent, &mut published);
        }
        self.heard += u64::from(published.local);
        published
    }

    /// All groups of a route. Returns how many hear it, and the payload if it stands apart.
    #[inline]
    fn fan_out_plainly(
        &mut self,
        place: usize,
        message: &Message<'_>,
        silent: Option<u32>,
    ) -> (u32, Option<Arc<Vec<u8>>>) {
        if self.lossy {
            self.mark = Some(self.mark_of(place, message));
            // Those who are behind may have to be kept a copy each.
            self.turn_bytes += self.behind.len() * limits::HUB_LOOK_BYTES;
        } else if let Some(local) = self.add_to_run(place, message, silent) {
            return (local, None);
        }
        let large = self.shared_payload(place, message);
        let mut local = 0;
        for index in 0..self.routes.at(place).groups().len() {
            let group = self.routes.at(place).groups()[index];
            local += self.append(group, message, large.as_ref(), silent);
        }
        (local, large)
    }

    /// What a message on this route is to those who hold it back.
    fn mark_of(&self, place: usize, message: &Message<'_>) -> Mark {
        let (subject, rule) = (self.routes.number(message.subject), self.routes.at(place).rule());
        Mark { subject, rule, came: self.came }
    }

    /// One member of each queue group, here or elsewhere; and the other shards.
    fn fan_out_further(
        &mut self,
        place: usize,
        message: &Message<'_>,
        large: Option<&Arc<Vec<u8>>>,
        silent: Option<u32>,
        published: &mut Published,
    ) {
        // Of those that share our bit, if it is among them: we ourselves are not told what we send.
        let plain = self.routes.at(place).shards();
        let mut shards = plain;
        for index in 0..self.routes.at(place).queues().len() {
            match self.choose(place, index, silent, message) {
                Some(Chosen::Here(member)) => {
                    let group = self.subscriptions[member as usize].group;
                    published.local += self.append(group, message, large, silent);
                }
                Some(Chosen::There(shard)) => {
                    self.elsewhere.call(shard, &self.routes.at(place).queues()[index].name, 0);
                    shards |= bit(shard);
                }
                None => {}
            }
        }
        if shards != 0 {
            self.turn_bytes += message.size() + limits::HUB_DELIVERY_BYTES;
            let silent = silent.map(|place| self.client_at(place));
            self.elsewhere.send(message, plain, silent);
            published.shards = shards.count_ones();
            self.counts.crossed += 1;
        }
    }

    /// A member of a queue group: any of the process with the same probability, wherever it is, but none that must not hear
    /// the message.
    fn choose(
        &mut self,
        place: usize,
        queue: usize,
        silent: Option<u32>,
        message: &Message<'_>,
    ) -> Option<Chosen> {
        let random = self.next_random();
        let queue = &self.routes.at(place).queues()[queue];
        if let Some(shard) = far_member(queue, random) {
            return Some(Chosen::There(shard));
        }
        let here = self.choose_here(queue, silent, random, message);
        // Perhaps the only ones here must not hear it.
        let far = if here.member.is_none() { some_shard(queue, random, 0) } else { None };
        self.turn_bytes += here.looks * limits::HUB_LOOK_BYTES;
        here.member.map(Chosen::Here).or(far.map(Chosen::There))
    }

    /// A member on this shard.
    fn choose_here(
        &self,
        queue: &RouteQueue,
        silent: Option<u32>,
        random: u64,
        message: &Message<'_>,
    ) -> Choice {
        let members = &queue.members;
        let start = random.checked_rem(members.len() as u64);
        let Some(start) = start.and_then(|start| usize::try_from(start).ok()) else {
            return Choice::default();
        };
        let mut from_start = members[start..].iter().chain(&members[..start]);
        let found = from_start.position(|id| {
            let subscription = &self.subscriptions[*id as usize];
            silent != Some(subscription.client) && !self.is_hidden(subscription.group, message)
        });
        let looks = found.unwrap_or(members.len());
        Choice { looks, member: found.map(|place| members[(start + place) % members.len()]) }
    }

    /// Whether a subscription with a group of its own must not hear a message.
    fn is_hidden(&self, group: GroupId, message: &Message<'_>) -> bool {
        let hidden = self.groups[group as usize].alone.as_ref().and_then(|alone| alone.hidden.as_ref());
        hidden.is_some_and(|hidden| hidden(message, self.now))
    }

    /// A message that another shard has sent.
    pub(super) fn receive_entry(&mut self, parcel: &Parcel, entry: usize) {
        let own = self.elsewhere.shard();
        let entry = &parcel.entries[entry];
        let message = parcel.message(entry);
        self.last_id += 1;
        let place = self.route(message.subject);
        let plain = entry.plain & bit(own) != 0;
        let (mut local, large) = if plain {
            self.fan_out_plainly(place, &message, None)
        } else {
            self.settle_run();
            self.mark = self.lossy.then(|| self.mark_of(place, &message));
            (0, self.shared_payload(place, &message))
        };
        let silent = entry.silent.and_then(|(shard, client)| self.silent_here(shard, client));
        let mut passed_on = false;
        for called in parcel.called[entry.called.clone()].iter().filter(|called| called.shard == own) {
            let name = parcel.name(called);
            let tried = called.tried | bit(own);
            match self.choose_again(place, name, &message, silent, tried) {
                Some(Chosen::Here(member)) => {
                    let group = self.subscriptions[member as usize].group;
                    local += self.append(group, &message, large.as_ref(), None);
                }
                Some(Chosen::There(shard)) => {
                    self.elsewhere.call(shard, name, tried);
                    passed_on = true;
                }
                None => self.counts.orphaned += 1,
            }
        }
        if passed_on {
            self.turn_bytes += message.size() + limits::HUB_DELIVERY_BYTES;
            self.elsewhere.pass_on(&message, entry.silent);
        }
        self.heard += u64::from(local);
    }

    /// A member of a queue group for a message that somebody on this shard was to have: if all have left meanwhile, or none
    /// may hear it, it is passed on to a shard that was not asked yet, so that it is not lost. Behind others of its publisher,
    /// perhaps; but a queue group shares them out anyway.
    fn choose_again(
        &mut self,
        place: usize,
        name: &[u8],
        message: &Message<'_>,
        silent: Option<u32>,
        tried: Shards,
    ) -> Option<Chosen> {
        let random = self.next_random();
        let queue = RouteQueue::find(self.routes.at(place).queues(), name)?;
        let here = self.choose_here(queue, silent, random, message);
        let far = if here.member.is_none() { some_shard(queue, random, tried) } else { None };
        self.turn_bytes += here.looks * limits::HUB_LOOK_BYTES;
        here.member.map(Chosen::Here).or(far.map(Chosen::There))
    }

    /// The place of a client of that shard, if that is this one and the client is still there.
    fn silent_here(&self, shard: u16, client: ClientId) -> Option<u32> {
        let is_here = shard == self.elsewhere.shard() && self.client(client).is_some();
        is_here.then_some(client.place)
    }

    /// A large payload is copied once for all, and not into each group's bytes.
    #[inline]
    fn shared_payload(&mut self, place: usize, message: &Message<'_>) -> Option<Arc<Vec<u8>>> {
        if message.payload.len() < limits::SPLICE_BYTES_MIN {
            return None;
        }
        let route = self.routes.at(place);
        if route.groups().len() + route.queues().len() < 2 {
            return None; // Nobody to share it with.
        }
        let mut bytes = self.buffers.take();
        bytes.extend_from_slice(message.payload);
        Some(self.buffers.lend(bytes))
    }

    /// Gives a message to one client.
    pub(super) fn fan_out_to(&mut self, place: usize, message: &Message<'_>, client: ClientId) -> bool {
        let groups = self.routes.at(place).groups();
        let found = groups.iter().position(|group| self.member_of(*group, client.place).is_some());
        let (looks, group) = (found.unwrap_or(groups.len()), found.map(|index| groups[index]));
        self.turn_bytes += looks * limits::HUB_LOOK_BYTES;
        let Some(group) = group else { return false };
        let is_told = self.tell_member(group, client.place, message);
        self.heard += u64::from(is_told);
        true
    }

    /// Writes a message for one member of a group: the others do not hear it. It is never left out, but a service may have no
    /// room for it. Returns whether it hears it.
    fn tell_member(&mut self, id: GroupId, client: u32, message: &Message<'_>) -> bool {
        if self.groups[id as usize].form == Form::Told {
            let sid = self.groups[id as usize].sid.clone();
            return self.tell_service(client, &sid, message);
        }
        self.hear_own(client);
        let listener = self.groups[id as usize].listener();
        let mark = self.lossy.then(|| Mark::kept(self.came));
        if let Some(speech) = &mut self.clients[client as usize].own {
            speech.say(listener, message, None, self.last_id, mark);
        }
        true
    }
}

/// The member of a queue group that a message is for.
enum Chosen {
    Here(SubscriptionId),
    /// Somebody on this shard.
    There(u16),
}

/// What was found among the members of a queue group here.
#[derive(Default)]
struct Choice {
    /// How many were looked at that must not hear it.
    looks: usize,
    member: Option<SubscriptionId>,
}

/// The shard of the member of a queue group that chance falls on, if it is not one of this shard.
fn far_member(queue: &RouteQueue, random: u64) -> Option<u16> {
    let own = queue.members.len() as u64;
    // Of another part of the number than the choice among those who are here.
    let place = (random >> 32).checked_rem(own + far_members(queue))?;
    far_shard(queue, place.checked_sub(own)?, 0)
}

/// The shard of a member elsewhere, if there is one where nobody was asked yet.
fn some_shard(queue: &RouteQueue, random: u64, tried: Shards) -> Option<u16> {
    let members = untried(queue, tried).map(|(_, members)| u64::from(*members)).sum();
    far_shard(queue, random.checked_rem(members)?, tried)
}

fn far_members(queue: &RouteQueue) -> u64 {
    queue.far.iter().map(|(_, members)| u64::from(*members)).sum()
}

/// The members elsewhere, without those of these shards.
fn untried(queue: &RouteQueue, tried: Shards) -> impl Iterator<Item = &(u16, u32)> {
    queue.far.iter().filter(move |(shard, _)| tried & bit(*shard) == 0)
}

/// The shard of the member with this number among those elsewhere that were not tried.
fn far_shard(queue: &RouteQueue, mut number: u64, tried: Shards) -> Option<u16> {
    let found = untried(queue, tried).find(|(_, members)| {
        let members = u64::from(*members);
        let is_it = number < members;
        number = number.wrapping_sub(members);
        is_it
    });
    found.map(|(shard, _)| *shard)
}

#[cfg(test)]
mod tests {
    use super::super::{ClientOptions, Hidden, SlowPolicy, Subscribe};
    use super::*;
    use crate::connection::ConnectionId;

    /// Of two members one must not hear it: then it is the other's.
    #[test]
    fn a_queue_group_chooses_only_who_may_hear() {
        let mut hub = Hub::new(0, 1, 1);
        let form = Form::Nats { headers: true, framed: false };
        let options =
            ClientOptions { form, echo: true, pending_bytes_max: usize::MAX, slow: SlowPolicy::Cut };
        let secret: Hidden = Arc::new(|message: &Message<'_>, _| message.subject == b"news.secret");
        for (slot, hidden) in [(1, None), (2, Some(secret))] {
            let client = hub.join(ConnectionId::numbered(slot), options);
            let wish = Subscribe { filter: b"news.*", queue: Some(b"q"), sid: b"1", hidden };
            hub.subscribe(client, &wish).unwrap();
        }
        for _ in 0..1000 {
            let message = Message { subject: b"news.secret", ..Message::default() };
            assert_eq!(hub.publish(None, &message).local, 1);
        }
    }

    fn join(hub: &mut Hub, slot: u32, echo: bool) -> ClientId {
        let form = Form::Nats { headers: true, framed: false };
        let options = ClientOptions { form, echo, pending_bytes_max: usize::MAX, slow: SlowPolicy::Cut };
        hub.join(ConnectionId::numbered(slot), options)
    }

    fn become_member(hub: &mut Hub, client: ClientId, hidden: Option<Hidden>) {
        hub.subscribe(client, &Subscribe { filter: b"news.*", queue: Some(b"q"), sid: b"1", hidden })
            .unwrap();
    }

    /// Carries what shards have for one another until they have nothing.
    fn carry(hubs: &mut [Hub]) {
        let mut quiet = 0;
        for from in (0..hubs.len()).cycle() {
            let Some(parcel) = hubs[from].take_parcel() else {
                quiet += 1;
                if quiet == hubs.len() {
                    return;
                }
                continue;
            };
            quiet = 0;
            for shard in hubs[from].readers(&parcel).collect::<Vec<_>>() {
                hubs[usize::from(shard)].receive(Arc::clone(&parcel));
                assert!(!hubs[usize::from(shard)].is_reading(), "a turn has room for this");
            }
        }
    }

    fn news() -> Message<'static> {
        Message { subject: b"news.secret", ..Message::default() }
    }

    /// Eleven members on eight shards must not hear it, and the only one who may is on one of them: no message is lost,
    /// whichever shard chance falls on first.
    #[test]
    fn a_queue_group_over_shards_finds_the_only_one_who_may_hear() {
        let secret: Hidden = Arc::new(|message: &Message<'_>, _| message.subject == b"news.secret");
        let mut hubs: Vec<Hub> = (0..8).map(|shard| Hub::new(shard, 8, 1 + u64::from(shard))).collect();
        for (slot, hub) in (0..12).zip((0..8).cycle()) {
            let client = join(&mut hubs[hub], slot, true);
            become_member(&mut hubs[hub], client, (slot != 5).then(|| Arc::clone(&secret)));
        }
        carry(&mut hubs);
        for number in 0..800 {
            hubs[number % 8].publish(None, &news());
        }
        carry(&mut hubs);
        let delivered: Vec<u64> = hubs.iter().map(|hub| hub.heard).collect();
        assert_eq!(delivered, [0, 0, 0, 0, 0, 800, 0, 0]);
        assert_eq!(hubs.iter().map(|hub| hub.counts().orphaned).sum::<u64>(), 0);
    }

    /// A message that comes back because its member has left does not become an echo.
    #[test]
    fn what_is_passed_back_is_no_echo() {
        let mut hubs: Vec<Hub> = (0..2).map(|shard| Hub::new(shard, 2, 1)).collect();
        let publisher = join(&mut hubs[0], 0, false);
        become_member(&mut hubs[0], publisher, None);
        let other = join(&mut hubs[1], 1, true);
        become_member(&mut hubs[1], other, None);
        carry(&mut hubs);
        for _ in 0..50 {
            hubs[0].publish(Some(publisher), &news());
        }
        hubs[1].leave(other);
        carry(&mut hubs);
        assert_eq!(hubs[0].heard, 0, "the publisher wants no echo");
        assert!(0 < hubs[0].counts().orphaned, "and nobody else is there");
    }

    /// Shards that are 128 apart share a bit of the summary, and hear each other all the same.
    #[test]
    fn shards_far_apart_hear_each_other() {
        let mut hubs: Vec<Hub> = (0..130).map(|shard| Hub::new(shard, 130, 1)).collect();
        let client = join(&mut hubs[129], 0, true);
        hubs[129]
            .subscribe(client, &Subscribe { filter: b"news.>", sid: b"1", ..Subscribe::default() })
            .unwrap();
        carry(&mut hubs);
        for from in [0, 1, 128] {
            hubs[from].publish(None, &news());
        }
        carry(&mut hubs);
        assert_eq!(hubs[129].heard, 3);
    }
}
