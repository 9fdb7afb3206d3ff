//! What is answered at which path: the pages behind an HTTP service, which knows neither connections nor time.

use std::borrow::Cow;
use std::time::Duration;

use super::talk::Talk;
use crate::hub::Told;
use crate::protocol::http1::Request;
use crate::protocol::websocket::Kind;
use crate::service::Closed;

/// The pages behind an HTTP service.
pub trait Site {
    /// Where a request leads, with all that its answer takes from the head.
    type Route;

    /// Where this request leads.
    fn route(&mut self, request: &Request<'_>) -> Self::Route;

    /// What is to be done with this route's content.
    fn content(&self, route: &Self::Route) -> Content;

    /// Whether it may be answered without a credential where others need one.
    fn is_open(&self, route: &Self::Route) -> bool;

    /// The answer, now that all content has come.
    fn answer(&mut self, route: Self::Route, ask: Ask) -> Answer;

    /// A WebSocket connection was opened.
    fn joined(&mut self, talk: &mut Talk<'_, '_>) {
        let _ = talk;
    }

    /// A message came in over WebSocket. Without a word it is sent back.
    #[inline]
    fn message(&mut self, kind: Kind, payload: &[u8], talk: &mut Talk<'_, '_>) {
        talk.send(kind, payload);
    }

    /// Something was published that a WebSocket connection has subscribed to, as one that wants to be
    /// [told](crate::hub::Form::Told).
    fn told(&mut self, told: &Told, talk: &mut Talk<'_, '_>) {
        let _ = (told, talk);
    }

    /// A WebSocket connection is over.
    fn left(&mut self, closed: &mut Closed<'_>) {
        let _ = closed;
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
pub enum Answer {
    /// Send this.
    Page(Page),
    /// Send so many bytes.
    Zeros(u64),
    /// Send this after so long.
    Later(Duration, Page),
    /// Speak WebSocket from now on, if the request asks for it in the right way.
    WebSocket,
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
}

impl Page {
    /// Text, or anything else, that is there.
    pub fn ok(content_type: &'static str, content: impl Into<Cow<'static, [u8]>>) -> Self {
        Self {
            status: 200,
            content_type: Cow::Borrowed(content_type.as_bytes()),
            content: content.into(),
            field: None,
        }
    }

    /// A status with a sentence that explains it.
    pub fn sentence(status: u16, sentence: &str) -> Self {
        Self { status, ..Self::ok(TEXT, format!("{sentence}\n").into_bytes()) }
    }

    /// The fields of its head beside those that the codec writes, and how many they are.
    #[inline]
    pub(super) fn fields(&self) -> ([Field<'_>; 3], usize) {
        let media = (&b"Content-Type"[..], &self.content_type[..]);
        let own = self.field.as_ref().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        // Whoever is told to upgrade is told to what (RFC 9110, section 15.5.22).
        let upgrade = (self.status == 426).then_some((&b"Upgrade"[..], &b"websocket"[..]));
        let mut fields = [media; 3];
        let mut count = usize::from(self.status != 204);
        for field in own.into_iter().chain(upgrade) {
            fields[count] = field;
            count += 1;
        }
        (fields, count)
    }

    /// The method is not for this resource (RFC 9110, section 15.5.6).
    pub fn wrong_method(allowed: &'static str) -> Self {
        let field = Some(("Allow", Cow::Borrowed(allowed)));
        Self { field, ..Self::sentence(405, &format!("Only {allowed} is possible here.")) }
    }
}

/// A field: its name and its value.
type Field<'a> = (&'a [u8], &'a [u8]);

/// The media type of plain text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// The media type of pages.
pub(super) const HTML: &str = "text/html; charset=utf-8";
/// The media type of JSON.
pub(super) const JSON: &str = "application/json";
