//! What connections say to one another: one space of subjects for all protocols, and for all shards.
//!
//! Each shard has one hub, for the connections that it owns. A service lets its connections [join](Hub::join),
//! [subscribe](Hub::subscribe) and [publish](Hub::publish); the shard does the rest at the end of the turn: it moves
//! what was said into the outboxes, and hands what others listen to to the other shards.
//!
//! ```text
//! publish ─▶ route (by subject) ─▶ groups: written once each ─▶ members: some of the same bytes ─▶ outbox
//!                     └──────────▶ parcel: written once, shared by the other shards ─▶ their routes
//! ```
//!
//! Subscriptions with the same filter, form and `sid` are one group: a message is encoded once for all of them,
//! and each member is sent a range of the group's bytes, by reference. A client hears one group at a time; when it is to
//! hear another in between, what it has heard is set down as a piece, and it moves over. So the order of
//! all that one publisher says to one client is kept, and a client that hears only one group costs one range per turn,
//! however many messages that is.
//!
//! # Memory
//!
//! What a stuck subscriber makes a shard keep is bounded, and each part of it has its own bound:
//!
//! ```text
//!   hub.shared_bytes_per_shard          bytes that sends have borrowed: one copy, however many subscribers wait for it
//! + 1 MiB for each subscriber           beyond that, whoever has no more waiting is not cut
//! + limits.outbox_per_shard             bytes copied for single connections, and room for the parts of their sends
//! + 1 MiB for each subscriber under a policy that drops, and its last 64 KiB in the outbox
//! + 20 MiB                              empty buffers that are kept: 16 of what is shared, 4 of what is copied
//! + what one turn adds                  bounds are looked at where something is added, once in a turn
//! ```
//!
//! A subscriber is cut by itself when more than `hub.pending_bytes_max` waits for it. The second line stands for what it
//! waits for; a range of some buffer keeps all of that buffer, which is what one group was sent in one turn. Parcels that
//! other shards still read stand beside this: at most [`limits::PARCELS_MAX`] before publishers pause.
//!
//! Who listens to what costs some 200 bytes for each of `hub.subscriptions_per_shard`, and some 100 for each token of
//! filters, of which there are at most four for each subscription; names have 128 bytes for each, and stand in memory up to
//! three times, those of queue groups once more on each other shard; another shard keeps 48 bytes for each filter, or its
//! tokens where there are too many shapes. Routes that are remembered name at most a million groups and members.
//!
//! It must know nothing of rings and sockets, and not who may do what: services ask [access](crate::access) first.

mod backlog;
mod buffers;
mod client;
mod deliver;
mod deliveries;
mod elsewhere;
mod fanout;
mod form;
mod group;
mod hearing;
mod index;
mod interest;
mod listing;
mod message;
mod parcel;
mod queues;
mod route;
mod routes;
mod run;
mod speech;
mod streak;
mod summary;
#[cfg(test)]
mod tests;
mod web;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use slab::Slab;

use self::backlog::Mark;
pub use self::backlog::{Losses, SlowPolicy};
use self::buffers::Buffers;
use self::client::Client;
pub use self::client::{ClientCounts, ClientId, ClientOptions};
pub(crate) use self::deliver::Written;
use self::deliveries::Deliveries;
use self::elsewhere::Elsewhere;
pub use self::form::{EventStyle, Form};
pub use self::group::Hidden;
use self::group::{Group, GroupId};
use self::index::{FilterId, Index};
use self::interest::{Filter, Subscription};
pub use self::interest::{NotSubscribed, Subscribe};
pub use self::listing::{ListedFilter, ListedSubscription};
pub use self::message::{Kind, Message, Published, Told};
pub use self::parcel::Parcel;
use self::queues::Queues;
use self::route::Found;
use self::routes::Routes;
use self::run::Run;
use self::speech::Speech;
use crate::connection::ConnectionId;
use crate::limits;
use crate::sys::clock::Time;

/// The space of subjects, as one shard sees it.
#[derive(Debug)]
pub struct Hub {
    clients: Slab<Client>,
    /// How often a place among the clients was given away.
    generation: u32,
    filters: Slab<Filter>,
    /// All of them, without gaps, so that a page of them costs what is on it.
    listed: Vec<FilterId>,
    queues: Queues,
    index: Index,
    subscriptions: Slab<Subscription>,
    /// Subscriptions by their client and `sid`.
    by_sid: HashTable<u32>,
    groups: Slab<Group>,
    /// Groups that can take more members, by filter, form and `sid`.
    by_key: HashTable<GroupId>,
    hasher: DefaultHashBuilder,
    routes: Routes,
    /// What was found for the last new route: its memory.
    found: Found,
    elsewhere: Elsewhere,
    buffers: Buffers,
    run: Run,
    /// Bytes of the names of all subscriptions: of filters, queue groups and `sid`s.
    name_bytes: usize,
    /// Subscriptions that there may be.
    subscriptions_max: usize,
    /// Bytes that sends may have borrowed before those for whom much waits are cut.
    lent_bytes_max: usize,
    /// What is done with slow consumers of some subjects.
    rules: Vec<(Box<[u8]>, SlowPolicy)>,
    /// Whether any message may be left out; else nobody needs to know where one ends.
    lossy: bool,
    /// What the message that is fanned out is to a backlog, while any may be left out.
    mark: Option<Mark>,
    /// Clients for which something is held back, by the place of their connection.
    behind: HashMap<ConnectionId, u32>,
    /// Bytes that this turn has for subscribers, about: of each group, not of each member.
    turn_bytes: usize,
    turn_bytes_max: usize,
    /// Connections that wait until a turn has room.
    held: VecDeque<ConnectionId>,
    /// The parcel that is being read, and the number of its next message.
    reading: Option<(Arc<Parcel>, usize)>,
    /// Memory for what groups and clients hear in a turn.
    #[allow(
        clippy::vec_box,
        reason = "groups hold them boxed: an idle one is small, and what is kept is handed on"
    )]
    speeches: Vec<Box<Speech>>,
    /// When this turn began.
    now: Time,
    /// When what is fanned out came in: now, or in the turn of another shard.
    came: Time,
    /// Groups that have bytes of this turn.
    open: Vec<GroupId>,
    /// Clients that are to be sent something.
    touched: Vec<u32>,
    /// What services are to be told.
    told: VecDeque<(ConnectionId, Arc<Told>)>,
    /// The number of the last message.
    last_id: u64,
    random: u64,
    counts: HubCounts,
    /// Messages that connections of this shard have heard, one for each who hears it. Not all of them are delivered.
    heard: u64,
    /// Those of them of which it is noted when they came in.
    noted: u64,
    /// What this turn delivers.
    deliveries: Deliveries,
}

/// What a hub has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubCounts {
    /// Messages that connections of this shard have published.
    pub published: u64,
    /// Messages that connections of this shard were sent: those that went towards their sockets, and to services.
    pub delivered: u64,
    /// Messages that went to another shard, or several.
    pub crossed: u64,
    /// Messages for a queue group of another shard whose last member had left when they came.
    pub orphaned: u64,
    /// Messages to a service that found no room.
    pub told_lost: u64,
    /// Clients that were cut because more waited for them than may for one.
    pub slow_pending: u64,
    /// Clients that were cut because much waited for them while more was lent than may be for all.
    pub slow_shared: u64,
    /// Messages that were left out for clients that did not keep up.
    pub dropped: Losses,
}

impl Hub {
    /// The hub of one of so many shards. `seed` decides which member of a queue group is chosen.
    pub fn new(shard: u16, shards: u16, seed: u64) -> Self {
        Self {
            clients: Slab::new(),
            generation: 0,
            filters: Slab::new(),
            listed: Vec::new(),
            queues: Queues::new(),
            index: Index::new(),
            subscriptions: Slab::new(),
            by_sid: HashTable::new(),
            groups: Slab::new(),
            by_key: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            routes: Routes::new(),
            found: Found::default(),
            elsewhere: Elsewhere::new(shard, shards),
            buffers: Buffers::default(),
            run: Run::default(),
            name_bytes: 0,
            subscriptions_max: limits::SUBSCRIPTIONS_PER_SHARD as usize,
            lent_bytes_max: usize::try_from(limits::HUB_LENT_BYTES).unwrap_or(usize::MAX),
            rules: Vec::new(),
            lossy: false,
            mark: None,
            behind: HashMap::new(),
            turn_bytes: 0,
            turn_bytes_max: limits::HUB_TURN_BYTES,
            held: VecDeque::new(),
            reading: None,
            speeches: Vec::new(),
            now: Time::ZERO,
            came: Time::ZERO,
            open: Vec::new(),
            touched: Vec::new(),
            told: VecDeque::new(),
            last_id: 0,
            random: seed | 1,
            counts: HubCounts::default(),
            heard: 0,
            noted: 0,
            deliveries: Deliveries::default(),
        }
    }

    /// Says what is done with slow consumers of some subjects: the first filter that matches decides, and where none does
    /// the client's own policy.
    pub fn set_rules(&mut self, rules: Vec<(Box<[u8]>, SlowPolicy)>) {
        self.allow_losses(rules.iter().any(|(_, policy)| *policy != SlowPolicy::Cut));
        self.rules = rules;
    }

    /// From now on it is noted where messages end, if some may be left out. A run does not note it, so it ends here.
    fn allow_losses(&mut self, some: bool) {
        if some && !self.lossy {
            self.settle_run();
            self.lossy = true;
        }
    }

    /// Says how many subscriptions there may be; one more is refused.
    pub fn set_subscriptions_max(&mut self, most: u32) {
        self.subscriptions_max = most as usize;
    }

    /// Says how many bytes sends may have borrowed; while it is more, a client for which much waits is slow.
    pub fn set_lent_bytes_max(&mut self, bytes: u64) {
        self.lent_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
    }

    // --- Clients ------------------------------------------------------------------------------------------------

    /// A connection of this shard comes in. It must [leave](Self::leave) before it is gone.
    pub fn join(&mut self, connection: ConnectionId, options: ClientOptions) -> ClientId {
        // Generation 0 is that of clients who have left.
        self.generation = self.generation.wrapping_add(1).max(1);
        self.allow_losses(options.slow != SlowPolicy::Cut);
        let place = self.clients.insert(Client::new(self.generation, connection, options));
        ClientId { place: index::number(place), generation: self.generation }
    }

    /// A connection goes: it listens to nothing any more. What it was to be sent in this turn is lost.
    pub fn leave(&mut self, client: ClientId) {
        if self.client(client).is_none() {
            return;
        }
        self.settle_run();
        self.unsubscribe_all(client);
        // Its place stays until the turn is over, when nothing names it any more.
        self.clients[client.place as usize].generation = 0;
        self.touch(client.place);
    }

    /// Changes what a client wants. What it has subscribed to already keeps its form, unless it is [reformed](Self::reform).
    pub fn set_options(&mut self, client: ClientId, options: ClientOptions) {
        if let Some(client) = self.client_mut(client) {
            client.options = options;
            self.allow_losses(options.slow != SlowPolicy::Cut);
        }
    }

    /// What a client has, and had; `None` when it has left.
    pub fn client_counts(&self, client: ClientId) -> Option<ClientCounts> {
        self.client(client).map(|client| ClientCounts {
            subscriptions: client.subscriptions.len(),
            messages_out: client.messages_out,
            dropped: client.dropped,
            held_bytes: client.backlog.as_ref().map_or(0, |backlog| backlog.bytes()),
        })
    }

    fn client(&self, client: ClientId) -> Option<&Client> {
        self.clients.get(client.place as usize).filter(|found| found.generation == client.generation)
    }

    /// The name of a client that is there.
    fn client_at(&self, place: u32) -> ClientId {
        ClientId { place, generation: self.clients[place as usize].generation }
    }

    fn client_mut(&mut self, client: ClientId) -> Option<&mut Client> {
        self.clients.get_mut(client.place as usize).filter(|found| found.generation == client.generation)
    }

    // --- Messages -----------------------------------------------------------------------------------------------

    /// Sends a message to all who listen to its subject: every plain subscription, and one of each queue group. `from` is
    /// the client who says it, if one does.
    #[inline]
    pub fn publish(&mut self, from: Option<ClientId>, message: &Message<'_>) -> Published {
        self.counts.published += 1;
        self.last_id += 1;
        let silent = from.filter(|from| self.client(*from).is_some_and(|client| !client.options.echo));
        let place = self.route(message.subject);
        self.fan_out(place, message, silent.map(|client| client.place))
    }

    /// Sends a message to one client alone, if it listens to the subject. Returns whether it does.
    pub fn tell(&mut self, client: ClientId, message: &Message<'_>) -> bool {
        self.last_id += 1;
        self.settle_run();
        let place = self.route(message.subject);
        self.fan_out_to(place, message, client)
    }

    /// Takes the next message for a service itself.
    pub(crate) fn take_told(&mut self) -> Option<(ConnectionId, Arc<Told>)> {
        self.told.pop_front()
    }

    /// How many messages wait for services.
    pub(crate) fn told_waiting(&self) -> usize {
        self.told.len()
    }

    /// Whether there is something to deliver that the end of this turn did not.
    pub(crate) fn has_work(&self) -> bool {
        !self.touched.is_empty() || !self.told.is_empty() || self.elsewhere.has_news()
    }

    /// Whether this turn has as much for subscribers as a turn may have. Who publishes waits for the next one then
    /// ([`Context::hold_for_turn`](crate::service::Context::hold_for_turn)): else a few bytes that thousands listen to
    /// would take all memory at once, and keep everybody else waiting.
    #[inline]
    pub fn is_sated(&self) -> bool {
        self.turn_bytes_max <= self.turn_bytes
    }

    /// Sets another bound than [`limits::HUB_TURN_BYTES`].
    #[cfg(test)]
    pub(crate) fn set_turn_bytes_max(&mut self, bytes: usize) {
        self.turn_bytes_max = bytes;
    }

    /// Asks to be called when a turn has room again.
    pub(crate) fn wait_for_turn(&mut self, connection: ConnectionId) {
        self.held.push_back(connection);
    }

    /// How many connections wait for a turn with room.
    pub(crate) fn waiting_for_turn(&self) -> usize {
        self.held.len()
    }

    /// The connection that has waited longest, if there is room for what it says.
    pub(crate) fn take_held(&mut self) -> Option<ConnectionId> {
        if self.is_sated() { None } else { self.held.pop_front() }
    }

    /// What was counted.
    pub fn counts(&self) -> HubCounts {
        self.counts
    }

    /// Subscriptions, filters among them that differ, groups, clients, and filters of other shards.
    pub fn sizes(&self) -> HubSizes {
        HubSizes {
            clients: self.clients.len(),
            subscriptions: self.subscriptions.len(),
            filters: self.filters.len(),
            groups: self.groups.len(),
            filters_elsewhere: self.elsewhere.filters(),
            route_hits: self.routes.hits,
            route_misses: self.routes.misses,
            lent_bytes: self.buffers.lent_bytes(),
            held_bytes: self.held_bytes(),
        }
    }

    /// Bytes that are held back for clients that do not keep up.
    fn held_bytes(&self) -> usize {
        let backlogs =
            self.behind.values().filter_map(|client| self.clients[*client as usize].backlog.as_ref());
        backlogs.map(|backlog| backlog.bytes()).sum()
    }

    fn next_random(&mut self) -> u64 {
        // Xorshift (Marsaglia 2003, triple 13, 7, 17): a fair choice needs no more.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// Hands a message to the service of a client. Returns whether there is room for it.
    fn tell_service(&mut self, client: u32, sid: &[u8], message: &Message<'_>) -> bool {
        self.turn_bytes += message.size() + limits::HUB_TOLD_BYTES;
        if limits::TOLD_WAITING_MAX <= self.told.len() {
            self.counts.told_lost += 1;
            return false;
        }
        let client = &mut self.clients[client as usize];
        client.messages_out += 1;
        self.counts.delivered += 1;
        self.told.push_back((client.connection, Arc::new(Told::new(sid, message))));
        true
    }
}

/// How large a hub is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubSizes {
    /// Clients.
    pub clients: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Different filters.
    pub filters: usize,
    /// Groups of subscriptions that share bytes.
    pub groups: usize,
    /// Different filters of other shards.
    pub filters_elsewhere: usize,
    /// Messages whose route was known.
    pub route_hits: u64,
    /// Messages whose subject was matched anew.
    pub route_misses: u64,
    /// Bytes that sends have borrowed.
    pub lent_bytes: usize,
    /// Bytes that are held back for clients that do not keep up.
    pub held_bytes: usize,
}

impl HubSizes {
    /// Takes in those of another shard.
    pub fn add(&mut self, other: &Self) {
        self.clients += other.clients;
        self.subscriptions += other.subscriptions;
        self.filters += other.filters;
        self.groups += other.groups;
        self.filters_elsewhere += other.filters_elsewhere;
        self.route_hits += other.route_hits;
        self.route_misses += other.route_misses;
        self.lent_bytes += other.lent_bytes;
        self.held_bytes += other.held_bytes;
    }
}
