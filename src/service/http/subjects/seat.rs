//! One WebSocket connection, as the site sees it: an echo, somebody on a subject, or one who gives commands.

use super::SUBPROTOCOL;
use super::desk::Desk;
use super::errand::Opening;
use super::letterbox::Names;
use super::permission::{HUB_IS_FULL, NO_SUBSCRIBE};
use crate::hub::{Form, Kind as Said, Message, Subscribe, Told};
use crate::metrics::Refused;
use crate::protocol::websocket::{CloseCode, Kind};
use crate::service::http::Talk;

/// What is remembered of one WebSocket connection.
#[derive(Debug)]
pub enum Seat {
    /// It was asked for, and is not open yet.
    New(Opening),
    /// Each message is sent back.
    Echo,
    /// Each message is published.
    Plain(Plain),
    /// Messages are commands.
    Desk(Box<Desk>),
}

/// Somebody on a subject.
#[derive(Debug)]
pub struct Plain {
    /// Where messages are published, if they may be.
    publish: Option<Box<[u8]>>,
}

impl Seat {
    /// The connection is open, and speaks this subprotocol.
    pub(crate) fn joined(&mut self, subprotocol: Option<&str>, talk: &mut Talk<'_, '_>) {
        let Self::New(opening) = self else { return };
        *self = if subprotocol == Some(SUBPROTOCOL) {
            Self::Desk(Box::new(Desk::open(opening, talk)))
        } else if let Some(filter) = &opening.filter {
            listen(filter, opening.echo, talk);
            Self::Plain(Plain { publish: opening.publish.take() })
        } else {
            Self::Echo
        };
    }

    /// A message came in.
    #[inline]
    pub(crate) fn message(&mut self, kind: Kind, payload: &[u8], names: &mut Names, talk: &mut Talk<'_, '_>) {
        match self {
            Self::Plain(plain) => plain.publish(kind, payload, talk),
            Self::Desk(desk) => desk.message(kind, payload, names, talk),
            Self::Echo | Self::New(_) => talk.send(kind, payload),
        }
    }

    /// Somebody has answered.
    pub(crate) fn told(&mut self, told: &Told, talk: &mut Talk<'_, '_>) {
        if let Self::Desk(desk) = self {
            desk.told(told, talk);
        }
    }

    /// The time of a request may be over.
    pub(crate) fn woken(&mut self, talk: &mut Talk<'_, '_>) {
        if let Self::Desk(desk) = self {
            desk.woken(talk);
        }
    }

    /// All shards know what it listens to.
    pub(crate) fn known(&mut self, talk: &mut Talk<'_, '_>) {
        if let Self::Desk(desk) = self {
            desk.known(talk);
        }
    }
}

/// Listens, and reads nothing more until all shards know: so a pong says that whatever is published from then on is heard.
fn listen(filter: &[u8], echo: bool, talk: &mut Talk<'_, '_>) {
    let Some(hidden) = talk.wishes.who.may_listen(filter) else {
        talk.refuse(Refused::Permission);
        return talk.close(CloseCode::POLICY, NO_SUBSCRIBE);
    };
    let client = talk.join(Form::WebSocket, echo);
    // It is the client's only one, so there is none that could have the name.
    if talk.hub().subscribe(client, &Subscribe { filter, hidden, ..Subscribe::default() }).is_err() {
        talk.refuse(Refused::Subscriptions);
        return talk.close(CloseCode::TRY_AGAIN, HUB_IS_FULL);
    }
    talk.wait_until_known();
}

impl Plain {
    #[inline]
    fn publish(&mut self, kind: Kind, payload: &[u8], talk: &mut Talk<'_, '_>) {
        let Some(subject) = &self.publish else {
            return talk.close(CloseCode::POLICY, NO_PLACE);
        };
        if let Err(unsaid) = talk.may_say(subject, payload.len()) {
            talk.refuse(unsaid.refused());
            return talk.close(unsaid.close_code(), unsaid.sentence());
        }
        let kind = match kind {
            Kind::Text => Said::Text,
            Kind::Binary => Said::Binary,
        };
        talk.publish(&Message { subject, payload, kind, ..Message::default() });
    }
}

/// What is said to one who speaks where he can only listen.
const NO_PLACE: &str = "This stands for many subjects: add ?publish=SUBJECT to say where your messages go.";
