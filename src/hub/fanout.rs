//! From a message to the bytes of those who hear it.

use std::sync::Arc;

use super::client::{Hears, Piece};
use super::form::Form;
use super::group::{GroupId, SubscriptionId};
use super::index::number;
use super::message::{Message, Published};
use super::parcel::{Entry, Parcel};
use super::routes::RouteQueue;
use super::summary::{FarQueue, bit};
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
        let mut filters = Vec::new();
        self.index.matches(subject, &mut filters);
        let mut far = Vec::new();
        let shards = self.elsewhere.summary.matches(subject, &mut far);
        let rule = self.rules.iter().find(|(filter, _)| subject::matches(filter, subject));
        let route = self.routes.fill(place, subject);
        route.mark.rule = rule.map(|(_, policy)| *policy);
        route.shards = shards;
        for filter in filters {
            let filter = &self.filters[filter as usize];
            route.groups.extend_from_slice(&filter.groups);
            for queue in &filter.queues {
                queue_of(&mut route.queues, &queue.name).members.extend_from_slice(&queue.members);
            }
        }
        for queue in far {
            let name = queue.name.clone();
            queue_of(&mut route.queues, &name).far.push(queue);
        }
        self.routes.filled(place);
    }

    /// Gives a message to all that its route leads to. `silent` must not hear it. With `crosses`, it goes to other shards,
    /// too.
    #[inline]
    pub(super) fn fan_out(
        &mut self,
        place: usize,
        message: &Message<'_>,
        silent: Option<u32>,
        crosses: bool,
    ) -> Published {
        let mut published = Published::default();
        let (local, large) = self.fan_out_plainly(place, message, silent);
        published.local = local;
        if !self.routes.at(place).queues.is_empty() || self.routes.at(place).shards != 0 {
            self.fan_out_further(place, message, large.as_ref(), silent, crosses, &mut published);
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
            self.mark = Some(self.routes.at(place).mark);
        } else if let Some(local) = self.add_to_run(place, message, silent) {
            return (local, None);
        }
        let large = self.shared_payload(place, message);
        let mut local = 0;
        for index in 0..self.routes.at(place).groups.len() {
            let group = self.routes.at(place).groups[index];
            local += self.append(group, message, large.as_ref(), silent);
        }
        (local, large)
    }

    /// One member of each queue group, here or elsewhere; and the other shards.
    fn fan_out_further(
        &mut self,
        place: usize,
        message: &Message<'_>,
        large: Option<&Arc<Vec<u8>>>,
        silent: Option<u32>,
        crosses: bool,
        published: &mut Published,
    ) {
        let mut far = Vec::new();
        for index in 0..self.routes.at(place).queues.len() {
            let random = self.next_random();
            // All members of the process have the same chance, wherever they are.
            let elsewhere = far_member(&self.routes.at(place).queues[index], random);
            if let Some(queue) = elsewhere.filter(|_| crosses) {
                far.push(queue.clone());
                continue;
            }
            match self.choose(place, index, silent, random, message) {
                Some(member) => {
                    let group = self.subscriptions[member as usize].group;
                    published.local += self.append(group, message, large, silent);
                }
                // The only ones here must not hear it.
                None if crosses => far.extend(self.routes.at(place).queues[index].far.first().cloned()),
                None => {}
            }
        }
        if !crosses {
            return;
        }
        let plain = self.routes.at(place).shards & !bit(self.elsewhere.shard());
        if plain != 0 || !far.is_empty() {
            let far: Vec<_> = far.iter().collect();
            self.elsewhere.send(message, plain, &far);
            let all = far.iter().fold(plain, |shards, queue| shards | bit(queue.shard));
            published.shards = all.count_ones();
            self.counts.crossed += 1;
        }
    }

    /// A member of a queue group on this shard: any, with the same probability.
    fn choose(
        &self,
        place: usize,
        queue: usize,
        silent: Option<u32>,
        random: u64,
        message: &Message<'_>,
    ) -> Option<SubscriptionId> {
        let members = &self.routes.at(place).queues[queue].members;
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
    pub(super) fn receive_entry(&mut self, parcel: &Parcel, entry: &Entry) {
        let own = self.elsewhere.shard();
        let message = parcel.message(entry);
        self.counts.arrived += 1;
        self.last_id += 1;
        let place = self.route(message.subject);
        let plain = entry.plain & bit(own) != 0;
        let (mut local, large) = if plain {
            self.fan_out_plainly(place, &message, None)
        } else {
            self.settle_run();
            self.mark = self.lossy.then(|| self.routes.at(place).mark);
            (0, self.shared_payload(place, &message))
        };
        for (shard, name) in &parcel.queues[entry.queues.start as usize..entry.queues.end as usize] {
            let known = self.routes.at(place).queues.iter().position(|queue| queue.name == *name);
            let Some(index) = known.filter(|_| *shard == own) else { continue };
            let random = self.next_random();
            if let Some(member) = self.choose(place, index, None, random, &message) {
                let group = self.subscriptions[member as usize].group;
                local += self.append(group, &message, large.as_ref(), None);
            }
        }
        self.counts.delivered += u64::from(local);
    }

    /// A large payload is copied once for all, and not into each group's bytes.
    #[inline]
    fn shared_payload(&mut self, place: usize, message: &Message<'_>) -> Option<Arc<Vec<u8>>> {
        if message.payload.len() < limits::SPLICE_BYTES_MIN {
            return None;
        }
        let route = self.routes.at(place);
        if route.groups.len() + route.queues.len() < 2 {
            return None; // Nobody to share it with.
        }
        let mut bytes = self.buffers.take();
        bytes.extend_from_slice(message.payload);
        Some(self.buffers.lend(bytes))
    }

    /// Gives a message to one client.
    pub(super) fn fan_out_to(&mut self, place: usize, message: &Message<'_>, client: ClientId) -> bool {
        let groups = self.routes.at(place).groups.iter().copied();
        let found = groups.into_iter().find(|group| self.member_of(*group, client.place).is_some());
        let Some(group) = found else { return false };
        self.tell_member(group, client.place, message);
        self.counts.delivered += 1;
        true
    }

    /// Writes a message for one member of a group: the others do not hear it.
    fn tell_member(&mut self, group: GroupId, client: u32, message: &Message<'_>) {
        self.set_down(client);
        let (form, sid) = {
            let group = &self.groups[group as usize];
            (group.form, group.sid.clone())
        };
        if form == Form::Told {
            let connection = self.clients[client as usize].connection;
            return self.tell_service(connection, &sid, message);
        }
        let mut bytes = self.buffers.take();
        super::form::write(form, &sid, self.last_id, message, &mut bytes);
        let (range, shared) = (0..bytes.len(), self.buffers.lend(bytes));
        self.clients[client as usize].pieces.push(Piece::Shared(shared, range));
        self.clients[client as usize].messages_out += 1;
        self.touch(client);
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
        if group.is_ready() && group.alone.is_none() && silent.is_none() {
            return self.speak(id, message, large);
        }
        self.append_carefully(id, message, large, silent)
    }

    /// Writes a message to a group whose members are ready to hear it. Returns how many members it has.
    #[inline]
    fn speak(&mut self, id: GroupId, message: &Message<'_>, large: Option<&Arc<Vec<u8>>>) -> u32 {
        let group = &mut self.groups[id as usize];
        match large.filter(|_| matches!(group.form, Form::Nats { .. })) {
            None => {
                group.write(message, self.last_id);
                self.turn_bytes += message.size() + limits::HUB_DELIVERY_BYTES;
            }
            Some(payload) => {
                group.splice(message, payload);
                self.turn_bytes += limits::HUB_DELIVERY_BYTES;
            }
        }
        group.mark(self.mark);
        number(group.members.len())
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
        let quiet = self.gather_members(id, silent);
        let count = self.speak(id, message, large) - u32::from(quiet);
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
            let mut speech = self.speeches.pop().unwrap_or_default();
            speech.bytes = self.buffers.take();
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

    /// From now on a client hears this group.
    fn hear(&mut self, group: GroupId, subscription: SubscriptionId) {
        let client = self.subscriptions[subscription as usize].client;
        self.set_down(client);
        let entry = &self.groups[group as usize];
        let start = entry.speech.as_ref().map_or(0, |speech| speech.end());
        let hears = Hears { group, subscription, start, messages: entry.messages };
        self.clients[client as usize].hears = Some(hears);
        self.touch(client);
    }

    /// Sets down what a client has heard of its group; it hears none from now on.
    pub(super) fn set_down(&mut self, client: u32) {
        let entry = &mut self.clients[client as usize];
        let Some(Hears { group, subscription, start, messages }) = entry.hears.take() else { return };
        let heard = &mut self.groups[group as usize];
        let Some(speech) = &mut heard.speech else { return };
        let end = speech.end();
        if start < end {
            entry.pieces.push(Piece::Group(group, start..end));
            entry.messages_out += heard.messages - messages;
        }
        speech.late.push(subscription);
    }

    /// The same, if it is this group.
    pub(super) fn set_down_if(&mut self, client: u32, group: GroupId) {
        if self.clients[client as usize].hears.is_some_and(|hears| hears.group == group) {
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

fn queue_of<'a>(queues: &'a mut Vec<RouteQueue>, name: &[u8]) -> &'a mut RouteQueue {
    let known = queues.iter().position(|queue| *queue.name == *name);
    let place = known.unwrap_or_else(|| {
        queues.push(RouteQueue { name: name.into(), members: Vec::new(), far: Vec::new() });
        queues.len() - 1
    });
    &mut queues[place]
}

/// The shard of the member of a queue group that chance falls on, if it is not one of this shard.
fn far_member(queue: &RouteQueue, random: u64) -> Option<&FarQueue> {
    let own = queue.members.len() as u64;
    let all = own + queue.far.iter().map(|far| u64::from(far.members)).sum::<u64>();
    // Of another part of the number than the choice among those who are here.
    let mut place = (random >> 32).checked_rem(all)?.checked_sub(own)?;
    queue.far.iter().find(|far| {
        let members = u64::from(far.members);
        let is_it = place < members;
        place = place.wrapping_sub(members);
        is_it
    })
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
