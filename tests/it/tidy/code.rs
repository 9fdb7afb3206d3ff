//! The shape of code: one clock, small functions, small files, and a paragraph on top of each.

use super::source::{self, Token};

/// A longer function is two functions. A flat `match` may be listed in [`LONG_FUNCTIONS`].
const FUNCTION_LINES_MAX: usize = 70;
/// A longer file, not counting its tests, is two files.
const FILE_LINES_MAX: usize = 500;
/// Functions that may be longer: the file, the name, the reason.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];
/// The only file that may ask what time it is.
const CLOCK: &str = "src/sys/clock.rs";

/// Refuses a second clock.
pub(super) fn clock(path: &str, text: &str) -> Vec<String> {
    if path == CLOCK {
        return Vec::new();
    }
    let code = source::blanked(text);
    let asks = |line: &str| line.contains("Instant::now") || line.contains("SystemTime::now");
    let lines = (1..).zip(code.lines()).filter(|(_, line)| asks(line));
    lines
        .map(|(number, _): (usize, _)| {
            format!("{path}:{number}: the only clock is {CLOCK}. Take `now` as an argument, or call `sys::clock::now`.")
        })
        .collect()
}

/// Refuses functions that do not fit a screen, outside tests.
pub(super) fn function_lengths(path: &str, text: &str) -> Vec<String> {
    let code = source::blanked(text);
    let tokens = source::tokens(source::without_tests(path, &code));
    let is_listed =
        |name: &str| LONG_FUNCTIONS.iter().any(|(file, listed, _)| (*file, *listed) == (path, name));
    let functions = (0..tokens.len()).filter_map(|at| function(&tokens[at..]));
    functions
        .filter(|(name, first, last)| last - first >= FUNCTION_LINES_MAX && !is_listed(name))
        .map(|(name, first, last)| {
            format!(
                "{path}:{first}: `{name}` has {} lines, {FUNCTION_LINES_MAX} are the most. Pull its decisions out into \
                 functions of their own; only a flat `match` may be listed in tests/it/tidy/code.rs.",
                last - first + 1,
            )
        })
        .collect()
}

/// Refuses files that tell more than one story.
pub(super) fn file_lengths(path: &str, text: &str) -> Vec<String> {
    let code = source::blanked(text);
    let lines = source::without_tests(path, &code).lines().count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![format!(
        "{path}: {lines} lines before the tests, {FILE_LINES_MAX} are the most. Split it by what it is for."
    )]
}

/// Refuses modules that do not say what they are for.
pub(super) fn introductions(path: &str, text: &str) -> Vec<String> {
    if text.starts_with("//!") {
        return Vec::new();
    }
    vec![format!(
        "{path}:1: open with `//!`: what it is for, what it must not know, where data comes from and goes."
    )]
}

/// The name, the first and the last line of the function that these tokens start with, if they do and it has a body.
fn function<'a>(tokens: &[Token<'a>]) -> Option<(&'a str, usize, usize)> {
    let [keyword, name, rest @ ..] = tokens else { return None };
    if keyword.text != "fn" || !source::is_name(name.text) {
        return None;
    }
    let mut depth = 0_usize;
    let mut in_body = false;
    for token in rest {
        match token.text {
            ";" if depth == 0 => return None,
            "{" if depth == 0 => (in_body, depth) = (true, 1),
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if in_body && depth == 0 {
            return Some((name.text, keyword.line, token.line));
        }
    }
    None
}

#[test]
fn a_second_clock_is_caught() {
    super::caught(
        clock,
        "src/shard/mod.rs",
        "// Instant::now\nlet now = Instant::now();",
        ":2: the only clock",
    );
    super::caught(clock, "loadgen/src/main.rs", "let f = std::time::SystemTime::now;", ":1:");
    super::passes(clock, CLOCK, "Instant::now()");
    super::passes(clock, "src/shard/mod.rs", "/// Never calls `Instant::now`.\nlet now = clock::now();");
}

#[test]
fn a_long_function_is_caught() {
    let of =
        |lines: usize| format!("fn short(&self, x: [u8; 4]) {{}}\nfn long() {{{}}}", "\n".repeat(lines - 1));
    super::passes(function_lengths, "src/a.rs", &of(70));
    super::caught(function_lengths, "src/a.rs", &of(71), ":2: `long` has 71 lines");
    super::passes(function_lengths, "src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{}\n}}", of(71)));
    super::passes(
        function_lengths,
        "src/a.rs",
        &format!("trait A {{ fn a(x: [u8; 4]) -> u8; }}{}", "\n".repeat(99)),
    );
}

#[test]
fn a_long_file_is_caught() {
    super::passes(file_lengths, "src/a.rs", &"a();\n".repeat(500));
    super::caught(file_lengths, "src/a.rs", &"a();\n".repeat(501), "501 lines before the tests");
    super::passes(file_lengths, "src/a.rs", &format!("#[cfg(test)]\nmod tests {{{}}}", "\n".repeat(501)));
}

#[test]
fn a_module_without_a_paragraph_is_caught() {
    super::caught(introductions, "src/a.rs", "use std::io;\n", "open with `//!`");
    super::passes(introductions, "src/a.rs", "//! What it is for.\n");
}
