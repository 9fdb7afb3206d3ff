//! The client's side of reading: status lines, and the rules for responses.
//!
//! It must not know who was asked, or what for beyond the method.

use super::facts::Facts;
use super::head::{self, FirstLine, HeadLimits, Progress, Stop};
use super::headers::{self, Headers, Table};
use super::message::{BodyLength, Method, Version};
use super::refusal::Refusal;
use super::request::version_at;
use crate::limits::HTTP_STATUS_LINE_BYTES_MAX;

/// The head of a response, borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// The server's version.
    pub version: Version,
    /// Three digits, from 100 up. Statuses from 100 to 199, but for 101, precede the one that answers.
    pub status: u16,
    /// What the server calls that status. It may be empty.
    pub reason: &'a [u8],
    /// All header fields.
    pub headers: Headers<'a>,
    /// How long the content is.
    pub body: BodyLength,
    /// Whether the connection can be used again behind the content.
    pub keep_alive: bool,
    /// Whether the server names another protocol, to which it has switched if the status is 101.
    pub upgrade: bool,
    /// Bytes of the head: the content starts behind them.
    pub head_bytes: usize,
}

/// Reads the head of the response at the start of `bytes` to a request with that method; `None` means that more bytes
/// are needed. Pass the same bytes again, and more, with the same `progress`.
#[inline]
pub fn parse_response<'a>(
    bytes: &'a [u8],
    method: &Method<'_>,
    progress: &mut Progress,
    limits: &HeadLimits,
    table: &'a mut Table,
) -> Result<Option<Response<'a>>, Refusal> {
    let mut facts = Facts::default();
    let Some((first, length)) = head::read::<StatusLine<'_>>(bytes, progress, limits, table, &mut facts)?
    else {
        return Ok(None);
    };
    let StatusLine { version, status, reason } = first;
    facts.check()?;
    let told = facts.body(version)?.unwrap_or(BodyLength::UntilClose);
    let body = if has_content(method, status) { told } else { BodyLength::None };
    Ok(Some(Response {
        version,
        status,
        reason,
        headers: Headers { bytes, fields: &table.fields },
        body,
        keep_alive: facts.keeps_alive(version) && body != BodyLength::UntilClose,
        upgrade: facts.upgrades(version),
        head_bytes: length,
    }))
}

/// Whether a response has content at all (RFC 9112, section 6.3, items 1 and 2).
fn has_content(method: &Method<'_>, status: u16) -> bool {
    let is_tunnel = *method == Method::Connect && (200..300).contains(&status);
    *method != Method::Head && !is_tunnel && !matches!(status, 100..200 | 204 | 304)
}

struct StatusLine<'a> {
    version: Version,
    status: u16,
    reason: &'a [u8],
}

impl<'a> FirstLine<'a> for StatusLine<'a> {
    const BYTES_MAX: usize = HTTP_STATUS_LINE_BYTES_MAX;

    #[inline]
    fn start(bytes: &[u8]) -> Result<usize, Stop> {
        if bytes.is_empty() { Err(Stop::Incomplete) } else { Ok(0) }
    }

    /// `HTTP/1.1 200 OK`; the reason may be empty, and as some servers leave out the space before it too, so may that.
    #[inline]
    fn read(bytes: &'a [u8], start: usize) -> Result<(Self, usize), Stop> {
        let version = version_at(bytes, start)?;
        let status = status_at(bytes, start + 8)?;
        let reason_start = match bytes.get(start + 12) {
            None => return Err(Stop::Incomplete),
            Some(b' ') => start + 13,
            Some(b'\r' | b'\n') => start + 12,
            Some(_) => return Err(Stop::Refused(Refusal::BadStatusLine)),
        };
        let too_long = Stop::Refused(Refusal::HeadTooLong);
        let end = match headers::text_end(bytes, reason_start) {
            Ok(end) if end + 2 - start > HTTP_STATUS_LINE_BYTES_MAX => return Err(too_long),
            Err(Stop::Incomplete) if bytes.len() - start > HTTP_STATUS_LINE_BYTES_MAX => {
                return Err(too_long);
            }
            outcome => outcome?,
        };
        Ok((Self { version, status, reason: &bytes[reason_start..end] }, end + 2))
    }
}

/// A space and three digits of a number from 100 up.
fn status_at(bytes: &[u8], start: usize) -> Result<u16, Stop> {
    let text = bytes.get(start..).unwrap_or_default();
    let text = &text[..text.len().min(4)];
    let fits = |(place, byte): (usize, &u8)| match place {
        0 => *byte == b' ',
        1 => matches!(byte, b'1'..=b'9'),
        _ => byte.is_ascii_digit(),
    };
    if !text.iter().enumerate().all(fits) {
        return Err(Stop::Refused(Refusal::BadStatusLine));
    }
    let [_, digits @ ..] = text.first_chunk::<4>().ok_or(Stop::Incomplete)?;
    Ok(digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0')))
}

#[cfg(test)]
mod tests;
