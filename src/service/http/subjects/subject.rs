//! Subjects as HTTP carries them: in paths and in queries.

use crate::limits;
use crate::protocol::http1::unescape;
use crate::protocol::nats::subject;

/// What is said of a subject to publish to that is none.
pub(super) const SUBJECT_RULE: &str = "A subject is made of tokens with dots between them, as in scores.final: no token is \
                                       empty, has spaces or control characters, or is a wildcard.";
/// What is said of a subject to listen to that is none.
pub(super) const FILTER_RULE: &str = "A subject is made of tokens with dots between them, as in scores.final: no token is \
                                      empty or has spaces or control characters; * stands for any one token, and > at \
                                      the end for one or more.";

/// Whether messages can be published there by those who write JSON and URLs: what they cannot write they cannot name.
pub(super) fn is_subject(text: &[u8]) -> bool {
    is_writable(text) && subject::is_literal(text)
}

/// Whether they can listen to it.
pub(super) fn is_filter(text: &[u8]) -> bool {
    is_writable(text) && subject::is_valid_filter(text)
}

/// Whether it stands for more than one subject.
pub(super) fn has_wildcard(filter: &[u8]) -> bool {
    subject::has_wildcard(filter)
}

/// Whether whoever hears `wider` hears all of `narrower`.
pub(super) fn covers(wider: &[u8], narrower: &[u8]) -> bool {
    subject::covers(wider, narrower)
}

fn is_writable(text: &[u8]) -> bool {
    text.len() <= limits::SUBJECT_BYTES_MAX
        && std::str::from_utf8(text).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// The subject that the rest of a path names: `a/b` and `a.b` are the same. `None` for a bad escape.
pub(super) fn from_path(rest: &[u8]) -> Option<Box<[u8]>> {
    let mut text = Vec::with_capacity(rest.len());
    for (place, segment) in rest.split(|byte| *byte == b'/').enumerate() {
        if place != 0 {
            text.push(b'.');
        }
        text.extend_from_slice(&unescape(segment).ok()?);
    }
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &str) {
        let read = from_path(path.as_bytes()).map(|text| String::from_utf8(text.into()).unwrap());
        assert_eq!(read.as_deref(), Some(expected), "{path}");
    }

    #[test]
    fn a_slash_is_a_dot_and_an_escaped_one_is_not() {
        check("a", "a");
        check("a.b", "a.b");
        check("a/b", "a.b");
        check("a/b.c/%3E", "a.b.c.>");
        check("a%2Fb", "a/b");
        check("%C3%A4", "ä");
        check("a/", "a.");
        check("", "");
        assert_eq!(from_path(b"a%"), None);
        assert_eq!(from_path(b"%00"), None);
    }

    #[test]
    fn what_cannot_be_written_in_json_or_a_line_is_no_subject() {
        for good in ["a", "a.b", "ä.ö", "$SYS.a", "a/b", "foo*"] {
            assert!(is_subject(good.as_bytes()) && is_filter(good.as_bytes()), "{good}");
        }
        for filter in ["*", ">", "a.*.b", "a.>"] {
            assert!(!is_subject(filter.as_bytes()) && is_filter(filter.as_bytes()), "{filter}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\nb", "a\u{7f}", "a\u{85}", "a.>.b"] {
            assert!(!is_subject(bad.as_bytes()) && !is_filter(bad.as_bytes()), "{bad:?}");
        }
        assert!(!is_filter(b"a\xff"));
        assert!(is_subject(&vec![b'x'; limits::SUBJECT_BYTES_MAX]));
        assert!(!is_subject(&vec![b'x'; limits::SUBJECT_BYTES_MAX + 1]));
    }
}
