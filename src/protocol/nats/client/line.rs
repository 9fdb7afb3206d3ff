//! One line of a server: its verb, and where its arguments lie.

use std::ops::Range;

use super::ReadError;

/// Most arguments that a line of a server has: those of `HMSG` with a reply.
const ARGUMENTS_MAX: usize = 5;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// JSON, or the text of an error, lies there.
    Info(Range<usize>),
    Error(Range<usize>),
    Message(Announced),
    Ping,
    Pong,
    Ok,
}

/// A message whose line was read; all places are counted from the start of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) subject: Range<usize>,
    pub(super) sid: Range<usize>,
    pub(super) reply: Option<Range<usize>>,
    /// Bytes of headers, which are the first of the payload's.
    pub(super) headers: usize,
    /// Bytes of headers and payload.
    pub(super) total: usize,
}

/// Reads a line, which does not have its CRLF any more.
pub(super) fn read(line: &[u8], payload_bytes_max: usize) -> Result<Line, ReadError> {
    let end = line.iter().position(|byte| is_blank(*byte)).unwrap_or(line.len());
    let verb = &line[..end];
    let is = |name: &[u8]| verb.eq_ignore_ascii_case(name);
    if is(b"MSG") {
        return message(line, end, false, payload_bytes_max);
    }
    if is(b"HMSG") {
        return message(line, end, true, payload_bytes_max);
    }
    let rest = trimmed(line, end);
    match rest.is_empty() {
        true if is(b"PING") => Ok(Line::Ping),
        true if is(b"PONG") => Ok(Line::Pong),
        true if is(b"+OK") => Ok(Line::Ok),
        false if is(b"INFO") => Ok(Line::Info(rest)),
        false if is(b"-ERR") => Ok(Line::Error(unquoted(line, rest))),
        _ => Err(ReadError::Unknown),
    }
}

/// `MSG subject sid [reply] bytes`, or `HMSG subject sid [reply] header-bytes total-bytes`.
fn message(line: &[u8], from: usize, has_headers: bool, most: usize) -> Result<Line, ReadError> {
    let mut places: [Range<usize>; ARGUMENTS_MAX] = Default::default();
    let mut count = 0;
    let mut at = from;
    loop {
        while line.get(at).is_some_and(|byte| is_blank(*byte)) {
            at += 1;
        }
        if at == line.len() {
            break;
        }
        let start = at;
        while line.get(at).is_some_and(|byte| !is_blank(*byte)) {
            at += 1;
        }
        *places.get_mut(count).ok_or(ReadError::Arguments)? = start..at;
        count += 1;
    }
    let sizes = if has_headers { 2 } else { 1 };
    let reply = match count.checked_sub(sizes) {
        Some(2) => None,
        Some(3) => Some(places[2].clone()),
        _ => return Err(ReadError::Arguments),
    };
    let number = |place: usize| size(&line[places[place].clone()]);
    let total = number(count - 1)?;
    let headers = if has_headers { number(count - 2)? } else { 0 };
    if most < total {
        return Err(ReadError::PayloadTooLong { bytes: total, most });
    }
    if total < headers {
        return Err(ReadError::Arguments);
    }
    let [subject, sid, ..] = places;
    Ok(Line::Message(Announced { subject, sid, reply, headers, total }))
}

/// A number of bytes, in digits alone.
fn size(digits: &[u8]) -> Result<usize, ReadError> {
    let digit = |sum: Option<usize>, byte: &u8| {
        byte.is_ascii_digit().then_some(())?;
        sum?.checked_mul(10)?.checked_add(usize::from(byte - b'0'))
    };
    digits.iter().fold(Some(0), digit).ok_or(ReadError::Arguments)
}

/// What stands behind `from`, without blanks around it.
fn trimmed(line: &[u8], from: usize) -> Range<usize> {
    let is_text = |at: &usize| !is_blank(line[*at]);
    let start = (from..line.len()).find(is_text).unwrap_or(line.len());
    let end = (start..line.len()).rev().find(is_text).map_or(start, |last| last + 1);
    start..end
}

/// The same without the quotes that errors stand in.
fn unquoted(line: &[u8], range: Range<usize>) -> Range<usize> {
    let is_quoted = 2 <= range.len() && line[range.start] == b'\'' && line[range.end - 1] == b'\'';
    if is_quoted { range.start + 1..range.end - 1 } else { range }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
