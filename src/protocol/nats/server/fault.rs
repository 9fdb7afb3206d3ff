//! What a server tells a client that went wrong, in the words of nats-server, and whether the connection ends with it.

use std::fmt;

/// A client broke the protocol: the connection ends, mostly with a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// No verb of a client begins like this, or a payload does not end where its line said.
    #[error("The peer sent what is no operation of a NATS client.")]
    UnknownOperation,
    /// A line is too long.
    #[error("A line of the peer is longer than max_control_line.")]
    ControlLine,
    /// Headers and payload are too long.
    #[error("A message of the peer is longer than max_payload.")]
    Payload,
    /// Too few arguments, too many, or a size that is none. Nothing is said of it.
    #[error("The arguments of an operation are not what it needs.")]
    Arguments,
    /// Headers from a client that did not announce them. Nothing is said of it.
    #[error("The peer sent headers, and did not announce them in CONNECT.")]
    Headers,
    /// Something before CONNECT, where credentials are asked for.
    #[error("The peer did not begin with CONNECT.")]
    Unintroduced,
    /// `-ERR`: the client does not want to go on. Nothing is said of it.
    #[error("The peer reported an error of ours.")]
    Reported,
}

impl Violation {
    /// What the client is told before the end, if anything.
    pub fn fault(self) -> Option<Fault<'static>> {
        match self {
            Self::UnknownOperation => Some(Fault::UnknownOperation),
            Self::ControlLine => Some(Fault::ControlLine),
            Self::Payload => Some(Fault::Payload),
            Self::Unintroduced => Some(Fault::Authorization),
            Self::Arguments | Self::Headers | Self::Reported => None,
        }
    }
}

/// All sentences of `-ERR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault<'a> {
    /// No verb of a client begins like this.
    UnknownOperation,
    /// A line is too long.
    ControlLine,
    /// A message is too long.
    Payload,
    /// CONNECT asks for a protocol that there is not.
    ClientProtocol,
    /// CONNECT asks to be told of missing responders, and cannot take the headers that would say so.
    NoRespondersNeedHeaders,
    /// No credentials, or wrong ones.
    Authorization,
    /// No credentials in time.
    AuthenticationTimeout,
    /// The credentials are not good any more.
    AuthenticationExpired,
    /// TLS is needed, and the client did not begin it.
    TlsRequired,
    /// Too many connections.
    Connections,
    /// The client does not answer.
    Stale,
    /// The client does not take what is sent to it.
    SlowConsumer,
    /// A subject that nobody can subscribe to.
    InvalidSubject,
    /// A subject that is none, from a client that asked for pedantry. The message is delivered nevertheless.
    InvalidPublishSubject,
    /// Too many subscriptions.
    Subscriptions,
    /// The client may not publish there.
    Publish {
        /// Where.
        subject: &'a [u8],
    },
    /// The client may not subscribe there.
    Subscribe {
        /// To what.
        subject: &'a [u8],
        /// In which queue group.
        queue: Option<&'a [u8]>,
    },
}

impl Fault<'_> {
    /// Whether the connection ends after it.
    pub fn closes(&self) -> bool {
        match self {
            Self::UnknownOperation
            | Self::ControlLine
            | Self::Payload
            | Self::ClientProtocol
            | Self::NoRespondersNeedHeaders
            | Self::Authorization
            | Self::AuthenticationTimeout
            | Self::AuthenticationExpired
            | Self::TlsRequired
            | Self::Connections
            | Self::Stale
            | Self::SlowConsumer => true,
            Self::InvalidSubject
            | Self::InvalidPublishSubject
            | Self::Subscriptions
            | Self::Publish { .. }
            | Self::Subscribe { .. } => false,
        }
    }

    /// Appends the whole line.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"-ERR '");
        self.write_text(out);
        out.extend_from_slice(b"'\r\n");
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        let text = match self {
            Self::UnknownOperation => "Unknown Protocol Operation",
            Self::ControlLine => "maximum control line exceeded",
            Self::Payload => "Maximum Payload Violation",
            Self::ClientProtocol => "invalid client protocol",
            Self::NoRespondersNeedHeaders => "no responders requires headers support",
            Self::Authorization => "Authorization Violation",
            Self::AuthenticationTimeout => "Authentication Timeout",
            Self::AuthenticationExpired => "User Authentication Expired",
            Self::TlsRequired => "Secure Connection - TLS Required",
            Self::Connections => "maximum connections exceeded",
            Self::Stale => "Stale Connection",
            Self::SlowConsumer => "Slow Consumer",
            Self::InvalidSubject => "Invalid Subject",
            Self::InvalidPublishSubject => "Invalid Publish Subject",
            Self::Subscriptions => "maximum subscriptions exceeded",
            Self::Publish { .. } => "Permissions Violation for Publish to ",
            Self::Subscribe { .. } => "Permissions Violation for Subscription to ",
        };
        out.extend_from_slice(text.as_bytes());
        match self {
            Self::Publish { subject } | Self::Subscribe { subject, queue: None } => quote(subject, out),
            Self::Subscribe { subject, queue: Some(queue) } => {
                quote(subject, out);
                out.extend_from_slice(b" using queue ");
                quote(queue, out);
            }
            _ => {}
        }
    }
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.write_text(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

/// Appends bytes in quotes, as Go's `%q` does it: what cannot be printed becomes an escape.
fn quote(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            quote_letter(letter, out);
        }
        for byte in chunk.invalid() {
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
    out.push(b'"');
}

fn quote_letter(letter: char, out: &mut Vec<u8>) {
    let escape = match letter {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\u{b}' => "\\v",
        _ if letter.is_control() && letter.is_ascii() => {
            return out.extend_from_slice(format!("\\x{:02x}", u32::from(letter)).as_bytes());
        }
        _ if letter.is_control() => {
            return out.extend_from_slice(format!("\\u{:04x}", u32::from(letter)).as_bytes());
        }
        _ => return out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
    };
    out.extend_from_slice(escape.as_bytes());
}
