//! Values of header fields: lists of tokens (RFC 9110, 5.6). It does not know which field means what.

/// Without the white space around it.
pub(super) fn trimmed(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_space(byte)).map_or(start, |at| at + 1);
    &value[start..end]
}

/// The elements of a list; empty ones are passed over, as RFC 9110, 5.6.1.2 asks.
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trimmed).filter(|element| !element.is_empty())
}

/// Whether a list names `token`, in any case.
pub(super) fn names(value: &[u8], token: &str) -> bool {
    elements(value).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// The text, when it is a token.
pub(super) fn token(value: &[u8]) -> Option<&str> {
    let is_token = !value.is_empty() && value.iter().all(|byte| is_token_byte(*byte));
    if is_token { str::from_utf8(value).ok() } else { None }
}

pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_searched_in_any_case() {
        let check = |value: &str, expected: bool| assert_eq!(names(value.as_bytes(), "upgrade"), expected);
        check("upgrade", true);
        check("Upgrade", true);
        check("keep-alive, Upgrade", true);
        check(" ,\tUPGRADE\t, x", true);
        check("", false);
        check(" , ", false);
        check("upgrades", false);
        check("up grade", false);
        check("keep-alive;upgrade", false);
    }

    #[test]
    fn tokens_are_those_of_rfc_9110() {
        for byte in 0..=u8::MAX {
            let expected = (0x21..0x7f).contains(&byte) && !b"\"(),/:;<=>?@[\\]{}".contains(&byte);
            assert_eq!(token(&[byte]).is_some(), expected, "{byte:#x}");
        }
        assert_eq!(token(b""), None);
    }
}
