//! One turn: what came is read, and what waits is sent.

use tidemill::protocol::nats::client::write;
use tidemill::ring::{Completion, Gather, Outcome, ReceiveError, Received, RingError, SendError, Wait};
use tidemill::sys::clock::Time;

use super::{Engine, Publisher};
use crate::pubsub::connection::Role;
use crate::pubsub::input::{Delivery, Sink};
use crate::pubsub::ledger::Ledger;
use crate::pubsub::listener::{Hearing, Listener};
use crate::pubsub::stamp::{STAMP_BYTES, Stamp};

impl Engine<'_> {
    /// Submits, waits, and reads what came. Returns the time of the turn.
    pub(super) fn turn(&mut self, wait: Wait) -> Result<Time, RingError> {
        self.send_waiting();
        let now = self.link.turn(wait, &mut self.ready)?;
        let before = self.ledger.tally.delivered;
        while let Some(completion) = self.ready.pop_front() {
            self.handle(completion, now);
        }
        if before != self.ledger.tally.delivered {
            self.ledger.last_arrival = now;
        }
        Ok(now)
    }

    /// Reads what came on a connection.
    pub(super) fn read(&mut self, slot: u32, bytes: &mut [u8], now: Time) {
        let connection = &mut self.connections[slot as usize];
        let (input, out, ledger) = (&mut connection.input, &mut connection.out, &mut self.ledger);
        let read = match connection.role {
            Role::Subscriber(number) => {
                let listener = &mut self.listeners[number];
                input.read(bytes, &mut Hearing { listener, ledger, now, number }, out)
            }
            Role::Publisher(number) => {
                let publisher = &mut self.publishers[number];
                let is_asking = self.plan.is_request_reply;
                input.read(bytes, &mut Asking { publisher, ledger, now, number, is_asking }, out)
            }
            Role::Responder(number) => {
                let (listener, replies) = (&mut self.listeners[number], &mut self.replies);
                let read = input.read(bytes, &mut Answering { listener, replies, ledger, number }, out);
                out.words.append(replies);
                read
            }
        };
        if let Err(sentence) = read {
            self.fail(slot, "protocol", &sentence);
        }
    }

    fn handle(&mut self, completion: Completion, now: Time) {
        let slot = completion.token.slot();
        match completion.outcome {
            Outcome::Received(result) => self.received(slot, (result, completion.more), now),
            Outcome::Sent { gather, result } => self.sent(slot, (gather, result)),
            Outcome::Closed(_) | Outcome::CloseCancelled | Outcome::Cancelled => {}
            Outcome::Accepted(_)
            | Outcome::Connected(_)
            | Outcome::ReceivedFrom(_)
            | Outcome::SentTo(_)
            | Outcome::ShutDown(_)
            | Outcome::Doorbell
            | Outcome::DoorbellSent(_) => unreachable!("none of these is asked for"),
        }
    }

    fn received(&mut self, slot: u32, (result, more): (Result<Received, ReceiveError>, bool), now: Time) {
        if !self.connections[slot as usize].is_open {
            return; // Its failure was counted when it was closed.
        }
        let wait_first = match result {
            Ok(Received::Bytes(mut bytes)) => {
                self.read(slot, &mut bytes, now);
                self.wait_to_send(slot);
                false
            }
            Ok(Received::End) => return self.fail(slot, "closed", "the server closed it"),
            // What came in this turn is read and its buffers are free: the next turn provides them again.
            Err(ReceiveError::NoBuffers) => true,
            Err(error) => return self.fail(slot, "receive", &error.to_string()),
        };
        let connection = &self.connections[slot as usize];
        if !more && connection.is_open {
            connection.receive(slot, wait_first, &mut self.link);
        }
    }

    fn sent(&mut self, slot: u32, (gather, result): (Gather, Result<usize, SendError>)) {
        let connection = &mut self.connections[slot as usize];
        if !connection.is_open {
            return;
        }
        let bytes = match result {
            Ok(bytes) => bytes,
            Err(SendError::WouldBlock) => 0,
            Err(error) => return self.fail(slot, "send", &error.to_string()),
        };
        match connection.role {
            Role::Publisher(number) => {
                let batch = &mut self.publishers[number].batch;
                connection.sent(slot, (gather, bytes), &mut |part| batch.give_back(part), &mut self.link);
            }
            Role::Subscriber(_) | Role::Responder(_) => {
                connection.sent(slot, (gather, bytes), &mut drop, &mut self.link);
            }
        }
        self.wait_to_send(slot);
    }

    /// Sends what waits, on connections without a send in flight; on others it follows that one.
    fn send_waiting(&mut self) {
        while let Some(slot) = self.waiting.pop() {
            let connection = &mut self.connections[slot as usize];
            if connection.is_open && !connection.is_sending && !connection.out.is_empty() {
                connection.send(slot, None, &mut self.link);
            }
        }
    }

    fn fail(&mut self, slot: u32, class: &'static str, reason: &str) {
        let connection = &mut self.connections[slot as usize];
        let who = match connection.role {
            Role::Publisher(number) => format!("publisher {number}"),
            Role::Subscriber(number) => format!("subscriber {number}"),
            Role::Responder(number) => format!("responder {number}"),
        };
        if let Role::Subscriber(number) | Role::Responder(number) = connection.role {
            self.listeners[number].is_open = false;
        }
        connection.close(slot, &mut self.link);
        self.ledger.error(class, || format!("{who}: {reason}"));
    }
}

/// A publisher, which gets nothing that counts; or a requester, which gets answers.
struct Asking<'a> {
    publisher: &'a mut Publisher,
    ledger: &'a mut Ledger,
    now: Time,
    number: usize,
    is_asking: bool,
}

impl Sink for Asking<'_> {
    fn message(&mut self, delivery: Delivery<'_>) {
        if !self.is_asking {
            return; // Over plain WebSocket a publisher hears itself.
        }
        let (ledger, number) = (&mut *self.ledger, self.number);
        if delivery.headers.starts_with(b"NATS/1.0 503") {
            // The inbox that it came to ends with the stamp of the request.
            let stamp = delivery.subject.and_then(|subject| subject.last_chunk::<STAMP_BYTES>());
            let request = stamp.and_then(|stamp| Stamp::read(stamp)).map(|(_, message)| message);
            if request.is_some_and(|message| ledger.samples[number].forget(message)) {
                self.publisher.in_flight = self.publisher.in_flight.saturating_sub(1);
            }
            return ledger.error("no-responders", || format!("nobody answers requester {number}"));
        }
        let payload = delivery.payload;
        let stamp = Stamp::read(payload).filter(|(publisher, message)| {
            *publisher as usize == number && *message < ledger.published[number] && ledger.is_ours(payload)
        });
        let Some((_, message)) = stamp else {
            ledger.tally.corrupt += 1;
            return ledger
                .error("corrupt", || format!("requester {number} got an answer to nothing that it asked"));
        };
        if ledger.samples[number].comes(message, self.now, &mut ledger.latencies) {
            ledger.tally.delivered += 1;
            self.publisher.in_flight = self.publisher.in_flight.saturating_sub(1);
        } else {
            ledger.tally.duplicated += 1;
        }
    }

    fn ready(&mut self) {
        self.publisher.is_ready = true;
    }

    fn error(&mut self, words: &str) {
        let number = self.number;
        self.ledger.error("server", || format!("the server said to publisher {number}: {words}"));
    }
}

/// A subscriber that answers each message with the same.
struct Answering<'a> {
    listener: &'a mut Listener,
    replies: &'a mut Vec<u8>,
    ledger: &'a mut Ledger,
    number: usize,
}

impl Sink for Answering<'_> {
    fn message(&mut self, delivery: Delivery<'_>) {
        let is_whole = STAMP_BYTES <= delivery.payload.len();
        let answered = delivery
            .reply
            .filter(|_| is_whole)
            .is_some_and(|reply| write::publish(self.replies, reply, None, delivery.payload).is_ok());
        if !answered {
            self.ledger.tally.corrupt += 1;
            let number = self.number;
            self.ledger
                .error("corrupt", || format!("responder {number} got a request that cannot be answered"));
        }
    }

    fn ready(&mut self) {
        self.listener.is_ready = true;
    }

    fn error(&mut self, words: &str) {
        let number = self.number;
        self.ledger.error("server", || format!("the server said to responder {number}: {words}"));
    }
}
