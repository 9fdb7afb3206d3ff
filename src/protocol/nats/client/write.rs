//! What a client says, appended to a vector.
//!
//! Subjects, queues and names of subscriptions are words: a blank or an end of line in one would change what is said, so
//! it is refused. Whether a word is a good subject is the server's to judge.

use std::io::Write;

use serde::Serialize;

/// Asks whether the server is there, and whether it has dealt with everything before.
pub const PING: &[u8] = b"PING\r\n";
/// Answers the same question of the server.
pub const PONG: &[u8] = b"PONG\r\n";

/// A word that cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("subjects, queues and names of subscriptions have no blanks, and at least one character")]
pub struct Unsendable;

/// Who a client is, and what it understands. What is absent is not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Connect<'a> {
    /// Whether every line is to be answered with `+OK`.
    pub verbose: bool,
    /// Whether subjects are to be checked more strictly.
    pub pedantic: bool,
    /// Whether it gets what it has published itself.
    pub echo: bool,
    /// Whether it understands headers.
    pub headers: bool,
    /// Whether a request that nobody listens to is to be answered at once. Needs `headers`.
    pub no_responders: bool,
    /// 1 when it takes an `INFO` at any time.
    pub protocol: u8,
    /// Its language.
    pub lang: &'a str,
    /// Its version.
    pub version: &'a str,
    /// What it calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// A user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// The user's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass: Option<&'a str>,
    /// A token, instead of a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_token: Option<&'a str>,
}

/// `CONNECT`, the first line of a client.
pub fn connect(out: &mut Vec<u8>, connect: &Connect<'_>) {
    out.extend_from_slice(b"CONNECT ");
    let written = serde_json::to_writer(&mut *out, connect);
    debug_assert!(written.is_ok(), "writing to memory does not fail");
    out.extend_from_slice(b"\r\n");
}

/// `PUB`: a message, and where its answer goes.
///
/// # Errors
/// When a subject cannot be sent.
pub fn publish(
    out: &mut Vec<u8>,
    subject: &[u8],
    reply: Option<&[u8]>,
    payload: &[u8],
) -> Result<(), Unsendable> {
    words(out, b"PUB", &[Some(subject), reply])?;
    number(out, payload.len());
    body(out, b"", payload);
    Ok(())
}

/// `HPUB`: a message with a block of headers, which goes from `NATS/1.0` to its empty line.
///
/// # Errors
/// When a subject cannot be sent.
pub fn publish_with_headers(
    out: &mut Vec<u8>,
    subject: &[u8],
    reply: Option<&[u8]>,
    (headers, payload): (&[u8], &[u8]),
) -> Result<(), Unsendable> {
    words(out, b"HPUB", &[Some(subject), reply])?;
    number(out, headers.len());
    number(out, headers.len() + payload.len());
    body(out, headers, payload);
    Ok(())
}

/// `SUB`: from now on, messages on this subject, which may have wildcards; those of a queue go to one of its members.
///
/// # Errors
/// When a word cannot be sent.
pub fn subscribe(
    out: &mut Vec<u8>,
    subject: &[u8],
    queue: Option<&[u8]>,
    sid: &[u8],
) -> Result<(), Unsendable> {
    words(out, b"SUB", &[Some(subject), queue, Some(sid)])?;
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// `UNSUB`: no more of a subscription, or no more than so many messages since it began.
///
/// # Errors
/// When the name cannot be sent.
pub fn unsubscribe(out: &mut Vec<u8>, sid: &[u8], most: Option<u64>) -> Result<(), Unsendable> {
    words(out, b"UNSUB", &[Some(sid)])?;
    if let Some(most) = most {
        number(out, most);
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// A verb and its words; nothing is written when one of them cannot be sent.
fn words(out: &mut Vec<u8>, verb: &[u8], words: &[Option<&[u8]>]) -> Result<(), Unsendable> {
    if !words.iter().flatten().all(|word| is_word(word)) {
        return Err(Unsendable);
    }
    out.extend_from_slice(verb);
    for word in words.iter().flatten() {
        out.push(b' ');
        out.extend_from_slice(word);
    }
    Ok(())
}

fn is_word(word: &[u8]) -> bool {
    !word.is_empty() && !word.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0))
}

fn number(out: &mut Vec<u8>, number: impl std::fmt::Display) {
    let written = write!(out, " {number}");
    debug_assert!(written.is_ok(), "writing to memory does not fail");
}

fn body(out: &mut Vec<u8>, headers: &[u8], payload: &[u8]) {
    for part in [b"\r\n", headers, payload, b"\r\n"] {
        out.extend_from_slice(part);
    }
}
