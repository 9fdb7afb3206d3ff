//! What a client may say.

/// One operation of a client. It borrows from the bytes it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// `PUB` and `HPUB`.
    Publish(Publish<'a>),
    /// `SUB`: what is published on the subject is to be sent, marked with the `sid`.
    Subscribe {
        /// It may have wildcards, and need not be valid.
        subject: &'a [u8],
        /// One member of each queue group gets each message.
        queue: Option<&'a [u8]>,
        /// The client's name for the subscription: any bytes.
        sid: &'a [u8],
    },
    /// `UNSUB`.
    Unsubscribe {
        /// Which subscription.
        sid: &'a [u8],
        /// After how many messages since the subscription was made. Without it, or when they were delivered already: now.
        max: Option<u64>,
    },
    /// `PING`, to be answered when all that came before it is done.
    Ping,
    /// `PONG`: the answer to a ping of ours.
    Pong,
    /// `CONNECT`, with its JSON as it came.
    Connect(&'a [u8]),
    /// `INFO`, with its JSON as it came. Clients have nothing to tell in it.
    Info(&'a [u8]),
    /// `+OK`.
    Ok,
}

/// A message to be delivered to whoever wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// As it came: it need not be valid.
    pub subject: &'a [u8],
    /// Where an answer is to be published.
    pub reply: Option<&'a [u8]>,
    /// Headers and payload, one behind the other, as they travel on; without the line's end that follows.
    pub message: &'a [u8],
    /// How many bytes of the message are headers. None at all is a message without headers.
    pub header_bytes: usize,
}

impl<'a> Publish<'a> {
    /// The headers with their first line and the empty one behind them, or nothing. What is in them is not looked at.
    pub fn headers(&self) -> &'a [u8] {
        &self.message[..self.header_bytes]
    }

    /// Whether it consists of a subject and a payload alone.
    pub fn is_plain(&self) -> bool {
        self.reply.is_none() && self.header_bytes == 0
    }

    /// The message without its headers.
    pub fn payload(&self) -> &'a [u8] {
        &self.message[self.header_bytes..]
    }
}
