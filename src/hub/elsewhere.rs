//! The other shards: what they listen to, what they are told, and what they know of us.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Hub;
use super::message::Message;
use super::parcel::{Advert, Parcel};
use super::summary::{Shards, Summary};
use crate::connection::ConnectionId;
use crate::limits;
use crate::sys::clock::Time;

/// The other shards, as one sees them.
#[derive(Debug)]
pub(super) struct Elsewhere {
    shard: u16,
    shards: u16,
    pub(super) summary: Summary,
    /// What this turn has for them.
    parcel: Parcel,
    /// Parcels that were sent, the oldest first: memory that comes back when all have read it.
    sent: VecDeque<Arc<Parcel>>,
    /// Empty ones, held by nobody else.
    spare: Vec<Arc<Parcel>>,
    /// The number of the last change in what this shard listens to.
    last_advert: u64,
    /// Up to which number each shard knows them.
    known: Vec<u64>,
    /// Connections that wait until the others know.
    waiting: Vec<(ConnectionId, u64)>,
}

impl Elsewhere {
    pub(super) fn new(shard: u16, shards: u16) -> Self {
        Self {
            shard,
            shards,
            summary: Summary::new(),
            parcel: Parcel { from: shard, ..Parcel::default() },
            sent: VecDeque::new(),
            spare: Vec::new(),
            last_advert: 0,
            known: vec![0; usize::from(shards)],
            waiting: Vec::new(),
        }
    }

    fn is_alone(&self) -> bool {
        self.shards <= 1
    }

    /// Says to the others how many listen here.
    pub(super) fn advertise(&mut self, filter: &[u8], queue: Option<&[u8]>, members: u32) {
        if self.is_alone() {
            return;
        }
        if self.parcel.adverts.is_empty() {
            self.last_advert += 1;
        }
        let queue = queue.map(Into::into);
        self.parcel.adverts.push(Advert { filter: filter.into(), queue, members });
    }

    /// The number of the last change, sent or about to be.
    pub(super) fn last_advert(&self) -> u64 {
        self.last_advert
    }

    /// Whether all others know of all changes up to this number.
    fn is_known(&self, number: u64) -> bool {
        let others = (0..).zip(&self.known).filter(|(shard, _)| *shard != self.shard);
        others.map(|(_, known)| *known).all(|known| number <= known)
    }

    pub(super) fn has_news(&self) -> bool {
        !self.parcel.is_empty()
    }

    pub(super) fn filters(&self) -> usize {
        self.summary.len()
    }

    /// Calls a member of a queue group for the message that is [sent](Self::send) next.
    pub(super) fn call(&mut self, shard: u16, name: &[u8], tried: Shards) {
        self.parcel.call(shard, name, tried);
    }

    /// Puts a message into the parcel: for these shards, and for those that were called.
    pub(super) fn send(&mut self, message: &Message<'_>, plain: Shards, silent: Option<super::ClientId>) {
        let own = self.shard();
        self.parcel.push(message, plain, silent.map(|client| (own, client)));
    }

    /// Puts a message from another shard into the parcel, for those that were called.
    pub(super) fn pass_on(&mut self, message: &Message<'_>, silent: Option<(u16, super::ClientId)>) {
        self.parcel.push(message, 0, silent);
    }
}

impl Hub {
    /// Whether the other shards know of all that this client listens to, so that whatever is published from now on is
    /// heard. If not, a connection can be held until they do.
    pub fn is_known_elsewhere(&self, client: super::ClientId) -> bool {
        self.client(client).is_none_or(|client| self.elsewhere.is_known(client.asked))
    }

    /// Asks to be called when [the others know](Self::is_known_elsewhere).
    pub(crate) fn wait_until_known(&mut self, connection: ConnectionId) {
        let number = self.elsewhere.last_advert;
        self.elsewhere.waiting.push((connection, number));
    }

    /// A connection that has waited long enough.
    pub(crate) fn take_known(&mut self) -> Option<ConnectionId> {
        let elsewhere = &mut self.elsewhere;
        let place =
            (0..elsewhere.waiting.len()).find(|place| elsewhere.is_known(elsewhere.waiting[*place].1))?;
        Some(elsewhere.waiting.swap_remove(place).0)
    }

    /// Whether the other shards are so far behind that publishers should pause.
    pub fn is_congested(&self) -> bool {
        let elsewhere = &self.elsewhere;
        limits::PARCELS_MAX <= elsewhere.sent.len() && {
            // The oldest may be home already.
            elsewhere.sent.iter().filter(|parcel| 1 < Arc::strong_count(parcel)).count()
                >= limits::PARCELS_MAX
        }
    }

    /// A shard that has ended knows all it will ever know.
    pub(crate) fn forget_shard(&mut self, shard: u16) {
        if let Some(known) = self.elsewhere.known.get_mut(usize::from(shard)) {
            *known = u64::MAX;
        }
    }

    /// What this turn has for other shards.
    pub(crate) fn take_parcel(&mut self) -> Option<Arc<Parcel>> {
        let (now, elsewhere) = (self.now, &mut self.elsewhere);
        if elsewhere.parcel.is_empty() {
            return None;
        }
        elsewhere.parcel.sent = now;
        elsewhere.parcel.number = elsewhere.last_advert;
        let mut sent = elsewhere.empty_parcel();
        let empty = Arc::get_mut(&mut sent).expect("nobody else holds it");
        std::mem::swap(empty, &mut elsewhere.parcel);
        elsewhere.sent.push_back(Arc::clone(&sent));
        Some(sent)
    }

    /// The shards that a parcel of this one is for.
    pub(crate) fn readers<'a>(&self, parcel: &'a Parcel) -> impl Iterator<Item = u16> + use<'a> {
        (0..self.elsewhere.shards).filter(|shard| parcel.is_for(*shard))
    }

    /// Hears what another shard has said: what it listens to at once, and messages as far as this turn has room for what
    /// they make. The rest is [read](Self::read_on) in the next one, before any other parcel.
    pub(crate) fn receive(&mut self, parcel: Arc<Parcel>) {
        debug_assert!(self.reading.is_none(), "parcels are read in their order");
        self.settle_run();
        for advert in &parcel.adverts {
            let summary = &mut self.elsewhere.summary;
            summary.set(parcel.from, &advert.filter, advert.queue.as_deref(), advert.members);
            self.routes.forget(&advert.filter);
        }
        if !parcel.adverts.is_empty() {
            self.elsewhere.parcel.known.push((parcel.from, parcel.number));
        }
        let own = self.elsewhere.shard;
        for (shard, number) in &parcel.known {
            if *shard == own {
                let known = &mut self.elsewhere.known[usize::from(parcel.from)];
                *known = (*known).max(*number);
            }
        }
        self.reading = Some((parcel, 0));
        self.read_on();
    }

    /// Goes on with the parcel that is being read. Returns whether there is room for another one in this turn.
    pub(crate) fn read_on(&mut self) -> bool {
        let Some((parcel, mut next)) = self.reading.take() else { return self.has_room_for_parcels() };
        let before = self.heard;
        self.came = parcel.sent;
        while next < parcel.entries.len() && self.has_room_for_parcels() {
            self.receive_entry(&parcel, next);
            next += 1;
        }
        self.came = self.now;
        let heard = self.heard - before;
        self.deliveries.add(parcel.sent, heard);
        self.noted += heard;
        if next < parcel.entries.len() {
            self.reading = Some((parcel, next));
        }
        self.has_room_for_parcels()
    }

    /// Whether a parcel is being read that the last turn had no room for.
    pub(crate) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Half of what a turn may have is for what other shards publish, so that neither they nor those of this shard keep the
    /// others from speaking.
    fn has_room_for_parcels(&self) -> bool {
        self.turn_bytes < self.turn_bytes_max / 2
    }

    /// Parcels that others still read.
    #[cfg(test)]
    pub(crate) fn parcels_out(&self) -> usize {
        self.elsewhere.sent.iter().filter(|parcel| 1 < Arc::strong_count(parcel)).count()
    }

    /// A turn begins: what comes in from now on came in then.
    pub(crate) fn turn_began(&mut self, now: Time) {
        self.now = now;
        self.came = now;
        self.turn_bytes = 0;
    }
}

impl Elsewhere {
    /// An empty parcel, in memory that has come home if some has.
    fn empty_parcel(&mut self) -> Arc<Parcel> {
        while let Some(mut parcel) = self.sent.pop_front() {
            let Some(read) = Arc::get_mut(&mut parcel) else {
                self.sent.push_front(parcel);
                break;
            };
            read.clear();
            if self.spare.len() < limits::PARCELS_MAX {
                self.spare.push(parcel);
            }
        }
        self.spare.pop().unwrap_or_else(|| Arc::new(Parcel { from: self.shard, ..Parcel::default() }))
    }

    pub(super) fn shard(&self) -> u16 {
        self.shard
    }
}
