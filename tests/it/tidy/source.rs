//! Rust text as the rules see it: comments and literals blanked, tests cut off, split into tokens.
//!
//! It knows just enough of the language to tell code from text, and must not know any rule.

/// A word, `::`, or one other character, with the line it stands in (from 1).
#[derive(Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) line: usize,
    pub(super) text: &'a str,
}

/// The text with each character of comments, strings and character literals replaced by a space; lines stay.
pub(super) fn blanked(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let hidden = hidden_length(rest);
        let length = if hidden > 0 { hidden } else { visible_length(rest) };
        let (piece, tail) = rest.split_at(length);
        if hidden > 0 {
            code.extend(piece.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(piece);
        }
        rest = tail;
    }
    code
}

/// Blanked code without the tests at its foot; of a file that is all tests, nothing.
pub(super) fn without_tests<'a>(path: &str, code: &'a str) -> &'a str {
    if path.ends_with("/tests.rs") {
        return "";
    }
    let opens_tests = |at: &usize| {
        let after = code[at + TEST_MARK.len()..].trim_start();
        // `mod tests;` names a file of its own, and what follows it is no test.
        after.strip_prefix("mod tests").is_some_and(|tail| tail.trim_start().starts_with('{'))
    };
    let tail = code.match_indices(TEST_MARK).map(|(at, _)| at).find(opens_tests);
    &code[..tail.unwrap_or(code.len())]
}

/// The tokens of blanked code.
pub(super) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let length = if rest.starts_with("::") { 2 } else { visible_length(rest) };
            let (text, tail) = rest.split_at(length);
            tokens.push(Token { line, text });
            rest = tail.trim_start();
        }
    }
    tokens
}

/// Whether a token is a word, and not punctuation.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(is_word)
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The length of the word, or of the character, that `rest` starts with.
fn visible_length(rest: &str) -> usize {
    let word = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
    if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) }
}

/// The length of the comment or literal that `rest` starts with, or 0.
fn hidden_length(rest: &str) -> usize {
    match rest.as_bytes() {
        [b'/', b'/', ..] => rest.find('\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment_length(rest),
        [b'"', ..] => quoted_length(rest, '"'),
        [b'\'', ..] => character_length(rest),
        [b'r' | b'b' | b'c', ..] => raw_string_length(rest),
        _ => 0,
    }
}

fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let (step, change) = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth = depth.saturating_add_signed(change);
        if depth == 0 {
            break;
        }
    }
    at
}

/// Up to the closing quote that no backslash escapes.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        if letter == quote && !escaped {
            return at + 1;
        }
        escaped = letter == '\\' && !escaped;
    }
    rest.len()
}

/// A character literal; a lifetime, which has no closing quote, is code.
fn character_length(rest: &str) -> usize {
    let mut letters = rest.chars().skip(1);
    let (first, second) = (letters.next(), letters.next());
    if first == Some('\\') || second == Some('\'') { quoted_length(rest, '\'') } else { 0 }
}

fn raw_string_length(rest: &str) -> usize {
    let Some(tail) = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix)) else { return 0 };
    let hashes = tail.len() - tail.trim_start_matches('#').len();
    let Some(body) = tail[hashes..].strip_prefix('"') else { return 0 };
    let closing = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&closing).map_or(body.len(), |at| at + closing.len());
    rest.len() - body.len() + end
}

const TEST_MARK: &str = "#[cfg(test)]";

#[test]
fn code_is_told_from_text() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("x\"y", 'z', '\'')"#, "f(      ,    ,     )"),
        (r##"r#"a"b"# c"##, "         c"),
        ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
        ("for r in bar", "for r in bar"),
        ("/* é */x", "       x"),
    ];
    for (text, expected) in cases {
        assert_eq!(blanked(text), expected);
    }
}

#[test]
fn tests_at_the_foot_are_cut_off() {
    assert_eq!(without_tests("src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests { x }"), "fn a() {}\n");
    assert_eq!(without_tests("src/a.rs", "#[cfg(test)]\nfn a() {}"), "#[cfg(test)]\nfn a() {}");
    let beside = "#[cfg(test)]\nmod tests;\nfn a() {}";
    assert_eq!(without_tests("src/a.rs", beside), beside);
    assert_eq!(without_tests("src/shard/tests.rs", "fn a() {}"), "");
}

#[test]
fn tokens_know_their_line() {
    let found: Vec<_> = tokens("use a::{b};\nc").iter().map(|token| (token.line, token.text)).collect();
    assert_eq!(found, [(1, "use"), (1, "a"), (1, "::"), (1, "{"), (1, "b"), (1, "}"), (1, ";"), (2, "c")]);
}
