//! Request targets: their four forms, and the path and query within (RFC 9112, section 3.2).
//!
//! It must not know which paths are served.

use super::host;
use super::message::Method;
use super::refusal::Refusal;

/// The form of a request target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/path?query`.
    Origin,
    /// `http://host/path?query`.
    Absolute,
    /// `host:port`, for CONNECT alone.
    Authority,
    /// `*`, for OPTIONS alone.
    Asterisk,
}

/// What a request is for. Its bytes are visible ASCII; escapes are as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Which of the four forms it has.
    pub form: Form,
    /// All of it, as it came.
    pub raw: &'a [u8],
    /// The host and port, in absolute and authority form.
    pub authority: Option<&'a [u8]>,
    /// The path, which starts with `/`; `*` if the request is for the server as a whole; empty in authority form.
    pub path: &'a [u8],
    /// What follows the first `?`.
    pub query: Option<&'a [u8]>,
}

impl<'a> Target<'a> {
    /// Reads a target of visible ASCII without `#`. `mark` is where its first `?` stands.
    #[inline(always)]
    pub(super) fn read(method: &Method<'_>, raw: &'a [u8], mark: Option<usize>) -> Result<Self, Refusal> {
        if raw.first() == Some(&b'/') && *method != Method::Connect {
            let (path, query) = split(raw, mark);
            return Ok(Self { form: Form::Origin, raw, authority: None, path, query });
        }
        Self::read_rare(method, raw).ok_or(Refusal::BadTarget)
    }

    #[cold]
    fn read_rare(method: &Method<'_>, raw: &'a [u8]) -> Option<Self> {
        if *method == Method::Connect {
            let target = Self { form: Form::Authority, raw, authority: Some(raw), path: b"", query: None };
            return host::is_host_and_port(raw).then_some(target);
        }
        if raw == b"*" {
            let target = Self { form: Form::Asterisk, raw, authority: None, path: raw, query: None };
            return (*method == Method::Options).then_some(target);
        }
        let scheme_end = raw.iter().position(|byte| *byte == b':').filter(|end| is_scheme(&raw[..*end]))?;
        let rest = raw[scheme_end..].strip_prefix(b"://")?;
        let authority_end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(authority_end);
        let (path, query) = split(tail, tail.iter().position(|byte| *byte == b'?'));
        let path = match path {
            b"" if *method == Method::Options && query.is_none() => b"*", // RFC 9112, section 3.2.4.
            b"" => b"/",
            path => path,
        };
        let target = Self { form: Form::Absolute, raw, authority: Some(authority), path, query };
        host::is_authority(authority).then_some(target)
    }
}

#[inline(always)]
fn split(bytes: &[u8], mark: Option<usize>) -> (&[u8], Option<&[u8]>) {
    match mark {
        None => (bytes, None),
        Some(mark) => (&bytes[..mark], Some(&bytes[mark + 1..])),
    }
}

/// Whether bytes are a scheme (RFC 3986, section 3.1).
fn is_scheme(bytes: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.iter().all(is_letter)
}
