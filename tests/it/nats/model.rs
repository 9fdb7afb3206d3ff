//! What a space of subjects does, written as naively as possible: every subscription is looked at for every message.
//!
//! It is the oracle of the live random test. It knows connections, subscriptions and messages, and nothing of bytes,
//! shards or indexes.

use std::collections::{BTreeMap, BTreeSet};

/// A connection, by its number in the test.
pub(super) type Connection = usize;
pub(super) type Sid = u32;

/// All interest there is.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    subscriptions: BTreeMap<(Connection, Sid), Subscription>,
    /// Those who do not hear themselves.
    without_echo: BTreeSet<Connection>,
}

#[derive(Clone, Debug)]
struct Subscription {
    filter: String,
    queue: Option<String>,
    delivered: u32,
    most: Option<u32>,
}

/// Who must get a message: all of `each`, and one of every group. Nobody else may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Audience {
    pub(super) each: BTreeSet<(Connection, Sid)>,
    pub(super) one_of: BTreeMap<String, BTreeSet<(Connection, Sid)>>,
}

impl Audience {
    /// How many deliveries that is.
    pub(super) fn deliveries(&self) -> usize {
        self.each.len() + self.one_of.len()
    }
}

impl Model {
    pub(super) fn connect(&mut self, connection: Connection, echo: bool) {
        self.disconnect(connection);
        if !echo {
            self.without_echo.insert(connection);
        }
    }

    pub(super) fn disconnect(&mut self, connection: Connection) {
        self.subscriptions.retain(|(owner, _), _| *owner != connection);
        self.without_echo.remove(&connection);
    }

    /// The first of those with the same number stays.
    pub(super) fn subscribe(&mut self, connection: Connection, sid: Sid, filter: &str, queue: Option<&str>) {
        let (filter, queue) = (filter.to_owned(), queue.map(str::to_owned));
        let new = Subscription { filter, queue, delivered: 0, most: None };
        self.subscriptions.entry((connection, sid)).or_insert(new);
    }

    /// At once, or when so many have been delivered since it was made; a later word replaces an earlier one.
    pub(super) fn unsubscribe(&mut self, connection: Connection, sid: Sid, most: Option<u32>) {
        let Some(subscription) = self.subscriptions.get_mut(&(connection, sid)) else { return };
        match most {
            Some(most) if subscription.delivered < most => subscription.most = Some(most),
            _ => drop(self.subscriptions.remove(&(connection, sid))),
        }
    }

    /// Who must get what this connection publishes there.
    pub(super) fn audience(&self, publisher: Connection, subject: &str) -> Audience {
        let mut audience = Audience::default();
        for (&(owner, sid), subscription) in &self.subscriptions {
            let is_deaf = owner == publisher && self.without_echo.contains(&owner);
            if is_deaf || !matches(&subscription.filter, subject) {
                continue;
            }
            // A group is known by its name, whatever its members' filters are.
            let members = match &subscription.queue {
                None => &mut audience.each,
                Some(queue) => audience.one_of.entry(queue.clone()).or_default(),
            };
            members.insert((owner, sid));
        }
        audience
    }

    /// A subscription got a message, which may have been its last one.
    pub(super) fn deliver(&mut self, connection: Connection, sid: Sid) {
        let Some(subscription) = self.subscriptions.get_mut(&(connection, sid)) else { return };
        subscription.delivered += 1;
        if subscription.most == Some(subscription.delivered) {
            self.subscriptions.remove(&(connection, sid));
        }
    }

    /// How many messages a subscription still takes, if that has a bound.
    pub(super) fn left(&self, connection: Connection, sid: Sid) -> Option<u32> {
        let subscription = self.subscriptions.get(&(connection, sid))?;
        subscription.most.map(|most| most - subscription.delivered)
    }

    /// The numbers that a connection uses.
    pub(super) fn sids(&self, connection: Connection) -> Vec<Sid> {
        self.subscriptions.keys().filter(|(owner, _)| *owner == connection).map(|(_, sid)| *sid).collect()
    }

    /// The group that a subscription is in.
    pub(super) fn queue(&self, connection: Connection, sid: Sid) -> Option<&str> {
        self.subscriptions.get(&(connection, sid))?.queue.as_deref()
    }
}

/// Whether a filter is for a subject: `*` is one token, `>` at the end is one or more.
fn matches(filter: &str, subject: &str) -> bool {
    let (filter, subject): (Vec<&str>, Vec<&str>) =
        (filter.split('.').collect(), subject.split('.').collect());
    let is_open = filter.last() == Some(&">");
    let fixed = if is_open { filter.len() - 1 } else { filter.len() };
    let has_length = if is_open { fixed < subject.len() } else { fixed == subject.len() };
    has_length && (0..fixed).all(|at| filter[at] == "*" || filter[at] == subject[at])
}

/// The examples of the documentation, <https://docs.nats.io/nats-concepts/subjects>.
#[test]
fn the_model_matches_as_the_documentation_says() {
    let cases = [
        ("time.*.east", "time.us.east", true),
        ("time.*.east", "time.eu.east", true),
        ("time.*.east", "time.east", false),
        ("time.us.*", "time.us.east", true),
        ("time.us.*", "time.us.east.atlanta", false),
        ("time.us.>", "time.us.east", true),
        ("time.us.>", "time.us.east.atlanta", true),
        ("time.us.>", "time.us", false),
        ("*.*.east.>", "time.us.east.atlanta", true),
        ("*.*.east.>", "time.us.east", false),
        (">", "time", true),
        ("*", "time.us", false),
    ];
    for (filter, subject, is_match) in cases {
        assert_eq!(matches(filter, subject), is_match, "{filter} {subject}");
    }
}
