//! The fields of a head, where they lie and how they are asked for; and how one line of them is read.
//!
//! It must not know what any field means.

use super::head::Stop;
use super::refusal::Refusal;
use super::token;
use crate::limits;

/// Room for the places of header fields. Keep one and use it for head after head: it never shrinks, so steady traffic
/// allocates nothing.
#[derive(Debug)]
pub struct Table {
    pub(super) fields: Vec<Field>,
}

impl Table {
    /// A table with room for the default count of header lines.
    pub fn new() -> Self {
        Self { fields: Vec::with_capacity(limits::HEADERS as usize) }
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

/// Where one field lies in its head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name_start: usize,
    pub(super) name_end: usize,
    pub(super) value_start: usize,
    pub(super) value_end: usize,
}

/// The header fields of one message, in the order they came in.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) fields: &'a [Field],
}

impl<'a> Headers<'a> {
    /// Number of header lines.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// All names and values, without the space around the values.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        self.fields.iter().map(move |field| field.of(bytes))
    }

    /// The value of the first field with this name, in any case.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.iter().find(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The values of all fields with this name, in any case.
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let fields = self.iter();
        fields.filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The elements of a field that is a comma-separated list, over all its lines, without the empty ones (RFC 9110,
    /// section 5.6.1). Not for lists whose elements may be quoted.
    pub fn list<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.get_all(name).flat_map(elements).filter(|element| !element.is_empty())
    }
}

impl Field {
    #[inline(always)]
    pub(super) fn of<'a>(&self, bytes: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        (&bytes[self.name_start..self.name_end], &bytes[self.value_start..self.value_end])
    }
}

/// The elements of a comma-separated list, empty ones included.
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(token::trimmed)
}

/// Reads the line at `start`: its field, or `None` for the empty line that ends the head; and where the next begins.
#[inline(always)]
pub(super) fn read_line(bytes: &[u8], start: usize) -> Result<(Option<Field>, usize), Stop> {
    let name_end = token::run(bytes, start, token::TOKEN);
    if bytes.get(name_end) != Some(&b':') || name_end == start {
        return not_a_name(bytes, start, name_end);
    }
    let mut value_start = name_end + 1;
    while matches!(bytes.get(value_start), Some(b' ' | b'\t')) {
        value_start += 1;
    }
    let line_end = text_end(bytes, value_start)?;
    let mut value_end = line_end;
    while value_end > value_start && matches!(bytes[value_end - 1], b' ' | b'\t') {
        value_end -= 1;
    }
    Ok((Some(Field { name_start: start, name_end, value_start, value_end }), line_end + 2))
}

/// Where the text that starts at `at` ends in CR LF.
#[inline(always)]
pub(super) fn text_end(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    let mut end = token::text_run(bytes, at);
    while bytes.get(end) == Some(&b'\t') {
        end = token::text_run(bytes, end + 1);
    }
    if let Some([b'\r', b'\n']) = bytes.get(end..end + 2) {
        return Ok(end);
    }
    Err(match bytes.get(end) {
        None => Stop::Incomplete,
        Some(b'\r') if end + 1 == bytes.len() => Stop::Incomplete,
        Some(b'\r') => Stop::Refused(Refusal::BareCr),
        Some(b'\n') => Stop::Refused(Refusal::BareLf),
        Some(_) => Stop::Refused(Refusal::ControlByte),
    })
}

/// The line at `start` has no name with a colon behind it: what it is instead.
#[cold]
fn not_a_name(bytes: &[u8], start: usize, name_end: usize) -> Result<(Option<Field>, usize), Stop> {
    let is_first = name_end == start;
    Err(match (bytes.get(name_end), bytes.get(name_end + 1)) {
        (None, _) => Stop::Incomplete,
        (Some(b'\r'), None) => Stop::Incomplete,
        (Some(b'\r'), Some(b'\n')) if is_first => return Ok((None, start + 2)),
        (Some(b'\r'), Some(b'\n')) => Stop::Refused(Refusal::BadHeaderName),
        (Some(b'\r'), Some(_)) => Stop::Refused(Refusal::BareCr),
        (Some(b'\n'), _) => Stop::Refused(Refusal::BareLf),
        (Some(b' ' | b'\t'), _) if is_first => Stop::Refused(Refusal::FoldedLine),
        (Some(b' ' | b'\t'), _) => Stop::Refused(Refusal::SpaceBeforeColon),
        (Some(_), _) => Stop::Refused(Refusal::BadHeaderName),
    })
}
