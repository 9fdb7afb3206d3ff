//! What is answered at which path: the pages behind an HTTP service, which knows neither connections nor time.

use std::borrow::Cow;
use std::time::Duration;

use super::subjects::{Enquiry, Listen, Origin, Publication};
use super::talk::Talk;
use crate::hub::Told;
use crate::metrics::Refused;
use crate::protocol::http1::Request;
use crate::protocol::websocket::Kind;
use crate::service::Closed;

/// The pages behind an HTTP service.
pub trait Site {
    /// Where a request leads, with all that its answer takes from the head.
    type Route;
    /// What it remembers of one WebSocket connection.
    type Seat;

    /// Where this request leads. The parameter of its query that is called `credential` says who asks, and nothing else.
    fn route(&mut self, request: &Request<'_>, credential: Option<&str>) -> Self::Route;

    /// What is to be done with this route's content.
    fn content(&self, route: &Self::Route) -> Content;

    /// Whether it may be answered without a credential where others need one.
    fn is_open(&self, route: &Self::Route) -> bool;

    /// Whether scripts of other web pages may ask for it and read the answer, where the listener's rules for origins let
    /// them. A route that is shared is answered to no page that they do not let.
    fn is_shared(&self, route: &Self::Route) -> bool {
        let _ = route;
        false
    }

    /// Whether more is done there than reading, even where a GET asks for it. A browser that cannot say which page makes it
    /// ask is then refused: any page may show an image from there.
    fn acts(&self, route: &Self::Route) -> bool {
        let _ = route;
        false
    }

    /// Whether it shows what is for those who run the server. At a listener that only this host reaches, a browser is then
    /// refused that asks by a name which strangers can have lead there.
    fn is_for_operators(&self, route: &Self::Route) -> bool {
        let _ = route;
        false
    }

    /// Whether it leads to the hub, so that it is asked for in the name of one of the hub's users, where there are such.
    fn leads_to_hub(&self, route: &Self::Route) -> bool {
        let _ = route;
        false
    }

    /// The answer, now that all content has come.
    fn answer(&mut self, route: Self::Route, ask: Ask) -> Answer<Self::Seat>;

    /// A WebSocket connection was opened; this is the subprotocol that was agreed.
    fn joined(&mut self, seat: &mut Self::Seat, subprotocol: Option<&str>, talk: &mut Talk<'_, '_>) {
        let _ = (seat, subprotocol, talk);
    }

    /// A message came in over WebSocket. Without a word it is sent back.
    #[inline]
    fn message(&mut self, seat: &mut Self::Seat, kind: Kind, payload: &[u8], talk: &mut Talk<'_, '_>) {
        let _ = seat;
        talk.send(kind, payload);
    }

    /// Whether it charges its peers itself for what they send by WebSocket.
    fn charges_messages(&self) -> bool {
        false
    }

    /// Something was published that a WebSocket connection has subscribed to, as one that wants to be
    /// [told](crate::hub::Form::Told).
    fn told(&mut self, seat: &mut Self::Seat, told: &Told, talk: &mut Talk<'_, '_>) {
        let _ = (seat, told, talk);
    }

    /// The time has come that a WebSocket connection [asked for](Talk::wake_at), or a little later one.
    fn woken(&mut self, seat: &mut Self::Seat, talk: &mut Talk<'_, '_>) {
        let _ = (seat, talk);
    }

    /// All shards know what a WebSocket connection listens to, as it [waited for](Talk::wait_until_known).
    fn known(&mut self, seat: &mut Self::Seat, talk: &mut Talk<'_, '_>) {
        let _ = (seat, talk);
    }

    /// A WebSocket connection is over. It has left the hub already.
    fn left(&mut self, seat: Self::Seat, closed: &mut Closed<'_>) {
        let _ = (seat, closed);
    }
}

/// What is to be done with the content of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Keep it for the answer.
    Keep,
    /// Read it to its end, so that the connection can go on, and forget it.
    Discard,
}

/// What an answer may depend on beside its route.
#[derive(Debug)]
pub struct Ask {
    /// The content, if the route keeps it.
    pub content: Vec<u8>,
    /// The content's media type, if it was told.
    pub content_type: Option<Vec<u8>>,
    /// Whether the server takes new work.
    pub ready: bool,
}

/// What to do.
#[derive(Debug)]
pub enum Answer<S> {
    /// Send this.
    Page(Page),
    /// Send this, and count why.
    Refuse(Refused, Page),
    /// Send so many bytes.
    Zeros(u64),
    /// Send this after so long.
    Later(Duration, Page),
    /// Speak WebSocket from now on, if the request asks for it in the right way.
    WebSocket(S),
    /// Send whatever is published there from now on, as Server-Sent Events.
    Listen(Box<Listen>),
    /// Publish this, and say what became of it.
    Publish(Box<Publication>),
    /// Publish this, and send what somebody answers.
    Enquire(Box<Enquiry>),
    /// Speak NATS within WebSocket from now on, under the same condition.
    Nats,
}

/// An answer that is whole.
#[derive(Debug)]
pub struct Page {
    /// Its status code.
    pub status: u16,
    /// Its media type.
    pub content_type: Cow<'static, [u8]>,
    /// Its content.
    pub content: Cow<'static, [u8]>,
    /// One more header field.
    pub field: Option<(&'static str, Cow<'static, str>)>,
    /// Another one, where that is not enough.
    pub second_field: Option<Box<(&'static str, String)>>,
    /// What it says of web pages from elsewhere; the session sets it.
    pub origin: Option<Box<Origin>>,
}

impl Page {
    /// Text, or anything else, that is there.
    pub fn ok(content_type: &'static str, content: impl Into<Cow<'static, [u8]>>) -> Self {
        Self {
            status: 200,
            content_type: Cow::Borrowed(content_type.as_bytes()),
            content: content.into(),
            field: None,
            second_field: None,
            origin: None,
        }
    }

    /// A status with a sentence that explains it.
    pub fn sentence(status: u16, sentence: &str) -> Self {
        Self { status, ..Self::ok(TEXT, format!("{sentence}\n").into_bytes()) }
    }

    /// The fields of its head beside those that the codec writes, and how many they are.
    #[inline]
    pub(super) fn fields(&self) -> ([Field<'_>; FIELDS_MAX], usize) {
        let media = (&b"Content-Type"[..], &self.content_type[..]);
        let own = self.field.as_ref().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        // Whoever is told to upgrade is told to what (RFC 9110, section 15.5.22).
        let upgrade = (self.status == 426).then_some((&b"Upgrade"[..], &b"websocket"[..]));
        let mut fields = [media; FIELDS_MAX];
        let mut count = usize::from(self.status != 204);
        let second = self.second_field.as_deref().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        for field in own.into_iter().chain(upgrade).chain(second) {
            fields[count] = field;
            count += 1;
        }
        if let Some(origin) = &self.origin {
            for field in origin.fields() {
                fields[count] = field;
                count += 1;
            }
        }
        (fields, count)
    }

    /// The method is not for this resource (RFC 9110, section 15.5.6).
    pub fn wrong_method(allowed: &'static str) -> Self {
        let field = Some(("Allow", Cow::Borrowed(allowed)));
        let methods = allowed.replace(", ", " and ");
        Self { field, ..Self::sentence(405, &format!("This takes {methods} only.")) }
    }
}

/// A field: its name and its value.
pub(super) type Field<'a> = (&'a [u8], &'a [u8]);

/// Fields of an answer: its media type, two of its own, that of an upgrade, and those about web pages from elsewhere.
const FIELDS_MAX: usize = 4 + Origin::FIELDS_MAX;

/// The media type of plain text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// The media type of pages.
pub(super) const HTML: &str = "text/html; charset=utf-8";
/// The media type of JSON.
pub(super) const JSON: &str = "application/json";
