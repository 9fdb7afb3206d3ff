//! Reaching the shards from outside: their mailboxes, and a ring that rings their bells.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use super::plan::ring_failed;
use crate::connection::{Listed, Order};
use crate::error::StartError;
use crate::hub::{HubSizes, ListedFilter};
use crate::metrics::Snapshot;
use crate::ring::{
    Bell, Epoll, Generation, Host, Kernel, Kind, Op, Outcome, RingError, Setup, Token, Uring, Wait,
};
use crate::shard::mailbox::{Contact, Delivered, Message, Undelivered};
use crate::sys::clock;
use crate::tier::Engine;

/// How long the kernel may take to ring a bell; it does so at once.
const BELL_TIMEOUT: Duration = Duration::from_millis(100);
/// How often a bell is rung until it is heard: the kernel may lack memory for a moment.
const BELL_TRIES: usize = 3;
/// How long a shard may take to answer a question.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two tries at a mailbox that is full: a shard reads all of it in a turn.
const FULL_PAUSE: Duration = Duration::from_millis(1);

/// One thread's way to the shards.
pub(super) struct Switchboard {
    contacts: Vec<Contact>,
    ring: Box<dyn Kernel>,
}

impl Switchboard {
    /// For the calling thread, which must be the only one to use it; with a ring like those of the shards.
    pub(super) fn new(shards: Setup, contacts: Vec<Contact>) -> Result<Self, StartError> {
        let setup = bell_ringer(shards);
        let ring = match setup.capabilities.engine {
            Engine::Uring => ringing::<Uring>(&setup),
            Engine::Epoll => ringing::<Epoll>(&setup),
        };
        Ok(Self { contacts, ring: ring.map_err(ring_failed)? })
    }

    /// The shards' addresses and bells.
    pub(super) fn contacts(&self) -> &[Contact] {
        &self.contacts
    }

    /// One more shard to reach.
    pub(super) fn add(&mut self, contact: Contact) {
        self.contacts.push(contact);
    }

    /// Puts a message into the mailbox of each of the first `shards` shards.
    pub(super) fn tell(&mut self, shards: usize, message: impl Fn() -> Message) {
        for index in 0..shards {
            self.tell_one(index, message());
        }
    }

    /// Which of the first `shards` shards does not answer within a second, if one does not.
    pub(super) fn first_silent(&mut self, shards: usize) -> Option<usize> {
        let reports = self.report(shards);
        (0..shards).find(|shard| !reports.iter().any(|(number, _)| number == shard))
    }

    /// The counters of each of the first `shards` shards, with its number. A shard that does not answer within a second is left
    /// out.
    pub(super) fn report(&mut self, shards: usize) -> Vec<(usize, Snapshot)> {
        let (sender, receiver) = sync_channel(shards);
        self.tell(shards, || Message::Report(sender.clone()));
        drop(sender);
        let mut reports = await_answers(&receiver);
        reports.sort_by_key(|(number, _)| *number);
        reports
    }

    /// How many connections the first `shards` shards have, and the first `count` of them all in this order.
    pub(super) fn list(&mut self, shards: usize, order: Order, count: usize) -> (usize, Vec<Listed>) {
        let (sender, receiver) = sync_channel(shards);
        self.tell(shards, || Message::List(order, count, sender.clone()));
        drop(sender);
        let answers = await_answers(&receiver);
        let total = answers.iter().map(|(total, _)| total).sum();
        let all = answers.into_iter().flat_map(|(_, listed)| listed).collect();
        (total, order.first(all, count))
    }

    /// How large the hubs of the first `shards` shards are together, and so many of their filters from this place on, those
    /// with most subscriptions first. The list is that of one shard behind that of another; what several on this page listen
    /// to is one.
    pub(super) fn filters(
        &mut self,
        shards: usize,
        offset: usize,
        limit: usize,
    ) -> (HubSizes, Vec<ListedFilter>) {
        let (sender, receiver) = sync_channel(shards);
        self.tell(shards, || Message::Sizes(sender.clone()));
        drop(sender);
        let mut answers = await_answers(&receiver);
        answers.sort_by_key(|(shard, _)| *shard);
        let mut sizes = HubSizes::default();
        answers.iter().for_each(|(_, size)| sizes.add(size));
        let lists: Vec<(usize, usize)> = answers.iter().map(|(shard, size)| (*shard, size.filters)).collect();
        let (sender, receiver) = sync_channel(shards);
        for (shard, places) in shares(&lists, offset, limit) {
            self.tell_one(shard, Message::Filters(places, sender.clone()));
        }
        drop(sender);
        (sizes, joined(await_answers(&receiver).into_iter().flatten()))
    }

    /// Puts a message into a shard's mailbox, and rings if it sleeps.
    pub(super) fn tell_one(&mut self, index: usize, message: Message) {
        if self.offer(index, message).is_err() {
            tracing::error!("shard {index} does not read its mailbox");
        }
    }

    /// The same, for what must not be lost: a mailbox that others have filled is tried again for a second.
    pub(super) fn tell_patiently(&mut self, index: usize, mut message: Message) {
        let deadline = clock::now().saturating_add(REPORT_TIMEOUT);
        while clock::now() < deadline {
            match self.offer(index, message) {
                Ok(()) => return,
                Err(back) => message = back,
            }
            std::thread::sleep(FULL_PAUSE);
        }
        self.tell_one(index, message);
    }

    /// Puts a message into a shard's mailbox, and rings if it sleeps; gives it back if the mailbox is full.
    fn offer(&mut self, index: usize, message: Message) -> Result<(), Message> {
        let Contact { address, bell } = &self.contacts[index];
        match address.post(message) {
            Ok(Delivered::Awake) | Err(Undelivered::Gone(_)) => {}
            Ok(Delivered::Asleep) => {
                let bell = bell.clone();
                // One that has ended meanwhile needs no waking.
                if !(0..BELL_TRIES).any(|_| self.ring_at(&bell)) && !self.contacts[index].address.is_gone() {
                    tracing::error!("shard {index} cannot be woken");
                }
            }
            Err(Undelivered::Full(message)) => return Err(message),
        }
        Ok(())
    }

    /// Rings a bell, and returns whether it was heard.
    fn ring_at(&mut self, bell: &Bell) -> bool {
        let token = Token::new(Kind::DoorbellSent, 0, Generation::default());
        let mut answers = VecDeque::new();
        let pushed = self.ring.push(Op::Ring { token, bell: bell.clone() }).is_ok();
        let deadline = clock::now().saturating_add(BELL_TIMEOUT);
        let entered = pushed && self.ring.submit_and_wait(Wait::Until(Some(deadline))).is_ok();
        self.ring.collect(&mut answers, BELL_TRIES);
        entered && answers.iter().any(|answer| matches!(answer.outcome, Outcome::DoorbellSent(Ok(()))))
    }
}

/// Which places of which of these lists are on a page, when they stand one behind the other.
fn shares(lists: &[(usize, usize)], offset: usize, limit: usize) -> Vec<(usize, Range<usize>)> {
    let (mut before, mut left) = (offset, limit);
    let share = |(shard, length): &(usize, usize)| {
        let start = before.min(*length);
        let end = start + left.min(length - start);
        before -= start;
        left -= end - start;
        (*shard, start..end)
    };
    lists.iter().map(share).filter(|(_, places)| !places.is_empty()).collect()
}

/// What several shards listen to becomes one.
fn joined(all: impl Iterator<Item = ListedFilter>) -> Vec<ListedFilter> {
    let mut by_filter: HashMap<Box<[u8]>, ListedFilter> = HashMap::new();
    for filter in all {
        match by_filter.entry(filter.filter.clone()) {
            Entry::Occupied(mut known) => known.get_mut().add(&filter),
            Entry::Vacant(place) => drop(place.insert(filter)),
        }
    }
    let mut joined: Vec<ListedFilter> = by_filter.into_values().collect();
    joined.sort_by(ListedFilter::most_first);
    joined
}

/// What the shards answer until all have, or the time is over.
fn await_answers<T>(receiver: &Receiver<T>) -> Vec<T> {
    let deadline = clock::now().saturating_add(REPORT_TIMEOUT);
    let next = || receiver.recv_timeout(deadline.saturating_since(clock::now())).ok();
    std::iter::from_fn(next).collect()
}

/// A ring that only rings bells.
fn bell_ringer(shards: Setup) -> Setup {
    Setup {
        submissions: 8,
        completions: 16,
        files: 1,
        stream_buffers: (1, 64),
        datagram_buffers: None,
        ..shards
    }
}

fn ringing<K: Host + 'static>(setup: &Setup) -> Result<Box<dyn Kernel>, RingError> {
    let mut ring = K::make(setup)?;
    ring.seal()?;
    Ok(Box::new(ring))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(offset: usize, limit: usize, expected: &[(usize, Range<usize>)]) {
        assert_eq!(shares(&[(0, 5), (2, 0), (3, 10)], offset, limit), expected);
    }

    #[test]
    fn a_page_goes_on_from_one_shard_to_the_next() {
        check(0, 3, &[(0, 0..3)]);
        check(3, 2, &[(0, 3..5)]);
        check(3, 4, &[(0, 3..5), (3, 0..2)]);
        check(5, 100, &[(3, 0..10)]);
        check(14, 1, &[(3, 9..10)]);
        check(15, 1, &[]);
        check(usize::MAX, usize::MAX, &[]);
        check(0, usize::MAX, &[(0, 0..5), (3, 0..10)]);
    }
}
