//! The server's side of reading: request lines, and the rules for requests.
//!
//! It must not know what is served, or how it is answered.

use super::encode::Persistence;
use super::facts::Facts;
use super::head::{self, FirstLine, HeadLimits, Progress, Stop};
use super::headers::{Headers, Table};
use super::host;
use super::message::{BodyLength, Method, Version};
use super::refusal::Refusal;
use super::target::{Form, Target};
use super::token;
use crate::limits::{HTTP_METHOD_BYTES_MAX, HTTP_REQUEST_LINE_BYTES_MAX, HTTP_TARGET_BYTES_MAX};

/// The head of a request, borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What is to be done.
    pub method: Method<'a>,
    /// With what.
    pub target: Target<'a>,
    /// The version to answer by.
    pub version: Version,
    /// All header fields.
    pub headers: Headers<'a>,
    /// The host that is meant: the target's, or the Host field's. It may be empty, and absent in HTTP/1.0.
    pub host: Option<&'a [u8]>,
    /// How long the content is.
    pub body: BodyLength,
    /// Whether the client wants the connection to stay open.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the content.
    pub expects_continue: bool,
    /// Whether the client offers to go on in another protocol; see [`Request::offers`].
    pub upgrade: bool,
    /// Bytes of the head: the content starts behind them.
    pub head_bytes: usize,
}

impl Request<'_> {
    /// Whether the client offers to go on in this protocol (RFC 9110, section 7.8), in any case.
    pub fn offers(&self, protocol: &str) -> bool {
        let is_it = |offer: &[u8]| offer.eq_ignore_ascii_case(protocol.as_bytes());
        self.upgrade && self.headers.list("upgrade").any(is_it)
    }

    /// What the answer says of the connection, if the server has no reason of its own to close it.
    pub fn persistence(&self) -> Persistence {
        match (self.keep_alive, self.version) {
            (false, _) => Persistence::Close,
            (true, Version::Http11) => Persistence::Implied,
            (true, Version::Http10) => Persistence::KeepAlive,
        }
    }
}

/// Reads the head of the request at the start of `bytes`; `None` means that more bytes are needed. Pass the same
/// bytes from the start of the head again, and more, with the same `progress`.
///
/// What cannot become a request is refused as soon as that shows.
#[inline(always)]
pub fn parse_request<'a>(
    bytes: &'a [u8],
    progress: &mut Progress,
    limits: &HeadLimits,
    table: &'a mut Table,
) -> Result<Option<Request<'a>>, Refusal> {
    let mut facts = Facts::default();
    let Some((first, length)) = head::read::<RequestLine<'_>>(bytes, progress, limits, table, &mut facts)?
    else {
        return Ok(None);
    };
    let RequestLine { method, target, version } = first;
    facts.check()?;
    let host = host_of(&target, version, &facts)?;
    let body = facts.body(version)?.unwrap_or(BodyLength::None);
    let has_content = !matches!(body, BodyLength::None | BodyLength::Length(0));
    let expects_continue = facts.expects_continue()? && version == Version::Http11 && has_content;
    Ok(Some(Request {
        method,
        target,
        version,
        headers: Headers { bytes, fields: &table.fields },
        host,
        body,
        keep_alive: facts.keeps_alive(version),
        expects_continue,
        upgrade: facts.upgrades(version),
        head_bytes: length,
    }))
}

/// The host that is meant (RFC 9112, sections 3.2 and 3.2.2): a Host field is needed and must be right even where the
/// target's own authority counts.
#[inline(always)]
fn host_of<'a>(
    target: &Target<'a>,
    version: Version,
    facts: &Facts<'a>,
) -> Result<Option<&'a [u8]>, Refusal> {
    match facts.host {
        None if version == Version::Http11 => return Err(Refusal::MissingHost),
        Some(host) if !host.is_empty() && !host::is_authority(host) => return Err(Refusal::BadHost),
        None | Some(_) => {}
    }
    Ok(match target.form {
        Form::Absolute | Form::Authority => target.authority,
        Form::Origin | Form::Asterisk => facts.host,
    })
}

struct RequestLine<'a> {
    method: Method<'a>,
    target: Target<'a>,
    version: Version,
}

impl<'a> FirstLine<'a> for RequestLine<'a> {
    const BYTES_MAX: usize = HTTP_REQUEST_LINE_BYTES_MAX;

    /// Behind one empty line at most (RFC 9112, section 2.2): old clients send one behind the content of a POST.
    #[inline(always)]
    fn start(bytes: &[u8]) -> Result<usize, Stop> {
        match bytes {
            [] | [b'\r'] => Err(Stop::Incomplete),
            [b'\r', b'\n', ..] => Ok(2),
            _ => Ok(0),
        }
    }

    #[inline(always)]
    fn read(bytes: &'a [u8], start: usize) -> Result<(Self, usize), Stop> {
        let method_end = method_end(bytes, start)?;
        let method = Method::from_bytes(&bytes[start..method_end]);
        let target_start = method_end + 1;
        let (target_end, mark) = target_end(bytes, target_start)?;
        let (version, next) = read_version(bytes, target_end + 1)?;
        let target = Target::read(&method, &bytes[target_start..target_end], mark)?;
        Ok((Self { method, target, version }, next))
    }
}

#[inline(always)]
fn method_end(bytes: &[u8], start: usize) -> Result<usize, Stop> {
    let end = token::run(bytes, start, token::TOKEN);
    if end - start > HTTP_METHOD_BYTES_MAX {
        return Err(Stop::Refused(Refusal::MethodTooLong));
    }
    match bytes.get(end) {
        Some(b' ') if end > start => Ok(end),
        Some(b'\n') => Err(Stop::Refused(Refusal::BareLf)),
        Some(0x16) if end == 0 => Err(Stop::Refused(Refusal::Tls)), // The first byte of a ClientHello.
        Some(_) => Err(Stop::Refused(Refusal::BadMethod)),
        None => Err(Stop::Incomplete),
    }
}

/// Where the target ends, and where within it the first `?` stands.
#[inline(always)]
fn target_end(bytes: &[u8], start: usize) -> Result<(usize, Option<usize>), Stop> {
    let path_end = token::run(bytes, start, token::PATH);
    let has_query = bytes.get(path_end) == Some(&b'?');
    let end = if has_query { token::run(bytes, path_end, token::QUERY) } else { path_end };
    if end - start > HTTP_TARGET_BYTES_MAX {
        return Err(Stop::Refused(Refusal::TargetTooLong));
    }
    match bytes.get(end) {
        Some(b' ') if end > start => Ok((end, has_query.then(|| path_end - start))),
        Some(b'\r') if end + 1 == bytes.len() => Err(Stop::Incomplete),
        Some(b'\r') if bytes[end + 1] == b'\n' && end > start => Err(Stop::Refused(Refusal::OtherVersion)), // 0.9.
        Some(b'\n') => Err(Stop::Refused(Refusal::BareLf)),
        Some(_) => Err(Stop::Refused(Refusal::BadTarget)),
        None => Err(Stop::Incomplete),
    }
}

/// Reads a version and the line end behind it.
#[inline(always)]
fn read_version(bytes: &[u8], start: usize) -> Result<(Version, usize), Stop> {
    if bytes.get(start..start + 10) == Some(b"HTTP/1.1\r\n") {
        return Ok((Version::Http11, start + 10));
    }
    let version = version_at(bytes, start)?;
    let end = start + 8;
    match (bytes.get(end), bytes.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => Ok((version, end + 2)),
        (Some(b'\r'), Some(_)) => Err(Stop::Refused(Refusal::BareCr)),
        (Some(b'\n'), _) => Err(Stop::Refused(Refusal::BareLf)),
        (None, _) | (Some(b'\r'), None) => Err(Stop::Incomplete),
        (Some(_), _) => Err(Stop::Refused(Refusal::BadVersion)),
    }
}

/// Reads a version of any number (RFC 9112, section 2.3).
pub(super) fn version_at(bytes: &[u8], start: usize) -> Result<Version, Stop> {
    let text = bytes.get(start..).unwrap_or_default();
    let text = &text[..text.len().min(8)];
    let fits = |(place, byte): (usize, &u8)| match place {
        5 | 7 => byte.is_ascii_digit(),
        _ => *byte == b"HTTP/1.1"[place],
    };
    if !text.iter().enumerate().all(fits) {
        return Err(Stop::Refused(Refusal::BadVersion));
    }
    match text {
        [_, _, _, _, _, b'1', _, b'0'] => Ok(Version::Http10),
        [_, _, _, _, _, b'1', _, _] => Ok(Version::Http11),
        [_, _, _, _, _, _, _, _] => Err(Stop::Refused(Refusal::OtherVersion)),
        _ => Err(Stop::Incomplete),
    }
}
