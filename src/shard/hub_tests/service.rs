//! A small line protocol over the hub, which uses it as the service for NATS does.
//!
//! ```text
//! H echo pending        who it is: whether it hears itself, and the bytes that may wait for it
//! S sid filter queue    listens; without a queue group, `-` stands there
//! U sid most            ends that, after so many messages, or at once for 0
//! P subject payload     publishes
//! B number              a barrier: answered with `DONE number` when all before it is in force everywhere
//! ```

use crate::connection::Inbox;
use crate::hub::{ClientId, ClientOptions, Form, Message, SlowPolicy, Subscribe};
use crate::limits;
use crate::service::{Closed, Context, Service};

/// The service.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The planted bug: an answer that does not wait for what comes before it.
    pub(super) never_catches_up: bool,
}

impl Service for Lines {
    type Session = Option<ClientId>;

    fn open(&mut self, _: &mut Context<'_>) -> Option<ClientId> {
        None
    }

    fn receive(&mut self, session: &mut Option<ClientId>, inbox: &mut Inbox<'_>, context: &mut Context<'_>) {
        if context.hub.is_congested() {
            return context.hold_until(context.now.saturating_add(limits::NATS_CONGESTED_PAUSE));
        }
        while let Some(end) = inbox.bytes().iter().position(|byte| *byte == b'\n') {
            if context.room() == 0 {
                return context.hold_for_room();
            }
            if context.hub.is_sated() {
                return context.hold_for_turn();
            }
            if !self.act(&inbox.bytes()[..end], session, context) {
                return;
            }
            inbox.consume(end + 1);
        }
    }

    fn close(&mut self, session: Option<ClientId>, closed: &mut Closed<'_>) {
        if let Some(client) = session {
            closed.hub.leave(client);
        }
    }

    fn client(&self, session: &Option<ClientId>) -> Option<ClientId> {
        *session
    }
}

impl Lines {
    /// Does what a line says. Returns whether it is done; if not, it comes again.
    fn act(&self, line: &[u8], session: &mut Option<ClientId>, context: &mut Context<'_>) -> bool {
        let line = std::str::from_utf8(line).expect("lines are text");
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| -> u64 { word.parse().expect("a number stands there") };
        match (&words[..], *session) {
            (["H", echo, pending], None) => {
                let options = ClientOptions {
                    form: Form::Nats { headers: true, framed: false },
                    echo: *echo == "1",
                    pending_bytes_max: usize::try_from(number(pending)).expect("it fits"),
                    slow: SlowPolicy::Cut,
                };
                *session = Some(context.hub.join(context.id, options));
            }
            (["S", sid, filter, queue], Some(client)) => {
                let queue = (*queue != "-").then_some(queue.as_bytes());
                let (filter, sid) = (filter.as_bytes(), sid.as_bytes());
                let wish = Subscribe { filter, queue, sid, hidden: None };
                context.hub.subscribe(client, &wish).expect("each sid is used once");
            }
            (["U", sid, most], Some(client)) => {
                let most = Some(number(most)).filter(|most| *most != 0);
                context.hub.unsubscribe(client, sid.as_bytes(), most);
            }
            (["P", subject, payload], Some(client)) => {
                let (subject, payload) = (subject.as_bytes(), payload.as_bytes());
                context.hub.publish(Some(client), &Message { subject, payload, ..Message::default() });
            }
            (["B", number], Some(client)) => return self.answer(number.as_bytes(), client, context),
            _ => panic!("{line:?} is no line of the protocol"),
        }
        true
    }

    fn answer(&self, number: &[u8], client: ClientId, context: &mut Context<'_>) -> bool {
        if !context.hub.is_known_elsewhere(client) {
            context.hold_until_known();
            return false;
        }
        if !self.never_catches_up {
            context.hub.catch_up(client, context.outbox);
        }
        for part in [b"DONE ".as_slice(), number, b"\r\n"] {
            context.outbox.write(part);
        }
        true
    }
}
