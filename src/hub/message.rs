//! What is published, and what becomes of it.

/// One message on its way to those who listen. All parts are as they came in; none is read but the subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// Where it is published: tokens between dots. Who publishes has checked it.
    pub subject: &'a [u8],
    /// Where answers are expected; empty, nowhere.
    pub reply: &'a [u8],
    /// Its header block, from `NATS/1.0` to the empty line; empty, it has none.
    pub headers: &'a [u8],
    /// What is said.
    pub payload: &'a [u8],
    /// What the publisher knows of the payload.
    pub kind: Kind,
}

/// What is known of a payload: WebSocket tells its clients text from bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The publisher did not say; it is text if it reads as UTF-8.
    #[default]
    Unknown,
    /// Text, which was checked to be UTF-8.
    Text,
    /// Bytes.
    Binary,
}

impl Message<'_> {
    /// The bytes that count against a bound on payloads: headers and payload.
    pub fn size(&self) -> usize {
        self.headers.len() + self.payload.len()
    }

    /// Whether it reads as text.
    pub(super) fn is_text(&self) -> bool {
        match self.kind {
            Kind::Text => true,
            Kind::Binary => false,
            Kind::Unknown => simdutf8::basic::from_utf8(self.payload).is_ok(),
        }
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Subscriptions of this shard that will be sent it.
    pub local: u32,
    /// Other shards that it goes to, because somebody there listens.
    pub shards: u32,
}

impl Published {
    /// Whether somebody listens, here or elsewhere in this process.
    pub fn is_heard(self) -> bool {
        0 < self.local + self.shards
    }
}

/// A message for a session itself: its bytes are not written to the connection, they are
/// [told](crate::service::Service::told) to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The subscription that it is for.
    pub sid: Box<[u8]>,
    /// Where it was published.
    pub subject: Box<[u8]>,
    /// Where answers are expected; empty, nowhere.
    pub reply: Box<[u8]>,
    /// Its header block; empty, it has none.
    pub headers: Box<[u8]>,
    /// What was said.
    pub payload: Box<[u8]>,
    /// What the publisher knows of the payload.
    pub kind: Kind,
}

impl Told {
    pub(super) fn new(sid: &[u8], message: &Message<'_>) -> Self {
        Self {
            sid: sid.into(),
            subject: message.subject.into(),
            reply: message.reply.into(),
            headers: message.headers.into(),
            payload: message.payload.into(),
            kind: message.kind,
        }
    }
}
