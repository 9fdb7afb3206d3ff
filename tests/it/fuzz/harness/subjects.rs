//! Who hears what: the subjects and filters of NATS clients on several shards, each delivery compared with the documented
//! rules, tried one by one.
//!
//! The first byte says how many shards there are. Then each line is an operation: `+` and a digit for the shard, a filter,
//! perhaps a space and a queue group; `-` and the number of a subscription that ends; `!`, a digit and a subject to publish
//! to. Whatever changes is known everywhere before the next message.

use std::collections::BTreeMap;

use tidemill::protocol::nats::subject;

use super::town::{Door, Guest, Leave, Setup, Town};
use super::wire;

/// Lines that are read.
const LINES_MAX: usize = 700;
/// Bytes of a subject, so that a control line holds it.
const SUBJECT_BYTES_MAX: usize = 1000;
/// Tokens of a filter, as documented.
const FILTER_TOKENS_MAX: usize = 64;

pub(super) fn run(data: &[u8]) {
    let Some((first, lines)) = data.split_first() else { return };
    let mut world = World::new(1 + usize::from(first % 3), *first);
    for line in lines.split(|byte| *byte == b'\n').take(LINES_MAX) {
        match line {
            [b'+', shard, words @ ..] => world.subscribe(*shard, words),
            [b'-', number @ ..] => world.unsubscribe(number),
            [b'!', shard, subject @ ..] => world.publish(*shard, subject),
            _ => {}
        }
    }
    world.check();
    world.close();
}

/// The documented rules (NATS, "Subject-based messaging"), token by token. A subject's own tokens are taken as they stand;
/// one with an empty token is for nobody.
pub(super) fn matches(filter: &[u8], subject: &[u8]) -> bool {
    let split = |text: &'_ [u8]| text.split(|byte| *byte == b'.').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (filter, subject) = (split(filter), split(subject));
    if subject.iter().any(Vec::is_empty) {
        return false;
    }
    let open = filter.last().is_some_and(|token| token == b">");
    let fixed = filter.len() - usize::from(open);
    let fits = if open { fixed < subject.len() } else { fixed == subject.len() };
    fits && filter[..fixed].iter().zip(&subject).all(|(wanted, token)| wanted == b"*" || wanted == token)
}

/// Whether somebody can subscribe to it.
fn is_valid(filter: &[u8]) -> bool {
    let tokens: Vec<&[u8]> = filter.split(|byte| *byte == b'.').collect();
    let ends = tokens.iter().position(|token| *token == b">").is_none_or(|place| place + 1 == tokens.len());
    ends && tokens.len() <= FILTER_TOKENS_MAX && tokens.iter().all(|token| !token.is_empty())
}

/// Whether a word stands on a control line as it is.
fn is_word(word: &[u8]) -> bool {
    !word.is_empty() && word.len() <= SUBJECT_BYTES_MAX && word.iter().all(|byte| b' ' < *byte)
}

struct Subscription {
    shard: usize,
    filter: Vec<u8>,
    queue: Option<Vec<u8>>,
}

struct World {
    town: Town,
    /// One on each shard who listens, and one who publishes.
    listeners: Vec<Guest>,
    publishers: Vec<Guest>,
    /// By their `sid`; unset when they have ended.
    subscriptions: Vec<Option<Subscription>>,
    /// Whether something was changed that not everybody knows yet.
    is_new: bool,
    /// What was published since the last look, by its number: where.
    said: BTreeMap<usize, Vec<u8>>,
    count: usize,
}

impl World {
    fn new(shards: usize, seed: u8) -> Self {
        let setup = Setup { shards, seed: seed.into(), wild: seed & 4 != 0, pending_bytes: usize::MAX };
        let mut town = Town::new(&setup);
        let mut guests = || {
            let enter = |shard| town.enter(shard, Door::Nats, b"CONNECT {\"verbose\":false}\r\n");
            (0..shards).map(enter).collect::<Vec<_>>()
        };
        let (listeners, publishers) = (guests(), guests());
        let (subscriptions, said) = (Vec::new(), BTreeMap::new());
        Self { town, listeners, publishers, subscriptions, is_new: false, said, count: 0 }
    }

    fn shard(&self, digit: u8) -> usize {
        usize::from(digit) % self.listeners.len()
    }

    fn subscribe(&mut self, digit: u8, words: &[u8]) {
        self.check();
        let mut words = words.splitn(2, |byte| *byte == b' ');
        let (filter, queue) = (words.next().unwrap_or_default(), words.next());
        if !is_word(filter) || queue.is_some_and(|queue| !is_word(queue)) {
            return;
        }
        let (shard, sid) = (self.shard(digit), self.subscriptions.len().to_string());
        let line = [&b"SUB "[..], filter, b" ", queue.unwrap_or_default(), b" ", sid.as_bytes(), b"\r\n"];
        self.town.say(self.listeners[shard], &line.concat());
        let subscription = || Subscription { shard, filter: filter.into(), queue: queue.map(Into::into) };
        self.subscriptions.push(is_valid(filter).then(subscription));
        self.is_new = true;
    }

    fn unsubscribe(&mut self, number: &[u8]) {
        self.check();
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse::<usize>().ok());
        let Some(number) = number.filter(|number| *number < self.subscriptions.len()) else { return };
        let Some(gone) = self.subscriptions[number].take() else { return };
        self.town.say(self.listeners[gone.shard], format!("UNSUB {number}\r\n").as_bytes());
        self.is_new = true;
    }

    fn publish(&mut self, digit: u8, subject: &[u8]) {
        if !is_word(subject) {
            return;
        }
        if std::mem::take(&mut self.is_new) {
            self.town.settle();
        }
        let payload = self.count.to_string();
        let line = format!(" {}\r\n{payload}\r\n", payload.len());
        let publisher = self.publishers[self.shard(digit)];
        self.town.say(publisher, &[b"PUB ", subject, line.as_bytes()].concat());
        self.said.insert(self.count, subject.into());
        self.count += 1;
    }

    /// Each message was heard once by each who listens, and by one of each queue group.
    fn check(&mut self) {
        if self.said.is_empty() {
            return;
        }
        self.town.settle();
        let mut heard: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (shard, listener) in self.listeners.iter().enumerate() {
            for said in wire::take_said(self.town.heard(*listener)) {
                let number = |text: &[u8]| std::str::from_utf8(text).unwrap().parse::<usize>().unwrap();
                let (sid, message) = (number(&said.sid), number(&said.content));
                assert_eq!(self.said.get(&message), Some(&said.subject), "it comes with its subject");
                let wish = self.subscriptions[sid].as_ref().expect("it has not ended");
                assert_eq!(wish.shard, shard, "it comes to who has asked for it");
                heard.entry(message).or_default().push(sid);
            }
        }
        for (message, subject) in std::mem::take(&mut self.said) {
            self.judge(&subject, heard.remove(&message).unwrap_or_default());
        }
        assert!(heard.is_empty(), "this was never said: {heard:?}");
    }

    fn judge(&self, subject: &[u8], heard: Vec<usize>) {
        let wishes = self.subscriptions.iter().enumerate();
        let wishes = wishes.filter_map(|(sid, wish)| Some((sid, wish.as_ref()?)));
        let fitting: Vec<(usize, &Subscription)> =
            wishes.filter(|(_, wish)| matches(&wish.filter, subject)).collect();
        for wish in self.subscriptions.iter().flatten() {
            let judged = subject::matches(&wish.filter, subject);
            assert_eq!(judged, matches(&wish.filter, subject), "{:?} {subject:?}", wish.filter);
        }
        let queue = |sid: &usize| self.subscriptions[*sid].as_ref().and_then(|wish| wish.queue.as_ref());
        let (mut queued, mut plain): (Vec<usize>, Vec<usize>) =
            heard.into_iter().partition(|sid| queue(sid).is_some());
        plain.sort_unstable();
        let expected = fitting.iter().filter(|(_, wish)| wish.queue.is_none()).map(|(sid, _)| *sid);
        let text = String::from_utf8_lossy(subject);
        assert_eq!(plain, expected.collect::<Vec<_>>(), "who listens hears {text:?}");
        for sid in &queued {
            assert!(fitting.iter().any(|(other, _)| other == sid), "{text:?} is not for {sid}");
        }
        queued.sort_by_key(queue);
        let mut groups: Vec<_> = fitting.iter().filter_map(|(_, wish)| wish.queue.as_ref()).collect();
        groups.sort_unstable();
        groups.dedup();
        let queued: Vec<_> = queued.iter().filter_map(queue).collect();
        assert_eq!(queued, groups, "one of each queue group hears {text:?}");
    }

    fn close(mut self) {
        for guest in self.listeners.into_iter().chain(self.publishers) {
            assert!(!self.town.is_gone(guest), "nobody has done anything wrong");
            self.town.leave(guest, Leave::End);
        }
        self.town.settle();
        assert_eq!(self.town.sizes(), Default::default(), "nothing is left of anybody");
        self.town.stop();
    }
}
