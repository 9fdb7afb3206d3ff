//! From pieces of a stream to operations: in place where they lie whole, joined where they were cut.
//!
//! Only what is left over of a piece is copied. The rest of its operation is added to it, and nothing else, so that all
//! that follows is again read where it lies: a publisher's stream is not copied because a receive ended within a message.

use super::fault::Violation;
use super::op::Op;
use super::parser::{Found, Parser, Rules, Step};

/// Reads what one client sends.
#[derive(Debug, Default)]
pub struct Reader {
    parser: Parser,
    /// The beginning of an operation whose end has not come; nothing else of it is kept anywhere.
    partial: Vec<u8>,
    /// Whether the operation in `partial` has been handed out.
    done: bool,
}

impl Reader {
    /// The next operation. `bytes` is shortened by what was read; without an operation all of it was, and what is left
    /// over is kept here.
    ///
    /// # Errors
    /// When the peer broke the protocol: then nothing more is to be read.
    #[inline]
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
        rules: &Rules,
    ) -> Result<Option<Op<'a>>, Violation> {
        if self.partial.is_empty()
            && let Some((length, op)) = self.parser.read_at_once(bytes, rules)
        {
            *bytes = &bytes[length..];
            return Ok(Some(op));
        }
        self.next_closely(bytes, rules)
    }

    /// The subject of a message whose line was read and whose end was not, or was not what it has to be; `rest` are the bytes
    /// that were left.
    pub fn announced<'a>(&'a self, rest: &'a [u8]) -> Option<&'a [u8]> {
        let bytes = if self.partial.is_empty() { rest } else { &self.partial };
        self.parser.subject_end().and_then(|end| bytes.get(..end))
    }

    /// Memory that is held, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.partial.capacity()
    }

    /// Whether it is between two operations.
    pub fn is_between(&self) -> bool {
        matches!(self.parser, Parser::Start) && (self.partial.is_empty() || self.done)
    }

    fn next_closely<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
        rules: &Rules,
    ) -> Result<Option<Op<'a>>, Violation> {
        if self.done {
            // An idle connection keeps no memory for an operation that was cut once.
            self.partial = Vec::new();
            self.done = false;
        }
        if !self.partial.is_empty() {
            let Some(found) = self.complete(bytes, rules)? else { return Ok(None) };
            if let Some(found) = found {
                self.done = true;
                return found.op(&self.partial).map(Some);
            }
        }
        loop {
            match self.parser.look(bytes, rules)? {
                Step::Skip(count) => *bytes = &bytes[count..],
                Step::Found(found) => {
                    let op = found.op(bytes)?;
                    *bytes = &bytes[found.length()..];
                    return Ok(Some(op));
                }
                Step::More => {
                    self.keep(bytes);
                    *bytes = &[];
                    return Ok(None);
                }
            }
        }
    }

    /// Adds to what was kept what belongs to it. Says where its operation lies; `Some(None)` when nothing is kept any
    /// more and the rest is read in place, and `None` when all bytes are used up.
    fn complete(&mut self, bytes: &mut &[u8], rules: &Rules) -> Result<Option<Option<Found>>, Violation> {
        let mut step = Step::More;
        loop {
            match step {
                Step::More if bytes.is_empty() => return Ok(None),
                Step::More => {
                    let (taken, rest) = bytes.split_at(self.parser.wanted(self.partial.len(), bytes));
                    self.keep(taken);
                    *bytes = rest;
                }
                Step::Skip(count) => drop(self.partial.drain(..count)),
                Step::Found(found) => return Ok(Some(Some(found))),
            }
            if self.partial.is_empty() {
                self.partial = Vec::new();
                return Ok(Some(None));
            }
            step = self.parser.look(&self.partial, rules)?;
        }
    }

    /// Keeps bytes; the memory grows as they come, to what is known to be needed.
    fn keep(&mut self, bytes: &[u8]) {
        let needed = self.partial.len() + bytes.len();
        if self.partial.capacity() < needed {
            let doubled = needed.max(2 * self.partial.capacity()).max(SMALL_BYTES);
            let known = self.parser.length().unwrap_or(usize::MAX);
            self.partial.reserve_exact(doubled.min(known.max(needed)) - self.partial.len());
        }
        self.partial.extend_from_slice(bytes);
    }
}

/// Memory for the beginning of an operation, unless it is known to need less: most need no more.
const SMALL_BYTES: usize = 64;
