//! Messages in a row from one client that differ in nothing but their payloads, as those of a busy publisher do: the first
//! finds the way, and the others take it.

use super::form::Form;
use super::group::GroupId;
use super::message::{Message, Published};
use super::speech::Listener;
use super::{ClientId, Hub};
use crate::limits;

/// Where the messages of a streak go: to one group of plain subscriptions, and nowhere else.
#[derive(Clone, Copy, Debug)]
struct Way {
    group: GroupId,
    /// The client of a group of one.
    only: Option<u32>,
}

impl Hub {
    /// Publishes a message and, as long as the turn has room, those that are the same but for their payload. Returns what
    /// became of the first.
    pub fn publish_streak<'a>(
        &mut self,
        from: Option<ClientId>,
        first: &Message<'_>,
        mut next: impl FnMut() -> Option<&'a [u8]>,
    ) -> Published {
        let published = self.publish(from, first);
        if self.is_sated() {
            return published;
        }
        let Some(second) = next() else { return published };
        self.publish(from, &Message { payload: second, ..*first });
        match self.way(from, first) {
            Some(way) => self.follow(way, first, next),
            None => {
                while !self.is_sated()
                    && let Some(payload) = next()
                {
                    self.publish(from, &Message { payload, ..*first });
                }
            }
        }
        published
    }

    /// The way of such messages, if it is that short.
    fn way(&mut self, from: Option<ClientId>, first: &Message<'_>) -> Option<Way> {
        let place = self.routes.find(first.subject)?;
        let route = self.routes.at(place);
        let [group] = *route.groups() else { return None };
        let is_silent = from.is_some_and(|from| self.client(from).is_none_or(|client| !client.options.echo));
        let entry = &self.groups[group as usize];
        let only = entry.only_client();
        let is_open = entry.alone.is_none() && (only.is_some() || entry.is_ready());
        let is_plain = first.reply.is_empty() && first.headers.is_empty() && route.is_plain();
        let is_nats = matches!(entry.form, Form::Nats { .. });
        (is_plain && is_open && is_nats && !is_silent && !self.lossy).then_some(Way { group, only })
    }

    /// Writes messages one behind the other. The last message that was written there is one of them.
    fn follow<'a>(&mut self, way: Way, first: &Message<'_>, mut next: impl FnMut() -> Option<&'a [u8]>) {
        let group = &mut self.groups[way.group as usize];
        let listener = Listener { form: group.form, sid: &group.sid };
        let speech = match way.only {
            Some(client) => &mut self.clients[client as usize].own,
            None => &mut group.speech,
        };
        let Some(speech) = speech else { return };
        let mut count = 0;
        while self.turn_bytes < self.turn_bytes_max
            && let Some(payload) = next()
        {
            speech.say_next(listener, &Message { payload, ..*first });
            self.turn_bytes += payload.len() + limits::HUB_DELIVERY_BYTES;
            count += 1;
        }
        group.messages += count;
        self.last_id += count;
        self.counts.published += count;
        self.heard += count * group.members.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ClientOptions, Form, SlowPolicy, Subscribe};
    use super::*;
    use crate::connection::{ConnectionId, Outbox};

    /// What a subscriber is sent of a streak, and of the same messages said one by one, with so many subscribers under one
    /// name, and as many under others.
    fn told(
        subscribers: usize,
        others: usize,
        lengths: &[usize],
        in_a_streak: bool,
    ) -> (Vec<Vec<u8>>, [u64; 3]) {
        let mut hub = Hub::new(0, 1, 1);
        let form = Form::Nats { headers: true, framed: false };
        let options =
            ClientOptions { form, echo: true, pending_bytes_max: usize::MAX, slow: SlowPolicy::Cut };
        let mut outboxes = Vec::new();
        let mut clients = Vec::new();
        for number in 0..subscribers + others {
            let slot = u32::try_from(number).unwrap();
            let client = hub.join(ConnectionId::numbered(slot), options);
            let sid = if number < subscribers { "1".to_owned() } else { number.to_string() };
            let wish = Subscribe { filter: b"a.*", sid: sid.as_bytes(), ..Subscribe::default() };
            hub.subscribe(client, &wish).unwrap();
            outboxes.push(Outbox::default());
            clients.push(client);
        }
        let payloads: Vec<Vec<u8>> =
            (b'a'..).zip(lengths).map(|(byte, length)| vec![byte; *length]).collect();
        let mut rest = payloads.iter().map(Vec::as_slice);
        let message = |payload| Message { subject: b"a.b", payload, ..Message::default() };
        let before = message(b"before");
        hub.publish(None, &before);
        if in_a_streak {
            let first = message(rest.next().unwrap());
            hub.publish_streak(None, &first, || rest.next());
        } else {
            for payload in rest {
                hub.publish(None, &message(payload));
            }
        }
        hub.close_turn();
        while let Some((client, connection)) = hub.next_touched() {
            hub.deliver(client, 0, &mut outboxes[connection.slot() as usize]);
        }
        let bytes = outboxes.iter_mut().map(|outbox| {
            let gather = outbox.take_send();
            gather.parts().iter().flat_map(|part| part.bytes().to_vec()).collect()
        });
        let heard = clients.iter().map(|client| hub.client_counts(*client).unwrap().messages_out).sum();
        (bytes.collect(), [hub.counts().published, hub.counts().delivered, heard])
    }

    #[test]
    fn a_streak_is_the_same_as_its_messages_one_by_one() {
        let all: Vec<usize> = vec![1, 1, 2, 2, 0, 200, 200, 5000, 5000, 3];
        for (subscribers, others) in [(0, 0), (1, 0), (2, 0), (3, 0), (1, 1), (2, 2), (0, 3)] {
            for count in 1..all.len() {
                let lengths = &all[..count];
                let (one_by_one, counts) = told(subscribers, others, lengths, false);
                assert_eq!(told(subscribers, others, lengths, true), (one_by_one, counts));
                let listeners = (subscribers + others) as u64;
                let said = count as u64 + 1;
                assert_eq!(counts, [said, said * listeners, said * listeners]);
            }
        }
    }
}
