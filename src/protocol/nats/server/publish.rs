//! `PUB` as nearly all clients write it, read in one pass: it is what a hub does most.
//!
//! What is not written so, one space between the arguments and CRLF behind them, or does not lie here whole, is left to
//! [`super::parser`], which reads everything; this must never say something else of the same bytes.

use super::op::Publish;
use super::parser::{Rules, SIZE_DIGITS_MAX};

/// The message at the front of these bytes, and their length; `None` when it takes a closer look.
#[inline]
pub(super) fn read_at_once<'a>(bytes: &'a [u8], rules: &Rules) -> Option<(usize, Publish<'a>)> {
    if !is_publish(bytes) || !rules.introduced {
        return None;
    }
    let subject = VERB_BYTES..token_end(bytes, VERB_BYTES)?;
    if subject.is_empty() || bytes[subject.end] != b' ' {
        return None;
    }
    let mut reply = None;
    let mut at = subject.end + 1;
    let (size, end) = match size(bytes, at) {
        Some(found) => found,
        // Then it is where to reply to, or something odd.
        None => {
            let end = token_end(bytes, at)?;
            if end == at || bytes[end] != b' ' {
                return None;
            }
            reply = Some(&bytes[at..end]);
            at = end + 1;
            size(bytes, at)?
        }
    };
    let from = end + 2;
    let to = from + size;
    let fits = end - VERB_BYTES <= rules.control_line_bytes_max && size <= rules.payload_bytes_max;
    if !fits || bytes.get(to..to + 2)? != b"\r\n" {
        return None;
    }
    let publish = Publish { subject: &bytes[subject], reply, message: &bytes[from..to], header_bytes: 0 };
    Some((to + 2, publish))
}

/// The payload of the message at the front of these bytes, and their length, if it is a plain one about this subject, the
/// subject of the message before it.
#[inline]
pub fn read_next<'a>(bytes: &'a [u8], subject: &[u8], rules: &Rules) -> Option<(usize, &'a [u8])> {
    let at = VERB_BYTES + subject.len() + 1;
    let line = bytes.get(..at)?;
    if line[VERB_BYTES..at - 1] != *subject || line[at - 1] != b' ' || !is_publish(line) {
        return None;
    }
    let (size, end) = size(bytes, at)?;
    let (from, to) = (end + 2, end + 2 + size);
    let fits = end - VERB_BYTES <= rules.control_line_bytes_max && size <= rules.payload_bytes_max;
    (fits && bytes.get(to..to + 2)? == b"\r\n").then(|| (to + 2, &bytes[from..to]))
}

fn is_publish(bytes: &[u8]) -> bool {
    matches!(bytes.first_chunk::<VERB_BYTES>(), Some(b"PUB " | b"pub "))
}

/// The digits from `at` up to a CRLF, and where that begins.
#[inline]
fn size(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut size = 0;
    let mut end = at;
    loop {
        let byte = *bytes.get(end)?;
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            if end - at == SIZE_DIGITS_MAX {
                return None;
            }
            size = size * 10 + usize::from(digit);
            end += 1;
            continue;
        }
        let is_number = end != at && byte == b'\r' && *bytes.get(end + 1)? == b'\n';
        return is_number.then_some((size, end));
    }
}

/// Where the first byte is, from `at` on, that is a space or less: eight at a time.
#[inline]
fn token_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        // Subtracting borrows in each byte that is smaller; what borrowed wrongly lies behind one that did rightly.
        let smaller = word.wrapping_sub(ONES * (b' ' as u64 + 1)) & !word & (ONES << 7);
        if smaller != 0 {
            return Some(at + smaller.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes.get(at..)?.iter().position(|byte| *byte <= b' ').map(|offset| at + offset)
}

const VERB_BYTES: usize = 4;
const ONES: u64 = 0x0101_0101_0101_0101;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_the_first_blank_or_control() {
        for length in 0..40 {
            for end in 0..length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'a'; length];
                    bytes[end] = byte;
                    let expected = bytes.iter().position(|byte| *byte <= 32);
                    assert_eq!(token_end(&bytes, 0), expected, "{byte} at {end} of {length}");
                }
            }
        }
    }
}
