//! The few fields that decide where a message ends and what becomes of its connection.
//!
//! They are gathered while the head is read and judged when it is complete, so that a head is refused for the same
//! reason however it was cut. It must not know how lines are read.

use super::headers::elements;
use super::message::{BodyLength, Version};
use super::refusal::Refusal;
use super::token;

const CLOSE: u8 = 1;
const KEEP_ALIVE: u8 = 2;
const UPGRADE: u8 = 4;

/// What was seen of those fields.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) host: Option<&'a [u8]>,
    content_length: Option<&'a [u8]>,
    transfer_encoding: Option<&'a [u8]>,
    expect: Option<&'a [u8]>,
    has_upgrade: bool,
    /// The options of all Connection fields that matter here.
    options: u8,
    /// The first thing that was wrong beyond the form of a line.
    fault: Option<Refusal>,
}

impl<'a> Facts<'a> {
    /// Takes note of one field.
    #[inline(always)]
    pub(super) fn note(&mut self, name: &[u8], value: &'a [u8]) {
        let known = |other: &[u8]| name.eq_ignore_ascii_case(other);
        let repeated = match name.len() {
            4 if known(b"host") => self.host.replace(value).map(|_| Refusal::RepeatedHost),
            6 if known(b"expect") => self.expect.replace(value).map(|_| Refusal::UnknownExpectation),
            7 if known(b"upgrade") => {
                self.has_upgrade = true;
                None
            }
            10 if known(b"connection") => self.note_options(value).err(),
            14 if known(b"content-length") => {
                self.content_length.replace(value).map(|_| Refusal::RepeatedContentLength)
            }
            17 if known(b"transfer-encoding") => {
                self.transfer_encoding.replace(value).map(|_| Refusal::RepeatedTransferEncoding)
            }
            _ => None,
        };
        self.fault = self.fault.or(repeated);
    }

    /// What is wrong with the fields, each by itself.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        self.fault.map_or(Ok(()), Err)
    }

    /// The length of a request's content, or of a response's if its status allows for any (RFC 9112, section 6.3).
    /// `None` if no field tells.
    pub(super) fn body(&self, version: Version) -> Result<Option<BodyLength>, Refusal> {
        match (self.content_length, self.transfer_encoding) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Refusal::LengthAndCoding),
            (Some(digits), None) => decimal(digits).map(|length| Some(BodyLength::Length(length))),
            (None, Some(_)) if version == Version::Http10 => Err(Refusal::CodingInOldVersion),
            (None, Some(coding)) => check_coding(coding).map(|()| Some(BodyLength::Chunked)),
        }
    }

    /// Whether the connection stays open behind this message (RFC 9112, section 9.3).
    pub(super) fn keeps_alive(&self, version: Version) -> bool {
        let is_asked = version == Version::Http11 || self.options & KEEP_ALIVE != 0;
        is_asked && self.options & CLOSE == 0
    }

    /// Whether another protocol is offered or chosen. HTTP/1.0 cannot do that (RFC 9110, section 7.8).
    pub(super) fn upgrades(&self, version: Version) -> bool {
        version == Version::Http11 && self.has_upgrade && self.options & UPGRADE != 0
    }

    /// Whether the peer waits for `100 Continue` (RFC 9110, section 10.1.1).
    pub(super) fn expects_continue(&self) -> Result<bool, Refusal> {
        match self.expect {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(true),
            Some(_) => Err(Refusal::UnknownExpectation),
        }
    }

    #[inline(always)]
    fn note_options(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if value.eq_ignore_ascii_case(b"keep-alive") {
            self.options |= KEEP_ALIVE;
            return Ok(());
        }
        for option in elements(value).filter(|option| !option.is_empty()) {
            match () {
                () if option.eq_ignore_ascii_case(b"close") => self.options |= CLOSE,
                () if option.eq_ignore_ascii_case(b"keep-alive") => self.options |= KEEP_ALIVE,
                () if option.eq_ignore_ascii_case(b"upgrade") => self.options |= UPGRADE,
                () if token::all(option, token::TOKEN) => {}
                () => return Err(Refusal::BadConnection),
            }
        }
        Ok(())
    }
}

/// A number of decimal digits alone: no sign, no list, no base, no overflow.
fn decimal(digits: &[u8]) -> Result<u64, Refusal> {
    let add = |number: u64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    };
    let number = digits.iter().try_fold(0, add).filter(|_| !digits.is_empty());
    number.ok_or(Refusal::BadContentLength)
}

/// Lets `chunked` pass, and tells what is wrong with anything else: a coding that is not known here before a last
/// `chunked` has a well-defined end, all others have none (RFC 9112, sections 6.1 and 6.3).
fn check_coding(value: &[u8]) -> Result<(), Refusal> {
    const CHUNKED: &[u8] = b"chunked";
    if value.eq_ignore_ascii_case(CHUNKED) {
        return Ok(());
    }
    let mut before_last = elements(value).count() - 1;
    for coding in elements(value) {
        let is_chunked = coding.eq_ignore_ascii_case(CHUNKED);
        if is_chunked != (before_last == 0) || !token::all(coding, token::TOKEN) {
            return Err(Refusal::BadTransferEncoding);
        }
        before_last = before_last.saturating_sub(1);
    }
    Err(Refusal::UnknownCoding)
}
