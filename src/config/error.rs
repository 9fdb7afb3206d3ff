//! What can be wrong with a configuration, in one sentence each.

use std::io;
use std::path::PathBuf;

use super::layer::{Place, Position};
use crate::limits;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file that `--config` names is not there.
    #[error("{} does not exist. Try: tidemill --print-config, which prints one to begin with", .0.display())]
    Missing(PathBuf),
    /// `--config` names a directory.
    #[error("{} is a directory; --config takes a file", .0.display())]
    Directory(PathBuf),
    /// `--config` names a pipe, a device or a socket: reading one may never end.
    #[error("{} is not a regular file; --config takes one", .0.display())]
    NotAFile(PathBuf),
    /// The file is there and cannot be read.
    #[error("{} cannot be read: {cause}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
    /// The file is longer than any configuration.
    #[error("{} is longer than {} bytes, so it is not taken for a configuration", .0.display(), limits::CONFIG_BYTES_MAX)]
    TooLarge(PathBuf),
    /// The file is not text.
    #[error("{0}: the file is not UTF-8 from here on")]
    NotText(Position),
    /// The file is not TOML.
    #[error("{position}: this is not TOML: {problem}")]
    Syntax {
        /// Where the parser stopped.
        position: Position,
        /// What it said.
        problem: String,
    },
    /// The file says something that nobody understands.
    #[error("{position}: {key} is not known{}: {}", suggest(.nearest), allow(.allowed))]
    UnknownKey {
        /// Where the key stands.
        position: Position,
        /// Section and key.
        key: String,
        /// The known key that looks most like it, when one does.
        nearest: Option<&'static str>,
        /// All keys that may stand there.
        allowed: Vec<&'static str>,
    },
    /// A value that cannot be: of the wrong kind, out of its bounds, or against another one.
    #[error("{place} {problem}")]
    Setting {
        /// Where the value was said.
        place: Place,
        /// What is wrong, as the rest of the sentence.
        problem: String,
    },
}

fn suggest(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(" (did you mean {nearest}?)"))
}

fn allow(allowed: &[&'static str]) -> String {
    format!("here may stand {}", allowed.join(", "))
}

/// The known name nearest to `name`, if it is near enough to be meant: at most two letters wrong, and fewer than half.
pub(super) fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let measured = known.map(|candidate| (distance(name, candidate), candidate));
    let (wrong, candidate) = measured.min_by_key(|(wrong, _)| *wrong)?;
    (wrong <= 2 && 2 * wrong < candidate.len()).then_some(candidate)
}

/// Letters to insert, remove or replace to turn one word into the other (Levenshtein's distance).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = line;
        row[0] = line + 1;
        for (column, candidate) in other.chars().enumerate() {
            let replaced = diagonal + usize::from(letter != candidate);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        // The first two are the examples of every textbook.
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("saturday", "sunday"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn only_near_names_are_suggested() {
        let check =
            |name, expected| assert_eq!(nearest(name, ["shards", "cores", "mode"].into_iter()), expected);
        check("shard", Some("shards"));
        check("sharsd", Some("shards"));
        check("core", Some("cores"));
        check("note", None);
        check("threads", None);
    }
}
