//! Many messages in a row about one subject, for several groups.
//!
//! Each group has bytes of its own: written message by message, every message would touch the memory of all of them. So
//! what follows one another on the same route is noted once, and written group by group when something else comes.

use super::Hub;
use super::form::{Form, write_decimal};
use super::message::Message;
use crate::limits;

/// Messages that all groups of a route are to hear, and have not been given yet.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Its number, by which a client is known that hears it twice.
    number: u64,
    /// The place of the route that the last message took.
    last: Option<usize>,
    /// The place of the route that all messages here take, while there are some, or may be.
    place: Option<usize>,
    /// How many groups there are.
    groups: usize,
    /// Members of all groups.
    members: u32,
    /// `MSG`, and the subject.
    head: Vec<u8>,
    /// What comes behind the `sid`, message by message.
    tails: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Run {
    fn push(&mut self, message: &Message<'_>) {
        self.tails.push(b' ');
        write_decimal(message.payload.len(), &mut self.tails);
        self.tails.extend_from_slice(b"\r\n");
        self.tails.extend_from_slice(message.payload);
        self.tails.extend_from_slice(b"\r\n");
        self.ends.push(self.tails.len());
    }

    /// Writes all of it for subscribers with this `sid`.
    fn write(&self, sid: &[u8], bytes: &mut Vec<u8>) {
        let mut head = [0; HEAD_BYTES_MAX];
        let length = self.head.len() + sid.len();
        head[..self.head.len()].copy_from_slice(&self.head);
        head[self.head.len()..length].copy_from_slice(sid);
        let head = &head[..length];
        bytes.reserve(self.ends.len() * length + self.tails.len());
        let mut start = 0;
        for end in &self.ends {
            bytes.extend_from_slice(head);
            bytes.extend_from_slice(&self.tails[start..*end]);
            start = *end;
        }
    }
}

/// The longest line up to its `sid`, with it, of which a run is made.
const HEAD_BYTES_MAX: usize = 256;

impl Hub {
    /// Adds a message to the run of its route, if it has one or can begin one. Returns how many hear it.
    #[inline]
    pub(super) fn add_to_run(
        &mut self,
        place: usize,
        message: &Message<'_>,
        silent: Option<u32>,
    ) -> Option<u32> {
        let fits = silent.is_none()
            && message.reply.is_empty()
            && message.headers.is_empty()
            && message.payload.len() < limits::SPLICE_BYTES_MIN;
        if self.run.place == Some(place) && fits {
            return Some(self.push_to_run(message));
        }
        self.settle_run();
        let again = self.run.last.replace(place) == Some(place);
        let route = self.routes.at(place);
        // Members of queue groups may be members of these groups, too.
        let suits = 2 <= route.groups().len() && route.queues().is_empty();
        if !again || !fits || !suits || !self.begin_run(place, message.subject) {
            return None;
        }
        Some(self.push_to_run(message))
    }

    #[inline]
    fn push_to_run(&mut self, message: &Message<'_>) -> u32 {
        self.run.push(message);
        self.turn_bytes += self.run.groups * (message.payload.len() + limits::HUB_DELIVERY_BYTES);
        self.run.members
    }

    /// Whether all groups of a route could be written to at once; then they are ready to hear.
    fn begin_run(&mut self, place: usize, subject: &[u8]) -> bool {
        let mut members = 0;
        for group in self.routes.at(place).groups() {
            let group = &self.groups[*group as usize];
            let length = group.sid.len() + subject.len() + HEAD_EXTRA;
            if group.alone.is_some() || !matches!(group.form, Form::Nats { .. }) || HEAD_BYTES_MAX < length {
                return false;
            }
            members += group.members.len();
        }
        if !self.hear_different(place) {
            return false;
        }
        self.run.members = super::index::number(members);
        self.run.groups = self.routes.at(place).groups().len();
        self.run.place = Some(place);
        self.run.head.clear();
        self.run.head.extend_from_slice(b"MSG ");
        self.run.head.extend_from_slice(subject);
        self.run.head.push(b' ');
        true
    }

    /// Lets the members of all groups of a route hear theirs. Returns whether each client is in one of them only: who hears
    /// two has to be given each message twice in turn.
    fn hear_different(&mut self, place: usize) -> bool {
        for index in 0..self.routes.at(place).groups().len() {
            let group = self.routes.at(place).groups()[index];
            match self.groups[group as usize].only_client() {
                None => drop(self.gather_members(group, None)),
                Some(client) if !self.clients[client as usize].hears.is_own() => self.hear_own(client),
                Some(_) => {}
            }
        }
        self.run.number += 1;
        let run = self.run.number;
        self.routes.at(place).groups().iter().all(|group| {
            let group = &self.groups[*group as usize];
            let Some(client) = group.only_client() else { return group.is_ready() };
            let client = &mut self.clients[client as usize];
            client.hears.is_own() && std::mem::replace(&mut client.run, run) != run
        })
    }

    /// Writes what a run holds to its groups. Whoever changes or reads what they hold does this first.
    #[inline]
    pub(super) fn settle_run(&mut self) {
        if self.run.place.is_some() {
            self.write_run();
        }
    }

    fn write_run(&mut self) {
        let Some(place) = self.run.place.take() else { return };
        let count = self.run.ends.len() as u64;
        for group in self.routes.at(place).groups() {
            let group = &mut self.groups[*group as usize];
            group.messages += count;
            let speech = match group.only_client() {
                None => &mut group.speech,
                Some(client) => &mut self.clients[client as usize].own,
            };
            if let Some(speech) = speech {
                self.run.write(&group.sid, &mut speech.bytes);
                speech.messages += count;
            }
        }
        self.run.tails.clear();
        self.run.ends.clear();
    }
}

/// `MSG`, and the spaces around the subject.
const HEAD_EXTRA: usize = 5;

#[cfg(test)]
mod tests {
    use super::super::{ClientOptions, SlowPolicy, Subscribe};
    use super::*;
    use crate::connection::{ConnectionId, Outbox};

    /// More subjects than there are places for routes, each said in a row: a new route took the place of the one that a
    /// run was on, and what the run held went to whoever stood there then, or to nobody.
    #[test]
    fn a_run_is_written_before_its_route_goes() {
        let mut hub = Hub::new(0, 1, 1);
        let form = Form::Nats { headers: true, framed: false };
        let options =
            ClientOptions { form, echo: true, pending_bytes_max: usize::MAX, slow: SlowPolicy::Cut };
        let mut outboxes = [Outbox::default(), Outbox::default()];
        for (place, sid) in [b"1", b"2"].into_iter().enumerate() {
            let client = hub.join(ConnectionId::numbered(u32::try_from(place).unwrap()), options);
            hub.subscribe(client, &Subscribe { filter: b">", sid, ..Subscribe::default() }).unwrap();
        }
        let mut expected = ["1", "2"].map(|_| String::new());
        for number in 0..2000 {
            let subject = format!("s.{number}");
            for payload in ["a", "b", "c", "d"] {
                let message = Message {
                    subject: subject.as_bytes(),
                    payload: payload.as_bytes(),
                    ..Message::default()
                };
                assert_eq!(hub.publish(None, &message).local, 2, "{subject}");
                for (sid, all) in ["1", "2"].into_iter().zip(&mut expected) {
                    *all += &format!("MSG {subject} {sid} 1\r\n{payload}\r\n");
                }
            }
        }
        hub.close_turn();
        while let Some((client, connection)) = hub.next_touched() {
            hub.deliver(client, 0, &mut outboxes[connection.slot() as usize]);
        }
        for (mut outbox, expected) in outboxes.into_iter().zip(expected) {
            let gather = outbox.take_send();
            let bytes: Vec<u8> = gather.parts().iter().flat_map(|part| part.bytes().to_vec()).collect();
            assert!(
                String::from_utf8(bytes).unwrap() == expected,
                "each message goes to all, once and in order"
            );
        }
    }
}
