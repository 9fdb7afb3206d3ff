//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455, 9.1), read and written.
//!
//! It keeps of each extension its name and the parameters that permessage-deflate knows; what they mean is decided in
//! `parameters`.

use super::field;
use super::parameters::{Given, Parameters};
use std::borrow::Cow;
use std::io::Write;

/// One extension of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extension<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) parameters: Parameters,
}

/// The value of a field is not a list of extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The extensions that a field's value lists, in order. After an error it ends.
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = Result<Extension<'_>, Malformed>> {
    let mut scanner = Scanner { rest: value };
    std::iter::from_fn(move || {
        scanner.skip_separators();
        if scanner.rest.is_empty() {
            return None;
        }
        let found = scanner.extension();
        if found.is_err() {
            scanner.rest = &[];
        }
        Some(found)
    })
}

impl Extension<'_> {
    /// Writes it as an element of a list.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let parameters = &self.parameters;
        out.extend_from_slice(self.name.as_bytes());
        if parameters.server_no_context_takeover {
            out.extend_from_slice(b"; server_no_context_takeover");
        }
        if parameters.client_no_context_takeover {
            out.extend_from_slice(b"; client_no_context_takeover");
        }
        write_bits(out, "server_max_window_bits", parameters.server_max_window_bits);
        write_bits(out, "client_max_window_bits", parameters.client_max_window_bits);
    }
}

fn write_bits(out: &mut Vec<u8>, name: &str, given: Given) {
    let written = match given {
        Given::Absent => Ok(()),
        Given::Bare => write!(out, "; {name}"),
        Given::Value(bits) => write!(out, "; {name}={bits}"),
    };
    debug_assert!(written.is_ok(), "writing to a vector cannot fail");
}

struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// `extension = token *( ";" param )`, up to the next comma.
    fn extension(&mut self) -> Result<Extension<'a>, Malformed> {
        let name = Cow::Borrowed(self.token()?);
        let mut parameters = Parameters::NONE;
        while self.takes(b';') {
            let (name, value) = self.parameter()?;
            parameters.add(name, value.as_deref());
        }
        self.skip_space();
        let is_end = self.rest.first().is_none_or(|next| *next == b',');
        if is_end { Ok(Extension { name, parameters }) } else { Err(Malformed) }
    }

    /// `param = token [ "=" (token | quoted-string) ]`.
    fn parameter(&mut self) -> Result<(&'a str, Option<Cow<'a, str>>), Malformed> {
        let name = self.token()?;
        if !self.takes(b'=') {
            return Ok((name, None));
        }
        self.skip_space();
        if self.rest.first() == Some(&b'"') {
            return Ok((name, Some(Cow::Owned(self.quoted()?))));
        }
        Ok((name, Some(Cow::Borrowed(self.token()?))))
    }

    /// A quoted string; what it says must be a token.
    fn quoted(&mut self) -> Result<String, Malformed> {
        let mut said = String::new();
        let mut bytes = self.rest.iter().enumerate().skip(1);
        loop {
            let byte = match bytes.next() {
                Some((at, b'"')) => {
                    self.rest = &self.rest[at + 1..];
                    return if said.is_empty() { Err(Malformed) } else { Ok(said) };
                }
                Some((_, b'\\')) => bytes.next(),
                other => other,
            };
            match byte {
                Some((_, byte)) if field::is_token_byte(*byte) => said.push(char::from(*byte)),
                _ => return Err(Malformed),
            }
        }
    }

    fn token(&mut self) -> Result<&'a str, Malformed> {
        self.skip_space();
        let end = self.rest.iter().position(|byte| !field::is_token_byte(*byte));
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        field::token(token).ok_or(Malformed)
    }

    fn takes(&mut self, mark: u8) -> bool {
        self.skip_space();
        let Some((_, rest)) = self.rest.split_first().filter(|(next, _)| **next == mark) else {
            return false;
        };
        self.rest = rest;
        true
    }

    fn skip_space(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\t'));
    }

    fn skip_separators(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b','));
    }

    fn skip(&mut self, is_skipped: impl Fn(u8) -> bool) {
        let end = self.rest.iter().position(|byte| !is_skipped(*byte));
        self.rest = &self.rest[end.unwrap_or(self.rest.len())..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a list and writes it again; `!` stands for parameters that decline an offer.
    fn check(value: &str, expected: &str) {
        let written = list(value.as_bytes()).map(|found| match found {
            Ok(extension) => {
                let mut out = Vec::new();
                extension.write(&mut out);
                let mark = if extension.parameters.is_valid { "" } else { "!" };
                format!("{}{mark}", String::from_utf8(out).unwrap())
            }
            Err(Malformed) => String::from("malformed"),
        });
        assert_eq!(written.collect::<Vec<_>>().join(", "), expected, "{value}");
    }

    #[test]
    fn lists_are_read() {
        check("", "");
        check(" , ,\t", "");
        check("permessage-deflate", "permessage-deflate");
        check("a,b;c , permessage-deflate", "a, b!, permessage-deflate");
        check("a;server_max_window_bits=10", "a; server_max_window_bits=10");
        check("a ; server_max_window_bits = 10", "a; server_max_window_bits=10");
        check("a; server_max_window_bits=\"10\"", "a; server_max_window_bits=10");
        check("a; server_max_window_bits=\"1\\5\"", "a; server_max_window_bits=15");
        check("a; client_max_window_bits", "a; client_max_window_bits");
        check("a; client_no_context_takeover", "a; client_no_context_takeover");
        check(
            "permessage-deflate; client_max_window_bits; server_max_window_bits=10, x",
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits, x",
        );
    }

    #[test]
    fn what_declines_an_offer_is_seen() {
        check("a; server_max_window_bits", "a!");
        check("a; server_max_window_bits=7", "a!");
        check("a; server_max_window_bits=16", "a!");
        check("a; server_max_window_bits=08", "a!");
        check("a; server_max_window_bits=+9", "a!");
        check("a; client_max_window_bits=0", "a!");
        check("a; client_max_window_bits=256", "a!");
        check("a; client_no_context_takeover=1", "a; client_no_context_takeover!");
        check("a; server_no_context_takeover; server_no_context_takeover", "a; server_no_context_takeover!");
        check("a; client_max_window_bits; client_max_window_bits=9", "a; client_max_window_bits=9!");
        check("a; unknown", "a!");
        check("a; unknown=1", "a!");
    }

    #[test]
    fn what_is_no_list_is_malformed() {
        let cases = [
            ";",
            "a;",
            "a;;b",
            "a b",
            "a;b=",
            "a;b=,c",
            "a;=b",
            "a;b=\"",
            "a;b=\"x",
            "a;b=\"\"",
            "a;b=\"x y\"",
            "a;b=\"x\\",
            "a;b=\"x\"y",
            "a;b=c=d",
            "\"a\"",
            "a/b",
            "é",
        ];
        for value in cases {
            let first_error = list(value.as_bytes()).find(Result::is_err);
            assert_eq!(first_error, Some(Err(Malformed)), "{value}");
            // No prefix makes it panic, and a list always ends.
            for cut in 0..value.len() {
                assert!(list(&value.as_bytes()[..cut]).count() < 4, "{value}");
            }
        }
    }
}
