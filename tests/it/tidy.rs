//! The rules of the house that a machine can keep, each a pure function from a file to its violations.
//!
//! They read source text only and must not depend on what the code does. Every message says what to do. Below, each
//! rule is run over the tree, and once over a small planted violation, so that a rule that sees nothing is seen.

mod code;
mod documents;
mod layers;
mod source;
mod unsafety;

use std::fs;
use std::path::{Path, PathBuf};

/// A rule: the file's path from the root and its text, to one message per violation.
type Rule = fn(&str, &str) -> Vec<String>;

const OURS: &[&str] = &["src", "loadgen/src"];
const EVERYWHERE: &[&str] = &["src", "loadgen", "tests", "benches", "examples", "tuning"];

#[test]
fn imports_point_down() {
    keep(layers::imports, &rust(&["src"]));
}

#[test]
fn unsafe_stays_at_home_and_argues() {
    let files = rust(OURS);
    keep(unsafety::home, &files);
    keep(unsafety::arguments, &files);
    let blocks: usize = files.iter().map(|path| unsafety::count(&read(path))).sum();
    #[expect(clippy::print_stdout, reason = "the number is worth a look in the test's output")]
    {
        println!("{blocks} unsafe blocks and impls; we aim for fewer than 60");
    }
}

#[test]
fn one_clock() {
    keep(code::clock, &rust(OURS));
}

#[test]
fn functions_and_files_stay_small() {
    keep(code::function_lengths, &rust(OURS));
    keep(code::file_lengths, &rust(OURS));
}

#[test]
fn modules_introduce_themselves() {
    keep(code::introductions, &rust(OURS));
}

#[test]
fn links_lead_somewhere() {
    let folders = ["tuning", "benches", "examples"].iter().flat_map(|folder| below(folder));
    let files: Vec<String> = top().into_iter().chain(folders).filter(|path| path.ends_with(".md")).collect();
    keep(documents::links, &files);
}

#[test]
fn nothing_is_left_unfinished() {
    let text = |path: &String| [".rs", ".toml", ".sh"].iter().any(|ending| path.ends_with(ending));
    let files: Vec<String> =
        top().into_iter().chain(EVERYWHERE.iter().flat_map(|folder| below(folder))).filter(text).collect();
    keep(documents::unfinished, &files);
}

#[test]
fn dependencies_have_reasons() {
    let manifests = |path: &String| path.ends_with("Cargo.toml");
    let files: Vec<String> =
        EVERYWHERE.iter().flat_map(|folder| below(folder)).chain(top()).filter(manifests).collect();
    assert!(files.len() >= 2, "the manifests of the server and of loadgen are read");
    keep(documents::dependencies, &files);
}

/// Applies a rule to files of the tree; shows all violations at once.
fn keep(rule: Rule, paths: &[String]) {
    let violations: Vec<String> = paths.iter().flat_map(|path| rule(path, &read(path))).collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// The Rust files below these folders. There are some, or the rules would hold for nothing.
fn rust(folders: &[&str]) -> Vec<String> {
    let files: Vec<String> =
        folders.iter().flat_map(|folder| below(folder)).filter(|path| path.ends_with(".rs")).collect();
    assert!(!files.is_empty(), "no Rust file below {folders:?}");
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of the root folder itself.
fn top() -> Vec<String> {
    entries(root()).into_iter().filter(|path| path.is_file()).map(|path| relative(&path)).collect()
}

/// All files below a folder, which need not exist; what was built is left out.
fn below(folder: &str) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let (inner, plain): (Vec<_>, Vec<_>) = entries(&folder).into_iter().partition(|path| path.is_dir());
        folders.extend(inner.into_iter().filter(|path| !path.ends_with("target")));
        files.extend(plain.iter().map(|path| relative(path)));
    }
    files.sort();
    files
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(listing) = fs::read_dir(folder) else { return Vec::new() };
    listing.map(|entry| entry.expect("a folder of ours can be listed").path()).collect()
}

fn relative(path: &Path) -> String {
    let inside = path.strip_prefix(root()).expect("only files below the root are listed");
    inside.to_str().expect("our paths are UTF-8").to_owned()
}

/// Checks that a rule finds the one planted violation and says these words about it.
#[track_caller]
fn caught(rule: Rule, path: &str, text: &str, words: &str) {
    let violations = rule(path, text);
    assert!(violations.len() == 1 && violations[0].contains(words), "{words}: {violations:#?}\n{text}");
}

/// Checks that a rule has nothing to say.
#[track_caller]
fn passes(rule: Rule, path: &str, text: &str) {
    assert_eq!(rule(path, text), [""; 0], "{text}");
}
