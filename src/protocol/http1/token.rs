//! Classes of bytes, and how far a run of one class reaches.
//!
//! It knows the alphabets of RFC 9110 and RFC 3986, and must not know lines or fields.

/// Letters of a token: methods and names of fields (RFC 9110, section 5.6.2).
pub(super) const TOKEN: u8 = 1;
/// What may stand in a target before its first `?`: visible ASCII without `#`. Browsers send more than RFC 3986 allows
/// (`|`, `^`, braces), and nothing of it can end a line.
pub(super) const PATH: u8 = 2;
/// What may stand in a target behind its first `?`.
pub(super) const QUERY: u8 = 4;
/// Letters of a registered name: unreserved and sub-delimiters (RFC 3986, section 3.2.2). Escapes are apart.
pub(super) const HOST: u8 = 8;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    while byte < 0x7f {
        table[byte as usize] = class_of(byte);
        byte += 1;
    }
    table
}

const fn class_of(byte: u8) -> u8 {
    let mut class = 0;
    if byte > b' ' && byte != b'#' {
        class |= QUERY;
        if byte != b'?' {
            class |= PATH;
        }
    }
    let is_word = byte.is_ascii_alphanumeric();
    if is_word || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'*' | b'+') {
        class |= TOKEN | HOST;
    }
    if matches!(byte, b'#' | b'%' | b'^' | b'`' | b'|') {
        class |= TOKEN;
    }
    if matches!(byte, b'(' | b')' | b',' | b';' | b'=') {
        class |= HOST;
    }
    class
}

/// Whether a byte is of a class.
#[inline(always)]
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Whether all bytes are of a class, and there is at least one.
pub(super) fn all(bytes: &[u8], class: u8) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is(*byte, class))
}

/// Where a run of one class that starts at `at` ends.
#[inline(always)]
pub(super) fn run(bytes: &[u8], mut at: usize, class: u8) -> usize {
    while let Some(byte) = bytes.get(at)
        && is(*byte, class)
    {
        at += 1;
    }
    at
}

/// Where a run of text that starts at `at` ends: at a control byte, a tab included, or at the end of the bytes. Text is
/// SP, visible ASCII and obs-text (RFC 9110, section 5.5).
#[inline(always)]
pub(super) fn text_run(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let stops = controls(u64::from_le_bytes(*word));
        if stops != 0 {
            return at + stops.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at)
        && is_text(*byte)
    {
        at += 1;
    }
    at
}

/// Whether a byte may stand in the value of a field, the tab apart.
pub(super) const fn is_text(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f
}

/// Whether bytes may be sent as the value of a field.
pub(super) fn is_value(bytes: &[u8]) -> bool {
    let mut at = text_run(bytes, 0);
    while bytes.get(at) == Some(&b'\t') {
        at = text_run(bytes, at + 1);
    }
    at == bytes.len()
}

/// Bytes without the spaces and tabs around them.
pub(super) fn trimmed(bytes: &[u8]) -> &[u8] {
    let is_dark = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(is_dark).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(is_dark).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// Marks control bytes among eight with the high bit of their place. Only the lowest mark is exact: a borrow may set
/// marks above it.
const fn controls(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * EACH;
    let below_space = word.wrapping_sub(0x20 * EACH) & !word;
    let deletes = word ^ (0x7f * EACH);
    let is_delete = deletes.wrapping_sub(EACH) & !deletes;
    (below_space | is_delete) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The letters, as RFC 9110, section 5.6.2, lists them.
    const TOKEN_MARKS: &[u8] = b"!#$%&'*+-.^_`|~";
    /// unreserved and sub-delims of RFC 3986 beside letters and digits.
    const HOST_MARKS: &[u8] = b"-._~!$&'()*+,;=";

    #[test]
    fn each_byte_is_in_the_classes_that_the_rfcs_give_it() {
        for byte in 0..=255_u8 {
            let is_word = byte.is_ascii_alphanumeric();
            assert_eq!(is(byte, TOKEN), is_word || TOKEN_MARKS.contains(&byte), "{byte:#x}");
            assert_eq!(is(byte, HOST), is_word || HOST_MARKS.contains(&byte), "{byte:#x}");
            assert_eq!(is(byte, QUERY), byte.is_ascii_graphic() && byte != b'#', "{byte:#x}");
            assert_eq!(is(byte, PATH), byte.is_ascii_graphic() && byte != b'#' && byte != b'?', "{byte:#x}");
            assert_eq!(is_text(byte), !byte.is_ascii_control(), "{byte:#x}");
        }
    }

    #[test]
    fn text_ends_at_the_first_control_byte_wherever_it_stands() {
        for byte in 0..=255_u8 {
            for place in 0..20 {
                for fill in [b' ', b'a', b'~', 0x80, 0xff] {
                    let mut bytes = [fill; 20];
                    bytes[place] = byte;
                    let expected = if byte.is_ascii_control() { place } else { 20 };
                    assert_eq!(text_run(&bytes, 0), expected, "{byte:#x} at {place} among {fill:#x}");
                }
            }
        }
    }

    #[test]
    fn space_around_is_taken_off() {
        assert_eq!(trimmed(b" \ta b\t "), b"a b");
        assert_eq!(trimmed(b" \t "), b"");
        assert_eq!(trimmed(b""), b"");
    }
}
