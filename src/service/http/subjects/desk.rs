//! A WebSocket connection that gives commands: what it has asked for, and what it is answered.

use super::command::{self, Command, Id, Payload, Wrong};
use super::errand::Opening;
use super::letterbox::{Letterbox, Names};
use super::permission::{HUB_IS_FULL, NO_SUBSCRIBE, too_many};
use crate::hub::{Form, Message, NotSubscribed, Published, Subscribe, Told};
use crate::limits;
use crate::metrics::Refused;
use crate::protocol::websocket::{CloseCode, Kind};
use crate::service::http::Talk;
use crate::sys::clock::Time;

/// One who gives commands.
#[derive(Debug)]
pub struct Desk {
    echo: bool,
    /// Where answers to its requests arrive, once there was one.
    letterbox: Option<Letterbox>,
    /// Requests that wait for their answer.
    waiting: Vec<Waiting>,
    /// Subscriptions that are in place as soon as all shards know of them.
    unsaid: Vec<Id>,
    /// Bytes of answers to its requests that came while it did not read.
    unread_bytes: usize,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Waiting {
    number: u64,
    id: Id,
    deadline: Time,
}

/// What a command comes to.
enum Done {
    /// It is done.
    Yes(Option<Published>),
    /// It is done when all shards know.
    WhenKnown,
    /// Its answer comes later.
    Later,
}

impl Desk {
    /// Opens one; what its path names it listens to from the start.
    pub(super) fn open(opening: &Opening, talk: &mut Talk<'_, '_>) -> Self {
        talk.join(Form::Json, opening.echo);
        let mut desk = Self {
            echo: opening.echo,
            letterbox: None,
            waiting: Vec::new(),
            unsaid: Vec::new(),
            unread_bytes: 0,
        };
        let filter = opening.filter.as_deref().and_then(|filter| std::str::from_utf8(filter).ok());
        if let Some(filter) = filter
            && let Err(error) = desk.subscribe(filter, filter, None, talk)
        {
            talk.close(CloseCode::POLICY, error);
        }
        desk
    }

    /// A command came in.
    pub(super) fn message(&mut self, kind: Kind, payload: &[u8], names: &mut Names, talk: &mut Talk<'_, '_>) {
        let text = if kind == Kind::Text { std::str::from_utf8(payload).ok() } else { None };
        let Some(text) = text else {
            return talk.close(CloseCode::UNSUPPORTED, "Commands are JSON in text messages.");
        };
        let (id, command) = command::read(text);
        let done = match command {
            Ok(command) => self.act(command, id.as_ref(), names, talk),
            Err(wrong) => {
                talk.refuse(Refused::Malformed);
                Err(wrong)
            }
        };
        match (done, id) {
            (Ok(Done::Yes(published)), Some(id)) => answer(&command::write_ok(&id, published), talk),
            (Ok(Done::WhenKnown), Some(id)) => self.unsaid.push(id),
            (Ok(_), _) => {}
            (Err(error), id) => answer(&command::write_error(id.as_ref(), &error), talk),
        }
    }

    fn act(
        &mut self,
        command: Command<'_>,
        id: Option<&Id>,
        names: &mut Names,
        talk: &mut Talk<'_, '_>,
    ) -> Result<Done, Wrong> {
        match command {
            Command::Subscribe { filter, sid, queue } => {
                self.subscribe(&filter, sid.as_deref().unwrap_or(&filter), queue.as_deref(), talk)
            }
            Command::Unsubscribe { sid } => {
                let client = talk.join(Form::Json, self.echo);
                let was = talk.hub().unsubscribe(client, sid.as_bytes(), None);
                if was { Ok(Done::Yes(None)) } else { Err("There is no subscription with this sid.".into()) }
            }
            Command::Publish { subject, reply, payload } => {
                let reply = reply.as_deref().unwrap_or_default();
                self.publish(&subject, reply, &payload, talk).map(|published| Done::Yes(Some(published)))
            }
            Command::Request { subject, payload, timeout_ms } => {
                let id = id.ok_or("A request needs an id, by which you know its answer.")?;
                let time = timeout_ms.map_or(limits::REQUEST_TIMEOUT, std::time::Duration::from_millis);
                let deadline = talk.now().saturating_add(time);
                self.request(&subject, &payload, id, deadline, names, talk)
            }
        }
    }

    fn subscribe(
        &mut self,
        filter: &str,
        sid: &str,
        queue: Option<&str>,
        talk: &mut Talk<'_, '_>,
    ) -> Result<Done, Wrong> {
        let queue = queue.map(str::as_bytes);
        let Some(hidden) = talk.wishes.who.may_converse(filter.as_bytes(), queue) else {
            talk.refuse(Refused::Permission);
            return Err(NO_SUBSCRIBE.into());
        };
        let client = talk.join(Form::Json, self.echo);
        let has = talk.hub().client_counts(client).map_or(0, |counts| counts.subscriptions);
        // The one to its letterbox is ours.
        let has = has - usize::from(self.letterbox.is_some()).min(has);
        let most = talk.wishes.who.subscriptions_max(talk.wishes.settings);
        if most <= has {
            talk.refuse(Refused::Subscriptions);
            return Err(too_many(most).into());
        }
        let wish = Subscribe { filter: filter.as_bytes(), queue, sid: sid.as_bytes(), hidden };
        match talk.hub().subscribe(client, &wish) {
            Ok(()) => {}
            Err(NotSubscribed::Full) => {
                talk.refuse(Refused::Subscriptions);
                return Err(HUB_IS_FULL.into());
            }
            Err(NotSubscribed::Duplicate | NotSubscribed::NoClient) => {
                return Err("There is a subscription with this sid already.".into());
            }
        }
        talk.wait_until_known();
        Ok(Done::WhenKnown)
    }

    fn publish(
        &mut self,
        subject: &str,
        reply: &str,
        payload: &Payload<'_>,
        talk: &mut Talk<'_, '_>,
    ) -> Result<Published, Wrong> {
        if let Err(unsaid) = talk.may_say(subject.as_bytes(), payload.bytes().len()) {
            talk.refuse(unsaid.refused());
            return Err(unsaid.sentence());
        }
        Ok(talk.publish(&Message {
            subject: subject.as_bytes(),
            reply: reply.as_bytes(),
            payload: payload.bytes(),
            kind: payload.kind(),
            ..Message::default()
        }))
    }

    fn request(
        &mut self,
        subject: &str,
        payload: &Payload<'_>,
        id: &Id,
        deadline: Time,
        names: &mut Names,
        talk: &mut Talk<'_, '_>,
    ) -> Result<Done, Wrong> {
        if limits::SEAT_REQUESTS_MAX <= self.waiting.len() {
            let most = limits::SEAT_REQUESTS_MAX;
            return Err(format!("One connection has {most} requests without an answer at most.").into());
        }
        let (number, reply) = self.letterbox(names, talk)?.next();
        if !self.publish(subject, &reply, payload, talk)?.is_heard() {
            talk.context.counters.requests_unheard += 1;
            return Err("Nobody listens to this subject.".into());
        }
        self.waiting.push(Waiting { number, id: id.clone(), deadline });
        self.wait_for_next(talk);
        Ok(Done::Later)
    }

    fn letterbox(&mut self, names: &mut Names, talk: &mut Talk<'_, '_>) -> Result<&mut Letterbox, Wrong> {
        if self.letterbox.is_none() {
            // What it subscribes to meanwhile it is told of, and not its peer.
            let client = talk.join(Form::Told, self.echo);
            self.letterbox = Letterbox::open(talk.hub(), client, names).ok();
            talk.join(Form::Json, self.echo);
        }
        self.letterbox.as_mut().ok_or(HUB_IS_FULL.into())
    }

    /// Has it called when the first of its requests has waited long enough.
    fn wait_for_next(&self, talk: &mut Talk<'_, '_>) {
        talk.wake_at(self.waiting.iter().map(|waiting| waiting.deadline).min());
    }

    /// Somebody has answered.
    pub(super) fn told(&mut self, told: &Told, talk: &mut Talk<'_, '_>) {
        let number = self.letterbox.as_ref().and_then(|letterbox| letterbox.number(&told.subject));
        // A second answer, or one that comes too late, is for nobody.
        let Some(place) = self.waiting.iter().position(|waiting| Some(waiting.number) == number) else {
            return;
        };
        let waiting = self.waiting.swap_remove(place);
        let reply = command::write_reply(&waiting.id, told);
        self.unread_bytes = if talk.context.room() == 0 { self.unread_bytes + reply.len() } else { 0 };
        if talk.wishes.settings.pending_bytes < self.unread_bytes {
            // It has asked, and others have answered: what it does not read is bounded as what is published for it.
            talk.context.counters.hub_slow_replies += 1;
            return talk.close(CloseCode::TRY_AGAIN, "slow consumer");
        }
        answer(&reply, talk);
        self.wait_for_next(talk);
    }

    /// Some requests have waited long enough.
    pub(super) fn woken(&mut self, talk: &mut Talk<'_, '_>) {
        let now = talk.now();
        for late in self.waiting.extract_if(.., |waiting| waiting.deadline <= now) {
            talk.context.counters.requests_timed_out += 1;
            answer(&command::write_error(Some(&late.id), "Nobody has answered in time."), talk);
        }
        self.wait_for_next(talk);
    }

    /// All shards know what it listens to.
    pub(super) fn known(&mut self, talk: &mut Talk<'_, '_>) {
        for id in self.unsaid.drain(..) {
            answer(&command::write_ok(&id, None), talk);
        }
    }
}

fn answer(text: &[u8], talk: &mut Talk<'_, '_>) {
    talk.send(Kind::Text, text);
}
