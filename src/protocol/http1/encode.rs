//! Heads and chunks on their way out, for both roles.
//!
//! What is appended is well-formed or nothing: no name or value can end its line, and the fields that frame a message
//! are written here alone. The date is passed in; it must not know clocks, or who reads.

use super::host;
use super::message::{BodyLength, Method};
use super::token;

/// The interim answer to a client that waits before it sends its content.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What a message says of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing: in HTTP/1.1 the connection stays open.
    Implied,
    /// `Connection: keep-alive`: an HTTP/1.0 peer is told that it stays open.
    KeepAlive,
    /// `Connection: close`: this message is the sender's last.
    Close,
    /// `Connection: Upgrade`: an Upgrade field among the headers names another protocol.
    Upgrade,
}

/// The head of a response.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// Three digits, from 100 up.
    pub status: u16,
    /// The time, as RFC 9110, section 5.6.7, writes it. Interim responses go without.
    pub date: &'a [u8; 29],
    /// What becomes of the connection. With content until the end of the connection it is always closed.
    pub persistence: Persistence,
    /// How long the content is. `None` says the same as a length of zero. Where the status allows for no content,
    /// nothing is said.
    pub body: BodyLength,
    /// All other fields. `Connection`, `Content-Length`, `Date`, `Host` and `Transfer-Encoding` are not for them.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// What is to be done.
    pub method: Method<'a>,
    /// With what: visible ASCII without `#`.
    pub target: &'a [u8],
    /// The host and port that are meant.
    pub host: &'a [u8],
    /// What becomes of the connection.
    pub persistence: Persistence,
    /// How long the content is. Requests cannot have content until the end of the connection.
    pub body: BodyLength,
    /// All other fields. `Connection`, `Content-Length`, `Date`, `Host` and `Transfer-Encoding` are not for them.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}

/// Why a head cannot be sent. Nothing of it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// The status has not three digits.
    #[error("the status is not a number from 100 to 999")]
    Status,
    /// The method is not a token.
    #[error("the method is not a token")]
    Method,
    /// The target is empty, or could not be read back.
    #[error("the request target is not visible ASCII without `#`")]
    Target,
    /// The host could not be read back.
    #[error("the host is not a host with an optional port")]
    Host,
    /// The name of a field is not a token.
    #[error("the name of a header field is not a token")]
    HeaderName,
    /// The value of a field has a control byte within.
    #[error("the value of a header field has a control byte within")]
    HeaderValue,
    /// A field that frames messages is written by the codec alone.
    #[error("this header field is written by the codec itself")]
    Reserved,
    /// The content of a request must have an end.
    #[error("the content of a request must have a length or be chunked")]
    Endless,
}

/// Appends the head of a response.
///
/// # Errors
///
/// What cannot be sent; then nothing is appended.
pub fn encode_response(out: &mut Vec<u8>, head: &ResponseHead<'_>) -> Result<(), Unsendable> {
    if !(100..1000).contains(&head.status) {
        return Err(Unsendable::Status);
    }
    let start = out.len();
    out.reserve(256);
    status_line(out, head.status);
    if head.status >= 200 {
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(head.date);
        out.extend_from_slice(b"\r\n");
    }
    let is_endless = head.body == BodyLength::UntilClose && may_have_content(head.status);
    persistence(out, if is_endless { Persistence::Close } else { head.persistence });
    if may_have_content(head.status) {
        match head.body {
            _ if head.status == 205 => framing(out, BodyLength::Length(0)), // RFC 9110, section 15.3.6.
            BodyLength::None => framing(out, BodyLength::Length(0)),
            body => framing(out, body),
        }
    }
    fields(out, head.headers).inspect_err(|_| out.truncate(start))
}

/// Appends a whole response to a request with that method: the head with the content's length, and the content where
/// the method and the status allow for it.
///
/// # Errors
///
/// What cannot be sent; then nothing is appended.
pub fn encode_answer(
    out: &mut Vec<u8>,
    method: &Method<'_>,
    head: &ResponseHead<'_>,
    content: &[u8],
) -> Result<(), Unsendable> {
    let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
    encode_response(out, &ResponseHead { body: BodyLength::Length(length), ..*head })?;
    if *method != Method::Head && head.status != 205 && may_have_content(head.status) {
        out.extend_from_slice(content);
    }
    Ok(())
}

/// Appends the head of a request.
///
/// # Errors
///
/// What cannot be sent; then nothing is appended.
pub fn encode_request(out: &mut Vec<u8>, head: &RequestHead<'_>) -> Result<(), Unsendable> {
    let method = head.method.as_bytes();
    match () {
        () if !token::all(method, token::TOKEN) => return Err(Unsendable::Method),
        () if !token::all(head.target, token::QUERY) => return Err(Unsendable::Target),
        () if !head.host.is_empty() && !host::is_authority(head.host) => return Err(Unsendable::Host),
        () if head.body == BodyLength::UntilClose => return Err(Unsendable::Endless),
        () => {}
    }
    let start = out.len();
    for part in [method, b" ", head.target, b" HTTP/1.1\r\nHost: ", head.host, b"\r\n"] {
        out.extend_from_slice(part);
    }
    persistence(out, head.persistence);
    framing(out, head.body);
    fields(out, head.headers).inspect_err(|_| out.truncate(start))
}

/// Appends one chunk. An empty one would end the content, so nothing is appended for that.
pub fn encode_chunk(out: &mut Vec<u8>, content: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if content.is_empty() {
        return;
    }
    let mut text = [0; 16];
    let mut start = text.len();
    let mut rest = content.len();
    while rest > 0 {
        start -= 1;
        text[start] = DIGITS[rest % 16];
        rest /= 16;
    }
    out.reserve(content.len() + 20);
    out.extend_from_slice(&text[start..]);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(content);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of content in chunks, without trailers.
pub fn encode_last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

/// What a status is called (RFC 9110, section 15, and RFC 6585); empty for one without a name here.
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        511 => "Network Authentication Required",
        _ => "",
    }
}

/// Whether responses with this status have content and fields that frame it (RFC 9110, sections 6.4.1 and 8.6). A 304
/// may tell a length, of something it does not carry; ours does not.
const fn may_have_content(status: u16) -> bool {
    !matches!(status, 100..200 | 204 | 304)
}

#[inline]
fn status_line(out: &mut Vec<u8>, status: u16) {
    if status == 200 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason_phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn persistence(out: &mut Vec<u8>, persistence: Persistence) {
    out.extend_from_slice(match persistence {
        Persistence::Implied => return,
        Persistence::KeepAlive => b"Connection: keep-alive\r\n",
        Persistence::Close => b"Connection: close\r\n",
        Persistence::Upgrade => b"Connection: Upgrade\r\n",
    });
}

#[inline]
fn framing(out: &mut Vec<u8>, body: BodyLength) {
    match body {
        BodyLength::None | BodyLength::UntilClose => {}
        BodyLength::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        BodyLength::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// The other fields, and the empty line that ends the head.
#[inline]
fn fields(out: &mut Vec<u8>, fields: &[(&[u8], &[u8])]) -> Result<(), Unsendable> {
    for (name, value) in fields {
        match () {
            () if !token::all(name, token::TOKEN) => return Err(Unsendable::HeaderName),
            () if !token::is_value(value) => return Err(Unsendable::HeaderValue),
            () if is_reserved(name) => return Err(Unsendable::Reserved),
            () => {}
        }
        for part in [*name, b": ", *value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

#[inline]
fn is_reserved(name: &[u8]) -> bool {
    let reserved: &[u8] = match name.len() {
        4 => return name.eq_ignore_ascii_case(b"date") || name.eq_ignore_ascii_case(b"host"),
        10 => b"connection",
        14 => b"content-length",
        17 => b"transfer-encoding",
        _ => return false,
    };
    name.eq_ignore_ascii_case(reserved)
}

/// Appends a number in decimal digits.
#[inline]
fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut text = [b'0'; 20];
    let mut start = text.len();
    loop {
        start -= 1;
        text[start] = b"0123456789"[usize::try_from(number % 10).unwrap_or(0)];
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[start..]);
}

#[cfg(test)]
mod tests;
