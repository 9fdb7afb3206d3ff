//! Where `unsafe` may stand, and that each argues its case.
//!
//! Clippy asks for a comment; here it must also be an argument, and the homes are two.

use super::source::{self, Token};

/// The two folders that talk to the kernel in its own terms.
const HOMES: &[&str] = &["src/sys/", "src/ring/"];
/// Shorter than this is not yet an argument.
const ARGUMENT_LETTERS_MIN: usize = 40;

#[derive(Clone, Copy, PartialEq)]
enum Use {
    /// A block or an implementation: we promise something, and say why it holds.
    Promise,
    /// A function or a trait: we ask for a promise, and say which.
    Demand,
    /// A type or an attribute that only mentions it.
    Mention,
}

/// Refuses `unsafe` outside its homes, in tests too.
pub(super) fn home(path: &str, text: &str) -> Vec<String> {
    if HOMES.iter().any(|home| path.starts_with(home)) {
        return Vec::new();
    }
    let refuse = |(line, _)| {
        format!(
            "{path}:{line}: unsafe lives in {} only. Put a safe function there and call it.",
            HOMES.join(" and ")
        )
    };
    uses(text).into_iter().map(refuse).collect()
}

/// Refuses promises without an argument and demands that do not say what they demand.
pub(super) fn arguments(path: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let refuse = |(line, kind): (usize, Use)| {
        let above = comment_above(&lines[..line - 1]);
        let remedy = match kind {
            Use::Promise if !argues(&above) => {
                "write `// SAFETY:` directly above, each requirement of the callee and who keeps it"
            }
            Use::Demand if !above.contains("# Safety") => {
                "write a `# Safety` section in its documentation, what the caller must keep"
            }
            _ => return None,
        };
        Some(format!("{path}:{line}: unsafe without its argument: {remedy}."))
    };
    uses(text).into_iter().filter_map(refuse).collect()
}

/// How many promises a file makes.
pub(super) fn count(text: &str) -> usize {
    uses(text).iter().filter(|(_, kind)| *kind == Use::Promise).count()
}

fn uses(text: &str) -> Vec<(usize, Use)> {
    let code = source::blanked(text);
    let tokens = source::tokens(&code);
    let marks = tokens.iter().enumerate().filter(|(_, token)| token.text == "unsafe");
    marks.map(|(at, token)| (token.line, kind(&tokens[at + 1..]))).collect()
}

/// What `unsafe` opens, from the tokens after it.
fn kind(next: &[Token<'_>]) -> Use {
    let word = |at: usize| next.get(at).map_or("", |token| token.text);
    match word(0) {
        "extern" => kind(&next[1..]),
        "{" | "impl" => Use::Promise,
        "trait" => Use::Demand,
        "fn" if source::is_name(word(1)) => Use::Demand,
        _ => Use::Mention,
    }
}

/// The comment that ends with these lines, past attributes and the head of a statement broken after `=`.
fn comment_above(lines: &[&str]) -> String {
    let is_between =
        |line: &&&str| line.starts_with("#[") || (line.ends_with('=') && !line.starts_with("//"));
    let trimmed: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    let comment =
        trimmed.iter().rev().filter(|line| !is_between(line)).take_while(|line| line.starts_with("//"));
    let mut parts: Vec<&str> = comment.map(|line| line.trim_start_matches('/').trim_start()).collect();
    parts.reverse();
    parts.join(" ")
}

fn argues(comment: &str) -> bool {
    comment.split_once("SAFETY:").is_some_and(|(_, argument)| argument.trim().len() >= ARGUMENT_LETTERS_MIN)
}

#[test]
fn unsafe_away_from_home_is_caught() {
    super::caught(
        home,
        "src/connection/mod.rs",
        "fn f() { unsafe { g() } }",
        "lives in src/sys/ and src/ring/",
    );
    super::caught(home, "loadgen/src/main.rs", "#[cfg(test)]\nmod tests { unsafe fn f() {} }", ":2:");
    super::passes(
        home,
        "src/lib.rs",
        "#[forbid(unsafe_code)] // unsafe\nmod a;\nconst A: &str = \"unsafe\";",
    );
    super::passes(home, "src/ring/mod.rs", "fn f() { unsafe { g() } }");
}

#[test]
fn unsafe_without_an_argument_is_caught() {
    let cases = [
        ("fn f() {\n    unsafe { g() }\n}", ":2: unsafe without its argument: write `// SAFETY:`"),
        ("// SAFETY: the values are valid.\nlet x = unsafe { g() };", "each requirement"),
        ("// SAFETY: the ring outlives every operation that it was given.\n\nunsafe { g() };", ":3:"),
        ("unsafe impl Send for A {}", "`// SAFETY:`"),
        ("unsafe extern \"C\" { fn f(); }", "`// SAFETY:`"),
        ("/// Does it.\npub unsafe fn f() {}", "`# Safety`"),
        ("pub unsafe extern \"C\" fn f() {}", "`# Safety`"),
    ];
    for (text, words) in cases {
        super::caught(arguments, "src/ring/op.rs", text, words);
    }
}

#[test]
fn unsafe_with_an_argument_passes() {
    let cases = [
        "// SAFETY: `g` needs a live ring, and `self` owns it until drop.\nlet x = unsafe { g() };",
        "// SAFETY: `g` needs a live ring,\n// and `self` owns it until drop.\n#[inline]\nunsafe impl Send for A {}",
        "// SAFETY: `g` needs a live ring, and `self` owns it until drop.\nlet x =\n    unsafe { g() };",
        "/// Does it.\n///\n/// # Safety\n///\n/// The ring lives.\n#[inline]\npub unsafe fn f() {}",
        "type F = unsafe fn(u8) -> u8;",
    ];
    for text in cases {
        super::passes(arguments, "src/ring/op.rs", text);
    }
}

#[test]
fn promises_are_counted() {
    assert_eq!(count("unsafe { a() };\nunsafe impl Send for A {}\nunsafe fn f() {}\n// unsafe {"), 2);
}
