//! Percent escapes in paths and queries (RFC 3986, section 2.1).
//!
//! It must not know what the text means: an escaped slash is a slash once it is decoded.

use std::borrow::Cow;

use super::refusal::Refusal;

/// Text without its escapes. It allocates only if there are any.
///
/// # Errors
///
/// [`Refusal::BadEscape`] for a `%` without two hexadecimal digits behind it, and for `%00`, which no name may contain.
pub fn unescape(text: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
    decode(text, false)
}

/// The parameters of a query, in the order they came in.
pub fn parameters(query: &[u8]) -> Parameters<'_> {
    Parameters { rest: Some(query) }
}

/// Names and values of a query, in the form that HTML forms have: `+` is a space. A name without `=` has an empty value.
#[derive(Clone, Debug)]
pub struct Parameters<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Result<(Cow<'a, [u8]>, Cow<'a, [u8]>), Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (pair, rest) = split_once(self.rest?, b'&');
            self.rest = rest;
            if !pair.is_empty() {
                let (name, value) = split_once(pair, b'=');
                let value = value.unwrap_or_default();
                return Some(decode(name, true).and_then(|name| Ok((name, decode(value, true)?))));
            }
        }
    }
}

fn split_once(bytes: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|byte| *byte == mark) {
        None => (bytes, None),
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
    }
}

fn decode(text: &[u8], plus_is_space: bool) -> Result<Cow<'_, [u8]>, Refusal> {
    if !text.iter().any(|byte| *byte == b'%' || (plus_is_space && *byte == b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'%' => {
                let [high, low, tail @ ..] = tail else { return Err(Refusal::BadEscape) };
                decoded.push(escaped(*high, *low).ok_or(Refusal::BadEscape)?);
                rest = tail;
            }
            b'+' if plus_is_space => decoded.push(b' '),
            byte => decoded.push(*byte),
        }
    }
    Ok(Cow::Owned(decoded))
}

fn escaped(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?).filter(|byte| *byte != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[u8]>) {
        assert_eq!(unescape(text.as_bytes()).ok().as_deref(), expected, "{text}");
    }

    fn check_query(query: &str, expected: &[(&str, &str)]) {
        let found: Result<Vec<_>, _> = parameters(query.as_bytes()).collect();
        let found = found.expect("a good query");
        let found: Vec<_> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        let expected: Vec<_> =
            expected.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        assert_eq!(found, expected, "{query}");
    }

    #[test]
    fn escapes_are_decoded_or_refused() {
        check("", Some(b""));
        check("/a+b", Some(b"/a+b"));
        check("/a%20b", Some(b"/a b"));
        check("%2f%2F", Some(b"//"));
        check("%c3%A4", Some("\u{e4}".as_bytes()));
        check("%ff", Some(b"\xff"));
        check("%2541", Some(b"%41"));
        check("%", None);
        check("%4", None);
        check("a%4", None);
        check("%g0", None);
        check("%0g", None);
        check("%+1", None);
        check("%%41", None);
        check("%00", None);
        check("%u0041", None);
    }

    #[test]
    fn text_without_escapes_is_borrowed() {
        assert!(matches!(unescape(b"/plain"), Ok(Cow::Borrowed(b"/plain"))));
    }

    #[test]
    fn parameters_are_split_before_they_are_decoded() {
        check_query("", &[]);
        check_query("&&", &[]);
        check_query("token=a.b.c", &[("token", "a.b.c")]);
        check_query("a=1&b=2", &[("a", "1"), ("b", "2")]);
        check_query("a=1&a=2&a", &[("a", "1"), ("a", "2"), ("a", "")]);
        check_query("a=b=c", &[("a", "b=c")]);
        check_query("=x&y=", &[("", "x"), ("y", "")]);
        check_query("a%26b=c%3Dd+e%2Bf", &[("a&b", "c=d e+f")]);
        assert_eq!(parameters(b"a=%zz").next(), Some(Err(Refusal::BadEscape)));
        assert_eq!(parameters(b"%=1").next(), Some(Err(Refusal::BadEscape)));
    }
}
