//! Around the code: links that lead somewhere, nothing unfinished, a reason for every dependency.

use super::source;

/// Macros that stand for work not done, or left in by mistake.
const UNFINISHED_MACROS: &[&str] = &["todo", "unimplemented", "dbg"];
/// Notes that belong into an issue. Written in two parts, so that this file does not break its own rule.
const UNFINISHED_NOTES: &[&str] = &[concat!("FIX", "ME"), concat!("X", "XX")];

/// Refuses relative links to files that are not there.
pub(super) fn links(path: &str, text: &str) -> Vec<String> {
    let folder = super::root().join(path).parent().expect("a file has a folder").to_owned();
    let is_dead = |(_, target): &(usize, String)| !folder.join(target).exists();
    targets(text)
        .into_iter()
        .filter(is_dead)
        .map(|(line, target)| {
            format!("{path}:{line}: nothing is at `{target}`. Write the file, or mend the link.")
        })
        .collect()
}

/// Refuses work that is marked as not done.
pub(super) fn unfinished(path: &str, text: &str) -> Vec<String> {
    let notes = (1..).zip(text.lines()).flat_map(|(line, text)| noted(text).map(move |word| (line, word)));
    let code = if path.ends_with(".rs") { source::blanked(text) } else { String::new() };
    notes
        .chain(called(&code))
        .map(|(line, word)| {
            format!("{path}:{line}: `{word}` is left over. Do it, or open an issue and take it out.")
        })
        .collect()
}

/// Refuses dependencies without a comment on the line above. The versions in `[workspace.dependencies]` need none:
/// the reason stands where a crate is used.
pub(super) fn dependencies(path: &str, text: &str) -> Vec<String> {
    let mut section = "";
    let mut above = "";
    let mut violations = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        section = header(line).unwrap_or(section);
        let names_one = if header(line).is_some() {
            section.contains("dependencies.")
        } else {
            section.ends_with("dependencies") && line.starts_with(char::is_alphanumeric) && line.contains('=')
        };
        if names_one && !section.starts_with("workspace") && !above.starts_with('#') {
            violations.push(format!(
                "{path}:{number}: write the reason for this dependency in a comment above it."
            ));
        }
        above = line;
    }
    violations
}

/// The name in `[name]`.
fn header(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.strip_suffix(']')
}

fn noted(line: &str) -> impl Iterator<Item = &'static str> {
    let words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let is_note = |word: &str| UNFINISHED_NOTES.iter().find(|note| **note == word).copied();
    words.filter_map(is_note).collect::<Vec<_>>().into_iter()
}

fn called(code: &str) -> Vec<(usize, &str)> {
    let tokens = source::tokens(code);
    let calls =
        tokens.windows(2).filter(|pair| pair[1].text == "!" && UNFINISHED_MACROS.contains(&pair[0].text));
    calls.map(|pair| (pair[0].line, pair[0].text)).collect()
}

/// Relative link targets outside code, without their fragments.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        if !in_code && !is_fence {
            let plain: String = line.split('`').step_by(2).collect();
            found.extend(
                inline(&plain).chain(definition(&plain)).filter_map(file).map(|target| (number, target)),
            );
        }
    }
    found
}

/// The targets of `[text](target)`.
fn inline(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|tail| tail.split(')').next())
}

/// The target of `[name]: target`.
fn definition(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.split_once("]: ").map(|(_, target)| target)
}

/// The file that a target names, if it is one of ours.
fn file(target: &str) -> Option<String> {
    let target = target.split_whitespace().next()?.trim_matches(['<', '>']);
    let name = target.split('#').next()?;
    let is_elsewhere = name.is_empty() || name.contains("://") || name.starts_with("mailto:");
    (!is_elsewhere).then(|| name.to_owned())
}

#[test]
fn a_dead_link_is_caught() {
    super::caught(links, "README.md", "See [this](no-such-file.md#part).", "`no-such-file.md`");
    super::caught(
        links,
        "README.md",
        "[a](Cargo.toml) and\n![b](no/such.png \"title\")",
        ":2: nothing is at `no/such.png`",
    );
    super::caught(links, "README.md", "[a]: ./no-such.md", "`./no-such.md`");
    super::caught(links, "src/README.md", "[`a`](Cargo.toml)", "`Cargo.toml`");
    super::passes(links, "src/README.md", "[`a`](../Cargo.toml#x) [b](https://a.example) [c](#d) `[e](f)`");
    super::passes(links, "README.md", "```\n[a](no-such-file.md)\n```\n");
}

#[test]
fn something_unfinished_is_caught() {
    super::caught(unfinished, "src/a.rs", "fn a() {\n    todo!()\n}", ":2: `todo`");
    super::caught(unfinished, "src/a.rs", "let a = dbg!(b);", "`dbg`");
    super::caught(unfinished, "tuning/a.sh", concat!("# FIX", "ME: later"), ":1:");
    super::caught(unfinished, "src/a.rs", concat!("// X", "XX later"), "is left over");
    super::passes(unfinished, "src/a.rs", "// `todo!` is refused.\nlet unimplemented = \"dbg!\";");
    super::passes(unfinished, "tuning/a.sh", concat!("mktemp a.X", "XXXXX"));
}

#[test]
fn a_dependency_without_a_reason_is_caught() {
    let words = "write the reason";
    super::caught(dependencies, "Cargo.toml", "[dependencies]\n# The clock.\na = \"1\"\nb = \"2\"", ":4:");
    super::caught(dependencies, "Cargo.toml", "[dev-dependencies]\na = { version = \"1\" }", words);
    super::caught(dependencies, "Cargo.toml", "[target.'cfg(unix)'.dependencies]\na.workspace = true", words);
    super::caught(dependencies, "Cargo.toml", "[dependencies.a]\nversion = \"1\"", words);
    super::passes(
        dependencies,
        "Cargo.toml",
        "[dependencies]\n# The clock.\na = { features = [\n  \"b=c\",\n] }\n",
    );
    super::passes(dependencies, "Cargo.toml", "[package]\nname = \"a\"\n[workspace.dependencies]\na = \"1\"");
}
