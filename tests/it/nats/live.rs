//! Random interest and messages over several connections of a real server, each delivery as the model says.
//!
//! A world is made of rounds. In a round connections come, go, subscribe and unsubscribe; when the server has taken that
//! in, several of them publish at the same time, and everything that arrives is held against the model. The seed is
//! printed; `TIDEMILL_SEED=n` runs it alone, `TIDEMILL_SEEDS=n` runs so many.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::model::{Connection, Model, Sid};
use super::peer::{Hub, Settings};
use super::raw::{Raw, Said};
use super::seeds::{self, Dice};
use crate::support::{eventually, soon};

const CONNECTIONS: usize = 6;
const ROUNDS: usize = 8;
/// The number by which every connection subscribes to its inbox.
const INBOX: Sid = 1000;
/// Stands for the message that says so.
const NO_RESPONDERS: u32 = u32::MAX;
/// Unless the environment says otherwise.
const SEEDS: u64 = 40;

/// One run.
struct World<'a> {
    address: SocketAddr,
    dice: &'a mut Dice,
    /// The first token of all subjects, so that worlds on one server do not hear one another.
    name: String,
    connections: Vec<Raw>,
    model: Model,
    next_message: u32,
}

/// What was published and where, by its number.
type Sent = BTreeMap<u32, (Connection, String)>;
/// The numbers of the messages that a subscription got, in order.
type Got = BTreeMap<(Connection, Sid), Vec<u32>>;

impl World<'_> {
    fn run(mut self) {
        for _ in 0..ROUNDS {
            for _ in 0..self.dice.below(12) {
                self.change();
            }
            self.settle();
            if self.dice.one_in(2) { self.speak_in_turn() } else { self.speak_at_once() }
        }
    }

    // --- Interest ------------------------------------------------------------------------------------------------

    fn connect(&mut self, number: Connection) -> Raw {
        let echo = !self.dice.one_in(4);
        self.model.connect(number, echo);
        let mut raw = Raw::open(self.address);
        raw.send(format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"echo\":{echo},\"headers\":true,\"no_responders\":true}}\r\n"
        ));
        raw.send(format!("SUB x{}.inbox.{number} {INBOX}\r\n", self.name));
        raw
    }

    /// A connection leaves, whatever it had subscribed to, and another takes its place. Nobody is told when a server has
    /// noticed; so everybody else asks for a subject that only the one that leaves serves, until there are no
    /// responders: a message to a group that it was in might otherwise still be lost.
    fn replace(&mut self, number: Connection) {
        let alive = seeds::unique('l');
        let old = &mut self.connections[number];
        old.send(format!("SUB {alive} 1001\r\nPING\r\n"));
        let said = old.until("PONG\r\n");
        assert!(said.is_empty() && !old.is_over, "nobody has published: {said:?}");
        let new = self.connect(number);
        std::mem::replace(&mut self.connections[number], new).finish();
        for (asking, connection) in self.connections.iter_mut().enumerate() {
            let inbox = format!("x{}.inbox.{asking}", self.name);
            eventually("it has gone for all", || {
                connection.send(format!("PUB {alive} {inbox} 0\r\n\r\nPING\r\n"));
                let said = connection.until("PONG\r\n");
                assert!(!connection.is_over && said.iter().all(is_refusal), "{said:?}");
                !said.is_empty()
            });
        }
    }

    /// One change of interest.
    fn change(&mut self) {
        let connection = self.dice.below(CONNECTIONS);
        let sid = u32::try_from(self.dice.below(8)).expect("it is small");
        match self.dice.below(10) {
            0 => self.replace(connection),
            1..=2 => self.unsubscribe(connection, None),
            3..=4 => {
                let most = u32::try_from(1 + self.dice.below(12)).expect("it is small");
                self.unsubscribe(connection, Some(most));
            }
            5..=6 => {
                let queue = *self.dice.pick(&["red", "blue"]);
                self.subscribe(connection, sid, Some(queue));
            }
            _ => self.subscribe(connection, sid, None),
        }
    }

    fn subscribe(&mut self, connection: Connection, sid: Sid, queue: Option<&str>) {
        let filter = self.filter();
        self.model.subscribe(connection, sid, &filter, queue);
        let queue = queue.map(|queue| format!("{queue} ")).unwrap_or_default();
        self.connections[connection].send(format!("SUB {filter} {queue}{sid}\r\n"));
    }

    fn unsubscribe(&mut self, connection: Connection, most: Option<u32>) {
        let sids = self.model.sids(connection);
        let Some(&sid) = sids.get(self.dice.below(sids.len().max(1))) else { return };
        // Which member of a group has had how many is chance, so a bound would make the model guess.
        let most = most.filter(|_| self.model.queue(connection, sid).is_none());
        self.model.unsubscribe(connection, sid, most);
        let most = most.map(|most| format!(" {most}")).unwrap_or_default();
        self.connections[connection].send(format!("UNSUB {sid}{most}\r\n"));
    }

    fn filter(&mut self) -> String {
        let tail =
            self.dice.pick(&["a", "b", "a.a", "a.b", "*", "*.a", "a.*", "*.*", ">", "a.>", "*.>", "a.b.c"]);
        format!("{}.{tail}", self.name)
    }

    fn subject(&mut self) -> String {
        let tail = self.dice.pick(&["a", "b", "c", "a.a", "a.b", "b.a", "b.b", "a.b.c", "a.a.a.a"]);
        format!("{}.{tail}", self.name)
    }

    /// Waits until the server has done all that was said on any connection.
    fn settle(&mut self) {
        for connection in &mut self.connections {
            connection.send("PING\r\n");
        }
        for connection in &mut self.connections {
            let said = connection.until("PONG\r\n");
            assert!(said.is_empty() && !connection.is_over, "nobody has published: {said:?}");
        }
    }

    // --- Messages ------------------------------------------------------------------------------------------------

    fn publish(&mut self, publisher: Connection, reply: &str, sent: &mut Sent) -> u32 {
        let (number, subject) = (self.next_message, self.subject());
        self.next_message += 1;
        let payload = number.to_string();
        let bytes = format!("PUB {subject} {reply}{}\r\n{payload}\r\n", payload.len());
        self.connections[publisher].send_cut(bytes.as_bytes(), self.dice);
        sent.insert(number, (publisher, subject));
        number
    }

    /// One message after the other, some of them requests.
    fn speak_in_turn(&mut self) {
        for _ in 0..8 {
            let publisher = self.dice.below(CONNECTIONS);
            let is_request = self.dice.one_in(2);
            let reply = if is_request { format!("x{}.inbox.{publisher} ", self.name) } else { String::new() };
            let mut sent = Sent::new();
            let number = self.publish(publisher, &reply, &mut sent);
            let audience = self.model.audience(publisher, &sent[&number].1);
            if is_request && audience.deliveries() == 0 {
                let got = self.hear(publisher, 1);
                assert_eq!(got, Got::from([((publisher, INBOX), vec![NO_RESPONDERS])]));
                continue;
            }
            let got = self.hear(publisher, audience.deliveries());
            let mut one_of = audience.one_of.clone();
            for (&subscription, numbers) in &got {
                assert_eq!(numbers, &[number], "{subscription:?} of {audience:?}");
                if !audience.each.contains(&subscription) {
                    let group = one_of.iter().find(|(_, members)| members.contains(&subscription));
                    let name = group.map(|(name, _)| name.clone());
                    one_of
                        .remove(&name.unwrap_or_else(|| panic!("{subscription:?} is none of {audience:?}")));
                }
                self.model.deliver(subscription.0, subscription.1);
            }
            let missing: Vec<_> = audience.each.iter().filter(|each| !got.contains_key(each)).collect();
            assert!(missing.is_empty() && one_of.is_empty(), "{missing:?} {one_of:?} of {audience:?}");
        }
    }

    /// Several publishers at the same time: each subscription hears each of them in order.
    fn speak_at_once(&mut self) {
        let mut sent = Sent::new();
        for _ in 0..60 {
            let publisher = self.dice.below(CONNECTIONS);
            self.publish(publisher, "", &mut sent);
        }
        let mut whole: Got = BTreeMap::new();
        let mut shared: BTreeMap<(u32, String), Vec<(Connection, Sid)>> = BTreeMap::new();
        for (&number, (publisher, subject)) in &sent {
            let audience = self.model.audience(*publisher, subject);
            audience.each.into_iter().for_each(|each| whole.entry(each).or_default().push(number));
            for (queue, members) in audience.one_of {
                shared.insert((number, queue), members.into_iter().collect());
            }
        }
        let bounded = |(&(connection, sid), numbers): (&(Connection, Sid), &Vec<u32>)| {
            numbers.len().min(self.model.left(connection, sid).map_or(usize::MAX, |left| left as usize))
        };
        let count = whole.iter().map(bounded).sum::<usize>() + shared.len();
        let got = self.hear(0, count);
        for (subscription, numbers) in &got {
            let is_shared = self.model.queue(subscription.0, subscription.1).is_some();
            let expected = if is_shared {
                let is_mine = |((_, _), members): &(&(u32, String), &Vec<_>)| members.contains(subscription);
                shared.iter().filter(is_mine).map(|((number, _), _)| *number).collect()
            } else {
                whole.get(subscription).cloned().unwrap_or_default()
            };
            check_order(&sent, *subscription, &expected, numbers, is_shared);
        }
        self.check_shares(&got, shared);
        for (&subscription, expected) in &whole {
            let (got, left) =
                (got.get(&subscription).map_or(0, Vec::len), self.model.left(subscription.0, subscription.1));
            let expected = expected.len().min(left.map_or(usize::MAX, |left| left as usize));
            assert_eq!(got, expected, "{subscription:?} gets as many as it should");
        }
        for (subscription, numbers) in got {
            numbers.iter().for_each(|_| self.model.deliver(subscription.0, subscription.1));
        }
    }

    /// Each message came to each group once.
    fn check_shares(&self, got: &Got, mut shared: BTreeMap<(u32, String), Vec<(Connection, Sid)>>) {
        for (subscription, numbers) in got {
            let Some(queue) = self.model.queue(subscription.0, subscription.1) else { continue };
            for number in numbers {
                let is_new = shared.remove(&(*number, queue.to_owned())).is_some();
                assert!(is_new, "{number} came to {queue} twice, the second time to {subscription:?}");
            }
        }
        assert!(shared.is_empty(), "these never came: {shared:?}");
    }

    /// So many deliveries, and proof that no more come: after them everybody still answers, and says nothing else.
    fn hear(&mut self, publisher: Connection, count: usize) -> Got {
        let mut got = Got::new();
        let mut heard = 0;
        // The publisher's own answer first: behind it, everything has been matched. It takes two rounds until whatever
        // was still on its way between shards has come, too; what is missing then is waited for.
        let order = std::iter::once(publisher).chain(0..CONNECTIONS).chain(0..CONNECTIONS);
        for connection in order.collect::<Vec<_>>() {
            self.connections[connection].send("PING\r\n");
            for said in self.connections[connection].until("PONG\r\n") {
                heard += self.take(connection, &said, &mut got);
            }
            assert!(!self.connections[connection].is_over, "{connection} was ended");
        }
        self.hear_late(count, &mut heard, &mut got);
        assert_eq!(heard, count, "so many were to come: {got:?}");
        got
    }

    /// What was not there when everybody had answered.
    fn hear_late(&mut self, count: usize, heard: &mut usize, got: &mut Got) {
        let have_come = soon(|| {
            for connection in 0..CONNECTIONS {
                if count <= *heard {
                    return true;
                }
                self.connections[connection].send("PING\r\n");
                for said in self.connections[connection].until("PONG\r\n") {
                    *heard += self.take(connection, &said, got);
                }
            }
            count <= *heard
        });
        assert!(have_come, "{count} were to come, and {heard} came: {got:?}");
    }

    fn take(&self, connection: Connection, said: &Said, got: &mut Got) -> usize {
        let Said::Delivery(delivery) = said else { panic!("{connection} hears {said:?}") };
        if is_refusal(said) {
            got.entry((connection, INBOX)).or_default().push(NO_RESPONDERS);
            return 1;
        }
        assert!(delivery.subject.starts_with(&self.name), "it is of another world: {said:?}");
        let number = std::str::from_utf8(&delivery.payload).ok().and_then(|payload| payload.parse().ok());
        let sid = delivery.sid.parse().unwrap_or_else(|_| panic!("an unknown subscription: {said:?}"));
        got.entry((connection, sid)).or_default().push(number.unwrap_or_else(|| panic!("{said:?}")));
        1
    }
}

/// Whether this says that nobody serves a request.
fn is_refusal(said: &Said) -> bool {
    matches!(said, Said::Delivery(delivery) if delivery.headers.starts_with(b"NATS/1.0 503\r\n"))
}

/// Of each publisher a subscription gets what it should, in order, from the first on; a member of a group, any part.
fn check_order(sent: &Sent, subscription: (Connection, Sid), expected: &[u32], got: &[u32], is_shared: bool) {
    for publisher in 0..CONNECTIONS {
        let of = |numbers: &[u32]| -> Vec<u32> {
            numbers
                .iter()
                .copied()
                .filter(|number| sent.get(number).is_some_and(|(from, _)| *from == publisher))
                .collect()
        };
        let (expected, got) = (of(expected), of(got));
        let is_right = if is_shared {
            got.is_sorted() && got.iter().all(|number| expected.contains(number))
        } else {
            expected.starts_with(&got)
        };
        assert!(is_right, "{subscription:?} gets {got:?} from {publisher}, where {expected:?} were sent");
    }
    assert!(
        got.iter().all(|number| sent.contains_key(number)),
        "{subscription:?} gets what nobody sent: {got:?}"
    );
}

/// Every delivery is one that the model has, and every one that it has is made, in the order of its publisher.
#[test]
fn seeds_of_subjects_are_delivered_as_the_model_says() {
    let Some(hub) = Hub::start(&Settings { shards: 2, ..Settings::default() }) else { return };
    seeds::each(SEEDS, |dice| {
        let name = seeds::unique('w');
        let mut world = World {
            address: hub.address(),
            dice,
            name,
            connections: Vec::new(),
            model: Model::default(),
            next_message: 0,
        };
        for number in 0..CONNECTIONS {
            let connection = world.connect(number);
            world.connections.push(connection);
        }
        world.run();
    });
}
