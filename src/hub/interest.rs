//! Who listens to what: beginning and ending subscriptions.

use std::hash::BuildHasher;

use super::form::Form;
use super::group::{Alone, Group, GroupId, Hidden, Member, SubscriptionId};
use super::index::{FilterId, number};
use super::queues::{Membership, Queue, QueueId};
use super::{ClientId, Hub};
use crate::limits;

/// What a client wants to listen to. Who asks has checked that the filter is valid and allowed.
#[derive(Clone, Default)]
pub struct Subscribe<'a> {
    /// A subject, perhaps with wildcards.
    pub filter: &'a [u8],
    /// The queue group, of which one member hears each message; `None`, a plain subscription.
    pub queue: Option<&'a [u8]>,
    /// The client's own name for it.
    pub sid: &'a [u8],
    /// Subjects that match the filter and that the client must not hear all the same.
    pub hidden: Option<Hidden>,
}

/// Why there is no new subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSubscribed {
    /// The client has one with this `sid`, which stays as it is.
    #[error("there is a subscription with this sid")]
    Duplicate,
    /// The shard has all the subscriptions that it may have, or as many tokens of filters as go with them.
    #[error("there are too many subscriptions")]
    Full,
    /// The client has left.
    #[error("the client has left")]
    NoClient,
}

/// What at least one subscription listens to.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) text: Box<[u8]>,
    /// Its place in the list of all filters.
    pub(super) place: u32,
    /// Plain subscriptions.
    pub(super) plain: u32,
    /// Members of its queue groups.
    pub(super) queued: u32,
    /// Groups of plain subscriptions, in no order.
    pub(super) groups: Vec<GroupId>,
    /// Its queue groups, in no order.
    pub(super) queues: Vec<QueueId>,
}

/// One client's interest in one filter.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) client: u32,
    pub(super) group: GroupId,
    /// Its place among the group's members.
    pub(super) member: u32,
    /// Its place among the client's subscriptions.
    pub(super) place: u32,
    /// The queue group that it is a member of; `None`, it is a plain one.
    pub(super) queue: Option<Membership>,
    /// Messages of the group that were before its time, less those that it had heard before it came to the group.
    pub(super) before: u64,
}

impl Hub {
    /// Begins a subscription.
    ///
    /// # Errors
    /// When the client has one of this `sid`, or has left, or there are too many.
    pub fn subscribe(&mut self, client: ClientId, wish: &Subscribe<'_>) -> Result<(), NotSubscribed> {
        let Some(found) = self.client(client) else { return Err(NotSubscribed::NoClient) };
        let form = found.options.form.encoding();
        self.settle_run();
        if self.is_full() {
            return Err(NotSubscribed::Full);
        }
        if self.find_subscription(client.place, wish.sid).is_some() {
            return Err(NotSubscribed::Duplicate);
        }
        let filter = self.filter_for(wish.filter);
        let alone = (wish.queue.is_some() || wish.hidden.is_some())
            .then(|| Alone { left: None, hidden: wish.hidden.clone() });
        let group = self.group_for(filter, form, wish.sid, alone, wish.queue);
        let id = self.add_subscription(client.place, wish, group);
        match wish.queue {
            None => {
                self.filters[filter as usize].plain += 1;
                self.list_group(filter, group);
            }
            Some(name) => self.enter_queue(filter, name, id),
        }
        self.routes.forget(wish.filter);
        let asked = self.elsewhere.last_advert();
        self.clients[client.place as usize].asked = asked;
        Ok(())
    }

    /// Has what a client has subscribed to already take the form that it wants now.
    pub fn reform(&mut self, client: ClientId) {
        let Some(found) = self.client(client) else { return };
        let (form, ids) = (found.options.form.encoding(), found.subscriptions.clone());
        self.settle_run();
        self.turn_bytes += ids.len() * limits::HUB_REFORM_BYTES;
        for id in ids {
            let group = self.subscriptions[id as usize].group;
            let Group { filter, sid, alone, .. } = &self.groups[group as usize];
            let (filter, sid, alone) = (*filter, sid.clone(), alone.as_deref().cloned());
            // A member of a queue group has one of its own already.
            let own = self.group_for(filter, form, &sid, alone, None);
            if own != group {
                self.move_to(own, id);
            }
        }
    }

    /// Whether this shard has all the subscriptions that it may have.
    fn is_full(&self) -> bool {
        let most = self.subscriptions_max;
        most <= self.subscriptions.len()
            || most.saturating_mul(limits::FILTER_NODES_PER_SUBSCRIPTION) <= self.index.len()
            || most.saturating_mul(limits::NAME_BYTES_PER_SUBSCRIPTION).max(limits::NAME_BYTES_MIN)
                <= self.name_bytes
    }

    /// Ends a subscription: at once, or when it has been sent so many messages since it began. Returns whether there is
    /// one.
    pub fn unsubscribe(&mut self, client: ClientId, sid: &[u8], most: Option<u64>) -> bool {
        if self.client(client).is_none() {
            return false;
        }
        self.settle_run();
        let Some(id) = self.find_subscription(client.place, sid) else { return false };
        let heard = self.heard(id);
        match most {
            Some(most) if heard < most => self.count_down(id, most - heard),
            _ => self.end_subscription(id),
        }
        true
    }

    /// Whether a client has a subscription of this name.
    pub fn has_subscribed(&self, client: ClientId, sid: &[u8]) -> bool {
        self.client(client).is_some() && self.find_subscription(client.place, sid).is_some()
    }

    pub(super) fn unsubscribe_all(&mut self, client: ClientId) {
        while let Some(id) = self.clients[client.place as usize].subscriptions.last() {
            self.end_subscription(*id);
        }
    }

    /// Messages that a subscription was sent.
    pub(super) fn heard(&self, id: SubscriptionId) -> u64 {
        let subscription = &self.subscriptions[id as usize];
        self.groups[subscription.group as usize].messages.wrapping_sub(subscription.before)
    }

    // --- Filters ------------------------------------------------------------------------------------------------

    fn filter_for(&mut self, text: &[u8]) -> FilterId {
        if let Some(filter) = self.index.find(text) {
            return filter;
        }
        let place = number(self.listed.len());
        let (groups, queues) = (Vec::new(), Vec::new());
        let filter = Filter { text: text.into(), place, plain: 0, queued: 0, groups, queues };
        let id = number(self.filters.insert(filter));
        self.listed.push(id);
        self.index.insert(text, id);
        id
    }

    /// Says, here and elsewhere, that this group of plain subscriptions listens, if it did not before.
    fn list_group(&mut self, filter: FilterId, group: GroupId) {
        let entry = &mut self.groups[group as usize];
        if entry.place.is_some() {
            return;
        }
        let listening = &mut self.filters[filter as usize];
        entry.place = Some(number(listening.groups.len()));
        listening.groups.push(group);
        if listening.groups.len() == 1 {
            self.elsewhere.advertise(&listening.text, None, 1);
        }
    }

    /// A group of plain subscriptions has no members any more, and goes. What was at the end takes its place.
    fn unlist_group(&mut self, filter: FilterId, place: u32) {
        let entry = &mut self.filters[filter as usize];
        entry.groups.swap_remove(place as usize);
        if let Some(moved) = entry.groups.get(place as usize) {
            self.groups[*moved as usize].place = Some(place);
        }
        if entry.groups.is_empty() {
            self.elsewhere.advertise(&entry.text, None, 0);
        }
    }

    fn enter_queue(&mut self, filter: FilterId, name: &[u8], id: SubscriptionId) {
        let entry = &mut self.filters[filter as usize];
        entry.queued += 1;
        let queue = self.queues.find(filter, name).unwrap_or_else(|| {
            let queue = self.queues.insert(filter, name, entry.queues.len());
            entry.queues.push(queue);
            queue
        });
        self.subscriptions[id as usize].queue = Some(self.queues.enter(queue, id));
        let members = number(self.queues.at(queue).members.len());
        self.elsewhere.advertise(&entry.text, Some(name), members);
    }

    fn leave_queue(&mut self, membership: Membership) {
        let Membership { queue, place } = membership;
        if let Some(moved) = self.queues.leave(membership) {
            self.subscriptions[moved as usize].queue = Some(Membership { queue, place });
        }
        let Queue { filter, ref name, ref members, place } = *self.queues.at(queue);
        let entry = &mut self.filters[filter as usize];
        entry.queued -= 1;
        self.elsewhere.advertise(&entry.text, Some(name), number(members.len()));
        if !members.is_empty() {
            return;
        }
        self.queues.remove(queue);
        entry.queues.swap_remove(place as usize);
        if let Some(moved) = entry.queues.get(place as usize) {
            self.queues.at_mut(*moved).place = place;
        }
    }

    /// Forgets a filter that nobody listens to any more.
    fn drop_filter(&mut self, filter: FilterId) {
        let entry = &self.filters[filter as usize];
        if entry.groups.is_empty() && entry.queues.is_empty() {
            let gone = self.filters.remove(filter as usize);
            self.index.remove(&gone.text);
            self.listed.swap_remove(gone.place as usize);
            if let Some(moved) = self.listed.get(gone.place as usize) {
                self.filters[*moved as usize].place = gone.place;
            }
        }
    }

    // --- Groups -------------------------------------------------------------------------------------------------

    /// The group for a subscription: one of its own, or the one of all who are sent the same.
    fn group_for(
        &mut self,
        filter: FilterId,
        form: Form,
        sid: &[u8],
        alone: Option<Alone>,
        queue: Option<&[u8]>,
    ) -> GroupId {
        let shares = alone.is_none() && queue.is_none() && form != Form::Told;
        let hash = self.hasher.hash_one((filter, form, sid));
        if shares {
            let is_it = |id: &GroupId| {
                let group = &self.groups[*id as usize];
                group.filter == filter && group.form == form && *group.sid == *sid
            };
            if let Some(group) = self.by_key.find(hash, is_it) {
                return *group;
            }
        }
        let alone = alone.or_else(|| (!shares).then(Alone::default));
        let id = number(self.groups.insert(Group::new(filter, form, sid, alone)));
        if shares {
            let (groups, hasher) = (&self.groups, &self.hasher);
            let rehash = |id: &GroupId| {
                let group = &groups[*id as usize];
                hasher.hash_one((group.filter, group.form, &*group.sid))
            };
            self.by_key.insert_unique(hash, id, rehash);
        }
        id
    }

    /// Takes a member out of its group. A group that is empty now goes, with the turn if it has bytes.
    fn take_member(&mut self, id: SubscriptionId) {
        let Subscription { group, member, client, .. } = self.subscriptions[id as usize];
        self.set_down_if(client, group);
        let entry = &mut self.groups[group as usize];
        entry.members.swap_remove(member as usize);
        if let Some(moved) = entry.members.get(member as usize) {
            self.subscriptions[moved.subscription as usize].member = member;
        }
        if let Some(speech) = &mut entry.speech {
            speech.late.retain(|late| *late != id);
        }
        if !entry.members.is_empty() {
            return;
        }
        let (filter, place) = (entry.filter, entry.place.take());
        if entry.alone.is_none() {
            let hash = self.hasher.hash_one((entry.filter, entry.form, &*entry.sid));
            if let Ok(found) = self.by_key.find_entry(hash, |other| *other == group) {
                found.remove();
            }
        }
        if entry.speech.is_some() {
            entry.is_dead = true;
        } else {
            self.groups.remove(group as usize);
        }
        if let Some(place) = place {
            self.unlist_group(filter, place);
        }
    }

    fn add_member(&mut self, client: u32, id: SubscriptionId, group: GroupId) -> u32 {
        let entry = &mut self.groups[group as usize];
        entry.members.push(Member { client, subscription: id });
        if let Some(speech) = &mut entry.speech {
            speech.late.push(id);
        }
        number(entry.members.len() - 1)
    }

    // --- Subscriptions ------------------------------------------------------------------------------------------

    pub(super) fn find_subscription(&self, client: u32, sid: &[u8]) -> Option<SubscriptionId> {
        let is_it = |id: &SubscriptionId| {
            let subscription = &self.subscriptions[*id as usize];
            subscription.client == client && *self.groups[subscription.group as usize].sid == *sid
        };
        self.by_sid.find(self.hasher.hash_one((client, sid)), is_it).copied()
    }

    fn add_subscription(&mut self, client: u32, wish: &Subscribe<'_>, group: GroupId) -> SubscriptionId {
        let id = number(self.subscriptions.vacant_key());
        let before = self.groups[group as usize].messages;
        let member = self.add_member(client, id, group);
        let subscriptions = &mut self.clients[client as usize].subscriptions;
        subscriptions.push(id);
        let subscription = Subscription {
            client,
            group,
            member,
            place: number(subscriptions.len() - 1),
            queue: None,
            before,
        };
        self.subscriptions.insert(subscription);
        self.name_bytes += wish.filter.len() + wish.sid.len() + wish.queue.map_or(0, <[u8]>::len);
        let (all, groups, hasher) = (&self.subscriptions, &self.groups, &self.hasher);
        let rehash = |id: &SubscriptionId| {
            let subscription = &all[*id as usize];
            hasher.hash_one((subscription.client, &*groups[subscription.group as usize].sid))
        };
        self.by_sid.insert_unique(hasher.hash_one((client, wish.sid)), id, rehash);
        id
    }

    pub(super) fn end_subscription(&mut self, id: SubscriptionId) {
        let group = self.subscriptions[id as usize].group;
        let filter = self.groups[group as usize].filter;
        let client = self.subscriptions[id as usize].client;
        let sid = &*self.groups[group as usize].sid;
        let hash = self.hasher.hash_one((client, sid));
        self.name_bytes -= self.filters[filter as usize].text.len() + sid.len();
        self.take_member(id);
        let gone = self.subscriptions.remove(id as usize);
        if let Ok(found) = self.by_sid.find_entry(hash, |other| *other == id) {
            found.remove();
        }
        let subscriptions = &mut self.clients[gone.client as usize].subscriptions;
        subscriptions.swap_remove(gone.place as usize);
        if let Some(moved) = subscriptions.get(gone.place as usize) {
            self.subscriptions[*moved as usize].place = gone.place;
        }
        self.filters[filter as usize].plain -= u32::from(gone.queue.is_none());
        if let Some(membership) = gone.queue {
            self.name_bytes -= self.queues.at(membership.queue).name.len();
            self.leave_queue(membership);
        }
        self.routes.forget(&self.filters[filter as usize].text);
        self.drop_filter(filter);
    }

    /// From now on a subscription has so many messages left: it needs a group of its own, which counts them.
    fn count_down(&mut self, id: SubscriptionId, left: u64) {
        let group = self.subscriptions[id as usize].group;
        if let Some(alone) = &mut self.groups[group as usize].alone {
            alone.left = Some(left);
            return;
        }
        let (filter, form, sid) = {
            let group = &self.groups[group as usize];
            (group.filter, group.form, group.sid.clone())
        };
        let alone = Some(Alone { left: Some(left), hidden: None });
        let own = self.group_for(filter, form, &sid, alone, None);
        self.move_to(own, id);
    }

    /// Moves a subscription to another group of the same filter and `sid`.
    fn move_to(&mut self, own: GroupId, id: SubscriptionId) {
        let Subscription { client, ref queue, .. } = self.subscriptions[id as usize];
        let Group { filter, messages, .. } = self.groups[own as usize];
        let heard = self.heard(id);
        if queue.is_none() {
            // Before the other one goes, so that nobody is told that nobody listens.
            self.list_group(filter, own);
        }
        self.take_member(id);
        let member = self.add_member(client, id, own);
        let subscription = &mut self.subscriptions[id as usize];
        subscription.group = own;
        subscription.member = member;
        subscription.before = messages.wrapping_sub(heard);
        self.routes.forget(&self.filters[filter as usize].text);
    }
}
