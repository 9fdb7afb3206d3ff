//! Subjects, and the filters that stand for many of them.
//!
//! A subject is made of tokens with dots between them. In a filter, the token `*` stands for any one token, and the token
//! `>` at the end for one or more. Only a whole token is a wildcard: `foo*` is a token like any other. There is no rule
//! about letters but that no token is empty; what ends a word on the wire (a space, a tab, CR, LF) never arrives here from
//! there, and is refused where subjects come from elsewhere. A subject has no length of its own either: the line that
//! carries it has one. A filter has [so many tokens](limits::FILTER_TOKENS_MAX) at most, because each costs memory.
//!
//! Bytes in, yes or no out: nothing is known here of who asks. How nats-server 2.15.1 answers the same questions is in the
//! tests as tables.

use crate::limits;

/// Whether messages can be published here: tokens, none of them empty, none of them a wildcard. Others can be published too,
/// as nats-server lets those without the pedantic option; see [`matches()`].
pub fn is_literal(subject: &[u8]) -> bool {
    is_well_formed(subject) && !has_wildcard(subject)
}

/// Whether somebody can subscribe to it: tokens, none of them empty, `>` only as the last, and not too many.
pub fn is_valid_filter(filter: &[u8]) -> bool {
    is_well_formed(filter) && tokens(filter).count() <= limits::FILTER_TOKENS_MAX
}

fn is_well_formed(filter: &[u8]) -> bool {
    let mut tokens = tokens(filter).peekable();
    while let Some(token) = tokens.next() {
        let is_bad = token.is_empty() || token == b">" && tokens.peek().is_some();
        if is_bad || token.iter().any(|byte| b" \t\r\n".contains(byte)) {
            return false;
        }
    }
    true
}

/// Whether two dots stand together, or one at an end.
#[inline]
pub fn has_empty_token(subject: &[u8]) -> bool {
    let mut before = b'.';
    for byte in subject {
        if *byte == b'.' && before == b'.' {
            return true;
        }
        before = *byte;
    }
    before == b'.'
}

/// Whether one of the tokens is a wildcard.
pub fn has_wildcard(filter: &[u8]) -> bool {
    tokens(filter).any(|token| matches!(token, b"*" | b">"))
}

/// Whether a message to `subject` is for those who subscribed to `filter`, which is valid. The subject's own tokens are taken
/// as they stand, `*` and `>` too. One with an empty token is for nobody.
pub fn matches(filter: &[u8], subject: &[u8]) -> bool {
    let mut tokens = tokens(subject);
    for wanted in self::tokens(filter) {
        let Some(token) = tokens.next().filter(|token| !token.is_empty()) else { return false };
        match wanted {
            b">" => return tokens.all(|token| !token.is_empty()),
            b"*" => {}
            _ if wanted == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

/// Whether every message that `narrower` stands for, `wider` stands for as well. Both are valid.
pub fn covers(wider: &[u8], narrower: &[u8]) -> bool {
    let mut tokens = tokens(narrower);
    for wide in self::tokens(wider) {
        match (wide, tokens.next()) {
            (_, None) => return false,
            (b">", Some(_)) => return true,
            (_, Some(b">")) => return false,
            (b"*", Some(_)) => {}
            (_, Some(token)) if wide == token => {}
            (_, Some(_)) => return false,
        }
    }
    tokens.next().is_none()
}

/// Whether there is a message that both stand for. Both are valid.
pub fn overlaps(one: &[u8], other: &[u8]) -> bool {
    let (mut ones, mut others) = (tokens(one), tokens(other));
    loop {
        match (ones.next(), others.next()) {
            (None, None) => return true,
            (None, Some(_)) | (Some(_), None) => return false,
            (Some(b">"), Some(_)) | (Some(_), Some(b">")) => return true,
            (Some(b"*"), Some(_)) | (Some(_), Some(b"*")) => {}
            (Some(token), Some(twin)) if token == twin => {}
            (Some(_), Some(_)) => return false,
        }
    }
}

/// What stands between the dots.
pub fn tokens(subject: &[u8]) -> impl Iterator<Item = &[u8]> {
    subject.split(|byte| *byte == b'.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_filter_has_at_most_64_tokens() {
        let of = |count: usize| vec!["a"; count].join(".");
        assert!(is_valid_filter(of(64).as_bytes()) && is_valid_filter(format!("{}.>", of(63)).as_bytes()));
        assert!(!is_valid_filter(of(65).as_bytes()) && !is_valid_filter(format!("{}.>", of(64)).as_bytes()));
        assert!(is_literal(of(65).as_bytes()), "whoever publishes costs nothing by it");
    }

    /// What nats-server 2.15.1 answers to a pedantic `SUB subject 1` and `PUB subject 1`: whether it takes it without
    /// `-ERR 'Invalid Subject'` or `-ERR 'Invalid Publish Subject'`.
    const VALID: &[(&str, bool, bool)] = &[
        ("a", true, true),
        ("a.b", true, true),
        (".", false, false),
        ("a.", false, false),
        (".a", false, false),
        ("a..b", false, false),
        ("foo*", true, true),
        ("*foo", true, true),
        ("foo.*bar", true, true),
        ("*", true, false),
        ("a.*.b", true, false),
        (">", true, false),
        ("a.>", true, false),
        ("a.>.b", false, false),
        (">.a", false, false),
        ("a>", true, true),
        ("a.b>", true, true),
        (">>", true, true),
        ("**", true, true),
        ("a.**", true, true),
        ("*.>", true, false),
        (">.>", false, false),
        ("*>", true, true),
        ("ä.b", true, true),
        ("日本", true, true),
        ("a\0b", true, true),
        ("a\u{1}", true, true),
        ("\u{7f}", true, true),
        ("$SYS.a", true, true),
        ("_INBOX.x", true, true),
        ("a/b", true, true),
        ("a\\b", true, true),
        ("\"a\"", true, true),
        ("a.*.*.>", true, false),
        ("*a.b", true, true),
        ("a.%", true, true),
        ("a.$", true, true),
    ];

    /// Whom nats-server 2.15.1 sends a message to: the subscription, the subject, and whether it arrives.
    const MATCHES: &[(&str, &str, bool)] = &[
        (">", "a", true),
        (">", "a..b", false),
        (">", ".", false),
        (">", "a.", false),
        (">", ".a", false),
        (">", "a.>.b", true),
        (">", "$SYS.a", true),
        (">", "_INBOX.q", true),
        (">", "a.*", true),
        ("*", "a", true),
        ("*", "a.b", false),
        ("*", "*", true),
        ("*", ">", true),
        ("*", "a..", false),
        ("a.*", "a.b", true),
        ("a.*", "a", false),
        ("a.*", "a.b.c", false),
        ("a.*", "a.*", true),
        ("a.*", "a.>", true),
        ("a.*", "a.", false),
        ("a.>", "a", false),
        ("a.>", "a.b", true),
        ("a.>", "a.b.c", true),
        ("a.>", "a.*", true),
        ("a.>", "a.>", true),
        ("a.>", "a..b", false),
        ("a.>", "a.", false),
        ("a.b", "a.*", false),
        ("a.b", "a.>", false),
        ("a.b", ">", false),
        ("a.b", "*.b", false),
        ("*.>", "a", false),
        ("*.>", "a.b", true),
        ("*.>", "a.b.c", true),
        ("foo*", "foo*", true),
        ("foo*", "foobar", false),
        ("foo*", "foo", false),
        ("a.*.c", "a.b.c", true),
        ("a.*.c", "a.*.c", true),
        ("a.*.c", "a..c", false),
        (">>", "a", false),
        (">>", ">>", true),
        ("a.b>", "a.b>", true),
        ("a.b>", "a.bc", false),
        ("a.b>", "a.b.c", false),
        ("*.*", "a.b", true),
        ("*.*", "a", false),
        ("*.*", "a.b.c", false),
    ];

    #[test]
    fn validity_is_nats_servers() {
        for (subject, filter, literal) in VALID {
            assert_eq!(is_valid_filter(subject.as_bytes()), *filter, "SUB {subject:?}");
            assert_eq!(is_literal(subject.as_bytes()), *literal, "PUB {subject:?}");
        }
        // nats-server takes these too, at 3,000 bytes, at 500 tokens and without being UTF-8.
        assert!(is_literal(&[b'x'; 3000]));
        assert!(is_literal(vec!["a"; 500].join(".").as_bytes()));
        assert!(is_literal(b"\xff"));
        // These cannot be said on the wire: they end the word.
        for subject in [&b""[..], b"a b", b"a\tb", b"a\r", b"a.\nb"] {
            assert!(!is_valid_filter(subject), "{subject:?}");
        }
    }

    #[test]
    fn matching_is_nats_servers() {
        for (filter, subject, expected) in MATCHES {
            assert_eq!(matches(filter.as_bytes(), subject.as_bytes()), *expected, "{filter} and {subject}");
        }
    }

    #[test]
    fn a_wider_filter_covers_a_narrower_one() {
        let check = |wider: &str, narrower: &str, expected: bool| {
            assert_eq!(covers(wider.as_bytes(), narrower.as_bytes()), expected, "{wider} and {narrower}");
        };
        check("a", "a", true);
        check("*", "a", true);
        check("a", "*", false);
        check("*", "*", true);
        check("*", ">", false);
        check(">", "*", true);
        check(">", ">", true);
        check("*.>", ">", false);
        check(">", "*.>", true);
        check("a.*", "a.>", false);
        check("a.>", "a.*", true);
        check("a.>", "a", false);
        check("a.>", "a.*.>", true);
        check("a.*.>", "a.>", false);
        check("*.b", "a.*", false);
    }

    #[test]
    fn filters_overlap_in_a_message() {
        let check = |one: &str, other: &str, expected: bool| {
            assert_eq!(overlaps(one.as_bytes(), other.as_bytes()), expected, "{one} and {other}");
            assert_eq!(overlaps(other.as_bytes(), one.as_bytes()), expected, "{other} and {one}");
        };
        check("a", "a", true);
        check("a", "b", false);
        check("a.*.x", "a.b.*", true);
        check("a.*.x", "a.b.*.c", false);
        check("*.b", "a.>", true);
        check("a.>", "a", false);
        check(">", "a.b", true);
        check("*", "a.b", false);
        check("a.b.>", "a.*", false);
        check("a.b.>", "*.*.*", true);
    }

    /// All subjects of up to four tokens of `a` and `b`: enough to tell apart any two filters of up to three tokens.
    fn world() -> Vec<String> {
        let mut all = vec!["a".to_owned(), "b".to_owned()];
        let mut last = all.clone();
        for _ in 0..3 {
            last = last.iter().flat_map(|front| ["a", "b"].map(|token| format!("{front}.{token}"))).collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    /// Matching as it is defined: by recursion over lists of tokens.
    fn naive(filter: &[&str], subject: &[&str]) -> bool {
        match (filter, subject) {
            ([">"], [_, ..]) => true,
            ([], []) => true,
            ([first, filter @ ..], [token, subject @ ..]) => {
                (*first == "*" || first == token) && naive(filter, subject)
            }
            _ => false,
        }
    }

    fn naive_texts(filter: &str, subject: &str) -> bool {
        naive(&filter.split('.').collect::<Vec<_>>(), &subject.split('.').collect::<Vec<_>>())
    }

    fn filter() -> impl Strategy<Value = String> {
        let token = || prop::sample::select(vec!["a", "b", "*"]);
        (prop::collection::vec(token(), 0..=2), prop::sample::select(vec!["a", "b", "*", ">"])).prop_map(
            |(mut tokens, last)| {
                tokens.push(last);
                tokens.join(".")
            },
        )
    }

    proptest! {
        #[test]
        fn matching_is_what_it_is_defined_to_be(filter in filter()) {
            for subject in world() {
                prop_assert_eq!(matches(filter.as_bytes(), subject.as_bytes()), naive_texts(&filter, &subject));
            }
        }

        /// Covering and overlapping, by looking at every message there is.
        #[test]
        fn covering_and_overlapping_are_about_messages(one in filter(), other in filter()) {
            let hears = |filter: &str| -> Vec<bool> {
                world().iter().map(|subject| naive_texts(filter, subject)).collect()
            };
            let (ones, others) = (hears(&one), hears(&other));
            let pairs = || ones.iter().zip(&others);
            prop_assert_eq!(overlaps(one.as_bytes(), other.as_bytes()), pairs().any(|(one, other)| *one && *other));
            prop_assert_eq!(covers(one.as_bytes(), other.as_bytes()), pairs().all(|(one, other)| *one || !*other));
        }

        #[test]
        fn no_bytes_make_it_panic(one in prop::collection::vec(any::<u8>(), 0..12), other in "[ab.*>]{0,9}") {
            for (one, other) in [(&one[..], other.as_bytes()), (other.as_bytes(), &one[..])] {
                matches(one, other);
                covers(one, other);
                overlaps(one, other);
                is_literal(one);
            }
        }
    }
}
