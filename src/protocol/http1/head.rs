//! Reading a head line by line, whole or in pieces, in time that grows with its bytes and not with its pieces.
//!
//! It knows lines and limits. What stands in the first line is told to it by the role; what the fields mean is the
//! caller's matter.

use super::facts::Facts;
use super::headers::{self, Field, Table};
use super::refusal::Refusal;
use super::token;
use crate::limits;

/// Bounds of one head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Most bytes from the first line to the empty line, both included.
    pub head_bytes: usize,
    /// Most header lines.
    pub headers: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes: limits::HEAD_BYTES as usize, headers: limits::HEADERS as usize }
    }
}

/// How far an unfinished head was read. Keep one per connection, beside its unread bytes, and pass it with them again
/// when more have come; it starts anew by itself with the next message.
///
/// A head that comes whole is read once. One that comes in pieces is checked line by line, each line when it is
/// complete, and read once more at its end. Each byte is looked at three times, the first few dozen more often.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Where the first unfinished line starts.
    line_start: usize,
    /// Up to where that line is known to be text.
    scanned: usize,
    /// Complete lines before it.
    lines: usize,
    /// Bytes looked at so far.
    #[cfg(test)]
    pub(super) work: usize,
}

impl Progress {
    /// The progress of a connection that has sent nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing of a head has been read yet.
    pub fn is_new(&self) -> bool {
        self.line_start == 0 && self.scanned == 0
    }

    fn count(&mut self, bytes: usize) {
        #[cfg(test)]
        {
            self.work += bytes;
        }
        #[cfg(not(test))]
        let _ = bytes;
    }

    fn restart(&mut self) {
        self.line_start = 0;
        self.scanned = 0;
        self.lines = 0;
    }
}

/// While no more has come than this, an unfinished first line is read again with each piece: what speaks another
/// protocol should hear so at once, and so few bytes cost nothing.
const AGAIN_BYTES: usize = 48;

/// Why reading stopped before the end of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// More bytes are needed.
    Incomplete,
    /// More bytes would not help.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The first line of a message: a request line or a status line.
pub(super) trait FirstLine<'a>: Sized {
    /// A first line that is longer than this has been refused.
    const BYTES_MAX: usize;

    /// Where the first line starts, once that can be told.
    fn start(bytes: &[u8]) -> Result<usize, Stop>;

    /// Reads the line at `start`; returns where the next begins.
    fn read(bytes: &'a [u8], start: usize) -> Result<(Self, usize), Stop>;
}

/// Reads the head at the start of `bytes` and takes note of its facts; returns its first line and its length, or `None`
/// if it is not complete. The facts are noted in place: they are too many to be handed up from function to function.
#[inline(always)]
pub(super) fn read<'a, L: FirstLine<'a>>(
    bytes: &'a [u8],
    progress: &mut Progress,
    limits: &HeadLimits,
    table: &mut Table,
    facts: &mut Facts<'a>,
) -> Result<Option<(L, usize)>, Refusal> {
    let window = &bytes[..bytes.len().min(limits.head_bytes)];
    let outcome = if progress.scanned == 0 {
        read_whole(window, progress, limits, table, facts)
    } else {
        resume::<L>(window, progress, limits)
            .and_then(|()| read_whole(window, progress, limits, table, facts))
    };
    match outcome {
        Ok(head) => {
            progress.restart();
            Ok(Some(head))
        }
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(Stop::Incomplete) if bytes.len() >= limits.head_bytes => Err(Refusal::HeadTooLong),
        Err(Stop::Incomplete) => Ok(None),
    }
}

/// Reads all lines in one pass. If the head is not complete, notes where to go on.
#[inline(always)]
fn read_whole<'a, L: FirstLine<'a>>(
    bytes: &'a [u8],
    progress: &mut Progress,
    limits: &HeadLimits,
    table: &mut Table,
    facts: &mut Facts<'a>,
) -> Result<(L, usize), Stop> {
    let start = L::start(bytes)?;
    let mut at = start;
    table.fields.clear();
    let outcome = read_lines(bytes, &mut at, limits, &mut table.fields, facts);
    if let Ok((_, length)) = &outcome {
        progress.count(*length);
    } else {
        progress.count(bytes.len());
        progress.line_start = at;
        progress.lines = if at == start { 0 } else { table.fields.len() + 1 };
        progress.scanned = text_scanned(bytes);
    }
    outcome
}

/// Reads lines until the empty one. `at` moves on with each complete line.
#[inline(always)]
fn read_lines<'a, L: FirstLine<'a>>(
    bytes: &'a [u8],
    at: &mut usize,
    limits: &HeadLimits,
    fields: &mut Vec<Field>,
    facts: &mut Facts<'a>,
) -> Result<(L, usize), Stop> {
    let (first, next) = L::read(bytes, *at)?;
    *at = next;
    loop {
        let (field, next) = headers::read_line(bytes, *at)?;
        let Some(field) = field else {
            return Ok((first, next));
        };
        if fields.len() == limits.headers {
            return Err(Stop::Refused(Refusal::TooManyHeaders));
        }
        *at = next;
        let (name, value) = field.of(bytes);
        facts.note(name, value);
        fields.push(field);
    }
}

/// Goes on with a head of which a part was read before: checks each line that has become complete, and returns when
/// the last one has.
#[cold]
fn resume<'a, L: FirstLine<'a>>(
    bytes: &'a [u8],
    progress: &mut Progress,
    limits: &HeadLimits,
) -> Result<(), Stop> {
    loop {
        let mut end = token::text_run(bytes, progress.scanned);
        while bytes.get(end) == Some(&b'\t') {
            end = token::text_run(bytes, end + 1);
        }
        progress.count((end + 1).min(bytes.len()).saturating_sub(progress.scanned));
        let is_first = progress.lines == 0;
        let is_too_long = is_first && end - progress.line_start > L::BYTES_MAX;
        let is_open = matches!(bytes.get(end..), None | Some([] | [b'\r']));
        if is_open && !is_too_long {
            progress.scanned = end;
            if is_first && bytes.len() <= AGAIN_BYTES {
                progress.count(bytes.len());
                L::read(bytes, progress.line_start)?; // What is no method is refused before its line ends.
            }
            return Err(Stop::Incomplete);
        }
        // The line is complete, or there is something wrong with it: its own reader knows what.
        progress.count((end + 2).min(bytes.len()) - progress.line_start);
        if is_first {
            (_, progress.line_start) = L::read(bytes, progress.line_start)?;
        } else {
            let (field, next) = headers::read_line(bytes, progress.line_start)?;
            if field.is_none() {
                return Ok(());
            }
            if progress.lines > limits.headers {
                return Err(Stop::Refused(Refusal::TooManyHeaders));
            }
            progress.line_start = next;
        }
        progress.scanned = progress.line_start;
        progress.lines += 1;
    }
}

/// Up to where a line that was read to the end of the bytes needs no second look: a CR at the end may be half of a
/// line end.
fn text_scanned(bytes: &[u8]) -> usize {
    bytes.len() - usize::from(bytes.last() == Some(&b'\r'))
}
