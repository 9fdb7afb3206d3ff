//! What is remembered of one HTTP connection.

use super::authorization::Denial;
use super::head::Asking;
use super::nats::NatsSocket;
use super::site::Page;
use super::subjects::{Exchange, Letterbox, Origin, Subscriber, Who};
use super::websocket::WebSocket;
use crate::access::users;
use crate::hub::ClientId;
use crate::protocol::http1::{Body, Method, Persistence, Progress, Request};
use crate::sys::clock::Time;

/// One HTTP connection.
#[derive(Debug)]
pub struct Session<R, S> {
    pub(super) phase: Phase<R, S>,
    /// How far the head that is coming has been read.
    pub(super) progress: Progress,
    /// Since when the head that is coming is awaited; unset between two requests.
    pub(super) head_since: Option<Time>,
    /// Whether the next answer is the last.
    pub(super) closing: bool,
    /// Who made its last request to the hub.
    pub(super) who: Who,
    /// The place of that request among the connections of its user, until it is answered or becomes something that lasts.
    pub(super) place: Option<Box<users::Seat>>,
    /// Bytes of the head of that request.
    pub(super) head_bytes: usize,
    /// Where answers to its requests to the hub arrive, once there was one.
    pub(super) letterbox: Option<Box<Letterbox>>,
}

/// What a connection is at.
#[derive(Debug)]
pub(super) enum Phase<R, S> {
    /// The head of a request.
    Head,
    /// A request whose head has come, and of which it is not known yet who makes it.
    Asking(Box<Asking<R>>),
    /// The content of a request.
    Content(Box<Pending<R>>),
    /// The wait before an answer.
    Later(Box<(Page, Reply)>),
    /// The rest of a long answer.
    Zeros(u64, Reply),
    /// WebSocket.
    WebSocket(Box<WebSocket<S>>),
    /// Server-Sent Events, until one side ends them.
    Events(Box<Subscriber>),
    /// The wait for an answer from the hub.
    Exchange(Box<Exchange>),
    /// NATS within WebSocket.
    Nats(Box<NatsSocket>),
}

/// A request whose content is coming.
#[derive(Debug)]
pub(super) struct Pending<R> {
    pub(super) route: R,
    pub(super) reply: Reply,
    pub(super) body: Body,
    /// The content so far, if it is kept.
    pub(super) content: Option<Vec<u8>>,
    pub(super) content_type: Option<Vec<u8>>,
    /// What the answer says of web pages from elsewhere.
    pub(super) origin: Option<Box<Origin>>,
    pub(super) since: Time,
    /// Content bytes so far.
    pub(super) received: u64,
}

/// How a request is to be answered, whatever the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// Whether the answer has a head only.
    pub(super) head_only: bool,
    pub(super) persistence: Persistence,
}

impl Reply {
    pub(super) fn to(request: &Request<'_>) -> Self {
        Self { head_only: request.method == Method::Head, persistence: request.persistence() }
    }

    /// The last answer of a connection, if it is to be.
    #[inline]
    pub(super) fn last_if(self, last: bool) -> Self {
        if last { Self { persistence: Persistence::Close, ..self } } else { self }
    }

    /// What an answer with this status says of the connection. A 426 has an Upgrade field, which `Connection` names (RFC
    /// 9110, section 7.8).
    pub(super) fn persistence_with(self, status: u16) -> Persistence {
        match (status, self.persistence) {
            (426, Persistence::Implied) => Persistence::Upgrade,
            (_, persistence) => persistence,
        }
    }

    /// The last answer of a connection.
    pub(super) fn last() -> Self {
        Self { head_only: false, persistence: Persistence::Close }
    }
}

impl<R, S> Session<R, S> {
    /// A connection that has just been opened: its first head is awaited from now on.
    pub(super) fn new(now: Time) -> Self {
        Self {
            phase: Phase::Head,
            progress: Progress::new(),
            head_since: Some(now),
            closing: false,
            who: Who::default(),
            place: None,
            head_bytes: 0,
            letterbox: None,
        }
    }

    /// A request to the hub has come, from this user and with so many bytes of head.
    pub(super) fn admit(&mut self, who: Who, head_bytes: usize, now: Time) -> Result<(), Denial> {
        self.place = None; // That of the one before.
        self.place = who.enter(now)?.map(Box::new);
        (self.who, self.head_bytes) = (who, head_bytes);
        Ok(())
    }

    /// Who it is in the hub, if it takes part.
    pub(super) fn client(&self) -> Option<ClientId> {
        match &self.phase {
            Phase::WebSocket(websocket) => websocket.wishes.client,
            Phase::Events(subscriber) => subscriber.client(),
            Phase::Nats(socket) => socket.client(),
            _ => self.letterbox.as_ref().map(|letterbox| letterbox.client),
        }
    }

    /// Private bytes that it keeps.
    pub(super) fn memory_bytes(&self) -> usize {
        match &self.phase {
            Phase::Content(pending) => pending.content.as_ref().map_or(0, Vec::capacity),
            Phase::WebSocket(websocket) => websocket.memory_bytes(),
            Phase::Nats(socket) => socket.memory_bytes(),
            Phase::Head
            | Phase::Asking(_)
            | Phase::Later(_)
            | Phase::Zeros(..)
            | Phase::Events(_)
            | Phase::Exchange(_) => 0,
        }
    }
}
