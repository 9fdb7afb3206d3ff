//! From a message to the bytes of those who hear it.

use std::sync::Arc;

use super::backlog::Mark;
use super::client::{Hears, Piece};
use super::form::Form;
use super::group::{GroupId, SubscriptionId};
use super::index::number;
use super::message::{Message, Published};
use super::parcel::Parcel;
use super::route::{Found, RouteQueue};
use super::speech::{Listener, Speech};
use super::summary::bit;
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
        let (mut filters, mut far) = (Vec::new(), Vec::new());
        let looks = self.index.matches(subject, &mut filters);
        let (shards, more_looks) = self.elsewhere.summary.matches(subject, &mut far);
        // A match takes time like deliveries do, and most are short.
        self.turn_bytes += (looks + more_looks) * limits::HUB_LOOK_BYTES;
        let rule = self.rules.iter().find(|(filter, _)| subject::matches(filter, subject));
        let found = &mut self.found;
        *found = Found {
            groups: std::mem::take(&mut found.groups),
            shards,
            rule: rule.map(|(_, policy)| *policy),
            queues: far.into_iter().map(RouteQueue::elsewhere).collect(),
        };
        found.groups.clear();
        for filter in filters {
            let filter = &self.filters[filter as usize];
            found.groups.extend_from_slice(&filter.groups);
            found.queues.extend(filter.queues.iter().map(|queue| RouteQueue::here(self.queues.at(*queue))));
        }
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
        self.counts.delivered += u64::from(published.local);
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
        Mark { subject: self.routes.number(message.subject), rule: self.routes.at(place).rule() }
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
        let plain = self.routes.at(place).shards() & !bit(self.elsewhere.shard());
        let mut shards = plain;
        for index in 0..self.routes.at(place).queues().len() {
            match self.choose(place, index, silent, message) {
                Some(Chosen::Here(member)) => {
                    let group = self.subscriptions[member as usize].group;
                    published.local += self.append(group, message, large, silent);
                }
                Some(Chosen::There(shard)) => {
                    self.elsewhere.call(shard, &self.routes.at(place).queues()[index].name);
                    shards |= bit(shard);
                }
                None => {}
            }
        }
        if shards != 0 {
            self.turn_bytes += message.size() + limits::HUB_DELIVERY_BYTES;
            self.elsewhere.send(message, plain);
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
        let far = far_member(queue, random);
        if far.is_none()
            && let Some(member) = self.choose_here(queue, silent, random, message)
        {
            return Some(Chosen::Here(member));
        }
        // Perhaps the only ones here must not hear it.
        far.or_else(|| some_shard(queue, random)).map(Chosen::There)
    }

    /// A member on this shard.
    fn choose_here(
        &self,
        queue: &RouteQueue,
        silent: Option<u32>,
        random: u64,
        message: &Message<'_>,
    ) -> Option<SubscriptionId> {
        let members = &queue.members;
        let start = usize::try_from(random.checked_rem(members.len() as u64)?).ok()?;
        let from_start = members[start..].iter().chain(&members[..start]);
        from_start.copied().find(|id| {
            let subscription = &self.subscriptions[*id as usize];
            silent != Some(subscription.client) && !self.is_hidden(subscription.group, message)
        })
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
        self.counts.arrived += 1;
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
        let mut passed_on = false;
        for called in parcel.called[entry.called.clone()].iter().filter(|called| called.shard == own) {
            let name = parcel.name(called);
            match self.choose_again(place, name, &message) {
                Some(Chosen::Here(member)) => {
                    let group = self.subscriptions[member as usize].group;
                    local += self.append(group, &message, large.as_ref(), None);
                }
                Some(Chosen::There(shard)) if entry.passed_on < limits::PASSED_ON_MAX => {
                    self.elsewhere.call(shard, name);
                    passed_on = true;
                }
                Some(Chosen::There(_)) | None => self.counts.orphaned += 1,
            }
        }
        if passed_on {
            self.elsewhere.pass_on(&message, entry.passed_on + 1);
        }
        self.counts.delivered += u64::from(local);
    }

    /// A member of a queue group for a message that somebody on this shard was to have: if all have left meanwhile, it is
    /// passed on, so that it is not lost. Behind others of its publisher, perhaps; but a queue group shares them out anyway.
    fn choose_again(&mut self, place: usize, name: &[u8], message: &Message<'_>) -> Option<Chosen> {
        let random = self.next_random();
        let queue = RouteQueue::find(self.routes.at(place).queues(), name)?;
        let here = self.choose_here(queue, None, random, message).map(Chosen::Here);
        here.or_else(|| some_shard(queue, random).map(Chosen::There))
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
        let groups = self.routes.at(place).groups().iter().copied();
        let found = groups.into_iter().find(|group| self.member_of(*group, client.place).is_some());
        let Some(group) = found else { return false };
        self.tell_member(group, client.place, message);
        self.counts.delivered += 1;
        true
    }

    /// Writes a message for one member of a group: the others do not hear it. It is never left out.
    fn tell_member(&mut self, id: GroupId, client: u32, message: &Message<'_>) {
        if self.groups[id as usize].form == Form::Told {
            let connection = self.clients[client as usize].connection;
            let sid = self.groups[id as usize].sid.clone();
            return self.tell_service(connection, &sid, message);
        }
        self.hear_own(client);
        let listener = self.groups[id as usize].listener();
        let mark = self.lossy.then_some(Mark::KEPT);
        let entry = &mut self.clients[client as usize];
        entry.messages_out += 1;
        if let Some(speech) = &mut entry.own {
            speech.say(listener, message, None, self.last_id, mark);
        }
    }

    // --- A group's bytes ----------------------------------------------------------------------------------------

    /// Appends a message to what a group hears. Returns how many hear it.
    #[inline]
    fn append(
        &mut self,
        id: GroupId,
        message: &Message<'_>,
        large: Option<&Arc<Vec<u8>>>,
        silent: Option<u32>,
    ) -> u32 {
        let group = &self.groups[id as usize];
        if group.alone.is_none() && silent.is_none() {
            if let Some(client) = group.only_client() {
                return self.speak_to_one(id, client, message, large);
            }
            if group.is_ready() {
                return self.speak(id, message, large);
            }
        }
        self.append_carefully(id, message, large, silent)
    }

    /// Writes a message to a group whose members are ready to hear it. Returns how many members it has.
    #[inline]
    fn speak(&mut self, id: GroupId, message: &Message<'_>, large: Option<&Arc<Vec<u8>>>) -> u32 {
        self.turn_bytes += delivery_bytes(message, large);
        let group = &mut self.groups[id as usize];
        group.messages += 1;
        let listener = Listener { form: group.form, sid: &group.sid };
        if let Some(speech) = &mut group.speech {
            speech.say(listener, message, large, self.last_id, self.mark);
        }
        number(group.members.len())
    }

    /// Writes a message for the only member of a group, among all else that this client alone is sent.
    #[inline]
    fn speak_to_one(
        &mut self,
        id: GroupId,
        client: u32,
        message: &Message<'_>,
        large: Option<&Arc<Vec<u8>>>,
    ) -> u32 {
        self.turn_bytes += delivery_bytes(message, large);
        if !self.clients[client as usize].hears.is_own() {
            self.hear_own(client);
        }
        let group = &mut self.groups[id as usize];
        group.messages += 1;
        let entry = &mut self.clients[client as usize];
        entry.messages_out += 1;
        if let Some(speech) = &mut entry.own {
            speech.say(group.listener(), message, large, self.last_id, self.mark);
        }
        1
    }

    /// The same where not all members are ready to hear it, or somebody is not to.
    fn append_carefully(
        &mut self,
        id: GroupId,
        message: &Message<'_>,
        large: Option<&Arc<Vec<u8>>>,
        silent: Option<u32>,
    ) -> u32 {
        let group = &mut self.groups[id as usize];
        if group.is_dead {
            return 0;
        }
        let is_last = match &mut group.alone {
            None => false,
            Some(alone) => {
                let client = group.members[0].client;
                if silent == Some(client)
                    || alone.hidden.as_ref().is_some_and(|hidden| hidden(message, self.now))
                {
                    return 0;
                }
                alone.left = alone.left.map(|left| left - 1);
                alone.left == Some(0)
            }
        };
        if group.form == Form::Told {
            return self.append_told(id, message, is_last);
        }
        let count = match self.groups[id as usize].only_client() {
            Some(client) if silent == Some(client) => 0,
            Some(client) => self.speak_to_one(id, client, message, large),
            None => {
                let quiet = self.gather_members(id, silent);
                self.speak(id, message, large) - u32::from(quiet)
            }
        };
        if is_last {
            let subscription = self.groups[id as usize].members[0].subscription;
            self.end_subscription(subscription);
        }
        count
    }

    /// The same for a service itself, which is always alone.
    fn append_told(&mut self, id: GroupId, message: &Message<'_>, is_last: bool) -> u32 {
        let group = &mut self.groups[id as usize];
        group.messages += 1;
        let (member, sid) = (group.members[0], group.sid.clone());
        let client = &mut self.clients[member.client as usize];
        client.messages_out += 1;
        let connection = client.connection;
        self.tell_service(connection, &sid, message);
        if is_last {
            self.end_subscription(member.subscription);
        }
        1
    }

    /// Lets all members hear what comes next, but for the silent one. Returns whether that is one of them.
    pub(super) fn gather_members(&mut self, id: GroupId, silent: Option<u32>) -> bool {
        if self.groups[id as usize].speech.is_none() {
            let mut speech = self.new_speech();
            let group = &mut self.groups[id as usize];
            speech.late.extend(group.members.iter().map(|member| member.subscription));
            group.speech = Some(speech);
            self.open.push(id);
        }
        let silent_one = silent.and_then(|client| self.member_of(id, client));
        if let Some((client, subscription)) = silent_one {
            self.set_down_if(client, id);
            // Below zero for one that came from another group.
            let before = &mut self.subscriptions[subscription as usize].before;
            *before = before.wrapping_add(1);
        }
        let mut late = self.groups[id as usize]
            .speech
            .as_mut()
            .map(|speech| std::mem::take(&mut speech.late))
            .unwrap_or_default();
        late.retain(|subscription| {
            let is_silent = silent_one.is_some_and(|(_, silent)| silent == *subscription);
            if !is_silent {
                self.hear(id, *subscription);
            }
            is_silent
        });
        // Whoever was set down on the way belongs to another group.
        if let Some(speech) = &mut self.groups[id as usize].speech {
            late.append(&mut speech.late);
            speech.late = late;
        }
        silent_one.is_some()
    }

    fn member_of(&self, group: GroupId, client: u32) -> Option<(u32, SubscriptionId)> {
        // By its name, since a client may have any number of subscriptions, and a group any number of members.
        let found = self.find_subscription(client, &self.groups[group as usize].sid)?;
        (self.subscriptions[found as usize].group == group).then_some((client, found))
    }

    fn new_speech(&mut self) -> Box<Speech> {
        let mut speech = self.speeches.pop().unwrap_or_default();
        speech.bytes = self.buffers.take();
        speech
    }

    /// From now on a client hears this group.
    fn hear(&mut self, group: GroupId, subscription: SubscriptionId) {
        let client = self.subscriptions[subscription as usize].client;
        self.set_down(client);
        let entry = &self.groups[group as usize];
        let start = entry.speech.as_ref().map_or(0, |speech| speech.end());
        let hears = Hears::Group { group, subscription, start, messages: entry.messages };
        self.clients[client as usize].hears = hears;
        self.touch(client);
    }

    /// From now on a client hears what it alone is sent.
    pub(super) fn hear_own(&mut self, client: u32) {
        self.set_down(client);
        if self.clients[client as usize].own.is_none() {
            self.clients[client as usize].own = Some(self.new_speech());
        }
        let entry = &mut self.clients[client as usize];
        let start = entry.own.as_ref().map_or(0, |speech| speech.end());
        entry.hears = Hears::Own { start };
        self.touch(client);
    }

    /// Sets down what a client has heard; it hears nothing from now on.
    pub(super) fn set_down(&mut self, client: u32) {
        let hears = self.end_hearing(client);
        if let Hears::Group { group, subscription, .. } = hears
            && let Some(speech) = &mut self.groups[group as usize].speech
        {
            speech.late.push(subscription);
        }
    }

    /// The same, where nobody needs to know that it hears nothing. Returns what it heard.
    pub(super) fn end_hearing(&mut self, client: u32) -> Hears {
        let entry = &mut self.clients[client as usize];
        let hears = std::mem::take(&mut entry.hears);
        match hears {
            Hears::Nothing => {}
            Hears::Own { start } => {
                let end = entry.own.as_ref().map_or(0, |speech| speech.end());
                if start < end {
                    entry.pieces.push(Piece::Own(start..end));
                }
            }
            Hears::Group { group, start, messages, .. } => {
                let heard = &self.groups[group as usize];
                let end = heard.speech.as_ref().map_or(0, |speech| speech.end());
                if start < end {
                    entry.pieces.push(Piece::Group(group, start..end));
                    entry.messages_out += heard.messages - messages;
                }
            }
        }
        hears
    }

    /// The same, if it is this group.
    pub(super) fn set_down_if(&mut self, client: u32, id: GroupId) {
        if matches!(self.clients[client as usize].hears, Hears::Group { group, .. } if group == id) {
            self.set_down(client);
        }
    }

    pub(super) fn touch(&mut self, client: u32) {
        let entry = &mut self.clients[client as usize];
        if !entry.touched {
            entry.touched = true;
            self.touched.push(client);
        }
    }
}

/// What a delivery adds to the bytes of a turn.
#[inline]
fn delivery_bytes(message: &Message<'_>, large: Option<&Arc<Vec<u8>>>) -> usize {
    limits::HUB_DELIVERY_BYTES + if large.is_some() { 0 } else { message.size() }
}

/// The member of a queue group that a message is for.
enum Chosen {
    Here(SubscriptionId),
    /// Somebody on this shard.
    There(u16),
}

/// The shard of the member of a queue group that chance falls on, if it is not one of this shard.
fn far_member(queue: &RouteQueue, random: u64) -> Option<u16> {
    let own = queue.members.len() as u64;
    // Of another part of the number than the choice among those who are here.
    let place = (random >> 32).checked_rem(own + far_members(queue))?;
    far_shard(queue, place.checked_sub(own)?)
}

/// The shard of a member elsewhere, if there is one.
fn some_shard(queue: &RouteQueue, random: u64) -> Option<u16> {
    far_shard(queue, random.checked_rem(far_members(queue))?)
}

fn far_members(queue: &RouteQueue) -> u64 {
    queue.far.iter().map(|(_, members)| u64::from(*members)).sum()
}

/// The shard of the member with this number among those elsewhere.
fn far_shard(queue: &RouteQueue, mut number: u64) -> Option<u16> {
    let found = queue.far.iter().find(|(_, members)| {
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
}
